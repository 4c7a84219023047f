"""SQLite as one engine of the store: connections, patience with other writers, and its errors.

Everything that another database would do differently is here; `history` speaks plain SQL.

* Write-ahead log, ``synchronous=NORMAL``: a commit is in the operating system's hands when it
  returns, so no death of a process can take it back (a power cut may take the last moments).
* Writers begin with ``BEGIN IMMEDIATE``: they queue up at the beginning, where waiting is
  harmless, and never fail half way because somebody else wrote meanwhile.
"""

from __future__ import annotations

import functools
import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.pool import QueuePool, StaticPool

from parbench_lab.errors import StoreError
from parbench_lab.store.location import Place
from parbench_lab.store.rows import Row

T = TypeVar("T")

BUSY_TIMEOUT_S = 5.0
PATIENCE_S = 30.0
SHORTEST_PAUSE_S = 0.005
LONGEST_PAUSE_S = 0.2
_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_ELSEWHERE = "give another place with --store or PARBENCH_STORE"


def make_engine(place: Place) -> sa.Engine:
    """Return an engine of the database; nothing is opened yet."""
    engine = sa.create_engine(
        "sqlite://",
        creator=lambda: _connect(place),
        hide_parameters=True,
        **({"poolclass": StaticPool} if place.path is None else _FILE_POOL),
    )
    sa.event.listen(engine, "begin", _begin)
    return engine


_FILE_POOL = {"poolclass": QueuePool, "pool_size": 4, "max_overflow": -1}
WRITING = {"parbench_writing": True}
"""Execution options of a connection that is going to write."""


def _connect(place: Place) -> sqlite3.Connection:
    if place.path is None:
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    else:
        mode = "ro" if place.read_only else "rwc"
        connection = sqlite3.connect(
            f"{place.path.as_uri()}?mode={mode}",
            uri=True,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,  # transactions are begun by `_begin`, never behind our back
            check_same_thread=False,  # the pool lends a connection to one thread at a time
        )
    try:
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA synchronous=NORMAL")
    except BaseException:
        connection.close()
        raise
    return connection


def _begin(connection: sa.Connection) -> None:
    writing = connection.get_execution_options().get("parbench_writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def use_write_ahead_log(engine: sa.Engine) -> None:
    """Let readers and one writer work at the same time, from now on, in every process.

    Where the file system cannot (some network ones), the database goes on without.
    """
    connection = engine.raw_connection()
    try:
        connection.cursor().execute("PRAGMA journal_mode=WAL").fetchone()
    finally:
        connection.close()


def insert_rows(connection: sa.Connection, table: sa.Table, given: Sequence[Row]) -> None:
    """Insert rows whose values stand in the order of the table's columns.

    Past SQLAlchemy's own way with a dict for each row, which takes three times as long: the
    program that judges a race shares its cores with the race.
    """
    if given:
        connection.exec_driver_sql(_insert_statement(table), [tuple(row) for row in given])


@functools.cache
def _insert_statement(table: sa.Table) -> str:
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    marks = ", ".join("?" * len(table.columns))
    return f'INSERT INTO "{table.name}" ({columns}) VALUES ({marks})'  # noqa: S608 - our own names


def patiently(operation: Callable[[], T], *, place: Place, patience_s: float = PATIENCE_S) -> T:
    """Return what a whole transaction returns; it is tried again while another process writes.

    Parameters
    ----------
    operation
        Begins and ends its transaction itself; nothing of it remains when it raises.
    place
        For the message.
    patience_s
        How long to go on trying; the waits in between grow from 5 ms to 0.2 s.

    Raises
    ------
    StoreError
        One line that says what to do.
    """
    deadline_s = time.monotonic() + patience_s
    pause_s = SHORTEST_PAUSE_S
    while True:
        try:
            return operation()
        except (sa.exc.DBAPIError, sqlite3.Error) as error:
            cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
            if _code(cause) not in _BUSY or time.monotonic() >= deadline_s:
                raise StoreError(explain(cause, str(place))) from error
        except OSError as error:
            raise StoreError(
                f"store {place} cannot be made ({error.strerror}): {_ELSEWHERE}"
            ) from error
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


def explain(error: BaseException | None, place: str) -> str:
    """Return one line for the user: what happened to the store, and what to do."""
    said = " ".join(str(error).split())
    advice = {
        sqlite3.SQLITE_BUSY: "is busy, another process writes without a pause: try again later",
        sqlite3.SQLITE_LOCKED: "is busy, another process writes without a pause: try again later",
        sqlite3.SQLITE_READONLY: "cannot be written: make the file and its folder writable",
        sqlite3.SQLITE_PERM: "cannot be written: make the file and its folder writable",
        sqlite3.SQLITE_FULL: "cannot grow, the disk is full: free some space",
        sqlite3.SQLITE_IOERR: "cannot be read or written, the disk may be full: free some space",
        sqlite3.SQLITE_CORRUPT: "is damaged; it was left as it is: move it away",
        sqlite3.SQLITE_NOTADB: "is no SQLite database; it was left as it is: move it away",
        sqlite3.SQLITE_CANTOPEN: "cannot be opened: see that its folder is there and yours",
    }.get(_code(error), "cannot be used")
    return f"store {place} {advice}, or {_ELSEWHERE} ({said})"


def _code(error: BaseException | None) -> int:
    """Return SQLite's primary result code: the low byte, the others say in which way."""
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)) & 0xFF
