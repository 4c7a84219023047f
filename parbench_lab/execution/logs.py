"""Dask's loggers, kept from telling of connections that we ourselves cut."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator

_NOISY = ("distributed.scheduler", "distributed.core", "distributed.client", "distributed.nanny")


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


@contextlib.contextmanager
def quiet_logs() -> Iterator[None]:
    """Let these loggers say nothing inside the block, whoever else is in one."""
    _hush.begin()
    try:
        yield
    finally:
        _hush.end()
