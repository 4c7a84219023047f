"""Accounts of every pair: "at most so much slower than that one", and better in every objective.

For each ordered pair (j, i), objective and margin x two claims can be bet against:

* "j is more than x worse than i", staked on j not losing by more than x (`at_most`);
* "j is within x of i", staked on j losing by more than x (`worse`), needed with several
  objectives only.

There are many of them. So that a block costs about the same whatever the number of candidates,
at most `ACCOUNTS_PER_BLOCK` accounts bet on it: with 40 candidates and one objective all of them
do, with 200 each row of the table does in every 25th block. Whose turn it is depends on nothing
that was measured, so the bets stay fair; they only take longer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from parbench_lab.analysis.accounts import Accounts, Bools, Floats, Ints, Where, bounded, grown

ACCOUNTS_PER_BLOCK = 48_000

INITIAL_SHARE = 2.0 / 3.0
"""Share of the stakes for the opponents met first; the rest is kept for newcomers."""

_FLAT = 5.0


class PairBets:
    """The accounts of all ordered pairs, of one race or of a batch of races.

    Parameters
    ----------
    n
        Candidates.
    margins
        One row per objective, on the scale of its costs, ascending.
    batch
        Leading axes: so many races at once.
    epoch_blocks
        Blocks per bet.

    Attributes
    ----------
    at_most
        Array of shape ``(*batch, n, n, objectives, margins)``.
    worse
        The same shape; None with one objective.
    """

    def __init__(
        self,
        n: int,
        margins: Sequence[Sequence[float]],
        *,
        batch: Sequence[int] = (),
        epoch_blocks: int = 1,
    ) -> None:
        self.n = n
        self.batch = tuple(batch)
        self.margins: Floats = np.asarray(margins, dtype=np.float64)
        shape = self._shape(n)
        self.at_most = Accounts(shape, epoch_blocks=epoch_blocks, dtype=np.float32)
        several = len(self.margins) > 1
        self.worse = (
            Accounts(shape, epoch_blocks=epoch_blocks, dtype=np.float32) if several else None
        )
        self._turn = 0
        self._block = 0

    def _shape(self, n: int) -> tuple[int, ...]:
        return (*self.batch, n, n, *self.margins.shape)

    def grow(self, n: int) -> None:
        """Make room for newcomers."""
        self.n = n
        self.at_most.grow(self._shape(n))
        if self.worse is not None:
            self.worse.grow(self._shape(n))

    def observe(self, costs: Floats, measured: Bools, alive: Bools) -> Ints:
        """Bet on a block.

        Parameters
        ----------
        costs
            Shape ``(*batch, n, objectives)``, +inf for lost.
        measured, alive
            Who was measured in the block, and who still races.

        Returns
        -------
        numpy.ndarray
            The rows whose turn it was.
        """
        living = np.flatnonzero(alive.reshape(-1, self.n).any(axis=0))
        rows = self._rows(living)
        last = self._next_block(rows.size)
        if rows.size == 0:
            return rows
        here = measured & alive
        pairs = here[..., rows][..., :, None] & here[..., living][..., None, :]
        outcome = self._outcome(bounded(costs), rows, living)
        outcome *= pairs[..., None, None]
        at = self._at(rows, living)
        if self.worse is not None:
            self.worse.settle(outcome, at, last=last)
        self.at_most.settle(np.negative(outcome, out=outcome), at, last=last)
        return rows

    def observe_together(self, costs: Floats, measured: Bools, alive: Bools) -> bool:
        """Bet on several blocks (first axis) with stakes of before the first of them.

        Returns False, and does nothing, where rows take turns or blocks are bet on together.
        """
        living = np.flatnonzero(alive)
        rows = self._rows(living)
        if self.batch or self.at_most.epoch_blocks > 1 or rows.size < living.size:
            return False
        self._block += len(costs)
        self._turn += len(costs) * rows.size
        here = (measured & alive)[living]
        outcomes = self._outcome(bounded(costs), living, living)
        outcomes *= (here[:, None] & here[None, :])[:, :, None, None]
        at = self._at(living, living)
        if self.worse is not None:
            self.worse.settle_together(outcomes, at)
        self.at_most.settle_together(np.negative(outcomes, out=outcomes), at)
        return True

    def _outcome(self, costs: Floats, rows: Ints, living: Ints) -> Floats:
        """Return 1 where the row lost to the column by more than the margin, -1 where not."""
        shifted = costs[..., rows, :, None] - self.margins
        rivals = costs[..., living, :]
        signs = np.sign(shifted[..., :, None, :, :] - rivals[..., None, :, :, None])
        own = rows[:, None] == living[None, :]
        signs[..., own, :, :] = 0.0
        outcome: Floats = signs.astype(np.float32)
        return outcome

    def _at(self, rows: Ints, living: Ints) -> Where:
        if rows.size == self.n and living.size == self.n:
            return (...,)
        tail = (slice(None), slice(None))
        if living.size == self.n and rows.size == rows[-1] - rows[0] + 1:
            return (..., slice(rows[0], rows[-1] + 1), slice(None), *tail)
        return (..., rows[:, None], living[None, :], *tail)

    def among(self, rows: Ints) -> Where:
        """Return the index of the pairs among these rows (one race, not a batch)."""
        return (...,) if rows.size == self.n else (rows[:, None], rows)

    def _rows(self, living: Ints) -> Ints:
        """Return the rows whose turn it is, the survivors in a circle."""
        copies = 1 if self.worse is None else 2
        per_row = max(1, living.size * self.margins.size * copies)
        rows = max(1, ACCOUNTS_PER_BLOCK // per_row)
        if rows >= living.size:
            return living
        start = self._turn % living.size
        return np.sort(np.roll(living, -start)[:rows])

    def _next_block(self, rows: int) -> bool:
        """Count the block; the turn passes on when a bet is complete."""
        self._block += 1
        last = self._block % self.at_most.epoch_blocks == 0
        if last:
            self._turn += rows
        return last


class ParetoBets:
    """Evidence that a survivor is better in every objective, from the accounts of pairs.

    For candidate j and margin x: the mean over its opponents i, with weights fixed when the two
    first meet, of the minimum over the objectives of the accounts against "j is within x of i".
    If j is on the front then each opponent has an objective in which the claim is true, so each
    minimum lies below a fair game, and so does their mean: it is an e-process again. What an
    opponent that is out had shown no longer counts (leaving a term out can only lower the sum).
    """

    def __init__(self, pairs: PairBets) -> None:
        self.pairs = pairs
        n, batch = pairs.n, pairs.batch
        self.weights: Floats = np.zeros((*batch, n, n))
        self.log_peak: Floats = np.zeros((*batch, n, pairs.margins.shape[-1]))
        self._joined: Ints = np.zeros((*batch, n), np.intp)

    def grow(self, n: int) -> None:
        """Make room for newcomers."""
        batch = self.pairs.batch
        self.weights = grown(self.weights, (*batch, n, n))
        self.log_peak = grown(self.log_peak, (*batch, n, self.pairs.margins.shape[-1]))
        self._joined = grown(self._joined, (*batch, n))

    def meet(self, measured: Bools) -> None:
        """Give weights to pairs that are about to meet for the first time (before they bet)."""
        pairs = measured[..., :, None] & measured[..., None, :]
        new = pairs & (self.weights == 0.0)
        diagonal = np.arange(self.pairs.n)
        new[..., diagonal, diagonal] = False
        if not new.any():
            return
        count = new.sum(axis=-1)
        first = self._joined == 0
        initial = INITIAL_SHARE / np.maximum(count, 1)
        # the k-th later opponents share what the series (1 - share) 6/((k+5)(k+6)) has for them
        before = self._joined + np.where(first, 0, _FLAT - 1)
        later = (1 - INITIAL_SHARE) * (_FLAT + 1) * (1 / (before + 1) - 1 / (before + count + 1))
        share = np.where(first, initial, later / np.maximum(count, 1))
        self.weights += np.where(new, share[..., None], 0.0)
        self._joined += np.where(first & (count > 0), 1, count)

    def learn(self, rows: Ints, alive: Bools) -> None:
        """Update the running maximum of the rows that have bet."""
        if rows.size == 0 or self.pairs.worse is None:
            return
        wealth = self.pairs.worse.log_wealth[..., rows, :, :, :].min(axis=-2).astype(np.float64)
        weights = self.weights[..., rows, :] * alive[..., None, :]
        with np.errstate(divide="ignore"):
            wealth += np.log(weights)[..., None]
        most = np.maximum(wealth.max(axis=-2, keepdims=True), -1e300)
        total = np.log(np.exp(wealth - most).sum(axis=-2)) + most[..., 0, :]
        np.maximum(self.log_peak[..., rows, :], total, out=total)
        self.log_peak[..., rows, :] = total
