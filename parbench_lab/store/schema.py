"""The tables. Types and constraints are those that any SQL database has.

History of the schema's version
-------------------------------
1   machine, run, event, measurement. Append only but for the end of a run, which is set once.

A store of a newer version is refused; one of an older version is to be brought up here, step by
step, in the transaction that finds it.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.types import BigInteger

from parbench_lab.store.rows import FLAG_COLUMNS, TEXT_COLUMNS, VALUE_COLUMNS, WHOLE_COLUMNS

VERSION = 1

METADATA = MetaData()

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
    Column("document", Text, nullable=False),  # JSON; one fingerprint may have several
    UniqueConstraint("fingerprint", "document"),
)

RUN = Table(
    "run",
    METADATA,
    Column("key", Integer, primary_key=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("started_utc", Text, nullable=False),
    Column("document", Text, nullable=False),  # JSON, without the machine
    Column("machine_key", Integer, ForeignKey("machine.key")),
    Column("status", Text, nullable=False),
    Column("result", Text),  # JSON; null until the run ends
)

EVENT = Table(
    "event",
    METADATA,
    Column("run_key", Integer, ForeignKey("run.key"), primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("at_s", Float(53), nullable=False),
    Column("kind", Text, nullable=False),
    Column("payload", Text, nullable=False),  # JSON
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
    Column("further_values", Text),  # JSON; null where there are none
    # ASCII with backslashes: what a candidate raises may hold NUL, or be no valid Unicode
    Column("message", Text, nullable=False),
    ForeignKeyConstraint(["run_key", "seq"], ["event.run_key", "event.seq"]),
    sqlite_with_rowid=False,
)
