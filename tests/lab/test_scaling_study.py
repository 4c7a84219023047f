"""The study as a user meets it: names in, a stored curve out, resumed where it was cut off."""

import contextlib
import dataclasses
import os
import threading

import numpy as np
import pandas as pd
import pytest
import threadpoolctl
from distributed import Client, LocalCluster
from distributed.diagnostics.plugin import SchedulerPlugin

import parbench_lab as pb
from parbench_lab.analysis.reading import read_curve
from parbench_lab.core.machine import Machine
from parbench_lab.errors import RaceError, StoreError, UnknownNameError, UsageError
from parbench_lab.lab.foretelling import foretell, kept_of
from parbench_lab.lab.scaling_study import ScalingStudy
from parbench_lab.lab.study_parts import default_workers
from parbench_lab.plots.scaling import scaling_data
from parbench_lab.reports.origin import run_settings
from parbench_lab.store import open_store
from parbench_lab.workloads.portfolio.prices import as_market
from parbench_lab.workloads.scalables import scalable_by_name


def squares(case, *, map):
    return sum(map(abs, case))


def numbers(size, rng):
    return rng.integers(-9, 9, size).tolist()


OPTIONS = {"workers": [1, 2], "sizes": [20], "repeats": 2, "make_case": numbers}


def test_a_function_of_a_notebook_cell_gives_a_curve_that_is_kept(tmp_path):
    with pb.ScalingStudy(squares, store=tmp_path / "runs.db", **OPTIONS) as study:
        curve = study.run()
    store = open_store(tmp_path / "runs.db")
    (summary,) = store.runs(kind="study")
    store.close()

    assert [level.time_s.n for level in curve.levels] == [2, 2]
    assert curve.agreement == "all 4 results are identical bit by bit"
    assert (summary.name, summary.status) == ("squares", "finished")
    assert summary.result == {"runs": 4, "planned": 4}


def test_each_level_tells_its_memory_and_where_the_time_of_its_workers_went():
    with pb.ScalingStudy(squares, store=":memory:", backend="threads", **OPTIONS) as study:
        curve = study.run()

    for level in curve.levels:
        told = level.shares
        parts = (told.compute, told.transfer, told.unpack, told.serial, told.imbalance)
        assert level.peak_memory_bytes.point > 2**20
        assert sum(parts) + told.scheduling == pytest.approx(1.0)
    assert any("their time went into: computing" in sentence for sentence in pb.read_curve(curve))


def test_the_serial_part_of_a_job_has_one_blas_thread():
    seen = []

    def looks(case, *, map):
        seen.extend(lib["num_threads"] for lib in threadpoolctl.threadpool_info())
        return squares(case, map=map)

    with threadpoolctl.threadpool_limits(2):
        with pb.ScalingStudy(looks, store=":memory:", backend="threads", **OPTIONS) as study:
            study.run()
        free = {lib["num_threads"] for lib in threadpoolctl.threadpool_info()}

    assert free == {2}
    assert set(seen) == {1}


def test_the_libraries_that_a_job_names_are_kept_with_its_machine(tmp_path):
    job = pb.Scalable(name="squares", run=squares, make_case=numbers, libraries=("pytest",))
    options = {"workers": [1], "sizes": [20], "repeats": 1}
    with pb.ScalingStudy(job, store=tmp_path / "runs.db", **options) as study:
        study.run()
    with contextlib.closing(open_store(tmp_path / "runs.db")) as store:
        (summary,) = store.runs(kind="study")
        machine = store.header(summary.id).document["machine"]

    assert machine["libraries"]["pytest"] == pytest.__version__
    assert "orjson" not in machine["libraries"]


def test_several_backends_and_sizes_stand_side_by_side():
    backends = ("serial", "threads")
    options = {**OPTIONS, "workers": [1], "sizes": [10, 20], "repeats": 1}
    with pb.ScalingStudy(squares, backend=backends, store=":memory:", **options) as study:
        curves = study.run()

    assert [str(series) for series in curves] == [
        "serial, 10 items", "serial, 20 items", "threads, 10 items", "threads, 20 items",
    ]  # fmt: skip


def test_batch_sizes_stand_side_by_side_and_are_resumed(tmp_path):
    store, options = tmp_path / "runs.db", {**OPTIONS, "batch_sizes": [3, 10]}
    with pb.ScalingStudy(squares, store=store, **options) as study:
        study.on_trial = lambda *_: study.stop()
        study.start()
        assert study.wait(60)
    with ScalingStudy.resume_run("latest", squares, make_case=numbers, store=store) as again:
        curves = again.run()

    assert [series.batch_size for series in curves] == [3, 10]
    assert [len(curve.trials) for curve in curves.values()] == [4, 4]
    assert [series.batch_size for series in pb.load_curves("latest", store)] == [3, 10]


def test_batch_sizes_of_the_whole_case_and_more_are_measured_once():
    options = {"workers": [1, 2], "batch_sizes": [10, 100, 500], "repeats": 1, "store": ":memory:"}
    fast = {"configurations": "quick", "timeframe": "1d", "window_days": 200, "test_windows": 1}
    with pb.ScalingStudy("portfolio_backtest", options=fast, **options) as study:
        planned, told = study.plan.batch_sizes, study.batch_reason
    with pb.ScalingStudy(squares, make_case=numbers, **options) as parts:
        as_asked = parts.plan.batch_sizes

    assert planned == (10, 100)
    assert told == (
        "batches of 100 and 500 configurations are the same, all 100 at once: they are measured "
        "once, as batches of 100"
    )
    assert as_asked == (10, 100, 500)  # of parts, and how many there are is not known before
    assert parts.batch_reason == ""


def test_a_job_goes_on_under_the_name_that_it_was_asked_for_by(tmp_path):
    store = tmp_path / "runs.db"
    options = {"workers": [1], "sizes": [20], "repeats": 2, "store": store}
    with pb.ScalingStudy("ml:feature_extraction", **options) as study:
        study.on_trial = lambda *_: study.stop()
        study.start()
        assert study.wait(60)

    with ScalingStudy.resume_run("latest", store=store) as again:
        curve = again.run()

    assert len(curve.trials) == 2


def test_the_most_of_adaptive_workers_that_was_changed_holds_when_they_go_on(tmp_path):
    store, most = tmp_path / "runs.db", os.cpu_count() + 1
    with pb.ScalingStudy(squares, store=store, **{**OPTIONS, "workers": "adaptive"}) as study:
        study.change(workers=[most])
        study.on_trial = lambda *_: study.stop()
        study.run()
    with ScalingStudy.resume_run("latest", squares, make_case=numbers, store=store) as again:
        curve = again.run()

    assert again.plan == study.plan
    assert again.plan.workers == (most,)
    assert [(level.workers, level.time_s.n) for level in curve.levels] == [(most, 2)]


def test_why_a_backend_was_chosen_is_known_when_the_study_goes_on(tmp_path):
    store = tmp_path / "runs.db"
    with pb.ScalingStudy(squares, backend="auto", store=store, **OPTIONS) as study:
        study.on_trial = lambda *_: study.stop()
        study.run()
    with ScalingStudy.resume_run("latest", squares, make_case=numbers, store=store) as again:
        pass

    assert "20 items of squares took" in study.backend_reason
    assert again.backend_reason == study.backend_reason


def test_adaptive_workers_are_a_curve_without_speedups(tmp_path):
    options = {**OPTIONS, "workers": "adaptive"}
    with pb.ScalingStudy(squares, store=tmp_path / "runs.db", **options) as study:
        curve = study.run()
    (stored,) = pb.load_curves("latest", tmp_path / "runs.db").values()

    (level,) = curve.levels
    assert curve.adaptive
    assert level.time_s.n == 2
    assert level.speedup is None
    assert 1 <= level.mean_workers.point <= study.cores
    assert stored.table() == curve.table()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"workers": "many"}, "worker counts or 'adaptive'"),
        ({"workers": "adaptive", "backend": "serial"}, "has one worker"),
        ({"workers": "adaptive", "mode": "weak"}, "strong scaling"),
        ({"workers": "adaptive", "cluster": "tcp://a:1"}, "leave cluster out"),
        ({"batch_sizes": []}, "at least one"),
        ({"batch_sizes": [0]}, "batch_sizes must be whole numbers"),
        ({"workers": 2.5}, "workers must be a whole number from 1 to 4,096 but got 2.5"),
        ({"workers": np.array(4)}, "workers must be a whole number from 1 to 4,096 but got array"),
        ({"sizes": np.array(20)}, "sizes must be whole numbers"),
        ({"workers": 10**7}, "workers must be a whole number from 1 to 4,096"),
        ({"workers": [1, 10**7]}, "workers must be whole numbers from 1 to 4,096"),
        ({"sizes": 2.5}, "sizes must be whole numbers"),
        ({"repeats": "5"}, "repeats must be a whole number"),
        ({"backend": None}, "backend must be a name or several but got None"),
        ({"tolerance": "x"}, "tolerance must be a number from 0 up but got 'x'"),
        ({"options": 5}, "options must be a mapping"),
        ({"cluster": "tcp://a:1"}, "for backend 'dask' but got 'threads'; leave one of the two"),
        (
            {"cluster": "tcp://a:1", "backend": ["serial", "threads"]},
            "for backend 'dask' but got 'serial' and 'threads'",
        ),
    ],
    ids=str,
)
def test_what_makes_no_sense_or_does_not_go_together_is_refused(options, words):
    with pytest.raises(UsageError, match=words):
        pb.ScalingStudy("prime_count", store=":memory:", **options)


def test_one_number_is_as_good_as_a_list_and_of_workers_it_is_the_most():
    options = {"sizes": 20, "repeats": 1, "make_case": numbers, "store": ":memory:"}
    with pb.ScalingStudy(squares, workers=6, batch_sizes=3, **options) as study:
        plan = study.plan
        study.change(workers=3)
        changed = study.plan

    assert (plan.workers, plan.sizes, plan.batch_sizes) == ((1, 2, 4, 6), (20,), (3,))
    assert changed.workers == (1, 2, 3)


def test_numbers_of_numpy_are_as_good_as_pythons_and_are_kept(tmp_path):
    options = {**OPTIONS, "workers": np.array([1, 2]), "sizes": [np.int64(20)]}
    options |= {"repeats": np.int64(1), "seed": np.int64(3), "batch_sizes": np.array([3])}
    with pb.ScalingStudy(squares, store=tmp_path / "runs.db", **options) as study:
        study.run()
        plan = study.plan
    (curve,) = pb.load_curves("latest", tmp_path / "runs.db").values()

    assert all(type(number) is int for number in (*plan.workers, *plan.sizes, plan.repeats))
    assert [level.workers for level in curve.levels] == [1, 2]


def test_a_study_that_was_cut_off_goes_on_where_it_was(tmp_path):
    store, third = tmp_path / "runs.db", threading.Event()
    seen = []

    def count(_cell, _trial):
        seen.append(1)
        if len(seen) == 3:
            study.stop()
            third.set()

    with pb.ScalingStudy(squares, store=store, on_trial=count, **OPTIONS) as study:
        study.start()
        assert third.wait(60)
        assert study.wait(60)
    with ScalingStudy.resume_run("latest", squares, make_case=numbers, store=store) as again:
        curve = again.run()

    assert again.run_id == study.run_id
    assert len(curve.trials) == 4
    with pytest.raises(UsageError, match="has measured all"):
        ScalingStudy.resume_run("latest", squares, make_case=numbers, store=store)


def cut_off(store, job=squares, **options):
    with pb.ScalingStudy(job, store=store, **{**OPTIONS, **options}) as study:
        study.on_trial = lambda *_: study.stop()
        study.start()
        assert study.wait(60)


def moved(path, *, cores=None, **differences):
    """Begin a study here, as if this had been a machine with these differences."""
    cut_off(path)
    with contextlib.closing(open_store(path)) as store:
        header = store.header("latest")
        events = list(store.events(header.id))
        there = dataclasses.replace(Machine.from_json(header.document["machine"]), **differences)
        document = {
            **header.document,
            "machine": there.as_json(),
            "fingerprint": there.fingerprint,
            "cores": cores or header.document["cores"],
        }
        store.create_run(dataclasses.replace(header, id="elsewhere", document=document))
        store.append("elsewhere", events)


def go_on(path, job, how, *, run_id="latest", **given):
    """Go on with a study, or only ask what that would be."""
    if how == "resume":
        return ScalingStudy.resume_run(run_id, job, store=path, **given)
    return kept_of(run_id, path).again(job, given)


@pytest.mark.parametrize("how", ["resume", "foretell"])
def test_a_study_does_not_go_on_by_measuring_another_job(tmp_path, how):
    cut_off(tmp_path / "runs.db")

    with pytest.raises(UsageError, match="is of squares, and figures of prime_count are not"):
        go_on(tmp_path / "runs.db", "prime_count", how)


def test_a_study_of_a_function_goes_on_with_its_import_string(tmp_path):
    cut_off(tmp_path / "runs.db")

    with go_on(tmp_path / "runs.db", f"{__name__}:squares", "resume", make_case=numbers) as study:
        assert study.run().agrees


@pytest.mark.parametrize("named", [None, "portfolio_backtest"])
def test_a_study_goes_on_with_the_options_of_its_job_whether_it_is_named_or_not(tmp_path, named):
    options = {"test_windows": 2, "timeframe": "1d", "window_days": 100}
    path = tmp_path / "runs.db"
    cut_off(path, "portfolio_backtest", sizes=[4], options=options, make_case=None)

    with go_on(path, named, "resume") as study:
        curve = study.run()

    assert curve.agreement == f"all {len(curve.trials)} results are identical bit by bit"
    assert study._options == options


@pytest.mark.parametrize("how", ["resume", "foretell"])
def test_a_study_does_not_go_on_with_other_cores_than_it_began_with(tmp_path, how):
    moved(tmp_path / "runs.db", cores=64)

    with pytest.raises(UsageError, match=r"was begun with 64 cores of its machine, and here are"):
        go_on(tmp_path / "runs.db", squares, how, run_id="elsewhere", make_case=numbers)


@pytest.mark.parametrize("how", ["resume", "foretell"])
def test_of_another_machine_with_other_cores_the_machine_is_told(tmp_path, how):
    moved(tmp_path / "runs.db", cores=64, cpu_model="Abacus 3")

    with pytest.raises(UsageError, match="was begun on another machine"):
        go_on(tmp_path / "runs.db", squares, how, run_id="elsewhere", make_case=numbers)


def test_a_study_of_another_machine_does_not_go_on_here(tmp_path):
    moved(tmp_path / "runs.db", cpu_model="Abacus 3")

    with pytest.raises(UsageError) as refused:
        ScalingStudy.resume_run(
            "elsewhere", squares, make_case=numbers, store=tmp_path / "runs.db"
        )

    told = str(refused.value)
    assert told.startswith("study elsewhere was begun on another machine (cpu")
    assert "Abacus 3" in told
    assert told.endswith("not one curve; go on with it there, or begin a new study here")
    assert "\n" not in told
    with contextlib.closing(open_store(tmp_path / "runs.db")) as store:
        assert sum(event.kind == "StudyMeasured" for event in store.events("elsewhere")) == 1


def test_a_study_goes_on_with_the_tolerance_that_it_began_with(tmp_path):
    cut_off(tmp_path / "runs.db", tolerance=0.25)

    options = {"make_case": numbers, "store": tmp_path / "runs.db"}
    with ScalingStudy.resume_run("latest", squares, **options) as kept:
        tolerance = kept.scalable.tolerance
    with ScalingStudy.resume_run("latest", squares, tolerance=0.5, **options) as said:
        asked = said.scalable.tolerance

    assert (tolerance, asked) == (0.25, 0.5)


def test_a_study_goes_on_with_the_make_case_that_was_given_as_text(tmp_path, monkeypatch):
    (tmp_path / "jobs_of_mine.py").write_text(
        "def job(case, *, map):\n    return sum(map(abs, case))\n"
        "def evens(size, rng):\n    return list(range(0, 2 * size, 2))\n"
        "def make_case(size, rng):\n    raise AssertionError('not the one that was asked for')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    cut_off(tmp_path / "runs.db", "jobs_of_mine:job", make_case="jobs_of_mine:evens")

    with ScalingStudy.resume_run("latest", make_case=None, store=tmp_path / "runs.db") as again:
        curve = again.run()

    assert len(curve.trials) == 4
    assert curve.agreement == "all 4 results are identical bit by bit"


BACKTEST = {"configurations": 4, "test_windows": 1}


def price_file(folder):
    closes = np.exp(np.random.default_rng(0).normal(0, 0.01, (400, 2)).cumsum(axis=0))
    path = folder / "mine.csv"
    np.savetxt(path, closes, delimiter=",", header="a,b", comments="", fmt="%.6f")
    return path


def test_a_study_goes_on_with_paths_and_numbers_of_numpy_among_its_options(tmp_path):
    options = {
        **BACKTEST,
        "configurations": np.int64(4),
        "window_days": np.float32(300.0),
        "timeframe": "1d",
        "prices": None,
    }
    given = {**BACKTEST, "prices": price_file(tmp_path)}
    for number, asked in enumerate((options, given)):
        store = tmp_path / f"{number}.db"
        cut_off(store, "portfolio_backtest", options=asked, make_case=None)

        with contextlib.closing(open_store(store)) as kept:
            document = kept.header("latest").document
        with ScalingStudy.resume_run("latest", store=store) as again:
            curve = again.run()

        expected = {name: str(v) if name == "prices" and v else v for name, v in asked.items()}
        assert (document["options"], document["options_not_kept"]) == (expected, [])
        assert curve.agreement == "all 4 results are identical bit by bit"


@pytest.mark.parametrize(
    "as_given",
    [
        pytest.param(lambda path: np.loadtxt(path, delimiter=",", skiprows=1), id="array"),
        pytest.param(pd.read_csv, id="frame"),
        pytest.param(lambda path: as_market(path, timeframe="1h", days_per_year=365), id="market"),
    ],
)
def test_a_study_with_options_that_cannot_be_kept_goes_on_with_the_job_given_again(
    tmp_path, as_given
):
    store, options = tmp_path / "runs.db", {**BACKTEST, "prices": as_given(price_file(tmp_path))}
    cut_off(store, "portfolio_backtest", options=options, make_case=None)

    with contextlib.closing(open_store(store)) as kept:
        header = kept.header("latest")
    with pytest.raises(UsageError) as refused:
        ScalingStudy.resume_run("latest", store=store)
    job = scalable_by_name("portfolio_backtest", **options)
    with ScalingStudy.resume_run("latest", job, store=store) as again:
        curve = again.run()

    assert header.document["options"] == BACKTEST
    assert run_settings(header)["options not kept"] == ["prices"]
    assert str(refused.value) == (
        f"study {header.id}: its options prices could not be kept: give the job again, a "
        "Scalable made with them"
    )
    assert curve.agreement == "all 4 results are identical bit by bit"


def test_a_study_goes_on_with_the_plan_that_it_began_with(tmp_path):
    cut_off(tmp_path / "runs.db")

    with pytest.raises(UsageError, match="goes on as it began: leave repeats out"):
        ScalingStudy.resume_run("latest", squares, repeats=9, store=tmp_path / "runs.db")


def test_a_race_is_no_study(tmp_path):
    with pb.ParallelBenchmarking(workload="sorting", store=tmp_path / "r.db", batch_size=10) as b:
        b.run_continuous_optimization(max_seconds=0.5)

    with pytest.raises(UsageError, match="is no scaling study but a race"):
        ScalingStudy.resume_run("latest", store=tmp_path / "r.db")


@pytest.mark.parametrize(
    ("job", "options", "words"),
    [
        ("prime_cont", {}, "did you mean 'prime_count'"),
        (squares, {}, "has no make_case"),
        (sum, {}, "cannot scale sum"),
        ("prime_count", {"backend": "gpu"}, "known names are serial, threads"),
        ("prime_count", {"workers": [0]}, "from 1 to 4,096"),
        ("prime_count", {"seed": -1}, "seed must be"),
    ],
)
def test_what_cannot_be_used_is_refused_with_what_would_do(job, options, words):
    with pytest.raises((UsageError, UnknownNameError), match=words):
        pb.ScalingStudy(job, store=":memory:", **options)


@pytest.mark.parametrize(
    ("cores", "counts"), [(1, (1,)), (2, (1, 2)), (3, (1, 2, 3)), (16, (1, 2, 4, 8, 16))]
)
def test_by_default_workers_double_up_to_the_cores(cores, counts):
    assert default_workers(cores) == counts


def test_a_stored_study_gives_back_its_curves(tmp_path):
    with pb.ScalingStudy(squares, store=tmp_path / "runs.db", **OPTIONS) as study:
        measured = study.run()

    (stored,) = pb.load_curves("latest", tmp_path / "runs.db").values()

    assert stored.table() == measured.table()
    assert stored.machine == measured.machine != ""


def test_the_curves_of_a_race_are_not_to_be_had(tmp_path):
    with pb.ParallelBenchmarking(workload="sorting", store=tmp_path / "r.db", batch_size=10) as b:
        b.run_continuous_optimization(max_seconds=0.5)

    with pytest.raises(StoreError, match="is no scaling study but a race"):
        pb.load_curves("latest", tmp_path / "r.db")


def stored_runs(path):
    """Return the status of every study of a store, and how many levels its kept curve has."""
    with contextlib.closing(open_store(path)) as store:
        return [
            (run.status, len({row.workers for row in store.curves(run.id)[0]}))
            for run in store.runs(kind="study")
        ]


@pytest.mark.parametrize("begin", ["run", "start"])
def test_a_study_that_has_ended_does_not_begin_again(tmp_path, begin):
    with pb.ScalingStudy(squares, store=tmp_path / "runs.db", **OPTIONS) as study:
        study.run()
        run_id = study.run_id
        with pytest.raises(UsageError, match="make a new one, or resume it"):
            getattr(study, begin)()

    assert study.run_id == run_id
    assert stored_runs(tmp_path / "runs.db") == [("finished", 2)]


def test_a_study_that_was_stopped_before_it_began_is_not_stored(tmp_path):
    with pb.ScalingStudy(squares, store=tmp_path / "runs.db", **OPTIONS) as study:
        study.stop()
        with pytest.raises(UsageError, match="started or stopped before"):
            study.run()

    assert study.run_id == ""
    assert stored_runs(tmp_path / "runs.db") == []


class ToldStore:
    """A store that says when a run's end is stored, and fails once at each of what it is told."""

    def __init__(self, path, *, failing=()):
        self.ended, self._failing = threading.Event(), list(failing)
        self._kept = open_store(path)

    def __getattr__(self, name):
        if name in self._failing:
            self._failing.remove(name)
            raise StoreError(f"{name}: the disk is full")
        return getattr(self._kept, name)

    def finish_run(self, *told):
        self._kept.finish_run(*told)
        self.ended.set()

    def close(self):
        self._kept.close()


class HeldStore:
    """A store that holds up everyone who begins a run until it is told to go on."""

    def __init__(self, path):
        self.begun, self.again, self.go_on = (threading.Event() for _ in range(3))
        self._kept = open_store(path)

    def __getattr__(self, name):
        return getattr(self._kept, name)

    def create_run(self, header):
        (self.again if self.begun.is_set() else self.begun).set()
        assert self.go_on.wait(60)
        self._kept.create_run(header)


def test_a_study_that_two_begin_at_once_is_begun_by_one_of_them(tmp_path):
    refused = []

    def begin():
        try:
            study.start()
        except UsageError as error:
            refused.append(str(error))

    with contextlib.closing(HeldStore(tmp_path / "runs.db")) as store:
        study = pb.ScalingStudy(squares, store=store, **OPTIONS)
        both = [threading.Thread(target=begin) for _ in range(2)]
        both[0].start()
        assert store.begun.wait(60)
        both[1].start()
        another = store.again.wait(0.2)
        store.go_on.set()
        for one in both:
            one.join(60)
        assert study.wait(60)
        study.close()

    assert not another
    assert [words.split(":")[0] for words in refused] == [
        "this study was started or stopped before; make a new one, or resume it from the store"
    ]
    assert stored_runs(tmp_path / "runs.db") == [("finished", 2)]


def test_a_study_that_is_closed_while_it_begins_is_stored_as_cut_off(tmp_path):
    with contextlib.closing(HeldStore(tmp_path / "runs.db")) as store:
        study = pb.ScalingStudy(squares, store=store, **OPTIONS)
        study.pause()
        both = [threading.Thread(target=target) for target in (study.start, study.close)]
        both[0].start()
        assert store.begun.wait(60)
        both[1].start()
        both[1].join(0.2)  # it must not come through
        store.go_on.set()
        for one in both:
            one.join(60)

    assert stored_runs(tmp_path / "runs.db") == [("interrupted", 0)]


def test_a_study_in_the_background_is_stored_though_nobody_waits_for_it(tmp_path):
    with contextlib.closing(ToldStore(tmp_path / "runs.db")) as store:
        study = pb.ScalingStudy(squares, store=store, **OPTIONS)
        study.start()

        assert store.ended.wait(60)
        assert stored_runs(tmp_path / "runs.db") == [("finished", 2)]
        study.close()


def test_who_waits_for_a_study_finds_it_stored(tmp_path):
    with pb.ScalingStudy(squares, store=tmp_path / "runs.db", **OPTIONS) as study:
        study.start()

        assert study.wait(60)
        assert stored_runs(tmp_path / "runs.db") == [("finished", 2)]


@pytest.mark.parametrize("begin", ["run", "start"])
def test_a_study_that_could_not_go_on_is_stored_and_closed(tmp_path, begin):
    def refuse(_cell, _trial):
        raise ValueError("not today")

    study = pb.ScalingStudy(squares, store=tmp_path / "runs.db", on_trial=refuse, **OPTIONS)
    with contextlib.suppress(ValueError):
        getattr(study, begin)()

    with pytest.raises(RaceError, match="not today"):
        study.wait(60)
    assert stored_runs(tmp_path / "runs.db") == [("interrupted", 1)]
    with pytest.raises(RaceError, match="not today"):
        study.close()
    study.close()
    assert not list(tmp_path.glob("runs.db-*"))  # as the last to close a database leaves it
    with ScalingStudy.resume_run(
        "latest", squares, make_case=numbers, store=tmp_path / "runs.db"
    ) as again:
        assert len(again.run().trials) == 4


@pytest.mark.parametrize(
    ("failing", "stored"),
    [("append", ("interrupted", 0)), ("keep_curves", ("finished", 2))],
    ids=["a run", "the end"],
)
def test_what_the_store_refuses_is_told_and_the_end_is_stored_at_the_close(
    tmp_path, failing, stored
):
    with contextlib.closing(ToldStore(tmp_path / "runs.db", failing=[failing])) as store:
        study = pb.ScalingStudy(squares, store=store, **OPTIONS)
        study.start()

        with pytest.raises(RaceError, match="the disk is full"):
            study.wait(60)
        with pytest.raises(RaceError, match="the disk is full"):
            study.close()
        study.close()

    assert stored_runs(tmp_path / "runs.db") == [stored]


# ---------------------------------------------------------------- on a given cluster


@pytest.fixture(scope="module")
def two_on_a_cluster():
    with LocalCluster(
        n_workers=2, threads_per_worker=4, processes=False, dashboard_address=":0"
    ) as cluster:
        yield cluster


@pytest.fixture
def one_core(two_on_a_cluster):
    """Leave this process one core, as taskset does; the cluster was there before."""
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system does not let a process have fewer cores")
    ours = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(ours)})
    yield
    os.sched_setaffinity(0, ours)


class Guests(SchedulerPlugin):
    """Who is connected to a cluster's scheduler, which hears a little later that one has gone."""

    def __init__(self, cluster):
        self.scheduler = cluster.scheduler
        self.left = threading.Condition()
        self.before = set(self.scheduler.clients)
        self.scheduler.add_plugin(self)

    def remove_client(self, scheduler, client):
        with self.left:
            self.left.notify_all()

    def have_left(self):
        with self.left:
            return self.left.wait_for(lambda: set(self.scheduler.clients) == self.before, 30)


@pytest.mark.usefixtures("one_core")
@pytest.mark.parametrize("given_as", ["address", "client", "cluster"])
def test_on_a_given_cluster_its_workers_count_and_not_the_cores_here(
    two_on_a_cluster, given_as, tmp_path
):
    cluster = two_on_a_cluster
    with Client(cluster, set_as_default=False) as client:
        given = {"address": cluster.scheduler_address, "client": client, "cluster": cluster}
        guests = Guests(cluster)
        with pb.ScalingStudy(
            squares,
            **OPTIONS,
            backend=["dask", "threads"],
            cluster=given[given_as],
            store=tmp_path / "runs.db",
        ) as study:
            study.run()
            far, here = study.curves.values()
        assert guests.have_left()

    assert study.cores == 1
    assert [level.oversubscribed for level in far.levels] == [False, False]
    assert [level.oversubscribed for level in here.levels] == [False, True]
    assert far.agrees
    assert far.cores == 2  # each does one part at a time, whatever its threads
    assert not any("this machine" in sentence for sentence in read_curve(far))
    assert scaling_data(far, workers=[1, 2, 4]).cores is None
    stored, _ = pb.load_curves("latest", tmp_path / "runs.db").values()
    assert (stored.cores, stored.on_cluster) == (2, True)
    assert stored.table() == far.table()


@pytest.mark.usefixtures("one_core")
def test_a_study_on_a_cluster_that_goes_on_says_the_same(two_on_a_cluster, tmp_path):
    with contextlib.closing(open_store(tmp_path / "runs.db")) as store:
        with pb.ScalingStudy(
            squares, **OPTIONS, backend="dask", cluster=two_on_a_cluster, store=store
        ) as study:
            study.on_trial = lambda _cell, _trial: study.stop()
            study.run()

        again = ScalingStudy.resume_run(
            study.run_id, squares, make_case=numbers, store=store, cluster=two_on_a_cluster
        )
        known = again.curve.cores
        with again:
            curve = again.run()

    assert known == 2
    assert (curve.cores, curve.on_cluster) == (2, True)
    assert not any(level.oversubscribed for level in curve.levels)


@pytest.mark.usefixtures("one_core")
def test_by_default_the_levels_on_a_cluster_go_up_to_its_workers(two_on_a_cluster):
    options = {**OPTIONS, "workers": None, "store": ":memory:"}
    guests = Guests(two_on_a_cluster)

    with pb.ScalingStudy(squares, **options, backend="dask", cluster=two_on_a_cluster) as study:
        assert study.plan.workers == (1, 2)

    assert guests.have_left()


def test_a_study_on_a_cluster_does_not_go_on_without_one(two_on_a_cluster, tmp_path):
    cut_off(tmp_path / "runs.db", backend="dask", cluster=two_on_a_cluster)

    options = {"make_case": numbers, "store": tmp_path / "runs.db"}
    with pytest.raises(UsageError, match=r"was on a cluster.*give cluster= \(--cluster ADDRESS\)"):
        ScalingStudy.resume_run("latest", squares, **options)
    with contextlib.closing(open_store(tmp_path / "runs.db")) as store:
        assert sum(event.kind == "StudyMeasured" for event in store.events("latest")) == 1


def test_a_study_on_workers_of_this_machine_does_not_go_on_on_a_cluster(tmp_path):
    cut_off(tmp_path / "runs.db", backend="dask")

    options = {"make_case": numbers, "store": tmp_path / "runs.db"}
    with pytest.raises(UsageError, match=r"was on workers of this machine.*leave cluster="):
        ScalingStudy.resume_run("latest", squares, cluster="tcp://127.0.0.1:1", **options)


def test_a_cluster_is_asked_when_its_first_level_begins_and_nothing_is_marked_until_then():
    options = {**OPTIONS, "workers": [1, 64], "backend": "dask", "cluster": "tcp://127.0.0.1:1"}

    with pb.ScalingStudy(squares, **options, store=":memory:") as study:
        assert (study.curve.cores, study.curve.on_cluster) == (64, True)
        told = foretell(study)

    assert told.shortest_s < told.longest_s  # as if it had the workers


def test_a_level_that_a_cluster_has_no_workers_for_fails_in_words(two_on_a_cluster):
    options = {**OPTIONS, "workers": [1, 2, 3], "backend": "dask", "cluster": two_on_a_cluster}

    with pb.ScalingStudy(squares, **options, store=":memory:") as study:
        curve = study.run()

    *_, beyond = curve.levels
    assert "has 2 usable workers but 3 are needed" in beyond.failures[-1]
    assert (beyond.oversubscribed, curve.cores) == (False, 2)
