"""The columns of a fitted law: its line and band over the workers. Pure."""

from __future__ import annotations

import math

import numpy as np

from parbench_lab.analysis.curve import ScalingCurve
from parbench_lab.analysis.laws.curve import Band
from parbench_lab.analysis.laws.fitting import Fit
from parbench_lab.analysis.laws.projection import TRUSTED_RANGES
from parbench_lab.analysis.laws.ranges import Floats
from parbench_lab.analysis.serial_fraction import fractions_of
from parbench_lab.plots.scaling_columns import Columns, Quantity, told_interval

LINE_POINTS = 49
_OUT_OF_SIGHT = 1e3
"""An end of a band so many times off its line is not drawn further away."""
_FARTHEST_FRACTION = 10.0


def law_columns(fit: Fit, curve: ScalingCurve, upto: float | None) -> Columns:
    """Return a law's line and band over the workers, in the terms of the measured points.

    Parameters
    ----------
    fit, curve
        The law, and the curve that it is drawn beside.
    upto
        Workers to which it goes; None: twice the largest fitted level.
    """
    n = _line_workers(fit, curve, upto)
    columns: Columns = {"workers": n.tolist(), "note": [_trust(fit, count) for count in n]}
    for quantity, ends in _law_bands(fit, curve, n).items():
        point, low, high = ends
        columns[quantity] = point.tolist()
        columns[f"{quantity}_low"] = np.fmax(low, point / _OUT_OF_SIGHT).tolist()
        columns[f"{quantity}_high"] = np.fmin(high, point * _OUT_OF_SIGHT).tolist()
        columns[f"{quantity}_told"] = [
            told_interval(*values, quantity) for values in zip(point, low, high, strict=True)
        ]
    return columns


def _line_workers(fit: Fit, curve: ScalingCurve, upto: float | None) -> Floats:
    """Return the counts at which a line is drawn; the levels are among them."""
    levels = [float(level.workers) for level in curve.levels if level.time_s is not None]
    end = max(upto or TRUSTED_RANGES * fit.data.largest, *levels)
    spread = np.geomspace(min(1.0, levels[0]), end, LINE_POINTS)
    found: Floats = np.unique(np.concatenate([spread.round(6), levels]))
    return found


def _law_bands(
    fit: Fit, curve: ScalingCurve, n: Floats
) -> dict[Quantity, tuple[Floats, Floats, Floats]]:
    """Return point, low and high of each quantity, in the terms of the measured ones."""
    speedup, base = fit.band(n, shown="speedup"), float(curve.base or 1)
    # measured speedups are over the base level, taken as if it had scaled
    over = base / float(fit.predict([base], shown="speedup")[0])
    bands: dict[Quantity, tuple[Floats, Floats, Floats]] = {
        "time_s": _ends(fit.band(n, shown="time_s"), 1.0),
        "speedup": _ends(speedup, over),
        "efficiency": _ends(speedup, over / n),
    }
    bands["serial_fraction"] = _serial_fractions(
        n, bands["speedup"], base=base, weak=curve.mode == "weak"
    )
    return bands


def _ends(band: Band, factor: Floats | float) -> tuple[Floats, Floats, Floats]:
    return band.point * factor, band.low * factor, band.high * factor


def _serial_fractions(
    n: Floats, speedup: tuple[Floats, Floats, Floats], *, base: float, weak: bool
) -> tuple[Floats, Floats, Floats]:
    """Return the fraction of a law from one worker beyond the base on, as it is measured."""
    there = n >= base + 1.0
    found = []
    for ends in (speedup[0], speedup[2], speedup[1]):
        fraction = np.full_like(n, math.nan)
        possible = np.clip(ends[there], n[there] / _OUT_OF_SIGHT, n[there])
        fraction[there] = fractions_of(possible, n[there], base=base, weak=weak)
        found.append(fraction)
    # a line that no fraction explains is nowhere, and near there it would press all others flat
    nowhere = found[0] > _FARTHEST_FRACTION
    point, low, high = (np.where(nowhere, math.nan, fraction) for fraction in found)
    return point, low, high


def _trust(fit: Fit, workers: float) -> str:
    if workers > TRUSTED_RANGES * fit.data.largest:
        return "beyond twice the fitted range: no promise"
    return "beyond the fitted range" if workers > fit.data.largest else ""
