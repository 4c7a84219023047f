"""Workers that are threads of this process: nothing is copied, and Python's lock is shared."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from parbench_lab.core.pool import Span
from parbench_lab.execution.pools.blas import PIN
from parbench_lab.execution.pools.crew import LanePool
from parbench_lab.execution.pools.jobs import Exchange
from parbench_lab.execution.pools.spans import SpanLog
from parbench_lab.execution.pools.workbench import evaluate


class ThreadPool(LanePool):
    """Threads; see `parbench_lab.core.pool.Pool`.

    Faster than one thread only where functions let go of Python's lock, as numpy and scipy do in
    most of their loops. While a map is going on, BLAS and OpenMP have one thread in the whole
    process. A thread cannot be stopped: `close` waits for the parts that are being worked on.

    Examples
    --------
    >>> with ThreadPool(2) as pool:
    ...     list(pool.map(abs, [-1, -2]))
    [1, 2]
    """

    def __init__(self, n_workers: int) -> None:
        exchange, spans = Exchange(), SpanLog()
        super().__init__("threads", n_workers, exchange, spans)
        self._open([_ThreadLane(index, exchange, spans) for index in range(n_workers)])

    def _order(
        self,
        function: Callable[..., Any],
        number: int,  # noqa: ARG002 - nothing is kept
    ) -> tuple[Any, Callable[[], None]]:
        PIN.begin()
        return function, PIN.end


class _ThreadLane:
    def __init__(self, worker: int, exchange: Exchange, spans: SpanLog) -> None:
        self.name = f"thread-{worker}"
        self.worker = worker
        self._exchange = exchange
        self._spans = spans

    def start(self) -> None:
        """Do nothing: the thread runs already."""

    def run(self) -> None:
        while self._one():
            pass

    def _one(self) -> bool:
        # a function of its own, so that a thread that waits holds no part and no result
        parcel = self._exchange.take(worker=self.worker)
        if parcel is None:
            return False
        PIN.keep()
        start_ns = time.perf_counter_ns()
        answer = evaluate(parcel.job.order, parcel.items[0])
        end_ns = time.perf_counter_ns()
        self._spans.add(
            Span(worker=self.name, start_ns=start_ns, end_ns=end_ns, transfer_s=0.0, unpack_s=0.0)
        )
        self._exchange.bring(parcel, [answer])
        return True

    def stop(self) -> None:
        """Do nothing: the exchange sends it home after the part in hand."""

    def finish(self) -> None:
        """Do nothing: the thread ends by itself."""
