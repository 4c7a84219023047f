"""Workers behind one ``map``: serial, threads, processes, or a Dask cluster; see `open_pool`.

Public names are loaded when they are first used: every worker process loads this package, and
needs none of them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_HOMES = {"BACKENDS": "opening", "one_blas_thread": "blas", "open_pool": "opening"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _HOMES.get(name, "probe")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
