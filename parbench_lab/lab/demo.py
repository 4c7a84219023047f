"""A race to look at, ready made."""

from __future__ import annotations

from typing import Any

from parbench_lab.lab.bench import ParallelBenchmarking


def demo(workload: str = "nearest_neighbours", **options: Any) -> ParallelBenchmarking:
    """Start a race of built-in candidates and return it; as the last line of a cell: the panel.

    Parameters
    ----------
    workload
        Any built-in one; in this one a change of the batch size changes the winner.
    options
        As for `ParallelBenchmarking`.

    Raises
    ------
    UnknownNameError
        If there is no such workload.
    ClusterError
        If no workers can be started.
    """
    bench = ParallelBenchmarking(workload=workload, **options)
    try:
        bench.start()
    except BaseException:
        bench.close()
        raise
    return bench
