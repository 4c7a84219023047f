"""Removing old runs with all that is kept of them; which ones, `pruning` says."""

from __future__ import annotations

import datetime as dt
import functools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from parbench_lab.core.runs import CALIBRATION, ROOFLINE, WATCH
from parbench_lab.errors import UsageError
from parbench_lab.store.database import Database
from parbench_lab.store.headers import RUNNING, is_taken_in
from parbench_lab.store.provenance import microseconds
from parbench_lab.store.pruning import Kept, beyond, older, refuse_nonsense
from parbench_lab.store.schema import CANDIDATE, EPOCH, MACHINE, OF_A_RUN, RUN, SUMMARY

__all__ = ["delete_run", "doomed", "refuse_nonsense", "remove"]

_Series = tuple[Any, ...]


def doomed(database: Database, *, keep: int | None, before: dt.datetime | None) -> list[int]:
    """Return the keys of the runs that go, oldest first.

    Parameters
    ----------
    database
        Its summaries must be up to date.
    keep, before
        As `RunStore.prune`.

    Raises
    ------
    UsageError
        If the instant is naive.
    """
    asked = sa.select(RUN.c.key, RUN.c.started_us, RUN.c.status, RUN.c.pinned, RUN.c.document)
    runs = [
        Kept(
            run_key=row.key,
            started_us=row.started_us,
            # what came from a file is never gone on with
            ended=row.status not in (RUNNING, "interrupted") or is_taken_in(row.document),
            pinned=bool(row.pinned),
        )
        for row in database.select(asked.order_by(RUN.c.started_us, RUN.c.key))
    ]
    if before is not None:
        if before.tzinfo is None:
            raise UsageError(f"prune: the instant must be aware but got {before}")
        yardsticks = _yardsticks(_series(database))
        return older(runs, yardsticks, before_us=microseconds(before))
    return beyond(runs, _series(database), keep=keep or 1)


def remove(database: Database, keys: Sequence[int]) -> None:
    """Remove runs, each with its rows in one transaction; machines stay."""
    for key in keys:
        database.write(functools.partial(delete_run, key=key))


def delete_run(connection: sa.Connection, key: int) -> None:
    """Delete a run with its rows, within an operation of `Database.write`."""
    for table in OF_A_RUN:
        connection.execute(sa.delete(table).where(table.c.run_key == key))
    connection.execute(sa.delete(RUN).where(RUN.c.key == key))


def _series(database: Database) -> dict[int, set[_Series]]:
    """Return the series of each run; one without figures belongs to those of its name."""
    about = (RUN.c.key, RUN.c.kind, RUN.c.name, RUN.c.mode, MACHINE.c.fingerprint)
    of_run = RUN.outerjoin(MACHINE, RUN.c.machine_key == MACHINE.c.key)
    found: dict[int, set[_Series]] = defaultdict(set)
    measured = (
        of_run.join(SUMMARY, SUMMARY.c.run_key == RUN.c.key)
        .join(
            CANDIDATE,
            sa.and_(CANDIDATE.c.run_key == RUN.c.key, CANDIDATE.c.position == SUMMARY.c.candidate),
        )
        .join(EPOCH, sa.and_(EPOCH.c.run_key == RUN.c.key, EPOCH.c.number == SUMMARY.c.epoch))
    )
    figures = sa.select(*about, CANDIDATE.c.name.label("candidate"), EPOCH.c.size)
    for key, *what in database.select(figures.select_from(measured).distinct()):
        found[key].add(tuple(what))
    for key, *what in database.select(sa.select(*about).select_from(of_run)):
        if key not in found:
            found[key].add(tuple(what))
    return found


def _yardsticks(series: Mapping[int, Iterable[_Series]]) -> dict[int, list[_Series]]:
    """Return what comparisons of machines rest on: rooflines, and figures of the calibration."""
    found = {key: [one for one in of_run if _is_yardstick(*one)] for key, of_run in series.items()}
    return {key: ones for key, ones in found.items() if ones}


def _is_yardstick(kind: str, name: str, *rest: Any) -> bool:
    has_figures = len(rest) > len(("mode", "machine"))
    return kind == ROOFLINE or (name == CALIBRATION and kind != WATCH and has_figures)
