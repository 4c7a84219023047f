"""A GPU that only pretends: utilisation and memory by formula, in virtual time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from parbench_lab.core.ports import GpuSampled
from parbench_lab.core.usage import WorkerUsage

_CLOCK_SLACK_S = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelGpu:
    """A device with several workers on it ("seats").

    Parameters
    ----------
    uuid
        By which its workers name it.
    seats
        Workers on it.
    percent
        Utilisation in percent, within 0 to 100, as a function of how many seats are busy; None:
        it is not measured, for `reason`.
    noise_points
        Standard deviation of a reading, in percentage points.
    lag_s
        A reading at t is the mean over the second that ended at t - `lag_s`.
    memory_bytes
        All there is; None: not measured.
    base_bytes, seat_bytes
        In use by others, and by every seat that has ever run a task.
    lost_at_s
        From this virtual second on every reading is "not measured: GPU is lost".

    Examples
    --------
    >>> gpu = ModelGpu(uuid="GPU-0", seats=4, percent=lambda busy: 30.0 * busy)
    >>> round(gpu.percent(2)), gpu.names(0)
    (60, ('gpu-0', 'gpu-0.1', 'gpu-0.2', 'gpu-0.3'))
    """

    uuid: str
    seats: int = 4
    percent: Callable[[int], float] | None = None
    reason: str = "the model says so"
    noise_points: float = 0.0
    lag_s: float = 0.2
    memory_bytes: float | None = 80e9
    base_bytes: float = 0.0
    seat_bytes: float = 1e9
    lost_at_s: float = math.inf

    def names(self, index: int) -> tuple[str, ...]:
        """Return the names of its workers, as those of the `index`-th GPU."""
        further = (f"gpu-{index}.{seat}" for seat in range(1, self.seats))
        return (f"gpu-{index}", *further)


class GpuMeter:
    """Reads a `ModelGpu` once per virtual second.

    Parameters
    ----------
    gpu
        What is read.
    seed
        Of the noise.
    every_s
        Between two readings.
    """

    def __init__(self, gpu: ModelGpu, *, seed: int, every_s: float = 1.0) -> None:
        self.gpu = gpu
        self._rng = np.random.default_rng(seed)
        self._every_s = every_s
        self._next_s = every_s
        self._busy: list[tuple[float, int]] = [(0.0, 0)]
        self._holding: set[str] = set()
        self._last = GpuSampled(
            gpu=gpu.uuid, utilization_percent=None, reason="nothing was read yet"
        )

    def seen(self, at_s: float, busy: set[str]) -> None:
        """Note which of its seats are busy from this virtual second on."""
        self._holding |= busy
        if self._busy[-1][1] != len(busy):
            self._busy.append((at_s, len(busy)))

    def freed(self, name: str) -> None:
        """Note that a seat's process is gone, and its memory with it."""
        self._holding.discard(name)

    def until(self, at_s: float) -> list[tuple[float, GpuSampled]]:
        """Return the readings that are due up to this virtual second, with their times."""
        due = []
        while self._next_s <= at_s + _CLOCK_SLACK_S:
            self._last = self._read(self._next_s)
            due.append((self._next_s, self._last))
            self._next_s += self._every_s
        return due

    def usage(self) -> WorkerUsage:
        """Return the last reading as a worker on this device would tell it."""
        last = self._last
        return WorkerUsage(
            worker="",
            gpu_uuid=self.gpu.uuid,
            gpu_percent=last.utilization_percent,
            gpu_memory_bytes=last.memory_used_bytes,
            gpu_memory_total_bytes=last.memory_bytes,
            not_measured=(("gpu", last.reason),) if last.reason else (),
        )

    def _read(self, at_s: float) -> GpuSampled:
        gpu = self.gpu
        if at_s >= gpu.lost_at_s:
            return GpuSampled(gpu=gpu.uuid, utilization_percent=None, reason="GPU is lost")
        mean = self._mean(at_s - gpu.lag_s - self._every_s, at_s - gpu.lag_s)
        noisy = None if mean is None else mean + gpu.noise_points * self._rng.standard_normal()
        return GpuSampled(
            gpu=gpu.uuid,
            utilization_percent=None if noisy is None else min(100.0, max(0.0, float(noisy))),
            memory_used_bytes=gpu.base_bytes + gpu.seat_bytes * len(self._holding),
            memory_bytes=gpu.memory_bytes,
            reason="" if gpu.percent else gpu.reason,
            span_s=self._every_s,
        )

    def _mean(self, from_s: float, to_s: float) -> float | None:
        if self.gpu.percent is None:
            return None
        ends = [start_s for start_s, _ in self._busy[1:]] + [math.inf]
        total = 0.0
        for (start_s, busy), end_s in zip(self._busy, ends, strict=True):
            inside_s = min(end_s, to_s) - max(start_s, from_s)
            total += max(0.0, inside_s) * self.gpu.percent(busy)
        self._busy = [step for step, end_s in zip(self._busy, ends, strict=True) if end_s > from_s]
        return total / (to_s - from_s)
