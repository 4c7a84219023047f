"""Stored runs against each other: by id, by result, from the race itself; roofs beside them."""

import contextlib
import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

import parbench_lab as pb
from parbench_lab.core.runs import ROOFLINE, STUDY, WATCH, EventRecord, MeasurementRow, RunHeader
from parbench_lab.errors import StoreError, UnknownNameError, UsageError
from parbench_lab.lab.comparing import run_figures
from parbench_lab.lab.reach import machines_of, own_modes
from parbench_lab.lab.roofs import keep_roofline, latest_roofline, measure_roofs
from parbench_lab.racing.result import jsonable
from parbench_lab.store import open_store
from parbench_lab.testing import ScriptedExecutor
from tests.analysis.comparison.figures import HERE, ROOFS, THERE
from tests.racing.test_engine import TIMINGS, race, seconds

KERNELS = {"python_loop_v1": 4e-3, "matmul_v1": 1e-3, "triad_v1": 2e-3, "sort_v1": 3e-3}


@pytest.fixture
def store():
    with contextlib.closing(open_store(":memory:")) as opened:
        yield opened


def stored(
    store,
    run_id,
    medians,
    machine=HERE,
    *,
    name="sorting",
    mode="batch",
    day=1,
    size=1000,
    **about,
):
    """Keep a run with 100 measurements of each candidate."""
    rng = np.random.default_rng(day)
    rows = tuple(
        row(rng, candidate, median_s, slot=slot, block=block, size=size)
        for block in range(100)
        for slot, (candidate, median_s) in enumerate(medians.items())
    )
    return keep(store, run_id, rows, machine, name=name, mode=mode, day=day, **about)


def stored_in_stages(store, run_id, candidate, stages, *, day=1, machine=HERE):
    """Keep a run with 100 measurements for each batch size and time, an epoch for each stage."""
    rng = np.random.default_rng(day)
    rows = tuple(
        row(rng, candidate, median_s, block=100 * epoch + block, size=size, epoch=epoch)
        for epoch, (size, median_s) in enumerate(stages)
        for block in range(100)
    )
    return keep(store, run_id, rows, machine, day=day)


def row(rng, candidate, median_s, *, block, size, slot=0, epoch=0):
    return MeasurementRow(
        block=block, slot=slot, epoch=epoch, candidate=candidate, copy=0, size=size, worker="w",
        outcome="ok", warm_up=False, checked=False, repeats=1,
        values={"wall_time_s": median_s * float(np.exp(rng.normal(0, 0.01)))},
    )  # fmt: skip


def keep(
    store,
    run_id,
    rows,
    machine,
    *,
    day,
    name="sorting",
    mode="batch",
    kind="race",
    sent=(),
    cause="fault",
    out=(),
    **about,
):
    started = dt.datetime(2026, 3, day, tzinfo=dt.UTC).isoformat()
    document = {"machine": jsonable(machine), "mode": mode, **about}
    store.create_run(
        RunHeader(id=run_id, kind=kind, name=name, started_utc=started, document=document)
    )
    task = EventRecord(seq=0, at_s=0.0, kind="TaskSent", payload={"blocks": list(sent)})
    event = EventRecord(seq=1, at_s=1.0, kind="TaskEnded", payload={}, measurements=rows)
    eliminated = [
        EventRecord(
            seq=seq, at_s=1.0, kind="Eliminated", payload={"candidate": name, "cause": cause}
        )
        for seq, name in enumerate(out, start=2)
    ]
    store.append(run_id, [task, event, *eliminated])
    store.finish_run(run_id, "decided", {})
    return run_id


def test_two_stored_runs_are_compared_by_the_beginnings_of_their_ids(store):
    stored(store, "first-run", {"quick": 1e-3, "merge": 2e-3})
    stored(store, "second-run", {"quick": 1e-3, "merge": 3e-3}, day=2)

    found = pb.compare("first", "latest", store=store)

    assert isinstance(found, pb.Comparison)
    assert {p.candidate: p.verdict.value for p in found.pairs} == {
        "quick": "equal",
        "merge": "slower",
    }
    assert (found.baseline.id, found.new.id) == ("first-run", "second-run")


@pytest.mark.parametrize(
    ("git", "other", "known"),
    [
        ({"commit": "a", "dirty": False}, {"commit": "a", "dirty": False}, {100, 1000}),
        ({"commit": "a", "dirty": False}, {"commit": "b", "dirty": False}, {1000}),
        ({"commit": "a", "dirty": False}, {"commit": "a", "dirty": True}, {1000}),
        ({"commit": "a", "dirty": True}, {"commit": "a", "dirty": True}, {1000}),
        ({}, {}, {1000}),
    ],
    ids=["one commit", "another commit", "with changes", "both with changes", "unknown code"],
)
def test_times_at_other_sizes_are_of_the_same_code(store, git, other, known):
    stored(store, "earlier", {"quick": 1e-4}, size=100, git=other)
    stored(store, "later", {"quick": 1e-3}, day=2, git=git)

    found = run_figures(store, "later")

    assert {size for _, size in found.other_times_s} == known


def test_a_race_is_compared_with_an_earlier_one_of_its_store(tmp_path):
    path = tmp_path / "runs.db"
    with race(store=path) as bench:
        before = bench.run_continuous_optimization()
    slower = ScriptedExecutor({**TIMINGS, "best": seconds(0.0105)}, seed=1)
    with race(slower, store=path) as bench:
        with pytest.raises(UsageError, match="has not started"):
            bench.compare(before)
        bench.run_continuous_optimization(max_measurements=900)

        found = bench.compare(before)

    assert found.new.id == bench.run_id
    (best,) = [pair for pair in found.pairs if pair.candidate == "best"]
    assert best.judgement.ratio.low < 1.05 < best.judgement.ratio.high
    assert found.tolerance == bench.settings.tolerance


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (("first", "first"), UsageError, "cannot be compared with itself"),
        (("first", "nowhere"), StoreError, "nowhere"),
        ((5, "latest"), UsageError, "a run is its id, 'latest' or the result of a race but got 5"),
        (("first", None), UsageError, "the result of a race but got None"),
    ],
    ids=["with itself", "an unknown run", "a number", "nothing"],
)
def test_a_pair_that_is_none_is_refused(store, words, error, message):
    stored(store, "first-run", {"quick": 1e-3})

    with pytest.raises(error, match=message):
        pb.compare(*words, store=store)


def test_a_night_of_a_watch_is_not_compared_and_the_latest_run_is_the_one_before_it(store):
    stored(store, "first-run", {"quick": 1e-3})
    stored(store, "second-run", {"quick": 1e-3}, day=2)
    stored(store, "night", {"quick": 5e-3}, day=3, kind=WATCH)
    stored(store, "study", {}, day=4, kind=STUDY)

    assert pb.compare("first", "latest", store=store).new.id == "second-run"
    with pytest.raises(UsageError, match="run night is a night of a watch"):
        pb.compare("first", "night", store=store)


def test_where_there_are_only_nights_the_latest_run_is_refused_as_one(store):
    stored(store, "night", {"quick": 1e-3}, kind=WATCH)

    with pytest.raises(UsageError, match="run night is a night of a watch"):
        pb.compare("latest", "night", store=store)


@pytest.mark.parametrize("tolerance", [None, "x", True])
def test_a_tolerance_that_is_no_number_is_refused(store, tolerance):
    with pytest.raises(UsageError, match="tolerance must be a number but got"):
        pb.compare("first", "latest", store=store, tolerance=tolerance)


@pytest.mark.parametrize("metric", [["wall_time_s"], None, 5])
def test_a_metric_that_is_no_name_is_refused(store, metric):
    with pytest.raises(UsageError, match="metric must be the name of one but got"):
        pb.compare("first", "latest", store=store, metric=metric)


@pytest.mark.parametrize("given", ["x", 5, [5], {**jsonable(ROOFS), "cores": 10**400}])
def test_a_stored_roofline_that_cannot_be_read_is_passed_over(store, given):
    header = store.header(keep_roofline(store, ROOFS, HERE))
    store.create_run(replace(header, id="later", started_utc="2100-01-01T00:00:00+00:00"))
    store.finish_run("later", "finished", {"roofline": given})

    assert latest_roofline(store, HERE) == ROOFS


def test_what_two_runs_set_differently_is_said(store):
    for day, (k, prime) in enumerate([(1, False), (2, True)], 1):
        about = {
            "settings": {"prime": prime, "min_time_s": 0.001, "tolerance": day},
            "candidates": [{"name": "quick", "parameters": {"k": k}}],
        }
        stored(store, f"run-{day}", {"quick": 1e-3}, day=day, **about)

    notes = pb.compare("run-1", "run-2", store=store).notes

    assert [note.split(";")[0] for note in notes[:2]] == [
        "prime: False and True",
        'parameters of quick: {"k": 1} and {"k": 2}',
    ]
    assert not any("min_time_s" in note or "tolerance" in note for note in notes)


def test_who_asked_for_a_gpu_is_not_read_against_the_roofs_of_the_processor(store):
    keep_roofline(store, ROOFS, HERE)
    about = {"candidates": [{"name": "cuda", "resources": {"GPU": 1}}, {"name": "numpy"}]}
    work, rng = {"flop_count": 8e5, "moved_bytes": 1e3}, np.random.default_rng(0)
    rows = [
        row(rng, name, 1e-4, block=block, size=1000, slot=slot)
        for block in range(20)
        for slot, name in enumerate(["cuda", "numpy"])
    ]
    worked = tuple(replace(one, values={**one.values, **work}) for one in rows)
    for day, name in enumerate(["before", "worked"], 1):
        keep(store, name, worked, HERE, day=day, **about)

    pairs = pb.compare("before", "worked", store=store).pairs

    limits = {pair.candidate: pair.bottleneck.limit.value for pair in pairs}
    assert limits == {"cuda": "not shown", "numpy": "compute"}


def test_an_unknown_metric_is_refused_with_the_known_ones(store):
    for day, name in enumerate(["first", "second"], 1):
        stored(store, name, {"quick": 1e-3}, day=day)

    with pytest.raises(UnknownNameError, match="known names are wall_time_s"):
        pb.compare("first", "second", metric="speed", store=store)


def test_another_machine_is_compared_less_the_calibration_of_both(store):
    stored(store, "first", {"quick": 1e-3, "merge": 2e-3})
    stored(store, "second", {"quick": 5e-4, "merge": 2e-3}, THERE, day=2)

    alone = pb.compare("first", "second", store=store)
    for day, machine, factor in ((3, HERE, 1.0), (4, THERE, 0.5)):
        times = {name: factor * seconds for name, seconds in KERNELS.items()}
        stored(store, f"c-{day}", times, machine, name="calibration", mode="micro", day=day)
    beside = pb.compare("first", "second", store=store)

    assert alone.speed is None
    assert beside.speed.overall.point == pytest.approx(0.5, rel=0.02)
    relative = {pair.candidate: pair.relative.ratio.point for pair in beside.pairs}
    assert relative == {"quick": pytest.approx(1, rel=0.02), "merge": pytest.approx(2, rel=0.02)}


def test_the_calibration_of_a_machine_counts_whatever_libraries_a_workload_names(store):
    with_library = replace(HERE, libraries={"torch": "2.0"})
    stored(store, "first", {"quick": 1e-3}, with_library)
    stored(store, "second", {"quick": 1e-3}, THERE, day=2)
    for day, machine in ((3, HERE), (4, THERE)):
        stored(store, f"c-{day}", KERNELS, machine, name="calibration", mode="micro", day=day)

    assert pb.compare("first", "second", store=store).speed is not None


def test_the_calibration_of_another_boot_of_a_machine_with_other_libraries_counts(store):
    stored(store, "first", {"quick": 1e-3}, replace(HERE, libraries={"torch": "2.0"}))
    stored(store, "second", {"quick": 1e-3}, THERE, day=2)
    for day, machine in ((3, HERE), (4, THERE)):
        rebooted = replace(
            machine, memory_bytes=machine.memory_bytes + 4096, libraries={"numpy": "2.4.6"}
        )
        stored(store, f"c-{day}", KERNELS, rebooted, name="calibration", mode="micro", day=day)

    assert pb.compare("first", "second", store=store).speed is not None


@pytest.mark.parametrize("own", [True, False], ids=["both calibrated", "one calibrated"])
def test_two_versions_of_numpy_on_one_machine_have_calibrations_of_their_own(store, own):
    old, new = (replace(HERE, libraries={"numpy": version}) for version in ("2.0", "2.4"))
    stored(store, "first", {"quick": 3e-3}, old)
    stored(store, "second", {"quick": 1e-3}, new, day=2)
    for day, machine, factor in ((3, old, 3.0), (4, new, 1.0)) if own else ((4, new, 1.0),):
        times = {name: factor * seconds for name, seconds in KERNELS.items()}
        stored(store, f"c-{day}", times, machine, name="calibration", mode="micro", day=day)

    speed = pb.compare("first", "second", store=store).speed

    assert (speed is None) == (not own)
    assert speed is None or speed.overall.point == pytest.approx(1 / 3, rel=0.02)


def test_what_earlier_runs_of_one_commit_differ_by_is_in_the_intervals(store):
    git = {"git": {"commit": "abc", "dirty": False}}
    for day, factor in enumerate([1.0, 1.05, 0.95, 1.08, 0.93, 1.02, 0.97], 1):
        stored(store, f"run-{day}", {"quick": 1e-3 * factor}, day=day, **git)
    stored(store, "new", {"quick": 1.05e-3}, day=9)

    found = pb.compare("run-1", "new", store=store)

    assert found.run_to_run.runs == 6  # all but the two that are compared
    assert found.pairs[0].verdict.value == "undecided"


def test_times_at_other_sizes_are_read_from_other_runs(store):
    code = {"git": {"commit": "abc", "dirty": False}}
    for day, size in enumerate((10, 100, 1000), 1):
        stored(store, f"size-{size}", {"quick": 1e-3 + size * 1e-7}, day=day, size=size, **code)
    stored(store, "new", {"quick": 1.1e-3}, day=5, **code)

    (pair,) = pb.compare("size-1000", "new", store=store).pairs

    assert pair.bottleneck.limit.value == "launch or scheduling overhead"
    assert "3 sizes" in pair.bottleneck.evidence


@pytest.mark.parametrize("of_the_run", [True, False], ids=["in the run", "in another"])
def test_a_size_below_1_of_an_older_store_is_passed_over(store, of_the_run):
    stored_in_stages(store, "old", "quick", [(10, 1e-3)])
    if of_the_run:
        stored_in_stages(store, "new", "quick", [(10, 2e-3), (0, 1e-3)], day=2)
    else:
        stored_in_stages(store, "odd", "quick", [(0, 1e-3), (-3, 1e-3)], day=2)
        stored_in_stages(store, "new", "quick", [(10, 2e-3)], day=3)

    found = pb.compare("old", "new", store=store)

    assert [pair.size for pair in found.pairs] == [10]
    assert found.pairs[0].verdict.value == "slower"


def test_the_roofs_of_this_machine_are_measured_an_empty_task_among_them():
    machine, roofs = measure_roofs(seconds_each=0.0)

    rates = [roofs.one_core_flops_per_s, roofs.all_cores_flops_per_s]
    for level in roofs.bandwidths:
        rates += [level.one_core_bytes_per_s, level.all_cores_bytes_per_s]
    assert min(rates) > 0
    assert roofs.call_overhead_s > 0
    # a task goes to another process and back, a call does not
    assert 0 < roofs.array_call_overhead_s < roofs.task_overhead_s
    assert machine.logical_cores >= roofs.cores


def test_a_roofline_is_kept_with_its_machine_and_found_again(store):
    run_id = keep_roofline(store, ROOFS, HERE)
    later = replace(ROOFS, one_core_flops_per_s=2e10)
    keep_roofline(store, later, HERE)

    assert latest_roofline(store, HERE) == later
    assert latest_roofline(store, replace(HERE, libraries={"torch": "2.0"})) == later
    after_a_boot = replace(HERE, libraries={"torch": "2.0"}, memory_bytes=HERE.memory_bytes + 4096)
    assert latest_roofline(store, after_a_boot) == later
    assert latest_roofline(store, THERE) is None
    assert latest_roofline(store, None) is None
    assert store.summary(run_id).kind == ROOFLINE
    assert "Gflop/s" in store.summary(run_id).result["sentence"]
    assert not store.matrix()


def test_what_can_be_raced_here_has_its_own_modes():
    modes = own_modes()

    assert modes["calibration"] == "micro"
    assert modes["sorting"] == "batch"


def test_the_machines_of_a_store_are_found_by_their_fingerprints(store):
    stored(store, "first", {"quick": 1e-3})

    assert machines_of(store, [HERE.fingerprint, "foreign", ""]) == {HERE.fingerprint: HERE}


def test_a_library_that_only_one_run_used_does_not_make_two_machines_of_one(store):
    base = replace(HERE, libraries={"numpy": "2.4.6"})
    with_library = replace(base, libraries={"numpy": "2.4.6", "scikit-learn": "1.9.1"})
    for day, machine in enumerate((base, with_library), 1):
        stored(store, f"run-{day}", {"quick": 1e-3}, machine, day=day)

    found = pb.compare("run-1", "run-2", store=store)

    assert found.machine_differences == ()
    assert "one machine, but for scikit-learn: not there and 1.9.1" in found.notes[0]


def test_another_version_of_a_library_that_both_used_makes_two_machines(store):
    for day in (1, 2):
        machine = replace(HERE, libraries={"scikit-learn": f"1.{day}"})
        stored(store, f"run-{day}", {"quick": 1e-3}, machine, day=day)

    found = pb.compare("run-1", "run-2", store=store)

    assert found.machine_differences == ("scikit-learn: 1.1 and 1.2",)
