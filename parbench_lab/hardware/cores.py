"""How many cores this process may use."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Mapping
from pathlib import Path

from parbench_lab.hardware.cgroup import quota_cores
from parbench_lab.hardware.topology import read_core_places


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


def cores_within(places: Mapping[int, str], cpus: Collection[int]) -> int | None:
    """Return on how many physical cores some logical ones lie, None where that is not known.

    Parameters
    ----------
    places
        Of each logical core, the name of the physical one: see `topology.parse_core_places`.
    cpus
        Numbers of the logical cores; one that has no place leaves all unknown.

    Examples
    --------
    >>> cores_within({0: "0/0", 1: "0/1", 2: "0/0", 3: "0/1"}, {0, 2, 3})
    2
    >>> cores_within({0: "0/0"}, {0, 1}) is None
    True
    """
    if not cpus or any(cpu not in places for cpu in cpus):
        return None
    return len({places[cpu] for cpu in cpus})


def available_physical_cores(root: Path = Path("/")) -> int:
    """Return how many physical cores this process may use, at least 1.

    Two threads of one core share its units, so a worker on each of them is no second core:
    scaling curves count these. Where the system does not tell which are this process's (macOS),
    they are those of the machine. Where it does not tell which threads share a core, it is the
    number of logical ones.

    Parameters
    ----------
    root
        Of the file system in which processors and control groups are looked up.

    Examples
    --------
    >>> 1 <= available_physical_cores() <= available_cores()
    True
    """
    within = None
    if hasattr(os, "sched_getaffinity"):
        within = cores_within(read_core_places(root), os.sched_getaffinity(0))
    else:
        import psutil  # noqa: PLC0415 - only needed where no affinity is told

        within = psutil.cpu_count(logical=False)
    affinity = within or affinity_cores()
    return usable_cores(affinity=affinity, quota=quota_cores(root))
