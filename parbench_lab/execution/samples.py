"""What every worker told last of itself."""

from __future__ import annotations

from collections.abc import Sequence

from parbench_lab.core.usage import WorkerUsage
from parbench_lab.monitoring.thinning import mean_usage

FRESH_S = 3.0
"""What is older says nothing of now: its worker is held up, or rests."""


class NewestSamples:
    """What workers told last of themselves; its owner's lock guards it.

    Examples
    --------
    >>> samples = NewestSamples()
    >>> told = [WorkerUsage(worker="w0", cpu_percent=percent) for percent in (90.0, 100.0)]
    >>> samples.take("w0", told, now_s=5.0)
    >>> samples.of("w0", now_s=6.0).cpu_percent, samples.of("w0", now_s=9.0)
    (95.0, None)
    """

    def __init__(self) -> None:
        self._newest: dict[str, tuple[float, WorkerUsage]] = {}

    def take(self, worker: str, usages: Sequence[WorkerUsage], now_s: float) -> None:
        """Keep the mean of the samples that came together at a moment; at least one."""
        self._newest[worker] = now_s, mean_usage(usages)

    def of(self, worker: str, now_s: float) -> WorkerUsage | None:
        """Return a worker's newest sample, None where none is fresh."""
        at_s, usage = self._newest.get(worker, (float("-inf"), None))
        return usage if now_s - at_s <= FRESH_S else None

    def forget(self, worker: str) -> None:
        """Drop what a worker that left had told."""
        self._newest.pop(worker, None)
