"""How many parts go together where a round trip is expensive."""

from __future__ import annotations

import math
import threading

TARGET_S = 0.05
_WEIGHT = 0.3


class Packing:
    """Chooses parcels that last about `TARGET_S`, and fewer parts near the end of a map.

    A part that lasts longer goes alone, so an uneven set loses at most that much to packing.

    Parameters
    ----------
    n_lanes
        How many parcels may be on their way at once.

    Examples
    --------
    >>> packing = Packing(4)
    >>> packing.choose(0, 1000)
    1
    >>> packing.note(0, [0.001] * 3)
    >>> packing.choose(0, 1000), packing.choose(0, 16)
    (50, 2)
    """

    def __init__(self, n_lanes: int) -> None:
        self._n_lanes = n_lanes
        self._lock = threading.Lock()
        self._job = -1
        self._mean_s: float | None = None

    def choose(self, job: int, left: int) -> int:
        """Return how many of the parts that are left to take; 1 until their time is known."""
        with self._lock:
            mean_s = self._mean_s if job == self._job else None
        if mean_s is None:
            return 1
        return max(
            1, min(int(TARGET_S / max(mean_s, 1e-9)), math.ceil(left / (2 * self._n_lanes)))
        )

    def note(self, job: int, durations_s: list[float]) -> None:
        """Learn how long parts of a map lasted."""
        if not durations_s:
            return
        mean_s = sum(durations_s) / len(durations_s)
        with self._lock:
            if job != self._job or self._mean_s is None:
                self._job, self._mean_s = job, mean_s
            else:
                self._mean_s += _WEIGHT * (mean_s - self._mean_s)
