"""Workers behind one ``map``: serial, threads, processes, or a Dask cluster; see `open_pool`."""

from __future__ import annotations

from parbench_lab.execution.pools.blas import one_blas_thread
from parbench_lab.execution.pools.opening import BACKENDS, open_pool

__all__ = ["BACKENDS", "one_blas_thread", "open_pool"]
