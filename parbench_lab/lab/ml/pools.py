"""An operation carried out on workers that are started for it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any, TypeVar

from parbench_lab.core.pool import Pool
from parbench_lab.workloads.ml.config import ParallelConfig, chosen_config

T = TypeVar("T")
PoolFactory = Callable[[ParallelConfig, int], Pool]
"""``fn(config, n_workers) -> Pool``: opens workers of the backend that the config names."""


def open_workers(config: ParallelConfig, n_workers: int | None) -> Pool:
    """Return warm workers of the config's backend, None for all; the caller closes them.

    All are one per core that is ours, or those that a given cluster has.

    Raises
    ------
    ClusterError
        If they cannot be started.
    """
    from parbench_lab.execution.pools import open_pool  # noqa: PLC0415 - loads the backends

    return open_pool(config.backend, n_workers, cluster=config.cluster)


def carried_out(
    operation: Callable[..., T], *given: Any, config: ParallelConfig | None, **options: Any
) -> T:
    """Return what an operation makes of its arguments, its parts spread over workers.

    Parameters
    ----------
    operation
        Takes ``map=`` besides its arguments.
    given, options
        Its arguments.
    config
        Which workers; None for the default ones.
    """
    chosen = chosen_config(config)
    with closing(open_workers(chosen, chosen.asked_workers())) as pool:
        return operation(*given, map=pool.map, **options)


def chunk_size_of(config: ParallelConfig | None) -> int | None:
    """Return the chunk size that is asked for, None where the operation chooses."""
    return chosen_config(config).chunk_size
