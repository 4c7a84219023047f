"""Keeps how busy the workers of a race are: for whoever looks, and thinned in the store."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections import deque
from collections.abc import Callable, Sequence

from parbench_lab.core.runs import UsageRow
from parbench_lab.core.usage import WorkerUsage
from parbench_lab.core.wording import count
from parbench_lab.errors import StoreError
from parbench_lab.hardware.accelerators import NOT_MEASURED, Accelerator, detect_accelerators
from parbench_lab.hardware.gpu import GpuInventory, find_gpus
from parbench_lab.monitoring.thinning import EVERY_S, stored_usage, thin, usage_rows
from parbench_lab.racing.history import TimedUsage

LOOK_EVERY_S = 0.5
KEEP_EVERY_S = 10.0
KEPT_USAGE = 600


class UsageKeeper:
    """Looks at the workers in a thread of its own while a race runs.

    What it has not stored yet when the process is killed is at most `KEEP_EVERY_S` seconds of
    usage; a store that cannot be written costs the race nothing but these rows.

    Parameters
    ----------
    look
        Returns how busy every worker is.
    keep
        Stores rows.
    clock
        Returns seconds of race time.
    """

    def __init__(
        self,
        look: Callable[[], Sequence[WorkerUsage]],
        keep: Callable[[Sequence[UsageRow]], None],
        clock: Callable[[], float],
    ) -> None:
        self._look = look
        self._keep = keep
        self._clock = clock
        self._seen: deque[TimedUsage] = deque(maxlen=KEPT_USAGE)
        self._pending: list[UsageRow] = []
        self._kept_at_s = 0.0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def seen(self) -> tuple[TimedUsage, ...]:
        """What was seen in the last ten minutes, one moment a second, oldest first."""
        with self._lock:
            return tuple(self._seen)

    def start(self) -> None:
        """Look from now on; again: does nothing."""
        with self._lock:  # a short race may have ended already, and close this meanwhile
            if self._thread is None and not self._stop.is_set():
                self._kept_at_s = self._clock()
                self._thread = threading.Thread(
                    target=self._run, name="parbench-usage", daemon=True
                )
                self._thread.start()

    def close(self) -> None:
        """Look no more, and store what is left. Idempotent; from any thread."""
        self._stop.set()
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join()
        self.store_all()

    def look(self) -> tuple[WorkerUsage, ...]:
        """Return how busy every worker is, and store what is due; from any thread."""
        busy, at_s = tuple(self._look()), self._clock()
        if busy:
            with self._lock:
                self._note(at_s, busy)
        return busy

    def _note(self, at_s: float, busy: tuple[WorkerUsage, ...]) -> None:
        if not self._seen or at_s - self._seen[-1].at_s >= EVERY_S:
            self._seen.append(TimedUsage(at_s=at_s, workers=busy))
        self._pending += usage_rows(at_s, busy)
        if at_s - self._kept_at_s >= KEEP_EVERY_S:
            self._kept_at_s = at_s
            self._store(before_s=at_s // EVERY_S * EVERY_S)

    def store_all(self) -> None:
        """Store everything that was seen."""
        with self._lock:
            self._store(before_s=float("inf"))

    def _run(self) -> None:
        while not self._stop.wait(LOOK_EVERY_S):
            self.look()

    def _store(self, *, before_s: float) -> None:
        """Store what was seen before a moment: a stretch of time is stored whole."""
        due = [row for row in self._pending if row.at_s < before_s]
        self._pending = [row for row in self._pending if row.at_s >= before_s]
        if due:
            with contextlib.suppress(StoreError):
                self._keep(thin(due))


def timed_usage(rows: Sequence[UsageRow]) -> tuple[TimedUsage, ...]:
    """Return stored rows as moments again, at most about `KEPT_USAGE` of them, oldest first.

    Examples
    --------
    >>> rows = [UsageRow(at_s=t, source="w", values={"cpu_percent": 9.0}) for t in (0.5, 1.5)]
    >>> [(moment.at_s, len(moment.workers)) for moment in timed_usage(rows)]
    [(0.5, 1), (1.5, 1)]
    """
    if not rows:
        return ()
    every_s = max(EVERY_S, max(row.at_s for row in rows) / KEPT_USAGE)
    moments: dict[int, list[UsageRow]] = {}
    for row in thin(rows, every_s):
        moments.setdefault(int(row.at_s // every_s), []).append(row)
    return tuple(
        TimedUsage(at_s=found[0].at_s, workers=tuple(stored_usage(row) for row in found))
        for _, found in sorted(moments.items())
    )


@functools.cache
def no_gpu_here() -> str:
    """Return why this machine has no GPU that is measured, or how many it has; asked once."""
    found = find_gpus()
    return no_gpu_words(found, detect_accelerators())


def no_gpu_words(found: GpuInventory, others: Sequence[Accelerator]) -> str:
    """Return what is said of a machine on which no GPU is measured.

    Examples
    --------
    >>> no_gpu_words(GpuInventory(reason="no NVIDIA driver is installed"), ())
    'no NVIDIA driver is installed'
    >>> amd = Accelerator(maker="AMD", name="AMD Instinct MI300X")
    >>> no_gpu_words(GpuInventory(reason="no NVIDIA driver is installed"), [amd])
    "AMD Instinct MI300X: usage is not measured: only NVIDIA's NVML is asked"
    """
    if found.gpus:
        return f"this machine has {count(len(found.gpus), 'GPU')}"
    if others:
        names = ", ".join(dict.fromkeys(other.name for other in others))
        return f"{names}: {NOT_MEASURED}"
    return found.reason
