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
    host_cpu_percent, host_memory_bytes, host_memory_total_bytes
        Of the whole machine that it runs on: CPU time over that of all cores (100 is all of
        them), memory in use and in all.
    gpu_uuid
        Which GPU: workers on one device tell the same figures of it; empty without one.
    gpu_memory_total_bytes, gpu_power_w, gpu_temperature_c, gpu_clock_hz
        Of that GPU; the clock is that of its multiprocessors (SM).
    gpu_throttle
        Why it is held back: of ``thermal, power cap, power brake, hardware slowdown``; empty
        where it is not.
    not_measured
        Pairs of what is not measured and why: ``("gpu", "no NVIDIA driver")``. The pair ``gpu``
        speaks of all the GPU's figures.
    """

    worker: str
    cpu_percent: float | None = None
    rss_bytes: float | None = None
    memory_limit_bytes: float | None = None
    gpu_percent: float | None = None
    gpu_memory_bytes: float | None = None
    host_cpu_percent: float | None = None
    host_memory_bytes: float | None = None
    host_memory_total_bytes: float | None = None
    gpu_uuid: str = ""
    gpu_memory_total_bytes: float | None = None
    gpu_power_w: float | None = None
    gpu_temperature_c: float | None = None
    gpu_clock_hz: float | None = None
    gpu_throttle: tuple[str, ...] | None = None
    not_measured: tuple[tuple[str, str], ...] = ()
