"""One BLAS thread while a pool works: two levels of parallelism would fight for the cores."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator
from typing import Any

import threadpoolctl


class _Pin:
    """Counts who wants one thread: the first sets it, the last puts back what was before.

    Looking for loaded libraries takes milliseconds, so it is done again only after something was
    imported.
    """

    def __init__(self) -> None:
        # may be taken again: an iterator that is collected ends its map, at any moment
        self._lock = threading.RLock()
        self._thread = threading.local()
        self._wanted = 0
        self._seen = -1
        self._controller: Any = None
        self._limiters: list[Any] = []

    def begin(self) -> None:
        """Hold the libraries to one thread until as many calls of `end`."""
        with self._lock:
            self._wanted += 1
            if self._wanted == 1:
                self._limiters = [self._looked().limit(limits=1)]

    def keep(self) -> None:
        """Hold what was loaded meanwhile too; before each part of a map, in its thread.

        OpenMP's setting is each thread's own.
        """
        if getattr(self._thread, "seen", None) == len(sys.modules):
            return
        with self._lock:
            fresh = self._seen != len(sys.modules)
            controller = self._looked()
            if fresh and self._wanted:
                self._limiters.append(controller.limit(limits=1))
            self._thread.seen = self._seen
        if threading.current_thread() is not threading.main_thread():
            controller.select(user_api="openmp").limit(limits=1)

    def end(self) -> None:
        """Put back what was before the first `begin`, if this is the last one's end."""
        with self._lock:
            self._wanted -= 1
            if self._wanted == 0:
                while self._limiters:
                    self._limiters.pop().restore_original_limits()

    def _looked(self) -> Any:
        if self._seen != len(sys.modules):
            self._controller = threadpoolctl.ThreadpoolController()
            self._seen = len(sys.modules)
        return self._controller


PIN = _Pin()
"""The libraries' threads belong to the whole process, so there is one of it."""


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Hold the BLAS libraries of this process to one thread inside the block.

    Blocks may overlap, in any threads; the last one to end puts back what was before the first.

    Examples
    --------
    >>> import numpy
    >>> with one_blas_thread():
    ...     {lib["num_threads"] for lib in threadpoolctl.threadpool_info()}
    {1}
    """
    PIN.begin()
    try:
        yield
    finally:
        PIN.end()
