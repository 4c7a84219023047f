"""The workbench of a study: pools that are warm, cases that are made once, one timed run.

Rule 1: the clock runs around the job alone; workers and cases are ready before it starts.
Rule 2: whatever a job raises, its run ends as a `Trial`; what is no `Exception` too (`SystemExit`,
a panic of Rust's, a test's skip), Ctrl-C alone not.
Rule 3: every run begins with the case as it was made, and is compared with what the serial run
gave when it ended, whatever later runs write where.
"""

from __future__ import annotations

import contextlib
import gc
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from parbench_lab.analysis.agreement import digest, largest_difference
from parbench_lab.analysis.trial import Trial, time_shares
from parbench_lab.core.batching import batched
from parbench_lab.core.pool import Pool
from parbench_lab.core.scalable import Map, Scalable
from parbench_lab.core.seal import Seal
from parbench_lab.errors import ParbenchError, UsageError
from parbench_lab.scaling.adapting import AdaptiveMap
from parbench_lab.scaling.plan import Cell, Plan

_SERIAL = cast("Map", map)  # its overloads are too many for mypy to see that it is one

LONG_LOOK_S = 0.25

OpenPool = Callable[[str, int], Pool]
"""Opens a pool: backend, number of workers."""

Pinned = Callable[[], contextlib.AbstractContextManager[object]]
Adapt = Callable[[Pool], AdaptiveMap]
"""Makes the map of a pool that uses as many workers as the load of others leaves room for."""


def no_adapting(pool: Pool) -> AdaptiveMap:
    """Refuse: nobody said how to look at the load.

    Raises
    ------
    UsageError
        Always.
    """
    raise UsageError(f"the workers of {pool.backend} cannot follow the load here")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Problem:
    """What is solved: so many items, so many of them to a worker at once."""

    size: int
    batch_size: int | None

    def cut(self, spread: Map, *, by_itself: bool) -> Map:
        """Return a map that sends such batches: of what the job has cut itself, one at a time."""
        if self.batch_size is None:
            return spread
        return batched(spread, 1 if by_itself else self.batch_size)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """A case as it was made; `look_s` is what it takes to see that it still is."""

    data: Any
    seal: Seal
    look_s: float

    @classmethod
    def of(cls, data: Any) -> _Case:
        start_ns = time.perf_counter_ns()
        seal = Seal.of(data)
        return cls(data=data, seal=seal, look_s=(time.perf_counter_ns() - start_ns) * 1e-9)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reference:
    """What the serial run gave: a digest of it then, and the thing itself.

    There is no copy: it would be memory of this process, which is measured. Whether a result is
    the same is told from the digest; how far it is off, from the thing as long as it is as then.
    """

    result: Any
    digest: str

    def judge(self, result: Any, mark: str) -> tuple[float, str]:
        """Return how far a result of a digest is off, and what is to be said if it is too far."""
        if mark == self.digest:
            return 0.0, ""
        if digest(self.result) != self.digest:
            return math.inf, (
                "its result is not the serial one, which another run has overwritten: run must "
                "return what no other run writes to, a copy where it works in memory of its own"
            )
        apart = largest_difference(self.result, result)
        return apart, f"its result differs from the serial one by {apart:.2g}"


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
    adapt
        Makes a pool's adaptive map, for plans that want one.
    long_look_s
        Whether a run changed its case is looked at after every run, outside of the clock; where a
        look takes this long or longer, after the serial run and the first run of a level alone.
    """

    def __init__(
        self,
        scalable: Scalable,
        open_pool: OpenPool,
        pinned: Pinned = contextlib.nullcontext,
        adapt: Adapt = no_adapting,
        *,
        long_look_s: float = LONG_LOOK_S,
    ) -> None:
        self._scalable = scalable
        self._open_pool = open_pool
        self._pinned = pinned
        self._adapt = adapt
        self._long_look_s = long_look_s
        self._pools: dict[tuple[str, int], Pool] = {}
        self._adaptive: dict[Pool, AdaptiveMap] = {}
        self._cases: dict[_Problem, _Case] = {}
        self._changing: set[_Problem] = set()
        self._references: dict[_Problem, _Reference] = {}
        self._warm: set[tuple[str, int, _Problem]] = set()

    def run(self, cell: Cell, plan: Plan) -> Trial:
        """Measure one cell.

        The first run of a pool on a problem is done twice and the second one counts: what is
        loaded and shipped once does not belong to the curve. The case of a job that changes it is
        made anew for every run, and shipped anew.
        """
        size = plan.size_at(cell.series, cell.workers)
        problem = _Problem(size=size, batch_size=cell.series.batch_size)
        about: dict[str, Any] = {"repetition": cell.repetition, "workers": cell.workers}
        about["size"] = size
        adaptive: AdaptiveMap | None = None
        try:
            job = self._cut(problem)
            reference = self._reference(problem, job, plan.seed)
            pool = self._pool(cell.series.backend, cell.workers)
            adaptive = self._adaptive_map(pool) if plan.adaptive else None
            spread = problem.cut(adaptive or pool.map, by_itself=self._scalable.cut is not None)
            key = (cell.series.backend, cell.workers, problem)
            if key not in self._warm:
                with self._lent(problem, job, plan.seed) as case, self._pinned():
                    job.run(case, map=spread)
                if not self._warm:
                    gc.collect()
                self._warm.add(key)
            with self._lent(problem, job, plan.seed, known=True) as case, self._pinned():
                if adaptive is not None:
                    adaptive.begin()
                result, taken = _timed(lambda: job.run(case, map=spread), pool)
                if adaptive is not None:
                    # workers that rested have no share of their own in the time
                    taken |= {"uses": adaptive.end(), "shares": None}
                return self._judged(result, reference, {**about, **taken})
        except KeyboardInterrupt:  # meant for the study
            raise
        except BaseException as error:  # noqa: BLE001 - a level that fails is an outcome
            self._drop(cell.series.backend, cell.workers)
            if adaptive is not None:
                about["uses"] = adaptive.end()
            return Trial(**about, outcome="failed", message=_in_one_line(error))

    def _judged(self, result: Any, reference: _Reference, about: dict[str, Any]) -> Trial:
        mark = digest(result)
        apart, words = reference.judge(result, mark)
        same = apart <= self._scalable.tolerance
        about["time_s"] = about["time_s"] if same else None
        return Trial(
            **about,
            outcome="ok" if same else "differs",
            digest=mark,
            difference=apart,
            message="" if same else words,
        )

    def _cut(self, problem: _Problem) -> Scalable:
        """Return the job, in parts of the size that is asked for where it cuts itself."""
        if problem.batch_size is None or self._scalable.cut is None:
            return self._scalable
        return self._scalable.cut(self._scalable, problem.batch_size)

    @contextlib.contextmanager
    def _lent(
        self, problem: _Problem, job: Scalable, seed: int, *, known: bool = False
    ) -> Iterator[Any]:
        """Lend a case as it was made to one run; one that was changed is not lent again.

        It is looked at when the run has ended, and failed runs are no exception.

        Parameters
        ----------
        known
            Whether such a run was looked at before: of a large case that is enough.
        """
        if problem not in self._cases:
            rng = np.random.default_rng([seed, problem.size])
            self._cases[problem] = _Case.of(job.make_case(problem.size, rng))
        case = self._cases[problem]
        try:
            yield case.data
        finally:
            look = not known or case.look_s < self._long_look_s
            if look and not case.seal.is_intact(case.data):
                self._changing.add(problem)
            if problem in self._changing:
                del self._cases[problem]

    def _reference(self, problem: _Problem, job: Scalable, seed: int) -> _Reference:
        """Return what the built-in map gives: every other result is compared with it."""
        if problem not in self._references:
            with self._lent(problem, job, seed) as case, self._pinned():
                result = job.run(case, map=_SERIAL)
                self._references[problem] = _Reference(result=result, digest=digest(result))
        return self._references[problem]

    def _adaptive_map(self, pool: Pool) -> AdaptiveMap:
        if pool not in self._adaptive:
            self._adaptive[pool] = self._adapt(pool)
        return self._adaptive[pool]

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
            self._adaptive.pop(pool, None)
            pool.close()

    def close(self) -> None:
        """Close all pools; idempotent."""
        for backend, workers in list(self._pools):
            self._drop(backend, workers)


def _timed(run: Callable[[], Any], pool: Pool) -> tuple[Any, dict[str, Any]]:
    """Return what a run gave, and what it took.

    Before it only what is young is collected: all that a notebook has loaded takes a quarter of
    a second, in which nobody else in the process is answered.
    """
    pool.take_spans()
    pool.peak_memory_bytes()
    gc.collect(1)
    collecting = gc.isenabled()
    gc.disable()
    try:
        start_ns = time.perf_counter_ns()
        result = run()
        end_ns = time.perf_counter_ns()
    finally:
        if collecting:
            gc.enable()
    peak_bytes = pool.peak_memory_bytes()
    shares = time_shares(
        pool.take_spans(), n_workers=pool.n_workers, start_ns=start_ns, end_ns=end_ns
    )
    taken_s = (end_ns - start_ns) * 1e-9
    return result, {"time_s": taken_s, "peak_memory_bytes": peak_bytes, "shares": shares}


def _in_one_line(error: BaseException) -> str:
    words = " ".join(str(error).split())[:300]
    if isinstance(error, ParbenchError):
        return words
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
