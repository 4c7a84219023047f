"""The columns of what a study measured, in words too, and how far an interval is drawn. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, get_args

from parbench_lab.analysis.curve import Level, ScalingCurve
from parbench_lab.core.estimate import Estimate
from parbench_lab.core.wording import NOTHING, amount, duration, memory

Columns = dict[str, list[Any]]
Quantity = Literal["time_s", "speedup", "efficiency", "serial_fraction"]
"""What a figure shows over the number of workers."""

QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)

_FARTHEST = 5.0
"""Times the largest point: a longer interval is cut there, or it would press all others flat."""
_NEAREST = 0.01
"""Times the smallest point: a logarithmic axis has no 0."""


def measured_columns(curve: ScalingCurve, seen: Collection[float] | None) -> Columns:
    """Return what was measured of a curve.

    Parameters
    ----------
    curve
        Levels without a time are left out.
    seen
        The worker counts that laws are fitted to, or would be if there were enough; None: no law
        is wanted, so no level is kept from any.
    """
    levels = [level for level in curve.levels if level.time_s is not None]
    hollow = [seen is not None and level.workers not in seen for level in levels]
    columns: Columns = {
        "workers": [float(level.workers) for level in levels],
        "fitted_workers": [
            math.nan if apart else float(level.workers)
            for level, apart in zip(levels, hollow, strict=True)
        ],
        "runs": [level.time_s.n if level.time_s else 0 for level in levels],
        "throughput": [_throughput_told(level, curve.unit) for level in levels],
        "memory": [memory(_point(level.peak_memory_bytes)) for level in levels],
        "note": [_note(level, apart) for level, apart in zip(levels, hollow, strict=True)],
    }
    for quantity in QUANTITIES:
        estimates = [getattr(level, quantity) for level in levels]
        columns[quantity] = [math.nan if e is None else e.point for e in estimates]
        columns[f"{quantity}_low"] = [math.nan if e is None else e.low for e in estimates]
        columns[f"{quantity}_high"] = [math.nan if e is None else e.high for e in estimates]
        columns[f"{quantity}_told"] = [told(e, quantity) for e in estimates]
    return columns


def _note(level: Level, hollow: bool) -> str:  # noqa: FBT001 - a column beside another
    notes = ["not seen by the laws"] if hollow else []
    return "; ".join([*notes, *(["more workers than cores"] if level.oversubscribed else [])])


def _throughput_told(level: Level, unit: str) -> str:
    return f"{amount(_point(level.throughput))} {unit}/s"


def _point(estimate: Estimate | None) -> float | None:
    return None if estimate is None else estimate.point


def told(estimate: Estimate | None, quantity: Quantity) -> str:
    """Return an estimate as a person reads it: with its unit, and its interval where it has one.

    Examples
    --------
    >>> half = Estimate(point=0.5, low=0.45, high=0.52, confidence=0.95, n=5)
    >>> told(half, "efficiency"), told(half, "time_s"), told(None, "speedup")
    ('50 % [45, 52]', '500 ms [450 ms, 520 ms]', '-')
    >>> told(Estimate(point=0.9, low=-0.4, high=1.8, confidence=0.95, n=3), "serial_fraction")
    'not certain [-40, 180]'
    """
    if estimate is None:
        return NOTHING
    return told_interval(estimate.point, estimate.low, estimate.high, quantity)


def told_interval(point: float, low: float, high: float, quantity: Quantity) -> str:
    """Return the same of three numbers; NaN is not measured, an infinite end no bound."""
    if math.isnan(point):
        return NOTHING
    if quantity == "time_s":
        ends = f"{duration(low)}, {duration(high)}" if math.isfinite(high) else "no bound"
        return duration(point) + (f" [{ends}]" if low < high else "")
    factor, unit = (1.0, "") if quantity == "speedup" else (100.0, " %")
    shown = (f"{factor * end:.3g}" if math.isfinite(end) else "no bound" for end in (low, high))
    interval = f" [{', '.join(shown)}]" if low < high else ""
    if quantity == "serial_fraction" and low <= 0.0 and high >= 1.0:
        return f"not certain{interval}"
    return f"{factor * point:.3g}{unit}{interval}"


# ---------------------------------------------------------------- how far it is drawn


def add_drawn_ends(points: Mapping[str, Columns]) -> None:
    """Add where intervals are drawn to, in the same frame for all series.

    For each of `QUANTITIES`: ``_from`` and ``_to``, and ``_cut_low`` and ``_cut_high``, the same
    ends where an interval goes on beyond them and NaN everywhere else.
    """
    for quantity in QUANTITIES:
        lowest, highest = _frame(
            [v for columns in points.values() for v in columns[quantity]],
            share=quantity == "serial_fraction",
        )
        for columns in points.values():
            lows, highs = columns[f"{quantity}_low"], columns[f"{quantity}_high"]
            columns[f"{quantity}_from"] = [max(low, lowest) for low in lows]
            columns[f"{quantity}_to"] = [min(high, highest) for high in highs]
            columns[f"{quantity}_cut_low"] = [lowest if v < lowest else math.nan for v in lows]
            columns[f"{quantity}_cut_high"] = [highest if v > highest else math.nan for v in highs]


def _frame(points: Sequence[float], *, share: bool) -> tuple[float, float]:
    """Return the lowest and the highest end that is drawn; a share is one of 0 to 100 %."""
    known = [value for value in points if math.isfinite(value)]
    if not known:
        return -math.inf, math.inf
    if share:
        return min(*known, 0.0) - 1.0, max(*known, 1.0) + 1.0
    return _NEAREST * min(known), _FARTHEST * max(known)
