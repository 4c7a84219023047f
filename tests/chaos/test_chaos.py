"""A minute of chaos; more by hand: ``python -m tests.chaos --seconds 600 --seed 7``."""

from __future__ import annotations

import numpy as np
import pytest

from tests.chaos.storm import KINDS, assert_no_more, plan_weather, run_chaos


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


def test_the_same_seed_draws_the_same_storm():
    first, again, other = (plan_weather(np.random.default_rng(seed)) for seed in (7, 7, 8))

    assert first == again
    assert first != other
    assert {deed.kind for deed in first} <= set(KINDS)
