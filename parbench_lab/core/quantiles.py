"""Median and quantiles of a sample, with an interval that asks for no distribution. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from parbench_lab.core.estimate import Estimate

SMALLEST_TAILS = {0.95: 20, 0.99: 100}
"""How many values a tail quantile needs: fewer, and it would be the largest of them."""


def median_estimate(
    values: Sequence[float] | NDArray[np.float64], *, confidence: float = 0.95
) -> Estimate:
    """Return the median with an interval between two order statistics.

    The ends are the k-th smallest and the k-th largest value, with the largest k that covers:
    the true median lies outside with probability 2 P(Binomial(n, 1/2) < k), whatever the (one)
    distribution of independent values. H. A. David and H. N. Nagaraja, "Order Statistics", 3rd
    ed., Wiley 2003, section 7.1.

    Parameters
    ----------
    values
        At least one finite number.
    confidence
        At least wanted, within (0, 1). Fewer than 6 values cannot give 0.95: then the interval
        is their range and the estimate names the confidence that has, 1 - 2**(1 - n). One value
        has no interval: it is its own low and high.

    Raises
    ------
    ValueError
        If there is no value, or one is not finite.

    Examples
    --------
    >>> print(median_estimate([5.0, 1.0, 3.0, 2.0, 4.0, 6.0, 7.0]))
    4 [1, 7]
    >>> median_estimate([1.0, 2.0, 4.0]).confidence
    0.75
    """
    sample = np.sort(np.asarray(values, dtype=float))
    n = int(sample.size)
    if n == 0 or not bool(np.isfinite(sample).all()):
        raise ValueError(f"need finite values but got {n} of which some are not" if n else "none")
    rank, reached = _rank(n, confidence)
    return Estimate(
        point=float(np.median(sample)),
        low=float(sample[rank - 1]),
        high=float(sample[n - rank]),
        confidence=confidence if n == 1 else min(confidence, reached),
        n=n,
    )


def tail(values: Sequence[float] | NDArray[np.float64], quantile: float) -> float | None:
    """Return the 0.95 or 0.99 quantile of a sample, None where it has too few values.

    Examples
    --------
    >>> tail([1.0] * 19, 0.95) is None, tail([1.0] * 20, 0.95)
    (True, 1.0)
    """
    if len(values) < SMALLEST_TAILS[quantile]:
        return None
    return float(np.quantile(np.asarray(values, dtype=float), quantile))


def _rank(n: int, confidence: float) -> tuple[int, float]:
    """Return the largest rank whose interval covers, at least 1, and how surely it does."""
    outside = 2.0 * 0.5**n  # both tails of Binomial(n, 1/2) below 1
    if n > EXACT_UP_TO:
        return _normal_rank(n, confidence), confidence
    rank, total = 1, outside
    while rank < (n + 1) // 2:
        outside *= (n - rank + 1) / rank
        if total + outside > 1.0 - confidence:
            break
        total += outside
        rank += 1
    return rank, 1.0 - total


EXACT_UP_TO = 1000
"""Beyond, 2**-n is soon no number any more, and the normal approximation is off by a rank."""


def _normal_rank(n: int, confidence: float) -> int:
    """Return the rank by the normal approximation with continuity correction, rounded down."""
    reach = NormalDist().inv_cdf(0.5 + confidence / 2) * math.sqrt(n) / 2
    return max(1, math.floor((n + 1) / 2 - reach))
