"""Races by the thousand: simulated slots in random order, judged by the shipped accounts.

A block is a row of slots in time; what disturbs a slot knows nothing of the candidate in it, but
slots may depend on each other in any way. The order of the candidates in the slots is drawn
afresh for every block (unless a test wants to see what happens otherwise).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from parbench_lab.analysis.accounts import Bools, Floats
from parbench_lab.analysis.leader_bets import LeaderBets, shown

Noise = Callable[[np.random.Generator, tuple[int, int]], Floats]


def lognormal(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    return rng.normal(0.0, 0.04, shape)


def bimodal(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    return rng.normal(0.0, 0.01, shape) + 0.15 * (rng.random(shape) < 0.3)


def heavy_tailed(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    return 0.02 * rng.standard_t(1.2, shape)


@dataclass
class Drifting:
    """Slower from slot to slot, on top of noise that remembers the slot before."""

    last: Floats | float = 0.0

    def __call__(self, rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
        n = shape[1]
        slots = np.empty(shape)
        fresh = rng.normal(0.0, 0.02, shape)
        for slot in range(n):
            self.last = 0.9 * self.last + fresh[:, slot]
            slots[:, slot] = self.last + 0.01 * slot
        return slots


@dataclass
class LevelShifting:
    """Two levels 30 % apart; the machine jumps between them at any slot and stays a while."""

    level: Bools | None = None

    def __call__(self, rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
        jumps = np.cumsum(rng.random(shape) < 0.03, axis=1) % 2 == 1
        if self.level is None:
            self.level = np.zeros(shape[0], np.bool_)
        levels = jumps ^ self.level[:, None]
        self.level = levels[:, -1]
        return 0.3 * levels + rng.normal(0.0, 0.01, shape)


NOISES: dict[str, Callable[[], Noise]] = {
    "lognormal": lambda: lognormal,
    "bimodal": lambda: bimodal,
    "heavy-tailed": lambda: heavy_tailed,
    "drifting": Drifting,
    "level-shifting": LevelShifting,
}


@dataclass(kw_only=True)
class Plan:
    """What is raced, how often and how long; `gaps` are in log seconds, candidate 0 is best.

    `threshold_of` a block takes the place of `threshold`.
    """

    gaps: Sequence[float]
    races: int = 2000
    blocks: int = 300
    threshold: float = 20.0
    seed: int = 1
    noise: Noise = lognormal
    shuffled: bool = True
    margins: tuple[float, ...] = (0.0,)
    tolerance_index: Callable[[int], int] = lambda _: 0
    threshold_of: Callable[[int], float] | None = None
    joins_at: dict[int, int] = field(default_factory=dict)


@dataclass(kw_only=True)
class Outcome:
    """What became of the races."""

    best_lost: Bools
    eliminated: Bools
    measurements: Floats
    decided: Bools


def simulate(plan: Plan, bets_class: type[LeaderBets] = LeaderBets) -> Outcome:
    """Race and eliminate by the shipped rule, all races at once."""
    rng = np.random.default_rng(plan.seed)
    shape = (plan.races, len(plan.gaps))
    bets = bets_class(shape[1], np.log1p(plan.margins), batch=(plan.races,))
    for candidate in plan.joins_at:
        bets.alive[:, candidate] = False
    measurements, decided = np.zeros(plan.races), np.zeros(plan.races, np.bool_)
    for block in range(plan.blocks):
        for candidate, start in plan.joins_at.items():
            if start == block:
                bets.alive[:, candidate] = True
        measurements += np.where(decided, 0, bets.alive.sum(axis=1))
        bets.observe(_costs(plan, rng, shape), np.ones(shape, np.bool_))
        threshold = plan.threshold_of(block) if plan.threshold_of else plan.threshold
        eliminate(bets, math.log(threshold), plan.tolerance_index(block))
        waiting = any(start > block for start in plan.joins_at.values())
        decided |= (bets.alive.sum(axis=1) == 1) & (not waiting)
        if decided.all():
            break
    return Outcome(
        best_lost=~bets.alive[:, 0],
        eliminated=~bets.alive,
        measurements=measurements,
        decided=decided,
    )


def _costs(plan: Plan, rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    slots = plan.noise(rng, shape)
    if plan.shuffled:
        order = rng.permuted(np.broadcast_to(np.arange(shape[1]), shape), axis=1)
        slots = np.take_along_axis(slots, order, axis=1)
    return slots + np.asarray(plan.gaps)


def eliminate(bets: LeaderBets, bar: float, tolerance_index: int) -> None:
    """Take out who is shown beyond the tolerance, never the last one."""
    over = (shown(bets.accounts.log_peak, bar) > tolerance_index) & bets.alive
    everybody = over.sum(axis=1) == bets.alive.sum(axis=1)
    if everybody.any():
        over[everybody, bets.leader()[everybody]] = False
    bets.alive &= ~over


def p_value(count: int, races: int, chance: float) -> float:
    """Return the probability of so many or more by chance (exact binomial)."""
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, races + 1)))])
    ks = np.arange(count, races + 1)
    terms = logs[races] - logs[ks] - logs[races - ks]
    terms = terms + ks * math.log(chance) + (races - ks) * math.log1p(-chance)
    return float(np.exp(terms).sum())


def check_the_best_is_safe(
    plan: Plan, bets_class: type[LeaderBets] = LeaderBets, *, chance: float = 0.05
) -> None:
    """Assert that the best goes in no more than `chance` of the races (one-sided, p < 0.01)."""
    lost = int(simulate(plan, bets_class).best_lost.sum())
    assert p_value(lost, plan.races, chance) >= 0.01, (
        f"the best was eliminated in {lost} of {plan.races} races"
    )
