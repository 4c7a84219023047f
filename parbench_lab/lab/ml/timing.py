"""Repeated measurements as estimates."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from parbench_lab.core.estimate import Estimate


def typical(values: Sequence[float], *, confidence: float = 0.95) -> Estimate:
    """Return the geometric mean of positive values with its interval.

    Times and ratios of times vary by factors, so their logarithms are averaged; Student's t. Given
    the ratios of paired runs it is the interval of the paired difference of log times.

    Parameters
    ----------
    values
        At least 2, all positive; repetitions of one measurement.
    confidence
        Within (0, 1).

    Examples
    --------
    >>> print(typical([0.9, 1.0, 1.1]))
    0.9967 [0.7767, 1.279]
    """
    logs = np.log(np.asarray(values, dtype=np.float64))
    point, half = _mean_and_half(logs, confidence)
    low, middle, high = (float(np.exp(log)) for log in (point - half, point, point + half))
    # exp and log may disagree in the last bit
    return Estimate(
        point=middle,
        low=min(low, middle),
        high=max(high, middle),
        confidence=confidence,
        n=len(logs),
    )


def typical_share(values: Sequence[float], *, confidence: float = 0.95) -> Estimate:
    """Return the mean of shares with its interval, which stays within 0 and 1.

    Examples
    --------
    >>> print(typical_share([0.0, 0.1, 0.2]))
    0.1 [0, 0.3484]
    """
    shares = np.clip(np.asarray(values, dtype=np.float64), 0.0, 1.0)
    point, half = _mean_and_half(shares, confidence)
    return Estimate(
        point=point,
        low=max(0.0, point - half),
        high=min(1.0, point + half),
        confidence=confidence,
        n=len(shares),
    )


def through(estimate: Estimate, function: Callable[[float], float]) -> Estimate:
    """Return a monotone function of an estimate: of its point and of both ends.

    Examples
    --------
    >>> speedup = Estimate(point=2.0, low=1.6, high=2.5, confidence=0.95, n=5)
    >>> print(through(speedup, lambda s: 1 / s))
    0.5 [0.4, 0.625]
    """
    ends = sorted(function(end) for end in (estimate.low, estimate.high))
    point = function(estimate.point)
    return Estimate(
        point=point,
        low=min(ends[0], point),
        high=max(ends[1], point),
        confidence=estimate.confidence,
        n=estimate.n,
    )


def _mean_and_half(values: NDArray[np.float64], confidence: float) -> tuple[float, float]:
    """Return the mean and half the width of its interval."""
    from scipy.stats import t  # noqa: PLC0415 - heavy; only those who measure pay

    quantile = float(t.ppf((1 + confidence) / 2, len(values) - 1))
    deviation = float(values.std(ddof=1)) / float(np.sqrt(len(values)))
    return float(values.mean()), quantile * deviation
