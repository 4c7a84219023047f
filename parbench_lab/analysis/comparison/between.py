"""How far a candidate's median moves from run to run though nothing was changed. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from parbench_lab.core.metric import Metric
from parbench_lab.core.series import SeriesKey, SeriesPoint

FEWEST_FREE = 4
"""Degrees of freedom below which a standard deviation says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunToRun:
    """Standard deviation of a run's median, on the scale of costs.

    Parameters
    ----------
    error
        0 where it is not known.
    runs
        How many runs it is from; 0 where it is not known.
    free
        Degrees of freedom of the error, at least 1; infinite where it was not estimated.
    """

    error: float = 0.0
    runs: int = 0
    free: float = math.inf


UNKNOWN = RunToRun()


def run_to_run(points: Iterable[SeriesPoint], metric: Metric) -> RunToRun:
    """Return how far medians of one and the same code differ between runs.

    Runs of one series and one clean commit count, pooled over series and commits. What a single
    run shows is measured within one process each time: the layout of its memory and the state of
    the machine are the same throughout, and differ in the next run.

    Parameters
    ----------
    points
        Of one metric, of any series.
    metric
        Says what a cost is.
    """
    groups: dict[tuple[SeriesKey, str], list[SeriesPoint]] = {}
    for point in points:
        clean = point.commit and not point.dirty and point.key.metric == metric.name
        if clean and metric.can_hold(point.median.point):
            groups.setdefault((point.key, point.commit), []).append(point)
    repeated = {place: group for place, group in groups.items() if len(group) > 1}
    runs = {point.run_id for group in repeated.values() for point in group}
    series = {(key.machine, key.size, key.mode, commit) for key, commit in repeated}
    free = len(runs) - len(series)  # candidates of one run move together
    if free < FEWEST_FREE:
        return UNKNOWN
    squares, n_moves = 0.0, 0
    for group in repeated.values():
        costs = np.array([metric.cost(point.median.point) for point in group])
        squares += float(((costs - costs.mean()) ** 2).sum())
        n_moves += len(group) - 1
    return RunToRun(error=math.sqrt(squares / n_moves), runs=len(runs), free=free)
