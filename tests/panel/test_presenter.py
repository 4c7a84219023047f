"""What the panel shows is a pure function of the snapshot."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pytest

import parbench_lab as pb
from parbench_lab.core.candidate import as_candidate
from parbench_lab.core.estimate import Estimate
from parbench_lab.core.standing import Trust, VerdictKind
from parbench_lab.panel.presenter import (
    MOST_ROWS,
    MOST_SENTENCES,
    board_state,
    code_of,
    ratio_scale,
    safe_link,
    table_as_csv,
    trust_words,
)
from parbench_lab.panel.static_page import still_html
from parbench_lab.plots.theme import PALETTE, colour_of, dash_of
from parbench_lab.racing.history import LogLine
from parbench_lab.racing.settings import Settings
from tests.panel.races import EVIL, estimate, scoreboard, standing


def state_of(board=None, log=(), *, started=True, **options):
    board = board or scoreboard()
    names = [s.candidate for s in board.standings]
    return board_state(board, Settings(), log, candidates=names, started=started, **options)


def triple(x, factor=3):
    return x * factor


def test_a_row_says_in_words_what_is_known_of_a_candidate():
    quick, fair, slow = state_of()["rows"]

    assert quick["throughput"].startswith("2.00 M")
    assert (fair["evidence"], fair["memory"], fair["blocks"]) == ("30 : 1", "3.15 MB", "40")
    assert (fair["ratio"], fair["verdict"]) == ("1.20 (1.10-1.30)", "undecided")
    assert (slow["tone"], slow["reason"]) == ("out", "30 % slower")


def test_a_row_offers_to_drop_who_races_and_to_bring_back_who_is_out():
    rows = state_of()["rows"]

    assert [row["action"] for row in rows] == ["drop", "drop", "bring back"]


def test_a_candidate_keeps_the_colour_of_its_entry_whatever_its_rank():
    board = scoreboard([standing("second", 1, VerdictKind.LEADER), standing("first", 2)])

    state = board_state(board, Settings(), (), candidates=["first", "second"], started=True)

    assert [row["colour"] for row in state["rows"]] == [colour_of(1), colour_of(0)]


def test_where_colours_come_again_a_row_has_the_dash_of_its_line():
    names = [f"c{place}" for place in range(len(PALETTE) + 1)]
    board = scoreboard([standing(name, place + 1) for place, name in enumerate(names)])

    first, *_, last = state_of(board)["rows"]

    assert first["colour"] == last["colour"]
    assert (first["dash"], last["dash"]) == ("solid", dash_of(len(PALETTE)))
    assert first["dash"] != last["dash"]


def test_the_bars_hold_their_points_and_the_leader_stands_left_of_the_tolerance():
    state = state_of()

    quick, fair, slow = (row["bar"] for row in state["rows"])
    assert quick[1] < state["tolerance_at"] < fair[0] <= fair[1] <= fair[2]
    assert fair[1] < slow[1] < slow[2] <= 1.0


def test_a_candidate_without_a_ratio_has_no_bar_and_says_that_it_comes():
    board = scoreboard([standing("new", 1), standing("out", 2, VerdictKind.ELIMINATED)])

    new, out = state_of(board)["rows"]
    assert (new["bar"], new["ratio"]) == (None, "not yet")
    assert (out["bar"], out["ratio"]) == (None, "-")


@pytest.mark.parametrize(
    "worst",
    [
        pytest.param(Estimate(point=1e300, low=1e300, high=1e304, confidence=0.9, n=3), id="out"),
        pytest.param(Estimate(point=5.0, low=1.0, high=1e400, confidence=0.9, n=3), id="infinite"),
    ],
)
def test_one_that_is_far_behind_does_not_flatten_the_bars_of_the_others(worst):
    near = [standing("a", 1, ratio=estimate(1.0, 0)), standing("b", 2, ratio=estimate(1.2))]
    board = scoreboard([*near, standing("c", 3, ratio=worst)])

    _, near_bar, far_bar = (row["bar"] for row in state_of(board)["rows"])

    assert near_bar[2] - near_bar[0] > 0.1
    assert far_bar == sorted(far_bar)


@pytest.mark.parametrize("tolerance", [0.0, 0.02, 9.0])
def test_every_place_is_within_the_bar(tolerance):
    board = scoreboard()

    scale = ratio_scale(board, tolerance, pb.Metric(name="wall_time_s", unit="s"))

    places = [scale.place(value) for value in (0.0, 0.5, 1.0, 1.2, 1e9, scale.tolerance)]
    assert all(0.0 <= place <= 1.0 for place in places)


def test_differences_of_an_interval_metric_are_not_called_ratios():
    score = pb.Metric(name="score", unit="1", better="higher", scale="interval")
    board = scoreboard([standing("a", 1, ratio=estimate(0.0, 0)), standing("b", 2)])

    state = state_of(board, objective=score)

    assert (state["ratio_head"], state["ratio_title"]) == ("difference", "behind the leader")
    assert ">difference</th>" in still_html(state)


def test_many_candidates_are_folded_into_a_last_row_without_a_button():
    board = scoreboard([standing(f"c{i}", i + 1) for i in range(MOST_ROWS + 40)])

    rows = state_of(board)["rows"]

    assert len(rows) == MOST_ROWS
    assert (rows[-1]["candidate"], rows[-1]["action"]) == ("41 more racing", None)


def test_the_state_is_json_even_where_evidence_is_certain():
    board = scoreboard([standing("a", 1, ratio=estimate(1.0)), standing("b", 2, evidence=1e400)])

    written = json.dumps(state_of(board), allow_nan=False)

    assert "certain" in written


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param({"started": False}, "press start", id="not started"),
        pytest.param({"started": False, "starting": True}, "starting workers ...", id="starting"),
        pytest.param({}, "1 of 3 settled · about 7 s to a decision · 4 s so far", id="racing"),
    ],
)
def test_progress_says_what_is_waited_for(options, words):
    assert state_of(scoreboard(time_left_s=7.0), **options)["progress"]["words"] == words


@pytest.mark.parametrize(
    ("phase", "words"),
    [("paused", "paused"), ("watching", "decided; the leader is watched"), ("ended", "ended")],
)
def test_the_phase_is_in_words(phase, words):
    assert state_of(scoreboard(phase=phase))["phase_words"] == words


def test_a_race_that_broke_has_ended_and_says_what_broke_it():
    shown = state_of(scoreboard(time_left_s=7.0), failure="the disk is full")

    assert shown["phase"] == "ended"
    assert shown["phase_words"] == "ended: the disk is full"
    assert "to a decision" not in shown["progress"]["words"]


def test_facts_tell_blocks_workers_and_size():
    assert state_of(scoreboard(duty_cycle=0.9))["facts"] == (
        "10.0 blocks/s · 2 workers · duty cycle 90 % · batch size 1,000 · 120 measurements"
    )


def test_the_log_has_the_newest_sentence_first_and_not_all_of_them():
    log = [LogLine(at_s=float(i), sentence=f"sentence {i}") for i in range(200)]

    shown = state_of(log=log)["log"]

    assert len(shown) == MOST_SENTENCES
    assert shown[0] == "199.0 s  sentence 199"


def test_trust_is_told_and_warnings_come_before_its_figures():
    known = Trust(
        canary_blocks=12,
        interference=Estimate(point=0.04, low=0.0, high=0.1, confidence=0.95, n=9),
        variance_ratio=1.25,
        worker_residuals={"cpu-0": -0.01, "cpu-1": 0.06},
    )
    calm = state_of(scoreboard(trust=known))
    alarmed = state_of(
        scoreboard(trust=replace(known, warnings=("worker cpu-1 is slow", "and hot")))
    )

    assert " · ".join(calm["trust"]).split(" · ") == [
        (
            "A/A canary over 12 blocks: identical code is not told apart (1 : 1), as it should "
            "be; verdicts are suspended at 1,000 : 1"
        ),
        "interference 4 %: all workers busy made it not certainly slower",
        "autocorrelation 1.25 (variance ratio; 1: none)",
        "slowest worker cpu-1: 6 % behind",
    ]
    assert (calm["warned"], alarmed["warned"]) == (False, True)
    assert alarmed["trust"] == ["worker cpu-1 is slow", "and hot", *calm["trust"]]


def test_what_was_not_measured_is_said_to_be_so():
    found = trust_words(scoreboard(), 1000.0)

    assert "identical code has not raced against itself yet" in found
    assert "interference not measured yet" in found


def test_odds_of_the_canary_say_what_they_mean():
    found = trust_words(scoreboard(trust=Trust(canary_blocks=40, canary_evidence=41.0)), 1000.0)

    assert found.startswith(
        "A/A canary over 40 blocks: identical code told apart at odds 41 : 1; "
        "verdicts are suspended at 1,000 : 1"
    )


@pytest.mark.parametrize(
    ("point", "words"),
    [
        pytest.param(-0.13, "interference -13 %: all workers busy made it no slower", id="less"),
        pytest.param(0.05, "made it not certainly slower", id="interval holds nothing"),
        pytest.param(0.4, "interference 40 %: all workers busy make it slower", id="certain"),
    ],
)
def test_interference_says_what_it_means(point, words):
    measured = Estimate(point=point, low=point - 0.1, high=point + 0.1, confidence=0.95, n=9)

    found = trust_words(scoreboard(trust=Trust(interference=measured)), 1000.0)

    assert words in found


def test_who_only_watches_is_not_said_to_be_busy():
    watching = state_of(scoreboard(phase="watching", duty_cycle=1.0))["facts"]

    assert "low duty: the leader is watched" in watching
    assert "100 %" not in watching


@pytest.mark.parametrize(
    ("link", "shown"),
    [
        ("http://127.0.0.1:8787/status", "http://127.0.0.1:8787/status"),
        ("https://hub/proxy/8787", "https://hub/proxy/8787"),
        ("javascript:alert(1)", None),
        ("data:text/html,x", None),
        (None, None),
    ],
)
def test_only_web_addresses_become_links(link, shown):
    assert safe_link(link) == shown


def test_names_reasons_and_errors_are_escaped_in_the_still_picture():
    evil = standing(EVIL, 1, VerdictKind.ELIMINATED, reason=f"RuntimeError: {EVIL}")
    board = scoreboard([evil], trust=Trust(warnings=(EVIL,)))

    markup = still_html(state_of(board, workload=EVIL, run_id=EVIL))

    assert "<img" not in markup
    assert markup.count("&lt;img src=x") == 5


def test_the_table_as_csv_has_every_candidate_and_full_numbers():
    rows = list(csv.DictReader(io.StringIO(table_as_csv(scoreboard()))))

    assert [row["candidate"] for row in rows] == ["quick", "fair", "slow"]
    assert float(rows[1]["ratio_high"]) == 1.3
    assert rows[1]["median_s"] == ""


@pytest.mark.parametrize("name", ["=1+1", "+cmd", "-2", "@sum"])
def test_a_name_that_looks_like_a_formula_stays_text_in_a_spreadsheet(name):
    board = scoreboard([standing(name, 1)])

    (row,) = csv.DictReader(io.StringIO(table_as_csv(board)))

    assert row["candidate"] == f"'{name}"


def test_a_function_is_taken_away_with_its_source_and_parameters():
    code = code_of(pb.Candidate(name="t", function=triple, parameters={"factor": 4}))

    assert code.startswith("def triple(x, factor=3):\n    return x * factor\n")
    assert code.endswith("# result = triple(case, factor=4)\n")


def test_an_import_string_is_taken_away_as_an_import():
    code = code_of(pb.Candidate(name="t", function="math:fsum"))

    assert code == "from math import fsum\n\n# result = fsum(case)\n"


def nested():
    def quick(case):
        total = 0
        for item in case:
            total += item
        return total

    return quick


@pytest.mark.parametrize(
    "function",
    [
        pytest.param(nested(), id="a function in a function"),
        pytest.param(Settings().replace, id="a method"),
        pytest.param(next(iter([lambda case: case])), id="a lambda in a call"),
    ],
)
def test_code_that_is_taken_away_can_be_run_as_it_is(function):
    code = code_of(pb.Candidate(name="t", function=function))

    compile(code, "taken away", "exec")


@pb.candidate
def marked(case):
    return sum(case)


@pb.candidate(
    name="other",
    factor=2,
)
def marked_with_more(case, factor):
    return factor * sum(case)


@pytest.mark.parametrize(
    ("function", "wanted"),
    [pytest.param(marked, 6, id="bare"), pytest.param(marked_with_more, 12, id="with parameters")],
)
def test_code_that_is_taken_away_needs_nothing_of_the_race(function, wanted):
    code = code_of(as_candidate(function))
    call = code.splitlines()[-1].removeprefix("# ")
    known = {"case": [1, 2, 3]}

    exec(f"{code}{call}", known)

    assert known["result"] == wanted


def test_what_has_no_source_is_imported_or_said_to_have_none():
    assert code_of(pb.Candidate(name="t", function=len)).startswith("from builtins import len\n")
