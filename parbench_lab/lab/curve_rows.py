"""Scaling curves and their fits as plain rows, for the store. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from parbench_lab.analysis.curve import ScalingCurve
from parbench_lab.core.estimate import Estimate
from parbench_lab.core.runs import CurveRow, FitRow
from parbench_lab.errors import UsageError
from parbench_lab.scaling.plan import Series

FIGURES = ("time_s", "speedup", "efficiency", "throughput", "serial_fraction", "peak_memory_bytes")
COEFFICIENTS = ("alpha", "beta", "gamma", "peak_workers", "limit")
"""Of a fit; one whose interval has no end (a limit without contention) is left out."""


def curve_rows(curves: Mapping[Series, ScalingCurve]) -> list[CurveRow]:
    """Return every figure of every level."""
    return [
        CurveRow(
            backend=series.what_runs,
            scaling="adaptive" if curve.adaptive else curve.mode,
            series_size=series.size,
            workers=level.workers,
            size=level.size,
            metric=name,
            estimate=estimate,
        )
        for series, curve in curves.items()
        for level in curve.levels
        for name, estimate in _finite(level, FIGURES)
    ]


def fit_rows(curves: Mapping[Series, ScalingCurve]) -> list[FitRow]:
    """Return the coefficients of the default fit of each curve that carries one."""
    return [
        FitRow(
            backend=series.what_runs,
            scaling="adaptive" if curve.adaptive else curve.mode,
            series_size=series.size,
            law=law,
            parameter=name,
            estimate=estimate,
        )
        for series, curve in curves.items()
        for law, name, estimate in _fitted(curve)
    ]


def _fitted(curve: ScalingCurve) -> Iterator[tuple[str, str, Estimate]]:
    try:
        fit = curve.fit(law="gustafson" if curve.mode == "weak" else "usl")
    except UsageError:  # too few levels: the study ends all the same
        return
    for name, estimate in _finite(fit, COEFFICIENTS):
        yield str(fit.law), name, estimate


def _finite(holder: object, names: tuple[str, ...]) -> Iterator[tuple[str, Estimate]]:
    for name in names:
        estimate = getattr(holder, name)
        if estimate is None:
            continue
        if all(map(math.isfinite, (estimate.low, estimate.point, estimate.high))):
            yield name, estimate
