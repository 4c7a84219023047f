"""Paired runs of one job: in turn and in parallel, in random order, results compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Any

import numpy as np

from parbench_lab.core.estimate import Estimate
from parbench_lab.core.pool import Pool
from parbench_lab.core.scalable import Scalable
from parbench_lab.execution.cases import digest_of
from parbench_lab.lab.ml.timing import through, typical, typical_share


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedRuns:
    """What the repetitions of one job gave.

    Parameters
    ----------
    sequential_s, parallel_s
        Seconds, one pair per repetition.
    idle_shares
        Per repetition the share of the workers' time without a part to work on; empty where the
        backend does not tell.
    identical
        Whether all results had the same bits.
    workers
        Of the parallel runs.
    confidence
        Of the estimates.
    """

    sequential_s: tuple[float, ...]
    parallel_s: tuple[float, ...]
    idle_shares: tuple[float, ...]
    identical: bool
    workers: int
    confidence: float

    @property
    def speedup(self) -> Estimate:
        """Sequential over parallel time, the typical ratio of the pairs."""
        pairs = zip(self.sequential_s, self.parallel_s, strict=True)
        ratios = [sequential / parallel for sequential, parallel in pairs]
        return typical(ratios, confidence=self.confidence)

    @property
    def efficiency(self) -> Estimate:
        """Speedup per worker."""
        return through(self.speedup, lambda speedup: speedup / self.workers)

    @property
    def idle_share(self) -> Estimate | None:
        """The typical share of waiting, None where it is not known for every repetition."""
        if len(self.idle_shares) < len(self.parallel_s):
            return None
        return typical_share(self.idle_shares, confidence=self.confidence)


def paired_runs(
    job: Scalable,
    case: Any,
    *,
    one: Pool,
    many: Pool,
    repeats: int,
    confidence: float,
    rng: np.random.Generator,
    clock_ns: Callable[[], int] = perf_counter_ns,
) -> PairedRuns:
    """Run a job `repeats` times on one worker and on many, side by side.

    One run of each comes first and does not count: imports, caches, the first touch of memory.

    Parameters
    ----------
    job, case
        What is run.
    one, many
        Where: a pool of one worker, and the one that is measured.
    repeats
        At least 2.
    confidence
        Of the estimates, within (0, 1).
    rng
        Draws which of the two goes first, in every repetition anew.
    clock_ns
        Nanoseconds that never go back.
    """
    digests = {digest_of(job.run(case, map=pool.map)) for pool in (one, many)}
    seconds: dict[str, list[float]] = {"one": [], "many": []}
    idle: list[float] = []
    for _ in range(repeats):
        order = [("one", one), ("many", many)]
        for name, pool in order if rng.random() < 0.5 else reversed(order):
            pool.take_spans()
            start_ns = clock_ns()
            result = job.run(case, map=pool.map)
            elapsed_s = (clock_ns() - start_ns) / 1e9
            seconds[name].append(elapsed_s)
            digests.add(digest_of(result))
            if pool is many:
                idle += idle_share(pool, elapsed_s)
    return PairedRuns(
        sequential_s=tuple(seconds["one"]),
        parallel_s=tuple(seconds["many"]),
        idle_shares=tuple(idle),
        # a result without a digest cannot be called identical
        identical=len(digests) == 1 and "" not in digests,
        workers=many.n_workers,
        confidence=confidence,
    )


def idle_share(pool: Pool, elapsed_s: float) -> list[float]:
    """Return the share of the workers' time without work since the spans were last taken.

    Empty where the pool knows of no span.
    """
    spans = pool.take_spans()
    if not spans:
        return []
    busy_s = sum(span.end_ns - span.start_ns for span in spans) / 1e9
    return [max(0.0, 1.0 - busy_s / (pool.n_workers * elapsed_s))]
