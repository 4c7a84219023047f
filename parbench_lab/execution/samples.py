"""The newest sample of every worker, as it was heard."""

from __future__ import annotations

from parbench_lab.core.usage import WorkerUsage

FRESH_S = 2.0
"""An older sample says nothing of now: its worker is held up, or rests."""


class NewestSamples:
    """What workers told last of themselves; its owner's lock guards it.

    Examples
    --------
    >>> samples = NewestSamples()
    >>> samples.take("w0", WorkerUsage(worker="w0", cpu_percent=99.0), now_s=5.0)
    >>> samples.of("w0", now_s=6.0).cpu_percent, samples.of("w0", now_s=9.0)
    (99.0, None)
    """

    def __init__(self) -> None:
        self._newest: dict[str, tuple[float, WorkerUsage]] = {}

    def take(self, worker: str, usage: WorkerUsage, now_s: float) -> None:
        """Keep a sample that came at a moment."""
        self._newest[worker] = now_s, usage

    def of(self, worker: str, now_s: float) -> WorkerUsage | None:
        """Return a worker's newest sample, None where none is fresh."""
        at_s, usage = self._newest.get(worker, (float("-inf"), None))
        return usage if now_s - at_s <= FRESH_S else None

    def forget(self, worker: str) -> None:
        """Drop what a worker that left had told."""
        self._newest.pop(worker, None)
