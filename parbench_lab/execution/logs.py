"""Dask kept from telling of what we ourselves end: connections cut, loops stopped."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Iterator
from typing import Any

_NOISY = ("distributed.scheduler", "distributed.core", "distributed.client", "distributed.nanny")
_MUTED = ("distributed", "bokeh")


class _Hush:
    """Counts who wants quiet: the first sets the levels, the last puts them back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted = 0
        self._before: dict[str, int] = {}

    def begin(self) -> None:
        with self._lock:
            self._wanted += 1
            if self._wanted == 1:
                self._before = {name: logging.getLogger(name).level for name in _NOISY}
                for name in _NOISY:
                    logging.getLogger(name).setLevel(logging.CRITICAL)

    def end(self) -> None:
        with self._lock:
            self._wanted -= 1
            if self._wanted == 0:
                for name, level in self._before.items():
                    logging.getLogger(name).setLevel(level)


_hush = _Hush()


class _Mute:
    """Counts clusters of ours: the first mutes the handlers, the last puts back how they were.

    Dask's own way puts back with the first end what the first start changed, and the other
    clusters speak from then on.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted = 0
        self._before: list[tuple[logging.Handler, int]] = []

    def begin(self) -> None:
        with self._lock:
            self._wanted += 1
            if self._wanted == 1:
                handlers = [h for name in _MUTED for h in logging.getLogger(name).handlers]
                self._before = [(handler, handler.level) for handler in handlers]
                for handler in handlers:
                    handler.setLevel(logging.CRITICAL)

    def end(self) -> None:
        with self._lock:
            self._wanted -= 1
            if self._wanted == 0:
                for handler, level in self._before:
                    handler.setLevel(level)


_mute = _Mute()


@contextlib.contextmanager
def muted_handlers() -> Iterator[None]:
    """Let Dask's and its dashboard's log handlers say nothing below critical inside the block."""
    _mute.begin()
    try:
        yield
    finally:
        _mute.end()


@contextlib.contextmanager
def quiet_logs() -> Iterator[None]:
    """Let these loggers say nothing inside the block, whoever else is in one."""
    _hush.begin()
    try:
        yield
    finally:
        _hush.end()


def forgive_timeouts(loop: asyncio.AbstractEventLoop) -> None:
    """Let a loop that is about to be stopped say nothing of timeouts nobody is left to hear.

    Dask's batches wait for work with a timeout of milliseconds. One that passes in the last round
    of the loop has nobody to tell any more, and Python would complain of it when the process
    ends ("Future exception was never retrieved").
    """
    loop.set_exception_handler(_tell_unless_timeout)


def _tell_unless_timeout(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    future = context.get("future")
    wait = future is not None and not isinstance(future, asyncio.Task)
    if not (wait and isinstance(context.get("exception"), TimeoutError)):
        loop.default_exception_handler(context)
