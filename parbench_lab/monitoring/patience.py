"""Questions that may never be answered: asked in a thread, and waited for only so long.

A driver that hangs cannot be interrupted. Who asks it must not hang with it, and must not ask
again before it has answered.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

ANSWER_LIMIT_S = 0.5
ASKING = "parbench-question"
"""Name of the threads that ask: they come and go beside whatever else this process does."""

_T = TypeVar("_T")


class Question(Generic[_T]):
    """Asks the same thing again and again; while no answer comes it is asked once.

    Parameters
    ----------
    ask
        Called in a daemon thread, never twice at the same time.
    limit_s
        How long an answer is waited for; one that comes later is thrown away.

    Examples
    --------
    >>> Question(lambda: 42).answer()
    42
    """

    def __init__(self, ask: Callable[[], _T], *, limit_s: float = ANSWER_LIMIT_S) -> None:
        self._ask = ask
        self._limit_s = limit_s
        self._thread: threading.Thread | None = None
        self._asked_s = 0.0

    @property
    def open_s(self) -> float:
        """For how long an answer has been missing, in seconds; 0 where none is."""
        if self._thread is None or not self._thread.is_alive():
            return 0.0
        return time.monotonic() - self._asked_s

    def answer(self) -> _T | None:
        """Return the answer of this moment, None where none comes in time or can be asked for."""
        if self._thread is not None and self._thread.is_alive():
            return None
        found: list[_T] = []
        self._asked_s = time.monotonic()
        self._thread = threading.Thread(
            target=lambda: found.append(self._ask()), name=ASKING, daemon=True
        )
        try:
            self._thread.start()
        except RuntimeError:  # this process may have no more threads: a candidate left too many
            self._thread = None
            return None
        self._thread.join(self._limit_s)
        return found[0] if found else None
