"""One candidate's figures, run after run: what histories, comparisons and reports are made of."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

from parbench_lab.core.estimate import Estimate


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
