"""Where the commit changes in a history, as data and as ticks of the figure."""

from __future__ import annotations

import datetime as dt

import pytest
from bokeh.models import LinearAxis, VSpan

from parbench_lab.core.estimate import Estimate
from parbench_lab.core.series import SeriesKey, SeriesPoint
from parbench_lab.plots import history_data, history_figure
from parbench_lab.plots.history_drawing import MOST_COMMIT_LINES

OLD, NEW = "0123456789abcdef", "fedcba9876543210"


def point(day, commit, *, dirty=False, candidate="loop", machine="m"):
    return SeriesPoint(
        run_id=f"run-{day}",
        started=dt.datetime(2026, 3, 1, 3, tzinfo=dt.UTC) + dt.timedelta(days=day),
        key=SeriesKey(workload="sorting", candidate=candidate, size=10, machine=machine),
        median=Estimate(point=1e-3, low=0.9e-3, high=1.1e-3, confidence=0.95, n=9),
        commit=commit,
        dirty=dirty,
    )


def panel_of(*points):
    (panel,) = history_data(points).panels
    return panel


def commit_axes(drawn):
    return [axis for axis in drawn.above if isinstance(axis, LinearAxis)]


def test_a_commit_is_marked_at_its_first_run():
    panel = panel_of(point(0, OLD), point(1, OLD), point(2, NEW), point(3, NEW))

    assert panel.commits["run"] == ["run-0", "run-2"]
    assert panel.commits["commit"] == [OLD, NEW]
    assert panel.commits["label"] == ["0123456", "fedcba9"]
    assert panel.commits["told"][1] == "commit fedcba9876, from 2026-03-03 03:00 on"


def test_changes_on_top_of_a_commit_are_another_code_and_say_so():
    panel = panel_of(point(0, OLD), point(1, OLD, dirty=True), point(2, OLD, dirty=True))

    assert panel.commits["dirty"] == [False, True]
    assert panel.commits["label"] == ["0123456", "0123456*"]
    assert "0123456789 + changes" in panel.commits["told"][1]


def test_a_return_to_an_old_commit_is_a_change_too():
    panel = panel_of(point(0, OLD), point(1, NEW), point(2, OLD))

    assert panel.commits["commit"] == [OLD, NEW, OLD]


def test_runs_without_a_commit_change_nothing():
    panel = panel_of(point(0, ""), point(1, OLD), point(2, ""), point(3, OLD))

    assert panel.commits["run"] == ["run-1"]


def test_a_run_of_several_candidates_is_one_mark_in_the_order_of_time():
    later = [point(day, commit, candidate="a") for day, commit in ((0, OLD), (2, NEW))]
    panel = panel_of(*later, point(0, OLD, candidate="b"), point(1, NEW, candidate="b"))

    assert panel.commits["run"] == ["run-0", "run-1"]


def test_machines_have_marks_of_their_own():
    data = history_data([point(0, OLD, machine="m"), point(1, NEW, machine="n")])

    assert [panel.commits["commit"] for panel in data.panels] == [[NEW], [OLD]]


def test_the_figure_names_commits_above_and_keeps_the_scale_of_the_values():
    panel = panel_of(point(0, OLD), point(1, NEW, dirty=True))

    drawn = history_figure(panel)

    (axis,) = commit_axes(drawn)
    assert list(axis.major_label_overrides.values()) == ["0123456", "fedcba9*"]
    assert list(axis.major_label_overrides) == axis.ticker.ticks
    assert axis.ticker.ticks[1] == 1e3 * panel.commits["started"][1].timestamp()
    assert "* with changes" in axis.axis_label
    ticks = {r for r in drawn.renderers if getattr(r, "y_range_name", "") == "commits"}
    assert len(ticks) == 1
    assert not ticks & set(drawn.y_range.renderers)


def test_a_commits_name_is_no_formula():
    (axis,) = commit_axes(history_figure(panel_of(point(0, "$$x^2$$"))))

    assert list(axis.major_label_overrides.values()) == ["$ $x^2$ $"]


def test_a_history_without_commits_has_no_axis_of_them():
    drawn = history_figure(panel_of(point(0, ""), point(1, "")))

    assert commit_axes(drawn) == []
    assert "commits" not in drawn.extra_y_ranges


@pytest.mark.parametrize(
    ("n_commits", "has_lines"), [(MOST_COMMIT_LINES, True), (MOST_COMMIT_LINES + 1, False)]
)
def test_many_commits_have_ticks_and_no_lines_through_the_figure(n_commits, has_lines):
    drawn = history_figure(panel_of(*(point(day, f"{day:040x}") for day in range(n_commits))))

    lines = [renderer for renderer in drawn.renderers if isinstance(renderer.glyph, VSpan)]
    assert bool(lines) == has_lines
    assert len(commit_axes(drawn)[0].ticker.ticks) == n_commits
