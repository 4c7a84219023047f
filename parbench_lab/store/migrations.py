"""From older versions of the schema to this one, with Alembic's operations.

Each step is written down with the names and types of its time: a later change of `schema` must
not change what an old file becomes on the way. Steps run in one transaction, so a store is either
of the old version or of this one, whatever happens meanwhile.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from parbench_lab.store import schema
from parbench_lab.store.provenance import provenance_columns

if TYPE_CHECKING:
    from alembic.operations import Operations

Step = Callable[["Operations", sa.Connection], None]


def migrate(connection: sa.Connection, found: int) -> None:
    """Bring a database up to this program's version.

    Parameters
    ----------
    connection
        In a transaction that writes.
    found
        The database's version, at least 1 and below `schema.VERSION`.
    """
    # a third of a second, which only those pay who have an old store
    from alembic.operations import Operations  # noqa: PLC0415
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415

    operations = Operations(MigrationContext.configure(connection))
    for version in range(found, schema.VERSION):
        _STEPS[version](operations, connection)
        connection.execute(sa.insert(schema.SCHEMA), [{"version": version + 1}])


def _from_1(op: Operations, connection: sa.Connection) -> None:
    """Add the tables of version 2 and fill what follows from the documents.

    Summaries are made when they are first asked for, as for any run that never ended.
    """
    op.add_column("machine", sa.Column("digest", sa.String(64), nullable=False, server_default=""))
    for column in (
        sa.Column("mode", sa.String(16), nullable=False, server_default="batch"),
        sa.Column("git_commit", sa.Text, nullable=False, server_default=""),
        sa.Column("dirty", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("pinned", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("started_us", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("summarised_seq", sa.BigInteger),
    ):
        op.add_column("run", column)
    _tables_of_2(op)
    _fill_machines(connection)
    _fill_runs(connection)
    op.create_index("machine_digest", "machine", ["fingerprint", "digest"], unique=True)
    op.create_index("run_started", "run", ["started_us"])


def _key_columns(second: str, kind: type[sa.Integer] = sa.Integer) -> list[Any]:
    return [
        sa.Column("run_key", sa.Integer, sa.ForeignKey("run.key"), primary_key=True),
        sa.Column(second, kind, primary_key=True),
    ]


def _estimate() -> list[Any]:
    names = ("point", "low", "high", "confidence")
    floats = [sa.Column(name, sa.Float(53), nullable=False) for name in names]
    return [*floats, sa.Column("n", sa.BigInteger, nullable=False)]


def _texts(*names: str) -> list[Any]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _wholes(*names: str) -> list[Any]:
    return [sa.Column(name, sa.BigInteger, nullable=False) for name in names]


def _floats(*names: str) -> list[Any]:
    return [sa.Column(name, sa.Float(53)) for name in names]


def _tables_of_2(op: Operations) -> None:
    rowid = {"sqlite_with_rowid": False}
    op.create_table("candidate", *_key_columns("position"), *_texts("name", "document"), **rowid)
    op.create_table("epoch", *_key_columns("number", sa.BigInteger), *_wholes("size"), **rowid)
    op.create_table(
        "summary",
        sa.Column("run_key", sa.Integer, primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        *_wholes("epoch"),
        sa.Column("candidate", sa.Integer, nullable=False),
        *_texts("metric"),
        *_estimate(),
        *_floats("p95", "p99", "peak_rss_bytes"),
        sa.ForeignKeyConstraint(["run_key", "epoch"], ["epoch.run_key", "epoch.number"]),
        sa.ForeignKeyConstraint(
            ["run_key", "candidate"], ["candidate.run_key", "candidate.position"]
        ),
        **rowid,
    )
    op.create_table(
        "usage",
        *_key_columns("position", sa.BigInteger),
        sa.Column("at_s", sa.Float(53), nullable=False),
        *_texts("source"),
        *_floats("cpu_percent", "rss_bytes", "memory_limit_bytes"),
        *_floats("gpu_percent", "gpu_memory_bytes"),
        sa.Column("further_values", sa.Text),
        **rowid,
    )
    curve = [*_key_columns("position"), *_texts("backend", "scaling"), *_wholes("series_size")]
    op.create_table(
        "curve", *curve, *_wholes("workers", "size"), *_texts("metric"), *_estimate(), **rowid
    )
    fit = [*_key_columns("position"), *_texts("backend", "scaling"), *_wholes("series_size")]
    op.create_table("fit", *fit, *_texts("law", "parameter"), *_estimate(), **rowid)


def _fill_machines(connection: sa.Connection) -> None:
    machine = sa.table("machine", *map(sa.column, ("key", "document", "digest")))
    for key, document in connection.execute(sa.select(machine.c.key, machine.c.document)).all():
        digest = hashlib.sha256(document.encode()).hexdigest()
        changed = sa.update(machine).where(machine.c.key == key).values(digest=digest)
        connection.execute(changed)


def _fill_runs(connection: sa.Connection) -> None:
    names = ("key", "document", "started_utc", "mode", "git_commit", "dirty", "started_us")
    run = sa.table("run", *map(sa.column, names))
    candidate = sa.table("candidate", *map(sa.column, ("run_key", "position", "name", "document")))
    asked = sa.select(run.c.key, run.c.document, run.c.started_utc)
    for key, text, started_utc in connection.execute(asked).all():
        document = _document(text)
        columns = provenance_columns(document, started_utc, lenient=True)
        connection.execute(sa.update(run).where(run.c.key == key).values(**columns))
        given = document.get("candidates")
        named = [one for one in given if _has_name(one)] if isinstance(given, list) else []
        values = [
            {
                "run_key": key,
                "position": position,
                "name": one["name"],
                "document": json.dumps(one, separators=(",", ":")),
            }
            for position, one in enumerate(named)
        ]
        if values:
            connection.execute(sa.insert(candidate), values)


def _document(text: str) -> Mapping[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return {}  # it is told as damaged when it is read
    return document if isinstance(document, dict) else {}


def _has_name(candidate: object) -> bool:
    return isinstance(candidate, dict) and isinstance(candidate.get("name"), str)


_STEPS: Mapping[int, Step] = {1: _from_1}
