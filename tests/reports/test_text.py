"""The text report: tables, targets, trends."""

from __future__ import annotations

from dataclasses import replace

import pytest

from parbench_lab.analysis.curve import ScalingCurve
from parbench_lab.errors import UsageError
from parbench_lab.reports.targets import parse_target, target_line
from parbench_lab.reports.text import PLAIN_SPARKS, plain_table, scaling_text, sparkline


def curve(speedup, *, cores=8, spread=0.0):
    times = [[8.0, 8.0, 8.0], [8.0 / speedup * (1 + s) for s in (-spread, 0.0, spread)]]
    return ScalingCurve.from_times([1, 8], times, cores=cores, backend="threads")


@pytest.mark.parametrize(
    ("found", "line"),
    [
        pytest.param(curve(6.37), "4-8x on 8 cores: 6.37x, met", id="inside"),
        pytest.param(curve(9.0), "4-8x on 8 cores: 9.00x, met", id="more is no fault"),
        pytest.param(curve(4.0), "4-8x on 8 cores: 4.00x, met", id="exactly on the bound"),
        pytest.param(curve(3.0), "4-8x on 8 cores: 3.00x, missed", id="below"),
        pytest.param(
            curve(6.37, cores=2),
            "4-8x on 8 cores: not measurable here: 2 cores",
            id="fewer cores",
        ),
    ],
)
def test_a_target_is_one_line_with_what_was_measured(found, line):
    assert target_line("4-8x on 8 cores", found) == line


def test_a_target_within_the_interval_is_undecided():
    line = target_line("4-8x on 8 cores", curve(4.0, spread=0.05))

    assert line.startswith("4-8x on 8 cores: 4.00x, undecided (95 % interval")


def test_a_target_without_its_level_says_so():
    assert "the curve has no level of 4 workers" in target_line("3x on 4 cores", curve(6.0))


@pytest.mark.parametrize(
    ("made", "why"),
    [({"mode": "weak"}, "a weak curve"), ({"adaptive": True}, "an adaptive curve")],
    ids=["weak", "adaptive"],
)
def test_a_target_is_a_line_of_curves_that_it_is_not_about_too(made, why):
    lines = scaling_text(replace(curve(6.37), **made), ["4-8x on 8 cores"]).splitlines()

    assert lines[-1].startswith(f"4-8x on 8 cores: not measured: {why}")


@pytest.mark.parametrize("text", ["", "fast", "4-8x", "8-4x on 8 cores", "4x on 0 cores"])
def test_a_malformed_target_is_refused(text):
    with pytest.raises(UsageError):
        parse_target(text)


def test_the_classic_table_has_its_five_columns_and_marks_what_is_oversubscribed():
    lines = scaling_text(curve(1.5, cores=2), ["4-8x on 8 cores"]).splitlines()

    assert lines[2].split() == ["threads", "time", "s", "memory", "MB", "speedup", "efficiency"]
    assert lines[5].startswith("8 *")
    assert "* more workers than the 2 cores" in lines
    assert lines[-1] == "4-8x on 8 cores: not measurable here: 2 cores"


def test_what_could_steer_a_terminal_is_not_in_a_table():
    table = plain_table(["name"], [["a\x1b[31m\nb"]])

    assert "\x1b" not in table
    assert len(table.splitlines()) == 3


def test_wide_letters_keep_columns_aligned():
    first, _, *rows = plain_table(["name", "n"], [["測試", "1"], ["abcd", "2"]]).splitlines()

    assert first == "name  n"
    assert rows == ["測試  1", "abcd  2"]


def test_a_trend_has_the_newest_figures_and_a_gap_where_there_is_none():
    assert sparkline([9.0, 1.0, 2.0], width=2) == "▁█"
    assert sparkline([1.0, float("nan"), 2.0], sparks=PLAIN_SPARKS) == "_ @"
