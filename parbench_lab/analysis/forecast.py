"""How far a race is from its decision, from the log odds of its pairs."""

from __future__ import annotations

import math

import numpy as np

from parbench_lab.analysis.accounts import Floats, Ints

MIN_EXTRAPOLATED_BLOCKS = 10
ALMOST = 0.999
"""Progress of a race that is all but decided; 1 is for the decision itself."""


def progress(settled: Floats, bar: float, gone: int) -> float:
    """Return how far the decision is, 0 to 1.

    The mean over all but the leader: 1 for who is out, for a survivor the share of the log odds
    that its least settled pair has reached.

    Parameters
    ----------
    settled
        Log odds at which each pair of survivors is settled.
    bar
        Log odds that are needed.
    gone
        How many are out.
    """
    least = settled.copy()
    np.fill_diagonal(least, np.inf)
    share = np.clip(least.min(axis=-1) / max(bar, 1e-9), 0.0, 1.0)
    done = gone + float(share.sum()) - float(share.max(initial=0.0))
    return min(ALMOST, done / max(1, gone + len(settled) - 1))


def blocks_left(settled: Floats, wealth: Floats, blocks: Ints, bar: float) -> float | None:
    """Return about how many blocks are missing until all pairs are settled.

    The log odds per block so far, extrapolated. None under 10 blocks, or where a pair does not
    get nearer to being settled (a gap too near to the tolerance may never decide).

    Parameters
    ----------
    settled, wealth
        Log odds reached at best, and now, per pair of survivors.
    blocks
        Blocks of each survivor.
    bar
        Log odds that are needed.
    """
    if blocks.size < 2 or int(blocks.min()) < MIN_EXTRAPOLATED_BLOCKS:
        return None
    met = np.minimum(blocks[:, None], blocks[None, :])
    rate = np.maximum(wealth, 0.0) / met
    missing = np.maximum(bar - settled, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.where(missing > 0, missing / rate, 0.0)
    np.fill_diagonal(left, 0.0)
    most = float(left.max())
    return most if math.isfinite(most) else None
