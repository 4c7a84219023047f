"""How busy workers are, as Dask's own heartbeats tell it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from parbench_lab.core.usage import WorkerUsage


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
