"""Who watches a race: lines in a pipe, a live view in a terminal, and what the looking costs."""

from __future__ import annotations

import dataclasses
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from parbench_lab.cli.interrupts import Interrupts
from parbench_lab.cli.spectators import (
    REFRESH_S,
    Blindfolded,
    LineReader,
    LiveView,
    news,
    print_table,
    spectator,
    watch,
)
from tests.cli.doubles import FINAL, ScriptedBench, board, crowd, measured, standing


def at(elapsed_s: float):
    return board(standing("a"), standing("b", 2), elapsed_s=elapsed_s)


def test_a_pipe_hears_how_far_the_race_is_every_five_seconds():
    file = io.StringIO()
    reader = LineReader(file, budget_s=20.0)

    for elapsed_s in (1, 2, 4.9, 5, 6, 9, 10, 11):
        reader.look(ScriptedBench(boards=[at(elapsed_s)], log=()), stopping=False)

    times = [line.split("]")[0] for line in file.getvalue().splitlines()]
    assert times == ["[   5.0 s", "[  10.0 s"]
    assert "0 of 2 settled" in file.getvalue()


def test_the_time_of_a_race_that_was_taken_up_is_this_sittings():
    file = io.StringIO()
    reader = LineReader(file, budget_s=20.0, began_s=22.0)

    for elapsed_s in (22.5, 26.9, 27.1):
        reader.look(ScriptedBench(boards=[at(elapsed_s)], log=()), stopping=False)

    assert file.getvalue().count("settled") == 1
    assert "5.1 s of 20 s" in file.getvalue()


def test_before_the_first_block_a_pipe_hears_once_what_is_going_on():
    file = io.StringIO()
    reader = LineReader(file, budget_s=20.0)

    for elapsed_s in (0.1, 0.6, 1.0, 4.0):
        bench = ScriptedBench(
            boards=[dataclasses.replace(at(elapsed_s), blocks=0)], log=("worker cpu-0 is ready",)
        )
        reader.look(bench, stopping=False)

    told = [line.split("] ")[1] for line in file.getvalue().splitlines()]
    assert told[0] == "worker cpu-0 is ready"
    assert told[1:] == ["warming up: each candidate runs once on every worker ..."]


def test_of_leads_that_change_between_two_lines_of_progress_only_the_last_is_told():
    file = io.StringIO()
    reader = LineReader(file, budget_s=20.0)
    swaps = ("a takes the lead from b", "b takes the lead from a")

    for elapsed_s, log in ((1.0, swaps[:1]), (2.0, swaps), (5.0, swaps)):
        reader.look(ScriptedBench(boards=[at(elapsed_s)], log=log), stopping=False)

    lines = file.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0].endswith("b takes the lead from a")


def test_a_sentence_is_told_once_even_the_last_one():
    file = io.StringIO()
    bench = ScriptedBench(log=("one", "two"))

    watch(bench, LineReader(file, budget_s=None), Interrupts())

    assert [line.split("] ")[1] for line in file.getvalue().splitlines()] == ["one", "two"]


@given(st.lists(st.integers(), unique=True, max_size=30), st.data())
def test_news_are_what_was_not_read_however_much_was_forgotten(sentences, data):
    texts = [str(n) for n in sentences]
    read = data.draw(st.integers(0, len(texts)))
    forgotten = data.draw(st.integers(0, len(texts)))

    found = news(texts[:read], texts[forgotten:])

    assert found == tuple(texts[max(read, forgotten) :])


def test_a_request_to_end_stops_the_race_and_returns_its_result():
    bench, asked = ScriptedBench(endless=True), Interrupts()
    asked.receive()

    result = watch(bench, Blindfolded(), asked)

    assert result.status == "stopped"
    assert ("stop", "stopped by the user") in bench.calls


def test_the_second_request_aborts():
    asked = Interrupts()
    asked.receive()

    with pytest.raises(KeyboardInterrupt):
        asked.receive()


def test_the_terminal_is_put_back_when_looking_fails():
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=80, height=24)
    view = LiveView(console, title="race", budget_s=None)

    class Broken(ScriptedBench):
        @property
        def log(self):
            raise RuntimeError

        @log.setter
        def log(self, value):
            pass

    with pytest.raises(RuntimeError):
        watch(Broken(), view, Interrupts())

    hidden, shown = file.getvalue().rfind("\x1b[?25l"), file.getvalue().rfind("\x1b[?25h")
    assert shown > hidden >= 0


def test_drawing_seven_candidates_four_times_a_second_costs_less_than_5_percent_of_a_core():
    pauses_s = looks(crowd(7, survivors=3))

    # a pause above the usual one means that a drawing took more than 4 % of it
    assert sorted(pauses_s)[len(pauses_s) // 2] <= 2 * REFRESH_S


def test_a_dear_drawing_makes_the_next_one_wait():
    pauses_s = looks(crowd(200, survivors=200))

    assert min(pauses_s) >= REFRESH_S


def looks(scoreboard, n=12):
    console = Console(file=io.StringIO(), force_terminal=True, width=120, height=50)
    view = LiveView(console, title="race", budget_s=20.0)
    bench = ScriptedBench(boards=[scoreboard])
    found = [view.look(bench, stopping=False) for _ in range(n)]
    view.leave(bench)
    return found[2:]


def test_a_file_that_is_no_terminal_gets_lines_and_quiet_gets_nothing():
    assert isinstance(spectator(io.StringIO(), title="", budget_s=None), LineReader)
    quiet = spectator(io.StringIO(), title="", budget_s=None, quiet=True)
    assert isinstance(quiet, Blindfolded)


def test_below_the_final_table_stands_where_energy_was_read():
    file = io.StringIO()
    (leader, *rest) = FINAL.standings
    measured = dataclasses.replace(leader, values={"gpu_energy_j": 120.0})
    scoreboard = dataclasses.replace(FINAL, standings=(measured, *rest))
    about = dataclasses.replace(ScriptedBench().settings, objectives=("gpu_energy_j",))

    print_table(file, scoreboard, about)

    last = file.getvalue().splitlines()[-1]
    assert last.startswith("gpu_energy_j: NVML's counter of the whole device")


def test_the_final_table_in_a_pipe_is_whole_with_reasons_and_without_escapes():
    file = io.StringIO()
    warned = dataclasses.replace(
        FINAL, trust=dataclasses.replace(FINAL.trust, warnings=("worker cpu-1 is 9 % slower",))
    )

    print_table(file, warned, ScriptedBench().settings)

    head, leader, beaten, *below = file.getvalue().splitlines()
    assert head.startswith("# candidate")
    assert leader.startswith("1 quick")
    assert beaten.startswith("2 slow")
    assert below == [
        "slow: shown at least 50 % slower than the best", "! worker cpu-1 is 9 % slower",
    ]  # fmt: skip
    assert "\x1b" not in file.getvalue()


def test_the_final_table_folds_nobody():
    file = io.StringIO()

    print_table(file, crowd(200, survivors=5), ScriptedBench().settings)

    assert all(f"candidate_{k:03d}" in file.getvalue() for k in range(200))


def test_a_reason_longer_than_the_pipe_is_wide_is_not_lost():
    file = io.StringIO()
    long = "the result is wrong: " + "x" * 300
    wrong = board(measured("good", 1, "leader"), measured("bad", 2, "eliminated", reason=long))

    print_table(file, wrong, ScriptedBench().settings)

    assert long in file.getvalue()
