"""Pools by the names of their backends."""

from __future__ import annotations

from typing import Any

from parbench_lab.core.given import checked_workers
from parbench_lab.core.pool import Pool
from parbench_lab.errors import UnknownNameError, UsageError
from parbench_lab.execution.pools.serial import SerialPool
from parbench_lab.hardware.cores import available_cores

BACKENDS = ("serial", "threads", "processes", "dask")
"""From the simplest to the most powerful."""


def open_pool(backend: str, n_workers: int | None = None, *, cluster: Any = None) -> Pool:
    """Return warm workers behind a ``map``; the caller closes them.

    Parameters
    ----------
    backend
        One of `BACKENDS`. ``"serial"`` has one worker, the caller.
    n_workers
        1 to 4096; None for one per core that is ours, or all workers of a given cluster.
    cluster
        For ``"dask"``: None for workers of our own on this machine; a scheduler's address, a Dask
        client or a Dask cluster object, which stay open when the pool closes.

    Raises
    ------
    UnknownNameError
        If there is no such backend.
    UsageError
        If `n_workers` is out of range, or a cluster is given to another backend than Dask's.
    ClusterError
        If the workers cannot be started or reached.

    Examples
    --------
    >>> pool = open_pool("threads", 2)
    >>> list(pool.map(abs, [-3, 4]))
    [3, 4]
    >>> pool.close()
    """
    if backend not in BACKENDS:
        known = ", ".join(BACKENDS)
        raise UnknownNameError(f"backend {backend!r}: not found; known names are {known}")
    if n_workers is not None:
        n_workers = checked_workers(n_workers, "n_workers")
    if cluster is not None and backend != "dask":
        raise UsageError(
            f"a cluster is for backend 'dask' but got {backend!r}; leave one of the two out"
        )
    if backend == "serial":
        return _serial(n_workers)
    if backend == "dask":
        from parbench_lab.execution.pools.dask import DaskPool  # noqa: PLC0415 - loads Dask

        return DaskPool(n_workers, cluster=cluster)
    count = n_workers if n_workers is not None else available_cores()
    if backend == "threads":
        from parbench_lab.execution.pools.threads import ThreadPool  # noqa: PLC0415 - as Dask's

        return ThreadPool(count)
    from parbench_lab.execution.pools.processes import ProcessPool  # noqa: PLC0415 - as Dask's

    return ProcessPool(count)


def _serial(n_workers: int | None) -> Pool:
    if n_workers not in (None, 1):
        raise UsageError(f"backend 'serial' has one worker but n_workers={n_workers}")
    return SerialPool()
