"""Who beats whom inside the blocks: the table of duels, and the order that follows from it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from parbench_lab.analysis.accounts import Bools, Floats, Ints, bounded, grown, present, square

MIN_LEAD_BLOCKS = 5
"""A newcomer cannot lead before it has met so many blocks."""

_TIE = 1e-9


class Duels:
    """Duels won and lost of every pair, over all past blocks.

    Parameters
    ----------
    n
        Candidates.
    batch
        Leading axes: so many races at once.

    Attributes
    ----------
    lost
        ``lost[i, k]`` is the duels that i lost to k less those it won (the antisymmetric
        matrix P of the sign race).
    decisive
        Duels of each pair that did not end in a tie.
    met
        Whether a pair of two was ever measured in one block.
    blocks
        Blocks each candidate was measured in.
    """

    def __init__(self, n: int, *, batch: Sequence[int] = ()) -> None:
        self.batch = tuple(batch)
        self.lost: Floats = np.zeros((*self.batch, n, n))
        self.decisive: Floats = np.zeros((*self.batch, n, n))
        self.met: Bools = np.zeros((*self.batch, n, n), np.bool_)
        self.blocks: Ints = np.zeros((*self.batch, n), np.intp)
        self._last: Floats = np.zeros((*self.batch, n))

    def grow(self, n: int) -> None:
        """Make room for newcomers."""
        self.lost = grown(self.lost, (*self.batch, n, n))
        self.decisive = grown(self.decisive, (*self.batch, n, n))
        self.met = grown(self.met, (*self.batch, n, n))
        self.blocks = grown(self.blocks, (*self.batch, n))
        self._last = grown(self._last, (*self.batch, n))

    def observe(self, costs: Floats, measured: Bools) -> Floats:
        """Add a block.

        Parameters
        ----------
        costs
            One per candidate (lower is better, +inf lost); whatever where not measured.
        measured
            Who was measured.

        Returns
        -------
        numpy.ndarray
            The duels: 1 where the row was beaten by the column, -1 where it won, 0 otherwise.
        """
        rows = present(measured)
        y, here = bounded(costs)[..., rows], measured[..., rows]
        pairs = here[..., :, None] & here[..., None, :]
        duels = np.sign(y[..., :, None] - y[..., None, :])
        diagonal = np.arange(pairs.shape[-1])
        pairs[..., diagonal, diagonal] = False
        duels *= pairs
        at = square(rows)
        self.lost[at] += duels
        self.decisive[at] += np.abs(duels)
        self.met[at] |= pairs
        self.blocks += measured
        self._last[..., rows] = duels.sum(axis=-1) / duels.shape[-1]
        return duels

    def observe_together(self, costs: Floats, measured: Bools) -> Floats:
        """Add several blocks in which the same candidates were measured; no batch of races.

        Parameters
        ----------
        costs
            Shape ``(blocks, n)``.
        measured
            Shape ``(n,)``.

        Returns
        -------
        numpy.ndarray
            The duels of each block, as `observe` returns them.
        """
        rows = present(measured)
        y = bounded(costs)[:, rows]
        duels: Floats = np.sign(y[:, :, None] - y[:, None, :])
        at = square(rows)
        self.lost[at] += duels.sum(axis=0)
        self.decisive[at] += np.abs(duels).sum(axis=0)
        self.met[at] |= ~np.eye(duels.shape[-1], dtype=np.bool_)
        self.blocks += len(costs) * measured
        self._last[rows] = duels[-1].sum(axis=-1) / duels.shape[-1]
        return duels

    def scores(self, alive: Bools) -> Floats:
        """Return the mean share of duels lost to the survivors met: -1 is best, 1 is worst."""
        columns = present(alive)
        counted = self.met[..., columns]
        if self.batch:
            counted = counted & alive[..., columns][..., None, :]
        share = self.lost[..., columns] / (1.0 + self.decisive[..., columns])
        share *= counted
        mean: Floats = share.sum(axis=-1) / np.maximum(counted.sum(axis=-1), 1)
        return mean

    def keys(self, alive: Bools) -> Floats:
        """Return the scores as keys to sort by, ties broken by the last block."""
        # rounded: the sum's rounding must not let the order of the candidates decide
        keys: Floats = np.round(self.scores(alive) / _TIE) * _TIE + 0.1 * _TIE * self._last
        return keys


def leaders(keys: Floats, alive: Bools, blocks: Ints) -> Ints:
    """Return the index of who leads: the survivor with the lowest key that is no newcomer."""
    seasoned = alive & (blocks >= MIN_LEAD_BLOCKS)
    nobody = ~seasoned.any(axis=-1, keepdims=True)
    eligible = np.where(nobody, alive, seasoned)
    lead: Ints = np.argmin(np.where(eligible, keys, np.inf), axis=-1)
    return lead
