"""What one process, its machine and its GPU do, between one sample and the next."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass

import psutil

from parbench_lab.core.usage import WorkerUsage
from parbench_lab.errors import UsageError
from parbench_lab.hardware.gpu import (
    VISIBLE,
    Gpu,
    GpuError,
    GpuSample,
    Nvml,
    find_gpus,
    open_nvml,
    read_gpu,
)
from parbench_lab.monitoring.patience import Question
from parbench_lab.monitoring.throttling import note_throttling
from parbench_lab.monitoring.wording import NO_GPU_WORKER

SAMPLE_HZ = 5.0
"""Samples a second, unless somebody asks for others."""
LEAST_HZ = 2.0
"""Less often than this there would be times of which nothing is known: what is told of a GPU
covers up to 2 s, and a reason of throttling speaks for 1 s."""
MOST_HZ = 50.0

_CPU_NOT_BUSY = ("idle", "iowait")
_CPU_COUNTED_TWICE = ("guest", "guest_nice")


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuAtHand:
    """The GPU of a process, with who is asked about it; or why there is none."""

    nvml: Nvml | None = None
    gpu: Gpu | None = None
    reason: str = NO_GPU_WORKER


class Sampler:
    """Tells what this process does since the last sample; the first one knows no CPU.

    A sample takes about 0.1 ms, and on a GPU what the driver takes for six questions; a driver
    that hangs is waited for once, for half a second, and then not measured until it answers.

    Parameters
    ----------
    worker
        Name that the samples carry.
    at_hand
        The process's GPU.
    memory_limit_bytes
        What the process may use, where there is a limit.
    """

    def __init__(
        self,
        worker: str,
        *,
        at_hand: GpuAtHand | None = None,
        memory_limit_bytes: float | None = None,
    ) -> None:
        self._worker = worker
        self._at_hand = at_hand or GpuAtHand()
        self._memory_limit_bytes = memory_limit_bytes
        self._process = psutil.Process()
        self._own = Rate()
        self._host = Rate()
        self._gpu_question = Question(self._read_gpu)

    @property
    def has_gpu(self) -> bool:
        """Whether it tells of a GPU."""
        return self._at_hand.gpu is not None

    def sample(self) -> WorkerUsage:
        """Return the usage of this moment; what cannot be read is None, with its reason."""
        now_ns = time.perf_counter_ns()
        own = self._own.percent(time.process_time_ns() / 1e9, now_ns / 1e9)
        try:
            rss_bytes = float(self._process.memory_info().rss)
            host_memory = psutil.virtual_memory()
            busy_s, all_s = cpu_seconds(psutil.cpu_times()._asdict())
        except (psutil.Error, OSError) as error:
            reason = f"this system does not tell it ({type(error).__name__})"
            return WorkerUsage(
                worker=self._worker, cpu_percent=own, not_measured=(("memory, host", reason),)
            )
        usage = WorkerUsage(
            worker=self._worker,
            cpu_percent=own,
            rss_bytes=rss_bytes,
            memory_limit_bytes=self._memory_limit_bytes,
            host_cpu_percent=self._host.percent(busy_s, all_s),
            host_memory_bytes=float(host_memory.total - host_memory.available),
            host_memory_total_bytes=float(host_memory.total),
        )
        return self._with_gpu(usage, now_ns)

    def _read_gpu(self) -> GpuSample | None:
        nvml, gpu = self._at_hand.nvml, self._at_hand.gpu
        return None if nvml is None or gpu is None else read_gpu(nvml, gpu)

    def _with_gpu(self, usage: WorkerUsage, now_ns: int) -> WorkerUsage:
        gpu = self._at_hand.gpu
        if gpu is None:
            return dataclasses.replace(usage, not_measured=(("gpu", self._at_hand.reason),))
        sample = self._gpu_question.answer()
        if sample is None:
            reason = f"the GPU driver has not answered for {self._gpu_question.open_s:.1f} s"
            sample = GpuSample(uuid=gpu.uuid, reason=reason)
        if sample.throttle is not None:
            note_throttling(now_ns, sample.throttle)
        lost = (("gpu", sample.reason),) if sample.reason else ()
        return dataclasses.replace(
            usage,
            gpu_uuid=gpu.uuid,
            gpu_percent=sample.utilization_percent,
            gpu_memory_bytes=sample.memory_used_bytes,
            gpu_memory_total_bytes=sample.memory_bytes,
            gpu_power_w=sample.power_w,
            gpu_temperature_c=sample.temperature_c,
            gpu_clock_hz=sample.sm_clock_hz,
            gpu_throttle=sample.throttle,
            not_measured=(*lost, *((f"gpu {what}", why) for what, why in sample.not_measured)),
        )


class Rate:
    """Growth of one counter over that of another, in percent, from one reading to the next."""

    def __init__(self) -> None:
        self._before: tuple[float, float] | None = None

    def percent(self, used: float, passed: float) -> float | None:
        """Return 100 times the growth of `used` over that of `passed`; None at first.

        Examples
        --------
        >>> rate = Rate()
        >>> rate.percent(1.0, 10.0), rate.percent(1.5, 12.0)
        (None, 25.0)
        """
        before, self._before = self._before, (used, passed)
        if before is None or not passed > before[1]:
            return None
        return max(0.0, 100.0 * (used - before[0]) / (passed - before[1]))


def cpu_seconds(times: Mapping[str, float]) -> tuple[float, float]:
    """Return the seconds in which cores were busy, and all, of ``psutil.cpu_times``.

    A guest's seconds are in the host's user time already.

    Examples
    --------
    >>> cpu_seconds({"user": 3.0, "system": 1.0, "idle": 5.0, "iowait": 1.0, "guest": 2.0})
    (4.0, 10.0)
    """
    total = sum(value for name, value in times.items() if name not in _CPU_COUNTED_TWICE)
    return total - sum(times.get(name, 0.0) for name in _CPU_NOT_BUSY), total


def gpu_at_hand(
    resources: Mapping[str, float], environ: Mapping[str, str] = os.environ
) -> GpuAtHand:
    """Return the GPU that a worker process computes on: the first that is visible to it.

    Only a worker that offers the resource ``GPU`` has one, as everywhere in a race: one that is
    merely visible is shared with who knows whom. Other workers never touch NVML.
    """
    if not resources.get("GPU"):
        return GpuAtHand()
    try:
        nvml = open_nvml()
    except GpuError as error:
        return GpuAtHand(reason=str(error))
    found = find_gpus(nvml, visible=environ.get(VISIBLE))
    if not found.gpus:
        return GpuAtHand(reason=found.reason)
    return GpuAtHand(nvml=nvml, gpu=found.gpus[0], reason="")


def checked_sample_hz(sample_hz: float) -> float:
    """Return it, if workers can be sampled so often.

    Raises
    ------
    UsageError
        If it is neither 0 (never) nor within `LEAST_HZ` and `MOST_HZ`.
    """
    if not (sample_hz == 0 or LEAST_HZ <= sample_hz <= MOST_HZ):
        raise UsageError(
            f"sample_hz must be 0 (workers are not sampled) or between {LEAST_HZ:g} and "
            f"{MOST_HZ:g} a second but got {sample_hz}"
        )
    return float(sample_hz)
