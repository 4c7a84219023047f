"""What a scaling study is put together from: its plan, its pools, its look at the load."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal, cast

from parbench_lab.analysis.curve import Mode
from parbench_lab.core.pool import Pool
from parbench_lab.core.scalable import Scalable
from parbench_lab.core.wording import listed
from parbench_lab.errors import UsageError
from parbench_lab.scaling.adapting import AdaptiveMap, AdjustablePool
from parbench_lab.scaling.plan import Plan, without_repeats

BACKENDS = ("serial", "threads", "processes", "dask")

AUTO = "auto"
"""The backend that is chosen by trying."""

Workers = Sequence[int] | Literal["adaptive"] | None
"""Worker counts; as many as the load of others allows; or None for powers of two."""


def study_plan(
    scalable: Scalable,
    *,
    workers: Workers,
    sizes: Sequence[int] | None,
    mode: Mode,
    backends: tuple[str, ...],
    repeats: int,
    seed: int,
    batch_sizes: Sequence[int] | None,
    cores: int,
) -> Plan:
    """Return the plan that a user means; parameters as for `ScalingStudy`.

    Raises
    ------
    UsageError
        If a number is out of range, or things do not fit together.
    """
    adaptive = isinstance(workers, str)
    if adaptive and workers != "adaptive":
        raise UsageError(f"workers must be worker counts or 'adaptive' but got {workers!r}")
    if adaptive and "serial" in backends:
        raise UsageError("backend 'serial' has one worker, which cannot be adaptive: leave it out")
    if batch_sizes is not None and not batch_sizes:
        raise UsageError("batch_sizes must have at least one number; leave it out for none")
    counts: Sequence[int]
    if adaptive:
        counts = (cores,)
    else:
        counts = default_workers(cores) if workers is None else cast("Sequence[int]", workers)
    plan = Plan(
        workers=tuple(counts),
        sizes=tuple(sizes) if sizes is not None else (scalable.default_size,),
        mode=mode,
        backends=backends,
        repeats=repeats,
        seed=seed,
        batch_sizes=tuple(batch_sizes or ()),
        adaptive=adaptive,
    )
    if scalable.cut is None:  # how many parts such a job has is not known before it runs
        return plan
    return dataclasses.replace(plan, batch_sizes=without_repeats(plan.batch_sizes, _whole(plan)))


def checked_backends(backend: str | Sequence[str]) -> tuple[str, ...]:
    """Return the backends that are meant; threads stand for `AUTO` until one is chosen.

    Raises
    ------
    UsageError
        If a name is not known.

    Examples
    --------
    >>> checked_backends("dask"), checked_backends(["serial", "threads"])
    (('dask',), ('serial', 'threads'))
    """
    if backend == AUTO:
        return ("threads",)
    wanted = (backend,) if isinstance(backend, str) else tuple(backend)
    for name in wanted:
        if name not in BACKENDS:
            known = ", ".join((*BACKENDS, AUTO))
            raise UsageError(f"backend {name!r}: not found; known names are {known}")
    return wanted


def _whole(plan: Plan) -> int:
    """Return how many items the largest case of a plan has."""
    return max(plan.sizes) * (max(plan.workers) if plan.mode == "weak" else 1)


def merged_words(scalable: Scalable, plan: Plan, batch_sizes: Sequence[int] | None) -> str:
    """Return which batch sizes that were asked for are one and the same; "" where none are.

    Parameters
    ----------
    scalable, plan
        Of the study.
    batch_sizes
        As they were asked for.
    """
    whole = _whole(plan)
    same = sorted(size for size in batch_sizes or () if size >= whole)
    if set(batch_sizes or ()) == set(plan.batch_sizes) or not same:
        return ""
    told = listed([f"{size:,}" for size in same])
    return (
        f"batches of {told} {scalable.unit} are the same, all {whole:,} at once: they are "
        f"measured once, as batches of {same[0]:,}"
    )


def default_workers(cores: int) -> tuple[int, ...]:
    """Return the powers of two up to a number of cores, and that number.

    Examples
    --------
    >>> default_workers(6)
    (1, 2, 4, 6)
    """
    counts = {1, cores}
    while 2 * max(counts - {cores}, default=1) < cores:
        counts.add(2 * max(counts - {cores}))
    return tuple(sorted(counts))


def workers_of(backend: str, workers: int, cluster: Any = None) -> Pool:
    """Return the warm workers of a level; a cluster is for Dask's alone."""
    from parbench_lab.execution.pools import open_pool  # noqa: PLC0415 - loads its libraries

    return open_pool(backend, workers, cluster=cluster if backend == "dask" else None)


def adaptive_map(pool: Pool) -> AdaptiveMap:
    """Return the map of a pool on this machine that follows the load of the others.

    Raises
    ------
    UsageError
        If the pool cannot let workers rest.
    """
    if not (hasattr(pool, "use") and hasattr(pool, "process_ids")):
        raise UsageError(f"the workers of {pool.backend} cannot be adaptive: give their number")
    from parbench_lab.execution.pools.load import OthersLoad  # noqa: PLC0415 - loads psutil

    adjustable = cast("AdjustablePool", pool)
    load = OthersLoad(adjustable.process_ids)
    return AdaptiveMap(adjustable, others_cores=load.cores, cores=os.cpu_count() or 1)


def one_blas_thread() -> AbstractContextManager[object]:
    """Return what holds the serial part of a job to one BLAS thread."""
    from parbench_lab.execution import pools  # noqa: PLC0415 - loads its libraries

    return pools.one_blas_thread()
