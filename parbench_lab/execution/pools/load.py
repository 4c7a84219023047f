"""How many cores others use while a pool works: what the machine spends less what we spend."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import psutil

_RESTS = ("idle", "iowait", "guest", "guest_nice")  # guests are counted as user time already


class OthersLoad:
    """Cores that other processes used since it was last asked.

    Parameters
    ----------
    pids
        Returns our processes as they are now; their children are not looked for.

    Examples
    --------
    >>> load = OthersLoad(lambda: [1])
    >>> load.cores() is None or load.cores() >= 0
    True
    """

    def __init__(self, pids: Callable[[], Sequence[int]]) -> None:
        self._pids = pids
        self._asked_s = time.perf_counter()
        self._busy_s = _busy_s()
        self._own_s = self._spent_s()

    def cores(self) -> float | None:
        """Return the mean since the last call, at least 0; None where nobody counts."""
        now_s, busy_s, own_s = time.perf_counter(), _busy_s(), self._spent_s()
        passed_s = now_s - self._asked_s
        all_s = busy_s - self._busy_s
        # a process that ended takes its account along: it spent nothing since then
        ours_s = sum(max(0.0, spent - self._own_s.get(pid, 0.0)) for pid, spent in own_s.items())
        self._asked_s, self._busy_s, self._own_s = now_s, busy_s, own_s
        if not busy_s or not passed_s > 0:
            return None
        return max(0.0, all_s - ours_s) / passed_s

    def _spent_s(self) -> dict[int, float]:
        spent = {}
        for pid in self._pids():
            try:
                times = psutil.Process(pid).cpu_times()
            except psutil.Error:
                continue
            spent[pid] = times.user + times.system
        return spent


def _busy_s() -> float:
    """Return what all cores of this machine have worked since it started."""
    times = psutil.cpu_times()
    return float(sum(v for name, v in times._asdict().items() if name not in _RESTS))
