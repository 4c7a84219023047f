"""Recorded GPUs behind a driver that takes its time for every question; doors for workers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from parbench_lab.testing.recorded_gpus import two_gpus

WAIT_S = 0.01
SPIN_S = 0.002


class _Wrapped:
    def __init__(self, before: Callable[[], None]) -> None:
        self._nvml, self._before = two_gpus(), before

    def __getattr__(self, question: str) -> Callable[..., Any]:
        ask = getattr(self._nvml, question)

        def asked(*about: Any) -> Any:
            self._before()
            return ask(*about)

        return asked


def _spin() -> None:
    end_s = time.thread_time() + SPIN_S
    while time.thread_time() < end_s:
        pass


def waiting() -> _Wrapped:
    """Return `two_gpus`, which sleep `WAIT_S` before each answer."""
    return _Wrapped(lambda: time.sleep(WAIT_S))


def spinning() -> _Wrapped:
    """Return `two_gpus`, which use `SPIN_S` of CPU before each answer."""
    return _Wrapped(_spin)
