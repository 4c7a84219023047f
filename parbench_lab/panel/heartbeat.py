"""The one thread of a panel: it does what a user asked for, and looks again and again.

It belongs to its panel, which starts and closes it. Nothing that goes wrong in it may end it, or
reach what is shown: the picture may fail, the race or the study must not.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

Act = Callable[[], object]
HURRIED_S = 0.1
"""So far apart are looks that are asked for, however often that is: ten a second can be read."""
_log = logging.getLogger(__name__)


class Beat(Protocol):
    """What a panel does at each beat."""

    def __call__(self, jobs: Sequence[Act], *, urgent: bool) -> Iterable[Act]:
        """Return what to do now, in order.

        `jobs` is what was asked for since the last beat; `urgent` says that somebody waits for a
        look, and that this is it.
        """


class Heartbeat:
    """Calls `beat` again and again, and soon where somebody waits for it.

    Parameters
    ----------
    beat
        Called in the thread.
    pace_s
        Returns for how long to rest when nobody waits, in seconds.
    hurried_s
        How far apart urgent beats begin, in seconds; the pace is kept between them.
    """

    def __init__(
        self, beat: Beat, pace_s: Callable[[], float], *, hurried_s: float = HURRIED_S
    ) -> None:
        self._beat = beat
        self._pace_s = pace_s
        self._hurried_s = hurried_s
        self._next_urgent_s = 0.0
        self._wake = threading.Condition()
        self._jobs: deque[Act] = deque()
        self._urgent = False
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="parbench-panel", daemon=True)

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def soon(self) -> None:
        """Look at once, or as soon as the last urgent beat is `hurried_s` ago."""
        with self._wake:
            self._urgent = True
            self._wake.notify_all()

    def do(self, job: Act) -> None:
        """Let the thread do what may take a while; it begins at once, whatever else waits."""
        with self._wake:
            self._jobs.append(job)
            self._wake.notify_all()

    @property
    def closing(self) -> bool:
        """Whether `close` was called."""
        return self._closing

    def close(self) -> None:
        """End the thread; returns when it is gone, or at once in the thread itself. Idempotent."""
        with self._wake:
            self._closing = True
            self._wake.notify_all()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        while True:
            with self._wake:
                self._rest()
                if self._closing:
                    return
                jobs, self._jobs = self._jobs, deque()
                now_s = time.monotonic()
                # a look that follows a job shows what was asked for before it too
                urgent = self._urgent and (bool(jobs) or now_s >= self._next_urgent_s)
                if urgent:
                    self._urgent = False
                    self._next_urgent_s = now_s + self._hurried_s
            for act in self._beat(jobs, urgent=urgent):
                survive(act)

    def _rest(self) -> None:
        """Wait until there is something to do, or the pace says so."""
        wake = self._wake
        wake.wait_for(lambda: self._closing or self._urgent or self._jobs, self._pace_s())
        early_s = self._next_urgent_s - time.monotonic()
        if self._urgent and early_s > 0.0:
            # the pace again: who changes the batch size hurries, and quickens the pace by it
            wake.wait_for(lambda: self._closing or self._jobs, min(early_s, self._pace_s()))


def survive(act: Act) -> None:
    """Do something; what goes wrong is logged and goes no further."""
    try:
        act()
    except Exception:  # noqa: BLE001 - the picture may fail, the race must not
        _log.exception("the panel could not be kept up to date")
