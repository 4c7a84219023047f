"""SQLite as one engine of the store: connections, patience with other writers, and its errors.

Everything that another database would do differently is here; `history` speaks plain SQL.

* Write-ahead log, ``synchronous=NORMAL``: a commit is in the operating system's hands when it
  returns, so no death of a process can take it back (a power cut may take the last moments).
* Writers begin with ``BEGIN IMMEDIATE``: they queue up at the beginning, where waiting is
  harmless, and never fail half way because somebody else wrote meanwhile.
* Even a reader of a write-ahead log writes beside it (``-shm``). Where it may not, and no log is
  there, the file is read as one that nobody changes.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import NullPool, QueuePool, StaticPool

from parbench_lab.store.cut_off import (
    beside,
    damaged,
    refuse_cut_off,
    refuse_part_of_page,
    size_without_log,
)
from parbench_lab.store.engine import ELSEWHERE
from parbench_lab.store.location import Place
from parbench_lab.store.rows import Row

BUSY_TIMEOUT_S = 5.0
_WAL = "PRAGMA journal_mode=WAL"
_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


class SqliteBackend:
    """A file, or memory; see `Backend`.

    Parameters
    ----------
    place
        Of the database.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self.engine = sa.create_engine(
            "sqlite://",
            creator=lambda: _connect(place),
            hide_parameters=True,
            **_pool(place),
        )
        sa.event.listen(self.engine, "begin", _begin)

    def get_ready(self) -> None:
        """Let readers and one writer work at the same time, from now on, in every process.

        Where the file system cannot (some network ones), the database goes on without.
        """
        try:
            # a raw connection: outside of a transaction, as this one must be
            with contextlib.closing(self.engine.raw_connection()) as connection:
                connection.cursor().execute(_WAL).fetchone()
        except sqlite3.Error as error:
            raise sa.exc.DBAPIError(_WAL, None, error) from error

    def lock_schema(self, connection: sa.Connection) -> None:
        """Do nothing: ``BEGIN IMMEDIATE`` lets one writer in at a time."""

    def lock_run(self, connection: sa.Connection, run_key: int) -> None:
        """Do nothing, as `lock_schema`."""

    def insert_rows(
        self, connection: sa.Connection, table: sa.Table, given: Sequence[Row]
    ) -> None:
        """Insert rows whose values stand in the order of the table's columns.

        Past SQLAlchemy's own way with a dict for each row, which takes three times as long: the
        program that judges a race shares its cores with the race.
        """
        if given:
            connection.exec_driver_sql(_insert_statement(table), [tuple(row) for row in given])

    def claim(self, name: str) -> Callable[[], None] | None:  # noqa: ARG002 - of a server only
        """Grant it: the users of a file meet at a lock beside it."""
        return lambda: None

    def is_foreign(self, tables: Sequence[str]) -> bool:
        """Return whether there are any tables: a file belongs to one program."""
        return bool(tables)

    def is_passing(self, error: BaseException, *, tried: int) -> bool:  # noqa: ARG002 - see Backend
        """Return whether another process holds the lock."""
        return _code(error) in _BUSY

    def explain(self, error: BaseException) -> str:
        """Return one line for the user: what happened to the store, and what to do."""
        return explain(error, str(self.place))


def _pool(place: Place) -> dict[str, Any]:
    if place.in_memory:
        return {"poolclass": StaticPool}
    if place.read_only:
        # whether a file changes is asked anew for every transaction; see `_how`
        return {"poolclass": NullPool}
    return {"poolclass": QueuePool, "pool_size": 4, "max_overflow": -1}


def _connect(place: Place) -> sqlite3.Connection:
    try:
        return _opened(place)
    except UnicodeDecodeError as error:  # what SQLite says of it holds bytes of the file
        raise damaged("its tables have names that are no text") from error


def _opened(place: Place) -> sqlite3.Connection:
    size_bytes = 0
    if place.path is None:
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    else:
        refuse_cut_off(place.path, timeout_s=BUSY_TIMEOUT_S)
        size_bytes = size_without_log(place.path)
        connection = sqlite3.connect(
            f"{place.path.as_uri()}?{_how(place.path, read_only=place.read_only)}",
            uri=True,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,  # transactions are begun by `_begin`, never behind our back
            check_same_thread=False,  # the pool lends a connection to one thread at a time
        )
    try:
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA synchronous=NORMAL")
        refuse_part_of_page(connection, size_bytes)
    except BaseException:
        connection.close()
        raise
    return connection


def _how(path: Path, *, read_only: bool) -> str:
    """Return how the file is opened, as SQLite's URI parameters."""
    if not read_only:
        return "mode=rwc"
    locked = not os.access(path.resolve().parent, os.W_OK) and not beside(path, "-wal").exists()
    return "mode=ro&immutable=1" if locked else "mode=ro"


def _begin(connection: sa.Connection) -> None:
    writing = connection.get_execution_options().get("parbench_writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


@functools.cache
def _insert_statement(table: sa.Table) -> str:
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    marks = ", ".join("?" * len(table.columns))
    return f'INSERT INTO "{table.name}" ({columns}) VALUES ({marks})'  # noqa: S608 - our own names


def explain(error: BaseException | None, place: str) -> str:
    """Return one line for the user: what happened to the store, and what to do."""
    code = _code(error)
    # of a lock SQLite says nothing but that there is one, in words that sound like damage
    said = "" if code in _BUSY else f" ({' '.join(str(error).split())})"
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
    }.get(code, "cannot be used")
    return f"store {place} {advice}, or {ELSEWHERE}{said}"


def _code(error: BaseException | None) -> int:
    """Return SQLite's primary result code: the low byte, the others say in which way."""
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)) & 0xFF
