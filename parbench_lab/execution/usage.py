"""How busy workers are: asked of the system on this machine, of Dask's heartbeats elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

import psutil

from parbench_lab.core.usage import WorkerUsage


class LocalProcesses:
    """CPU and memory of processes on this machine, between one look and the next."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._before: dict[int, tuple[float, float]] = {}

    def look(self, name: str, pid: int, memory_limit_bytes: float | None) -> WorkerUsage:
        """Return a process's usage since the last look at it; the first look knows no CPU."""
        try:
            process = psutil.Process(pid)
            with process.oneshot():
                times, rss_bytes = process.cpu_times(), process.memory_info().rss
        except psutil.Error:
            return WorkerUsage(worker=name)
        now_s, used_s = time.perf_counter(), times.user + times.system
        with self._lock:
            before = self._before.get(pid)
            self._before[pid] = now_s, used_s
        percent = None
        if before is not None and now_s > before[0]:
            percent = max(0.0, 100.0 * (used_s - before[1]) / (now_s - before[0]))
        return WorkerUsage(
            worker=name,
            cpu_percent=percent,
            rss_bytes=float(rss_bytes),
            memory_limit_bytes=memory_limit_bytes,
        )


def parse_usage(name: str, told: Mapping[str, Any]) -> WorkerUsage:
    """Return a worker's usage from what the scheduler's identity says of it.

    Whatever is missing, or no number, is "not measured".

    Examples
    --------
    >>> told = {"metrics": {"cpu": 97.5, "memory": 120_000_000}, "memory_limit": 0}
    >>> usage = parse_usage("w0", told)
    >>> usage.cpu_percent, usage.rss_bytes, usage.memory_limit_bytes, usage.gpu_percent
    (97.5, 120000000.0, None, None)
    """
    metrics = _mapping(told.get("metrics"))
    gpu = _mapping(metrics.get("gpu"))
    return WorkerUsage(
        worker=name,
        cpu_percent=_number(metrics.get("cpu")),
        rss_bytes=_number(metrics.get("memory")) or None,
        memory_limit_bytes=_number(told.get("memory_limit")) or None,
        gpu_percent=_number(gpu.get("utilization")),
        gpu_memory_bytes=_number(gpu.get("memory-used")),
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value)
