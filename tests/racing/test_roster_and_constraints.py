"""Blame for dead workers, and bounds on metrics."""

from __future__ import annotations

import pytest

from parbench_lab.core.measurement import Measurement, Outcome
from parbench_lab.errors import SettingError
from parbench_lab.racing.constraints import (
    broken_constraint,
    parse_constraint,
    refuse_unknown_metrics,
)
from parbench_lab.racing.roster import Entrant, Roster


def ok(name, seconds=1.0):
    return Measurement(candidate=name, outcome=Outcome.OK, values={"wall_time_s": seconds})


@pytest.fixture
def roster():
    roster = Roster()
    for name in ("busy", "brief"):
        roster.enter(Entrant(name=name))
    return roster


def test_nobody_is_blamed_for_the_first_unexplained_death(roster):
    assert not roster.blame("busy")


def test_two_deaths_in_a_row_are_blamed(roster):
    roster.blame("brief")

    assert roster.blame("brief")


def test_a_good_run_between_two_deaths_clears_the_suspicion(roster):
    roster.credit(ok("busy"))
    roster.blame("busy")

    roster.credit(ok("busy"))

    assert not roster.blame("busy")


def test_deaths_in_proportion_to_the_time_spent_are_never_blamed(roster):
    blamed = []
    for _ in range(50):
        roster.credit(ok("busy", 9.0))
        roster.credit(ok("brief", 1.0))
        blamed.append(roster.blame("busy"))

    assert not any(blamed)


def test_a_brief_candidate_that_is_always_there_when_a_worker_dies_is_blamed(roster):
    blamed = []
    for _ in range(6):
        roster.credit(ok("busy", 99.0))
        roster.credit(ok("brief", 1.0))
        blamed.append(roster.blame("brief"))

    assert blamed[-1]


def test_a_name_cannot_be_entered_twice(roster):
    with pytest.raises(ValueError, match="already"):
        roster.enter(Entrant(name="busy"))


def test_the_first_and_then_every_nth_run_is_checked():
    entrant = Entrant(name="a")

    checked = [i + 1 for i in range(30) if entrant.next_check(10, always=False)]

    assert checked == [1, 10, 20, 30]


@pytest.mark.parametrize(
    ("text", "value", "broken"),
    [
        ("peak_rss_bytes <= 2e9", 2e9, False),
        ("peak_rss_bytes <= 2e9", 2.1e9, True),
        ("peak_rss_bytes < 5", 5.0, True),
        ("peak_rss_bytes>=5", 5.0, False),
        ("peak_rss_bytes > 5", 4.0, True),
    ],
)
def test_a_bound_is_broken_beyond_it(text, value, broken):
    assert bool(broken_constraint([text], {"peak_rss_bytes": value})) is broken


def test_what_was_not_measured_breaks_nothing():
    assert broken_constraint(["peak_rss_bytes <= 1"], {}) == ""


@pytest.mark.parametrize("text", ["peak", "a == 3", "a <= b", "<= 3", "__import__('os') <= 1"])
def test_a_malformed_bound_is_refused_with_an_example(text):
    with pytest.raises(SettingError, match="peak_rss_bytes <= 2e9"):
        parse_constraint(text)


@pytest.mark.parametrize("bound", ["nan", "inf", "-inf"])
def test_a_bound_that_bounds_nothing_is_refused(bound):
    with pytest.raises(SettingError, match="must have a finite bound"):
        refuse_unknown_metrics([f"wall_time_s <= {bound}"], ["wall_time_s"])


def test_a_bound_on_an_unknown_metric_lists_the_known():
    with pytest.raises(SettingError, match="wall_time_s"):
        refuse_unknown_metrics(["speed <= 1"], ["wall_time_s"])
