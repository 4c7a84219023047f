"""Betting accounts: wealth that can only grow for long where its claim is wrong.

An account starts with 1 and stakes a share of its wealth on every block before the block is
seen. While the claim it bets against is true it is a game that is fair at best, so by Ville's
inequality the account ever reaches x with probability at most 1/x, whenever one looks. Everything
here is an array of accounts; leading axes may be a batch of races.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import EllipsisType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Floats = NDArray[np.floating[Any]]
Bools = NDArray[np.bool_]
Ints = NDArray[np.intp]
Where = Any
"""An index of an array of accounts: an ellipsis, a slice, index arrays or a tuple of them."""

MAX_BET = 0.97
"""Never everything: a lost duel must not end an account for good."""

PRIOR_GAIN, PRIOR_SQUARES = 4.0, 6.0
"""The bet before anything was seen is 4/6: most who are worth eliminating lose most duels."""

FAR = 1e300
"""Stands for an infinite cost: far from everything, and equal to another lost duel."""


class Accounts:
    """An array of betting accounts that share their blocks.

    Parameters
    ----------
    shape
        Shape of the array.
    epoch_blocks
        Blocks per bet. The outcomes of so many blocks are averaged and bet on once; the bet is
        fixed before the first of them. The *mean* and not its sign, because it is linear: it is
        fair whenever each block is, however the blocks depend on each other; the sign of a mean
        is not where the mean is skewed.
    dtype
        Type of the numbers; single precision is enough where there are very many.

    Attributes
    ----------
    log_wealth, log_peak
        Natural logarithm of the wealth, and of its running maximum (never below 0).
    total, squares
        Sum of past outcomes and of their squares, from which the next bet follows.

    Notes
    -----
    The bet ``clip((4 + total) / (6 + squares), 0, 0.97)`` is an approximate Kelly stake, a
    predictable plug-in as in Waudby-Smith and Ramdas, "Estimating means of bounded random
    variables by betting" (JRSS B, 2024).
    """

    def __init__(
        self,
        shape: Sequence[int],
        *,
        epoch_blocks: int = 1,
        dtype: DTypeLike = np.float64,
    ) -> None:
        self.epoch_blocks = epoch_blocks
        self.log_wealth: Floats = np.zeros(shape, dtype)
        self.log_peak: Floats = np.zeros(shape, dtype)
        self.total: Floats = np.zeros(shape, dtype)
        self.squares: Floats = np.zeros(shape, dtype)
        self._waiting: Floats | None = np.zeros(shape, dtype) if epoch_blocks > 1 else None

    def bets(self, at: Where = ...) -> Floats:
        """Return the share of its wealth that each account stakes on its next outcome."""
        stake = (PRIOR_GAIN + self.total[at]) / (PRIOR_SQUARES + self.squares[at])
        bounded: Floats = np.clip(stake, 0.0, MAX_BET, out=stake)
        return bounded

    def settle(self, outcome: Floats, at: Where = ..., *, last: bool = True) -> None:
        """Win or lose the stakes.

        Parameters
        ----------
        outcome
            In [-1, 1]; positive is won, 0 leaves the account as it is.
        at
            Which accounts.
        last
            Whether this is the last block of a bet (always, with one block per bet).
        """
        if self._waiting is None:
            self._bet(outcome, at)
            return
        self._waiting[at] += outcome / self.epoch_blocks
        if last:
            self._bet(self._waiting[at], at)
            self._waiting[at] = 0.0

    def settle_together(self, outcomes: Floats, at: Where = ...) -> None:
        """Win or lose the stakes on several blocks that were all fixed before the first of them.

        Parameters
        ----------
        outcomes
            As in `settle`, with the blocks in order along a first axis. One block per bet only.
        """
        gains = np.log1p(self.bets(at) * outcomes)
        np.cumsum(gains, axis=0, out=gains)
        wealth = self.log_wealth[at]
        self.log_peak[at] = np.maximum(self.log_peak[at], wealth + gains.max(axis=0))
        self.log_wealth[at] = wealth + gains[-1]
        self.total[at] += outcomes.sum(axis=0)
        self.squares[at] += (outcomes * outcomes).sum(axis=0)

    def _bet(self, outcome: Floats, at: Where) -> None:
        gain = self.bets(at)
        gain *= outcome
        wealth = self.log_wealth[at]
        wealth += np.log1p(gain, out=gain)
        self.log_wealth[at] = wealth
        self.log_peak[at] = np.maximum(self.log_peak[at], wealth)
        self.total[at] += outcome
        self.squares[at] += outcome * outcome

    def grow(self, shape: Sequence[int]) -> None:
        """Make room for newcomers, whose accounts start with 1."""
        self.log_wealth = grown(self.log_wealth, shape)
        self.log_peak = grown(self.log_peak, shape)
        self.total = grown(self.total, shape)
        self.squares = grown(self.squares, shape)
        if self._waiting is not None:
            self._waiting = grown(self._waiting, shape)


def grown(array: NDArray[Any], shape: Sequence[int]) -> NDArray[Any]:
    """Return the array in a larger one of zeros, in its first corner."""
    larger = np.zeros(shape, array.dtype)
    larger[tuple(slice(0, length) for length in array.shape)] = array
    return larger


def bounded(costs: Floats) -> Floats:
    """Return the costs with infinities that can be subtracted from each other (a tie)."""
    return np.clip(costs, -FAR, FAR)


def present(mask: Bools) -> slice | Ints:
    """Return which columns of a mask are set in any race of a batch, a slice where it is all."""
    flat = mask if mask.ndim == 1 else mask.reshape(-1, mask.shape[-1]).any(axis=0)
    columns = np.flatnonzero(flat)
    return slice(0, flat.size) if columns.size == flat.size else columns


def square(rows: slice | Ints) -> tuple[EllipsisType, slice | Ints, slice | Ints]:
    """Return the index of a square part of a matrix of pairs."""
    if isinstance(rows, slice):
        return (..., rows, rows)
    return (..., rows[:, None], rows)
