"""What a scaling study is put together from: its plan, its pools, its look at the load."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Literal, cast

from parbench_lab.analysis.curve import Mode
from parbench_lab.core.given import checked_counts, checked_workers, is_several
from parbench_lab.core.machine import Machine
from parbench_lab.core.pool import Pool
from parbench_lab.core.scalable import Scalable
from parbench_lab.core.wording import listed
from parbench_lab.errors import ClusterError, UsageError
from parbench_lab.scaling.adapting import AdaptiveMap, AdjustablePool
from parbench_lab.scaling.plan import MOST_IN_A_BATCH, MOST_ITEMS, Plan, without_repeats

if TYPE_CHECKING:
    from parbench_lab.execution.pools.dask import DaskPool

BACKENDS = ("serial", "threads", "processes", "dask")

AUTO = "auto"
"""The backend that is chosen by trying."""

Workers = Sequence[int] | int | Literal["adaptive"] | None
"""Worker counts, or the most; as many as the load of others allows; None for up to the cores."""


def study_plan(
    scalable: Scalable,
    *,
    workers: Workers,
    sizes: Sequence[int] | int | None,
    mode: Mode,
    backends: tuple[str, ...],
    repeats: int,
    seed: int,
    batch_sizes: Sequence[int] | int | None,
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
    if adaptive:
        counts: tuple[int, ...] = (cores,)
    else:
        counts = levels_of(cores if workers is None else cast("Sequence[int] | int", workers))
    plan = Plan(
        workers=counts,
        sizes=_several(sizes, "sizes", most=MOST_ITEMS) or (scalable.default_size,),
        mode=mode,
        backends=backends,
        repeats=repeats,
        seed=seed,
        batch_sizes=_batches(batch_sizes),
        adaptive=adaptive,
    )
    if scalable.cut is None:  # how many parts such a job has is not known before it runs
        return plan
    return dataclasses.replace(plan, batch_sizes=without_repeats(plan.batch_sizes, _whole(plan)))


def levels_of(workers: Sequence[int] | int) -> tuple[int, ...]:
    """Return the worker counts that are meant: one number stands for the powers of two up to it.

    Raises
    ------
    UsageError
        If it is neither a number of workers nor several things.

    Examples
    --------
    >>> levels_of(6), levels_of([6])
    ((1, 2, 4, 6), (6,))
    """
    if is_several(workers):
        return tuple(workers)
    return default_workers(checked_workers(workers))


def _several(values: Sequence[int] | int | None, name: str, *, most: int) -> tuple[int, ...]:
    return () if values is None else checked_counts(values, name, most=most)


def _batches(sizes: Sequence[int] | int | None) -> tuple[int, ...]:
    return _several(sizes, "batch_sizes", most=MOST_IN_A_BATCH)


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
    if not is_several(backend):
        raise UsageError(f"backend must be a name or several but got {backend!r}")
    wanted = (backend,) if isinstance(backend, str) else tuple(backend)
    for name in wanted:
        if name not in BACKENDS:
            known = ", ".join((*BACKENDS, AUTO))
            raise UsageError(f"backend {name!r}: not found; known names are {known}")
    return wanted


def _whole(plan: Plan) -> int:
    """Return how many items the largest case of a plan has."""
    return max(plan.sizes) * (max(plan.workers) if plan.mode == "weak" else 1)


def merged_words(scalable: Scalable, plan: Plan, batch_sizes: Sequence[int] | int | None) -> str:
    """Return which batch sizes that were asked for are one and the same; "" where none are.

    Parameters
    ----------
    scalable, plan
        Of the study.
    batch_sizes
        As they were asked for.
    """
    whole, asked = _whole(plan), _batches(batch_sizes)
    same = sorted(size for size in asked if size >= whole)
    if set(asked) == set(plan.batch_sizes) or not same:
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


def refuse_idle_cluster(cluster: Any, plan: Plan, *, chosen: bool) -> None:
    """Refuse a cluster on which nothing would run.

    Parameters
    ----------
    cluster
        As for `ScalingStudy`.
    plan
        What is going to be measured.
    chosen
        Whether the backend is still to be chosen; Dask is one of those that are tried.

    Raises
    ------
    UsageError
        If the workers are adaptive, or the backends were given and Dask is none of them.
    """
    if cluster is None:
        return
    if plan.adaptive:
        raise UsageError("adaptive workers follow the load of this machine: leave cluster out")
    if not chosen and "dask" not in plan.backends:
        given = listed([repr(backend) for backend in plan.backends])
        raise UsageError(
            f"a cluster is for backend 'dask' but got {given}; leave one of the two out"
        )


def workers_of(backend: str, workers: int, cluster: Any = None) -> Pool:
    """Return the warm workers of a level; a cluster is for Dask's alone."""
    from parbench_lab.execution.pools import open_pool  # noqa: PLC0415 - loads its libraries

    return open_pool(backend, workers, cluster=cluster if backend == "dask" else None)


def workers_there(pool: Pool) -> int:
    """Return how many workers a pool could have where it is: all usable ones of a cluster.

    Workers, not their threads: each works on one part at a time, so a level cannot have more.
    """
    return int(getattr(pool, "n_there", pool.n_workers))


def cluster_workers(cluster: Any) -> int:
    """Return how many usable workers a cluster has; no connection stays open.

    Raises
    ------
    ClusterError
        If it cannot be reached, or has none.
    UsageError
        If it is no cluster.
    """
    with contextlib.closing(workers_of("dask", 1, cluster)) as pool:
        return workers_there(pool)


def cluster_machine(cluster: Any, libraries: Sequence[str]) -> Machine | None:
    """Return what the machines of a cluster's workers are together; no connection stays open.

    Of the libraries the versions count. None where nobody answers.
    """
    try:
        with contextlib.closing(workers_of("dask", 1, cluster)) as pool:
            return cast("DaskPool", pool).machine(libraries)
    except ClusterError:
        return None


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
