"""Workers that are processes of their own, over pipes: no lock is shared, and large arrays are.

Not a library's pool: those that we tried (joblib's loky) keep two tracker processes after the
pool is closed, and lose all workers when one dies, without a word which one.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parbench_lab.core.pool import Span
from parbench_lab.errors import ClusterError, UsageError
from parbench_lab.execution.faults import explain_exit
from parbench_lab.execution.pools.channel import Channel
from parbench_lab.execution.pools.crew import LanePool
from parbench_lab.execution.pools.jobs import Answer, Exchange, Parcel
from parbench_lab.execution.pools.parcels import Packed, load_answer, name_of, pack
from parbench_lab.execution.pools.peaks import take_peak_bytes
from parbench_lab.execution.pools.process_worker import BOOT, READY
from parbench_lab.execution.pools.shelf import FileShelf
from parbench_lab.execution.pools.spans import SpanLog
from parbench_lab.execution.pools.workbench import Worked, worked
from parbench_lab.execution.processes import ONE_THREAD

_KILL = getattr(signal, "SIGKILL", signal.SIGTERM)


class ProcessPool(LanePool):
    """Processes on this machine; see `parbench_lab.core.pool.Pool`.

    What they print appears on the error stream. One that dies is replaced; its part raises
    `ClusterError`.

    Raises
    ------
    ClusterError
        If they cannot be started.
    """

    def __init__(self, n_workers: int) -> None:
        exchange, spans = Exchange(), SpanLog()
        super().__init__("processes", n_workers, exchange, spans)
        self._shelf = FileShelf(n_workers)
        self._lanes = [
            _ProcessLane(f"process-{index}", exchange, spans, self._shelf)
            for index in range(n_workers)
        ]
        self._open(self._lanes, self._shelf.close)
        self._shelf.restart_peak()

    def peak_memory_bytes(self) -> int | None:
        """Return the peak of this process and the workers together; see `LanePool`."""
        return take_peak_bytes(self._pids(), self._shelf.restart_peak())

    def _order(self, function: Callable[..., Any]) -> tuple[Any, Callable[[], None]]:
        packed = pack(function, self._shelf, job=-1, what=name_of(function), same_files=True)
        return Order(name=name_of(function), packed=packed), functools.partial(packed.release)

    def _pids(self) -> Sequence[int]:
        return (os.getpid(), *(lane.pid for lane in self._lanes if lane.pid > 0))
