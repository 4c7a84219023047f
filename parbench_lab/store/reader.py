"""Reading runs out of an SQL database; see `core.ports.RunStore`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from parbench_lab.core.runs import (
    ROOFLINE,
    WATCH,
    CurveRow,
    EventRecord,
    FitRow,
    RunHeader,
    RunRecord,
    RunSummary,
    UsageRow,
)
from parbench_lab.core.series import Coverage, SeriesPoint
from parbench_lab.errors import StoreError
from parbench_lab.store import figures, points, rows
from parbench_lab.store.database import Database
from parbench_lab.store.headers import header_of, summary_of
from parbench_lab.store.location import Place
from parbench_lab.store.run_id import LATEST, pick
from parbench_lab.store.schema import CURVE, EVENT, FIT, MACHINE, MEASUREMENT, RUN, USAGE
from parbench_lab.store.summaries import Summary, stale, summarise, write_summary

EVENTS_PER_PAGE = 500

_RUN_AND_MACHINE = sa.select(
    RUN, MACHINE.c.document.label("machine"), MACHINE.c.fingerprint
).select_from(RUN.outerjoin(MACHINE, RUN.c.machine_key == MACHINE.c.key))


class RunReader:
    """The half of a `RunStore` that reads.

    It takes short transactions and leaves a place where there is no store yet as it is. It writes
    in two cases: a store of an older version is brought up, and runs that never ended are caught
    up with (where the place cannot be written, that is done in memory).

    Parameters
    ----------
    place
        Of the database.
    """

    def __init__(self, place: Place) -> None:
        self._database = Database(place)

    def header(self, run_id: str) -> RunHeader:
        """Return how a run began; an unambiguous beginning of the id, or ``latest``, is enough.

        Raises
        ------
        StoreError
            If no run, or more than one, is meant.
        """
        return header_of(self._run(run_id))

    def events(self, run_id: str) -> Iterator[EventRecord]:
        """Return an iterator over the run's events, in order; see `header` for the id.

        Events appended meanwhile are seen too.

        Raises
        ------
        StoreError
            As `header`, at once; while iterating, if an event is damaged.
        """
        return self._pages(self._run(run_id).key)

    def usage(self, run_id: str) -> Sequence[UsageRow]:
        """Return what `append_usage` was given, in order; see `header` for the id.

        Raises
        ------
        StoreError
            As `header`.
        """
        asked = sa.select(USAGE).where(USAGE.c.run_key == self._run(run_id).key)
        found = self._database.select(asked.order_by(USAGE.c.position))
        return tuple(figures.usage_row(row) for row in found)

    def curves(self, run_id: str) -> tuple[Sequence[CurveRow], Sequence[FitRow]]:
        """Return what `keep_curves` was given last; see `header` for the id.

        Raises
        ------
        StoreError
            As `header`.
        """
        key = self._run(run_id).key
        curves, fits = (
            self._database.select(
                sa.select(table).where(table.c.run_key == key).order_by(table.c.position)
            )
            for table in (CURVE, FIT)
        )
        return (
            tuple(figures.curve_row(dict(row._mapping)) for row in curves),  # noqa: SLF001 - public
            tuple(figures.fit_row(dict(row._mapping)) for row in fits),  # noqa: SLF001 - public
        )

    def record(self, run_id: str) -> RunRecord:
        """Return the whole run, to be carried elsewhere; see `header` for the id.

        Raises
        ------
        StoreError
            As `header`, or if something of it is damaged.
        """
        summary = self.summary(run_id)
        curves, fits = self.curves(summary.id)
        return RunRecord(
            header=self.header(summary.id),
            status=summary.status,
            result=summary.result,
            events=tuple(self.events(summary.id)),
            usage=self.usage(summary.id),
            curves=curves,
            fits=fits,
        )

    def runs(
        self,
        *,
        kind: str | None = None,
        workload: str | None = None,
        machine: str | None = None,
        mode: str | None = None,
        commit: str | None = None,
        last: int | None = None,
        skip: int = 0,
    ) -> Sequence[RunSummary]:
        """Return runs, oldest first; see `RunStore.runs`.

        Raises
        ------
        StoreError
            If the mode is unknown, or the page makes no sense.
        """
        wanted = points.RunFilter(
            kind=kind, workload=workload, machine=machine, mode=mode, commit=commit
        )
        return self._summaries(*wanted.where(), page=points.Page(last=last, skip=skip))

    def summary(self, run_id: str) -> RunSummary:
        """Return one run's line; see `header` for the id.

        Raises
        ------
        StoreError
            As `header`.
        """
        return summary_of(self._run(run_id))

    def series(
        self,
        *,
        kind: str | None = None,
        workload: str | None = None,
        candidate: str | None = None,
        size: int | None = None,
        metric: str | None = "wall_time_s",
        machine: str | None = None,
        mode: str | None = None,
        commit: str | None = None,
        last: int | None = None,
        skip: int = 0,
    ) -> list[SeriesPoint]:
        """Return figures of candidates run after run, oldest first; see `RunStore.series`.

        Raises
        ------
        StoreError
            If the mode is unknown, or the page makes no sense.
        """
        wanted = points.RunFilter(
            kind=kind,
            workload=workload,
            machine=machine,
            mode=mode,
            commit=commit,
            without=WATCH if kind is None else None,
        )
        return points.read_series(
            self._database,
            runs=wanted,
            figures=points.FigureFilter(candidate=candidate, size=size, metric=metric),
            page=points.Page(last=last, skip=skip),
            unwritten=self._catch_up(wanted),
        )

    def matrix(self) -> list[Coverage]:
        """Return which workload, candidate, machine, mode and commit have figures, sorted."""
        wanted = points.RunFilter(without=WATCH)
        unwritten = self._catch_up(wanted)
        return points.read_matrix(self._database, runs=wanted, unwritten=unwritten)

    def close(self) -> None:
        """Close files; idempotent. The store cannot be used afterwards."""
        self._database.close()

    # ------------------------------------------------------------ the parts

    def _catch_up(self, wanted: points.RunFilter) -> list[Summary]:
        """Summarise the runs that have grown; return what could not be written down."""
        unwritten = []
        for (key,) in self._database.select(stale(points.run_keys(wanted))):
            made = summarise(self._database, key)
            if self._database.place.read_only or not self._written(made):
                unwritten.append(made)
        return unwritten

    def _written(self, made: Summary) -> bool:
        """Write a summary down; return False where the place cannot be written."""
        asked = _RUN_AND_MACHINE.where(RUN.c.key == made.run_key)
        found = self._database.select(asked)
        if not found:
            return True  # pruned meanwhile
        document = header_of(found[0]).document

        def write(connection: sa.Connection) -> None:
            self._database.lock_run(connection, made.run_key)
            reached = sa.select(RUN.c.summarised_seq).where(RUN.c.key == made.run_key)
            row = connection.execute(reached).first()
            # another reader may have come first, and further
            if row is not None and (row[0] is None or row[0] < made.last_seq):
                write_summary(self._database, connection, made, document)

        try:
            self._database.write(write)
        except StoreError:
            return False
        return True

    def _summaries(
        self, *conditions: sa.ColumnElement[bool], page: points.Page | None = None
    ) -> tuple[RunSummary, ...]:
        asked = _RUN_AND_MACHINE.where(*conditions)
        asked = asked.order_by(RUN.c.started_us.desc(), RUN.c.key.desc())
        if page is not None and (page.last is not None or page.skip):
            # a limit must be there where an offset is; no store has so many runs
            asked = asked.limit(page.last or rows.MAX_WHOLE).offset(page.skip)
        return tuple(summary_of(row) for row in reversed(self._database.select(asked)))

    def _run(self, wanted: str) -> Any:
        found = self._database.select(_RUN_AND_MACHINE.where(RUN.c.id == wanted))
        if not found:
            ids = sa.select(RUN.c.id).order_by(RUN.c.started_us, RUN.c.key)
            if wanted == LATEST:
                ids = ids.where(RUN.c.kind != ROOFLINE)
            known = [row.id for row in self._database.select(ids)]
            run_id = pick(wanted, known, place=str(self._database.place))
            found = self._database.select(_RUN_AND_MACHINE.where(RUN.c.id == run_id))
        if not found:
            raise StoreError(f"run {wanted!r} was removed meanwhile")
        return found[0]

    def _pages(self, run_key: int) -> Iterator[EventRecord]:
        begin = 0
        while page := self._page(run_key, begin):
            yield from page
            begin = page[-1].seq + 1

    def _page(self, run_key: int, begin: int) -> list[EventRecord]:
        """Return some events from a number on: no reading transaction outlives a page."""
        of_run = sa.select(EVENT).where(EVENT.c.run_key == run_key, EVENT.c.seq >= begin)
        page = self._database.select(of_run.order_by(EVENT.c.seq).limit(EVENTS_PER_PAGE))
        if not page:
            return []
        measured = sa.select(MEASUREMENT).where(
            MEASUREMENT.c.run_key == run_key,
            MEASUREMENT.c.seq.between(begin, page[-1].seq),
        )
        by_seq: dict[int, list[sa.Row[Any]]] = {}
        for row in self._database.select(measured.order_by(*MEASUREMENT.primary_key.columns)):
            by_seq.setdefault(row.seq, []).append(row)
        return [rows.event_record(row, by_seq.get(row.seq, ())) for row in page]
