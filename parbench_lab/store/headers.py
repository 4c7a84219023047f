"""Rows of runs and machines, from headers and back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from parbench_lab.core.machine import FINGERPRINT_DIGITS, FOREIGN, Machine
from parbench_lab.core.runs import TAKEN_IN, RunHeader, RunSummary
from parbench_lab.errors import StoreError
from parbench_lab.store import rows
from parbench_lab.store.database import Database
from parbench_lab.store.provenance import provenance_columns
from parbench_lab.store.run_id import refuse_bad_id
from parbench_lab.store.schema import CANDIDATE, MACHINE, RUN
from parbench_lab.store.summaries import candidate_rows, described_candidates

RUNNING = "running"
LONGEST_FINGERPRINT = 64


def run_row(header: RunHeader) -> dict[str, Any]:
    """Return the row of a run that begins, without its machine.

    Raises
    ------
    StoreError
        If it could not be read back as it is.
    """
    refuse_bad_id(header.id)
    what = f"run {header.id}"
    try:
        provenance = provenance_columns(header.document, header.started_utc)
    except StoreError as error:
        raise StoreError(f"{what}: {error}") from error
    if not rows.is_plain(header.kind) or not rows.is_plain(header.name):
        raise StoreError(f"{what}: kind and name must be valid Unicode without NUL")
    document = {name: of for name, of in header.document.items() if name != TAKEN_IN}
    if header.taken_in:
        document[TAKEN_IN] = True
    if is_machine(document.get("machine")):
        del document["machine"]
    return {
        "id": header.id,
        "kind": header.kind,
        "name": header.name,
        "started_utc": header.started_utc,
        "document": rows.document_text(document, what=what),
        "status": RUNNING,
        **provenance,
    }


def insert_run(
    database: Database,
    connection: sa.Connection,
    header: RunHeader,
    row: Mapping[str, Any],
) -> int:
    """Insert a run with its machine and its candidates; return its key.

    Raises
    ------
    StoreError
        If its id is taken.
    """
    taken = sa.select(RUN.c.key).where(RUN.c.id == header.id)
    if connection.execute(taken).first() is not None:
        raise StoreError(f"run id {header.id!r} is taken: make another with new_run_id")
    key = _machine_key(connection, header)
    connection.execute(sa.insert(RUN), [{**row, "machine_key": key}])
    run_key = int(connection.execute(taken).scalar_one())
    described = described_candidates(header.document)
    database.insert(connection, CANDIDATE, candidate_rows(run_key, list(described), described))
    return run_key


def is_machine(machine: object) -> bool:
    """Return whether a document tells of a machine at all."""
    return isinstance(machine, Mapping) and bool(machine)


def header_of(row: sa.Row[Any]) -> RunHeader:
    """Return the header that a row of `RUN`, with its machine's document, holds.

    Raises
    ------
    StoreError
        If it is damaged.
    """
    document = rows.document_of(row.document, what=f"run {row.id}")
    if row.machine is not None:
        machine = rows.document_of(row.machine, what=f"the machine of run {row.id}")
        if is_machine(machine):
            document["machine"] = machine
    taken_in = document.pop(TAKEN_IN, False) is True
    fields = {name: getattr(row, name) for name in ("id", "kind", "name", "started_utc")}
    return RunHeader(**fields, document=document, taken_in=taken_in)


def is_taken_in(document: str) -> bool:
    """Return whether the document of a run's row says that the run came from a file."""
    return rows.document_of(document, what="a run").get(TAKEN_IN) is True


def summary_of(row: sa.Row[Any]) -> RunSummary:
    """Return the line of the list that a row of `RUN`, with its fingerprint, holds.

    Raises
    ------
    StoreError
        If it is damaged.
    """
    result = row.result
    return RunSummary(
        id=row.id,
        kind=row.kind,
        name=row.name,
        started_utc=row.started_utc,
        status=row.status,
        result=None if result is None else rows.document_of(result, what=f"run {row.id}"),
        mode=row.mode,
        machine=row.fingerprint or "",
        commit=row.git_commit,
        dirty=bool(row.dirty),
        pinned=bool(row.pinned),
    )


def _fingerprint(machine: Mapping[str, Any]) -> str:
    """Return the fingerprint that is given or follows, empty where it is no whole machine."""
    given = machine.get("fingerprint")
    if isinstance(given, str) and rows.is_plain(given):
        if len(given) > LONGEST_FINGERPRINT:
            raise StoreError(
                f"the machine's fingerprint has {len(given)} characters: at most "
                f"{LONGEST_FINGERPRINT} are kept"
            )
        return given
    try:
        return Machine.from_json(machine).fingerprint
    except ValueError:
        return ""


def _machine_key(connection: sa.Connection, header: RunHeader) -> int | None:
    """Return the key of a run's machine; thousands of runs on one keep one copy.

    A run from a file that does not (wholly) describe its machine has one of its own, under a
    fingerprint that follows from the run's id: nothing says what it may be compared with, and
    all such would else be one series. What it does tell is kept as it is, be it nothing.
    """
    given = header.document.get("machine")
    if not is_machine(given) and not header.taken_in:
        return None
    machine: Mapping[str, Any] = given if given is not None and is_machine(given) else {}
    fingerprint = _fingerprint(machine)
    if not fingerprint and header.taken_in:
        fingerprint = FOREIGN + hashlib.sha256(header.id.encode()).hexdigest()[:FINGERPRINT_DIGITS]
    text = rows.document_text(machine, what="the machine")
    text = json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))
    values = {
        "fingerprint": fingerprint,
        "document": text,
        "digest": hashlib.sha256(text.encode()).hexdigest(),
    }
    asked = sa.select(MACHINE.c.key).where(
        MACHINE.c.fingerprint == values["fingerprint"], MACHINE.c.digest == values["digest"]
    )
    found = connection.execute(asked).scalar()
    if found is None:
        connection.execute(sa.insert(MACHINE), [values])
        found = connection.execute(asked).scalar_one()
    return int(found)
