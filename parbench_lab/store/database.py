"""Whole transactions on a database whose tables are there, or are made at the first write."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa

from parbench_lab.errors import StoreError
from parbench_lab.store.location import Place
from parbench_lab.store.schema import METADATA, SCHEMA, VERSION
from parbench_lab.store.sqlite import WRITING, make_engine, patiently, use_write_ahead_log


class Database:
    """Reads and writes, each in one transaction; safe to use from any thread.

    Parameters
    ----------
    place
        Of the file; it need not be there yet.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self._engine = make_engine(place)
        # one writer at a time in this process: waiting here is cheaper than at SQLite's lock
        self._write_lock = threading.RLock()
        in_memory = place.path is None  # one connection for all threads
        self._read_lock = self._write_lock if in_memory else contextlib.nullcontext()
        self._file: tuple[int, int] | None = None
        self._ready = False
        self._closed = False

    def select(self, asked: sa.Select[Any]) -> list[sa.Row[Any]]:
        """Return the rows that are asked for, none where there is no database yet.

        Raises
        ------
        StoreError
            If the file cannot be read, or is not ours.
        """

        def read() -> list[sa.Row[Any]]:
            if self._ready:
                self._refuse_removed()
            elif not self._exists():
                return []
            with self._engine.begin() as connection:
                if not self._ready and not version_is_known(connection, str(self.place)):
                    return []
                return list(connection.execute(asked))

        self._refuse_closed()
        with self._read_lock:
            return patiently(read, place=self.place)

    def write(self, operation: Callable[[sa.Connection], None]) -> None:
        """Carry out an operation in one transaction: when this returns, all of it is on disk.

        Parameters
        ----------
        operation
            Executes statements; it may be called again where another process came between, and
            nothing of it remains when it raises.

        Raises
        ------
        StoreError
            If the file cannot be written, is not ours, or was removed while it was in use.
        """

        def transact() -> None:
            with self._writing() as connection:
                operation(connection)

        with self._write_lock:
            self._refuse_closed()
            self._make_ready()
            self._refuse_removed()
            patiently(transact, place=self.place)

    def close(self) -> None:
        """Close all connections; idempotent."""
        with self._write_lock:
            self._closed = True
            self._engine.dispose()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        connection = self._engine.connect().execution_options(**WRITING)
        with connection, connection.begin():
            yield connection

    def _make_ready(self) -> None:
        if self._ready:
            return
        if self.place.read_only:
            raise StoreError(f"store {self.place} was opened for reading only (?mode=ro)")
        patiently(self._prepare, place=self.place)
        self._file = self._identity()
        self._ready = True

    def _prepare(self) -> None:
        """Make folder, file and tables unless they are there; a foreign file is not touched."""
        if self.place.path is not None:
            self.place.path.parent.mkdir(parents=True, exist_ok=True)
        if self._exists():
            with self._engine.begin() as connection:
                if version_is_known(connection, str(self.place)):
                    return
        use_write_ahead_log(self._engine)
        with self._writing() as connection:
            # another process may have come first
            if not version_is_known(connection, str(self.place)):
                METADATA.create_all(connection, checkfirst=False)
                connection.execute(sa.insert(SCHEMA), [{"version": VERSION}])

    def _exists(self) -> bool:
        return self.place.path is None or self.place.path.exists()

    def _identity(self) -> tuple[int, int] | None:
        """Return which file the path names now, None where it names none."""
        if self.place.path is None:
            return None
        try:
            found = self.place.path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _refuse_removed(self) -> None:
        # what is written to a removed file is gone when it is closed, and nobody would notice
        if self._identity() != self._file:
            raise StoreError(
                f"store {self.place} was removed or replaced while it was in use: put the file "
                "back, or start the run again"
            )

    def _refuse_closed(self) -> None:
        if self._closed:
            raise StoreError(f"store {self.place} is closed: open it again")


def version_is_known(connection: sa.Connection, place: str) -> bool:
    """Return whether the tables are there, False in an empty database.

    Raises
    ------
    StoreError
        If it is the database of another program, or of another version of this one.
    """
    tables = sa.inspect(connection).get_table_names()
    if not tables:
        return False
    if SCHEMA.name not in tables:
        raise StoreError(
            f"store {place} is the database of another program; it was left as it is: give "
            "another place with --store or PARBENCH_STORE"
        )
    version = connection.execute(sa.select(sa.func.max(SCHEMA.c.version))).scalar()
    if version != VERSION:
        raise StoreError(
            f"store {place} has schema version {version}, this program knows {VERSION}: upgrade "
            "parbench_lab, or give another place with --store or PARBENCH_STORE"
        )
    return True
