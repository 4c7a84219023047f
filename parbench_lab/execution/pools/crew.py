"""A pool of lanes: each lane is a thread that takes parts from the exchange to its worker."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NoReturn, Protocol, Self

from parbench_lab.core.pool import Span
from parbench_lab.errors import ClusterError, UsageError
from parbench_lab.execution.pools.jobs import Exchange, Results
from parbench_lab.execution.pools.peaks import restart_peaks, take_peak_bytes
from parbench_lab.execution.pools.spans import SpanLog

START_LIMIT_S = 60.0
FORGOTTEN_LIMIT_S = 2.0
"""How long the end of the interpreter waits for a pool that nobody closed."""


class Lane(Protocol):
    """The way to one worker. All but `stop` is called in the lane's own thread."""

    name: str
    worker: int
    """Its worker's number, from 0."""

    def start(self) -> None:
        """Make the worker ready.

        Raises
        ------
        ClusterError
            If it cannot be.
        """

    def run(self) -> None:
        """Take parcels and bring answers until the exchange has no more.

        Raises
        ------
        ClusterError
            If the worker is lost and cannot be replaced; nothing of its own is unanswered.
        """

    def stop(self) -> None:
        """Let `run` return soon, whatever the worker does; from any thread, more than once."""

    def finish(self) -> None:
        """Leave nothing of the worker; the last call."""


class Crew:
    """The threads of lanes, from `open` to `close`.

    Parameters
    ----------
    exchange
        Where parts come from.
    lanes
        One for each worker, or more.
    """

    def __init__(self, exchange: Exchange, lanes: Sequence[Lane]) -> None:
        self._exchange = exchange
        self._lanes = lanes
        self._changed = threading.Condition()
        self._started = 0
        self._lost: list[str] = []
        self._threads = [
            threading.Thread(
                target=self._run, args=(lane,), name=f"parbench-lane-{lane.name}", daemon=True
            )
            for lane in lanes
        ]

    def open(self) -> None:
        """Start all lanes and wait until every worker is ready.

        Raises
        ------
        ClusterError
            If one cannot be started, or not in time.
        """
        for thread in self._threads:
            thread.start()
        with self._changed:
            self._changed.wait_for(
                lambda: self._lost or self._started == len(self._lanes), START_LIMIT_S
            )
            if self._lost:
                raise ClusterError(self._lost[0])
            if self._started < len(self._lanes):
                late = len(self._lanes) - self._started
                raise ClusterError(f"{late} workers were not ready within {START_LIMIT_S:g} s")

    def is_inside(self) -> bool:
        """Return whether the calling thread is one of the lanes."""
        return threading.current_thread() in self._threads

    def close(self, limit_s: float | None = None) -> None:
        """Stop all lanes; returns when their threads are gone, or the limit has passed."""
        until_s = None if limit_s is None else time.monotonic() + limit_s
        self._exchange.close()
        for lane in self._lanes:
            lane.stop()
        for thread in self._threads:
            if thread.ident is not None and thread is not threading.current_thread():
                thread.join(None if until_s is None else max(0.0, until_s - time.monotonic()))

    def _run(self, lane: Lane) -> None:
        try:
            lane.start()
            with self._changed:
                self._started += 1
                self._changed.notify_all()
            lane.run()
        except Exception as error:  # noqa: BLE001 - or callers would wait for ever
            told = isinstance(error, ClusterError)
            words = str(error) if told else f"{lane.name}: {type(error).__name__}: {error}"
            self._exchange.leave(lane.worker)
            with self._changed:
                self._lost.append(words)
                self._changed.notify_all()
                if len(self._lost) == len(self._lanes):
                    self._exchange.fail(f"no worker is left: {words}")
        finally:
            lane.finish()


class LanePool:
    """What pools with lanes share; see `parbench_lab.core.pool.Pool`.

    Items are read when a map begins, all of them; its parts are worked on from then on, whether
    or not somebody waits for the results. After a part that raised nothing more is handed out.

    Parameters
    ----------
    backend
        Its name.
    n_workers
        How many workers.
    exchange, spans
        Shared with the lanes.
    """

    def __init__(self, backend: str, n_workers: int, exchange: Exchange, spans: SpanLog) -> None:
        self.backend = backend
        self.n_workers = n_workers
        self._exchange = exchange
        self._spans = spans
        self._crew: Crew | None = None

    def _open(self, lanes: Sequence[Lane], *others: Callable[[], None]) -> None:
        """Start the lanes; `others` is closed after them, also when nobody closes this pool."""
        self._crew = Crew(self._exchange, lanes)
        self._others = others
        self._forgotten = weakref.finalize(self, _close_all, self._crew, others)
        try:
            self._crew.open()
        except BaseException:
            self.close()
            raise
        restart_peaks(self.process_ids())

    def map(self, function: Callable[..., Any], /, *items: Iterable[Any]) -> Iterator[Any]:
        """Yield results in the order of the items; see `parbench_lab.core.scalable.Map`.

        A map inside a part runs right there: its worker is taken.

        Raises
        ------
        UsageError
            If there are no items to map over, or the function cannot be sent to the workers.
        ClusterError
            If the pool is closed, or its workers are lost.
        """
        if not items:
            raise UsageError("map needs a function and at least one iterable of items")
        if self._crew is not None and self._crew.is_inside():
            return map(function, *items)
        rows = list(zip(*items, strict=False))  # as the built-in one: the shortest ends it
        number = self._exchange.number()
        order, on_end = self._order(function, number)
        try:
            job = self._exchange.post(order, rows, number=number)
        except BaseException:
            on_end()
            raise
        return Results(self._exchange, job, on_end, owner=self)

    def use(self, n_workers: int) -> None:
        """Let only so many workers, at least 1, have parts from now on; the others rest.

        Parts that are being worked on are ended where they are.
        """
        self._exchange.use(n_workers)

    def take_spans(self) -> Sequence[Span]:
        """Return when each part was worked on since the last call, and forget it."""
        return self._spans.take()

    def peak_memory_bytes(self) -> int | None:
        """Return the peak of this process and the workers together since the last call.

        Shared arrays and libraries count once; an upper bound where the processes' peaks were
        not simultaneous. None where the system does not keep it (only Linux does).
        """
        return take_peak_bytes(self.process_ids())

    def close(self) -> None:
        """Stop the workers this pool started; idempotent."""
        if self._crew is not None:
            _close_all(self._crew, self._others, limit_s=None)
            self._forgotten.detach()

    def _order(self, function: Callable[..., Any], number: int) -> tuple[Any, Callable[[], None]]:
        """Return a map's function as lanes take it, and what to do when the map has ended."""
        raise NotImplementedError

    def process_ids(self) -> Sequence[int]:
        """Return this process and those of the workers that are on this machine."""
        return (os.getpid(),)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise UsageError("a pool cannot be sent to workers; use the built-in map inside a part")


def _close_all(
    crew: Crew, others: Sequence[Callable[[], None]], limit_s: float | None = FORGOTTEN_LIMIT_S
) -> None:
    crew.close(limit_s)
    for close in others:
        close()
