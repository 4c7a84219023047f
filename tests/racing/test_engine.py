"""The shell: one thread that ends whatever happens, and a journal written before the deed."""

from __future__ import annotations

import dataclasses
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import parbench_lab as pb
from parbench_lab.core.ports import ExecutorFailed
from parbench_lab.errors import ClusterError, RaceError, SettingError, StoreError, UsageError
from parbench_lab.racing import journal
from parbench_lab.racing.result import jsonable
from parbench_lab.store import open_store
from parbench_lab.testing import ModelGpu, ScriptedExecutor
from tests.chaos.candidates import Summing


def seconds(mean):
    return lambda rng, case, block: mean * float(np.exp(rng.normal(0, 0.03)))


TIMINGS = {"best": seconds(0.010), "slow": seconds(0.013)}


def race(executor=None, **options):
    candidates = [pb.Candidate(name=name, function=abs) for name in TIMINGS]
    given = {"store": ":memory:", "executor": executor or ScriptedExecutor(TIMINGS), **options}
    return pb.ParallelBenchmarking(candidates, Summing(), **given)


class Recording:
    """A store that remembers what was written before which task was submitted."""

    def __init__(self, inner):
        self.inner = inner
        self.kinds = []

    def append(self, run_id, events):
        self.inner.append(run_id, events)
        self.kinds += [(event.kind, dict(event.payload)) for event in events]

    def __getattr__(self, name):
        return getattr(self.inner, name)


class Full(Recording):
    """A store whose disk is full after a while."""

    def append(self, run_id, events):
        if len(self.kinds) > 50:
            raise StoreError("the disk is full: make room and resume the race")
        super().append(run_id, events)


class Stuck(Recording):
    """A store whose next write hangs until it is released."""

    def __init__(self, inner):
        super().__init__(inner)
        self.asked, self.hangs, self.released = (threading.Event() for _ in range(3))

    def append(self, run_id, events):
        if self.asked.is_set() and not self.released.is_set():
            self.hangs.set()
            assert self.released.wait(60)
        super().append(run_id, events)


class Waited(Recording):
    """A store that takes its time over a first block, and notes whether somebody heard of it."""

    def __init__(self, inner):
        super().__init__(inner)
        self.heard = threading.Event()
        self.early = []

    def append(self, run_id, events):
        if not self.early and any(event.measurements for event in events):
            self.early.append(self.heard.wait(0.3))
        super().append(run_id, events)


class Unreachable(ScriptedExecutor):
    """An executor without a cluster."""

    def open(self, sink, workload):
        raise ClusterError("no Dask scheduler answers")


class Watching(ScriptedExecutor):
    """An executor that checks, at every submission, that the journal knows the task."""

    def submit(self, task):
        sent = [p["task"] for kind, p in self.store.kinds if kind == "TaskSent"]
        assert task.number in sent
        super().submit(task)


def test_every_event_is_stored_before_its_command_is_carried_out():
    executor = Watching(TIMINGS)
    executor.store = Recording(open_store(":memory:"))

    with race(executor, store=executor.store) as bench:
        result = bench.run_continuous_optimization()

    assert result.winner == "best"


def test_who_waits_for_something_hears_of_it_when_it_is_stored():
    store, waits = Waited(open_store(":memory:")), threading.Event()

    def judged(state):
        waits.set()
        return state.blocks >= 1

    with race(store=store, policy="never") as bench, ThreadPoolExecutor() as pool:
        waiter = pool.submit(bench._engine.wait_for, judged)
        waiter.add_done_callback(lambda _: store.heard.set())
        assert waits.wait(60)
        bench.start()
        assert waiter.result(60)

    assert store.early == [False]


class Judge:
    """A policy that does what it should not, once some blocks are judged."""

    name, guarantee = "strange", "None."

    def __init__(self, misjudge):
        self.misjudge = misjudge

    def judge(self, record, *, elimination_threshold, tolerance):
        return self.misjudge() if record.judged > 20 else ()


class Clumsy(Recording):
    """A store with a bug."""

    def append(self, run_id, events):
        if len(self.kinds) > 50:
            raise ZeroDivisionError("a bug")
        super().append(run_id, events)


class Unclosable(ScriptedExecutor):
    """An executor that cannot be closed in an orderly way."""

    closed = 0

    def close(self):
        self.closed += 1
        if self.closed == 1:
            raise ZeroDivisionError("a bug")


@pytest.mark.parametrize(
    ("misjudge", "said"),
    [
        pytest.param(lambda: {}["odds"], "raised KeyError: 'odds'", id="it raises"),
        pytest.param(lambda: 3, "proposed 3, which is no Verdict", id="it returns a number"),
        pytest.param(lambda: ["slow"], "proposed 'slow', which is no Verdict", id="names"),
        pytest.param(lambda: None, "proposed None, which is no Verdict", id="nothing"),
    ],
)
def test_a_policy_that_breaks_its_promise_ends_the_race_and_is_named(misjudge, said):
    store = open_store(":memory:")
    with race(store=store, policy=Judge(misjudge)) as bench:
        with pytest.raises(RaceError, match=f"elimination policy 'strange' {said}"):
            bench.run_continuous_optimization()
        with pytest.raises(RaceError, match="strange"):
            bench.wait("finished", timeout_s=60)
        kept = store.summary(bench.run_id)

    assert not bench.running
    assert kept.status == "interrupted"  # it can be taken up with a policy that works
    assert kept.result["status"] == "failed"
    assert "'strange'" in kept.result["reason"]


def test_a_bug_of_the_shell_ends_the_race_with_the_traceback_as_its_cause():
    store = Clumsy(open_store(":memory:"))
    with race(store=store, policy="never") as bench:
        with pytest.raises(RaceError, match="unexpected ZeroDivisionError: a bug") as caught:
            bench.run_continuous_optimization()
        kept = store.summary(bench.run_id)

    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert kept.result["status"] == "failed"


def test_who_waits_for_a_race_is_told_also_when_its_executor_breaks_in_closing():
    store = open_store(":memory:")
    with race(Unclosable(TIMINGS), store=store, policy="never") as bench:
        with pytest.raises(RaceError, match="unexpected ZeroDivisionError"):
            bench.run_continuous_optimization(max_measurements=100)
        kept = store.summary(bench.run_id)

    assert kept.status == "undecided"  # what was measured is as good as ever


def test_a_budget_without_an_end_is_refused_and_a_very_long_one_is_waited_for():
    with race() as bench:
        with pytest.raises(UsageError, match="must be finite but got inf; None: none"):
            bench.limit(max_seconds=float("inf"))
        result = bench.run_continuous_optimization(max_seconds=1e300)

    assert result.winner == "best"


def test_a_threshold_under_its_floor_is_refused_at_the_start_and_live():
    with pytest.raises(SettingError, match="at least 20 but got 5; give a lower min_elim"):
        race(elimination_threshold=5)
    with race(elimination_threshold=50, min_elimination_threshold=5) as bench:
        bench.start()
        with pytest.raises(SettingError, match="at least 5 but got 2"):
            bench.change(elimination_threshold=2)

        assert bench.change(elimination_threshold=5).elimination_threshold == 5


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param({"configuration": 3}, "configuration must be a mapping but got 3", id="3"),
        pytest.param({"store": 3}, "store must be a path, .* or a store but got 3", id="store"),
        pytest.param({"constraints": ["wall_time_s <= nan"]}, "a finite bound", id="nan"),
        pytest.param({"objectives": ["wall_time_s"] * 2}, "each metric once", id="twice"),
    ],
)
def test_what_no_race_can_be_made_of_is_refused_at_the_door(options, said):
    with pytest.raises(UsageError, match=said):
        race(**options)


def test_a_change_to_a_number_of_numpy_is_journalled_as_the_number():
    store = open_store(":memory:")
    with race(store=store, policy="never") as bench:
        bench.start()
        bench.change(
            batch_size=np.int64(500), tolerance=np.float32(0.5), objectives=["wall_time_s"]
        )
        assert bench._engine.wait_for(lambda state: state.settings.batch_size == 500, 60)
        bench.stop()
        changes = [e.payload for e in store.events(bench.run_id) if e.kind == "SettingsChanged"]

    kept = {"batch_size": 500, "tolerance": 0.5, "objectives": ["wall_time_s"]}
    assert changes == [{"changes": kept}]


def test_a_race_that_was_stored_with_a_threshold_under_its_floor_is_resumed_all_the_same():
    names = ["tests.chaos.candidates:good", "tests.chaos.candidates:slower"]
    timings = {"good": seconds(0.010), "slower": seconds(0.013)}
    options = {"policy": "never", "elimination_threshold": 5, "min_elimination_threshold": 5}
    store, stored = open_store(":memory:"), open_store(":memory:")
    with pb.ParallelBenchmarking(
        names, Summing(), executor=ScriptedExecutor(timings), store=store, **options
    ) as bench:
        bench.start()
        assert bench._engine.wait_for(lambda state: state.blocks > 20, 60)
        bench._engine.post(ExecutorFailed(reason="the scheduler is gone"))
        assert bench.wait("finished", timeout_s=60)
        header = store.header(bench.run_id)
        journalled = list(store.events(bench.run_id))
    document = dict(header.document)
    document["settings"] = {**document["settings"], "min_elimination_threshold": 20.0}
    stored.create_run(dataclasses.replace(header, document=document))
    stored.append(header.id, journalled)

    again = {"workload": Summing(), "store": stored}
    with pytest.raises(UsageError, match="keeps its tolerance; leave it out"):
        pb.ParallelBenchmarking.resume_run(header.id, tolerance=0.5, **again)
    with pb.ParallelBenchmarking.resume_run(
        header.id, executor=ScriptedExecutor(timings, seed=1), **again
    ) as bench:
        bench.change(policy="evidence")
        result = bench.run_continuous_optimization(max_seconds=60)

    assert result.settings.elimination_threshold == 5
    assert result.winner == "good"


def test_a_full_disk_ends_the_race_with_its_one_line_and_no_thread():
    before = threading.active_count()
    store = Full(open_store(":memory:"))
    bench = race(store=store, policy="never")

    with bench, pytest.raises(StoreError, match="disk is full"):
        bench.run_continuous_optimization()

    assert threading.active_count() <= before


def test_a_change_returns_while_the_store_hangs_and_takes_effect_afterwards():
    store = Stuck(open_store(":memory:"))
    with race(store=store, policy="never") as bench:
        bench.start()
        assert bench.wait("first_rows", timeout_s=120)
        store.asked.set()
        assert store.hangs.wait(30)

        with ThreadPoolExecutor(1) as caller:
            asked = caller.submit(bench.change, batch_size=5000)
            try:
                merged = asked.result(timeout=120)
                hung_meanwhile = not store.released.is_set()
            finally:
                store.released.set()
        assert bench._engine.wait_for(lambda state: state.settings.batch_size == 5000, 30)

    assert hung_meanwhile
    assert merged.batch_size == 5000
    assert ("SettingsChanged", {"changes": {"batch_size": 5000}}) in store.kinds


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lambda bench: bench.change(batch_size=50), id="change"),
        pytest.param(lambda bench: bench.pause(), id="pause"),
        pytest.param(lambda bench: bench.resume(), id="resume"),
        pytest.param(lambda bench: bench.drop("slow"), id="drop"),
        pytest.param(lambda bench: bench.bring_back("slow"), id="bring_back"),
        pytest.param(lambda bench: bench.add(abs), id="add"),
        pytest.param(lambda bench: bench.limit(max_seconds=9.0), id="limit"),
        pytest.param(lambda bench: bench.note("so far so good"), id="note"),
        pytest.param(lambda bench: bench.running, id="running"),
    ],
)
def test_what_a_user_does_to_a_race_returns_while_the_engine_is_judging(act):
    judges, released = threading.Event(), threading.Event()

    def judge():
        judges.set()
        assert released.wait(60)
        return ()

    script = ScriptedExecutor({**TIMINGS, "abs": seconds(0.013)})
    with race(script, policy=Judge(judge)) as bench, ThreadPoolExecutor() as pool:
        bench.start()
        try:
            assert judges.wait(60)
            waiter = pool.submit(act, bench)

            waiter.result(15)

            assert not released.is_set()
        finally:
            released.set()


def test_what_a_change_only_names_is_kept_when_it_is_accepted_and_not_when_it_is_refused():
    kept = []
    with race(policy="never") as bench:
        bench.start()
        with pytest.raises(SettingError, match="fixed for the length"):
            bench._engine.change({"epoch_blocks": 30}, accepted=lambda: kept.append("refused"))
        bench._engine.change({"batch_size": 5000}, accepted=lambda: kept.append("accepted"))

    assert kept == ["accepted"]


def test_a_lost_cluster_ends_the_race_and_keeps_what_was_measured():
    executor = ScriptedExecutor(TIMINGS)
    with race(executor, policy="never") as bench:
        bench.start()
        assert bench._engine.wait_for(lambda state: state.measurements > 100, 1e300)

        bench._engine.post(ExecutorFailed(reason="the scheduler is gone"))
        assert bench.wait("finished", timeout_s=120)
        result = bench.result()

    assert (result.status, result.reason) == ("failed", "the scheduler is gone")
    assert result.scoreboard.measurements > 100


def test_a_race_whose_cluster_was_lost_goes_on_where_it_was(tmp_path):
    names = ["tests.chaos.candidates:good", "tests.chaos.candidates:slower"]
    timings = {"good": seconds(0.010), "slower": seconds(0.0101)}
    path = tmp_path / "runs.db"
    with pb.ParallelBenchmarking(
        names, Summing(), executor=ScriptedExecutor(timings), store=path, policy="never"
    ) as bench:
        bench.limit(max_measurements=10_000)
        bench.start()
        bench._engine.wait_for(lambda state: state.measurements > 100)
        bench._engine.post(ExecutorFailed(reason="the scheduler is gone"))
        assert bench.wait("finished", timeout_s=120)
        lost = bench.result()

    with pb.ParallelBenchmarking.resume_run(
        lost.run_id, workload=Summing(), executor=ScriptedExecutor(timings, seed=1), store=path
    ) as bench:
        store = open_store(path)
        assert store.summary(lost.run_id).status == "interrupted"
        result = bench.run_continuous_optimization(
            max_measurements=lost.scoreboard.measurements + 200
        )
        records = list(store.events(lost.run_id))
        again = bench.fresh_state()

    assert lost.resumable
    assert not result.resumable
    assert (result.status, result.reason) == ("undecided", "the measurement budget is spent")
    assert result.scoreboard.measurements >= lost.scoreboard.measurements + 200
    assert store.summary(lost.run_id).status == "undecided"
    assert [record.kind for record in records].count("Ended") == 2
    assert journal.replay(records, again).mismatches == ()
    store.close()


def test_a_race_that_was_lost_stays_resumable_when_there_is_no_cluster_yet(tmp_path):
    path, names = tmp_path / "runs.db", ["tests.chaos.candidates:good"]
    with pb.ParallelBenchmarking(
        names, Summing(), executor=ScriptedExecutor({"good": seconds(0.01)}), store=path
    ) as bench:
        bench.start()
        assert bench._engine.wait_for(lambda state: state.blocks > 0)
        bench._engine.post(ExecutorFailed(reason="the scheduler is gone"))
        assert bench.wait("finished", timeout_s=120)
        before = bench.result()

    with (
        pb.ParallelBenchmarking.resume_run(
            workload=Summing(), executor=Unreachable({}), store=path
        ) as bench,
        pytest.raises(ClusterError),
    ):
        bench.start()

    store = open_store(path)
    summary = store.summary(before.run_id)
    store.close()
    assert (summary.status, summary.result["reason"]) == ("interrupted", "the scheduler is gone")


def test_a_hundred_thousand_measurements_are_judged_and_the_log_stays_short():
    with race(policy="never", tolerance=0.0) as bench:
        result = bench.run_continuous_optimization(max_measurements=20_000)

    assert result.scoreboard.measurements >= 20_000
    assert len(result.log) <= 1000


def test_a_result_is_json_even_where_numbers_are_infinite():
    assert jsonable({"a": (float("inf"), 1), "b": [float("nan")]}) == {"a": [None, 1], "b": [None]}


def test_looking_from_many_threads_never_meets_a_half_made_state():
    errors = []

    def look(bench):
        try:
            while not bench.wait("finished", timeout_s=0):
                board = bench.scoreboard
                assert len(board.standings) <= 2
                bench.ranking()
        except AssertionError as error:
            errors.append(error)

    with race(policy="never") as bench:
        bench.start()
        threads = [threading.Thread(target=look, args=(bench,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        bench._engine.wait_for(lambda state: state.measurements > 3000)
        for size in (2000, 3000, 1000):
            bench.change(batch_size=size)
        bench.stop()
        for thread in threads:
            thread.join()

    assert errors == []


@pytest.mark.parametrize("needs", [{"GPU": 1.0}, {}], ids=["needs a GPU", "needs none"])
def test_samples_of_a_gpu_are_journalled_where_they_decide_something(needs):
    store = open_store(":memory:")
    gpu = ModelGpu(uuid="GPU-0", seats=2, percent=lambda busy: 40.0 * busy)
    timings = {"best": seconds(0.10), "slow": seconds(0.13)}
    candidates = [pb.Candidate(name=n, function=abs, resources=needs) for n in timings]
    executor = ScriptedExecutor(timings, n_workers=1, gpus=[gpu])

    with pb.ParallelBenchmarking(candidates, Summing(), store=store, executor=executor) as bench:
        result = bench.run_continuous_optimization()
        kinds = {event.kind for event in store.events(bench.run_id)}

    assert result.winner == "best"
    assert ("GpuSampled" in kinds) is bool(needs)
    assert [load.gpu for load in result.scoreboard.gpus] == (["GPU-0"] if needs else [])
