"""What the store has of a workload, run after run, as rows with a trend."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from parbench_lab.analysis.regression.changes import ChangeHint
from parbench_lab.core.ports import RunStore
from parbench_lab.core.recorded_names import recorded_name
from parbench_lab.core.runs import WATCH
from parbench_lab.core.series import SeriesKey, SeriesPoint
from parbench_lab.core.wording import beside, commit_words, count, printable
from parbench_lab.errors import UnknownNameError
from parbench_lab.plots.history import (
    Mark,
    figure_words,
    words_without_figures,
)
from parbench_lab.racing.result import jsonable
from parbench_lab.reports.alarms import alarm_marks
from parbench_lab.reports.kept import Kept, keep
from parbench_lab.reports.machines import (
    machine_differences,
    machine_documents,
    machine_hosts,
    machine_names,
    short_machine,
)
from parbench_lab.reports.text import SPARKS, plain_table, sparkline
from parbench_lab.store import open_store

FindHints = Callable[[RunStore, str | None, str | None, str], Iterable[ChangeHint]]
"""Looks for change points: store, workload, candidate (None: all), metric."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRow:
    """One series: the points, oldest first (at least one), and the changes in it."""

    key: SeriesKey
    points: tuple[SeriesPoint, ...]
    marks: tuple[Mark, ...] = ()

    @property
    def newest(self) -> SeriesPoint:
        """The last point."""
        return self.points[-1]

    @property
    def n_runs(self) -> int:
        """How many runs the points are of: one that came back to its size has several."""
        return len({point.run_id for point in self.points})


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedHistory:
    """What is recorded under a name.

    Parameters
    ----------
    name
        That was asked for; "" for everything.
    rows
        A series each, by workload, size, mode and machine; in it the order of first measurement.
    machines
        Fingerprint to the model of its processor, where known.
    differences
        Fingerprint to what else tells a machine from the first one of that model.
    hosts
        Fingerprint to that of the machine whatever was raced on it, where known: a workload's
        own libraries part series, and no machines.
    unplaced
        Alarms of watches, oldest first, where no row is of what was watched.
    nights
        Runs of watches of the workload, whether or not they raised an alarm.
    """

    name: str
    rows: tuple[HistoryRow, ...]
    machines: Mapping[str, str]
    differences: Mapping[str, str] = field(default_factory=dict)
    hosts: Mapping[str, str] = field(default_factory=dict)
    unplaced: tuple[Mark, ...] = ()
    nights: int = 0

    @property
    def points(self) -> list[SeriesPoint]:
        """All points, oldest first."""
        found = [point for row in self.rows for point in row.points]
        return sorted(found, key=lambda point: point.started)

    @property
    def marks(self) -> list[Mark]:
        """All changes, oldest first."""
        found = [*self.unplaced, *(mark for row in self.rows for mark in row.marks)]
        return sorted(found, key=lambda mark: mark.started)

    @property
    def sentence(self) -> str:
        """How much there is, and what stands out."""
        runs = len({point.run_id for row in self.rows for point in row.points})
        series = "1 series" if len(self.rows) == 1 else f"{len(self.rows)} series"
        seen = {row.key.machine for row in self.rows}
        machines = count(len({self.hosts.get(name, name) for name in seen}), "machine")
        nights = f", {count(self.nights, 'night')} of watch" if self.nights else ""
        alarms = sum(mark.kind == "alarm" and mark.worse for mark in self.marks)
        hints = sum(mark.kind == "hint" for mark in self.marks)
        return (
            f"{count(runs, 'run')}, {series}, {machines}{nights}: "
            f"{count(alarms, 'alarm')}, {count(hints, 'change point')} (hints)"
        )

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "name": self.name,
            "sentence": self.sentence,
            "nights": self.nights,
            "machines": dict(self.machines),
            "machine_differences": dict(self.differences),
            "series": [_row_document(row) for row in self.rows],
            "unplaced": [_mark_document(mark) for mark in self.unplaced],
        }


def read_history(
    name: str = "",
    store: str | Path | RunStore | None = None,
    *,
    metric: str = "wall_time_s",
    machine: str = "",
    last: int = 0,
    find_hints: FindHints | None = None,
) -> RecordedHistory:
    """Return what a store has under a name.

    Points are of races and studies. The seconds of a watch are of one thread alone, so its nights
    are in the history as the alarms that they raised, and are counted.

    Parameters
    ----------
    name
        ``"workload"`` or ``"workload/candidate"``; "": everything.
    store
        A store, or as for `parbench_lab.store.open_store`; "" is None.
    metric
        Of which figures.
    machine
        Fingerprint, or the beginning of one; "": of all machines.
    last
        So many of the newest runs of each series; 0: all.
    find_hints
        Looks for change points; None: only alarms of watches are marked.

    Raises
    ------
    UnknownNameError
        If nothing is recorded under the name, or nothing of the metric on the machine; what is
        there is listed. A store without figures has an empty history, and so has a workload that
        was only watched.
    StoreError
        If the store cannot be read.
    """
    opened: RunStore = open_store(store or None) if _is_place(store) else store  # type: ignore[assignment, arg-type]
    try:
        workload, candidate, points = _asked(opened, name, metric, last)
        points = [point for point in points if point.key.machine.startswith(machine)]
        hints = () if find_hints is None else find_hints(opened, workload, candidate, metric)
        nights = [
            night
            for night in opened.runs(kind=WATCH, workload=workload)
            if night.machine.startswith(machine)
        ]
        alarms = [
            mark
            for mark in alarm_marks(nights)
            if mark.key.metric == metric and candidate in (None, mark.key.candidate)
        ]
        watched = bool(nights) and candidate is None
        if not points and not alarms and _is_refused(opened, workload, watched=watched):
            raise _nothing(opened, name, metric, machine)
        marks = [*map(_hint_mark, hints), *alarms]
        documents = machine_documents(opened, points)
    finally:
        if _is_place(store):
            opened.close()
    return RecordedHistory(
        name=name,
        rows=_rows(points, marks),
        machines=machine_names(documents),
        differences=machine_differences(documents),
        hosts=machine_hosts(documents),
        unplaced=_unplaced(alarms, points),
        nights=len(nights),
    )


def _is_place(store: object) -> bool:
    return store is None or isinstance(store, (str, Path))


def _asked(
    store: RunStore, name: str, metric: str, last: int
) -> tuple[str | None, str | None, list[SeriesPoint]]:
    """Return workload, candidate and points; a name is a workload's first of all."""
    wanted: dict[str, Any] = {"metric": metric, "last": last or None}
    if not name:
        return None, None, store.series(**wanted)
    found = store.series(workload=name, **wanted)
    if found:
        return name, None, found
    workload, candidate = recorded_name(store, name)
    return workload, candidate, store.series(workload=workload, candidate=candidate, **wanted)


def _is_refused(store: RunStore, workload: str | None, *, watched: bool) -> bool:
    """Return whether there is something else than what was asked for and not found."""
    raced = any(workload in (None, cell.workload) for cell in store.matrix())
    if watched:
        return raced
    return raced or workload is not None or bool(store.runs(kind=WATCH, last=1))


def _nothing(store: RunStore, name: str, metric: str, machine: str) -> UnknownNameError:
    where = f" on a machine {machine}..." if machine else ""
    if not name:
        return UnknownNameError(
            f"no {metric}{where} in the store; {_figures_there(store, metric)}"
        )
    cells = store.matrix()
    workload = name.partition("/")[0]
    own = sorted({cell.candidate for cell in cells if cell.workload == workload})
    there = own or sorted({cell.workload for cell in cells})
    of = f"candidates of {workload}" if own else "workloads with figures"
    told = printable(", ".join(there)) or "none; parbench race makes some"
    return UnknownNameError(f"no {metric} of {name!r}{where} in the store; {of}: {told}")


def _figures_there(store: RunStore, metric: str) -> str:
    """Return on which machines there are figures of a metric, or which metrics there are."""
    machines = {point.key.machine for point in store.series(metric=metric, last=1)}
    if machines:
        return f"machines with figures: {', '.join(sorted(map(short_machine, machines)))}"
    metrics = {point.key.metric for point in store.series(metric=None, last=1)}
    told = printable(", ".join(sorted(metrics))) or "none; parbench race makes some"
    return f"metrics with figures: {told}"


def _rows(points: Sequence[SeriesPoint], marks: Sequence[Mark]) -> tuple[HistoryRow, ...]:
    series: dict[SeriesKey, list[SeriesPoint]] = {}
    for point in points:
        series.setdefault(point.key, []).append(point)
    changes: dict[SeriesKey, list[Mark]] = {}
    for mark in sorted(marks, key=lambda mark: mark.started):
        changes.setdefault(mark.key, []).append(mark)
    rows = (
        HistoryRow(key=key, points=tuple(found), marks=tuple(changes.get(key, ())))
        for key, found in series.items()
    )
    return tuple(
        sorted(rows, key=lambda r: (r.key.workload, r.key.size, r.key.mode, r.key.machine))
    )


def _hint_mark(hint: ChangeHint) -> Mark:
    way = "worse" if hint.worse else "better"
    told = (
        f"{hint.key.candidate}: {way} from {_from(hint.after)} on, "
        f"{beside(hint.ratio, hint.scale, 'the cost before')}, q {hint.q_value:.2g} "
        "(a hint: days are not paired)"
    )
    return Mark(
        key=hint.key,
        run_id=hint.after.run_id,
        started=hint.after.started,
        worse=hint.worse,
        kind="hint",
        told=printable(told),
    )


def _from(point: SeriesPoint) -> str:
    when = f"{point.started:%Y-%m-%d}"
    return f"{commit_words(point.commit, dirty=point.dirty)} ({when})" if point.commit else when


def _unplaced(alarms: Sequence[Mark], points: Sequence[SeriesPoint]) -> tuple[Mark, ...]:
    shown = {point.key for point in points}
    found = [mark for mark in alarms if mark.key not in shown]
    return tuple(sorted(found, key=lambda mark: mark.started))


# ---------------------------------------------------------------- told


def history_results(history: RecordedHistory) -> Kept:
    """Return a history as a result that a report keeps."""
    return keep("history", history.as_json(), history_text(history))


def history_text(history: RecordedHistory, *, width: int = 24, sparks: str = SPARKS) -> str:
    """Return the history as a table with a trend per series, and the changes below.

    Parameters
    ----------
    history
        What is told.
    width
        Runs in a trend, the newest ones.
    sparks
        What a trend is drawn with, from low to high.
    """
    if not history.rows and not history.unplaced:
        return words_without_figures(history.nights)
    heads = ["workload", "candidate", "size", "mode", "machine", "runs", "trend", "newest"]
    rows = [_told(row, width, sparks) for row in history.rows]
    table = plain_table([*heads, "commit", "changes"], rows, left=2)
    lines = [table if rows else words_without_figures(history.nights)]
    several = len({row.key.machine for row in history.rows}) > 1
    marks = [
        f"{_symbol(mark)} {mark.told}"
        + (f", machine {short_machine(mark.key.machine)}" if several else "")
        for mark in history.marks
    ]
    machines = [
        f"machine {short_machine(fingerprint)}: "
        + ", ".join(filter(None, [model, history.differences.get(fingerprint, "")]))
        for fingerprint, model in sorted(history.machines.items())
    ]
    for block in (marks, machines, [history.sentence]):
        lines += ["", *block] if block else []
    return "\n".join(lines)


def _told(row: HistoryRow, width: int, sparks: str) -> list[str]:
    key, newest = row.key, row.newest
    figures = (newest.median.point, newest.median.low, newest.median.high)
    point, low, high = (figure_words(key.metric, value) for value in figures)
    return [
        key.workload,
        key.candidate,
        f"{key.size:,}",
        key.mode.value,
        short_machine(key.machine) or "-",
        str(row.n_runs),
        sparkline([p.median.point for p in row.points], width=width, sparks=sparks),
        f"{point} [{low}, {high}]",
        commit_words(newest.commit, dirty=newest.dirty),
        " ".join(_symbol(mark) for mark in row.marks) or "-",
    ]


def _symbol(mark: Mark) -> str:
    """Return a mark as two letters: ``!`` for an alarm, ``?`` for a hint; + is worse."""
    return ("!" if mark.kind == "alarm" else "?") + ("+" if mark.worse else "-")


def _row_document(row: HistoryRow) -> dict[str, Any]:
    return {
        **{name: str(getattr(row.key, name)) for name in ("workload", "candidate", "machine")},
        "size": row.key.size,
        "mode": row.key.mode.value,
        "metric": row.key.metric,
        "points": [_point_document(point) for point in row.points],
        "changes": [_mark_document(mark) for mark in row.marks],
    }


def _mark_document(mark: Mark) -> dict[str, Any]:
    return {
        "run": mark.run_id,
        "started_utc": _utc(mark.started),
        "worse": mark.worse,
        "kind": mark.kind,
        "told": mark.told,
    }


def _point_document(point: SeriesPoint) -> dict[str, Any]:
    return {
        "run": point.run_id,
        "started_utc": _utc(point.started),
        "median": jsonable(point.median),
        "p95": jsonable(point.p95),
        "p99": jsonable(point.p99),
        "peak_rss_bytes": jsonable(point.peak_rss_bytes),
        "throughput": jsonable(point.throughput),
        "commit": point.commit,
        "dirty": point.dirty,
    }


def _utc(at: dt.datetime) -> str:
    return at.astimezone(dt.UTC).isoformat()
