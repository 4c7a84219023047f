"""Runs, their events and their measurements in an SQL database; see `core.ports.RunStore`."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from parbench_lab.core.runs import (
    INTERRUPTED,
    CurveRow,
    EventRecord,
    FitRow,
    RunHeader,
    RunRecord,
    RunSummary,
    TakenIn,
    UsageRow,
)
from parbench_lab.errors import StoreError
from parbench_lab.store import figures, removal, rows, taking
from parbench_lab.store.headers import RUNNING, insert_run, run_row
from parbench_lab.store.location import Place
from parbench_lab.store.points import RunFilter
from parbench_lab.store.reader import RunReader
from parbench_lab.store.schema import CURVE, EVENT, FIT, MEASUREMENT, RUN, USAGE
from parbench_lab.store.summaries import summarise, write_summary

# made once: building it anew would be a third of the cost of appending an event
_WHERE_IT_STANDS = sa.select(
    RUN.c.status,
    sa.select(sa.func.max(EVENT.c.seq)).where(EVENT.c.run_key == RUN.c.key).scalar_subquery(),
).where(RUN.c.key == sa.bindparam("run_key"))
_GOES_ON = (
    sa.update(RUN).where(RUN.c.key == sa.bindparam("run_key")).values(status=RUNNING, result=None)
)


class SqlRunStore(RunReader):
    """A `RunStore` in an SQL database.

    Any number of threads may use one object, and any number of processes one database.

    Parameters
    ----------
    place
        Of the database.
    """

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._keys: dict[str, int] = {}

    def check_writable(self) -> None:
        """Make the tables ready, so that whoever cannot write hears it before anything starts.

        Raises
        ------
        StoreError
            If nothing can be written.
        """
        self._database.write(lambda _connection: None)

    def claimed(self, name: str) -> contextlib.AbstractContextManager[bool]:
        """Hold a name while a block runs, so that others on the same server see it is taken.

        The block is told whether the name was free; on a file it always is (its users meet at a
        lock beside it). Who is killed gives its names back.

        Raises
        ------
        StoreError
            If the server cannot be reached.

        Examples
        --------
        >>> store = SqlRunStore(Place(path=None))
        >>> with store.claimed("watch of sorting") as free:
        ...     free
        True
        """
        return self._database.claimed(name)

    def create_run(self, header: RunHeader) -> None:
        """Begin a run.

        Raises
        ------
        StoreError
            If its id is taken or no id, its start is no aware instant, its mode is unknown, or
            it is no JSON.
        """
        row = run_row(header)

        def insert(connection: sa.Connection) -> None:
            insert_run(self._database, connection, header, row)

        self._database.write(insert)

    def append(self, run_id: str, events: Sequence[EventRecord]) -> None:
        """Append events with their measurements in one transaction, all of them or none.

        Raises
        ------
        StoreError
            If there is no such run or it has ended, if `seq` does not go on where it stopped
            (another process writes the same run), or an event could not be read back as it is.
        """
        if not events:
            return
        run_key = self._key_of(run_id)
        event_rows = [rows.event_row(run_key, event) for event in events]
        measured = [row for event in events for row in rows.measurement_rows(run_key, event)]

        def insert(connection: sa.Connection) -> None:
            self._database.lock_run(connection, run_key)
            found = connection.execute(_WHERE_IT_STANDS, {"run_key": run_key}).first()
            _refuse_pruned(run_id, found)
            status, last_seq = found or ("", None)
            _refuse_ended(run_id, status)
            _refuse_gap(run_id, last_seq, [event.seq for event in events])
            if status == INTERRUPTED:
                connection.execute(_GOES_ON, {"run_key": run_key})
            self._database.insert(connection, EVENT, event_rows)
            self._database.insert(connection, MEASUREMENT, measured)

        self._database.write(insert)

    def append_usage(self, run_id: str, rows: Sequence[UsageRow]) -> None:
        """Append how busy workers were, in one transaction; also after the run has ended.

        Raises
        ------
        StoreError
            If there is no such run, or a row could not be read back as it is.
        """
        if not rows:
            return
        run_key = self._key_of(run_id)
        # what cannot be kept is refused before anything is begun
        figures.positioned(rows, figures.usage_table_row, run_key)
        last = sa.select(sa.func.max(USAGE.c.position)).where(USAGE.c.run_key == run_key)

        def insert(connection: sa.Connection) -> None:
            self._database.lock_run(connection, run_key)
            found = connection.execute(last).scalar()
            begin = 0 if found is None else found + 1
            given = figures.positioned(rows, figures.usage_table_row, run_key, begin)
            self._database.insert(connection, USAGE, given)

        self._database.write(insert)

    def keep_curves(
        self, run_id: str, curves: Sequence[CurveRow], fits: Sequence[FitRow] = ()
    ) -> None:
        """Keep what follows from a study's runs, in place of what was kept of it before.

        Raises
        ------
        StoreError
            If there is no such run, or a row could not be read back as it is.
        """
        run_key = self._key_of(run_id)
        curve_rows = figures.positioned(curves, figures.curve_table_row, run_key)
        fit_rows = figures.positioned(fits, figures.fit_table_row, run_key)

        def replace(connection: sa.Connection) -> None:
            for table, given in ((CURVE, curve_rows), (FIT, fit_rows)):
                connection.execute(sa.delete(table).where(table.c.run_key == run_key))
                self._database.insert(connection, table, given)

        self._database.write(replace)

    def finish_run(self, run_id: str, status: str, result: Mapping[str, Any]) -> None:
        """Set the run's status and its result, and make its summaries.

        A run ends once, but for an interruption.

        Raises
        ------
        StoreError
            If there is no such run, it has ended in another way, or the result is no JSON.
        """
        if not status or status == RUNNING or not rows.is_plain(status):
            raise StoreError(f"run {run_id}: {status!r} is no status of a run that has ended")
        text = rows.document_text(result, what=f"the result of run {run_id}")
        run_key = self._key_of(run_id)
        # read before the writing transaction: others may write while the medians are taken
        made = summarise(self._database, run_key)
        document = self.header(run_id).document

        def update(connection: sa.Connection) -> None:
            self._database.lock_run(connection, run_key)
            asked = sa.select(RUN.c.status, RUN.c.result).where(RUN.c.key == run_key)
            before = tuple(connection.execute(asked).one())
            if before == (status, text):
                return
            _refuse_ended(run_id, before[0])
            values = {"status": status, "result": text}
            connection.execute(sa.update(RUN).where(RUN.c.key == run_key).values(values))
            write_summary(self._database, connection, made, document)

        self._database.write(update)

    def pin(self, run_id: str, *, pinned: bool = True) -> None:
        """Say whether `prune` leaves the run alone; see `header` for the id.

        Raises
        ------
        StoreError
            As `header`.
        """
        key = self._run(run_id).key
        changed = sa.update(RUN).where(RUN.c.key == key).values(pinned=pinned)

        def update(connection: sa.Connection) -> None:
            connection.execute(changed)

        self._database.write(update)

    def prune(
        self, *, keep: int | None = None, before: dt.datetime | None = None, dry_run: bool = False
    ) -> Sequence[RunSummary]:
        """Remove old runs and return them, oldest first; see `RunStore.prune`.

        Raises
        ------
        UsageError
            Unless exactly one of `keep` (at least 1) and `before` (aware) is given.
        """
        removal.refuse_nonsense(keep=keep, before=before)
        self._catch_up(RunFilter())
        keys = removal.doomed(self._database, keep=keep, before=before)
        found = self._summaries(RUN.c.key.in_(keys)) if keys else ()
        if keys and not dry_run:
            removal.remove(self._database, keys)
            self._keys.clear()
        return found

    def take_in(self, records: Sequence[RunRecord]) -> TakenIn:
        """Add whole runs in one transaction, all of them or none.

        A run that is there already is passed over where all that is given is there. One that came
        from a file before it had ended gives way to what it has become since; its pin stays.

        Raises
        ------
        StoreError
            If a run of the same id is another one, or something could not be read back as it is.
        """
        known: list[str] = []
        new: list[RunRecord] = []
        outgrown: dict[str, RunRecord] = {}
        for record in records:
            run_id = record.header.id
            here = self._here(run_id)
            if here is None:
                new.append(record)
            elif _goes_on(here, record):
                outgrown[run_id] = here
                new.append(record)
            elif here == record or _is_beginning(record, of=here):
                known.append(run_id)
            else:
                raise StoreError(
                    f"run {run_id} is here already and is not the same: nothing was taken in; "
                    "remove one of the two"
                )
        if new:
            made = [taking.prepared(record) for record in new]
            self._database.write(lambda c: taking.insert(self._database, c, made, outgrown))
            self._keys.clear()
            self._catch_up(RunFilter())
        return TakenIn(added=tuple(record.header.id for record in new), known=tuple(known))

    def _here(self, run_id: str) -> RunRecord | None:
        """Return the run of a whole id, None where there is none."""
        found = self._database.select(sa.select(RUN.c.key).where(RUN.c.id == run_id))
        return self.record(run_id) if found else None

    def _key_of(self, run_id: str) -> int:
        """Return the key of a run by its whole id: nobody writes into a run by abbreviation."""
        if run_id not in self._keys:
            found = self._database.select(sa.select(RUN.c.key).where(RUN.c.id == run_id))
            if not found:
                raise StoreError(f"no run {run_id!r} in {self._database.place}: create it first")
            self._keys[run_id] = found[0].key
        return self._keys[run_id]


def _is_beginning(earlier: RunRecord, *, of: RunRecord) -> bool:
    """Return whether a run had not ended in one record, and goes on from there in another."""
    return (
        earlier.status in (RUNNING, INTERRUPTED)
        and earlier.header == of.header
        and earlier.events == of.events[: len(earlier.events)]
        and earlier.usage == of.usage[: len(earlier.usage)]
    )


def _goes_on(here: RunRecord, record: RunRecord) -> bool:
    """Return whether a record has more of a run that came from a file."""
    # a run of this store's own is written by whoever measures it, and by nobody else
    return (
        here.header.taken_in
        and _is_beginning(here, of=record)
        and _progress(record) > _progress(here)
    )


def _progress(record: RunRecord) -> tuple[int, int, int]:
    """Return how far a run had come; one that ends may do so without a further event."""
    endings = (RUNNING, INTERRUPTED)
    ended = endings.index(record.status) if record.status in endings else len(endings)
    return len(record.events), len(record.usage), ended


def _refuse_pruned(run_id: str, found: object) -> None:
    if found is None:
        raise StoreError(f"run {run_id} was removed from the store while it was written")


def _refuse_ended(run_id: str, status: str) -> None:
    if status not in (RUNNING, INTERRUPTED):
        raise StoreError(f"run {run_id} has ended ({status}) and stays as it is: start a new one")


def _refuse_gap(run_id: str, last_seq: int | None, given: Sequence[int]) -> None:
    begin = 0 if last_seq is None else last_seq + 1
    if list(given) != list(range(begin, begin + len(given))):
        raise StoreError(
            f"run {run_id} goes on with event {begin} but got {given[0]} to {given[-1]}: is "
            "another process writing the same run?"
        )
