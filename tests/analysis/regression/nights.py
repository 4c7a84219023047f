"""Nights of noise, many watches at once: what the rule is tried on, and rules that are wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from parbench_lab.analysis.regression.detector import STAKES, bet, score, wanted_run_length
from parbench_lab.core.metric import WALL_TIME_S, Metric

BLOCKS_PER_BET = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """How it goes on the machine: log-sd of a call, of a process, and of the hour."""

    n_series: int = 20
    bets: int = 20
    call_sd: float = 0.03
    process_sd: float = 0.01
    drift_sd: float = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """The rule, with its parts exchangeable: a mutant differs in one of them."""

    margin: float = float(np.log(1.02))
    bet_on: Callable[..., np.ndarray] = bet
    blocks_per_bet: int = BLOCKS_PER_BET
    corrected_series: int | None = None

    def threshold(self, night: Night, nights: int) -> float:
        series = night.n_series if self.corrected_series is None else self.corrected_series
        return wanted_run_length(series, night.bets, nights=nights)


def seeing_bet(sums, scores):
    """Stake on what has been seen already: nothing where the block was lost."""
    stakes = STAKES * (scores[..., None] > 0)
    return np.minimum((sums + 1.0) * (1.0 + stakes * scores[..., None]), 1e290)


@dataclass(slots=True, kw_only=True)
class Watches:
    """Many watches side by side, of a metric on a ratio scale; `observe` is one night."""

    n_watches: int
    metric: Metric = WALL_TIME_S
    rng: np.random.Generator
    night: Night = field(default_factory=Night)
    rule: Rule = field(default_factory=Rule)
    sums: dict[str, np.ndarray] = field(default_factory=dict)

    def observe(self, shift: np.ndarray | float) -> dict[str, np.ndarray]:
        """Return, for worse and better, the largest evidence of the night in every series.

        `shift` is the log ratio of new to baseline, per series: of the metric's values.
        """
        shape = (self.n_watches, self.night.n_series)
        peaks = {name: np.zeros(shape) for name in ("worse", "better")}
        for _ in range(self.night.bets):
            new, base = self._round(shape, shift)
            for name, pair in (("worse", (new, base)), ("better", (base, new))):
                sums = self.sums.get(name, np.zeros((*shape, len(STAKES))))
                for at in range(0, BLOCKS_PER_BET, self.rule.blocks_per_bet):
                    cut = slice(at, at + self.rule.blocks_per_bet)
                    scores = score(pair[0][..., cut], pair[1][..., cut], self.rule.margin)
                    sums = self.rule.bet_on(sums, scores)
                    peaks[name] = np.maximum(peaks[name], sums.mean(axis=-1))
                self.sums[name] = sums
        return peaks

    def _round(self, shape, shift):
        """Return costs of one pair of processes: lognormal calls, layouts, a drifting machine."""
        night, rng = self.night, self.rng
        way = self.metric.cost(math.e)  # a cost is this times the value's logarithm
        hour = rng.normal(0, night.drift_sd, (*shape, BLOCKS_PER_BET)).cumsum(axis=-1)
        sides = []
        for moved in (np.asarray(shift), np.zeros(())):
            layout = rng.normal(0, night.process_sd, shape) + moved
            calls = rng.normal(0, night.call_sd, (*shape, BLOCKS_PER_BET))
            sides.append(way * (hour + layout[..., None] + calls))
        return sides


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """The shares of watches in which any series raised an alarm, in each direction."""

    worse: float
    better: float


def share_with_alarm(watches: Watches, nights: int, shifts) -> Shares:
    """Take the watches through nights; `shifts` is the log ratio, or a function of the night."""
    threshold = watches.rule.threshold(watches.night, 50)
    raised = {name: np.zeros(watches.n_watches, bool) for name in ("worse", "better")}
    for number in range(nights):
        peaks = watches.observe(shifts(number) if callable(shifts) else shifts)
        for name in raised:
            raised[name] |= (peaks[name] >= threshold).any(axis=-1)
    return Shares(worse=raised["worse"].mean(), better=raised["better"].mean())
