"""One candidate's figures, run after run: what histories, comparisons and reports are made of."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

from parbench_lab.core.estimate import Estimate
from parbench_lab.errors import UsageError


class Mode(StrEnum):
    """What a benchmark stands for: figures of different modes are never mixed."""

    INFERENCE = "inference"
    TRAINING = "training"
    BATCH = "batch"
    MICRO = "micro"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesKey:
    """What must be equal for figures of two runs to belong to one series.

    Parameters
    ----------
    workload, candidate, mode
        Names.
    size
        Batch size in items.
    machine
        Fingerprint; ``""`` where not known.
    metric
        Name of the metric, in its SI unit: ``"wall_time_s"``.
    """

    workload: str
    candidate: str
    size: int
    machine: str
    mode: Mode = Mode.BATCH
    metric: str = "wall_time_s"

    def __str__(self) -> str:
        where = f" on {self.machine}" if self.machine else ""
        return f"{self.workload}/{self.candidate} at {self.size} ({self.mode}){where}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesPoint:
    """A candidate's figure in one run (one epoch of it).

    Parameters
    ----------
    run_id
        Of the run.
    started
        When it began; aware.
    median
        Median of the judged measurements, with its interval, in the metric's unit.
    p95, p99
        Quantiles of the judged measurements; None where there are too few (20 and 100).
    peak_rss_bytes
        Median peak memory; None where it was not measured.
    throughput
        Items per second at the median time; None for other metrics.
    commit
        Git commit of the working tree the run began in; ``""`` where not known.
    dirty
        Whether that tree had changes.

    Raises
    ------
    ValueError
        If the instant is naive.
    """

    run_id: str
    started: dt.datetime
    key: SeriesKey
    median: Estimate
    p95: float | None = None
    p99: float | None = None
    peak_rss_bytes: float | None = None
    throughput: float | None = None
    commit: str = ""
    dirty: bool = False

    def __post_init__(self) -> None:
        if self.started.tzinfo is None:
            raise ValueError(f"the start must be an aware instant but got {self.started}")


Grouping = Literal["machine", "workload", "mode", "commit"]
GROUPINGS: tuple[Grouping, ...] = ("machine", "workload", "mode", "commit")


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesGroup:
    """Figures of one candidate that agree in what they were grouped by.

    Parameters
    ----------
    key
        Of all its points.
    commit, dirty
        Of all its points where they were grouped by commit, else ``""`` and false.
    points
        Oldest first.
    median
        Of the points' medians, with an interval over runs: it holds what changes from one run
        to the next, which the interval of a single run does not see.
    """

    key: SeriesKey
    commit: str
    dirty: bool = False
    points: tuple[SeriesPoint, ...]
    median: Estimate


def grouped(
    points: Iterable[SeriesPoint],
    by: Sequence[Grouping] = ("commit",),
    *,
    confidence: float = 0.95,
) -> list[SeriesGroup]:
    """Return the points in groups, each with the median over its runs.

    Parameters
    ----------
    points
        As a store's `series` gives them.
    by
        The order of the groups; series are parted from each other in any case (unlike machines,
        modes, sizes and metrics never share a group), ``"commit"`` parts them further, and a
        tree with changes from the commit that it is of.
    confidence
        Of the intervals; fewer than 6 runs give less, see `median_estimate`.

    Raises
    ------
    UsageError
        If they cannot be grouped by that.
    """
    from parbench_lab.core.quantiles import median_estimate  # noqa: PLC0415 - loads numpy

    unknown = [name for name in by if name not in GROUPINGS]
    if unknown:
        raise UsageError(f"cannot group by {unknown[0]!r}; known are {', '.join(GROUPINGS)}")
    found: dict[tuple[SeriesKey, str, bool], list[SeriesPoint]] = {}
    for point in points:
        tree = (point.commit, point.dirty) if "commit" in by else ("", False)
        found.setdefault((point.key, *tree), []).append(point)
    groups = [
        SeriesGroup(
            key=key,
            commit=commit,
            dirty=dirty,
            points=tuple(members),
            median=median_estimate([p.median.point for p in members], confidence=confidence),
        )
        for (key, commit, dirty), members in found.items()
    ]
    # stable: within equal names the first seen, which is the oldest, stays first
    return sorted(groups, key=lambda group: [_place(group, name) for name in by])


def _place(group: SeriesGroup, name: Grouping) -> str:
    return "" if name == "commit" else str(getattr(group.key, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """One cell of the matrix of what was measured where.

    Parameters
    ----------
    workload, candidate, machine, mode, commit
        What has figures; ``"-"`` and ``""`` where candidates or commits were put together.
    runs
        How many runs have figures.
    newest
        When the newest of them began; aware.
    """

    workload: str
    candidate: str
    machine: str
    mode: Mode
    commit: str = ""
    runs: int
    newest: dt.datetime


ALL_CANDIDATES = "-"


def covered(
    cells: Iterable[Coverage], *, candidates: bool = False, commits: bool = False
) -> list[Coverage]:
    """Return the matrix with less detail: candidates or commits put together.

    Runs of several candidates count once for each group in which the most of one candidate are:
    the count is the largest, over commits their sum.

    Parameters
    ----------
    cells
        As a store's `matrix` gives them.
    candidates, commits
        Whether they stay apart.
    """
    by_candidate = list(cells)
    if not commits:
        by_candidate = _merged(replace(cell, commit="") for cell in by_candidate)
    if candidates:
        return by_candidate
    best: dict[tuple[str, str, Mode, str], Coverage] = {}
    for cell in by_candidate:
        place = (cell.workload, cell.machine, cell.mode, cell.commit)
        seen = best.get(place, cell)
        best[place] = replace(
            cell,
            candidate=ALL_CANDIDATES,
            runs=max(seen.runs, cell.runs),
            newest=max(seen.newest, cell.newest),
        )
    return list(best.values())


def _merged(cells: Iterable[Coverage]) -> list[Coverage]:
    found: dict[tuple[str, str, str, Mode], Coverage] = {}
    for cell in cells:
        place = (cell.workload, cell.candidate, cell.machine, cell.mode)
        seen = found.get(place)
        found[place] = (
            cell
            if seen is None
            else replace(cell, runs=seen.runs + cell.runs, newest=max(seen.newest, cell.newest))
        )
    return list(found.values())
