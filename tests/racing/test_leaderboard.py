"""The leaderboard: rows are data; the table fits the terminal and cannot be steered by names."""

from __future__ import annotations

import io
import math
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from parbench_lab.cli.cells import cells
from parbench_lab.cli.drawing import reason_lines, screen_lines, segments, table_lines
from parbench_lab.cli.usage import HostUsage
from parbench_lab.core.estimate import Estimate
from parbench_lab.core.standing import Trust
from parbench_lab.core.wording import duration, odds, printable
from parbench_lab.racing.leaderboard import (
    leaderboard_rows,
    progress,
    progress_line,
    source_lines,
)
from parbench_lab.racing.result_table import table_lines as result_lines
from parbench_lab.racing.settings import Settings
from parbench_lab.reports.text import race_text
from tests.cli.doubles import board, crowd, measured, standing

SETTINGS = Settings()
USAGE = HostUsage(cpu_percent=98.0, memory_used_bytes=3 * 2**30, memory_total_bytes=8 * 2**30)


def view(scoreboard, width_cells=80, height_lines=24, **options):
    """Return the text of the live view's lines."""
    known = {
        "title": "parbench race",
        "log": ["a is eliminated", "b is eliminated", "c leads", "d stays", "e is back"],
        "usage": USAGE,
    }
    lines = screen_lines(
        scoreboard,
        SETTINGS,
        width_cells=width_cells,
        height_lines=height_lines,
        **{**known, **options},
    )
    return [line.text for line in lines]


def printed(lines) -> str:
    """Return what a terminal gets."""
    file = io.StringIO()
    Console(file=file, width=80, force_terminal=True, color_system="truecolor").print(
        segments(lines)
    )
    return file.getvalue()


def test_a_row_says_everything_with_its_unit():
    (row,) = leaderboard_rows(board(measured("fast", 1, "undecided")), SETTINGS)

    assert row.rank == "1"
    assert row.verdict == "undecided"
    assert row.ratio == "1.50 (1.35-1.65)"
    assert row.time == "1.84 ms"
    assert row.throughput == "542 k"
    assert row.evidence == "1,230 : 1"
    assert row.blocks == "40"
    assert row.memory == "3.15 MB"
    assert row.tone == "racing"


def test_costs_on_an_interval_scale_are_told_as_differences_under_that_head():
    same = Estimate(point=0.0, low=0.0, high=0.0, confidence=0.95, n=40)
    scores = board(
        standing("best", 1, "leader", ratio=same),
        measured("far", 2, "eliminated", 0.25),
        scale="interval",
    )

    rows = leaderboard_rows(scores, SETTINGS)
    head = table_lines(rows, width_cells=80, scale="interval")[0].text

    assert [row.ratio for row in rows] == ["0", "+0.250 (+0.225 to +0.275)"]
    assert "difference (interval)" in head
    assert "ratio" not in head
    assert "difference" in "\n".join(result_lines(scores, SETTINGS))
    assert "+0.250 (+0.225 to +0.275)" in race_text(scores)
    assert "ratio" not in race_text(scores)


def test_an_empty_board_of_an_interval_scale_has_the_head_of_differences():
    empty = board(scale="interval")

    assert "difference (interval)" in "\n".join(view(empty))
    assert "difference" in "\n".join(result_lines(empty, SETTINGS))


def test_a_candidate_without_measurements_has_dashes():
    (row,) = leaderboard_rows(board(standing("new")), SETTINGS)

    assert (row.ratio, row.time, row.throughput, row.memory) == ("-", "-", "-", "-")


def test_the_workloads_own_metrics_are_shown_and_the_measured_ones_only_as_objectives():
    values = {"abs_error": 1.25e-9, "cpu_time_s": 0.5}
    scoreboard = board(measured("fast", 1, "front", values=values))

    (plain,) = leaderboard_rows(scoreboard, SETTINGS)
    (wanted,) = leaderboard_rows(scoreboard, Settings(objectives=("cpu_time_s",)))

    assert plain.metrics == "abs_error 1.25e-09"
    assert wanted.metrics == "abs_error 1.25e-09, cpu_time_s 0.5"


@pytest.mark.parametrize(
    ("name", "source"), [("gpu_energy_j", "NVML's counter"), ("cpu_energy_j", "RAPL, all")]
)
def test_energy_that_the_race_is_about_is_told_with_its_source(name, source):
    told = board(measured("a", 1, "leader", values={name: 2.5}))
    about = Settings(objectives=(name,))

    (line,) = source_lines(told, about)

    assert line.startswith(f"{name}: {source}")
    assert source_lines(told, SETTINGS) == ()
    assert source_lines(board(measured("a", 1, "leader")), about) == ()


def test_the_eliminated_are_grey_and_say_why():
    rows = leaderboard_rows(crowd(3, survivors=2), SETTINGS)
    table = table_lines(rows, width_cells=80, scale="ratio")

    assert [row.tone for row in rows] == ["lead", "racing", "out"]
    assert reason_lines(rows, width_cells=80, scale="ratio") == (
        "candidate_002: shown at least 20 % slower than the best",
    )
    assert [line.tone for line in table] == ["head", "lead", "racing", "out"]
    assert "\x1b[2m3 candidate_002" in printed(table)


def test_200_candidates_fold_into_the_rows_there_are():
    rows = leaderboard_rows(crowd(200, survivors=5), SETTINGS, max_rows=21)

    assert len(rows) == 21
    assert rows[-1].candidate == "180 more eliminated"
    assert rows[-1].tone == "fold"


def test_a_fold_over_survivors_counts_them_apart():
    rows = leaderboard_rows(crowd(200, survivors=50), SETTINGS, max_rows=10)

    assert rows[-1].candidate == "41 more racing, 150 more eliminated"


def test_as_many_candidates_as_rows_are_not_folded():
    assert len(leaderboard_rows(crowd(20, survivors=5), SETTINGS, max_rows=20)) == 20


@pytest.mark.parametrize("width_cells", [40, 60, 80, 100, 120, 160, 250])
@pytest.mark.parametrize("candidates", [2, 7, 200])
def test_no_line_is_wider_than_the_terminal_and_none_is_wrapped(width_cells, candidates):
    lines = view(crowd(candidates, survivors=2), width_cells)

    assert max(cells(line) for line in lines) <= width_cells
    assert len(lines) <= 23


@pytest.mark.parametrize("height_lines", [10, 16, 24, 50, 100])
def test_the_view_fits_the_height(height_lines):
    scoreboard = crowd(200, survivors=5)

    lines = view(scoreboard, height_lines=height_lines)

    assert len(lines) < height_lines


def test_80_columns_show_what_a_decision_needs():
    lines = view(crowd(7, survivors=3))

    head, leader, last = lines[1], lines[2], lines[8]
    for title in ("candidate", "verdict", "ratio", "items/s", "evidence", "blocks"):
        assert title in head
    assert re.match(r" *1 candidate_000 +leader +1.00 \(0.900-1.10\) +812 k +1,230 : 1", leader)
    assert "eliminated" in last
    assert any("shown at least 20 %" in line for line in lines)


def test_a_wide_terminal_has_the_time_the_memory_and_the_reason_in_the_row():
    lines = view(crowd(3, survivors=2), 160)

    assert "peak memory" in lines[1]
    assert "time" in lines[1]
    assert "shown at least 20 % slower" in next(line for line in lines if "candidate_002" in line)


def test_wide_letters_keep_the_columns_in_line():
    scoreboard = board(measured("快速算法", 1, "leader"), measured("plain", 2, "undecided"))

    lines = view(scoreboard)

    assert cells(lines[2].split("leader")[0]) == cells(lines[3].split("undecided")[0])


def test_a_long_name_is_cut_before_any_number_is():
    scoreboard = board(measured("x" * 200, 1, "leader"), measured("y", 2, "undecided"))

    lines = view(scoreboard)

    assert "…" in lines[2]
    assert "1.50 (1.35-1.65)" in lines[2]


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("[bold red]fast[/]", id="markup of rich"),
        pytest.param("[link=file:///etc]x[/link]", id="a link"),
        pytest.param(":bomb:", id="a code of an emoji"),
    ],
)
def test_markup_in_names_and_messages_stays_text(name):
    evil = measured(name, 1, "eliminated", reason=name)

    lines = view(board(evil), 200)

    assert sum(name in line for line in lines) >= 1


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("\x1b[2Jgone", id="clears the screen"),
        pytest.param("a\rb", id="returns to the start of the line"),
        pytest.param("a\nb", id="breaks the line"),
        pytest.param("\u202eevil", id="turns the direction of writing"),
        pytest.param("\x9b31m", id="the one-letter form of an escape"),
        pytest.param("\u2028next", id="a line separator"),
    ],
)
def test_control_characters_never_reach_the_terminal(text):
    evil = measured("fine", 1, "eliminated", reason=text)
    warned = board(evil, trust=Trust(warnings=(text,)))

    shown = "\n".join(view(warned, 200, title=text, log=[text]))

    assert not {c for c in shown if unicodedata.category(c) in ("Cc", "Cf", "Zl")} - {"\n"}


@given(st.text())
def test_whatever_is_printed_is_one_printable_line(text):
    shown = printable(text)

    assert shown.isprintable()
    assert printable(shown) == shown


def test_progress_is_the_share_of_the_evidence_on_its_own_scale():
    scoreboard = board(
        standing("lead", 1, "leader"),
        standing("half", 2, "undecided", evidence=math.sqrt(1000.0)),
        standing("gone", 3, "eliminated", evidence=1000.0),
        standing("same", 4, "equal"),
    )

    found = progress(scoreboard, SETTINGS)

    assert (found.settled, found.candidates) == (2, 4)
    assert found.fraction == pytest.approx((0.5 + 1 + 1) / 3)


def test_the_leader_is_settled_when_all_others_are():
    scoreboard = board(standing("lead", 1, "leader"), standing("gone", 2, "eliminated"))

    found = progress(scoreboard, SETTINGS)

    assert (found.settled, found.fraction) == (2, 1.0)


def test_progress_says_the_time_left_and_the_budget():
    scoreboard = board(standing("lead", 1, "leader"), standing("new", 2), time_left_s=95.0)

    line = progress_line(scoreboard, SETTINGS, budget_s=20.0)

    assert "about 1 min 35 s to a decision" in line
    assert "3.0 s of 20 s" in line


def test_a_race_nobody_has_measured_in_yet_can_be_shown():
    empty = board(standing("a"), standing("b", 2), blocks=0, workers=(), duty_cycle=None)

    lines = view(empty)

    assert any("0 workers" in line and "duty cycle -" in line for line in lines)


def test_warnings_are_shown_when_there_are_any():
    warned = board(standing("a"), trust=Trust(warnings=("worker cpu-1 is 9 % slower",)))

    assert any(line.startswith("! worker cpu-1") for line in view(warned))
    assert not any(line.startswith("!") for line in view(board(standing("a"))))


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.9999, "1.00 s"), (9.996e-4, "1.00 ms"), (3.2e-9, "3.20 ns"), (1e-12, "1e-12 s"),
     (123.0, "123 s"), (math.inf, "-"), (0.0, "0 s")],
)  # fmt: skip
def test_durations_have_three_digits_and_a_unit(seconds, said):
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("evidence", "said"),
    [
        (999.6, "1,000 : 1"),
        (99.6, "100 : 1"),
        (999_999.0, "1e+06 : 1"),
        (1e300, "1e+300 : 1"),
        (math.inf, "certain"),
    ],
)
def test_odds_stay_short(evidence, said):
    assert odds(evidence) == said
