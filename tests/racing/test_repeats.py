"""How often calls are repeated decides nothing: the best stays the best on a busy machine."""

from __future__ import annotations

import numpy as np
import pytest

from parbench_lab.core.measurement import Measurement, Outcome
from parbench_lab.racing import events
from parbench_lab.racing.allocation import SHARED_WITHIN, repeats, repeats_beside
from tests.racing.simulation import Simulation, timed

SLICE_S = 0.004
"""So long a process of a busy machine runs, and so long it waits for another one."""


def interrupted(seconds, practice_s=()):
    """A candidate that waits for a slice of somebody else's whenever its own is over.

    Its first runs last what `practice_s` says.
    """
    practice = list(practice_s)

    def run(rng, slot, block):
        lasts_s = slot.repeats * seconds
        waits = int((rng.uniform(0, SLICE_S) + lasts_s) // SLICE_S)
        value = practice.pop() if practice else (lasts_s + SLICE_S * waits) / slot.repeats
        noisy = value * float(np.exp(rng.normal(0, 0.01)))
        return Measurement(
            candidate=slot.candidate, copy=slot.copy, outcome=Outcome.OK,
            values={"wall_time_s": noisy, "peak_rss_bytes": 1e6}, repeats=slot.repeats,
            checked=slot.check,
        )  # fmt: skip

    return run


def eliminated(candidates, seed, most=600):
    race = Simulation(candidates, seed=seed)
    race.tell(events.LimitsSet(until_s=60.0, until_measurements=most, stop_when_decided=True))
    race.run(until=lambda: race.state.ended is not None)
    return {fact.candidate for fact in race.of(events.Eliminated)}


@pytest.mark.statistics
def test_on_a_busy_machine_the_shorter_of_two_loops_is_no_advantage():
    # by itself the slow one would not be repeated: its practice was held up on both workers
    races = [
        eliminated(
            {"quick": interrupted(0.00135), "slow": interrupted(0.00152, [0.0055] * 3)}, seed
        )
        for seed in range(20)
    ]

    assert sum("quick" in out for out in races) == 0
    assert sum("slow" in out for out in races) >= 15


@pytest.mark.statistics
def test_on_a_busy_machine_copies_stay_though_their_first_runs_differ():
    first_s = {"a": 0.0007, "b": 0.0009, "c": 0.0016, "d": 0.0047}
    races = [
        eliminated({n: interrupted(0.0007, [s] * 3) for n, s in first_s.items()}, seed)
        for seed in range(20)
    ]

    assert sum(bool(out) for out in races) <= 1


def test_a_challenger_is_repeated_as_often_as_those_beside_it():
    race = Simulation({"a": interrupted(0.0014), "b": interrupted(0.0014)}, tolerance=0.5)
    race.run(until=lambda: race.state.ledger.race_blocks > 5)
    race.runs["late"] = interrupted(0.0016)
    race.tell(events.CandidateAdded(candidate="late"))
    race.run(until=lambda: "late" in race.state.ledger.settled)

    assert {race.state.ledger.repeats(name) for name in ("a", "b", "late")} == {4}
    assert repeats(0.003, 0.0016) == 2


def test_one_slow_practice_does_not_fix_the_repeats():
    race = Simulation({"a": interrupted(0.0001, [0.05]), "b": interrupted(0.05)}, tolerance=0.5)

    race.run(until=lambda: race.state.ledger.race_blocks > 0)

    assert (race.state.ledger.repeats("a"), race.state.ledger.repeats("b")) == (32, 1)


def test_who_came_back_is_repeated_as_often_as_those_beside_it():
    race = Simulation(
        {"leader": interrupted(0.0014), "changed": interrupted(0.0101)}, challenge_every=2
    )
    race.run(until=lambda: race.state.phase == "watching")
    before = race.state.ledger.repeats("changed")
    race.runs["changed"] = interrupted(0.0013)
    race.run(until=lambda: bool(race.of(events.Returned)))
    came_back = race.state.ledger
    race.run(until=lambda: race.state.ledger is came_back and came_back.race_blocks > 0)

    assert (before, came_back.repeats("leader")) == (1, 4)
    assert came_back.repeats("changed") == 4


def test_a_practice_that_outlives_its_epoch_counts_for_the_next_one_and_changes_nothing_later():
    race = Simulation({"a": timed(0.0014), "b": timed(0.0014)}, tolerance=0.5)
    race.run(until=lambda: race.state.ledger.race_blocks > 5)
    race.runs["late"] = timed(0.0008)
    race.tell(events.CandidateAdded(candidate="late"))
    before = race.state.ledger
    race.run(until=lambda: "late" in before.settling)
    race.state.open_epoch("somebody came back", fresh=True)

    race.run(until=lambda: "late" in race.state.ledger.settled)
    settled = race.state.ledger.repeats("late")
    race.run(until=lambda: race.state.ledger.race_blocks > 20)

    assert "late" not in before.settled
    assert {race.state.ledger.repeats(name) for name in ("a", "b", "late")} == {settled}


def test_a_late_challenger_is_repeated_as_those_beside_it_whatever_is_wanted_by_then():
    race = Simulation({"a": interrupted(0.0014), "b": interrupted(0.0014)}, tolerance=0.5)
    race.run(until=lambda: race.state.ledger.race_blocks > 5)
    race.tell(events.SettingsChanged(changes={"min_time_s": 0.1}))
    race.runs["late"] = interrupted(0.0014)
    race.tell(events.CandidateAdded(candidate="late"))
    race.run(until=lambda: "late" in race.state.ledger.settled)

    assert race.state.ledger.repeats("late") == race.state.ledger.repeats("a") == 4


def test_repeated_calls_have_time_for_all_of_them():
    race = Simulation(
        {"quick": interrupted(0.001), "slow": interrupted(0.004)},
        timeout_s=0.01, tolerance=0.0, policy="never",
    )  # fmt: skip
    race.run(until=lambda: race.state.ledger.race_blocks > 5)
    newest = race.state.dispatcher.last_task
    race.tell(events.SettingsChanged(changes={"timeout_s": 0.02}))  # what waits is sent again
    race.run(until=lambda: race.state.dispatcher.last_task > newest + 2)

    lasts_s = {"quick": 0.001, "slow": 0.004}
    slots = [s for task in race.sent for b in task.blocks if len(b.slots) > 1 for s in b.slots]
    assert {s.repeats > 1 for s in slots} == {True}
    assert all(s.timeout_s > 10 * s.repeats * lasts_s[s.candidate] for s in slots)


@pytest.mark.parametrize(
    ("typical_s", "others", "wanted"),
    [
        pytest.param(0.0016, {}, 2, id="alone"),
        pytest.param(0.0016, {0.0014: 4}, 4, id="as the nearest"),
        pytest.param(0.0016, {0.0014: 4, 0.0001: 32}, 4, id="the nearest of two"),
        pytest.param(0.5, {0.0014: 4}, 1, id="much slower: as alone"),
        pytest.param(0.00001, {0.0031: 1}, 512, id="much quicker: as alone"),
        pytest.param(0.0029, {0.0031: 1}, 1, id="just below the wanted time"),
    ],
)
def test_repeats_are_shared_with_the_nearest_in_time(typical_s, others, wanted):
    assert repeats_beside(0.003, typical_s, others) == wanted
    assert wanted * typical_s <= max(SHARED_WITHIN * 0.003, typical_s)


def test_without_a_wanted_time_nothing_is_repeated():
    assert repeats_beside(0.0, 1e-6, {1e-6: 1}) == 1
