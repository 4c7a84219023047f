"""The operations measured: in turn against in parallel, over workers, over batch sizes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from parbench_lab.core.given import checked_confidence, is_list, is_number, is_several
from parbench_lab.core.pool import Pool
from parbench_lab.core.scalable import Scalable
from parbench_lab.errors import UnknownNameError, UsageError
from parbench_lab.hardware.cores import available_physical_cores
from parbench_lab.lab.ml.measuring import PairedRuns, paired_runs
from parbench_lab.lab.ml.pools import PoolFactory, open_workers
from parbench_lab.lab.ml.results import BatchRow, LevelRow, OperationRow, ScalabilityBenchmark
from parbench_lab.lab.ml.timing import through, typical
from parbench_lab.lab.parts import checked_seed
from parbench_lab.lab.study_parts import workers_there
from parbench_lab.workloads.ml.chunks import require_count
from parbench_lab.workloads.ml.config import ParallelConfig, chosen_config
from parbench_lab.workloads.ml.scalables import ml_scalables, with_chunk_size

WORKER_LEVELS = (1, 2, 4, 8)
BATCH_SIZES = (10, 50, 100, 200, 500, 1000)
Progress = Callable[[str], None]

_WHOLE_ROWS = ("cross_validation", "grid_search")


def scalability_benchmark(
    operations: Sequence[str] | None = None,
    *,
    config: ParallelConfig | None = None,
    repeats: int = 5,
    worker_levels: Sequence[int] = WORKER_LEVELS,
    batch_sizes: Sequence[int] = BATCH_SIZES,
    curve_operation: str = "batch_inference",
    size_factor: float = 1.0,
    confidence: float = 0.95,
    seed: int = 0,
    progress: Progress | None = None,
    open_pool: PoolFactory = open_workers,
) -> ScalabilityBenchmark:
    """Measure the machine-learning operations on real data, sequentially and in parallel.

    In every repetition the sequential and the parallel run follow each other, in random order, on
    one case, after a run of each that does not count; it is their ratio that is averaged. The
    results are compared bit by bit.

    Parameters
    ----------
    operations
        Names from `ml_scalables`; None for all of them. May be empty.
    config
        Workers, chunk size and backend of the parallel runs; None: as many threads as
        physical cores. On a given cluster its workers count instead of the cores here.
    repeats
        Repetitions behind each figure, at least 2 (there is no interval of one).
    worker_levels
        Worker counts of the second table; those beyond the physical cores are measured and
        marked. May be empty.
    batch_sizes
        Rows per part of the third table. May be empty.
    curve_operation
        What these two tables are about: an operation that cuts rows.
    size_factor
        Size of the cases over their own size, positive and finite, e.g. 0.1 for a quick look.
    confidence
        Of the intervals, within (0, 1).
    seed
        Of the cases and of the order of the runs, from 0 up.
    progress
        Called with a line before each measurement.
    open_pool
        What opens the workers; this machine's own by default.

    Returns
    -------
    Values; `print_benchmark_results` shows them.

    Raises
    ------
    UsageError
        If a name is not known or a number is out of its range, or scikit-learn is not installed.
    ClusterError
        If workers cannot be started, or a given cluster cannot be reached or has none.

    Examples
    --------
    >>> found = scalability_benchmark(
    ...     ["preprocess"], config=ParallelConfig(n_workers=2), repeats=2, size_factor=0.01,
    ...     worker_levels=[1, 2], batch_sizes=[50],
    ... )
    >>> found.identical, [row.workers for row in found.levels]
    (True, [1, 2])
    """
    given = chosen_config(config)
    worker_levels, batch_sizes = checked_benchmark(
        given,
        repeats=repeats,
        worker_levels=worker_levels,
        batch_sizes=batch_sizes,
        seed=seed,
    )
    if not (operations is None or is_list(operations)):
        raise UsageError(f"operations must be several names, or None, but got {operations!r}")
    jobs = ml_scalables(chunk_size=given.chunk_size)
    wanted = [_named(jobs, name) for name in (jobs if operations is None else operations)]
    curve = _named(jobs, curve_operation)
    if batch_sizes and curve_operation in _WHOLE_ROWS:
        raise UsageError(
            f"curve_operation {curve_operation!r} does not cut rows: take another, or "
            "batch_sizes=[]"
        )
    cores = _cores_of(given, open_pool)
    chosen = _on_cores(given, cores)
    with ExitStack() as opened:
        bench = _Bench(
            config=chosen,
            cores=cores,
            repeats=repeats,
            size_factor=size_factor,
            confidence=confidence,
            rng=np.random.default_rng(seed),
            seed=seed,
            open_pool=open_pool,
            progress=progress or _silent,
            one=opened.enter_context(closing(open_pool(ParallelConfig(backend="serial"), 1))),
        )
        return ScalabilityBenchmark(
            operations=bench.operation_rows(wanted),
            curve_operation=curve.name,
            curve_unit=curve.unit,
            levels=bench.level_rows(curve, sorted(set(worker_levels))),
            batch_sizes=bench.batch_rows(curve, sorted(set(batch_sizes))),
            backend=chosen.backend,
            workers=chosen.workers(),
            cores=cores,
            repeats=repeats,
        )


def checked_benchmark(
    config: ParallelConfig,
    *,
    repeats: int,
    worker_levels: Sequence[int] = WORKER_LEVELS,
    batch_sizes: Sequence[int] = BATCH_SIZES,
    seed: int = 0,
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the levels and batch sizes of a `scalability_benchmark`; parameters as there.

    Raises
    ------
    UsageError
        If one is out of range, or does not go with the configuration's backend.
    """
    require_count(repeats, name="repeats", least=2)
    checked_seed(seed)
    config.workers()  # refuses what the environment says, where that is no worker count
    for name, given in (("worker_levels", worker_levels), ("batch_sizes", batch_sizes)):
        if not is_several(given):
            raise UsageError(f"{name} must be several whole numbers, or none, but got {given!r}")
    levels, sizes = tuple(worker_levels), tuple(batch_sizes)
    for count in levels:
        replace(config, n_workers=count)  # refuses what is no worker count
    for size in sizes:
        replace(config, chunk_size=size)
    return levels, sizes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bench:
    """How everything is measured, and the worker that everything is compared with."""

    config: ParallelConfig
    cores: int
    repeats: int
    size_factor: float
    confidence: float
    rng: np.random.Generator
    seed: int
    open_pool: PoolFactory
    progress: Progress
    one: Pool

    def operation_rows(self, jobs: Sequence[Scalable]) -> tuple[OperationRow, ...]:
        workers = self.config.workers()
        with closing(self.open_pool(self.config, workers)) as many:
            return tuple(self._operation_row(job, many) for job in jobs)

    def level_rows(self, job: Scalable, levels: Sequence[int]) -> tuple[LevelRow, ...]:
        if not levels:
            return ()
        case, _ = self._case(job)
        return tuple(self._level_row(job, case, workers) for workers in levels)

    def batch_rows(self, job: Scalable, sizes: Sequence[int]) -> tuple[BatchRow, ...]:
        if not sizes:
            return ()
        with closing(self.open_pool(self.config, self.config.workers())) as many:
            return tuple(self._batch_row(job, size, many) for size in sizes)

    def _operation_row(self, job: Scalable, many: Pool) -> OperationRow:
        self.progress(f"{job.name}: one worker against {many.n_workers}")
        case, size = self._case(job)
        runs = self._runs(job, case, many)
        return OperationRow(
            name=job.name,
            unit=job.unit,
            size=size,
            workers=many.n_workers,
            sequential_s=typical(runs.sequential_s, confidence=self.confidence),
            parallel_s=typical(runs.parallel_s, confidence=self.confidence),
            speedup=runs.speedup,
            efficiency=runs.efficiency,
            idle_share=runs.idle_share,
            identical=runs.identical,
            oversubscribed=many.n_workers > self.cores,
        )

    def _level_row(self, job: Scalable, case: Any, workers: int) -> LevelRow:
        self.progress(f"{job.name}: {workers} workers")
        with closing(self.open_pool(self.config, workers)) as many:
            runs = self._runs(job, case, many)
        return LevelRow(
            workers=workers,
            parallel_s=typical(runs.parallel_s, confidence=self.confidence),
            speedup=runs.speedup,
            efficiency=runs.efficiency,
            identical=runs.identical,
            oversubscribed=workers > self.cores,
        )

    def _batch_row(self, job: Scalable, batch_size: int, many: Pool) -> BatchRow:
        self.progress(f"{job.name}: batches of {batch_size} {job.unit}")
        recut = with_chunk_size(job, batch_size)
        case, size = self._case(recut)
        runs = self._runs(recut, case, many)
        sequential_s = typical(runs.sequential_s, confidence=self.confidence)
        parallel_s = typical(runs.parallel_s, confidence=self.confidence)
        return BatchRow(
            batch_size=batch_size,
            sequential_per_s=through(sequential_s, lambda seconds: size / seconds),
            parallel_per_s=through(parallel_s, lambda seconds: size / seconds),
            speedup=runs.speedup,
            identical=runs.identical,
        )

    def _case(self, job: Scalable) -> tuple[Any, int]:
        """Return the job's case, always the same one, and its size."""
        size = max(1, round(job.default_size * self.size_factor))
        return job.make_case(size, np.random.default_rng(self.seed)), size

    def _runs(self, job: Scalable, case: Any, many: Pool) -> PairedRuns:
        return paired_runs(
            job,
            case,
            one=self.one,
            many=many,
            repeats=self.repeats,
            confidence=self.confidence,
            rng=self.rng,
        )

    def __post_init__(self) -> None:
        if not (is_number(self.size_factor) and 0 < self.size_factor < math.inf):
            raise UsageError(
                f"size_factor must be positive and finite but got {self.size_factor!r}"
            )
        checked_confidence(self.confidence)


def _cores_of(config: ParallelConfig, open_pool: PoolFactory) -> int:
    """Return the physical cores here, or the workers of the cluster that is given."""
    if config.cluster is None:
        return available_physical_cores()
    with closing(open_pool(config, 1)) as pool:
        return workers_there(pool)


def _on_cores(config: ParallelConfig, cores: int) -> ParallelConfig:
    """Return the configuration with a worker per core where no number is asked for.

    A worker per thread of a core would be marked, and nothing could be judged by it.
    """
    if config.backend == "serial":
        return config
    asked = config.asked_workers()
    return replace(config, n_workers=cores if asked is None else asked)


def _named(jobs: Mapping[str, Scalable], name: str) -> Scalable:
    if name not in jobs:
        raise UnknownNameError(f"operation {name!r}: not found; there are {', '.join(jobs)}")
    return jobs[name]


def _silent(line: str) -> None:
    """Say nothing."""
