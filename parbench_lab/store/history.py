"""Runs, their events and their measurements in an SQL database; see `core.ports.RunStore`."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from parbench_lab.core.machine import Machine
from parbench_lab.core.ports import INTERRUPTED, EventRecord, RunHeader, RunSummary
from parbench_lab.errors import StoreError
from parbench_lab.store import rows
from parbench_lab.store.database import Database
from parbench_lab.store.location import Place
from parbench_lab.store.run_id import pick, refuse_bad_id
from parbench_lab.store.schema import EVENT, MACHINE, MEASUREMENT, RUN
from parbench_lab.store.sqlite import insert_rows

RUNNING = "running"
EVENTS_PER_PAGE = 500

# made once: building it anew would be a third of the cost of appending an event
_WHERE_IT_STANDS = sa.select(
    RUN.c.status,
    sa.select(sa.func.max(EVENT.c.seq)).where(EVENT.c.run_key == RUN.c.key).scalar_subquery(),
).where(RUN.c.key == sa.bindparam("run_key"))
_GOES_ON = (
    sa.update(RUN).where(RUN.c.key == sa.bindparam("run_key")).values(status=RUNNING, result=None)
)


class SqlRunStore:
    """A `RunStore` in SQLite.

    Any number of threads may use one object, and any number of processes one file. Reading takes
    short transactions and leaves a place where there is no store yet as it is.

    Parameters
    ----------
    place
        Of the database.
    """

    def __init__(self, place: Place) -> None:
        self._database = Database(place)
        self._keys: dict[str, int] = {}

    # ------------------------------------------------------------ writing

    def create_run(self, header: RunHeader) -> None:
        """Begin a run.

        Raises
        ------
        StoreError
            If its id is taken or no id, its start is no aware instant, or it is no JSON.
        """
        refuse_bad_id(header.id)
        row = _run_row(header)
        machine = header.document.get("machine")

        def insert(connection: sa.Connection) -> None:
            taken = sa.select(RUN.c.key).where(RUN.c.id == header.id)
            if connection.execute(taken).first() is not None:
                raise StoreError(f"run id {header.id!r} is taken: make another with new_run_id")
            key = _machine_key(connection, machine) if _is_machine(machine) else None
            connection.execute(sa.insert(RUN), [row | {"machine_key": key}])

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
            status, last_seq = connection.execute(_WHERE_IT_STANDS, {"run_key": run_key}).one()
            _refuse_ended(run_id, status)
            _refuse_gap(run_id, last_seq, [event.seq for event in events])
            if status == INTERRUPTED:
                connection.execute(_GOES_ON, {"run_key": run_key})
            insert_rows(connection, EVENT, event_rows)
            insert_rows(connection, MEASUREMENT, measured)

        self._database.write(insert)

    def finish_run(self, run_id: str, status: str, result: Mapping[str, Any]) -> None:
        """Set the run's status and its result; a run ends once, but for an interruption.

        Raises
        ------
        StoreError
            If there is no such run, it has ended in another way, or the result is no JSON.
        """
        if not status or status == RUNNING or not rows.is_plain(status):
            raise StoreError(f"run {run_id}: {status!r} is no status of a run that has ended")
        text = rows.document_text(result, what=f"the result of run {run_id}")
        run_key = self._key_of(run_id)

        def update(connection: sa.Connection) -> None:
            asked = sa.select(RUN.c.status, RUN.c.result).where(RUN.c.key == run_key)
            before = tuple(connection.execute(asked).one())
            if before == (status, text):
                return
            _refuse_ended(run_id, before[0])
            values = {"status": status, "result": text}
            connection.execute(sa.update(RUN).where(RUN.c.key == run_key).values(values))

        self._database.write(update)

    # ------------------------------------------------------------ reading

    def header(self, run_id: str) -> RunHeader:
        """Return how a run began; an unambiguous beginning of the id, or ``latest``, is enough.

        Raises
        ------
        StoreError
            If no run, or more than one, is meant.
        """
        found = self._run(run_id)
        document = rows.document_of(found.document, what=f"run {found.id}")
        if found.machine is not None:
            document["machine"] = rows.document_of(
                found.machine, what=f"the machine of run {found.id}"
            )
        fields = {name: getattr(found, name) for name in ("id", "kind", "name", "started_utc")}
        return RunHeader(**fields, document=document)

    def events(self, run_id: str) -> Iterator[EventRecord]:
        """Return an iterator over the run's events, in order; see `header` for the id.

        Events appended meanwhile are seen too.

        Raises
        ------
        StoreError
            As `header`, at once; while iterating, if an event is damaged.
        """
        return self._pages(self._run(run_id).key)

    def runs(self, *, kind: str | None = None) -> Sequence[RunSummary]:
        """Return all runs (of a kind), oldest first."""
        asked = sa.select(RUN).order_by(RUN.c.started_utc, RUN.c.key)
        if kind is not None:
            asked = asked.where(RUN.c.kind == kind)
        return tuple(_summary(row) for row in self._database.select(asked))

    def summary(self, run_id: str) -> RunSummary:
        """Return one run's line; see `header` for the id.

        Raises
        ------
        StoreError
            As `header`.
        """
        return _summary(self._run(run_id))

    def close(self) -> None:
        """Close files; idempotent. The store cannot be used afterwards."""
        self._database.close()

    def _run(self, wanted: str) -> sa.Row[Any]:
        ids = sa.select(RUN.c.id).order_by(RUN.c.started_utc, RUN.c.key)
        known = [row.id for row in self._database.select(ids)]
        run_id = pick(wanted, known, place=str(self._database.place))
        joined = RUN.outerjoin(MACHINE, RUN.c.machine_key == MACHINE.c.key)
        asked = sa.select(RUN, MACHINE.c.document.label("machine")).select_from(joined)
        return self._database.select(asked.where(RUN.c.id == run_id))[0]

    def _key_of(self, run_id: str) -> int:
        """Return the key of a run by its whole id: nobody writes into a run by abbreviation."""
        if run_id not in self._keys:
            found = self._database.select(sa.select(RUN.c.key).where(RUN.c.id == run_id))
            if not found:
                raise StoreError(f"no run {run_id!r} in {self._database.place}: create it first")
            self._keys[run_id] = found[0].key
        return self._keys[run_id]

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


def _run_row(header: RunHeader) -> dict[str, Any]:
    what = f"run {header.id}"
    try:
        aware = dt.datetime.fromisoformat(header.started_utc).tzinfo is not None
    except (TypeError, ValueError):
        aware = False
    if not aware:
        raise StoreError(
            f"{what}: started_utc must be an ISO 8601 instant with its offset but got "
            f"{header.started_utc!r}"
        )
    if not rows.is_plain(header.kind) or not rows.is_plain(header.name):
        raise StoreError(f"{what}: kind and name must be valid Unicode without NUL")
    document = dict(header.document)
    if _is_machine(document.get("machine")):
        del document["machine"]
    return {
        "id": header.id,
        "kind": header.kind,
        "name": header.name,
        "started_utc": header.started_utc,
        "document": rows.document_text(document, what=what),
        "status": RUNNING,
    }


def _is_machine(machine: object) -> bool:
    return isinstance(machine, Mapping) and bool(machine)


def _fingerprint(machine: Mapping[str, Any]) -> str:
    """Return the fingerprint that is given or follows, empty where it is no whole machine."""
    given = machine.get("fingerprint")
    if isinstance(given, str) and rows.is_plain(given):
        return given
    try:
        return Machine.from_json(machine).fingerprint
    except ValueError:
        return ""


def _machine_key(connection: sa.Connection, machine: Any) -> int:
    """Return the key of a machine; thousands of runs on one keep one copy."""
    text = rows.document_text(machine, what="the machine")
    text = json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))
    values = {"fingerprint": _fingerprint(machine), "document": text}
    asked = sa.select(MACHINE.c.key).where(
        MACHINE.c.fingerprint == values["fingerprint"], MACHINE.c.document == text
    )
    found = connection.execute(asked).scalar()
    if found is None:
        connection.execute(sa.insert(MACHINE), [values])
        found = connection.execute(asked).scalar_one()
    return int(found)


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


def _summary(row: sa.Row[Any]) -> RunSummary:
    result = row.result
    return RunSummary(
        id=row.id,
        kind=row.kind,
        name=row.name,
        started_utc=row.started_utc,
        status=row.status,
        result=None if result is None else rows.document_of(result, what=f"run {row.id}"),
    )
