"""No workers: the built-in `map`, with spans, so that it can be compared with the others."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from parbench_lab.core.pool import Span
from parbench_lab.errors import ClusterError, UsageError
from parbench_lab.execution.pools.blas import PIN, one_blas_thread
from parbench_lab.execution.pools.peaks import restart_peaks, take_peak_bytes
from parbench_lab.execution.pools.spans import SpanLog


class SerialPool:
    """One part after the other in the caller's own thread; see `parbench_lab.core.pool.Pool`.

    Examples
    --------
    >>> pool = SerialPool()
    >>> list(pool.map(pow, [2, 3], [3, 2])), len(pool.take_spans())
    ([8, 9], 2)
    """

    backend = "serial"
    n_workers = 1

    def __init__(self) -> None:
        self._spans = SpanLog()
        self._closed = False
        restart_peaks([os.getpid()])

    def map(self, function: Callable[..., Any], /, *items: Iterable[Any]) -> Iterator[Any]:
        """Yield results in the order of the items, computed as they are asked for.

        Raises
        ------
        UsageError
            If there are no items to map over.
        ClusterError
            If the pool is closed.
        """
        if not items:
            raise UsageError("map needs a function and at least one iterable of items")
        if self._closed:
            raise ClusterError("this pool is closed; open another one")
        return self._results(function, zip(*items, strict=False))

    def _results(
        self, function: Callable[..., Any], rows: Iterable[tuple[Any, ...]]
    ) -> Iterator[Any]:
        with one_blas_thread():
            for args in rows:
                PIN.keep()
                start_ns = time.perf_counter_ns()
                result = function(*args)
                self._spans.add(
                    Span(
                        worker="main",
                        start_ns=start_ns,
                        end_ns=time.perf_counter_ns(),
                        transfer_s=0.0,
                    )
                )
                yield result

    def take_spans(self) -> Sequence[Span]:
        """Return when each part was worked on since the last call, and forget it."""
        return self._spans.take()

    def peak_memory_bytes(self) -> int | None:
        """Return the peak of this process since the last call; None where it is not kept."""
        return take_peak_bytes([os.getpid()])

    def close(self) -> None:
        """Refuse further maps; idempotent."""
        self._closed = True
