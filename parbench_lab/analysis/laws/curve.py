"""A law with its coefficients, and every interval that follows from them. Pure.

The free optimum and its confidence region come first; the bounded coefficients are the best of
those that make sense (alpha and beta not negative). Every interval is that of the free region,
cut to what makes sense: the cut cannot lose the truth, so on a bound it covers at least as often
as it says. Only where the whole region makes no sense (points that scale better than linear, say)
it is widened by what the bounds cost, and the misfit counts as noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from parbench_lab.analysis.laws.conventions import Method, Setup, rows, set_up
from parbench_lab.analysis.laws.least_squares import Problem, solve_bounded, solve_free
from parbench_lab.analysis.laws.observations import Observations, work_of
from parbench_lab.analysis.laws.ranges import Floats
from parbench_lab.analysis.laws.regions import Ellipsoid, Profile, Ratios, Region
from parbench_lab.analysis.student import t_quantile
from parbench_lab.core.estimate import Estimate
from parbench_lab.errors import UsageError

Shown = Literal["time_s", "throughput", "speedup", "efficiency"]

# an exact curve has residuals of rounding size: they say nothing about its coefficients
_LEAST_RELATIVE_SD = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Coefficients:
    """Contention, coherency and the throughput of one worker, without intervals."""

    alpha: float
    beta: float
    gamma: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Band:
    """A fitted quantity over worker counts, with the interval of the curve at each.

    Parameters
    ----------
    shown
        Which quantity: seconds of a run, units of work per second, speedup over one worker, or
        speedup per worker.
    workers, point, low, high
        (m,). `high` is infinite where the data set no bound.
    confidence
        Of each interval by itself.
    """

    shown: Shown
    workers: Floats
    point: Floats
    low: Floats
    high: Floats
    confidence: float

    def estimates(self, n: int) -> tuple[Estimate, ...]:
        """Return the band as estimates from `n` levels."""
        return tuple(
            Estimate(
                point=float(p), low=float(low), high=float(high), confidence=self.confidence, n=n
            )
            for p, low, high in zip(self.point, self.low, self.high, strict=True)
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FittedCurve:
    """One law fitted to one set of observations.

    Parameters
    ----------
    seen, method
        What was fitted, and how.
    judge
        The problem whose residuals give the spread.
    c
        Coefficients in the form they are fitted in (`conventions.rows`).
    free
        The same without bounds, None where that has no positive time with one worker.
    free_squares
        Sum of squares of the free fit.
    region
        Coefficients that the data cannot exclude.
    on_bound
        Names of the coefficients that a bound holds at 0.
    """

    seen: Observations
    method: Method
    judge: Problem
    c: Floats
    free: Coefficients | None
    free_squares: float
    region: Region
    on_bound: tuple[str, ...]

    @property
    def in_time(self) -> bool:
        """Whether seconds are linear in the coefficients (else throughput is)."""
        return self.method.law != "gustafson"

    @property
    def squares(self) -> float:
        """Weighted sum of squares of the fit."""
        return float(self.judge.squares(self.c))

    @property
    def coefficients(self) -> Coefficients:
        """Points of alpha, beta and gamma."""
        return named(self.c, in_time=self.in_time)

    def standard_errors(self) -> Coefficients:
        """Return the standard errors by the delta method at the fitted coefficients."""
        k, (first, second) = len(self.c), self.c[:2]
        to_names = np.zeros((3, k))
        to_names[0, :2] = -second / first**2, 1.0 / first
        if k == 3:
            to_names[1] = -self.c[2] / first**2, 0.0, 1.0 / first
        to_names[2, 0] = -1.0 / first**2 if self.in_time else 1.0
        variance = self.squares / self.judge.degrees_of_freedom
        covariance = to_names @ self.judge.covariance(self.c) @ to_names.T * variance
        alpha, beta, gamma = np.sqrt(np.diag(covariance)).tolist()
        return Coefficients(alpha=alpha, beta=beta, gamma=gamma)

    def ratio(
        self,
        over: tuple[float, ...],
        under: tuple[float, ...] | None,
        *,
        low: float = -math.inf,
        inverse: bool = False,
    ) -> Estimate:
        """Return the estimate of (over'c) / (under'c), or of over'c, or of one over it.

        Parameters
        ----------
        over, under
            Up to three numbers each; without `under` the denominator is 1.
        low
            Least possible value of the ratio.
        inverse
            One over the ratio; infinite where that is not positive.
        """
        k = len(self.c)
        v, w = np.array([over[:k]]), np.array([under[:k] if under else (0.0,) * k])
        const = np.array([0.0 if under else 1.0])
        point = (v @ self.c) / (w @ self.c + const)
        limits = Ratios(
            over=v,
            under=w,
            const=const,
            low=np.array([low]) if self.method.bounded else np.array([-math.inf]),
            high=np.array([math.inf]),
            point=point,
        )
        least, most = self.region.interval(limits)
        ends = (float(point[0]), float(least[0]), float(most[0]))
        if inverse:
            point_, high_, low_ = (1.0 / end if end > 0 else math.inf for end in ends)
            ends = (point_, low_, high_)
        return self._estimate(*ends)

    def band(self, workers: Floats, shown: Shown) -> Band:
        """Return a quantity over worker counts with the interval of the curve.

        With bounds no curve gains more than linearly, so beyond the last level the interval is
        also cut to what linear growth from there allows.
        """
        relative = shown in ("speedup", "efficiency")
        n = np.append(workers, self.seen.largest)
        ratios = self._speedups(n) if relative else self._responses(n)
        low, high = self.region.interval(ratios)
        point = ratios.point
        if not relative and self.in_time:
            point, low, high = (_one_over(ends) for ends in (point, high, low))
        if self.method.bounded:
            linear = np.where(n > n[-1], high[-1] * n / n[-1], math.inf)
            high = np.fmax(point, np.fmin(high, linear))
        point, low, high = point[:-1], low[:-1], high[:-1]
        if shown == "efficiency":
            point, low, high = point / workers, low / workers, high / workers
        elif shown == "time_s":
            work = work_of(workers, self.seen.mode)
            point, low, high = (work * _one_over(ends) for ends in (point, high, low))
        return Band(
            shown=shown,
            workers=workers,
            point=point,
            low=low,
            high=high,
            confidence=self.method.confidence,
        )

    def point(self, workers: Floats, shown: Shown) -> Floats:
        """Return a quantity without its interval; a free fit's seconds may be negative."""
        response = rows(self.method.law, workers) @ self.c
        rate = 1.0 / response if self.in_time else response
        if shown == "throughput":
            return rate
        if shown == "time_s":
            return work_of(workers, self.seen.mode) / rate
        speedup: Floats = rate / self.coefficients.gamma
        return speedup / workers if shown == "efficiency" else speedup

    def exactly(self, value: float) -> Estimate:
        """Return an estimate that the law itself gives."""
        return self._estimate(value, value, value)

    def _responses(self, n: Floats) -> Ratios:
        columns = rows(self.method.law, n)
        point = columns @ self.c
        return Ratios(
            over=columns,
            under=np.zeros_like(columns),
            const=np.ones(len(n)),
            low=np.minimum(point, 0.0),
            high=np.full(len(n), math.inf),
            point=point,
        )

    def _speedups(self, n: Floats) -> Ratios:
        columns, first = rows(self.method.law, n), np.zeros((len(n), len(self.c)))
        first[:, 0] = 1.0
        over, under = (first, columns) if self.in_time else (columns, first)
        point = (over @ self.c) / (under @ self.c)
        linear = np.where(self.method.bounded & (n >= 1), n, math.inf)
        alone = n == 1
        return Ratios(
            over=over,
            under=under,
            const=np.zeros(len(n)),
            low=np.where(alone, point, np.minimum(point, 0.0)),
            high=np.where(alone, point, np.fmax(linear, point)),
            point=point,
        )

    def _estimate(self, point: float, low: float, high: float) -> Estimate:
        return Estimate(
            point=point,
            low=min(low, point),
            high=max(high, point),
            confidence=self.method.confidence,
            n=self.seen.n_levels,
        )


def fit_curve(seen: Observations, method: Method) -> FittedCurve:
    """Return a law fitted to observations that were checked before.

    Raises
    ------
    UsageError
        If the convention needs a level with one worker and there is none, there are no more
        levels than coefficients, or the free fit that was asked for has no positive time at a
        level.
    """
    setup = set_up(seen, method)
    if setup.judge.degrees_of_freedom < 1:
        raise UsageError(
            f"a fit with {len(setup.judge.fitted)} coefficients needs more than as many levels "
            f"but got {seen.n_levels}: measure more levels"
        )
    free = solve_free(setup.estimate)
    sensible = free[0] > 0 and bool(np.isfinite(setup.judge.squares(free)))
    if not method.bounded and not sensible:
        raise UsageError(
            "the free fit has no positive time at some of these levels: give bounded=True"
        )
    c = solve_bounded(setup.estimate) if method.bounded else free
    center = free if np.isfinite(setup.judge.squares(free)) else c
    held = [name for name, value in zip(("alpha", "beta"), c[1:], strict=False) if value == 0]
    in_time = method.law != "gustafson"
    return FittedCurve(
        seen=seen,
        method=method,
        judge=setup.judge,
        c=c,
        free=named(free, in_time=in_time) if sensible else None,
        free_squares=float(setup.judge.squares(center)),
        region=_region(setup, center, c, method.confidence),
        on_bound=tuple(held) if method.bounded else (),
    )


def named(c: Floats, *, in_time: bool) -> Coefficients:
    """Return fitted coefficients under their names."""
    return Coefficients(
        alpha=float(c[1] / c[0]),
        beta=float(c[2] / c[0]) if len(c) == 3 else 0.0,
        gamma=float(1.0 / c[0] if in_time else c[0]),
    )


def without_coherency(curve: FittedCurve) -> FittedCurve:
    """Return Amdahl's law fitted to the same observations by the same convention, bounded."""
    return fit_curve(curve.seen, replace(curve.method, law="amdahl", bounded=True))


def _region(setup: Setup, center: Floats, c: Floats, confidence: float) -> Region:
    judge = setup.judge
    df = judge.degrees_of_freedom
    least = float(((_LEAST_RELATIVE_SD * judge.response * judge.weights) ** 2).mean())
    variance = max(float(judge.squares(center)) / df, least)
    covariance = judge.covariance(center)
    width = t_quantile(0.5 + confidence / 2.0, df) ** 2
    closed_form = not setup.estimate.inverse
    if closed_form:
        j = judge.jacobian(center) @ (c - center)
        lost = float(j @ j)
    else:
        lost = max(float(judge.squares(c) - judge.squares(center)), 0.0)
    budget = width * variance
    if lost > budget:
        budget = lost + width * (variance + lost / df)
    if closed_form:
        return Ellipsoid(center=center, covariance=covariance, budget=budget)
    return Profile(problem=judge, center=center, covariance=covariance, budget=budget)


def _one_over(values: Floats) -> Floats:
    """Return 1 / x, infinite where x is 0 and for lower ends of seconds below it."""
    with np.errstate(divide="ignore"):
        return np.where(values > 0, 1.0 / values, np.inf)
