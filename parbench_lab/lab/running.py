"""Which races of this process run now: for whoever has lost the name of one."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from parbench_lab.lab.bench import ParallelBenchmarking

_lock = threading.Lock()
# weak: a race that ended may go when its user lets go of it
_started: list[weakref.ref[ParallelBenchmarking]] = []


def running_races() -> tuple[ParallelBenchmarking, ...]:
    """Return the races of this process that were started and have not ended, oldest first.

    A cell that makes a race and is run again leaves the first one running, although its variable
    names the second one now: ``for race in pb.running_races(): race.close()`` ends it.

    Examples
    --------
    >>> [race.run_id for race in running_races() if not race.running]
    []
    """
    with _lock:
        known = [race for reference in _started if (race := reference()) is not None]
        alive = tuple(race for race in known if race.running)
        _started[:] = [weakref.ref(race) for race in alive]
    return alive


def remember(race: ParallelBenchmarking) -> None:
    """Count a race among the running ones until it ends; again: does nothing."""
    with _lock:
        if all(reference() is not race for reference in _started):
            _started.append(weakref.ref(race))


def company_words(race: ParallelBenchmarking) -> str:
    """Return what to know of other races on the same cores as this one; "" where there are none.

    Only local workers count: what else a cluster does is not known here.
    """
    if not race.on_local_workers:
        return ""
    ids = [one.run_id for one in running_races() if one is not race and one.on_local_workers]
    if not ids:
        return ""
    what = "another race" if len(ids) == 1 else f"{len(ids)} other races"
    return (
        f"{what} of this kernel still running ({', '.join(ids)}): on the same cores they disturb "
        "each other; for race in pb.running_races()[:-1]: race.close()"
    )
