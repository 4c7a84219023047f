"""How busy a worker is: what monitoring tells, and what plots and panel show."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerUsage:
    """Usage of one worker at one moment; None is "not measured", never zero.

    Parameters
    ----------
    worker
        Its name, as in `WorkerInfo`.
    cpu_percent
        CPU time of the worker's process over wall time; 100 is one core.
    rss_bytes
        Resident memory of the process.
    memory_limit_bytes
        What it may use, where there is a limit.
    gpu_percent, gpu_memory_bytes
        Utilisation and used memory of the worker's GPU.
    """

    worker: str
    cpu_percent: float | None = None
    rss_bytes: float | None = None
    memory_limit_bytes: float | None = None
    gpu_percent: float | None = None
    gpu_memory_bytes: float | None = None
