"""The tables. Types and constraints are those that any SQL database has.

History of the schema's version
-------------------------------
1   machine, run, event, measurement. Append only but for the end of a run, which is set once.
2   run has mode, git_commit, dirty, pinned, started_us and summarised_seq; machine has digest, by
    which it is unique (a whole document is too long for an index of PostgreSQL; in a SQLite file
    of version 1 the old constraint stays beside it). New: usage, curve, fit, and what follows
    from a run's events: candidate, epoch, summary. The latter are written anew whenever a run
    has grown beyond summarised_seq; all others are append only but for `prune`.

A store of a newer version is refused; one of an older version is brought up by `migrations`, step
by step, in the transaction that finds it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    false,
)
from sqlalchemy.types import BigInteger

from parbench_lab.store.rows import (
    FLAG_COLUMNS,
    TEXT_COLUMNS,
    USAGE_COLUMNS,
    VALUE_COLUMNS,
    WHOLE_COLUMNS,
)

VERSION = 2

METADATA = MetaData()

# MySQL's own TEXT ends at 64 KiB, and has no default
LONG = Text().with_variant(Text(2**32 - 1), "mysql", "mariadb")
COMMIT = Text().with_variant(String(255), "mysql", "mariadb")

SCHEMA = Table(
    "parbench_schema",
    METADATA,
    Column("version", Integer, primary_key=True, autoincrement=False),
)

MACHINE = Table(
    "machine",
    METADATA,
    Column("key", Integer, primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("document", LONG, nullable=False),  # JSON; one fingerprint may have several
    Column("digest", String(64), nullable=False, server_default=""),  # SHA-256 of the document
    Index("machine_digest", "fingerprint", "digest", unique=True),
)

RUN = Table(
    "run",
    METADATA,
    Column("key", Integer, primary_key=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("started_utc", Text, nullable=False),
    Column("document", LONG, nullable=False),  # JSON, without the machine
    Column("machine_key", Integer, ForeignKey("machine.key")),
    Column("status", Text, nullable=False),
    Column("result", LONG),  # JSON; null until the run ends
    Column("mode", String(16), nullable=False, server_default="batch"),
    Column("git_commit", COMMIT, nullable=False, server_default=""),
    Column("dirty", Boolean, nullable=False, server_default=false()),
    Column("pinned", Boolean, nullable=False, server_default=false()),
    # microseconds since 1970 in UTC: the text has any offset and does not sort
    Column("started_us", BigInteger, nullable=False, server_default="0"),
    Column("summarised_seq", BigInteger),  # the last event in the summaries; null: none made yet
    Index("run_started", "started_us"),
)

EVENT = Table(
    "event",
    METADATA,
    Column("run_key", Integer, ForeignKey("run.key"), primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("at_s", Float(53), nullable=False),
    Column("kind", Text, nullable=False),
    Column("payload", LONG, nullable=False),  # JSON
    sqlite_with_rowid=False,
)

MEASUREMENT = Table(
    "measurement",
    METADATA,
    Column("run_key", Integer, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("position", Integer, primary_key=True),  # among the measurements of the event
    *(Column(name, BigInteger, nullable=False) for name in WHOLE_COLUMNS),
    *(Column(name, Text, nullable=False) for name in TEXT_COLUMNS),
    *(Column(name, Boolean, nullable=False) for name in FLAG_COLUMNS),
    *(Column(name, Float(53)) for name in VALUE_COLUMNS),
    Column("further_values", LONG),  # JSON; null where there are none
    # ASCII with backslashes: what a candidate raises may hold NUL, or be no valid Unicode
    Column("message", LONG, nullable=False),
    ForeignKeyConstraint(["run_key", "seq"], ["event.run_key", "event.seq"]),
    sqlite_with_rowid=False,
)

CANDIDATE = Table(
    "candidate",
    METADATA,
    Column("run_key", Integer, ForeignKey("run.key"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("document", LONG, nullable=False),  # JSON: how it can be found again
    sqlite_with_rowid=False,
)

EPOCH = Table(
    "epoch",
    METADATA,
    Column("run_key", Integer, ForeignKey("run.key"), primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("size", BigInteger, nullable=False),  # batch size in items
    sqlite_with_rowid=False,
)


def _estimate_columns() -> list[Column[Any]]:
    return [
        Column("point", Float(53), nullable=False),
        Column("low", Float(53), nullable=False),
        Column("high", Float(53), nullable=False),
        Column("confidence", Float(53), nullable=False),
        Column("n", BigInteger, nullable=False),
    ]


SUMMARY = Table(
    "summary",
    METADATA,
    Column("run_key", Integer, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("epoch", BigInteger, nullable=False),
    Column("candidate", Integer, nullable=False),
    Column("metric", Text, nullable=False),
    *_estimate_columns(),  # of the median of what was judged
    Column("p95", Float(53)),
    Column("p99", Float(53)),
    Column("peak_rss_bytes", Float(53)),
    ForeignKeyConstraint(["run_key", "epoch"], ["epoch.run_key", "epoch.number"]),
    ForeignKeyConstraint(["run_key", "candidate"], ["candidate.run_key", "candidate.position"]),
    sqlite_with_rowid=False,
)

USAGE = Table(
    "usage",
    METADATA,
    Column("run_key", Integer, ForeignKey("run.key"), primary_key=True),
    Column("position", BigInteger, primary_key=True),
    Column("at_s", Float(53), nullable=False),
    Column("source", Text, nullable=False),  # a worker's name, or "host"
    *(Column(name, Float(53)) for name in USAGE_COLUMNS),
    Column("further_values", LONG),  # JSON; null where there are none
    sqlite_with_rowid=False,
)

CURVE = Table(
    "curve",
    METADATA,
    Column("run_key", Integer, ForeignKey("run.key"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("backend", Text, nullable=False),
    Column("scaling", Text, nullable=False),  # strong or weak
    Column("series_size", BigInteger, nullable=False),
    Column("workers", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("metric", Text, nullable=False),
    *_estimate_columns(),
    sqlite_with_rowid=False,
)

FIT = Table(
    "fit",
    METADATA,
    Column("run_key", Integer, ForeignKey("run.key"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("backend", Text, nullable=False),
    Column("scaling", Text, nullable=False),
    Column("series_size", BigInteger, nullable=False),
    Column("law", Text, nullable=False),
    Column("parameter", Text, nullable=False),
    *_estimate_columns(),
    sqlite_with_rowid=False,
)

OF_A_RUN = (SUMMARY, CANDIDATE, EPOCH, CURVE, FIT, USAGE, MEASUREMENT, EVENT)
"""All tables whose rows belong to a run, those that refer to others first."""
