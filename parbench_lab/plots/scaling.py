"""Scaling curves as columns: what was measured, what every law says, and the ideal. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from parbench_lab.analysis.curve import Level, ScalingCurve
from parbench_lab.analysis.laws.curve import Band
from parbench_lab.analysis.laws.fitting import Fit
from parbench_lab.analysis.laws.formulas import karp_flatt
from parbench_lab.analysis.laws.projection import TRUSTED_RANGES
from parbench_lab.analysis.laws.ranges import Floats
from parbench_lab.core.estimate import Estimate
from parbench_lab.core.wording import NOTHING, amount, duration, memory
from parbench_lab.errors import UsageError
from parbench_lab.scaling.plan import Series

if TYPE_CHECKING:
    from bokeh.models import Column
    from bokeh.plotting import figure

Columns = dict[str, list[Any]]
Quantity = Literal["time_s", "speedup", "efficiency", "serial_fraction"]
"""What a figure shows over the number of workers."""
Oversubscribed = Literal["exclude", "include"]

QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)
LAW_NAMES = {"usl": "USL", "amdahl": "Amdahl", "gustafson": "Gustafson"}

_LAWS = {"strong": ("usl", "amdahl"), "weak": ("gustafson",)}
_LINE_POINTS = 49
_OUT_OF_SIGHT = 1e3
"""An end of a band so many times off its line is not drawn further away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingData:
    """What the plots of a study show.

    Parameters
    ----------
    points
        Series to columns ``workers, fitted_workers, runs, throughput, memory, note`` and, for
        each of `QUANTITIES`, the value, ``_low``, ``_high`` and ``_told`` (as a person reads it,
        with its unit). NaN where not measured; `fitted_workers` is NaN where no law saw the level.
    laws
        Series to law to the columns ``workers, note`` and the same four for each quantity.
    refusals
        Series to why no law was fitted, in one line.
    ideal
        Columns ``workers, speedup, efficiency``.
    cores
        Levels above this had more workers than cores; None where there is no curve, or they are
        of machines with different numbers of them.
    weak
        Whether every curve is one of weak scaling, which has no Karp-Flatt fraction.
    """

    points: dict[str, Columns] = field(default_factory=dict)
    laws: dict[str, dict[str, Columns]] = field(default_factory=dict)
    refusals: dict[str, str] = field(default_factory=dict)
    ideal: Columns = field(default_factory=dict)
    cores: int | None = None
    weak: bool = False

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """What there is to show."""
        return QUANTITIES[:-1] if self.weak else QUANTITIES

    @property
    def largest(self) -> float:
        """The worker count to which the axes go, at least 1."""
        return float(self.ideal["workers"][-1]) if self.ideal else 1.0

    @property
    def any_hollow(self) -> bool:
        """Whether some level was not seen by the laws of its series."""
        return any(math.isnan(n) for c in self.points.values() for n in c["fitted_workers"])

    def has(self, quantity: Quantity) -> bool:
        """Return whether some level has this quantity."""
        return any(math.isfinite(v) for c in self.points.values() for v in c[quantity])

    @property
    def shape(self) -> tuple[object, ...]:
        """What figures are built for: data of the same shape only need new columns."""
        laws = tuple((label, tuple(lines)) for label, lines in self.laws.items())
        there = tuple(self.has(quantity) for quantity in QUANTITIES)
        return laws, there, self.largest, self.any_hollow, self.cores, self.weak


def scaling_data(
    curves: ScalingCurve | Mapping[Any, ScalingCurve],
    *,
    fits: Mapping[Any, Sequence[Fit]] | Sequence[Fit] | None = None,
    hidden: int = 0,
    oversubscribed: Oversubscribed = "exclude",
    upto: float | None = None,
    workers: Sequence[int] = (),
) -> ScalingData:
    """Return the columns of the plots of one or several scaling curves.

    Parameters
    ----------
    curves
        One, or a mapping such as `ScalingStudy.curves` and `load_curves` give, side by side.
    fits
        The laws to draw: those of the one curve, or a mapping with the keys of `curves`. None
        fits every law that suits the mode; empty: none.
    hidden
        So many of the largest levels are hidden from the laws that are fitted here; 0 or more.
    oversubscribed
        ``"include"`` fits levels with more workers than cores too.
    upto
        Workers to which the lines go; twice the largest fitted level by default, and at least
        to the largest measured one.
    workers
        Counts that the axes hold even where nothing is measured yet.

    Raises
    ------
    UsageError
        If `hidden` is negative, or fits are given by themselves for several curves.

    Examples
    --------
    >>> from parbench_lab.analysis.trial import Trial
    >>> trials = tuple(
    ...     Trial(repetition=0, workers=n, size=10, outcome="ok", time_s=0.1 + 0.9 / n)
    ...     for n in (1, 2, 4, 8)
    ... )
    >>> data = scaling_data(ScalingCurve(name="job", backend="threads", cores=8, trials=trials))
    >>> data.points["job, threads"]["time_s_told"][0], sorted(data.laws["job, threads"])
    ('1.00 s', ['Amdahl', 'USL'])
    """
    if not hidden >= 0:
        raise UsageError(f"hidden must be a number of levels, 0 or more, but got {hidden}")
    given = _by_label(curves, fits)
    points, laws, refusals = {}, {}, {}
    for label, (curve, own) in given.items():
        drawn, why = (
            fitted_laws(curve, hidden=hidden, oversubscribed=oversubscribed)
            if own is None
            else (own, "")
        )
        points[label] = _points(curve, drawn)
        laws[label] = {LAW_NAMES[fit.law]: _law(fit, curve, upto) for fit in drawn}
        if why:
            refusals[label] = why
    known = [curve for curve, _ in given.values()]
    return ScalingData(
        points=points,
        laws=laws,
        refusals=refusals,
        ideal=_ideal(points, laws, workers),
        cores=known[0].cores if len({curve.cores for curve in known}) == 1 else None,
        weak=bool(known) and all(curve.mode == "weak" for curve in known),
    )


def fitted_laws(
    curve: ScalingCurve, *, hidden: int = 0, oversubscribed: Oversubscribed = "exclude"
) -> tuple[tuple[Fit, ...], str]:
    """Return every law that suits a curve's mode, fitted, or none and why in one line.

    Parameters
    ----------
    curve
        USL and Amdahl for strong scaling, Gustafson for weak.
    hidden
        So many of the largest levels are hidden.
    oversubscribed
        As in `ScalingCurve.fit`.
    """
    seen = [
        level.workers
        for level in curve.levels
        if level.time_s is not None and (oversubscribed == "include" or not level.oversubscribed)
    ]
    cut = set(seen[len(seen) - hidden :] if hidden else ())
    trials = tuple(trial for trial in curve.trials if trial.workers not in cut)
    visible = replace(curve, trials=trials) if cut else curve
    try:
        return tuple(
            visible.fit(law=law, oversubscribed=oversubscribed) for law in _LAWS[curve.mode]
        ), ""
    except UsageError as refusal:
        return (), str(refusal)


def scaling_figures(
    shown: ScalingData | ScalingCurve | Mapping[Any, ScalingCurve], *, log: bool = False
) -> Column:
    """Return time, speedup, efficiency and serial fraction, side by side on a wide page.

    Sources are named ``scaling:points:<series>``, ``scaling:law:<series>:<law>`` and
    ``scaling:ideal``.

    Parameters
    ----------
    shown
        From `scaling_data`, or the curves themselves (with every law that suits them).
    log
        Workers, times and speedups on logarithmic axes.
    """
    from parbench_lab.plots import scaling_drawing  # noqa: PLC0415 - loads bokeh

    return scaling_drawing.all_of(_as_data(shown), log=log)


def scaling_figure(
    shown: ScalingData | ScalingCurve | Mapping[Any, ScalingCurve],
    quantity: Quantity = "speedup",
    *,
    log: bool = False,
) -> figure:
    """Return one of the `scaling_figures`; parameters as there.

    Raises
    ------
    UsageError
        If there is no such quantity.
    """
    from parbench_lab.plots import scaling_drawing  # noqa: PLC0415 - loads bokeh

    if quantity not in QUANTITIES:
        raise UsageError(f"quantity must be one of {', '.join(QUANTITIES)} but got {quantity!r}")
    return scaling_drawing.one_of(_as_data(shown), quantity, log=log)


def _as_data(shown: ScalingData | ScalingCurve | Mapping[Any, ScalingCurve]) -> ScalingData:
    return shown if isinstance(shown, ScalingData) else scaling_data(shown)


def _by_label(
    curves: ScalingCurve | Mapping[Any, ScalingCurve],
    fits: Mapping[Any, Sequence[Fit]] | Sequence[Fit] | None,
) -> dict[str, tuple[ScalingCurve, Sequence[Fit] | None]]:
    """Return label to curve and the fits that were given for it (None: none were)."""
    if isinstance(curves, ScalingCurve):
        label = f"{curves.name}, {curves.backend}"
        own = fits.get(label, ()) if isinstance(fits, Mapping) else fits
        return {label: (curves, own)}
    if fits is not None and not isinstance(fits, Mapping):
        raise UsageError("fits of several curves must be a mapping with the keys of the curves")
    return {
        label: (curves[key], None if fits is None else fits.get(key, ()))
        for key, label in series_labels(curves).items()
    }


def series_labels(keys: Iterable[Any]) -> dict[Any, str]:
    """Return how each series is named in legends: by what it does not share with the others.

    Examples
    --------
    >>> from parbench_lab.scaling.plan import Series
    >>> both = [Series(backend=name, size=1000) for name in ("threads", "dask")]
    >>> list(series_labels(both).values()), list(series_labels(["mine"]).values())
    (['threads', 'dask'], ['mine'])
    """
    known = list(keys)
    if not all(isinstance(key, Series) for key in known):
        return {key: str(key) for key in known}
    facts = {key: (key.backend, f"{key.size:,} items", key.batches) for key in known}
    # the backend names a single series
    told = [n for n in range(3) if len({fact[n] for fact in facts.values()}) > 1] or [0]
    return {
        key: ", ".join(fact[n] for n in told if fact[n]) or str(key) for key, fact in facts.items()
    }


# ---------------------------------------------------------------- what was measured


def _points(curve: ScalingCurve, fits: Sequence[Fit]) -> Columns:
    levels = [level for level in curve.levels if level.time_s is not None]
    seen = {float(count) for fit in fits for count in fit.data.workers}
    hollow = [bool(fits) and level.workers not in seen for level in levels]
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
    """
    if estimate is None:
        return NOTHING
    return _told(estimate.point, estimate.low, estimate.high, quantity)


def _told(point: float, low: float, high: float, quantity: Quantity) -> str:
    if math.isnan(point):
        return NOTHING
    if quantity == "time_s":
        ends = f"{duration(low)}, {duration(high)}" if math.isfinite(high) else "no bound"
        return duration(point) + (f" [{ends}]" if low < high else "")
    factor, unit = (1.0, "") if quantity == "speedup" else (100.0, " %")
    interval = f" [{factor * low:.3g}, {factor * high:.3g}]" if low < high else ""
    return f"{factor * point:.3g}{unit}{interval}"


# ---------------------------------------------------------------- what the laws say


def _law(fit: Fit, curve: ScalingCurve, upto: float | None) -> Columns:
    n = _line_workers(fit, curve, upto)
    columns: Columns = {"workers": n.tolist(), "note": [_trust(fit, count) for count in n]}
    for quantity, ends in _law_bands(fit, curve, n).items():
        point, low, high = ends
        columns[quantity] = point.tolist()
        columns[f"{quantity}_low"] = np.fmax(low, point / _OUT_OF_SIGHT).tolist()
        columns[f"{quantity}_high"] = np.fmin(high, point * _OUT_OF_SIGHT).tolist()
        columns[f"{quantity}_told"] = [
            _told(*values, quantity) for values in zip(point, low, high, strict=True)
        ]
    return columns


def _line_workers(fit: Fit, curve: ScalingCurve, upto: float | None) -> Floats:
    """Return the counts at which a line is drawn; the levels are among them."""
    levels = [float(level.workers) for level in curve.levels if level.time_s is not None]
    end = max(upto or TRUSTED_RANGES * fit.data.largest, *levels)
    spread = np.geomspace(min(1.0, levels[0]), end, _LINE_POINTS)
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
        "time_s": _ends(fit.band(n, shown="time_s"), _work(fit, curve, n)),
        "speedup": _ends(speedup, over),
        "efficiency": _ends(speedup, over / n),
    }
    if curve.mode == "strong" and base == 1:
        bands["serial_fraction"] = _serial_fractions(speedup)
    else:
        nothing = np.full_like(n, math.nan)
        bands["serial_fraction"] = nothing, nothing, nothing
    return bands


def _work(fit: Fit, curve: ScalingCurve, n: Floats) -> Floats | float:
    """Return what a fitted time is multiplied by: a weak curve's is that of one share of work."""
    if curve.mode == "weak" and fit.data.mode == "strong":
        grown: Floats = n / float(curve.levels[0].workers)
        return grown
    return 1.0


def _ends(band: Band, factor: Floats | float) -> tuple[Floats, Floats, Floats]:
    return band.point * factor, band.low * factor, band.high * factor


def _serial_fractions(speedup: Band) -> tuple[Floats, Floats, Floats]:
    """Return Karp and Flatt's fraction of a law from two workers on, as it is measured."""
    n = speedup.workers
    from_two = n >= 2
    found = []
    for ends in (speedup.point, speedup.high, speedup.low):
        fraction = np.full_like(n, math.nan)
        possible = np.clip(ends[from_two], n[from_two] / _OUT_OF_SIGHT, n[from_two])
        fraction[from_two] = karp_flatt(speedup=possible, workers=n[from_two])
        found.append(fraction)
    return found[0], found[1], found[2]


def _trust(fit: Fit, workers: float) -> str:
    if workers > TRUSTED_RANGES * fit.data.largest:
        return "beyond twice the fitted range: no promise"
    return "beyond the fitted range" if workers > fit.data.largest else ""


def _ideal(
    points: Mapping[str, Columns], laws: Mapping[str, Mapping[str, Columns]], also: Sequence[int]
) -> Columns:
    ends = [count for columns in points.values() for count in columns["workers"]]
    ends += [line["workers"][-1] for lines in laws.values() for line in lines.values()]
    end = max([*ends, *map(float, also)], default=1.0)
    counts = np.unique(np.append(np.geomspace(1.0, end, _LINE_POINTS), ends).round(6)).tolist()
    return {"workers": counts, "speedup": counts, "efficiency": [1.0] * len(counts)}
