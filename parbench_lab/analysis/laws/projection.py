"""What a fitted curve says about worker counts that were not measured, and how far to trust it.

Every projection comes with its hold-out score: the last level hidden, predicted from the others
and compared with the naive guess "same as before". Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from parbench_lab.analysis.laws.curve import Band, FittedCurve, fit_curve
from parbench_lab.analysis.laws.observations import MIN_LEVELS, Quantity
from parbench_lab.analysis.laws.ranges import Floats
from parbench_lab.core.estimate import Estimate
from parbench_lab.errors import UsageError

TRUSTED_RANGES = 2.0
"""How many times the largest measured worker count a projection can be trusted.

B. Schwartz, "Practical Scalability Analysis with the Universal Scalability Law": the first ten
of 32 measured levels of a database promise 16049 at 46 workers; 12211 at 27 is what was measured.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectedLevel:
    """What to expect at one worker count.

    Parameters
    ----------
    workers
        The count asked for.
    time_s
        Seconds of a run (of a unit of work where throughput was measured).
    throughput
        Units of work per second.
    speedup, efficiency
        Over one worker, and that per worker.
    extrapolated
        Whether it is outside the measured range.
    trusted
        False beyond twice the measured range: the band is then no promise.
    """

    workers: float
    time_s: Estimate
    throughput: Estimate
    speedup: Estimate
    efficiency: Estimate
    extrapolated: bool
    trusted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldOut:
    """How well the law predicts the last level from the others.

    Parameters
    ----------
    workers
        The hidden level.
    quantity
        What was measured and predicted.
    measured
        Its value.
    predicted
        From the other levels, with the interval for a new measurement.
    error
        ``|predicted / measured - 1|``.
    naive
        The guess "same as before": the value of the level before it.
    naive_error
        The same error of the guess.
    """

    workers: float
    quantity: Quantity
    measured: float
    predicted: Estimate
    error: float
    naive: float
    naive_error: float

    @property
    def held(self) -> bool:
        """Whether the interval held the measured value."""
        return self.predicted.low <= self.measured <= self.predicted.high

    @property
    def beats_naive(self) -> bool:
        """Whether the law was nearer than the guess."""
        return self.error < self.naive_error

    def __str__(self) -> str:
        verdict = "better" if self.beats_naive else "no better"
        return (
            f"Hidden and predicted from the other levels, {self.workers:g} workers are off by "
            f"{100 * self.error:.0f} % (the band {'held' if self.held else 'missed'} them), "
            f'{verdict} than the {100 * self.naive_error:.0f} % of the guess "same as before".'
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """Projected levels with the score of the law that made them.

    `hold_out` is None where too few levels were measured to hide one (5 are needed) or a free fit
    of the others makes no sense.
    """

    levels: tuple[ProjectedLevel, ...]
    hold_out: HoldOut | None

    def __iter__(self) -> Iterator[ProjectedLevel]:
        return iter(self.levels)

    def __len__(self) -> int:
        return len(self.levels)

    def __getitem__(self, index: int) -> ProjectedLevel:
        return self.levels[index]


def project(curve: FittedCurve, workers: Floats) -> Projection:
    """Return what to expect at worker counts, each quantity with its band.

    Raises
    ------
    UsageError
        If a free fit has no positive time there.
    """
    broken = ~(curve.point(workers, "throughput") > 0)
    if broken.any():
        raise UsageError(
            f"the free fit has no positive time at {workers[broken][0]:g} workers: fit with "
            "bounded=True"
        )
    n = curve.seen.n_levels
    time_s, throughput, speedup, efficiency = (
        curve.band(workers, shown).estimates(n)
        for shown in ("time_s", "throughput", "speedup", "efficiency")
    )
    smallest, largest = float(curve.seen.workers[0]), curve.seen.largest
    levels = (
        ProjectedLevel(
            workers=float(count),
            time_s=time_s[i],
            throughput=throughput[i],
            speedup=speedup[i],
            efficiency=efficiency[i],
            extrapolated=not smallest <= count <= largest,
            trusted=bool(count <= TRUSTED_RANGES * largest),
        )
        for i, count in enumerate(workers)
    )
    return Projection(levels=tuple(levels), hold_out=hold_out(curve))


def hold_out(curve: FittedCurve) -> HoldOut | None:
    """Return the `score`; None with fewer than 5 levels or where the others have no free fit."""
    try:
        return score(curve)
    except UsageError:
        return None


def score(curve: FittedCurve) -> HoldOut:
    """Return how well the same method predicts the last level from the others.

    Raises
    ------
    UsageError
        If there are fewer than 5 levels, or the others have no free fit.
    """
    seen = curve.seen
    if len(np.unique(seen.workers)) <= MIN_LEVELS:
        raise UsageError(
            f"a score hides one level and needs {MIN_LEVELS} others but there are "
            f"{seen.n_levels} in all: measure more levels"
        )
    hidden, visible = seen.workers[-1:], seen.without_last()
    measured, naive = seen.last_value(), visible.last_value()
    fitted = fit_curve(visible, curve.method)
    point = float(fitted.point(hidden, seen.quantity)[0])
    return HoldOut(
        workers=float(hidden[0]),
        quantity=seen.quantity,
        measured=measured,
        predicted=_for_a_measurement(fitted, fitted.band(hidden, seen.quantity), point),
        error=abs(point / measured - 1.0),
        naive=naive,
        naive_error=abs(naive / measured - 1.0),
    )


def _for_a_measurement(curve: FittedCurve, band: Band, point: float) -> Estimate:
    """Return the interval for a new measurement: that of the curve and its own noise."""
    noise = math.sqrt(curve.region.budget)
    if curve.method.convention == "time":
        noise *= abs(point)  # relative weights: noise is a share of the value
    elif curve.seen.quantity == "time_s":
        noise *= point**2  # throughput has equal noise everywhere, so seconds have this
    below, above = point - float(band.low[0]), float(band.high[0]) - point
    return Estimate(
        point=point,
        low=max(point - math.hypot(below, noise), min(point, 0.0)),
        high=point + math.hypot(above, noise),
        confidence=curve.method.confidence,
        n=curve.seen.n_levels,
    )
