from __future__ import annotations

import datetime as dt

import pytest

from parbench_lab.core.estimate import Estimate
from parbench_lab.core.series import Coverage, Mode, SeriesKey, SeriesPoint, covered, grouped
from parbench_lab.errors import UsageError

DAY = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def point(value, *, machine="here", commit="", mode=Mode.BATCH, workload="sorting"):
    key = SeriesKey(workload=workload, candidate="a", size=10, machine=machine, mode=mode)
    median = Estimate(point=value, low=value, high=value, confidence=0.95, n=9)
    return SeriesPoint(run_id="r", started=DAY, key=key, median=median, commit=commit)


def cell(candidate, *, commit="", runs=1, day=0):
    return Coverage(
        workload="sorting", candidate=candidate, machine="here", mode=Mode.BATCH, commit=commit,
        runs=runs, newest=DAY + dt.timedelta(days=day),
    )  # fmt: skip


def test_groups_have_the_median_of_their_runs_with_an_interval():
    points = [point(float(i), commit="c0ffee") for i in range(1, 10)]

    (group,) = grouped(points)

    assert (group.commit, group.points) == ("c0ffee", tuple(points))
    assert (group.median.point, group.median.low, group.median.high) == (5.0, 2.0, 8.0)


def test_unlike_machines_and_modes_never_share_a_group_whatever_is_asked():
    points = [
        point(1.0), point(2.0, machine="there"), point(3.0, mode=Mode.MICRO), point(4.0),
        point(5.0, commit="c0ffee"),
    ]  # fmt: skip

    together = [[p.median.point for p in group.points] for group in grouped(points, by=())]
    apart = [[p.median.point for p in group.points] for group in grouped(points, by=("commit",))]

    assert together == [[1.0, 4.0, 5.0], [2.0], [3.0]]
    assert apart == [[1.0, 4.0], [2.0], [3.0], [5.0]]


def test_groups_stand_in_the_order_that_is_asked_for():
    points = [point(1.0, machine="b"), point(2.0, machine="a", workload="z"), point(3.0)]

    found = grouped(points, by=("machine", "workload"))

    assert [group.key.machine for group in found] == ["a", "b", "here"]


def test_what_nothing_can_be_grouped_by_is_refused():
    with pytest.raises(UsageError, match="known are machine, workload, mode, commit"):
        grouped([], by=("colour",))  # type: ignore[arg-type]


def test_the_matrix_is_told_with_less_detail():
    cells = [
        cell("a", commit="1", runs=2), cell("a", commit="2", runs=3, day=1),
        cell("b", commit="2", runs=1),
    ]  # fmt: skip

    assert covered(cells, candidates=True, commits=True) == cells
    assert covered(cells, candidates=True) == [cell("a", runs=5, day=1), cell("b")]
    assert covered(cells) == [cell("-", runs=5, day=1)]
