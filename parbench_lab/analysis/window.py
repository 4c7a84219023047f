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

    def medians(self, rows: Ints, to: int, objective: int) -> list[float | None]:
        """Return the median of each row's differences to `to`, None where there is none."""
        ordered = np.sort(self.differences(rows, to, objective), axis=-1)
        counts = ordered.shape[-1] - np.isnan(ordered).sum(axis=-1)
        return [
            0.5 * float(row[(count - 1) // 2] + row[count // 2]) if count else None
            for row, count in zip(ordered, counts, strict=True)
        ]

    def costs(self, rows: Ints) -> Floats:
        """Return the kept costs, oldest block first, shape ``(blocks, rows, objectives)``."""
        kept = self._costs[:, rows, : self.count]
        if self.seen > self.keep:
            kept = np.roll(kept, -(self.seen % self.keep), axis=-1)
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
    ordered = np.sort(samples, axis=-1)
    counts = ordered.shape[-1] - np.isnan(ordered).sum(axis=-1)
    return [
        _median(row, int(count), metric, confidence)
        for row, count in zip(ordered, counts, strict=True)
    ]


def _median(row: Floats, count: int, metric: Metric, confidence: float) -> Estimate | None:
    if count < MIN_BLOCKS:
        return None
    rank, level = order_statistic(count, confidence)
    middle = 0.5 * (float(row[(count - 1) // 2]) + float(row[count // 2]))
    return Estimate(
        point=metric.ratio(middle),
        low=metric.ratio(float(row[rank])),
        high=metric.ratio(float(row[count - 1 - rank])),
        confidence=level,
        n=count,
    )


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
