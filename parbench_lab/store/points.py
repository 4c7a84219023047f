"""Reading histories: which figures a candidate had, run after run."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import sqlalchemy as sa

from parbench_lab.core.series import Coverage, Mode, SeriesKey, SeriesPoint
from parbench_lab.errors import StoreError
from parbench_lab.store.database import Database
from parbench_lab.store.figures import estimate_of
from parbench_lab.store.provenance import EPOCH as FIRST_INSTANT
from parbench_lab.store.provenance import instant
from parbench_lab.store.schema import CANDIDATE, EPOCH, MACHINE, RUN, SUMMARY
from parbench_lab.store.summaries import Line, Summary

T = TypeVar("T")
_Place = tuple[int, int, int]
TIME = "wall_time_s"
_OF_RUN = RUN.outerjoin(MACHINE, RUN.c.machine_key == MACHINE.c.key)
_RUN_COLUMNS = (
    RUN.c.key, RUN.c.id, RUN.c.name, RUN.c.started_utc, RUN.c.started_us, RUN.c.mode,
    RUN.c.git_commit, RUN.c.dirty, MACHINE.c.fingerprint,
)  # fmt: skip
_POINTS = (
    _OF_RUN.join(SUMMARY, SUMMARY.c.run_key == RUN.c.key)
    .join(
        CANDIDATE,
        sa.and_(
            CANDIDATE.c.run_key == SUMMARY.c.run_key, CANDIDATE.c.position == SUMMARY.c.candidate
        ),
    )
    .join(EPOCH, sa.and_(EPOCH.c.run_key == SUMMARY.c.run_key, EPOCH.c.number == SUMMARY.c.epoch))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """Which runs are asked for; None is any. See `RunStore.runs`."""

    kind: str | None = None
    workload: str | None = None
    machine: str | None = None
    mode: str | None = None
    commit: str | None = None
    without: str | None = None
    """A kind that is left out."""

    def __post_init__(self) -> None:
        if self.mode is not None and self.mode not in [mode.value for mode in Mode]:
            known = ", ".join(mode.value for mode in Mode)
            raise StoreError(f"mode {self.mode!r} is none of {known}")

    def where(self) -> Iterator[sa.ColumnElement[bool]]:
        """Yield conditions on `RUN` joined with `MACHINE`."""
        pairs = ((RUN.c.kind, self.kind), (RUN.c.name, self.workload), (RUN.c.mode, self.mode))
        yield from (column == wanted for column, wanted in pairs if wanted is not None)
        if self.without is not None:
            yield RUN.c.kind != self.without
        if self.machine is not None:
            yield sa.func.coalesce(MACHINE.c.fingerprint, "") == self.machine
        if self.commit:
            yield RUN.c.git_commit.startswith(self.commit, autoescape=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """How many of the newest runs are asked for, after how many; see `RunStore.runs`."""

    last: int | None = None
    skip: int = 0

    def __post_init__(self) -> None:
        if self.skip < 0 or (self.last is not None and self.last < 1):
            raise StoreError(
                f"last must be at least 1 and skip at least 0 but got {self.last} and {self.skip}"
            )

    def of(self, given: Sequence[T]) -> Sequence[T]:
        """Return the page of what is sorted oldest first."""
        end = max(len(given) - self.skip, 0)
        return given[0 if self.last is None else max(end - self.last, 0) : end]


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureFilter:
    """Which figures of a run are asked for; None is any. See `RunStore.series`."""

    candidate: str | None = None
    size: int | None = None
    metric: str | None = None

    def where(self) -> Iterator[sa.ColumnElement[bool]]:
        """Yield conditions on `SUMMARY` joined with `CANDIDATE` and `EPOCH`."""
        pairs = (
            (CANDIDATE.c.name, self.candidate),
            (EPOCH.c.size, self.size),
            (SUMMARY.c.metric, self.metric),
        )
        yield from (column == wanted for column, wanted in pairs if wanted is not None)

    def fits(self, line: Line) -> bool:
        """Return whether a line that is not in the database yet is asked for."""
        pairs = (
            (line.candidate, self.candidate),
            (line.size, self.size),
            (line.metric, self.metric),
        )
        return all(wanted is None or found == wanted for found, wanted in pairs)


def run_keys(runs: RunFilter) -> sa.Select[Any]:
    """Return the question for the keys of the runs."""
    return sa.select(RUN.c.key).select_from(_OF_RUN).where(*runs.where())


def read_series(
    database: Database,
    *,
    runs: RunFilter,
    figures: FigureFilter,
    page: Page,
    unwritten: Sequence[Summary],
) -> list[SeriesPoint]:
    """Return the points of every series that is asked for, oldest first.

    Parameters
    ----------
    database
        To read from.
    runs, figures, page
        What is asked for; the page is of each series on its own.
    unwritten
        Summaries that count in place of what the database has of these runs: it may not be
        written.
    """
    absent = [summary.run_key for summary in unwritten]
    conditions = [*runs.where(), *figures.where(), RUN.c.key.not_in(absent)]
    found = [_point(row) for row in database.select(_points(conditions, page))]
    if unwritten:
        found += _unwritten_points(database, unwritten, figures)
    by_key: dict[SeriesKey, list[tuple[_Place, SeriesPoint]]] = defaultdict(list)
    for placed in sorted(found, key=lambda one: one[0]):
        by_key[placed[1].key].append(placed)
    chosen = [one for placed_ones in by_key.values() for one in _newest(placed_ones, page)]
    return [point for _, point in sorted(chosen, key=lambda one: one[0])]


def _newest(placed: Sequence[tuple[_Place, T]], page: Page) -> Iterator[tuple[_Place, T]]:
    """Yield what is of a page's runs: a race that came back to a size has several points."""
    kept = set(page.of(list(dict.fromkeys(run_key for (_, run_key, _), _ in placed))))
    return (one for one in placed if one[0][1] in kept)


def read_matrix(
    database: Database, *, runs: RunFilter, unwritten: Sequence[Summary]
) -> list[Coverage]:
    """Return which workload, candidate, machine, mode and commit have figures."""
    machine = sa.func.coalesce(MACHINE.c.fingerprint, "").label("machine")
    what = (RUN.c.name, CANDIDATE.c.name.label("candidate"), machine, RUN.c.mode, RUN.c.git_commit)
    absent = [summary.run_key for summary in unwritten]
    asked = (
        sa.select(*what, sa.func.count(RUN.c.key.distinct()), sa.func.max(RUN.c.started_us))
        .select_from(_POINTS)
        .where(*runs.where(), RUN.c.key.not_in(absent))
        .group_by(*what)
    )
    cells: dict[tuple[str, ...], tuple[int, int]] = {
        tuple(row[:5]): (row[5], row[6]) for row in database.select(asked)
    }
    for row, summary in _runs_of(database, unwritten):
        for candidate in {line.candidate for line in summary.lines}:
            place = (row.name, candidate, row.fingerprint or "", row.mode, row.git_commit)
            n, newest = cells.get(place, (0, row.started_us))
            cells[place] = (n + 1, max(newest, row.started_us))
    return [_coverage(place, *cells[place]) for place in sorted(cells)]


def _coverage(place: tuple[str, ...], n: int, newest_us: int) -> Coverage:
    workload, candidate, machine, mode, commit = place
    return Coverage(
        workload=workload,
        candidate=candidate,
        machine=machine,
        mode=Mode(mode),
        commit=commit,
        runs=n,
        newest=FIRST_INSTANT + dt.timedelta(microseconds=newest_us),
    )


def _points(conditions: Sequence[sa.ColumnElement[bool]], page: Page) -> sa.Select[Any]:
    columns = (
        *_RUN_COLUMNS,
        CANDIDATE.c.name.label("candidate"),
        EPOCH.c.size,
        *(column for column in SUMMARY.c if column.name not in _NOT_IN_POINTS),
    )
    asked = sa.select(*columns).select_from(_POINTS).where(*conditions)
    if page.last is None:
        return asked
    # of each series no more runs than the page may need come out of the database
    age = sa.func.dense_rank().over(
        partition_by=(
            RUN.c.name, RUN.c.mode, MACHINE.c.fingerprint, CANDIDATE.c.name, EPOCH.c.size,
            SUMMARY.c.metric,
        ),
        order_by=(RUN.c.started_us.desc(), RUN.c.key.desc()),
    )  # fmt: skip
    aged = asked.add_columns(age.label("age")).subquery()
    return sa.select(aged).where(aged.c.age <= page.last + page.skip)


_NOT_IN_POINTS = ("run_key", "candidate")


def _point(row: Any) -> tuple[_Place, SeriesPoint]:
    line = Line(
        epoch=row.epoch,
        size=row.size,
        candidate=row.candidate,
        metric=row.metric,
        median=estimate_of(dict(row._mapping)),  # noqa: SLF001 - SQLAlchemy's public name for it
        p95=row.p95,
        p99=row.p99,
        peak_rss_bytes=row.peak_rss_bytes,
    )
    return (row.started_us, row.key, row.position), _series_point(row, line)


def _unwritten_points(
    database: Database, unwritten: Sequence[Summary], figures: FigureFilter
) -> Iterator[tuple[_Place, SeriesPoint]]:
    for run, summary in _runs_of(database, unwritten):
        for position, line in enumerate(summary.lines):
            if figures.fits(line):
                yield (run.started_us, run.key, position), _series_point(run, line)


def _runs_of(database: Database, unwritten: Sequence[Summary]) -> Iterator[tuple[Any, Summary]]:
    for summary in unwritten:
        asked = sa.select(*_RUN_COLUMNS).select_from(_OF_RUN).where(RUN.c.key == summary.run_key)
        for run in database.select(asked):
            yield run, summary


def _series_point(run: Any, line: Line) -> SeriesPoint:
    timed = line.metric == TIME and line.median.point > 0
    return SeriesPoint(
        run_id=run.id,
        started=instant(run.started_utc),
        key=SeriesKey(
            workload=run.name,
            candidate=line.candidate,
            size=line.size,
            machine=run.fingerprint or "",
            mode=Mode(run.mode),
            metric=line.metric,
        ),
        median=line.median,
        p95=line.p95,
        p99=line.p99,
        peak_rss_bytes=line.peak_rss_bytes,
        throughput=line.size / line.median.point if timed else None,
        commit=run.git_commit,
        dirty=bool(run.dirty),
    )
