"""Studies: every cell is measured once, whatever happens to levels, plans and whoever looks."""

import dataclasses
import itertools
import threading

import numpy as np
import pytest

from parbench_lab.core.ports import EventRecord
from parbench_lab.core.scalable import Scalable
from parbench_lab.errors import RaceError, StoreError, UsageError
from parbench_lab.racing.result import jsonable
from parbench_lab.scaling import journal
from parbench_lab.scaling.adapting import AdaptiveMap
from parbench_lab.scaling.plan import Plan
from parbench_lab.scaling.study import Study
from parbench_lab.scaling.workbench import Workbench
from tests.scaling.pools import CountingPool


def squares(case, *, map):
    return sum(map(np.square, case))


def draw(size, rng):
    return rng.integers(0, 9, size).tolist()


def job(run=squares, **options):
    return Scalable(name="squares", run=run, make_case=draw, default_size=20, **options)


class Bench:
    """A study with everything it told."""

    def __init__(
        self, plan, *, run=squares, tolerance=0.0, cut=None, opened=None, record=None, **options
    ):
        self.opened, self.told, self.trials = [], [], []
        self.study = Study(
            job(run, tolerance=tolerance, cut=cut),
            plan,
            open_pool=opened
            or (lambda backend, workers: CountingPool(self.opened, backend, workers)),
            cores=2,
            record=record or (lambda kind, payload: self.told.append((kind, payload))),
            on_trial=lambda cell, trial: self.trials.append((cell, trial)),
            **options,
        )

    def curve(self):
        (curve,) = self.study.curves.values()
        return curve


def test_every_level_is_measured_in_every_repetition_and_all_is_closed_then():
    bench = Bench(Plan(workers=(1, 2, 4), sizes=(20,), repeats=2))

    bench.study.run()

    assert len(bench.told) == 1 + 6
    assert {c.repetition for c, _ in bench.trials[:3]} == {0}
    assert [level.workers for level in bench.curve().levels] == [1, 2, 4]
    assert [level.time_s.n for level in bench.curve().levels] == [2, 2, 2]
    assert [level.oversubscribed for level in bench.curve().levels] == [False, False, True]
    assert bench.study.progress == (6, 6)
    assert bench.study.phase == "ended"
    assert len(bench.opened) == 3
    assert all(pool.closed for pool in bench.opened)


def test_every_repetition_has_all_levels_in_an_order_of_its_own():
    plan = Plan(workers=(1, 2, 4, 8), sizes=(20,), repeats=10)
    orders = [tuple(cell.workers for cell in plan.repetition(n)) for n in range(10)]

    assert {tuple(sorted(order)) for order in orders} == {plan.workers}
    assert len(set(orders)) > 5
    assert {order[0] for order in orders} == set(plan.workers)


def test_a_study_runs_the_levels_of_each_repetition_in_an_order_of_its_own():
    bench = Bench(Plan(workers=(1, 2, 4, 8), sizes=(20,), repeats=10))

    bench.study.run()

    made = [(cell.repetition, cell.workers) for cell, _ in bench.trials]
    orders = [
        tuple(workers for _, workers in made[first : first + 4]) for first in range(0, 40, 4)
    ]
    assert [number for number, _ in made] == sorted(number for number, _ in made)
    assert {tuple(sorted(order)) for order in orders} == {(1, 2, 4, 8)}
    assert len(set(orders)) > 5
    assert {order[0] for order in orders} == {1, 2, 4, 8}


def test_each_level_is_run_once_more_than_it_counts_and_its_pool_stays():
    runs = []

    def counted(case, *, map):
        runs.append(getattr(getattr(map, "__self__", None), "n_workers", "serial"))
        return squares(case, map=map)

    bench = Bench(Plan(workers=(1, 2), sizes=(20,), repeats=3), run=counted)
    bench.study.run()

    assert [runs.count(what) for what in ("serial", 1, 2)] == [1, 1 + 3, 1 + 3]
    assert len(bench.opened) == 2


def test_the_memory_that_a_pool_tells_is_that_of_its_level():
    bench = Bench(Plan(workers=(1, 2), sizes=(20,), repeats=2))

    bench.study.run()

    assert [level.peak_memory_bytes.point for level in bench.curve().levels] == [1000, 2000]


def test_all_results_are_compared_with_serial_bit_by_bit():
    bench = Bench(Plan(workers=(1, 2), sizes=(20,), repeats=2))

    bench.study.run()

    assert bench.curve().agreement == "all 4 results are identical bit by bit"
    assert bench.curve().agrees


def by_workers(case, *, map):
    """Wrong as soon as it runs in threads; a little off with its last digits."""
    off = 0.0 if map.__module__ == "builtins" else 1e-9
    return 1.0 + off + 0 * sum(map(float, case))


@pytest.mark.parametrize(("tolerance", "agrees"), [(1e-6, True), (1e-12, False)])
def test_a_result_that_is_not_serials_counts_only_within_the_tolerance(tolerance, agrees):
    bench = Bench(Plan(workers=(1, 2), sizes=(5,), repeats=1), run=by_workers, tolerance=tolerance)

    bench.study.run()

    assert bench.curve().agrees is agrees
    assert ("differ" in bench.curve().agreement) is not agrees
    assert [level.time_s is not None for level in bench.curve().levels] == [agrees, agrees]


def is_serial(map):
    return map.__module__ == "builtins"


class Filled:
    """Jobs on a case of zeros, which is given back filled; it counts how often it was made."""

    def __init__(self):
        self.n_made = 0
        self.met = []

    def make_case(self, size, _rng):
        self.n_made += 1
        return np.zeros(size)

    def study(self, run, **options):
        def seen(case, *, map):
            self.met.append(case.tolist())
            return run(case, map)

        job = Scalable(name="filled", run=seen, make_case=self.make_case, **options)
        pools = []
        study = Study(
            job,
            Plan(workers=(1, 2), sizes=(4,), repeats=2),
            open_pool=lambda backend, workers: CountingPool(pools, backend, workers),
            cores=2,
        )
        study.run()
        (curve,) = study.curves.values()
        return curve


def fill(case, map):
    case[:] = list(map(float, range(len(case))))
    return case


def fill_wrongly_in_parallel(case, map):
    fill(case, map)
    case[1] += 0.0 if is_serial(map) else 1.5
    return case


def fill_nothing_in_parallel(case, map):
    return fill(case, map) if is_serial(map) else case


def test_a_job_that_fills_its_case_begins_every_run_with_one_that_nobody_filled():
    filled = Filled()

    curve = filled.study(fill)

    assert curve.agreement == "all 4 results are identical bit by bit"
    assert filled.met == [[0.0] * 4] * 7
    assert filled.n_made == 7


def test_a_case_that_no_run_changes_is_made_once():
    filled = Filled()

    curve = filled.study(lambda case, map: sum(map(float, case)))

    assert curve.agrees
    assert filled.n_made == 1


@pytest.mark.parametrize(
    ("run", "apart"),
    [
        pytest.param(fill_wrongly_in_parallel, 0.5, id="something else"),
        pytest.param(fill_nothing_in_parallel, 1.0, id="nothing at all"),
    ],
)
@pytest.mark.parametrize("tolerance", [0.0, 1e-6])
def test_a_parallel_run_that_fills_its_case_with_something_else_is_told(run, apart, tolerance):
    curve = Filled().study(run, tolerance=tolerance)

    assert not curve.agrees
    assert [trial.difference for trial in curve.trials] == [apart] * 4
    assert f"by {apart:.2g}" in curve.trials[0].message


def test_a_run_that_fails_half_way_leaves_the_next_one_an_untouched_case():
    filled = Filled()

    def breaks(case, map):
        case[0] = 1.0
        raise RuntimeError("half way")

    curve = filled.study(breaks)

    assert len(curve.trials) == 4
    assert filled.met == [[0.0] * 4] * 4


@pytest.mark.parametrize(
    ("off", "agrees"), [(0.0, True), (1e-9, False)], ids=["the same", "something else"]
)
def test_what_later_runs_write_over_the_serial_result_is_never_compared_with_itself(off, agrees):
    buffer = np.ones(4)

    def into_its_own(case, map):
        buffer[:] = 1.0 + (0.0 if is_serial(map) else off)
        return buffer

    curve = Filled().study(into_its_own, tolerance=1e-6)

    assert curve.agrees is agrees
    if not agrees:
        assert "which another run has overwritten" in curve.trials[0].message
        assert {trial.difference for trial in curve.trials} == {np.inf}


class Looked:
    """A case that counts how often it is pickled."""

    n_looks = 0

    def __reduce__(self):
        Looked.n_looks += 1
        return Looked, ()


@pytest.mark.parametrize(
    ("long_look_s", "n_looks"), [(np.inf, 1 + 1 + 2 + 4), (0.0, 1 + 1 + 2)], ids=["short", "long"]
)
def test_a_case_that_takes_long_to_look_at_is_looked_at_once_for_each_level(long_look_s, n_looks):
    Looked.n_looks = 0
    job = Scalable(name="looked", run=lambda _case, *, map: 1, make_case=lambda *_: Looked())
    plan = Plan(workers=(1, 2), sizes=(4,), repeats=2)
    pools = []
    bench = Workbench(
        job,
        lambda backend, workers: CountingPool(pools, backend, workers),
        long_look_s=long_look_s,
    )

    trials = [bench.run(cell, plan) for n in range(2) for cell in plan.repetition(n)]
    bench.close()

    assert [trial.outcome for trial in trials] == ["ok"] * 4
    assert Looked.n_looks == n_looks


def fails_on_two(case, *, map):
    found = getattr(map, "__self__", None)
    if getattr(found, "n_workers", 0) == 2:
        raise RuntimeError("two is a crowd")
    return squares(case, map=map)


def test_a_level_that_fails_is_an_outcome_and_the_others_go_on():
    bench = Bench(Plan(workers=(1, 2, 4), sizes=(20,), repeats=2), run=fails_on_two)

    bench.study.run()

    one, two, four = bench.curve().levels
    assert two.time_s is None
    assert two.failures == ("RuntimeError: two is a crowd",) * 2
    assert one.time_s.n == four.time_s.n == 2
    assert all(pool.closed for pool in bench.opened)


def leaves_itself(case, *, map):
    raise SystemExit(0)


def leaves_in_a_part(case, *, map):
    return sum(map(leaves_when_drawn, case))


def leaves_when_drawn(_x):
    raise SystemExit(0)


@pytest.mark.parametrize("run", [leaves_itself, leaves_in_a_part])
@pytest.mark.parametrize("begin", [Study.run, Study.start], ids=["run", "start"])
def test_a_job_that_exits_is_a_level_that_failed(run, begin):
    bench = Bench(Plan(workers=(1, 2), sizes=(20,), repeats=1), run=run)

    begin(bench.study)

    assert bench.study.wait(60)
    assert bench.study.progress == (2, 2)
    assert [level.failures for level in bench.curve().levels] == [("SystemExit: 0",)] * 2


class Unheard(BaseException):
    """Neither an exception nor Ctrl-C."""


def is_unheard(case, *, map):
    raise Unheard("of this kind")


def is_unheard_in_a_part(case, *, map):
    return sum(map(raises_unheard, case))


def raises_unheard(_x):
    raise Unheard("of this kind")


@pytest.mark.parametrize("run", [is_unheard, is_unheard_in_a_part])
@pytest.mark.parametrize("begin", [Study.run, Study.start], ids=["run", "start"])
def test_what_is_neither_an_exception_nor_ctrl_c_is_a_level_that_failed(run, begin):
    bench = Bench(Plan(workers=(1, 2), sizes=(20,), repeats=1), run=run)

    begin(bench.study)

    assert bench.study.wait(60)
    assert [level.failures for level in bench.curve().levels] == [("Unheard: of this kind",)] * 2


def test_weak_scaling_grows_the_case_with_the_workers():
    bench = Bench(Plan(workers=(1, 2), sizes=(10,), mode="weak", repeats=1))

    bench.study.run()

    assert [level.size for level in bench.curve().levels] == [10, 20]
    assert [level.serial_fraction is None for level in bench.curve().levels] == [True, False]


def test_a_plan_that_is_changed_on_the_way_is_measured_as_it_is_now():
    gate, seen = threading.Event(), threading.Event()

    def waits(case, *, map):
        if map.__module__ != "builtins":
            seen.set()
            assert gate.wait(60)
        return squares(case, map=map)

    bench = Bench(Plan(workers=(1,), sizes=(20,), repeats=1), run=waits)
    bench.study.start()
    assert seen.wait(60)
    bench.study.change(workers=[1, 2], repeats=2)
    gate.set()

    assert bench.study.wait(60)
    assert bench.study.progress == (4, 4)
    assert [kind for kind, _ in bench.told].count(journal.PLANNED) == 2


def test_while_it_is_paused_nothing_begins_and_stopping_ends_it():
    bench = Bench(Plan(workers=(1, 2), sizes=(20,), repeats=50))
    bench.study.pause()
    bench.study.start()

    assert bench.study.phase == "paused"
    assert not bench.study.wait(0.05)
    bench.study.stop()
    assert bench.study.wait(60)
    assert bench.trials == []


def test_ctrl_c_ends_a_study_with_what_was_measured():
    runs = []

    def interrupted(case, *, map):
        runs.append(1)
        if len(runs) == 6:
            raise KeyboardInterrupt
        return squares(case, map=map)

    bench = Bench(Plan(workers=(1, 2), sizes=(20,), repeats=9), run=interrupted)

    bench.study.run()

    assert 1 <= len(bench.trials) < 18
    assert bench.study.phase == "ended"
    assert all(pool.closed for pool in bench.opened)


def test_what_was_measured_before_is_not_measured_again():
    plan = Plan(workers=(1, 2), sizes=(20,), repeats=2)
    first = Bench(plan)
    first.study.run()

    bench = Bench(plan.changed(repeats=3), done=dict(first.trials))
    bench.study.run()

    assert len(bench.trials) == 2
    assert bench.study.progress == (6, 6)


@pytest.mark.parametrize("refused", [journal.PLANNED, journal.MEASURED])
def test_a_record_that_cannot_be_kept_ends_the_study_with_its_reason(refused):
    bench = Bench(Plan(workers=(1,), sizes=(20,), repeats=2))

    def full(kind, _payload):
        if kind == refused:
            raise OSError("the disk is full")

    bench.study._record = full
    bench.study.start()

    with pytest.raises(RaceError, match="the disk is full"):
        bench.study.wait(60)
    assert all(pool.closed for pool in bench.opened)


def test_a_clusters_workers_that_cannot_be_kept_end_the_study_and_are_no_failure_of_a_level():
    def opened(backend, workers):
        bench.study.met_cluster(2)
        return CountingPool(bench.opened, backend, workers)

    def full(kind, payload):
        if payload == {"workers": 2}:
            raise StoreError("the disk is full")
        bench.told.append((kind, payload))

    plan = Plan(workers=(1,), sizes=(20,), repeats=1)
    bench = Bench(plan, opened=opened, record=full, cluster_workers=0)
    bench.study.start()

    with pytest.raises(RaceError, match="the disk is full"):
        bench.study.wait(60)
    assert journal.MEASURED not in [kind for kind, _ in bench.told]
    assert [pool.closed for pool in bench.opened] == [True]


def test_the_most_workers_that_a_cluster_had_are_kept_once_each():
    there = iter((2, 4, 3))

    def opened(backend, workers):
        bench.study.met_cluster(next(there))
        return CountingPool([], backend, workers)

    bench = Bench(
        Plan(workers=(1, 2, 3), sizes=(20,), repeats=2, backends=("dask",)),
        opened=opened,
        cluster_workers=0,
    )
    bench.study.run()

    kept_workers = [told["workers"] for kind, told in bench.told if kind == journal.CLUSTER]
    assert kept_workers == [0, 2, 4]
    assert bench.curve().cores == 4


class Gate:
    """Holds up whoever passes, once: says that he is there, and waits until it is opened."""

    def __init__(self):
        self.reached, self.opened = threading.Event(), threading.Event()

    def passed(self):
        if not self.reached.is_set():
            self.reached.set()
            assert self.opened.wait(60)


def test_the_last_plan_that_is_kept_is_the_one_that_is_in_force():
    gate = Gate()
    plans = []

    def slow(kind, payload):
        if kind == journal.PLANNED:
            gate.passed()
            plans.append(payload["repeats"])

    bench = Bench(Plan(workers=(1,), sizes=(20,), repeats=1), record=slow)
    bench.study.start()
    assert gate.reached.wait(60)
    changing = threading.Thread(target=bench.study.change, kwargs={"repeats": 3})
    changing.start()
    changing.join(0.2)  # it must not come through
    gate.opened.set()
    changing.join(60)

    assert bench.study.wait(60)
    assert plans == [1, 3]


def test_the_end_waits_for_a_change_that_is_being_kept():
    gate, ended = Gate(), threading.Event()

    def slow(kind, payload):
        if kind == journal.PLANNED and payload["repeats"] == 2:
            gate.passed()

    bench = Bench(Plan(workers=(1,), sizes=(20,), repeats=3), record=slow, on_end=ended.set)
    bench.study.pause()
    bench.study.start()
    changing = threading.Thread(target=bench.study.change, kwargs={"repeats": 2})
    changing.start()
    assert gate.reached.wait(60)
    bench.study.stop()

    too_early = ended.wait(0.2)
    gate.opened.set()
    changing.join(60)
    assert ended.wait(60)
    assert not too_early


def test_what_is_planned_while_the_workers_end_is_refused():
    refused = []

    class Slow(CountingPool):
        def close(self):
            with pytest.raises(UsageError, match="has ended"):
                bench.study.change(repeats=9)
            refused.append(bench.study.progress)
            super().close()

    bench = Bench(
        Plan(workers=(1,), sizes=(20,), repeats=1),
        opened=lambda backend, workers: Slow([], backend, workers),
    )
    bench.study.run()

    assert refused == [(1, 1)]


def test_what_fails_while_a_study_begins_leaves_it_new():
    def full():
        if not refused:
            refused.append(1)
            raise OSError("the disk is full")

    refused = []
    bench = Bench(Plan(workers=(1,), sizes=(20,), repeats=1), on_begin=full)
    with pytest.raises(OSError, match="the disk is full"):
        bench.study.run()
    assert bench.study.phase == "new"

    bench.study.run()
    assert bench.study.progress == (1, 1)


def test_who_waits_for_a_study_is_told_after_what_is_done_at_its_end():
    phases = []
    bench = Bench(
        Plan(workers=(1,), sizes=(20,), repeats=1), on_end=lambda: phases.append(study.phase)
    )
    study = bench.study

    study.start()

    assert study.wait(60)
    assert (phases, study.phase) == (["measuring"], "ended")


def test_at_its_end_a_study_takes_no_change_any_more():
    refused = []

    def late():
        with pytest.raises(UsageError, match="has ended"):
            bench.study.change(repeats=9)
        refused.append(bench.study.progress)

    bench = Bench(Plan(workers=(1,), sizes=(20,), repeats=1), on_end=late)
    bench.study.run()

    assert refused == [(1, 1)]


def test_what_fails_at_the_end_of_a_study_neither_hangs_nor_hides_what_failed_before():
    def full():
        raise OSError("the disk is full")

    bench = Bench(Plan(workers=(1,), sizes=(20,), repeats=1), on_end=full)
    bench.trials = None  # so that telling of the run fails
    bench.study.start()

    with pytest.raises(RaceError, match="the disk is full") as told:
        bench.study.wait(60)
    assert isinstance(told.value.__cause__.__context__, AttributeError)


@pytest.mark.parametrize(
    "wrong",
    [
        {"workers": ()},
        {"workers": (0,)},
        {"workers": (2, 2)},
        {"workers": (1.5,)},
        {"sizes": ()},
        {"repeats": 0},
        {"mode": "sideways"},
        {"backends": ()},
    ],
    ids=str,
)
def test_a_plan_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(UsageError):
        Plan(**{"workers": (1,), "sizes": (1,), **wrong})


def kept(told):
    """Return what was recorded as a store gives it back."""
    return [
        EventRecord(seq=n, at_s=0.0, kind=kind, payload=jsonable(payload))
        for n, (kind, payload) in enumerate(told)
    ]


def test_every_batch_size_is_a_series_of_its_own_that_the_journal_keeps():
    plan = Plan(workers=(1, 2), sizes=(20,), repeats=1, batch_sizes=(3, 7))
    bench = Bench(plan)

    bench.study.run()
    read_plan, read_trials = journal.read_back(kept(bench.told))

    assert [str(series) for series in bench.study.curves] == [
        "threads, 20 items, batches of 3", "threads, 20 items, batches of 7",
    ]  # fmt: skip
    assert all(len(curve.trials) == 2 for curve in bench.study.curves.values())
    assert all(curve.agrees for curve in bench.study.curves.values())
    assert (read_plan, read_trials) == (plan, dict(bench.trials))


def _nested(trial, shares):
    return {**trial, "shares": {**SHARES, **shares}}


LOOK = {"at_s": 1.0, "workers": 1, "before": 1}
SHARES = dict.fromkeys(
    ("compute", "transfer", "serial", "imbalance", "scheduling", "load_balance", "communication"),
    0.5,
)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda trial: {**trial, "time_s": "fast"}, "time_s is 'fast'"),
        (lambda trial: {**trial, "time_s": -1.0}, "must be positive"),
        (lambda trial: {**trial, "time_s": float("nan")}, "must be positive"),
        (lambda trial: {**trial, "workers": True}, "workers is True"),
        (lambda trial: {**trial, "size": 0}, "must be positive"),
        (lambda trial: {**trial, "message": ["long"]}, "message is"),
        (lambda trial: {**trial, "peak_memory_bytes": "much"}, "peak_memory_bytes is 'much'"),
        (lambda trial: {**trial, "uses": [{"at_s": "now", "workers": 1, "before": 1}]}, "at_s"),
        (lambda trial: _nested(trial, {"compute": "all"}), "compute is 'all'"),
        (lambda trial: _nested(trial, {"told_by": 3}), "told_by is 3"),
        (lambda trial: {**trial, "time_s": 10**400}, "time_s is 1000"),
        (lambda trial: {**trial, "peak_memory_bytes": -1}, "must be positive"),
        (lambda trial: {**trial, "uses": [{"at_s": 0.0, "workers": 0, "before": 1}]}, "positive"),
        (lambda trial: {**trial, "uses": [LOOK, {**LOOK, "at_s": 0.5}]}, "in order"),
    ],
    ids=[
        "time", "negative", "nan", "workers", "size", "message", "memory", "use", "share", "by",
        "endless", "no memory", "nobody", "order",
    ],
)  # fmt: skip
def test_a_stored_run_that_no_study_writes_is_told_as_damage(change, told):
    bench = Bench(Plan(workers=(1,), sizes=(20,), repeats=1))
    bench.study.run()
    events = kept(bench.told)
    good = events[-1]
    payload = {**good.payload, "trial": change(dict(good.payload["trial"]))}

    with pytest.raises(StoreError, match=f"event {good.seq} of this study is damaged: .*{told}"):
        journal.read_back([*events[:-1], dataclasses.replace(good, payload=payload)])


@pytest.mark.parametrize("workers", [None, -1, 2.5, "4"], ids=str)
def test_an_impossible_number_of_a_clusters_workers_is_told_as_damage(workers):
    event = EventRecord(seq=3, at_s=0.0, kind=journal.CLUSTER, payload={"workers": workers})

    with pytest.raises(StoreError, match="event 3 of this study is damaged: workers is "):
        journal.read_cluster([event])


def test_a_job_that_cuts_itself_is_told_the_batch_size():
    told = []

    def cut(scalable, batch_size):
        told.append(batch_size)
        return scalable

    bench = Bench(Plan(workers=(1,), sizes=(20,), repeats=1, batch_sizes=(5,)), cut=cut)
    bench.study.run()

    assert set(told) == {5}
    assert bench.curve().levels[0].time_s is not None


def test_adaptive_workers_are_measured_with_every_change_in_the_journal():
    seconds = itertools.count()

    def adapt(pool):
        return AdaptiveMap(
            pool, others_cores=lambda: 2.0, cores=4, clock_s=lambda: float(next(seconds))
        )

    plan = Plan(workers=(4,), sizes=(20,), repeats=2, adaptive=True)
    bench = Bench(plan, adapt=adapt)
    bench.study.run()
    curve = bench.curve()
    changes = [payload for kind, payload in bench.told if kind == journal.ADAPTED]

    assert bench.opened[0].used == [2]
    assert [(change["from"], change["to"]) for change in changes] == [(4, 2)]
    assert journal.read_back(kept(bench.told)) == (plan, dict(bench.trials))
    assert all(change["reason"] == "others use 2.0 of 4 cores" for change in changes)
    assert curve.levels[0].time_s.n == 2
    assert curve.levels[0].speedup is None
    assert curve.levels[0].mean_workers.point <= 4
    with pytest.raises(UsageError, match="fixed worker counts"):
        curve.fit()


@pytest.mark.parametrize("failing", [2, 3], ids=["while it warms up", "while it counts"])
def test_what_changed_in_a_run_that_fails_is_in_the_journal(failing):
    seconds, runs = itertools.count(), []

    def fails(case, *, map):
        runs.append(1)
        result = squares(case, map=map)
        if len(runs) == failing:
            raise RuntimeError("not today")
        return result

    def adapt(pool):
        return AdaptiveMap(
            pool,
            others_cores=lambda: 2.0 if len(runs) == failing else 0.0,
            cores=4,
            clock_s=lambda: float(next(seconds)),
        )

    plan = Plan(workers=(4,), sizes=(20,), repeats=1, adaptive=True)
    bench = Bench(plan, run=fails, adapt=adapt)
    bench.study.run()
    changes = [payload for kind, payload in bench.told if kind == journal.ADAPTED]

    assert bench.curve().levels[0].failures == ("RuntimeError: not today",)
    assert [(change["from"], change["to"]) for change in changes] == [(4, 2)]
    assert (changes[0]["at_s"] > 0) == (failing == 3)
    assert journal.read_back(kept(bench.told)) == (plan, dict(bench.trials))


@pytest.mark.parametrize(
    "wrong", [{"mode": "weak"}, {"workers": (1, 2)}], ids=["weak", "several counts"]
)
def test_adaptive_workers_need_strong_scaling_and_one_count(wrong):
    with pytest.raises(UsageError, match="adaptive workers need"):
        Plan(**{"workers": (2,), "sizes": (1,), "adaptive": True, **wrong})
