"""Workers behind one ``map``: serial, threads, processes, or a Dask cluster; see `open_pool`."""

from __future__ import annotations

from parbench_lab.execution.pools.blas import one_blas_thread
from parbench_lab.execution.pools.opening import BACKENDS, open_pool
from parbench_lab.execution.pools.probe import (
    BackendChoice,
    Probe,
    choose,
    probe_backends,
    probe_job,
)

__all__ = [
    "BACKENDS",
    "BackendChoice",
    "Probe",
    "choose",
    "one_blas_thread",
    "open_pool",
    "probe_backends",
    "probe_job",
]
