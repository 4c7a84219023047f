"""How many parts go together where a round trip is expensive."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence

LEAST_S = 0.05
MOST_S = 0.2
LONG_S = 0.02
"""Waiting for one of these costs more than waiting for the client."""
_DECAY = 0.9
_WEIGHT = 0.1


class Packing:
    """Chooses parcels that last `MOST_S` at first and `LEAST_S` near a map's end.

    What Dask needs for a task (some 5 ms) is then little beside it. That a short part may wait
    behind a long one of its parcel costs less, in uneven sets too (measured: tests/benchmarks).
    In between a parcel is a share of what is left, as in guided self-scheduling (C. D.
    Polychronopoulos and D. J. Kuck, IEEE Transactions on Computers C-36, 1987).

    Parameters
    ----------
    n_lanes
        How many parcels may be on their way at once, two to each worker.

    Examples
    --------
    >>> packing = Packing(4)
    >>> packing.choose(0, 1000)
    1
    >>> packing.note(0, [0.001, 0.001])
    >>> packing.choose(0, 1000), packing.choose(0, 16)
    (125, 8)
    """

    def __init__(self, n_lanes: int) -> None:
        self._n_lanes = n_lanes
        self._lock = threading.Lock()
        self._job = -1
        self._mean_s = 0.0
        self._long_s = 0.0
        self._whole: set[int] = set()

    def keep_whole(self, job: int) -> None:
        """Send a map's parts one by one: somebody else has said how large they are."""
        with self._lock:
            self._whole.add(job)

    def forget(self, job: int) -> None:
        """Forget a map that has ended."""
        with self._lock:
            self._whole.discard(job)

    def choose(self, job: int, left: int, *, busy: bool = False) -> int:
        """Return how many of the parts that are left to take; 1 until their time is known.

        The last long parts, one for each worker, are for those that are free: `busy` ones get 0.
        More of them would wait for the client instead of behind a part that is just ending.
        """
        with self._lock:
            if job != self._job:
                return 1
            mean_s, long_s, whole = self._mean_s, self._long_s, job in self._whole
        n_workers = max(1, self._n_lanes // 2)
        long = long_s > LONG_S
        if busy and long and left <= n_workers:
            return 0
        if whole or (long and left <= self._n_lanes):
            return 1
        least = min(math.ceil(LEAST_S / max(mean_s, 1e-9)), math.ceil(left / n_workers))
        most = int(MOST_S / max(mean_s, 1e-9))
        return max(1, least, min(most, math.ceil(left / (2 * self._n_lanes))))

    def note(self, job: int, durations_s: Sequence[float]) -> None:
        """Learn how long parts of a map lasted, at least one."""
        mean_s = sum(durations_s) / len(durations_s)
        with self._lock:
            if job != self._job:
                self._job, self._mean_s, self._long_s = job, mean_s, 0.0
            self._mean_s += _WEIGHT * (mean_s - self._mean_s)
            self._long_s = max(*durations_s, _DECAY * self._long_s)
