"""Which backend is the fastest for a function, by trying: what ``backend="auto"`` does."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from parbench_lab.core.given import checked_workers
from parbench_lab.core.pool import Pool
from parbench_lab.core.scalable import Map
from parbench_lab.errors import UsageError
from parbench_lab.execution.pools.blas import one_blas_thread
from parbench_lab.execution.pools.opening import BACKENDS, open_pool
from parbench_lab.hardware.cores import available_cores

WORTH = 1.1
"""A more powerful backend must be so many times as fast as a simpler one to be chosen."""
_SAMPLE_SHARE = 0.15
_MAX_ITEMS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """How one backend fared.

    Parameters
    ----------
    time_s
        Of the sample, the best of its rounds; None where it failed.
    start_s
        Until the workers were ready; not part of `time_s`.
    error
        Why it failed, in one line.
    """

    backend: str
    n_workers: int
    time_s: float | None = None
    start_s: float = 0.0
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendChoice:
    """The backend to use, the reason in one sentence, and the figures it rests on."""

    backend: str
    n_workers: int
    reason: str
    probes: tuple[Probe, ...]


def probe_backends(
    function: Callable[..., Any],
    /,
    *items: Iterable[Any],
    n_workers: int | None = None,
    cluster: Any = None,
    backends: Sequence[str] | None = None,
    budget_s: float = 1.0,
) -> BackendChoice:
    """Try a function over sample items on several backends and choose one.

    Parameters
    ----------
    function, items
        As for `map`; a handful of typical items is enough, they are used again and again. An item
        that lasts longer than the budget makes the probe last longer: it is never cut.
    n_workers
        Of the parallel backends, 1 to 4096; None for one per core that is ours.
    cluster
        Probed too, where it is given.
    backends
        Which to try; by default serial, threads and processes, and Dask with a `cluster`.
    budget_s
        Seconds that the whole probe should take, starts of workers included; only so many items
        are used.

    Raises
    ------
    UsageError
        If there is no item, the budget is not positive, or `n_workers` is out of range.
    Exception
        Whatever the function raises on the first item.

    Examples
    --------
    >>> probe_backends(abs, [1, 2, 3], n_workers=1).backend
    'serial'
    """
    rows = list(zip(*items, strict=False)) if items else []
    if not rows:
        raise UsageError("a probe needs at least one item")
    if not budget_s > 0:
        raise UsageError(f"budget_s must be positive but got {budget_s}")
    count = available_cores() if n_workers is None else checked_workers(n_workers, "n_workers")
    item_s = _item_s(function, rows, _SAMPLE_SHARE * budget_s)
    n_items = _sample_size(item_s, count, _SAMPLE_SHARE * budget_s)
    sample = list(itertools.islice(itertools.cycle(rows), n_items))
    columns = list(zip(*sample, strict=True))

    def job(map: Map) -> None:
        for _ in map(function, *columns):
            pass

    return probe_job(
        job,
        n_workers=count,
        cluster=cluster,
        backends=backends,
        rounds=2 if n_items * item_s < budget_s / 2 else 1,
        what=f"{n_items} items",
    )


def probe_job(
    job: Callable[[Map], object],
    *,
    n_workers: int | None = None,
    cluster: Any = None,
    backends: Sequence[str] | None = None,
    rounds: int = 2,
    what: str = "the sample",
    before: Callable[[], object] = lambda: None,
) -> BackendChoice:
    """Run a job on each backend and choose one; see `probe_backends`.

    Parameters
    ----------
    job
        Called with a `map`; for a scalable job, run on a small case.
    rounds
        How often each backend runs it; its best time counts, so more than 1 warms up.
    what
        Names the job in the reason.
    before
        Called before each run, outside of the clock. What it raises counts as the job's failure.

    Raises
    ------
    UsageError
        If `n_workers` is out of range.
    """
    count = available_cores() if n_workers is None else checked_workers(n_workers, "n_workers")
    default = BACKENDS if cluster is not None else BACKENDS[:-1]
    tried = default if backends is None else tuple(b for b in BACKENDS if b in backends)
    if count == 1 and cluster is None and "serial" in tried:
        tried = ("serial",)
    probes = []
    for backend in tried:
        given = cluster if backend == "dask" else None
        probes.append(_probe(backend, job, count, given, rounds=rounds, before=before))
    return choose(probes, what=what)


def choose(probes: Sequence[Probe], *, what: str = "the sample") -> BackendChoice:
    """Return the fastest of several backends, a simpler one where that is nearly as fast.

    Raises
    ------
    UsageError
        If all failed.

    Examples
    --------
    >>> serial = Probe(backend="serial", n_workers=1, time_s=0.2)
    >>> threads = Probe(backend="threads", n_workers=2, time_s=0.19)
    >>> processes = Probe(backend="processes", n_workers=2, time_s=0.11)
    >>> choose([serial, processes]).reason
    'processes: the sample took 0.11 s on 2 workers, 1.8 times as fast as serial (0.2 s)'
    >>> choose([serial, threads]).reason
    'serial: 2 workers gain too little over its 0.2 s for the sample; threads 0.19 s'
    """
    best: Probe | None = None
    for probe in sorted(probes, key=lambda one: BACKENDS.index(one.backend)):
        if probe.time_s is None:
            continue
        if best is None or best.time_s is None or probe.time_s * WORTH < best.time_s:
            best = probe
    if best is None:
        told = "; ".join(f"{probe.backend}: {probe.error}" for probe in probes) or "none was tried"
        raise UsageError(f"no backend can run this: {told}")
    return BackendChoice(
        backend=best.backend,
        n_workers=best.n_workers,
        reason=_reason(best, probes, what),
        probes=tuple(probes),
    )


def _reason(best: Probe, probes: Sequence[Probe], what: str) -> str:
    serial_s = next((one.time_s for one in probes if one.backend == "serial"), None)
    others = [one for one in probes if one.backend not in (best.backend, "serial")]
    assert best.time_s is not None  # noqa: S101 - it was chosen
    if best.backend == "serial":
        workers = max((one.n_workers for one in others), default=1)
        words = (
            f"serial: {workers} workers gain too little over its {best.time_s:.2g} s for {what}"
        )
        if workers == 1:
            words = "serial: one worker has nothing to share out"
    else:
        words = f"{best.backend}: {what} took {best.time_s:.2g} s on {best.n_workers} workers"
        if serial_s is not None:
            words += f", {serial_s / best.time_s:.1f} times as fast as serial ({serial_s:.2g} s)"
    return "; ".join([words, *(_in_words(one) for one in others)])


def _in_words(probe: Probe) -> str:
    if probe.time_s is None:
        return f"{probe.backend} cannot: {probe.error}"
    return f"{probe.backend} {probe.time_s:.2g} s"


def _item_s(function: Callable[..., Any], rows: Sequence[Any], limit_s: float) -> float:
    """Return what an item takes in this thread, after a first one that warms up."""
    with one_blas_thread():
        start_s = time.perf_counter()
        function(*rows[0])
        first_s = time.perf_counter() - start_s
        if first_s > limit_s:
            return first_s
        start_s, spent_s, done = time.perf_counter(), 0.0, 0
        while spent_s <= limit_s / 2 and done < _MAX_ITEMS:
            function(*rows[done % len(rows)])
            done += 1
            spent_s = time.perf_counter() - start_s
    return spent_s / done


def _sample_size(item_s: float, n_workers: int, limit_s: float) -> int:
    wanted = max(n_workers, math.ceil(limit_s / max(item_s, 1e-9)))
    return min(wanted, max(n_workers, _MAX_ITEMS))


def _probe(
    backend: str,
    job: Callable[[Map], object],
    n_workers: int,
    cluster: Any,
    *,
    rounds: int,
    before: Callable[[], object],
) -> Probe:
    workers = 1 if backend == "serial" else n_workers
    start_s = time.perf_counter()
    try:
        pool = open_pool(backend, None if cluster is not None else workers, cluster=cluster)
    except Exception as error:  # noqa: BLE001 - a backend that fails is not chosen
        return Probe(backend=backend, n_workers=workers, error=_line(error))
    ready_s = time.perf_counter() - start_s
    try:
        time_s = min(_timed(job, pool, before) for _ in range(rounds))
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if backend == "serial":
            raise
        return Probe(
            backend=backend, n_workers=pool.n_workers, start_s=ready_s, error=_line(error)
        )
    finally:
        pool.close()
    return Probe(backend=backend, n_workers=pool.n_workers, time_s=time_s, start_s=ready_s)


def _timed(job: Callable[[Map], object], pool: Pool, before: Callable[[], object]) -> float:
    before()
    start_s = time.perf_counter()
    job(pool.map)
    return time.perf_counter() - start_s


def _line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]
