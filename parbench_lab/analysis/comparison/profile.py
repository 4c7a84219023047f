"""A workload's figures over sizes, modes and machines, with intervals over runs. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from parbench_lab.core.estimate import Estimate
from parbench_lab.core.series import Grouping, Mode, SeriesGroup, SeriesPoint, grouped

ORDER: tuple[Grouping, ...] = ("mode", "machine")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileRow:
    """A candidate at one size, in one mode, on one machine (and of one commit, where parted).

    Parameters
    ----------
    dirty
        Whether the tree of that commit had changes; false where not parted by commit.
    p50
        Median seconds of a call; the interval is over runs, of a single run within it (within
        its longest stretch, where it came back to the size).
    p95, p99
        Median over the runs that have enough measurements (20 and 100); None where none has.
    throughput
        Items per second at the median time, its interval turned round.
    peak_rss_bytes
        Median over runs of the process's peak memory; None where not measured.
    runs
        How many are behind it.
    """

    workload: str
    candidate: str
    size: int
    mode: Mode
    machine: str
    commit: str
    dirty: bool = False
    p50: Estimate
    p95: float | None
    p99: float | None
    throughput: Estimate
    peak_rss_bytes: float | None
    runs: int


def profile_rows(
    points: Iterable[SeriesPoint], by: Sequence[Grouping] = ORDER
) -> tuple[ProfileRow, ...]:
    """Return a row for each series (and commit, where `by` has it), in the order of `by`.

    Within that: by candidate, then by size.

    Parameters
    ----------
    points
        Of wall times; those of other metrics are passed over.
    by
        What comes first in the order; ``"commit"`` parts the series further, trees with changes
        from those without. Machines, modes and sizes are parted from each other in any case.

    Raises
    ------
    UsageError
        If they cannot be grouped by that.
    """
    timed = [p for p in points if p.key.metric == "wall_time_s" and p.median.point > 0]
    rows = [_row(group) for group in grouped(timed, by)]
    return tuple(
        sorted(
            rows,
            key=lambda row: (*(_place(row, name) for name in by), row.candidate, row.size),
        )
    )


def _place(row: ProfileRow, name: Grouping) -> tuple[str, bool]:
    return str(getattr(row, name)), name == "commit" and row.dirty


def _row(group: SeriesGroup) -> ProfileRow:
    runs = {point.run_id for point in group.points}
    # one run has no spread over runs: what its longest stretch at this size tells is shown instead
    longest = max(group.points, key=lambda point: point.median.n)
    p50 = longest.median if len(runs) == 1 else group.median
    return ProfileRow(
        workload=group.key.workload,
        candidate=group.key.candidate,
        size=group.key.size,
        mode=group.key.mode,
        machine=group.key.machine,
        commit=group.commit,
        dirty=group.dirty,
        p50=p50,
        p95=_median(point.p95 for point in group.points),
        p99=_median(point.p99 for point in group.points),
        throughput=_throughput(group.key.size, p50),
        peak_rss_bytes=_median(point.peak_rss_bytes for point in group.points),
        runs=len(runs),
    )


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _throughput(size: int, p50: Estimate) -> Estimate:
    return Estimate(
        point=size / p50.point,
        low=size / p50.high,
        high=size / p50.low if p50.low > 0 else size / p50.point,
        confidence=p50.confidence,
        n=p50.n,
    )
