"""What databases do differently: a `Backend` for SQLite, one for servers; patience with both.

`history` and the modules it delegates to speak plain SQL through SQLAlchemy.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import sqlalchemy as sa

from parbench_lab.errors import StoreError
from parbench_lab.store.location import Place
from parbench_lab.store.rows import Row

T = TypeVar("T")

PATIENCE_S = 30.0
SHORTEST_PAUSE_S = 0.005
LONGEST_PAUSE_S = 0.2
ELSEWHERE = "give another place with --store or PARBENCH_STORE"
WRITING = {"parbench_writing": True}
"""Execution options of a connection that is going to write."""


class Backend(Protocol):
    """One kind of database."""

    @property
    def place(self) -> Place:
        """Where it is."""

    @property
    def engine(self) -> sa.Engine:
        """Connections to it; none is opened before it is used."""

    def get_ready(self) -> None:
        """Prepare a database for the first time it is written; outside of any transaction."""

    def lock_schema(self, connection: sa.Connection) -> None:
        """Keep other processes from making or changing tables until the transaction ends."""

    def lock_run(self, connection: sa.Connection, run_key: int) -> None:
        """Keep other processes from writing a run until the transaction ends."""

    def insert_rows(
        self, connection: sa.Connection, table: sa.Table, given: Sequence[Row]
    ) -> None:
        """Insert rows whose values stand in the order of the table's columns."""

    def claim(self, name: str) -> Callable[[], None] | None:
        """Return what gives a name back that nobody else holds now; None where somebody does.

        Who dies gives back what it holds. A file's users meet at a lock beside it: there every
        claim is granted.
        """

    def is_foreign(self, tables: Sequence[str]) -> bool:
        """Return whether tables without ours among them mean: keep off."""

    def is_passing(self, error: BaseException, *, tried: int) -> bool:
        """Return whether an error may be gone when the transaction is tried once more."""

    def explain(self, error: BaseException) -> str:
        """Return one line for the user: what happened to the store, and what to do."""


def patiently(
    operation: Callable[[], T], *, backend: Backend, patience_s: float = PATIENCE_S
) -> T:
    """Return what a whole transaction returns; it is tried again while another process writes.

    Parameters
    ----------
    operation
        Begins and ends its transaction itself; nothing of it remains when it raises.
    backend
        Tells which errors pass, and explains the others.
    patience_s
        How long to go on trying; the waits in between grow from 5 ms to 0.2 s.

    Raises
    ------
    StoreError
        One line that says what to do.
    """
    deadline_s = time.monotonic() + patience_s
    pause_s = SHORTEST_PAUSE_S
    tried = 0
    while True:
        tried += 1
        try:
            return operation()
        except sa.exc.SQLAlchemyError as error:
            cause = (error.orig if isinstance(error, sa.exc.DBAPIError) else None) or error
            passing = backend.is_passing(cause, tried=tried)
            if not passing or time.monotonic() >= deadline_s:
                # what passes is explained wholly: the database's own words would only alarm
                raise StoreError(backend.explain(cause)) from (None if passing else error)
        except OSError as error:
            raise StoreError(
                f"store {backend.place} cannot be made ({error.strerror}): {ELSEWHERE}"
            ) from error
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
