"""Samples of GPUs, thinned to one report a second and device. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from parbench_lab.core.ports import GpuSampled
from parbench_lab.core.usage import WorkerUsage

REPORT_EVERY_S = 1.0
LONGEST_SPAN_S = 2.0
"""After a silence the mean reaches back so far: nobody looked before that."""


@dataclass(slots=True)
class _Kept:
    """What was sampled of one device since its last report."""

    since_s: float
    percents: list[float] = field(default_factory=list)
    used_bytes: list[float] = field(default_factory=list)
    memory_bytes: float | None = None
    reason: str = ""


class GpuReports:
    """Takes the samples of all workers; several workers on one device count together.

    Parameters
    ----------
    every_s
        Seconds between two reports of one device, at least.

    Examples
    --------
    >>> reports = GpuReports()
    >>> busy = [WorkerUsage(worker="gpu-0", gpu_percent=p) for p in (50.0, 70.0, 90.0)]
    >>> found = [reports.take("GPU-0", usage, at_s) for usage, at_s in zip(busy, (0.2, 0.7, 1.2))]
    >>> found[0] is found[1] is None, found[2].utilization_percent, found[2].span_s
    (True, 70.0, 1.0)
    """

    def __init__(self, every_s: float = REPORT_EVERY_S) -> None:
        self._every_s = every_s
        self._kept: dict[str, _Kept] = {}

    def take(self, gpu: str, usage: WorkerUsage, at_s: float) -> GpuSampled | None:
        """Take a worker's sample of its device; return a report where one is due.

        Parameters
        ----------
        gpu
            The device's UUID.
        usage
            What the worker told.
        at_s
            When it came, in seconds of a monotonic clock.
        """
        kept = self._kept.get(gpu)
        if kept is None or at_s - kept.since_s > LONGEST_SPAN_S:
            kept = self._kept[gpu] = _Kept(since_s=at_s)
        _add(kept, usage)
        if at_s - kept.since_s < self._every_s:
            return None
        self._kept[gpu] = _Kept(since_s=at_s)
        return _report(gpu, kept, at_s)


def _add(kept: _Kept, usage: WorkerUsage) -> None:
    if usage.gpu_percent is not None:
        kept.percents.append(usage.gpu_percent)
    if usage.gpu_memory_bytes is not None:
        kept.used_bytes.append(usage.gpu_memory_bytes)
    if usage.gpu_memory_total_bytes is not None:
        kept.memory_bytes = usage.gpu_memory_total_bytes
    kept.reason = _why(dict(usage.not_measured)) or kept.reason


def _why(not_measured: Mapping[str, str]) -> str:
    """Return why utilisation is not measured: of all the GPU's figures, or of this one."""
    return not_measured.get("gpu") or not_measured.get("gpu utilization_percent") or ""


def _report(gpu: str, kept: _Kept, at_s: float) -> GpuSampled:
    percents = kept.percents
    return GpuSampled(
        gpu=gpu,
        utilization_percent=sum(percents) / len(percents) if percents else None,
        memory_used_bytes=max(kept.used_bytes, default=None),
        memory_bytes=kept.memory_bytes,
        reason=kept.reason if not percents else "",
        span_s=at_s - kept.since_s,
    )
