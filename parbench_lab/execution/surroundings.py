"""What a candidate may leave changed behind it: put back after each call, and told."""

from __future__ import annotations

import decimal
import gc
import os
import random
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from parbench_lab.monitoring.patience import ASKING

SETTLE_S = 0.02
BUSY_SHARE = 0.1
_NOT_OF_CANDIDATES = ("Dask-", "asyncio_", "Profile", "IO loop", "TCP-Executor", ASKING)


@dataclass(frozen=True, slots=True)
class _Belonging:
    """One piece of global state: how it is read (a value to compare) and put back.

    Costly ones are not looked at after every short call; they must be such that no one can fail
    by finding them changed. Not told: what Dask's own threads change in this process too, so that
    nobody can be named. Random: a generator's state.
    """

    name: str
    read: Callable[[], Any]
    restore: Callable[[Any], None]
    costly: bool = False
    told: bool = True
    random: bool = False


class Surroundings:
    """Global state of this process as it was, so that one candidate cannot change another's.

    `remember` takes the state as it should be; `put_back` compares after a call and returns what
    was changed, in words; `catch_up` puts back what nobody can be named for.

    Promised: no call finds the environment, the working folder, `sys.path`, numpy's error
    handling, decimal's context, the recursion limit or the garbage collector as another left
    them. Only the global random generators may stand where an earlier short call of the same task
    left them, so who draws from them gets other numbers than alone, as chance may have it; a call
    that is caught up before finds them too as they were.
    """

    def __init__(self) -> None:
        self._kept: list[tuple[_Belonging, Any]] = []
        self._passed_over = False

    def remember(self) -> None:
        """Take the present state as the one to come back to."""
        self._kept = [(belonging, belonging.read()) for belonging in _BELONGINGS]
        self._passed_over = False

    def put_back(self, *, thorough: bool) -> tuple[str, ...]:
        """Put back whatever differs; return a name for each piece, in plain words.

        Parameters
        ----------
        thorough
            Look at everything, which costs 0.1 ms; else at everything but the random generators'
            states, which costs 4 microseconds. Who was passed over may have changed those, so they
            are named only where the look before this one was thorough too.
        """
        changed: list[str] = []
        for belonging, before in self._kept:
            if belonging.costly and not thorough:
                continue
            now = belonging.read()
            if now != before:
                anybody = belonging.costly and self._passed_over
                told = belonging.told and not anybody
                changed += _names(belonging.name, before, now) if told else []
                belonging.restore(before)
        self._passed_over = not thorough
        return tuple(changed)

    def catch_up(self) -> None:
        """Put back, unnamed, what calls may have changed that were not looked at thoroughly."""
        if self._passed_over:
            self.put_back(thorough=True)

    def drawn_from(self) -> tuple[str, ...]:
        """Return the global random generators that were drawn from since, in plain words."""
        return tuple(
            belonging.name
            for belonging, before in self._kept
            if belonging.random and belonging.read() != before
        )


class LeftThreads:
    """Threads that calls leave running: idle ones are told, busy ones are a failure."""

    def __init__(self) -> None:
        self._known: set[threading.Thread] = set()
        self.remember()

    def remember(self) -> None:
        """Take the threads of this moment as given."""
        # the sampler's are gone in a moment: counted here, each would hide one that is left
        self._known = {t for t in threading.enumerate() if not t.name.startswith(ASKING)}

    def look(self) -> tuple[int, int]:
        """Return how many new threads there are, and how many of them use the CPU.

        Threads get `SETTLE_S` seconds to end; busy is more than `BUSY_SHARE` of that time. Costs
        nothing while there are no new threads.
        """
        if threading.active_count() <= len(self._known):
            return 0, 0
        # one that is just being started is enumerated too, but is not alive: it cannot be joined
        new = [
            thread
            for thread in threading.enumerate()
            if thread not in self._known
            and thread.is_alive()
            and not thread.name.startswith(_NOT_OF_CANDIDATES)
        ]
        before = {thread: _cpu_ns(thread) for thread in new}
        start_ns = time.perf_counter_ns()
        for thread in new:
            thread.join(max(0.0, SETTLE_S - (time.perf_counter_ns() - start_ns) / 1e9))
        left = [thread for thread in new if thread.is_alive()]
        limit_ns = BUSY_SHARE * max(1, time.perf_counter_ns() - start_ns)
        busy = [thread for thread in left if _cpu_ns(thread) - before[thread] > limit_ns]
        self._known = {thread for thread in self._known if thread.is_alive()} | set(left)
        return len(left), len(busy)


def _cpu_ns(thread: threading.Thread) -> int:
    """Return the CPU time of a thread, 0 where that cannot be read or the thread is gone."""
    if thread.ident is None or not thread.is_alive() or not hasattr(time, "pthread_getcpuclockid"):
        return 0
    try:
        return time.clock_gettime_ns(time.pthread_getcpuclockid(thread.ident))
    except OSError:
        return 0


def _names(name: str, before: Any, now: Any) -> list[str]:
    if name != "os.environ":
        return [name]
    keys = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
    return [f"os.environ[{os.fsdecode(key)!r}]" for key in keys]


# os.environ.copy() decodes every value, 50 times the cost of this
def _environ() -> dict[Any, Any]:
    return dict(os.environ._data)  # type: ignore[attr-defined]  # noqa: SLF001 - see above


def _restore_environ(before: dict[Any, Any]) -> None:
    wanted = {os.fsdecode(key): os.fsdecode(value) for key, value in before.items()}
    for key in set(os.environ) - wanted.keys():
        del os.environ[key]
    for key, value in wanted.items():
        if os.environ.get(key) != value:
            os.environ[key] = value


def _numpy_state() -> tuple[Any, ...]:
    state: Any = np.random.get_state(legacy=True)  # noqa: NPY002 - guarded, not used
    if isinstance(state, dict):  # somebody set another generator: left alone
        return ()
    return (state[0], state[1].tobytes(), *state[2:])


def _restore_numpy(before: tuple[Any, ...]) -> None:
    if not before:
        return
    state = (before[0], np.frombuffer(before[1], dtype=np.uint32), *before[2:])
    np.random.set_state(state)  # noqa: NPY002 - put back, not used


def _working_folder() -> str:
    try:
        return os.getcwd()  # noqa: PTH109 - a text compares and restores cheaper than a Path
    except FileNotFoundError:
        return ""


def _go_back(folder: str) -> None:
    if folder:
        os.chdir(folder)


def _restore_path(before: tuple[str, ...]) -> None:
    sys.path[:] = before


def _restore_gc(before: tuple[bool, tuple[int, int, int]]) -> None:
    gc.set_threshold(*before[1])
    (gc.enable if before[0] else gc.disable)()


def _restore_errstate(before: dict[str, Any]) -> None:
    np.seterr(**before)


def _decimal_context() -> tuple[Any, ...]:
    context = decimal.getcontext()
    return context.prec, context.rounding


def _restore_decimal(before: tuple[Any, ...]) -> None:
    context = decimal.getcontext()
    context.prec, context.rounding = before


_BELONGINGS = (
    _Belonging("os.environ", _environ, _restore_environ),
    _Belonging("the working folder", _working_folder, _go_back),
    _Belonging("sys.path", lambda: tuple(sys.path), _restore_path),
    _Belonging(
        "random's global state",
        random.getstate,
        random.setstate,
        costly=True,
        told=False,
        random=True,
    ),
    _Belonging(
        "numpy.random's global state", _numpy_state, _restore_numpy, costly=True, random=True
    ),
    _Belonging("numpy's error handling", np.geterr, _restore_errstate),
    _Belonging("decimal's context", _decimal_context, _restore_decimal),
    _Belonging("the recursion limit", sys.getrecursionlimit, sys.setrecursionlimit),
    _Belonging("the garbage collector", lambda: (gc.isenabled(), gc.get_threshold()), _restore_gc),
)
