"""From the repetitions of one measurement to an estimate. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from parbench_lab.analysis.student import t_quantile
from parbench_lab.core.estimate import Estimate


def estimate_positive(values: Sequence[float], *, confidence: float = 0.95) -> Estimate:
    """Return the median of positive values with an interval.

    Timing noise is proportional, so the interval is Student's t on the logarithms, widened
    where it would not hold the median. One value has no interval: it is its own low and high.

    Parameters
    ----------
    values
        At least one; seconds, or ratios of them.
    confidence
        Of the interval, within (0, 1).

    Raises
    ------
    ValueError
        If there is no value, or one is not positive and finite.

    Examples
    --------
    >>> print(estimate_positive([1.0, 1.1, 0.9, 1.05, 0.95]))
    1 [0.9039, 1.101]
    """
    sample = np.asarray(values, dtype=float)
    if sample.size == 0 or not np.all(np.isfinite(sample) & (sample > 0)):
        raise ValueError(f"need positive finite values but got {list(values)}")
    point = float(np.median(sample))
    if sample.size == 1:
        return Estimate(point=point, low=point, high=point, confidence=confidence, n=1)
    logs = np.log(sample)
    error = float(logs.std(ddof=1)) / math.sqrt(sample.size)
    reach = t_quantile(0.5 + confidence / 2, int(sample.size) - 1) * error
    low, high = (math.exp(logs.mean() + sign * reach) for sign in (-1.0, 1.0))
    return Estimate(
        point=point,
        low=min(low, point),
        high=max(high, point),
        confidence=confidence,
        n=int(sample.size),
    )
