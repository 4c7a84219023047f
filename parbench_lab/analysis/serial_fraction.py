"""The serial fraction that one level of a curve stands for, strong or weak. Pure."""

from __future__ import annotations

import math

import numpy as np

from parbench_lab.analysis.laws.ranges import Floats
from parbench_lab.core.estimate import Estimate


def fractions_of(speedup: Floats, workers: Floats, *, base: float = 1.0, weak: bool) -> Floats:
    """Return the serial fraction of each speedup; it falls where a speedup is larger.

    Strong: the s with which Amdahl's law leads through the base level and this one. With one
    worker as the base it is Karp and Flatt's, (1/S - 1/N) / (1 - 1/N); with b workers
    T(N) / T(b) = b / S = (s + (1 - s)/N) / (s + (1 - s)/b), so
    s = (1/S - 1/N) / (1 - 1/N - (b - 1)/S). It is infinite where the level is so much slower than
    the base that no s, not even 1, makes it so by this law.

    Weak: the s with which Gustafson's law leads through both, a share of the time on these N
    workers. With one worker as the base it is (N - S) / (N - 1); with b workers the efficiency
    E = S/N is (1 - s (1 - 1/N)) / (1 - s (1 - 1/b)), so
    s = (1 - E) / (1 - 1/N - E (1 - 1/b)). It is minus infinity where no s makes it so fast.

    A. H. Karp and H. P. Flatt, "Measuring parallel processor performance", CACM 33(5) 1990;
    J. L. Gustafson, "Reevaluating Amdahl's law", CACM 31(5) 1988.

    Parameters
    ----------
    speedup
        S, positive, over the base level as if that had scaled: b at the base itself.
    workers
        N, above `base`, as many as there are speedups.
    base
        b, at least 1.
    weak
        Whether the work grew with the workers, and S is the scaled speedup.

    Examples
    --------
    >>> eight, four = np.array([8.0]), np.array([4.0])
    >>> fractions_of(four, eight, weak=False).round(4).tolist()
    [0.1429]
    >>> fractions_of(four, eight, weak=True).round(4).tolist()
    [0.5714]
    """
    parallel = 1.0 - 1.0 / workers
    if weak:
        efficiency = speedup / workers
        above, below = 1.0 - efficiency, parallel - efficiency * (1.0 - 1.0 / base)
    else:
        above, below = 1.0 / speedup - 1.0 / workers, parallel - (base - 1.0) / speedup
    beyond = np.full_like(above, -math.inf if weak else math.inf)
    found: Floats = np.divide(above, below, out=beyond, where=below > 0.0)
    return found


def serial_fraction(
    speedup: Estimate, *, workers: int, base: int = 1, weak: bool = False
) -> Estimate | None:
    """Return the serial fraction of a level with its interval; None where there is none.

    That is at the base itself, and where no fraction explains the speedup: the level is too slow
    (strong) or too fast (weak) for any. An end of the interval may be infinite.

    Parameters
    ----------
    speedup, workers, base, weak
        As for `fractions_of`.

    Examples
    --------
    >>> two = Estimate(point=1.6, low=1.5, high=1.8, confidence=0.95, n=5)
    >>> print(serial_fraction(two, workers=2))
    0.25 [0.1111, 0.3333]
    """
    if workers <= base:
        return None
    ends = np.array([speedup.high, speedup.point, speedup.low])
    low, point, high = fractions_of(
        ends, np.full(3, float(workers)), base=float(base), weak=weak
    ).tolist()
    if not math.isfinite(point):
        return None
    return Estimate(point=point, low=low, high=high, confidence=speedup.confidence, n=speedup.n)


def is_any_share(fraction: Estimate) -> bool:
    """Return whether an interval holds all from 0 to 1: then the fraction may be anything.

    Examples
    --------
    >>> about = {"point": 0.7, "confidence": 0.95, "n": 5}
    >>> is_any_share(Estimate(low=-0.43, high=1.87, **about))
    True
    >>> is_any_share(Estimate(low=0.5, high=1.87, **about))
    False
    """
    return fraction.low <= 0.0 and fraction.high >= 1.0
