"""Taking in whole runs from elsewhere: checked like any that is written here, then inserted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from parbench_lab.core.runs import RunRecord
from parbench_lab.errors import StoreError
from parbench_lab.store import figures, rows
from parbench_lab.store.database import Database
from parbench_lab.store.headers import RUNNING, insert_run, run_row
from parbench_lab.store.removal import delete_run
from parbench_lab.store.schema import CURVE, EVENT, FIT, MEASUREMENT, RUN, USAGE

_NO_KEY = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A run and its rows: of a key that is not known yet, the first column is still to come."""

    record: RunRecord
    row: Mapping[str, Any]
    tables: Mapping[sa.Table, Sequence[rows.Row]]


def prepared(record: RunRecord) -> Prepared:
    """Return a run as rows.

    Raises
    ------
    StoreError
        If something could not be read back as it is, its events have gaps, or its status and its
        result do not fit together.
    """
    header = replace(record.header, taken_in=True)
    what = f"run {header.id}"
    if not record.status or not rows.is_plain(record.status):
        raise StoreError(f"{what}: the status must be valid text but got {record.status!r}")
    if (record.status == RUNNING) != (record.result is None):
        raise StoreError(f"{what}: a run has a result exactly when it has ended")
    if [event.seq for event in record.events] != list(range(len(record.events))):
        raise StoreError(f"{what}: its events are not numbered from 0 without a gap")
    result = record.result
    text = None if result is None else rows.document_text(result, what=f"the result of {what}")
    measured = (rows.measurement_rows(_NO_KEY, event) for event in record.events)
    return Prepared(
        record=replace(record, header=header),
        row={**run_row(header), "status": record.status, "result": text},
        tables={
            EVENT: [rows.event_row(_NO_KEY, event) for event in record.events],
            MEASUREMENT: [row for of_event in measured for row in of_event],
            USAGE: figures.positioned(record.usage, figures.usage_table_row, _NO_KEY),
            CURVE: figures.positioned(record.curves, figures.curve_table_row, _NO_KEY),
            FIT: figures.positioned(record.fits, figures.fit_table_row, _NO_KEY),
        },
    )


def insert(
    database: Database,
    connection: sa.Connection,
    made: Sequence[Prepared],
    outgrown: Mapping[str, RunRecord],
) -> None:
    """Insert runs, within an operation of `Database.write`.

    Parameters
    ----------
    database, connection
        To write to.
    made
        The runs.
    outgrown
        By id, the runs that give way to one of them, as they were read; their pins stay.

    Raises
    ------
    StoreError
        If an id is taken, also by another of them, or a run that gives way has changed since.
    """
    for one in made:
        header, row = one.record.header, one.row
        if header.id in outgrown:
            row = {**row, "pinned": _give_way(connection, outgrown[header.id])}
        run_key = insert_run(database, connection, header, row)
        for table, given in one.tables.items():
            database.insert(connection, table, [(run_key, *row[1:]) for row in given])


def _give_way(connection: sa.Connection, here: RunRecord) -> bool:
    """Delete a run that was read before; return whether it was pinned."""
    # its key may be another run's by now: keys of runs that were removed are given again
    asked = sa.select(RUN.c.key, RUN.c.status, RUN.c.pinned).where(RUN.c.id == here.header.id)
    found = connection.execute(asked.with_for_update()).one_or_none()
    if found is not None:
        kept = sa.select(sa.func.count()).where(EVENT.c.run_key == found.key)
        if (found.status, connection.execute(kept).scalar()) == (here.status, len(here.events)):
            delete_run(connection, found.key)
            return bool(found.pinned)
    raise StoreError(
        f"run {here.header.id} has changed while the file was read: nothing was taken in; import "
        "it again"
    )
