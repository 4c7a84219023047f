"""How many cores this process may use."""

from __future__ import annotations

import math
import os

from parbench_lab.hardware.cgroup import quota_cores


def affinity_cores() -> int:
    """Return how many logical cores this process may be scheduled on, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def usable_cores(*, affinity: int, quota: float | None) -> int:
    """Return how many workers can run at full speed under an affinity and a quota, at least 1.

    A quota of 1.5 cores is one worker: the second would be stopped half of the time.

    Examples
    --------
    >>> usable_cores(affinity=8, quota=1.5), usable_cores(affinity=2, quota=None)
    (1, 2)
    """
    if quota is None:
        return max(1, affinity)
    return max(1, min(affinity, math.floor(quota)))


def available_cores() -> int:
    """Return how many workers can run at full speed here, by affinity and control groups."""
    return usable_cores(affinity=affinity_cores(), quota=quota_cores())
