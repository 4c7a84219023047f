"""A minute of chaos; more by hand: ``python -m tests.chaos --seconds 600 --seed 7``."""

from __future__ import annotations

import pytest

from tests.chaos.storm import run_chaos


@pytest.mark.timeout(400)
def test_a_minute_of_chaos_breaks_no_promise():
    lines = list(run_chaos(seconds=60.0, seed=2026))

    assert len(lines) >= 2
    assert all("kill=" in line or "pause=" in line or "batch=" in line for line in lines)
