"""What the evidence of a fitted curve supports: a peak, a limit, a misfit beyond noise. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from parbench_lab.analysis.laws.curve import FittedCurve, without_coherency
from parbench_lab.core.estimate import Estimate

BoundBy = Literal["retrograde", "overhead", "serial", "superlinear", "nothing shown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FTest:
    """Whether Amdahl's law explains the levels as well as the USL does.

    Parameters
    ----------
    statistic
        F: what coherency explains over what is left per degree of freedom; infinite where the
        USL is exact.
    p_value
        Probability of such an F or a larger one where Amdahl's law holds.
    df
        Degrees of freedom that are left to the USL; the other count is 1.
    """

    statistic: float
    p_value: float
    df: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LackOfFit:
    """The misses of a law beside the noise of the timings: two separate variances.

    Parameters
    ----------
    residual_sd
        Relative standard deviation of the levels about the law.
    noise_sd
        Relative standard deviation that repetition gives a level's median.
    p_value
        Probability of misses like these where noise is their only cause.
    """

    residual_sd: float
    noise_sd: float
    p_value: float

    @property
    def misfit_sd(self) -> float:
        """What noise leaves unexplained: the root of the difference of the variances, or 0."""
        return math.sqrt(max(self.residual_sd**2 - self.noise_sd**2, 0.0))


def amdahl_test(curve: FittedCurve) -> FTest | None:
    """Return the F test of Amdahl's law (beta = 0) within the free USL; None for other laws.

    See G. A. F. Seber and C. J. Wild, "Nonlinear Regression", Wiley 1989, section 5.3.
    """
    if curve.method.law != "usl":
        return None
    df = curve.judge.degrees_of_freedom
    simple, full = without_coherency(curve).free_squares, curve.free_squares
    gained = max(simple - full, 0.0)
    rounding = 1e-20 * float(((curve.judge.response * curve.judge.weights) ** 2).sum())
    if simple <= rounding:
        return FTest(statistic=0.0, p_value=1.0, df=df)
    if full <= rounding:
        return FTest(statistic=math.inf, p_value=0.0, df=df)
    statistic = gained / (full / df)
    return FTest(statistic=statistic, p_value=_beyond(1, df, statistic), df=df)


def beta_of(curve: FittedCurve) -> Estimate:
    """Return the coherency; exactly 0 for laws that have none."""
    if len(curve.c) < 3:
        return curve.exactly(0.0)
    return curve.ratio((0.0, 0.0, 1.0), (1.0, 0.0, 0.0), low=0.0)


def peak_workers(curve: FittedCurve) -> Estimate | None:
    """Return the worker count of the highest throughput, None where none is shown.

    A peak is named only where the interval of beta excludes 0: half of all curves that follow
    Amdahl's law have a positive beta by accident.
    """
    if not beta_of(curve).low > 0:
        return None
    squared = curve.ratio((1.0, -1.0, 0.0), (0.0, 0.0, 1.0), low=1.0)
    point, low, high = (
        math.sqrt(max(end, 1.0)) for end in (squared.point, squared.low, squared.high)
    )
    return Estimate(point=point, low=low, high=high, confidence=squared.confidence, n=squared.n)


def limit(curve: FittedCurve) -> Estimate | None:
    """Return the speedup that contention alone allows, 1 / alpha; None under Gustafson's law.

    Infinite where alpha may be 0. A peak keeps the curve below it.
    """
    if not curve.in_time:
        return None
    return curve.ratio((0.0, 1.0, 0.0), (1.0, 0.0, 0.0), low=0.0, inverse=True)


def limit_throughput(curve: FittedCurve) -> Estimate | None:
    """Return gamma / alpha in units of work per second; as `limit`."""
    if not curve.in_time:
        return None
    return curve.ratio((0.0, 1.0, 0.0), None, low=0.0, inverse=True)


def lack_of_fit(curve: FittedCurve) -> LackOfFit | None:
    """Return the law's misses beside timing noise; None where no level was repeated."""
    seen = curve.seen
    if seen.noise is None:
        return None
    df = curve.judge.degrees_of_freedom
    missed = np.log(seen.throughput / curve.point(seen.workers, "throughput"))
    residual_sd = math.sqrt(float((missed**2).sum()) / df)
    noise_sd = seen.noise.sd
    p_value = (
        _beyond(df, seen.noise.df, (residual_sd / noise_sd) ** 2)
        if noise_sd > 0
        else float(residual_sd == 0)
    )
    return LackOfFit(residual_sd=residual_sd, noise_sd=noise_sd, p_value=p_value)


def bound_by(curve: FittedCurve) -> BoundBy:
    """Return what keeps the curve from growing linearly, as far as the levels show it."""
    peak = peak_workers(curve)
    if peak is not None:
        return "retrograde" if peak.point < curve.seen.largest else "overhead"
    first = curve.ratio((0.0, 1.0, 0.0), (1.0, 0.0, 0.0), low=0.0)
    if first.low > 0:
        return "serial"
    if is_superlinear(curve):
        return "superlinear"
    return "nothing shown"


def is_superlinear(curve: FittedCurve) -> bool:
    """Return whether the best level is more than a tenth above linear growth from the first.

    By the measured values themselves: no bounded law can say it.
    """
    per_worker = curve.seen.throughput / curve.seen.workers
    return bool(per_worker.max() > 1.1 * per_worker[0])


def _beyond(df: int, other_df: int, statistic: float) -> float:
    """Return the probability that an F statistic is larger."""
    from scipy import special  # noqa: PLC0415 - takes a third of a second; only tests pay

    return float(special.fdtrc(df, other_df, statistic))
