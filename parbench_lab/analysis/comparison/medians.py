"""The median of a run's measurements with its error, whatever their distribution. Pure.

Two sources of error are seen: that of a median of finitely many values (from two order
statistics, D. G. Price and D. R. Bonett, "Distribution-free confidence intervals for difference
and ratio of medians", J. Stat. Comput. Simul. 72 (2002) 119-124), and that neighbouring
measurements resemble each other, which makes them worth fewer (P. K. Sen, "Asymptotic normality
of sample quantiles for m-dependent processes", Ann. Math. Stat. 39 (1968) 1724-1730: the error
squared grows by the long-run variance of the signs around the median).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FEWEST = 6
"""Measurements that a comparison needs on either side: five cannot show anything at 95 %."""
FEWEST_FOR_DEPENDENCE = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class CostMedian:
    """A median on the scale of costs (`Metric.cost`), with its error.

    Parameters
    ----------
    point
        The median.
    error
        Standard error, dependence included.
    n
        Measurements.
    dependence
        By how much neighbours that resemble each other raise the squared error; at least 1.
    """

    point: float
    error: float
    n: int
    dependence: float = 1.0


def cost_median(costs: Sequence[float] | Floats) -> CostMedian:
    """Return the median of costs with its error.

    Parameters
    ----------
    costs
        At least `FEWEST` finite numbers in the order in which they were measured.

    Raises
    ------
    ValueError
        If there are fewer, or one is not finite.

    Examples
    --------
    >>> found = cost_median([3.0, 1.0, 2.0, 5.0, 4.0, 7.0, 6.0])
    >>> found.point, round(found.error, 2)
    (4.0, 1.24)
    """
    values = np.asarray(costs, dtype=float)
    n = int(values.size)
    if n < FEWEST or not bool(np.isfinite(values).all()):
        raise ValueError(f"need at least {FEWEST} finite costs but got {n}")
    ordered = np.sort(values)
    rank = max(1, round((n + 1) / 2 - math.sqrt(n)))
    reach = -NormalDist().inv_cdf(_below(rank - 1, n))
    error = float(ordered[n - rank] - ordered[rank - 1]) / (2 * reach)
    point = float(np.median(ordered))
    factor = dependence(np.sign(values - point))
    return CostMedian(point=point, error=error * math.sqrt(factor), n=n, dependence=factor)


def dependence(signs: Floats) -> float:
    """Return the long-run variance of a series over its variance, at least 1.

    Autocorrelations are added up as long as their sums over neighbouring pairs are positive
    (C. J. Geyer, "Practical Markov chain Monte Carlo", Statist. Sci. 7 (1992) 473-483); with
    fewer than `FEWEST_FOR_DEPENDENCE` values it cannot be told, and is 1.

    Examples
    --------
    >>> dependence(np.array([1.0, -1.0] * 20))
    1.0
    >>> dependence(np.repeat([1.0, -1.0, 1.0, -1.0], 10)) > 3
    True
    """
    n = len(signs)
    centred = signs - signs.mean()
    power = float(centred @ centred)
    if n < FEWEST_FOR_DEPENDENCE or power == 0:
        return 1.0
    spectrum = np.fft.rfft(centred, 2 * n)
    correlations = np.fft.irfft(np.abs(spectrum) ** 2)[:n] / power
    pairs = correlations[: n // 2 * 2].reshape(-1, 2).sum(axis=1)
    ends = np.flatnonzero(pairs <= 0)
    kept = pairs[: int(ends[0]) if ends.size else len(pairs)]
    return max(1.0, 2.0 * float(kept.sum()) - 1.0)


def _below(k: int, n: int) -> float:
    """Return the probability that of `n` fair coins at most `k` show heads."""
    if n > 1000:
        # with continuity correction; the exact sum is the same to four digits there
        return NormalDist().cdf((k + 0.5 - n / 2) / (math.sqrt(n) / 2))
    heads: int = sum(math.comb(n, i) for i in range(k + 1))
    return float(heads / 2**n)
