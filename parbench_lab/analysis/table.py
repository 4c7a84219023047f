"""A table of times as the runs of a curve: what somebody else measured, or published. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from parbench_lab.analysis.trial import Trial
from parbench_lab.core.given import checked_count
from parbench_lab.errors import UsageError


def trials_of(
    workers: Sequence[int], time_s: Any, *, size: int = 1, weak: bool = False
) -> tuple[Trial, ...]:
    """Return the runs of a table, repetition after repetition.

    Parameters
    ----------
    workers
        Worker counts, whole numbers of at least 1, one for each row of `time_s`; a count that
        comes again is its next repetition.
    time_s
        Seconds, positive: one for each count, or a row of repetitions for each. NaN where a run
        is missing.
    size
        Items of the case; per worker where `weak`.
    weak
        Whether the work grew with the workers.

    Raises
    ------
    UsageError
        If the table makes no sense.

    Examples
    --------
    >>> [run.repetition for run in trials_of([1, 2, 1, 2], [8.0, 4.1, 8.2, 4.0])]
    [0, 0, 1, 1]
    """
    rows = _rows(workers, time_s)
    size = checked_count(size, "size")
    seen: Counter[int] = Counter()
    found = []
    for count, row in zip(map(int, workers), rows, strict=True):
        for seconds in row:
            if not math.isnan(seconds):
                found.append(
                    Trial(
                        repetition=seen[count],
                        workers=count,
                        size=size * count if weak else size,
                        outcome="ok",
                        time_s=float(seconds),
                    )
                )
            seen[count] += 1
    return tuple(sorted(found, key=lambda run: run.repetition))


def _rows(workers: Sequence[int], time_s: Any) -> Any:
    """Return the times as rows, one for each worker count."""
    try:
        times = np.asarray(time_s, dtype=float)
        counts = np.asarray(workers, dtype=float)
    except (TypeError, ValueError) as error:
        raise UsageError(
            "workers and time_s must be numbers, time_s with as many repetitions in each row "
            "(NaN where one is missing)"
        ) from error
    if counts.ndim != 1 or counts.size == 0 or times.ndim not in (1, 2):
        raise UsageError("workers must be a list of counts, time_s a list or a table of rows")
    if len(times) != len(counts):
        raise UsageError(
            f"time_s needs a time or a row for each of the {len(counts)} worker counts but has "
            f"{len(times)}"
        )
    if not np.all((counts >= 1) & (counts == np.floor(counts)) & np.isfinite(counts)):
        raise UsageError(f"workers must be whole numbers of at least 1 but got {list(workers)}")
    if not np.all((times > 0) & np.isfinite(times) | np.isnan(times)):
        raise UsageError("time_s must be positive seconds (NaN where a run is missing)")
    return times.reshape(len(counts), -1)
