"""When each part was worked on, kept until somebody asks."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from parbench_lab.core.pool import Span

KEPT_SPANS = 1_000_000
"""More than that nobody takes in time: the oldest ones are forgotten."""


class SpanLog:
    """Spans of one pool; any thread may add, one asks.

    Examples
    --------
    >>> log = SpanLog()
    >>> log.add(Span(worker="main", start_ns=1, end_ns=3))
    >>> [span.end_ns - span.start_ns for span in log.take()], log.take()
    ([2], ())
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spans: list[Span] = []

    def add(self, span: Span) -> None:
        """Keep a span."""
        with self._lock:
            self._spans.append(span)
            if len(self._spans) > KEPT_SPANS:
                del self._spans[: KEPT_SPANS // 2]

    def take(self) -> Sequence[Span]:
        """Return the spans in the order of their ends, and forget them."""
        with self._lock:
            taken, self._spans = self._spans, []
        return tuple(taken)
