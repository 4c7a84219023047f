"""Intervals of differences of costs, Student's and Welch's."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import special  # not stats: it takes half a second to import

from parbench_lab.analysis.accounts import Floats

CONFIDENCE = 0.95


def around_median(values: Sequence[float]) -> tuple[float, float, float]:
    """Return low, median and high: Student's t of the mean, widened to hold the median.

    One value has no interval: it is its own low and high.

    Examples
    --------
    >>> [round(v, 3) for v in around_median([1.0, 2.0, 3.0])]
    [-0.484, 2.0, 4.484]
    """
    sample = np.asarray(values, dtype=float)
    point = float(np.median(sample))
    if sample.size == 1:
        return point, point, point
    reach = _t(sample.size - 1) * math.sqrt(_error_squared(sample))
    mean = float(sample.mean())
    return min(mean - reach, point), point, max(mean + reach, point)


def shift(before: Floats, after: Floats) -> tuple[float, float, float]:
    """Return low, point and high of how far `after` lies above `before`.

    The point is the difference of the medians; the interval is Welch's of the means, widened to
    hold it. Each side needs two values at least.

    Examples
    --------
    >>> [round(v, 3) for v in shift(np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0]))]
    [0.733, 3.0, 5.267]
    """
    point = float(np.median(after) - np.median(before))
    parts = [_error_squared(before), _error_squared(after)]
    whole = sum(parts)
    if whole == 0:
        return point, point, point
    # the degrees of freedom of Welch and Satterthwaite
    freedom = whole**2 / sum(
        part**2 / (side.size - 1) for part, side in zip(parts, (before, after), strict=True)
    )
    reach = _t(freedom) * math.sqrt(whole)
    centre = float(after.mean() - before.mean())
    return min(centre - reach, point), point, max(centre + reach, point)


def _t(freedom: float) -> float:
    return float(special.stdtrit(freedom, 0.5 + CONFIDENCE / 2))


def _error_squared(sample: Floats) -> float:
    return float(sample.var(ddof=1)) / sample.size
