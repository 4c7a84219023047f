"""Which runs go: never one that is among the newest of a series, never a pinned one."""

from __future__ import annotations

import contextlib
import datetime as dt
import sqlite3
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parbench_lab.core.runs import RunRecord, UsageRow
from parbench_lab.errors import StoreError, UsageError
from parbench_lab.store import open_store
from parbench_lab.store.pruning import Kept, beyond, older
from tests.store.records import event, header

LATER = dt.datetime(2999, 1, 1, tzinfo=dt.UTC)
RUNS = st.lists(
    st.tuples(st.booleans(), st.booleans(), st.sets(st.sampled_from("abc"), min_size=1)),
    max_size=25,
)


@given(drawn=RUNS, keep=st.integers(1, 5))
@settings(deadline=None)
def test_of_every_series_the_newest_stay_and_what_goes_is_in_none_of_them(drawn, keep):
    runs = [
        Kept(run_key=i, started_us=i, ended=ended, pinned=pinned)
        for i, (ended, pinned, _) in enumerate(drawn)
    ]
    series = {i: of_run for i, (_, _, of_run) in enumerate(drawn)}

    gone = set(beyond(runs, series, keep=keep))

    for name in "abc":
        ended = [run.run_key for run in runs if run.ended and name in series[run.run_key]]
        assert gone.isdisjoint(ended[-keep:])
    newest = {
        key
        for name in "abc"
        for key in [r.run_key for r in runs if r.ended and name in series[r.run_key]][-keep:]
    }
    spared = {run.run_key for run in runs if run.pinned or not run.ended}
    assert gone == set(series) - newest - spared


def test_exactly_the_age_stays():
    runs = [Kept(run_key=i, started_us=i, ended=True, pinned=i == 0) for i in range(4)]

    assert older(runs, {}, before_us=2) == [1]


def test_what_has_not_ended_stays_whatever_its_age():
    runs = [Kept(run_key=i, started_us=i, ended=i != 1, pinned=False) for i in range(3)]

    assert older(runs, {}, before_us=9) == [0, 2]


def test_the_newest_ended_yardstick_of_each_machine_stays_whatever_its_age():
    runs = [Kept(run_key=i, started_us=i, ended=i != 3, pinned=False) for i in range(5)]
    yardsticks = {1: ["a"], 2: ["a"], 3: ["a"], 4: ["b"]}

    assert older(runs, yardsticks, before_us=9) == [0, 1]


@pytest.mark.parametrize("status", ["running", "interrupted"])
def test_a_run_that_is_written_or_may_be_resumed_goes_by_no_age(status):
    with contextlib.closing(open_store(":memory:")) as store:
        store.create_run(header("a"))
        store.append("a", [event(0, n_measurements=5)])
        if status == "interrupted":
            store.finish_run("a", status, {})

        assert store.prune(before=LATER) == ()

        store.append("a", [event(1)])
        store.finish_run("a", "finished", {})
        assert [run.id for run in store.prune(before=LATER)] == ["a"]


def test_a_run_that_came_from_a_file_unfinished_goes_like_any_that_ended():
    with contextlib.closing(open_store(":memory:")) as store:
        store.take_in([RunRecord(header=header("a"), events=(event(0),), status="running")])

        assert [run.id for run in store.prune(before=LATER)] == ["a"]


def ended(store, run_id, *, day, machine, n_measurements=5, **fields):
    begun = header(
        run_id,
        started_utc=f"2026-01-{day:02d}T00:00:00+00:00",
        machine={"fingerprint": machine},
        mode="micro",
    )
    store.create_run(replace(begun, **fields))
    if n_measurements:
        store.append(run_id, [event(0, n_measurements=n_measurements)])
    store.finish_run(run_id, "finished", {})


def test_the_newest_roofline_and_calibration_of_every_machine_outlive_the_rest():
    roofline = {"kind": "roofline", "name": "roofline", "n_measurements": 0}
    calibration = {"name": "calibration"}
    with contextlib.closing(open_store(":memory:")) as store:
        for day in (1, 2):
            ended(store, f"roof-{day}", day=day, machine="aaaa", **roofline)
            ended(store, f"calibration-{day}", day=day, machine="aaaa", **calibration)
            ended(store, f"race-{day}", day=day, machine="aaaa")
        ended(store, "other-roof", day=1, machine="bbbb", **roofline)
        ended(store, "other-calibration", day=1, machine="bbbb", **calibration)
        ended(store, "nothing", day=3, machine="aaaa", n_measurements=0, **calibration)
        ended(store, "night", day=3, machine="aaaa", kind="watch", **calibration)

        store.prune(before=LATER)

        left = {run.id for run in store.runs()}
        assert left == {"roof-2", "calibration-2", "other-roof", "other-calibration"}


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        pytest.param({}, "one of the two", id="nothing"),
        pytest.param({"keep": 1, "before": LATER}, "one of the two", id="both"),
        pytest.param({"keep": 0}, "at least 1", id="none"),
        pytest.param({"before": dt.datetime(2026, 1, 1)}, "must be aware", id="naive"),  # noqa: DTZ001
    ],
)
def test_a_wish_that_makes_no_sense_removes_nothing(wish, words):
    with contextlib.closing(open_store(":memory:")) as store:
        store.create_run(header("a"))

        with pytest.raises(UsageError, match=words):
            store.prune(**wish)

        assert [run.id for run in store.runs()] == ["a"]


def test_nothing_of_a_removed_run_is_left(tmp_path):
    path = tmp_path / "runs.db"
    with contextlib.closing(open_store(path)) as store:
        store.create_run(header("a"))
        store.append("a", [event(0, n_measurements=5)])
        store.append_usage("a", [UsageRow(at_s=0.0, source="w", values={"cpu_percent": 1.0})])
        store.finish_run("a", "finished", {})
        with contextlib.closing(open_store(path)) as other:
            other.prune(before=LATER)

        with pytest.raises(StoreError, match="there are no runs"):
            store.header("a")
        with pytest.raises(StoreError, match="was removed from the store while it was written"):
            store.append("a", [event(1)])
        store.create_run(header("a"))

    with contextlib.closing(sqlite3.connect(path)) as connection:
        for table in ("event", "measurement", "usage", "summary", "candidate", "epoch"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


def test_runs_without_figures_are_series_of_their_name():
    with contextlib.closing(open_store(":memory:")) as store:
        for i in range(3):
            started = f"2026-01-0{i + 1}T00:00:00+00:00"
            store.create_run(header(f"run-{i}", started_utc=started))
            store.finish_run(f"run-{i}", "failed", {})

        gone = store.prune(keep=1)

        assert [run.id for run in gone] == ["run-0", "run-1"]
