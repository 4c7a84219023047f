"""Histories: what counts in a point, and runs that nobody ended."""

from __future__ import annotations

import contextlib
import dataclasses
import sqlite3

import pytest

from parbench_lab.core.ports import EventRecord
from parbench_lab.errors import StoreError
from parbench_lab.store import open_store
from tests.store.records import header, measurement


def timed(block, time_s, **fields):
    row = measurement(block, 0, wall_time_s=time_s)
    return dataclasses.replace(row, **{"candidate": "a", **fields})


def ended(seq, *rows, kind="TaskEnded", **payload):
    return EventRecord(seq=seq, at_s=0.0, kind=kind, payload=payload, measurements=rows)


def sent(seq, **purposes):
    blocks = [{"number": int(n[1:]), "purpose": p} for n, p in purposes.items()]
    return ended(seq, kind="TaskSent", blocks=blocks)


@pytest.fixture
def store():
    with contextlib.closing(open_store(":memory:")) as opened:
        opened.create_run(header("a"))
        yield opened


def test_only_what_was_judged_counts(store):
    store.append(
        "a",
        [
            sent(0, b0="race", b1="alone", b2="scout", b3="challenge"),
            ended(
                1,
                timed(0, 1.0), timed(1, 9.0), timed(2, 9.0), timed(3, 3.0),
                timed(0, 9.0, warm_up=True), timed(0, 9.0, outcome="failed"),
            ),
        ],
    )  # fmt: skip

    (point,) = store.series()

    assert (point.median.n, point.median.low, point.median.high) == (2, 1.0, 3.0)


def test_sizes_and_candidates_and_metrics_have_points_of_their_own(store):
    rows = [
        timed(0, 1.0), timed(1, 2.0, epoch=1, size=50), timed(2, 3.0, candidate="b"),
    ]  # fmt: skip
    store.append("a", [ended(0, *rows)])

    found = {(p.key.candidate, p.key.size): p.median.point for p in store.series()}

    assert found == {("a", 1000): 1.0, ("a", 50): 2.0, ("b", 1000): 3.0}
    assert store.series(size=50)[0].throughput == 25


def test_tails_are_told_where_there_are_enough_measurements(store):
    store.append("a", [ended(0, *(timed(i, 1.0 + i) for i in range(100)))])

    (point,) = store.series()

    assert point.p95 == pytest.approx(95.05)
    assert point.p99 == pytest.approx(99.01)
    assert (point.median.low, point.median.high) == (40.0, 61.0)


def test_a_run_without_measurements_has_no_points_and_is_not_looked_at_again(store):
    store.finish_run("a", "failed", {})

    assert store.series() == []
    assert store.matrix() == []


def test_the_nights_of_a_watch_that_was_killed_are_in_no_series_either(store):
    night = dataclasses.replace(header("night", candidates=[{"name": "a"}]), kind="watch")
    store.create_run(night)
    store.append("night", [ended(0, timed(0, 7.0), timed(0, 8.0, candidate="a @ v1"))])
    store.append("a", [ended(0, timed(0, 1.0))])

    assert [point.run_id for point in store.series()] == ["a"]
    assert [cell.candidate for cell in store.matrix()] == ["a"]
    assert {point.key.candidate for point in store.series(kind="watch")} == {"a", "a @ v1"}


def test_an_interrupted_run_that_goes_on_is_caught_up_with(store):
    store.append("a", [ended(0, timed(0, 1.0))])
    store.finish_run("a", "interrupted", {})
    store.append("a", [ended(1, timed(1, 3.0))])

    assert [point.median.n for point in store.series()] == [2]


@pytest.fixture
def killed(tmp_path):
    """Return the file of a run that nobody ended."""
    path = tmp_path / "runs.db"
    with contextlib.closing(open_store(path)) as store:
        store.create_run(header("a", candidates=[{"name": "a"}]))
        store.append("a", [ended(0, timed(0, 1.0), timed(1, 2.0), timed(2, 4.0))])
    return path


def summaries(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT count(*) FROM summary").fetchone()[0]


def test_what_a_killed_run_left_is_summarised_once_and_kept(killed):
    with contextlib.closing(open_store(killed)) as store:
        before = summaries(killed)
        store.series()

        assert (before, summaries(killed)) == (0, 1)
        assert store.series() == store.series()


def test_a_store_that_may_only_be_read_tells_of_killed_runs_too(killed):
    before = killed.read_bytes()

    with contextlib.closing(open_store(f"sqlite:///{killed}?mode=ro")) as store:
        (point,) = store.series(candidate="a", last=3)
        (cell,) = store.matrix()

        assert point.median.point == 2.0
        assert (cell.candidate, cell.runs) == ("a", 1)
        assert store.series(candidate="b") == store.series(size=7) == []
    assert killed.read_bytes() == before


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        pytest.param({"mode": "fast"}, "mode 'fast' is none of inference", id="mode"),
        pytest.param({"last": 0}, "last must be at least 1", id="last"),
        pytest.param({"skip": -1}, "skip at least 0", id="skip"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(store, wanted, words):
    with pytest.raises(StoreError, match=words):
        store.series(**wanted)
    with pytest.raises(StoreError, match=words):
        store.runs(**wanted)


def test_a_commit_with_signs_of_sql_is_a_plain_text(store):
    assert store.series(commit="%") == []
    assert store.runs(commit="_") == ()


def test_pages_give_every_run_once(store):
    for i in range(7):
        store.create_run(header(f"run-{i}", started_utc=f"2027-01-0{i + 1}T00:00:00+00:00"))

    pages = [store.runs(last=3, skip=skip) for skip in (0, 3, 6)]

    assert [[run.id for run in page] for page in pages] == [
        ["run-4", "run-5", "run-6"], ["run-1", "run-2", "run-3"], ["a", "run-0"],
    ]  # fmt: skip
