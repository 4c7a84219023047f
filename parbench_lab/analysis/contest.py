"""What a race is about: one objective, or several at once; which accounts speak for which claim.

Claims about a pair of candidates (j, i), all as logarithms of odds:

out       j is worse than the best by more than the tolerance (about j alone)
equal     j is at most the tolerance worse than i, in every objective
apart     j is worse than i by more than the tolerance in some objective (several objectives)

A pair is settled when one of the two is out, when they are equal in both directions, or when each
is shown better in some objective.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from parbench_lab.analysis.accounts import Bools, Floats, Ints
from parbench_lab.analysis.duels import Duels, leaders
from parbench_lab.analysis.leader_bets import LeaderBets
from parbench_lab.analysis.margins import MARGINS
from parbench_lab.analysis.pair_bets import PairBets, ParetoBets
from parbench_lab.core.metric import Metric
from parbench_lab.core.standing import VerdictKind

_TIE_BREAK = 1e-6

_KINDS = (VerdictKind.UNDECIDED, VerdictKind.EQUAL, VerdictKind.FRONT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """Log odds of the claims about some candidates: `out` per one, the others per ordered pair."""

    out: Floats
    equal: Floats
    apart: Floats

    def settled(self) -> Floats:
        """Return the log odds at which each pair is settled, the best of the ways to settle it."""
        either = np.maximum(self.out[:, None], self.out[None, :])
        same = np.minimum(self.equal, self.equal.T)
        differ = np.minimum(self.apart, self.apart.T)
        best: Floats = np.maximum(np.maximum(either, same), differ)
        return best

    def kinds(self, bar: float, *, several: bool) -> list[VerdictKind]:
        """Return where each one stands at log odds `bar`: front, equal or undecided.

        With `several` objectives *front* is better than each other in one of them, and *equal*
        settled with each; with one, *equal* is at most the tolerance worse than each.
        """
        own = np.eye(self.out.size, dtype=np.bool_)
        ahead = np.greater_equal(self.apart.T, bar) | own
        alike = np.greater_equal(self.settled() if several else self.equal, bar) | own
        front = ahead.all(axis=-1) & several
        equal = alike.all(axis=-1) & (self.out < bar)
        return [_KINDS[place] for place in np.where(front, 2, equal).tolist()]


class Contest(Protocol):
    """The accounts of one epoch, whatever it is about.

    `alive` (who still races) is set by the owner; `worse_peak` is the running maximum of the log
    evidence of "worse than the best by more than the margin", shape ``(n, margins)``.
    """

    alive: Bools
    pairs: PairBets

    @property
    def worse_peak(self) -> Floats:
        """Running maximum of the log evidence against each candidate, per margin."""

    def grow(self, n: int) -> None:
        """Make room for newcomers (not alive yet)."""

    def observe(self, costs: Floats, measured: Bools) -> Floats:
        """Judge a block of costs (n, objectives); returns the duels of the first objective."""

    def observe_together(self, costs: Floats, measured: Bools) -> list[Floats]:
        """Judge blocks (first axis) with stakes of before the first of them; as `observe`.

        All of them were measured for the same candidates.
        """

    def keys(self) -> Floats:
        """Return what to order the candidates by, the best first."""

    def leader(self, keys: Floats) -> int:
        """Return the index of the leader, given `keys`."""

    def at_most(self, rows: Ints, log_threshold: float) -> Ints:
        """Return the index of the margin each of the rows is at most worse than all others.

        The number of margins where nothing is shown.
        """

    def claims(self, rows: Ints, up: int, down: int, *, peak: bool) -> Claims:
        """Return the log odds about `rows`, tolerance snapped `up` and `down` to the grid.

        Running maxima with `peak`, else the wealth of now.
        """


def margins_of(metric: Metric) -> list[float]:
    """Return the grid of margins on the scale of the metric's costs."""
    return [metric.margin(margin) for margin in MARGINS]


def contest(metrics: Sequence[Metric], n: int, *, epoch_blocks: int = 1) -> Contest:
    """Return the accounts for a race about these objectives."""
    if len(metrics) == 1:
        return OneObjective(metrics[0], n, epoch_blocks=epoch_blocks)
    return SeveralObjectives(metrics, n, epoch_blocks=epoch_blocks)


class OneObjective:
    """Everyone bets against the leader; pairs only show "at most so much worse"."""

    def __init__(self, metric: Metric, n: int, *, epoch_blocks: int = 1) -> None:
        margins = margins_of(metric)
        self.bets = LeaderBets(n, margins, epoch_blocks=epoch_blocks)
        self.pairs = PairBets(n, [margins], epoch_blocks=epoch_blocks)
        self.alive = self.bets.alive

    @property
    def worse_peak(self) -> Floats:
        """Running maximum of the log evidence against each candidate, per margin."""
        return self.bets.accounts.log_peak

    def grow(self, n: int) -> None:
        """Make room for newcomers (not alive yet)."""
        self.bets.grow(n)
        self.pairs.grow(n)
        self.alive = self.bets.alive

    def observe(self, costs: Floats, measured: Bools) -> Floats:
        """Judge a block; returns its duels."""
        self.pairs.observe(costs, measured, self.alive)
        return self.bets.observe(costs[:, 0], measured)

    def observe_together(self, costs: Floats, measured: Bools) -> list[Floats]:
        """Judge several blocks; returns the duels of each."""
        if not self.pairs.observe_together(costs, measured, self.alive):
            return [self.observe(block, measured) for block in costs]
        return list(self.bets.observe_together(costs[:, :, 0], measured))

    def keys(self) -> Floats:
        """Return what to order the candidates by."""
        return self.bets.duels.keys(self.alive)

    def leader(self, keys: Floats) -> int:
        """Return the index of the leader."""
        return int(leaders(keys, self.alive, self.bets.duels.blocks))

    def at_most(self, rows: Ints, log_threshold: float) -> Ints:
        """Return the index of the margin each is at most worse than all others."""
        peaks = self.pairs.at_most.log_peak[self.pairs.among(rows)][:, :, 0]
        return _first_reached(np.logical_or.reduce(_short(peaks, log_threshold), axis=1))

    def claims(self, rows: Ints, up: int, down: int, *, peak: bool) -> Claims:
        """Return the log odds of the claims about the rows."""
        at_most, own, at = self.pairs.at_most, self.bets.accounts, self.pairs.among(rows)
        if peak:
            out = own.log_peak[rows, : up + 1].min(axis=-1)
            equal = at_most.log_peak[at][:, :, 0, down:].min(axis=-1)
        else:
            out = own.log_wealth[rows, up]
            equal = at_most.log_wealth[at][:, :, 0, down]
        nothing = np.full((rows.size, rows.size), -np.inf)
        return Claims(out=out, equal=equal if down else nothing, apart=nothing)


class SeveralObjectives:
    """A Pareto race: out is who is beaten by one survivor in every objective."""

    def __init__(self, metrics: Sequence[Metric], n: int, *, epoch_blocks: int = 1) -> None:
        margins = [margins_of(metric) for metric in metrics]
        self.pairs = PairBets(n, margins, epoch_blocks=epoch_blocks)
        self.pareto = ParetoBets(self.pairs)
        self.duels = [Duels(n) for _ in metrics]
        self.alive: Bools = np.ones(n, np.bool_)
        # a claim about "some objective" has so many ways to be wrong
        self._price = math.log(len(metrics))

    @property
    def worse_peak(self) -> Floats:
        """Running maximum of the log evidence against each candidate, per margin."""
        return self.pareto.log_peak

    def grow(self, n: int) -> None:
        """Make room for newcomers (not alive yet)."""
        self.pairs.grow(n)
        self.pareto.grow(n)
        for duels in self.duels:
            duels.grow(n)
        self.alive = np.concatenate([self.alive, np.zeros(n - self.alive.size, np.bool_)])

    def observe(self, costs: Floats, measured: Bools) -> Floats:
        """Judge a block; returns the duels of the first objective."""
        here = measured & self.alive
        self.pareto.meet(here)
        rows = self.pairs.observe(costs, here, self.alive)
        self.pareto.learn(rows, self.alive)
        first, *_ = [duels.observe(costs[:, k], here) for k, duels in enumerate(self.duels)]
        return first

    def observe_together(self, costs: Floats, measured: Bools) -> list[Floats]:
        """Judge several blocks, one after the other; returns the duels of each."""
        return [self.observe(block, measured) for block in costs]

    def keys(self) -> Floats:
        """Return the mean of the objectives' keys; among ties the first objective decides."""
        keys = [duels.keys(self.alive) for duels in self.duels]
        mean: Floats = np.mean(keys, axis=0) + _TIE_BREAK * keys[0]
        return mean

    def leader(self, keys: Floats) -> int:
        """Return the index of who loses the fewest duels over all objectives."""
        return int(leaders(keys, self.alive, self.duels[0].blocks))

    def at_most(self, rows: Ints, log_threshold: float) -> Ints:
        """Return the index of the margin each is at most worse than each other in some objective.

        In other words: no other is better by more than that in every objective.
        """
        peaks = self.pairs.at_most.log_peak[self.pairs.among(rows)]
        short = _short(peaks, log_threshold + self._price)
        least: Ints = _first_reached(short).min(axis=-1).max(axis=-1)
        return least

    def claims(self, rows: Ints, up: int, down: int, *, peak: bool) -> Claims:
        """Return the log odds of the claims about the rows."""
        worse = self.pairs.worse
        assert worse is not None  # noqa: S101 - several objectives always keep them
        at_most, at = self.pairs.at_most, self.pairs.among(rows)
        if peak:
            out = self.pareto.log_peak[rows, : up + 1].min(axis=-1)
            equal = at_most.log_peak[at][..., down:].min(axis=-1).min(axis=-1)
            apart = worse.log_peak[at][..., : up + 1].min(axis=-1).max(axis=-1) - self._price
        else:
            out = self.pareto.log_peak[rows, up]
            equal = at_most.log_wealth[at][..., down].min(axis=-1)
            apart = worse.log_wealth[at][..., up].max(axis=-1) - self._price
        nothing = np.full((rows.size, rows.size), -np.inf)
        return Claims(out=out, equal=equal if down else nothing, apart=apart)


def _short(log_peak: Floats, log_threshold: float) -> Bools:
    """Return which pairs have not reached the threshold; nobody is compared with itself."""
    short: Bools = log_peak < log_threshold
    own = np.arange(len(short))
    short[own, own] = False
    return short


def _first_reached(short: Bools) -> Ints:
    """Return the first margin from which on none is short (last axis); their number if none."""
    places = np.arange(1, short.shape[-1] + 1, dtype=np.int8)
    first: Ints = (short * places).max(axis=-1).astype(np.intp)
    return first
