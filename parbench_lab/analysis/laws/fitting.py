"""Fit a law to a scaling curve: the one door to everything that follows from it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from parbench_lab.analysis.laws import advice, judgement, projection, reading
from parbench_lab.analysis.laws.conventions import Convention, Law, Method
from parbench_lab.analysis.laws.curve import Band, Coefficients, FittedCurve, Shown, fit_curve
from parbench_lab.analysis.laws.observations import (
    Mode,
    Observations,
    Repetitions,
    observe,
    refuse_too_few,
)
from parbench_lab.analysis.laws.ranges import Floats
from parbench_lab.core.estimate import Estimate
from parbench_lab.core.wording import printable
from parbench_lab.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fit:
    """A law fitted to a scaling curve: coefficients, projections and what supports them.

    Made by `fit`. Everything is computed from `curve`, so two fits of the same numbers agree.

    Parameters
    ----------
    curve
        The fitted curve behind everything.
    alpha
        Contention; the serial fraction under Amdahl's and Gustafson's law.
    beta
        Coherency; exactly 0 for laws without it.
    gamma
        Throughput of one worker in units of work per second.
    """

    curve: FittedCurve
    alpha: Estimate
    beta: Estimate
    gamma: Estimate

    @property
    def law(self) -> Law:
        """Which law was fitted."""
        return self.curve.method.law

    @property
    def convention(self) -> Convention:
        """By which convention; see `parbench_lab.analysis.laws.conventions`."""
        return self.curve.method.convention

    @property
    def bounded(self) -> bool:
        """Whether alpha and beta were held at 0 or above."""
        return self.curve.method.bounded

    @property
    def confidence(self) -> float:
        """Of every interval."""
        return self.curve.method.confidence

    @property
    def data(self) -> Observations:
        """What was fitted: one value per level, and what was left out."""
        return self.curve.seen

    @property
    def on_bound(self) -> tuple[str, ...]:
        """Names of the coefficients that are held at 0; their intervals are one-sided."""
        return self.curve.on_bound

    @property
    def free(self) -> Coefficients | None:
        """The fit without bounds, beside this one; None where it has no time with one worker."""
        return self.curve.free

    @property
    def standard_errors(self) -> Coefficients:
        """Standard errors of the three coefficients by the delta method.

        For comparison with published fits. The intervals do not use them: with few levels they
        are too narrow at one end and too wide at the other.
        """
        return self.curve.standard_errors()

    @property
    def fitted(self) -> Floats:
        """The law's value at each level, in the quantity that was measured."""
        return self.curve.point(self.data.workers, self.data.quantity)

    @property
    def residuals(self) -> Floats:
        """Measured less fitted at each level, in the quantity that was measured."""
        result: Floats = self.data.values - self.fitted
        return result

    @property
    def residual_sum_of_squares(self) -> float:
        """Weighted sum of squares in the convention's own terms (relative under ``time``)."""
        return self.curve.squares

    @property
    def df(self) -> int:
        """Degrees of freedom: levels less fitted coefficients."""
        return self.curve.judge.degrees_of_freedom

    @property
    def residual_sd(self) -> float:
        """Root of the sum of squares per degree of freedom."""
        return float(np.sqrt(self.curve.squares / self.df))

    @property
    def peak_workers(self) -> Estimate | None:
        """The worker count of the highest throughput; None where the data show no peak."""
        return judgement.peak_workers(self.curve)

    @property
    def limit(self) -> Estimate | None:
        """The speedup that contention alone allows, 1 / alpha; None under Gustafson's law."""
        return judgement.limit(self.curve)

    @property
    def limit_throughput(self) -> Estimate | None:
        """The same in units of work per second, gamma / alpha."""
        return judgement.limit_throughput(self.curve)

    @property
    def amdahl_test(self) -> judgement.FTest | None:
        """F test of Amdahl's law within the USL; None for other laws."""
        return judgement.amdahl_test(self.curve)

    @property
    def lack_of_fit(self) -> judgement.LackOfFit | None:
        """The law's misses beside timing noise; None where no level was repeated."""
        return judgement.lack_of_fit(self.curve)

    @property
    def bound_by(self) -> judgement.BoundBy:
        """What keeps the curve from growing linearly, as far as the levels show it."""
        return judgement.bound_by(self.curve)

    @property
    def words(self) -> tuple[str, ...]:
        """What the fit says, in a few plain sentences."""
        return reading.words(self.curve)

    @property
    def oversubscribed_words(self) -> tuple[str, ...]:
        """Those of them about levels with more workers than cores."""
        return reading.oversubscribed_words(self.curve)

    def predict(self, workers: ArrayLike, *, shown: Shown | None = None) -> Floats:
        """Return the law's value at each worker count, without intervals.

        Parameters
        ----------
        workers
            Positive.
        shown
            "time_s", "throughput", "speedup" or "efficiency"; None for what was measured.

        Raises
        ------
        UsageError
            If a worker count is not positive or the quantity is unknown.
        """
        return self.curve.point(_counts(workers), _shown(shown or self.data.quantity))

    def band(self, workers: ArrayLike, *, shown: Shown | None = None) -> Band:
        """Return the same with the interval of the curve at each worker count, for drawing.

        Parameters and errors are those of `predict`.
        """
        return self.curve.band(_counts(workers), _shown(shown or self.data.quantity))

    def project(self, workers: ArrayLike) -> projection.Projection:
        """Return what to expect at each worker count, with the hold-out score of the law.

        Raises
        ------
        UsageError
            If a worker count is not positive, or a free fit has no positive time there.
        """
        return projection.project(self.curve, _counts(workers))

    def score(self) -> projection.HoldOut:
        """Return how well the law predicts the last level from the others.

        Raises
        ------
        UsageError
            If there are fewer than 5 levels.
        """
        return projection.score(self.curve)

    def useful_workers(self, efficiency: float = 0.5) -> Estimate:
        """Return up to how many workers the efficiency stays at least this.

        Raises
        ------
        UsageError
            If the efficiency is not within (0, 1].
        """
        return advice.useful_workers(self.curve, efficiency)

    def next_level(self, *, max_workers: float | None = None) -> advice.NextLevel | None:
        """Return the worker count whose measurement would teach most, None where none would.

        Raises
        ------
        UsageError
            If `max_workers` is below 1.
        """
        return advice.next_level(self.curve, max_workers=max_workers)


def fit(
    workers: ArrayLike,
    *,
    time_s: ArrayLike | None = None,
    throughput: ArrayLike | None = None,
    law: Law = "usl",
    convention: Convention = "time",
    bounded: bool = True,
    confidence: float = 0.95,
    mode: Mode | None = None,
    repetitions: Repetitions = "median",
    machines: Sequence[str] | str | None = None,
    oversubscribed: Sequence[bool] | Literal["include"] | None = None,
    include_oversubscribed: bool = False,
) -> Fit:
    """Return a law fitted to a measured scaling curve.

    Parameters
    ----------
    workers
        The worker count of each measurement, positive. A level may appear several times: its
        repetitions become their median, and say how large timing noise is.
    time_s, throughput
        One of them: seconds of each run, or units of work per second, positive.
    law
        "usl" (alpha, beta, gamma), "amdahl" (beta = 0), or "gustafson" (a job that grows with
        its workers, S = N - s (N - 1)).
    convention
        "time" (relative weights, the default), or "throughput", "throughput_fixed", "quadratic"
        to reproduce published coefficients; see `parbench_lab.analysis.laws.conventions`.
    bounded
        Hold alpha and beta at 0 or above. A free fit may promise more than linear growth, or
        negative times.
    confidence
        Of every interval, within (0, 1).
    mode
        "strong": every run does the same work. "weak": N workers do N times the work of one.
        None: weak under Gustafson's law, else strong. Throughput is taken as it is.
    repetitions
        "points" fits every repetition as a point of its own, as some published fits do; their
        intervals are then too narrow.
    machines
        Name or fingerprint of the machine of each measurement: more than one is refused.
    oversubscribed
        True for each measurement with more workers than cores; those are left out. "include"
        says that all are to be fitted.
    include_oversubscribed
        Fit the marked ones as well; the words then say so.

    Raises
    ------
    UsageError
        If there are fewer than 4 levels, none with 1 or 2 workers (except under the convention
        "throughput" where not all are whole numbers, as in published tables over something
        else), values are not positive, machines are mixed, or an argument is none of its
        documented values.

    Notes
    -----
    The intervals under "time" are Fieller's with Student's t for levels less coefficients; under
    "throughput" profiles of the likelihood. With proportional noise at 1, 2, 4, 8 and 16 workers
    they cover 95 % for alpha, beta and the curve as far as 128 workers; on a bound they are
    one-sided and cover 97 to 99.8 %. Those under "throughput" assume equal noise at every level:
    under proportional noise of 2 % they cover 91 % for alpha and 84 % for beta.

    Examples
    --------
    The strong-scaling times of computing pi on 1 to 16 cores (UNIVERSE-HPC, CC BY 4.0):

    >>> pi = fit([1, 2, 4, 8, 16], time_s=[3.99667, 2.064242, 1.075068, 0.687097, 0.349366])
    >>> print(pi.alpha)
    0.0294 [0, 0.2128]
    >>> pi.on_bound, pi.peak_workers
    (('beta',), None)
    >>> level = pi.project([32])[0]
    >>> print(level.speedup, level.trusted)
    16.74 [7.855, 31.12] True
    """
    marks = oversubscribed
    if isinstance(marks, str):
        if marks != "include":
            raise UsageError(
                "oversubscribed must be 'include', or True or False for each measurement, but got "
                f"{printable(repr(marks))}"
            )
        marks, include_oversubscribed = None, True
    method = Method(law=law, convention=convention, bounded=bounded, confidence=confidence)
    seen = observe(
        workers,
        time_s=time_s,
        throughput=throughput,
        mode=mode or ("weak" if law == "gustafson" else "strong"),
        repetitions=repetitions,
        machines=machines,
        oversubscribed=marks,
        include_oversubscribed=include_oversubscribed,
    )
    # pressures, as those of NIST's Misra1d, are no counts: there is no first worker to measure
    counted = bool((seen.workers % 1 == 0).all())
    refuse_too_few(seen, must_start_low=counted or convention != "throughput")
    curve = fit_curve(seen, method)
    return Fit(
        curve=curve,
        alpha=curve.ratio((0.0, 1.0, 0.0), (1.0, 0.0, 0.0), low=0.0),
        beta=judgement.beta_of(curve),
        gamma=curve.ratio((1.0, 0.0, 0.0), None, low=0.0, inverse=curve.in_time),
    )


def _counts(workers: ArrayLike) -> Floats:
    try:
        counts = np.atleast_1d(np.asarray(workers, dtype=float))
    except (TypeError, ValueError):
        counts = np.array([np.nan])
    if counts.ndim != 1 or not (np.isfinite(counts) & (counts > 0)).all():
        raise UsageError(f"workers must be positive numbers but got {printable(repr(workers))}")
    return counts


def _shown(name: Shown) -> Shown:
    if name not in get_args(Shown):
        raise UsageError(f"shown must be one of {', '.join(get_args(Shown))} but got {name!r}")
    return name
