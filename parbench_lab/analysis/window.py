"""The last blocks of an epoch: paired costs in bounded memory, and estimates from them."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from parbench_lab.analysis.accounts import Bools, Floats, Ints, grown
from parbench_lab.core.estimate import Estimate
from parbench_lab.core.metric import Metric

MIN_BLOCKS = 2
"""Fewer blocks than this give no estimate."""


class Window:
    """A ring of the last blocks' costs, candidate by candidate.

    Parameters
    ----------
    n, objectives
        Candidates, and costs of each in a block.
    keep
        Blocks that are kept.
    """

    def __init__(self, n: int, objectives: int, keep: int) -> None:
        self.keep = keep
        self.seen = 0
        self._costs: Floats = np.full((objectives, n, keep), np.nan)

    def grow(self, n: int) -> None:
        """Make room for newcomers, unmeasured so far."""
        objectives, old, keep = self._costs.shape
        larger = grown(self._costs, (objectives, n, keep))
        larger[:, old:] = np.nan
        self._costs = larger

    def add(self, costs: Floats, measured: Bools) -> None:
        """Keep a block: costs of shape (n, objectives)."""
        at = self.seen % self.keep
        self._costs[:, :, at] = np.where(measured[:, None], costs, np.nan).T
        self.seen += 1

    @property
    def count(self) -> int:
        """How many blocks are kept."""
        return min(self.seen, self.keep)

    def differences(self, rows: Ints, to: int, objective: int = 0) -> Floats:
        """Return the rows' costs less those of `to`, NaN where a pair has no finite difference.

        Shape ``(rows, blocks)``; the blocks are in no particular order.
        """
        costs = self._costs[objective, :, : self.count]
        with np.errstate(invalid="ignore"):
            difference: Floats = costs[rows] - costs[to]
        difference[~np.isfinite(difference)] = np.nan
        return difference

    def medians(self) -> Floats:
        """Return everyone's median finite cost, shape ``(n, objectives)``; NaN where none is."""
        if not self.seen:
            return np.full(self._costs.shape[1::-1], np.nan)
        costs = self._costs[:, :, : self.count]
        ordered = np.sort(np.where(np.isfinite(costs), costs, np.nan), axis=-1)
        counts = self.count - np.isnan(ordered).sum(axis=-1)
        ranks = np.maximum(np.stack([(counts - 1) // 2, counts // 2], axis=-1), 0)
        middle: Floats = np.take_along_axis(ordered, ranks, axis=-1).mean(axis=-1)
        return middle.T

    def costs(self, rows: Ints, last: int | None = None) -> Floats:
        """Return the kept costs, oldest block first, shape ``(blocks, rows, objectives)``.

        All kept blocks, or the `last` so many of them.
        """
        count = self.count if last is None else min(last, self.count)
        places = np.arange(self.seen - count, self.seen) % self.keep
        kept = self._costs[:, rows[:, None], places]
        ordered: Floats = np.ascontiguousarray(kept.transpose(2, 1, 0))
        return ordered


def median_estimates(
    samples: Floats, metric: Metric, *, confidence: float = 0.95
) -> list[Estimate | None]:
    """Return the median of each row, back from costs to "times worse", with its interval.

    Parameters
    ----------
    samples
        Shape ``(rows, blocks)``: differences of costs; NaN is left out.
    metric
        Turns differences into ratios (an interval scale keeps them).
    confidence
        Level of the interval of binomial order statistics, which needs no assumption about the
        distribution (Conover, "Practical nonparametric statistics", 1999, section 3.2). Under
        6 blocks the whole range is given, with the lower confidence that it has.

    Returns
    -------
    list of Estimate or None
        None where a row has fewer than two numbers.
    """
    ordered = np.sort(samples.astype(np.float32), axis=-1)  # plenty for ratios, twice as fast
    counts = (ordered.shape[-1] - np.isnan(ordered).sum(axis=-1)).tolist()
    bounds = [order_statistic(count, confidence) for count in counts]
    places = [
        (rank, max(0, (count - 1) // 2), count // 2, count - 1 - rank)
        for (rank, _), count in zip(bounds, counts, strict=True)
    ]
    chosen = np.take_along_axis(ordered, np.clip(places, 0, ordered.shape[-1] - 1), axis=-1)
    return [
        Estimate(
            point=metric.ratio(0.5 * (below + above)),
            low=metric.ratio(low),
            high=metric.ratio(high),
            confidence=level,
            n=count,
        )
        if count >= MIN_BLOCKS
        else None
        for (low, below, above, high), (_, level), count in zip(
            chosen.tolist(), bounds, counts, strict=True
        )
    ]


@lru_cache(maxsize=8192)
def order_statistic(n: int, confidence: float) -> tuple[int, float]:
    """Return the rank (from 0, from either end) that bounds the median, and the confidence.

    Examples
    --------
    >>> order_statistic(10, 0.95)
    (1, 0.95)
    >>> order_statistic(3, 0.95)
    (0, 0.75)
    """
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    ranks = np.arange(n // 2 + 1)
    chances = np.exp(logs[n] - logs[ranks] - logs[n - ranks] - n * np.log(2.0))
    below = np.cumsum(chances)
    fitting = int(np.searchsorted(below, (1.0 - confidence) / 2.0, side="right"))
    if fitting == 0:
        return 0, 1.0 - 2.0 ** (1 - n)
    return fitting - 1, confidence
