"""The ways to fit a law: each turns observations into a least-squares problem. Pure.

The convention moves the answer more than its standard error does, so every fit names its own:

``time`` (the default)
    Seconds, with relative weights: timing noise is proportional to the time. Linear in the
    coefficients T1, T1 alpha, T1 beta on the columns 1/N, 1 - 1/N, N - 1.
``throughput``
    Throughput with equal weights, alpha, beta and gamma free: what most published fits use. Its
    intervals are profiles of the likelihood.
``throughput_fixed``
    The same with gamma fixed to the measured X(1).
``quadratic``
    N/C - 1 on (N - 1) and (N - 1)^2 without intercept, gamma fixed to X(1), as in early
    spreadsheets and R's usl before 2.0; standard errors from the throughput curve.

The first is the one to trust: the others are there to reproduce published coefficients and to
show how far they are apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from parbench_lab.analysis.laws.least_squares import Problem
from parbench_lab.analysis.laws.observations import Observations
from parbench_lab.analysis.laws.ranges import Floats
from parbench_lab.core.given import checked_confidence
from parbench_lab.errors import UsageError

Law = Literal["usl", "amdahl", "gustafson"]
Convention = Literal["time", "throughput", "throughput_fixed", "quadratic"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """What is fitted and how.

    Raises
    ------
    UsageError
        If a name is unknown, `bounded` is neither True nor False, the confidence is not within
        (0, 1), or the law has no such convention.
    """

    law: Law = "usl"
    convention: Convention = "time"
    bounded: bool = True
    confidence: float = 0.95

    def __post_init__(self) -> None:
        if self.law not in get_args(Law):
            raise UsageError(f"law must be one of {', '.join(get_args(Law))} but got {self.law!r}")
        if self.convention not in get_args(Convention):
            raise UsageError(
                f"convention must be one of {', '.join(get_args(Convention))} "
                f"but got {self.convention!r}"
            )
        if not isinstance(self.bounded, bool | np.bool_):
            raise UsageError(f"bounded must be True or False but got {self.bounded!r}")
        checked_confidence(self.confidence)
        if self.law == "gustafson" and self.convention == "quadratic":
            raise UsageError("law='gustafson' has no convention 'quadratic': give 'time'")

    @property
    def gamma_is_fixed(self) -> bool:
        """Whether the throughput of one worker is taken as measured."""
        return self.convention in ("throughput_fixed", "quadratic")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Setup:
    """The problem whose optimum is wanted, and the one whose residuals judge it.

    They differ in the convention ``quadratic`` only.
    """

    estimate: Problem
    judge: Problem


def rows(law: Law, workers: Floats) -> Floats:
    """Return the known columns (levels, coefficients) of a law.

    Amdahl and USL: seconds per unit of work are these times T1, T1 alpha (, T1 beta). Gustafson:
    throughput is these times gamma, gamma s.
    """
    n = np.asarray(workers, dtype=float)
    if law == "gustafson":
        return np.stack([n, 1.0 - n], axis=-1)
    if law == "amdahl":
        return np.stack([1.0 / n, 1.0 - 1.0 / n], axis=-1)
    return np.stack([1.0 / n, 1.0 - 1.0 / n, n - 1.0], axis=-1)


def set_up(seen: Observations, method: Method) -> Setup:
    """Return the least-squares problem of a method on observations.

    Raises
    ------
    UsageError
        If the convention fixes gamma to the throughput of one worker and that was not measured.
    """
    columns = rows(method.law, seen.workers)
    linear_in_time = method.law != "gustafson"
    first = _first(seen, in_time=linear_in_time) if method.gamma_is_fixed else None
    if method.convention == "time":
        response = seen.seconds_per_unit if linear_in_time else seen.throughput
        both = Problem(columns=columns, response=response, weights=1.0 / response)
        return Setup(estimate=both, judge=both)
    judge = Problem(
        columns=columns,
        response=seen.throughput,
        weights=np.ones(seen.n_levels),
        inverse=linear_in_time,
        first=first,
    )
    if method.convention != "quadratic":
        return Setup(estimate=judge, judge=judge)
    spreadsheet = Problem(
        columns=columns,
        response=seen.seconds_per_unit,
        weights=seen.workers,
        first=first,
    )
    return Setup(estimate=spreadsheet, judge=judge)


def _first(seen: Observations, *, in_time: bool) -> float:
    at_one = seen.throughput[seen.workers == 1]
    if not len(at_one):
        raise UsageError(
            "this convention takes the throughput of one worker as measured, but there is no "
            "level with 1 worker: measure it, or give convention='time'"
        )
    gamma = float(np.median(at_one))
    return 1.0 / gamma if in_time else gamma
