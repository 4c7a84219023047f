"""Numeric integration: many damped waves, each integrated over its own interval.

The three candidates trade time for error, so a race over both objectives ends with a Pareto
front. The family has a closed form, which the check uses and no candidate knows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parbench_lab.core.candidate import Candidate
from parbench_lab.core.metric import Metric
from parbench_lab.workloads.agreement import as_vector, read_only
from parbench_lab.workloads.members import members

Floats = NDArray[np.float64]

ABS_ERROR_FLOOR = 1e-15
"""Errors below this are not told apart: the closed form itself rounds to about this much."""

ABS_ERROR_LIMIT = 1e-2
"""A result further off than this is wrong; the integrals themselves are of size 0.1 to 1."""

ABS_ERROR = Metric(name="abs_error", unit="1", floor=ABS_ERROR_FLOOR)

HYBRID_TOLERANCE = 1e-6
HYBRID_MAX_INTERVALS = 2**16


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DampedWaves:
    """Integrals of ``exp(-decay x) cos(frequency x)`` from 0 to `upper`, one for each item.

    Parameters
    ----------
    decay
        Shape ``(size,)``, per unit of x, between 0.1 and 2.
    frequency
        Shape ``(size,)``, radians per unit of x, between 0.5 and 8.
    upper
        Shape ``(size,)``, between 1 and 4.
    """

    decay: Floats
    frequency: Floats
    upper: Floats

    def heights(self, x: Floats, chosen: NDArray[Any] | slice = slice(None)) -> Floats:
        """Return the integrand of the chosen waves (rows) at `x`, shape ``(chosen, points)``."""
        decay, frequency = self.decay[chosen, np.newaxis], self.frequency[chosen, np.newaxis]
        values: Floats = np.exp(-decay * x) * np.cos(frequency * x)
        return values


class NumericIntegration:
    """Integrate `size` damped waves; fast and coarse against slow and exact.

    `check` returns the metric ``abs_error``: the largest absolute error over the case's
    integrals, floored at 1e-15 by its metric.

    Examples
    --------
    >>> job = NumericIntegration()
    >>> case = job.make_case(100, np.random.default_rng(0))
    >>> fast = job.check(case, fast_v1(case))["abs_error"]
    >>> hybrid = job.check(case, hybrid_v3(case))["abs_error"]
    >>> exact = job.check(case, accurate_v2(case))["abs_error"]
    >>> fast > hybrid > exact
    True
    """

    name = "numeric_integration"
    default_batch_size = 1000
    metrics = (ABS_ERROR,)
    objectives = ("wall_time_s", "abs_error")

    @property
    def candidates(self) -> Sequence[Candidate]:
        """The built-in implementations."""
        return members(fast_v1, accurate_v2, hybrid_v3)

    def make_case(self, size: int, rng: np.random.Generator) -> DampedWaves:
        """Return `size` damped waves."""
        return DampedWaves(
            decay=read_only(rng.uniform(0.1, 2.0, size)),
            frequency=read_only(rng.uniform(0.5, 8.0, size)),
            upper=read_only(rng.uniform(1.0, 4.0, size)),
        )

    def check(self, case: DampedWaves, result: Any) -> dict[str, float]:
        """Return the largest absolute error as ``abs_error``.

        Raises
        ------
        ValueError
            For another length or type, or an error above 1e-2: that is no integral but a mistake
            (NaN is one).
        """
        expected = _closed_form(case)
        found = as_vector(result, len(expected), "f")
        errors = np.abs(found - expected)
        worst = float(np.max(errors, initial=0.0))
        if not worst <= ABS_ERROR_LIMIT:
            at = int(np.argmax(np.where(np.isnan(errors), np.inf, errors)))
            raise ValueError(
                f"integral {at} should be {float(expected[at]):.9g} but is {float(found[at]):.9g} "
                f"(errors above {ABS_ERROR_LIMIT:g} count as wrong)"
            )
        return {"abs_error": worst}


def fast_v1(case: DampedWaves) -> Floats:
    """Apply Simpson's rule on 32 intervals to all waves at once."""
    n_intervals = 32
    weights = np.full(n_intervals + 1, 2.0)
    weights[1::2] = 4.0
    weights[[0, -1]] = 1.0
    step = case.upper / n_intervals
    x = step[:, np.newaxis] * np.arange(n_intervals + 1)
    integrals: Floats = case.heights(x) @ weights * step / 3
    return integrals


def accurate_v2(case: DampedWaves) -> Floats:
    """Ask QUADPACK (`scipy.integrate.quad`) for one integral after the other, to 1e-13."""
    from scipy.integrate import quad  # noqa: PLC0415 - heavy; the first call pays

    waves = zip(case.decay.tolist(), case.frequency.tolist(), case.upper.tolist(), strict=True)
    return np.array(
        [
            quad(_wave, 0.0, upper, args=(decay, frequency), epsabs=1e-13, epsrel=1e-13)[0]
            for decay, frequency, upper in waves
        ]
    )


def hybrid_v3(case: DampedWaves) -> Floats:
    """Halve the steps of Simpson's rule, only for waves whose estimate still moves.

    Richardson's estimate of the error, a fifteenth of the last change, must fall below 1e-6;
    the estimate is then added as a correction.
    """
    integrals = np.empty(len(case.upper))
    open_waves = np.arange(len(case.upper))
    n_intervals = 8
    ends = np.stack([np.zeros_like(case.upper), case.upper], axis=1)
    trapezoid = case.heights(ends).sum(axis=1) * case.upper / 2
    inner = case.upper[:, np.newaxis] * (np.arange(1, n_intervals) / n_intervals)
    trapezoid = (
        trapezoid / n_intervals + case.heights(inner).sum(axis=1) * case.upper / n_intervals
    )
    previous = np.full(len(case.upper), np.inf)
    while len(open_waves):
        fine = _halved(case, open_waves, trapezoid, n_intervals)
        simpson = (4 * fine - trapezoid) / 3
        correction = (simpson - previous) / 15
        n_intervals *= 2
        done = np.abs(correction) <= HYBRID_TOLERANCE
        if n_intervals >= HYBRID_MAX_INTERVALS:
            done[:] = True
        integrals[open_waves[done]] = (simpson + correction)[done]
        open_waves, trapezoid, previous = open_waves[~done], fine[~done], simpson[~done]
    return integrals


def _halved(case: DampedWaves, chosen: NDArray[Any], coarse: Floats, n_intervals: int) -> Floats:
    """Return the trapezoid rule on twice as many intervals, reusing the coarse one."""
    step = case.upper[chosen] / n_intervals
    middles = step[:, np.newaxis] * (np.arange(n_intervals) + 0.5)
    fine: Floats = (coarse + case.heights(middles, chosen).sum(axis=1) * step) / 2
    return fine


def _wave(x: float, decay: float, frequency: float) -> float:
    return math.exp(-decay * x) * math.cos(frequency * x)


def _closed_form(case: DampedWaves) -> Floats:
    """Return the integrals as the antiderivative gives them.

    ``[a - exp(-a u) (a cos(c u) - c sin(c u))] / (a^2 + c^2)`` for decay a, frequency c, upper u.
    """
    a, c, u = case.decay, case.frequency, case.upper
    at_upper = np.exp(-a * u) * (a * np.cos(c * u) - c * np.sin(c * u))
    integrals: Floats = (a - at_upper) / (a * a + c * c)
    return integrals
