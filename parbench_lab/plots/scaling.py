"""Scaling curves as columns: what was measured, what every law says, and the ideal. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from parbench_lab.analysis.curve import ScalingCurve
from parbench_lab.analysis.laws.fitting import Fit
from parbench_lab.errors import UsageError
from parbench_lab.plots.scaling_columns import (
    QUANTITIES,
    Columns,
    Quantity,
    add_drawn_ends,
    measured_columns,
    told,
)
from parbench_lab.plots.scaling_laws import LINE_POINTS, law_columns
from parbench_lab.scaling.plan import Series

if TYPE_CHECKING:
    from bokeh.models import Column
    from bokeh.plotting import figure

__all__ = [
    "LAW_NAMES",
    "QUANTITIES",
    "Columns",
    "Oversubscribed",
    "Quantity",
    "ScalingData",
    "fitted_laws",
    "scaling_data",
    "scaling_figure",
    "scaling_figures",
    "series_labels",
    "told",
]

Oversubscribed = Literal["exclude", "include"]

LAW_NAMES = {"usl": "USL", "amdahl": "Amdahl", "gustafson": "Gustafson"}

_LAWS = {"strong": ("usl", "amdahl"), "weak": ("gustafson",)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingData:
    """What the plots of a study show.

    Parameters
    ----------
    points
        Series to columns ``workers, fitted_workers, runs, throughput, memory, note`` and, for
        each of `QUANTITIES`, the value, ``_low``, ``_high``, ``_told`` (as a person reads it,
        with its unit) and how far the interval is drawn (see `add_drawn_ends`). NaN where not
        measured; `fitted_workers` is NaN where no law saw the level,
        or would see it if there were more.
    laws
        Series to law to the columns ``workers, note`` and the same four for each quantity.
    refusals
        Series to why no law was fitted, in one line.
    ideal
        Columns ``workers, speedup, efficiency``.
    cores
        Levels above this had more workers than cores, those on a given cluster excepted; None
        where there are none such, or the curves are of machines with different numbers of them.
    clustered
        Whether some curves, and not all, are of a given cluster, which `cores` is not about.
    weak
        Whether every curve is one of weak scaling, so a serial fraction is the scaled one.
    mixed
        Whether some curves, and not all, are of weak scaling.
    """

    points: dict[str, Columns] = field(default_factory=dict)
    laws: dict[str, dict[str, Columns]] = field(default_factory=dict)
    refusals: dict[str, str] = field(default_factory=dict)
    ideal: Columns = field(default_factory=dict)
    cores: int | None = None
    clustered: bool = False
    weak: bool = False
    mixed: bool = False

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

    def any_cut(self, quantity: Quantity) -> bool:
        """Return whether some interval goes on beyond where it is drawn to."""
        ends = (f"{quantity}_cut_low", f"{quantity}_cut_high")
        return any(math.isfinite(v) for c in self.points.values() for end in ends for v in c[end])

    @property
    def shape(self) -> tuple[object, ...]:
        """What figures are built for: data of the same shape only need new columns."""
        laws = tuple((label, tuple(lines)) for label, lines in self.laws.items())
        there = tuple(self.has(quantity) for quantity in QUANTITIES)
        cut = tuple(self.any_cut(quantity) for quantity in QUANTITIES)
        about = (self.cores, self.clustered, self.weak, self.mixed)
        return laws, there, cut, self.largest, self.any_hollow, *about


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
        seen = {float(count) for fit in drawn for count in fit.data.workers} or None
        if why:  # what a law may not see is told where there are too few levels for one, too
            seen = {*map(float, _for_laws(curve, hidden, oversubscribed))}
        points[label] = measured_columns(curve, seen)
        laws[label] = {LAW_NAMES[fit.law]: law_columns(fit, curve, upto) for fit in drawn}
        if why:
            refusals[label] = why
    add_drawn_ends(points)
    known = [curve for curve, _ in given.values()]
    bounds = {curve.cores for curve in known if not curve.on_cluster}
    clustered = {curve.on_cluster for curve in known} == {False, True}
    # a shade that only a cluster's levels reach into would mark what is not oversubscribed
    shades = not clustered or any(level.oversubscribed for c in known for level in c.levels)
    return ScalingData(
        points=points,
        laws=laws,
        refusals=refusals,
        ideal=_ideal(points, laws, workers),
        cores=bounds.pop() if shades and len(bounds) == 1 else None,
        clustered=clustered,
        weak={curve.mode for curve in known} == {"weak"},
        mixed={curve.mode for curve in known} == {"strong", "weak"},
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
    cut = {*_for_laws(curve, 0, oversubscribed)} - {*_for_laws(curve, hidden, oversubscribed)}
    trials = tuple(trial for trial in curve.trials if trial.workers not in cut)
    visible = replace(curve, trials=trials) if cut else curve
    try:
        return tuple(
            visible.fit(law=law, oversubscribed=oversubscribed) for law in _LAWS[curve.mode]
        ), ""
    except UsageError as refusal:
        return (), str(refusal)


def _for_laws(curve: ScalingCurve, hidden: int, oversubscribed: Oversubscribed) -> Sequence[int]:
    """Return the worker counts that laws may see."""
    counts = [
        level.workers
        for level in curve.levels
        if level.time_s is not None and (oversubscribed == "include" or not level.oversubscribed)
    ]
    return counts[: max(0, len(counts) - hidden)]


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


def _ideal(
    points: Mapping[str, Columns], laws: Mapping[str, Mapping[str, Columns]], also: Sequence[int]
) -> Columns:
    ends = [count for columns in points.values() for count in columns["workers"]]
    ends += [line["workers"][-1] for lines in laws.values() for line in lines.values()]
    end = max([*ends, *map(float, also)], default=1.0)
    counts = np.unique(np.append(np.geomspace(1.0, end, LINE_POINTS), ends).round(6)).tolist()
    return {"workers": counts, "speedup": counts, "efficiency": [1.0] * len(counts)}
