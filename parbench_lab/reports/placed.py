"""What two compared runs measured, candidate by candidate over batch sizes and machines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from parbench_lab.analysis.comparison.profile import ProfileRow, profile_rows
from parbench_lab.analysis.comparison.values import Comparison
from parbench_lab.core.series import SeriesPoint
from parbench_lab.core.wording import NOTHING, amount, duration, memory
from parbench_lab.plots.heatmap import HeatmapData, heatmap_data
from parbench_lab.plots.profile import ProfileData, profile_data
from parbench_lab.racing.result import jsonable
from parbench_lab.reports.kept import Kept, keep
from parbench_lab.reports.text import plain_table
from parbench_lab.store import open_store

Points = Sequence[SeriesPoint]


def run_points(run: str, store: str | Path | None = None) -> tuple[SeriesPoint, ...]:
    """Return the times of a run, a point for each candidate and epoch.

    Parameters
    ----------
    run
        An id; its beginning is enough.
    store
        As for `parbench_lab.store.open_store`; "" is None.

    Raises
    ------
    StoreError
        If there is no such run.
    """
    opened = open_store(store or None)
    try:
        summary = opened.summary(run)
        points = opened.series(
            workload=summary.name, machine=summary.machine or None, mode=summary.mode
        )
    finally:
        opened.close()
    return tuple(point for point in points if point.run_id == summary.id)


def comparison_heatmap(found: Comparison, baseline: Points, new: Points) -> HeatmapData:
    """Return who is quick where: over machines for runs of two, else over batch sizes.

    Parameters
    ----------
    found
        The comparison.
    baseline, new
        Points of its runs, from `run_points`. On one machine those of the new run are shown.
    """
    if _two_machines(found):
        return heatmap_data([*baseline, *new], across="machine")
    return heatmap_data(new)


def _two_machines(found: Comparison) -> bool:
    # machines that differ only in what neither run uses have two fingerprints and are one
    return not found.same_machine and found.baseline.machine != found.new.machine


def comparison_profiles(
    found: Comparison, baseline: Points, new: Points
) -> tuple[ProfileData, ...]:
    """Return times over batch sizes, of either run; a candidate has one colour in both."""
    names = sorted({point.key.candidate for point in (*baseline, *new)})
    sides = ((found.baseline, baseline, "baseline"), (found.new, new, "new run"))
    return tuple(
        profile_data(
            profile_rows(points),
            candidates=names,
            title=f"{called} {side.id} on {side.cpu_model or 'a machine'}",
        )
        for side, points, called in sides
    )


def profile_results(baseline: Points, new: Points) -> Kept:
    """Return quantiles, throughput and memory of both runs as a result that a report keeps."""
    sides = {"baseline": profile_rows(baseline), "new": profile_rows(new)}
    heads = ["run", "candidate", "size", "p50", "p95", "p99", "items/s", "memory"]
    rows = [_cells(name, row) for name, side in sides.items() for row in side]
    text = plain_table(heads, rows) if rows else "no times are stored of these runs"
    return keep("profiles", {name: jsonable(side) for name, side in sides.items()}, text)


def _cells(run: str, row: ProfileRow) -> list[str]:
    tails = [NOTHING if tail is None else duration(tail) for tail in (row.p95, row.p99)]
    held = NOTHING if row.peak_rss_bytes is None else memory(row.peak_rss_bytes)
    return [
        run,
        row.candidate,
        f"{row.size:,}",
        duration(row.p50.point),
        *tails,
        amount(row.throughput.point),
        held,
    ]
