"""From the measurements of a run to one line per epoch, candidate and metric.

Made when a run ends, so that histories are read without touching measurements; a run that never
ended is caught up with when histories are read (`stale`). Only what was judged counts: no warm-up
runs, no failures, no blocks that ran for another purpose than the race (scouts that looked for
the number of repeats, canaries that ran alone).
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from parbench_lab.core.estimate import Estimate
from parbench_lab.core.quantiles import median_estimate, tail
from parbench_lab.store import rows
from parbench_lab.store.database import Database
from parbench_lab.store.figures import ESTIMATE_COLUMNS
from parbench_lab.store.schema import CANDIDATE, EPOCH, EVENT, MEASUREMENT, RUN, SUMMARY

EVENTS_PER_PAGE = 500
OTHER_PURPOSES = ("alone", "scout")
PEAK = "peak_rss_bytes"
_JUDGED = sa.select(
    MEASUREMENT.c.block,
    MEASUREMENT.c.epoch,
    MEASUREMENT.c.size,
    MEASUREMENT.c.candidate,
    *(MEASUREMENT.c[name] for name in rows.VALUE_COLUMNS),
    MEASUREMENT.c.further_values,
).where(
    MEASUREMENT.c.warm_up.is_(sa.false()),
    MEASUREMENT.c.outcome == "ok",
    MEASUREMENT.c.epoch >= 0,  # -1: of a block whose plan is not known any more, so its size
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What one metric of one candidate was in one epoch."""

    epoch: int
    size: int
    candidate: str
    metric: str
    median: Estimate
    p95: float | None
    p99: float | None
    peak_rss_bytes: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """All lines of a run, and up to which event they reach (-1: it has none)."""

    run_key: int
    last_seq: int
    lines: tuple[Line, ...]


def stale(asked: sa.Select[Any]) -> sa.Select[Any]:
    """Return which of the runs that are asked for (by key) have grown beyond their summaries."""
    last = sa.select(sa.func.max(EVENT.c.seq)).where(EVENT.c.run_key == RUN.c.key)
    grown = sa.func.coalesce(last.scalar_subquery(), -1) > RUN.c.summarised_seq
    may_grow = RUN.c.status.in_(("running", "interrupted"))
    # one that has ended stays as it is: its events need not be looked at
    return asked.where(sa.or_(RUN.c.summarised_seq.is_(None), sa.and_(may_grow, grown)))


def summarise(database: Database, run_key: int) -> Summary:
    """Return the summary of all that a run has measured so far."""
    last = sa.select(sa.func.max(EVENT.c.seq)).where(EVENT.c.run_key == run_key)
    last_seq = database.select(last)[0][0]
    if last_seq is None:
        return Summary(run_key=run_key, last_seq=-1, lines=())
    passed_over = _other_blocks(database, run_key)
    collected: dict[tuple[int, int, str], dict[str, array[float]]] = {}
    for begin in range(0, last_seq + 1, EVENTS_PER_PAGE):
        end = min(begin + EVENTS_PER_PAGE - 1, last_seq)
        page = _JUDGED.where(
            MEASUREMENT.c.run_key == run_key, MEASUREMENT.c.seq.between(begin, end)
        )
        _collect(collected, database.select(page), passed_over)
    return Summary(run_key=run_key, last_seq=last_seq, lines=tuple(_lines(collected)))


def write_summary(
    database: Database, connection: sa.Connection, summary: Summary, document: Mapping[str, Any]
) -> None:
    """Put a summary in place of an earlier one, with the candidates and epochs it speaks of.

    Parameters
    ----------
    database, connection
        Within an operation of `Database.write`.
    summary
        Of `summarise`.
    document
        Of the run's header: names the candidates that never came to a measurement too.
    """
    key = summary.run_key
    for table in (SUMMARY, CANDIDATE, EPOCH):
        connection.execute(sa.delete(table).where(table.c.run_key == key))
    described = described_candidates(document)
    names = list(dict.fromkeys([*described, *(line.candidate for line in summary.lines)]))
    places = {name: position for position, name in enumerate(names)}
    sizes = {line.epoch: line.size for line in reversed(summary.lines)}
    database.insert(connection, CANDIDATE, candidate_rows(key, names, described))
    database.insert(connection, EPOCH, [(key, *pair) for pair in sizes.items()])
    database.insert(
        connection,
        SUMMARY,
        [_line_row(key, position, line, places) for position, line in enumerate(summary.lines)],
    )
    reached = sa.update(RUN).where(RUN.c.key == key).values(summarised_seq=summary.last_seq)
    connection.execute(reached)


def described_candidates(document: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the candidates that a header names, by name."""
    given = document.get("candidates")
    if not isinstance(given, list):
        return {}
    named = (one for one in given if isinstance(one, Mapping))
    return {
        one["name"]: one
        for one in named
        if isinstance(one.get("name"), str) and rows.is_plain(one["name"])
    }


def candidate_rows(
    run_key: int, names: Sequence[str], described: Mapping[str, Mapping[str, Any]]
) -> list[rows.Row]:
    """Return the rows of a run's candidates, in this order."""
    documents = [rows.json_text(described.get(n, {"name": n}), what=n) for n in names]
    pairs = zip(names, documents, strict=True)
    return [(run_key, position, *pair) for position, pair in enumerate(pairs)]


def _line_row(run_key: int, position: int, line: Line, places: Mapping[str, int]) -> rows.Row:
    median = (getattr(line.median, name) for name in ESTIMATE_COLUMNS)
    what = (line.epoch, places[line.candidate], line.metric)
    return (run_key, position, *what, *median, line.p95, line.p99, line.peak_rss_bytes)


def _other_blocks(database: Database, run_key: int) -> frozenset[int]:
    """Return the numbers of the blocks that were not sent for the race itself.

    The journal of a race tells the purpose when it sends a task; journals of other kinds of run
    do not, and all of their blocks count.
    """
    asked = sa.select(EVENT.c.seq, EVENT.c.payload).where(
        EVENT.c.run_key == run_key,
        EVENT.c.kind == "TaskSent",
        sa.or_(*(EVENT.c.payload.contains(f'"purpose":"{word}"') for word in OTHER_PURPOSES)),
    )
    found: set[int] = set()
    for seq, text in database.select(asked):
        payload = rows.document_of(text, what=f"event {seq}")
        blocks = payload.get("blocks")
        for block in blocks if isinstance(blocks, list) else ():
            if isinstance(block, dict) and block.get("purpose") in OTHER_PURPOSES:
                found.add(block.get("number", -1))
    return frozenset(found)


def _collect(
    collected: dict[tuple[int, int, str], dict[str, array[float]]],
    page: Sequence[rows.Row],
    passed_over: frozenset[int],
) -> None:
    for block, epoch, size, candidate, *columns, further in page:
        if block in passed_over:
            continue
        values = collected.setdefault((epoch, size, candidate), {})
        for name, value in zip(rows.VALUE_COLUMNS, columns, strict=True):
            if value is not None:
                values.setdefault(name, array("d")).append(value)
        if further is not None:
            for name, value in rows.document_of(further, what="a measurement").items():
                values.setdefault(name, array("d")).append(value)


def _lines(collected: Mapping[tuple[int, int, str], Mapping[str, array[float]]]) -> list[Line]:
    found = []
    for (epoch, size, candidate), metrics in collected.items():
        peaks = metrics.get(PEAK)
        peak = median_estimate(peaks).point if peaks else None
        found += [
            Line(
                epoch=epoch,
                size=size,
                candidate=candidate,
                metric=metric,
                median=median_estimate(values),
                p95=tail(values, 0.95),
                p99=tail(values, 0.99),
                peak_rss_bytes=peak,
            )
            for metric, values in metrics.items()
        ]
    return found
