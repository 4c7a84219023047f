"""The leader-betting sign race: one account per candidate and margin, staked on losing duels.

In every block each candidate j stakes, against the claim "j is within x of the best", on losing
its duels by more than x, mostly the one with the leader:

    outcome  g_j(x) = sum over i != j of w_i sign(y_j - y_i - m(x))           in [-1, 1]
    weights  w_i ~ exp(-16 max(0, P_i,lead)^2 / (1 + decisive duels of i and lead))

with y the costs in the block (log seconds), m(x) the margin on their scale and P the table of
past duels. Weights and stakes see past blocks only: a stake that sees its own block is worthless.

Why it is valid: the order inside a block is drawn by us, so noise of the slots is exchangeable
under any common drift, autocorrelation, level shift or tail, and the duel of the best with any
other is lost at most as often as won, whatever the weights. Only the best's own account can
eliminate the best, so by Ville's inequality that happens with probability at most 1/threshold,
whatever the number of candidates, whenever one looks, wherever the tolerance moves.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from parbench_lab.analysis.accounts import Accounts, Bools, Floats, Ints, bounded, grown, present
from parbench_lab.analysis.duels import Duels, leaders

SHARPNESS = 16.0
"""How fast the weight of an opponent falls while it loses to the leader."""

LEAST_WEIGHT = 1e-6


class LeaderBets:
    """The leader-betting accounts of one race, or of a batch of races at once.

    Parameters
    ----------
    n
        Candidates.
    margins
        Margins on the scale of the costs (``log(1 + x)`` for ratios), ascending.
    batch
        Leading axes: so many races at once.
    epoch_blocks
        Blocks per bet; weights and stakes are fixed before the first of them.

    Attributes
    ----------
    alive
        Who still races; the owner sets it.
    duels
        The table of past duels.
    accounts
        Array of shape ``(*batch, n, margins)``.
    """

    def __init__(
        self,
        n: int,
        margins: Sequence[float],
        *,
        batch: Sequence[int] = (),
        epoch_blocks: int = 1,
    ) -> None:
        self.batch = tuple(batch)
        self.margins: Floats = np.asarray(margins, dtype=np.float64)
        self.alive: Bools = np.ones((*self.batch, n), np.bool_)
        self.duels = Duels(n, batch=self.batch)
        self.accounts = Accounts((*self.batch, n, self.margins.size), epoch_blocks=epoch_blocks)
        self._block = 0
        self._log_weights: Floats | None = None

    def grow(self, n: int) -> None:
        """Make room for newcomers; they are not alive before the owner says so."""
        self.alive = grown(self.alive, (*self.batch, n))
        self.duels.grow(n)
        self.accounts.grow((*self.batch, n, self.margins.size))
        if self._log_weights is not None:
            more = np.zeros((*self.batch, n - self._log_weights.shape[-1]))
            self._log_weights = np.concatenate([self._log_weights, more - np.inf], axis=-1)

    def leader(self) -> Ints:
        """Return the index of the leader, judged by all past blocks."""
        return leaders(self.duels.keys(self.alive), self.alive, self.duels.blocks)

    def observe(self, costs: Floats, measured: Bools) -> Floats:
        """Bet on a block, then learn from it; returns the duels as `Duels.observe` does."""
        here = measured & self.alive
        self.bet(costs, here)
        return self.duels.observe(costs, here)

    def bet(self, costs: Floats, here: Bools) -> None:
        """Settle the accounts with a block; their stakes know nothing of it."""
        rows = present(here)
        log_weights = self._weights_of_the_bet()
        weights = opponents(log_weights[..., rows], here[..., rows])
        outcome = lost_share(bounded(costs)[..., rows], self.margins, weights)
        self._block += 1
        last = self._block % self.accounts.epoch_blocks == 0
        self.accounts.settle(outcome, at=(..., rows, slice(None)), last=last)

    def observe_together(self, costs: Floats, measured: Bools) -> Floats:
        """Bet on several blocks (first axis) with weights and stakes of before the first of them.

        For one race, with one block per bet; the same candidates were measured in all of them.
        """
        here = measured & self.alive
        rows = present(here)
        weights = opponents(self.log_weights()[rows], here[rows])
        outcomes = lost_share(bounded(costs)[:, rows], self.margins, weights)
        self._block += len(costs)
        self.accounts.settle_together(outcomes, (rows, slice(None)))
        return self.duels.observe_together(costs, here)

    def _weights_of_the_bet(self) -> Floats:
        """Return the log weights; with several blocks per bet those of its first block."""
        if self._log_weights is None or self._block % self.accounts.epoch_blocks == 0:
            self._log_weights = self.log_weights()
        return self._log_weights

    def log_weights(self) -> Floats:
        """Return the logarithm of every candidate's weight as an opponent, not normalised."""
        lead = self.leader()
        if self.batch:
            column = lead[..., None, None]
            behind = np.take_along_axis(self.duels.lost, column, axis=-1)[..., 0]
            decisive = np.take_along_axis(self.duels.decisive, column, axis=-1)[..., 0]
        else:
            behind, decisive = self.duels.lost[:, lead], self.duels.decisive[:, lead]
        weights: Floats = -SHARPNESS * np.maximum(behind, 0.0) ** 2 / (1.0 + decisive)
        return weights


def opponents(log_weights: Floats, here: Bools) -> Floats:
    """Return the weights of each one's opponents: rows sum to 1, or to 0 where there are none.

    A row is relative to its own heaviest opponent, so that the leader's row is not lost to
    rounding. Weights below 1e-6 are left out (known before the block, so still a fair game).
    """
    log_weights = np.where(here, log_weights, -np.inf)
    places = np.arange(log_weights.shape[-1])
    top = places == log_weights.argmax(axis=-1)[..., None]
    first = _relative(log_weights)
    second = _relative(np.where(top, -np.inf, log_weights))
    weights: Floats = np.where(top[..., :, None], second[..., None, :], first[..., None, :])
    weights[..., places, places] = 0.0
    weights *= here[..., None]
    weights /= np.maximum(weights.sum(axis=-1, keepdims=True), LEAST_WEIGHT)
    return weights


def _relative(log_weights: Floats) -> Floats:
    most = log_weights.max(axis=-1, keepdims=True)
    relative: Floats = np.exp(log_weights - np.where(np.isfinite(most), most, 0.0))
    relative[relative < LEAST_WEIGHT] = 0.0
    return relative


def lost_share(costs: Floats, margins: Floats, weights: Floats) -> Floats:
    """Return each one's weighted share of duels lost by more than each margin, in [-1, 1].

    Parameters
    ----------
    costs
        Shape ``(*batch, n)``, finite.
    margins
        Shape ``(m,)``.
    weights
        Shape ``(*batch, n, n)``: of the opponents of each row.

    Returns
    -------
    numpy.ndarray
        Shape ``(*batch, n, m)``.
    """
    used = present(weights.max(axis=-2) > 0)
    rivals, weights = costs[..., used], weights[..., used]
    shifted = costs[..., :, None] - margins
    if margins.size == 1:
        share: Floats = (np.sign(shifted - rivals[..., None, :]) * weights).sum(axis=-1)
        return share[..., None]
    signs = np.sign(shifted[..., None] - rivals[..., None, None, :])
    summed: Floats = np.matmul(signs, weights[..., None])[..., 0]
    return summed


def shown(log_peak: Floats, log_threshold: float) -> Ints:
    """Return how many margins, from the smallest on, have all reached the threshold."""
    reached = log_peak >= log_threshold
    count: Ints = np.logical_and.accumulate(reached, axis=-1).sum(axis=-1)
    return count
