"""Figures run after run: a time line per candidate, machines apart, changes marked."""

from __future__ import annotations

import datetime as dt
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from parbench_lab.core.metric import MEASURED_METRICS, Metric
from parbench_lab.core.series import SeriesKey, SeriesPoint
from parbench_lab.core.wording import amount, commit_words, count, duration, memory, printable

if TYPE_CHECKING:
    from bokeh.models import Column
    from bokeh.plotting import figure

Columns = dict[str, list[Any]]
MarkKind = Literal["hint", "alarm"]

PANELS_AT_MOST = 12
"""Figures on a page: each draws itself in the reader's browser."""
ALARMS_AT_MOST = 20
"""Lines of alarms below them."""

_POINT_COLUMNS = ("started", "value", "low", "high", "told", "commit", "run", "n")
_MARK_COLUMNS = ("started", "value", "way", "kind", "told", "candidate")
_COMMIT_COLUMNS = ("started", "commit", "dirty", "label", "told", "run")
_TICK_DIGITS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A run from which on a series is another.

    Parameters
    ----------
    key
        Of the series.
    run_id, started
        The first run after the change, or the watch's night; aware.
    worse
        Whether the change is for the worse.
    kind
        ``"alarm"``: shown in paired rounds by a watch; ``"hint"``: a change point of stored
        figures, which are of different days.
    told
        In a sentence.
    """

    key: SeriesKey
    run_id: str
    started: dt.datetime
    worse: bool
    kind: MarkKind
    told: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryPanel:
    """One figure: candidates of one workload, size, mode and metric on one machine.

    Parameters
    ----------
    title, unit
        Of the figure and of its values.
    series
        Candidate to columns ``started, value, low, high, told, commit, run, n``.
    marks
        Columns ``started, value, way, kind, told, candidate``.
    commits
        Where the code changes, from the first run of a commit on: columns ``started, commit,
        dirty, label, told, run``. ``label`` is short, with a ``*`` where the tree had changes
        that were in no commit. Runs whose commit is unknown change nothing.
    newest
        When the last of its runs began.
    """

    title: str
    unit: str
    newest: dt.datetime
    series: dict[str, Columns]
    marks: Columns = field(default_factory=lambda: {name: [] for name in _MARK_COLUMNS})
    commits: Columns = field(default_factory=lambda: {name: [] for name in _COMMIT_COLUMNS})


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryData:
    """What the plots of a history show.

    Parameters
    ----------
    panels
        The one with the newest run first.
    candidates
        All names, in the order in which they were first measured: what colours are given by.
    nights
        Runs of watches, which have no figures here; at least those that raised an alarm.
    alarms
        Those that no figure shows, with their day: of series without points, or from before the
        first one.
    """

    panels: tuple[HistoryPanel, ...] = ()
    candidates: tuple[str, ...] = ()
    nights: int = 0
    alarms: tuple[str, ...] = ()


def history_data(
    points: Sequence[SeriesPoint],
    marks: Sequence[Mark] = (),
    *,
    machines: Mapping[str, str] | None = None,
    metrics: Mapping[str, Metric] | None = None,
    nights: int = 0,
) -> HistoryData:
    """Return the columns of the plots.

    Parameters
    ----------
    points
        As a store's `series` gives them, oldest first.
    marks
        Of changes and alarms. Hints of series without points are passed over; alarms of such,
        or from before the first point, are only told.
    machines
        Fingerprint to a name that people know; the fingerprint alone where it is not there.
    metrics
        By name, for the units; those every race measures are known.
    nights
        Runs of watches, from 0 up: what is told where there are no points.
    """
    known = {**MEASURED_METRICS, **(metrics or {})}
    panels: dict[tuple[Any, ...], dict[SeriesKey, list[SeriesPoint]]] = {}
    for point in points:
        panels.setdefault(_panel(point.key), {}).setdefault(point.key, []).append(point)
    series = {key: points for panel in panels.values() for key, points in panel.items()}
    made = [_panel_data(series, marks, machines or {}, known) for series in panels.values()]
    return HistoryData(
        panels=tuple(sorted(made, key=lambda one: one.newest, reverse=True)),
        candidates=tuple(dict.fromkeys(point.key.candidate for point in points)),
        nights=max(nights, len({mark.run_id for mark in marks if mark.kind == "alarm"})),
        alarms=tuple(
            f"{mark.started:%Y-%m-%d}: {mark.told} ({_title(mark.key, {})})".replace("\n", " ")
            for mark in marks
            if mark.kind == "alarm" and _place(mark, series.get(mark.key, ())) is None
        ),
    )


def _panel(key: SeriesKey) -> tuple[Any, ...]:
    return key.workload, key.size, key.mode, key.metric, key.machine


def _panel_data(
    series: Mapping[SeriesKey, Sequence[SeriesPoint]],
    marks: Sequence[Mark],
    machines: Mapping[str, str],
    metrics: Mapping[str, Metric],
) -> HistoryPanel:
    key = next(iter(series))
    columns: Columns = {name: [] for name in _MARK_COLUMNS}
    for mark in marks:
        at = _place(mark, series.get(mark.key, ()))
        if at is None:
            continue
        row = (mark.started, at.median.point, _way(mark), mark.kind, mark.told, mark.key.candidate)
        for name, value in zip(_MARK_COLUMNS, row, strict=True):
            columns[name].append(value)
    metric = metrics.get(key.metric)
    return HistoryPanel(
        title=_title(key, machines),
        unit=metric.unit if metric is not None else "",
        newest=max(points[-1].started for points in series.values()),
        series={one.candidate: _columns(points) for one, points in series.items()},
        marks=columns,
        commits=_commit_columns([point for points in series.values() for point in points]),
    )


def _commit_columns(points: Sequence[SeriesPoint]) -> Columns:
    """Return where runs of another commit begin, or of one with changes on top."""
    columns: Columns = {name: [] for name in _COMMIT_COLUMNS}
    last: tuple[str, bool] | None = None
    for point in sorted(points, key=lambda point: (point.started, point.run_id)):
        code = (point.commit, point.dirty)
        if not point.commit or code == last:
            continue
        last = code
        label = printable(point.commit[:_TICK_DIGITS]) + ("*" if point.dirty else "")
        commit = commit_words(point.commit, dirty=point.dirty)
        told = f"commit {commit}, from {point.started:%Y-%m-%d %H:%M} on"
        row = (point.started, point.commit, point.dirty, label, told, point.run_id)
        for name, value in zip(_COMMIT_COLUMNS, row, strict=True):
            columns[name].append(value)
    return columns


def _place(mark: Mark, points: Sequence[SeriesPoint]) -> SeriesPoint | None:
    """Return the point that a mark is drawn at: a night has none, and takes the one before it."""
    if mark.kind == "hint":
        return next((point for point in points if point.run_id == mark.run_id), None)
    return next((point for point in reversed(points) if point.started <= mark.started), None)


def _way(mark: Mark) -> str:
    return "worse" if mark.worse else "better"


def _title(key: SeriesKey, machines: Mapping[str, str]) -> str:
    where = machines.get(key.machine, "")
    on = f"{where} ({key.machine})" if where else key.machine
    lines = [f"{key.workload} at {key.size:,} items ({key.mode}), {key.metric}", on and f"on {on}"]
    return "\n".join(printable(line) for line in lines if line)


def _columns(points: Sequence[SeriesPoint]) -> Columns:
    columns: Columns = {name: [] for name in _POINT_COLUMNS}
    for point in points:
        median = point.median
        row = (
            point.started,
            median.point,
            median.low,
            median.high,
            figure_words(point.key.metric, median.point)
            + f" [{figure_words(point.key.metric, median.low)}, "
            f"{figure_words(point.key.metric, median.high)}]",
            commit_words(point.commit, dirty=point.dirty),
            point.run_id,
            median.n,
        )
        for name, value in zip(_POINT_COLUMNS, row, strict=True):
            columns[name].append(value)
    return columns


def figure_words(metric: str, value: float) -> str:
    """Return a metric's value with its unit, which its name ends in.

    Examples
    --------
    >>> figure_words("wall_time_s", 0.0125), figure_words("peak_rss_bytes", 1e6)
    ('12.5 ms', '1.00 MB')
    >>> figure_words("abs_error", 0.25)
    '0.25'
    """
    if metric.endswith("_s"):
        return duration(value)
    return memory(value) if metric.endswith("_bytes") else amount(value)


def words_without_figures(nights: int) -> str:
    """Return what a history without points says: nights of a watch were measured, too.

    Examples
    --------
    >>> words_without_figures(0)
    'nothing has been measured yet; parbench race makes a first run'
    >>> words_without_figures(30)
    '30 nights of watch, no figures of races; parbench race makes some'
    """
    if not nights:
        return "nothing has been measured yet; parbench race makes a first run"
    return f"{count(nights, 'night')} of watch, no figures of races; parbench race makes some"


# ---------------------------------------------------------------- drawing


def history_figures(data: HistoryData, *, log: bool = False) -> Column:
    """Return a figure for each panel, the newest first and at most `PANELS_AT_MOST`.

    Parameters
    ----------
    data
        From `history_data`.
    log
        Values on logarithmic axes.
    """
    from bokeh.models import Column, Div  # noqa: PLC0415 - slow to load

    shown = data.panels[:PANELS_AT_MOST]
    children: list[Any] = [
        history_figure(panel, candidates=data.candidates, log=log) for panel in shown
    ]
    left = len(data.panels) - len(shown)
    if left:
        children.append(Div(text=f"{left} more: ask for one workload, candidate or machine."))
    if not data.panels:
        children.append(Div(text=f"{_sentence(data.nights)}."))
    if data.alarms:
        children.append(Div(text=_told_alarms(data.alarms)))
    return Column(children=children, sizing_mode="stretch_width", name="history")


def _told_alarms(alarms: Sequence[str]) -> str:
    """Return alarms that have no place in a figure as HTML, the newest first."""
    newest = [html.escape(told) for told in alarms[::-1][:ALARMS_AT_MOST]]
    left = len(alarms) - len(newest)
    lines = [f"{count(len(alarms), 'alarm')} of what is not drawn here:", *newest]
    return "<br>".join([*lines, *([f"and {left} more (parbench history)"] if left else [])])


def _sentence(nights: int) -> str:
    told = words_without_figures(nights)
    return told[0].upper() + told[1:]


def history_figure(
    panel: HistoryPanel, *, candidates: Sequence[str] = (), log: bool = False
) -> figure:
    """Return one figure; sources are ``history:<candidate>``, ``:marks...`` and ``:commits``.

    Parameters
    ----------
    panel
        Of `history_data`.
    candidates
        Names in the order that gives the colours; the panel's own by default.
    log
        Values on a logarithmic axis.
    """
    from parbench_lab.plots import history_drawing  # noqa: PLC0415 - loads bokeh

    return history_drawing.drawn(panel, tuple(candidates) or tuple(panel.series), log=log)
