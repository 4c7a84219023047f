"""Databases on a server as engines of the store: PostgreSQL, and what else SQLAlchemy speaks.

PostgreSQL is the one that is tested. Writers of one run queue up at its row, so that the check of
its event numbers holds; makers of tables queue up at an advisory lock.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

from parbench_lab.errors import StoreError
from parbench_lab.store.engine import ELSEWHERE
from parbench_lab.store.location import Place
from parbench_lab.store.rows import Row
from parbench_lab.store.schema import METADATA, RUN

CONNECT_TIMEOUT_S = 10
FEWEST_TO_COPY = 20
SCHEMA_LOCK = 7_265_636_268
"""Any number of 64 bits that other programs are unlikely to lock."""
KEEPALIVE_S = {
    "tcp_keepalives_idle": 60,
    "tcp_keepalives_interval": 15,
    "tcp_keepalives_count": 4,
}
"""Of a connection that holds a claim: a machine that lost its power gives it back in 2 minutes."""
_PASSING = frozenset({"40001", "40P01", "53300", "55P03", "57P03"})
"""SQLSTATEs: serialisation failure, deadlock, too many clients, lock not had, starting up."""
_TAKEN = "23505"
_TIMES_TAKEN = 3
_ADVICE = {
    "25006": "takes no writes (a standby, or set to read only)",
    "42501": "refuses: ask its owner for the right to create and write tables there",
    "42P01": "lacks a table: was it removed while the store was in use?",
    "53100": "cannot grow, the server's disk is full: free some space",
    "57P01": "was shut down: try again when it is back",
}
_LOCK_RUN = sa.select(RUN.c.key).where(RUN.c.key == sa.bindparam("run_key")).with_for_update()


class ServerBackend:
    """A database on a server; see `Backend`.

    Parameters
    ----------
    place
        Of the database.

    Raises
    ------
    StoreError
        If the URL is malformed, or the driver of the database is not installed.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        try:
            url = _with_driver(sa.make_url(place.server))
            self.engine = sa.create_engine(
                url,
                hide_parameters=True,
                pool_size=4,
                max_overflow=-1,
                pool_pre_ping=True,  # a server that was restarted is met by a fresh connection
                connect_args=_connect_arguments(url),
            )
        except ModuleNotFoundError as error:
            raise StoreError(_missing(place, error.name or "its driver")) from error
        except (sa.exc.ArgumentError, ValueError) as error:
            # the error's own text may quote the URL with its password
            raise StoreError(
                f"the store's URL {place} is none that SQLAlchemy knows: give "
                "postgresql+psycopg://USER@HOST/DATABASE"
            ) from error

    def get_ready(self) -> None:
        """Do nothing: a server is ready."""

    def lock_schema(self, connection: sa.Connection) -> None:
        """Let one process at a time look for the tables and make them."""
        if connection.dialect.name == "postgresql":
            lock = sa.func.pg_advisory_xact_lock(sa.cast(SCHEMA_LOCK, sa.BigInteger))
            connection.execute(sa.select(lock))

    def lock_run(self, connection: sa.Connection, run_key: int) -> None:
        """Hold the run's row."""
        connection.execute(_LOCK_RUN, {"run_key": run_key})

    def insert_rows(
        self, connection: sa.Connection, table: sa.Table, given: Sequence[Row]
    ) -> None:
        """Insert rows whose values stand in the order of the table's columns.

        Many at once go by PostgreSQL's own way of loading, which takes a third of the time.
        """
        if len(given) >= FEWEST_TO_COPY and connection.dialect.driver == "psycopg":
            _copy(connection, table, given)
        elif given:
            names = [column.name for column in table.columns]
            values = [dict(zip(names, row, strict=True)) for row in given]
            connection.execute(table.insert(), values)

    def claim(self, name: str) -> Callable[[], None] | None:
        """Return what gives a name back that nobody else holds now; None where somebody does.

        PostgreSQL's advisory lock of a session of its own, so that whoever dies gives it back. A
        pool between us and the server must keep sessions (PgBouncer's ``pool_mode = session``).
        Other servers grant every claim.
        """
        if self.engine.dialect.name != "postgresql":
            return lambda: None
        key = sa.cast(claim_key(name), sa.BigInteger)
        settings = [
            sa.func.set_config(setting, str(value), False)
            for setting, value in KEEPALIVE_S.items()
        ]
        with contextlib.ExitStack() as opened:
            connection = opened.enter_context(
                self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            )
            # closing it ends the session, and no other user of it has our lock
            connection.detach()
            connection.execute(sa.select(*settings))
            if not connection.scalar(sa.select(sa.func.pg_try_advisory_lock(key))):
                return None
            opened.pop_all()  # who gives the name back closes it

        def give_back() -> None:
            # said before the end of the session: the server sees that a moment later only
            with contextlib.suppress(sa.exc.SQLAlchemyError), connection:
                connection.execute(sa.select(sa.func.pg_advisory_unlock(key)))

        return give_back

    def is_foreign(self, tables: Sequence[str]) -> bool:
        """Return whether a table has a name that we need: other tables may live beside ours."""
        return not METADATA.tables.keys().isdisjoint(tables)

    def is_passing(self, error: BaseException, *, tried: int) -> bool:
        """Return whether the error is of a kind that passes, or a row just came from elsewhere."""
        state = _state(error)
        return state in _PASSING or (state == _TAKEN and tried <= _TIMES_TAKEN)

    def explain(self, error: BaseException) -> str:
        """Return one line for the user, without passwords."""
        said = " ".join(str(error).split())
        for secret in self.place.secrets:
            said = said.replace(secret, "***")
        state = _state(error)
        unreachable = "cannot be reached: see that the server runs and the URL is right"
        otherwise = unreachable if state is None else "cannot be used"
        return f"store {self.place} {_ADVICE.get(state or '', otherwise)}, or {ELSEWHERE} ({said})"


def _state(error: BaseException) -> str | None:
    """Return the SQLSTATE of an error, None where it has none; psycopg2 calls it pgcode."""
    return getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)


def claim_key(name: str) -> int:
    """Return the number that stands for a claim: 64 bits, signed, the same on every machine.

    Examples
    --------
    >>> claim_key("watch"), claim_key("watch") == claim_key("watch ")
    (-3651747168668208021, False)
    """
    digest = hashlib.sha256(f"parbench {name}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def _copy(connection: sa.Connection, table: sa.Table, given: Sequence[Row]) -> None:
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    statement = f'COPY "{table.name}" ({columns}) FROM STDIN'
    link: Any = connection.connection.driver_connection
    try:
        with link.cursor() as cursor, cursor.copy(statement) as copy:
            for row in given:
                copy.write_row(row)
    except connection.dialect.loaded_dbapi.Error as error:
        # as any statement that goes through SQLAlchemy: `patiently` knows what to do with it
        raise sa.exc.DBAPIError(statement, None, error) from error


def _with_driver(url: sa.URL) -> sa.URL:
    """Return the URL with the driver that the extra ``postgres`` installs, unless it has one."""
    if url.drivername in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    return url


def _connect_arguments(url: sa.URL) -> dict[str, object]:
    if url.drivername != "postgresql+psycopg":
        return {}
    given = {"connect_timeout": CONNECT_TIMEOUT_S, "application_name": "parbench"}
    return {name: value for name, value in given.items() if name not in url.query}


def _missing(place: Place, module: str) -> str:
    extra = "'parbench_lab[postgres]'" if module.startswith("psycopg") else module
    return f"store {place} needs {module}: pip install {extra}, or {ELSEWHERE}"
