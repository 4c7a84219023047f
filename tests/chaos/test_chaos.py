"""A minute of chaos; more by hand: ``python -m tests.chaos --seconds 600 --seed 7``."""

from __future__ import annotations

import numpy as np
import pytest

from parbench_lab.core.standing import Scoreboard, Standing, VerdictKind
from tests.chaos.candidates import Sometimes, is_wrong, raises, slower
from tests.chaos.storm import KINDS, assert_no_more, check_decided, plan_weather, run_chaos


@pytest.mark.timeout(600)
def test_a_minute_of_chaos_breaks_no_promise():
    lines = list(run_chaos(seconds=60.0, seed=2026))

    assert len(lines) >= 2
    assert any("guest=" in line for line in lines)


def test_what_grew_is_named_even_where_something_else_shrank():
    before = {"threads": 9, "processes": 2, "files": 40}

    assert_no_more(before, before, seed=1)
    with pytest.raises(AssertionError, match="files 40 -> 41"):
        assert_no_more({"threads": 8, "processes": 2, "files": 41}, before, seed=1)


def led_by(name, *, failures=0, good_is="equal"):
    """Return a decided board on which `name` leads."""
    leader = Standing(candidate=name, rank=1, verdict=VerdictKind.LEADER, failures=failures)
    other = Standing(candidate="good", rank=2, verdict=VerdictKind(good_is))
    return Scoreboard(
        epoch=0, batch_size=1, standings=(leader, other), phase="watching", blocks=9,
        measurements=18, elapsed_s=1.0, blocks_per_s=9.0,
    )  # fmt: skip


DICE = {
    "slower": slower,
    "bad_sometimes": Sometimes(raises, 0.2, 0),
    "bad_always": Sometimes(raises, 1.0, 0),
    "bad_wrong": Sometimes(is_wrong, 0.2, 0),
}


@pytest.mark.parametrize(
    "board",
    [
        pytest.param(led_by("slower"), id="an honest slower one"),
        pytest.param(led_by("bad_always"), id="who always misbehaves"),
        pytest.param(led_by("bad_wrong", failures=1), id="who was wrong once"),
        pytest.param(led_by("bad_sometimes", failures=3), id="who failed too often"),
        pytest.param(led_by("bad_sometimes", good_is="undecided"), id="the good one undecided"),
        pytest.param(led_by("bad_sometimes", good_is="eliminated"), id="the good one out"),
    ],
)
def test_chaos_notices_a_wrong_winner(board):
    with pytest.raises(AssertionError, match="seed 7"):
        check_decided(board, DICE, 7)


def test_chaos_grants_the_lead_to_an_equal_that_was_lucky_so_far():
    check_decided(led_by("bad_sometimes", failures=2), DICE, 7)
    check_decided(led_by("bad_wrong"), DICE, 7)


def test_the_same_seed_draws_the_same_storm():
    first, again, other = (plan_weather(np.random.default_rng(seed)) for seed in (7, 7, 8))

    assert first == again
    assert first != other
    assert {deed.kind for deed in first} <= set(KINDS)
