"""The workbench of a study: pools that are warm, cases that are made once, one timed run.

Rule 1: the clock runs around the job alone; workers and cases are ready before it starts.
Rule 2: whatever a job does, its run ends as a `Trial`, never as an exception.
"""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from parbench_lab.analysis.agreement import digest, largest_difference
from parbench_lab.analysis.trial import Trial, time_shares
from parbench_lab.core.pool import Pool
from parbench_lab.core.scalable import Scalable
from parbench_lab.errors import ParbenchError
from parbench_lab.scaling.plan import Cell, Plan

OpenPool = Callable[[str, int], Pool]
"""Opens a pool: backend, number of workers."""

Pinned = Callable[[], contextlib.AbstractContextManager[object]]


class Workbench:
    """Runs a job's cells; owns its pools until `close`.

    Parameters
    ----------
    scalable
        The job.
    open_pool
        Opens a warm pool of a backend with so many workers.
    pinned
        What holds while the job runs (one BLAS thread): its serial part must not be parallel.
    """

    def __init__(
        self, scalable: Scalable, open_pool: OpenPool, pinned: Pinned = contextlib.nullcontext
    ) -> None:
        self._scalable = scalable
        self._open_pool = open_pool
        self._pinned = pinned
        self._pools: dict[tuple[str, int], Pool] = {}
        self._cases: dict[int, Any] = {}
        self._references: dict[int, Any] = {}
        self._warm: set[tuple[str, int, int]] = set()

    def run(self, cell: Cell, plan: Plan) -> Trial:
        """Measure one cell.

        The first run of a pool at a size is done twice and the second one counts: what is loaded
        and shipped once does not belong to the curve.
        """
        size = plan.size_at(cell.series, cell.workers)
        about: dict[str, Any] = {"repetition": cell.repetition, "workers": cell.workers}
        about["size"] = size
        try:
            case = self._case(size, plan.seed)
            pool = self._pool(cell.series.backend, cell.workers)
            key = (cell.series.backend, cell.workers, size)
            with self._pinned():
                self._serial_result(size, case)
                if key not in self._warm:
                    self._scalable.run(case, map=pool.map)
                    self._warm.add(key)
                return self._timed(pool, case, about)
        except Exception as error:  # noqa: BLE001 - a level that fails is an outcome
            self._drop(cell.series.backend, cell.workers)
            return Trial(**about, outcome="failed", message=_in_one_line(error))

    def _timed(self, pool: Pool, case: Any, about: dict[str, Any]) -> Trial:
        pool.take_spans()
        pool.peak_memory_bytes()
        gc.collect()
        collecting = gc.isenabled()
        gc.disable()
        try:
            start_ns = time.perf_counter_ns()
            result = self._scalable.run(case, map=pool.map)
            end_ns = time.perf_counter_ns()
        finally:
            if collecting:
                gc.enable()
        peak_bytes = pool.peak_memory_bytes()
        shares = time_shares(
            pool.take_spans(), n_workers=pool.n_workers, start_ns=start_ns, end_ns=end_ns
        )
        apart = largest_difference(self._serial_result(about["size"], case), result)
        same = apart <= self._scalable.tolerance
        return Trial(
            **about,
            outcome="ok" if same else "differs",
            time_s=(end_ns - start_ns) * 1e-9 if same else None,
            peak_memory_bytes=peak_bytes,
            digest=digest(result),
            difference=apart,
            message="" if same else f"its result differs from the serial one by {apart:.2g}",
            shares=shares,
        )

    def _serial_result(self, size: int, case: Any) -> Any:
        """Return what the built-in map gives: every other result is compared with it."""
        if size not in self._references:
            self._references[size] = self._scalable.run(case, map=map)
        return self._references[size]

    def _case(self, size: int, seed: int) -> Any:
        if size not in self._cases:
            rng = np.random.default_rng([seed, size])
            self._cases[size] = self._scalable.make_case(size, rng)
        return self._cases[size]

    def _pool(self, backend: str, workers: int) -> Pool:
        key = (backend, workers)
        if key not in self._pools:
            self._pools[key] = self._open_pool(backend, workers)
        return self._pools[key]

    def _drop(self, backend: str, workers: int) -> None:
        """Give up a pool that may be broken; the next run of its level has a new one."""
        pool = self._pools.pop((backend, workers), None)
        self._warm = {key for key in self._warm if key[:2] != (backend, workers)}
        if pool is not None:
            pool.close()

    def close(self) -> None:
        """Close all pools; idempotent."""
        for backend, workers in list(self._pools):
            self._drop(backend, workers)


def _in_one_line(error: Exception) -> str:
    words = " ".join(str(error).split())[:300]
    if isinstance(error, ParbenchError):
        return words
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
