"""Whole transactions on a database whose tables are there, or are made at the first write."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from parbench_lab.errors import StoreError
from parbench_lab.store.engine import ELSEWHERE, WRITING, Backend, patiently
from parbench_lab.store.location import Place, make_folder
from parbench_lab.store.rows import Row
from parbench_lab.store.schema import METADATA, SCHEMA, VERSION
from parbench_lab.store.sqlite import SqliteBackend

OLD = object()
"""What reading finds where the tables are of an older version."""
_UNSEEN = object()


class Database:
    """Reads and writes, each in one transaction; safe to use from any thread.

    Parameters
    ----------
    place
        Of the file; it need not be there yet.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self._backend = _backend_of(place)
        # one writer at a time in this process: waiting here is cheaper than at SQLite's lock
        self._write_lock = threading.RLock()
        # in memory there is one connection for all threads
        self._read_lock = self._write_lock if place.in_memory else contextlib.nullcontext()
        self._file: tuple[int, int] | None = None
        self._seen: object = _UNSEEN
        self._ready = False
        self._closed = False

    def select(self, asked: sa.Select[Any]) -> list[Any]:
        """Return the rows that are asked for, none where there is no database yet.

        Raises
        ------
        StoreError
            If the database cannot be read, or is not ours.
        """
        self._refuse_closed()
        with self._read_lock:
            found = patiently(lambda: self._read(asked), backend=self._backend)
        if found is OLD:
            self._make_ready()
            with self._read_lock:
                found = patiently(lambda: self._read(asked), backend=self._backend)
        assert isinstance(found, list)  # noqa: S101 - it is of this version now
        return found

    def _read(self, asked: sa.Select[Any]) -> object:
        if self._ready:
            self._refuse_removed()
        elif not self._exists():
            return []
        identity = self._identity()
        with self._backend.engine.begin() as connection:
            if not self._ready and self._seen != identity:
                version = version_of(connection, self._backend)
                if version is None:
                    return []
                if version < VERSION:
                    return OLD
                self._seen = identity
            return list(connection.execute(asked))

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
            patiently(transact, backend=self._backend)

    def insert(self, connection: sa.Connection, table: sa.Table, given: Sequence[Row]) -> None:
        """Insert rows whose values stand in the order of the table's columns.

        Within an operation of `write`, by the quickest way that the database has.
        """
        self._backend.insert_rows(connection, table, given)

    def lock_run(self, connection: sa.Connection, run_key: int) -> None:
        """Keep other writers off a run, within an operation of `write`."""
        self._backend.lock_run(connection, run_key)

    @contextlib.contextmanager
    def claimed(self, name: str) -> Iterator[bool]:
        """Hold a name while the block runs, and yield whether it was free; see `Backend.claim`.

        Raises
        ------
        StoreError
            If the server cannot be reached.
        """
        self._refuse_closed()
        give_back = patiently(lambda: self._backend.claim(name), backend=self._backend)
        try:
            yield give_back is not None
        finally:
            if give_back is not None:
                give_back()

    def close(self) -> None:
        """Close all connections; idempotent."""
        with self._write_lock:
            self._closed = True
            self._backend.engine.dispose()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        connection = self._backend.engine.connect().execution_options(**WRITING)
        with connection, connection.begin():
            yield connection

    def _make_ready(self) -> None:
        with self._write_lock:
            if self._ready:
                return
            if self.place.read_only:
                raise StoreError(
                    f"store {self.place} was opened for reading only (?mode=ro), and needs to be "
                    "written (also where an older version made it): open it without"
                )
            patiently(self._prepare, backend=self._backend)
            self._file = self._identity()
            self._ready = True

    def _prepare(self) -> None:
        """Make folder, file and tables unless they are there; a foreign file is not touched."""
        if self.place.path is not None:
            make_folder(self.place.path.parent)
        if self._exists():
            with self._backend.engine.begin() as connection:
                if version_of(connection, self._backend) == VERSION:
                    return
        self._backend.get_ready()
        with self._writing() as connection:
            self._backend.lock_schema(connection)
            # another process may have come first
            found = version_of(connection, self._backend)
            if found is None:
                METADATA.create_all(connection, checkfirst=False)
                connection.execute(sa.insert(SCHEMA), [{"version": VERSION}])
            elif found < VERSION:
                from parbench_lab.store.migrations import migrate  # noqa: PLC0415 - loads alembic

                migrate(connection, found)

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


def version_of(connection: sa.Connection, backend: Backend) -> int | None:
    """Return the version of the tables, None where there are none yet.

    Raises
    ------
    StoreError
        If it is the database of another program, or of a newer version of this one.
    """
    tables = sa.inspect(connection).get_table_names()
    if SCHEMA.name not in tables:
        if not backend.is_foreign(tables):
            return None
        raise StoreError(
            f"store {backend.place} is the database of another program; it was left as it is: "
            f"{ELSEWHERE}"
        )
    version = connection.execute(sa.select(sa.func.max(SCHEMA.c.version))).scalar()
    if version is None or not 1 <= version <= VERSION:
        raise StoreError(
            f"store {backend.place} has schema version {version}, this program knows {VERSION}: "
            f"upgrade parbench_lab, or {ELSEWHERE}"
        )
    return int(version)


def _backend_of(place: Place) -> Backend:
    if not place.server:
        return SqliteBackend(place)
    from parbench_lab.store.server import ServerBackend  # noqa: PLC0415 - only a team needs it

    return ServerBackend(place)
