"""Workers behind one ``map``: the port between scaling studies and what runs them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """When one part of a `Pool.map` was worked on.

    Parameters
    ----------
    worker
        Name of the thread, process or Dask worker.
    start_ns, end_ns
        Of the computation, on this machine's monotonic clock (``perf_counter_ns``).
    transfer_s
        Moving the part's input and result, as far as it is known; 0.0 where nothing moves
        (threads), None where it was not measured.
    unpack_s
        Unpickling the input and pickling the result, in the worker; None where it is not told
        apart from moving.
    told_by
        ``"dask"`` where these two come from Dask's own timings, "" where the pool measured them.
    """

    worker: str
    start_ns: int
    end_ns: int
    transfer_s: float | None = None
    unpack_s: float | None = None
    told_by: str = ""


class Pool(Protocol):
    """A fixed number of warm workers.

    Promises: its workers are started, have imported what they need and answered before the
    constructor (or ``open_pool``) returns; each uses one BLAS thread; parts are handed out
    dynamically (a free worker takes the next); large arrays in the function or the items reach
    every worker once, as read-only memory maps; `close` is idempotent and leaves no thread,
    process, file or socket behind.
    """

    backend: str
    n_workers: int

    def map(self, function: Callable[..., Any], /, *items: Iterable[Any]) -> Iterator[Any]:
        """Yield results in the order of the items; see `parbench_lab.core.scalable.Map`."""

    def take_spans(self) -> Sequence[Span]:
        """Return when each part was worked on since the last call, and forget it."""

    def peak_memory_bytes(self) -> int | None:
        """Return the largest memory that this process and the workers held together since the
        last call (shared pages counted once where the system tells), None if not measured.
        """  # noqa: D205

    def close(self) -> None:
        """Stop the workers this pool started."""
