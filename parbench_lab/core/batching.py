"""A ``map`` that hands several items to a worker at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from parbench_lab.core.scalable import Map
from parbench_lab.errors import UsageError


@dataclass(frozen=True, slots=True)
class Together:
    """A function over a batch of items; a pool sends such a batch as it is, never several at once.

    It returns as many results as went well: the batch ends before an item that raises, unless
    that is the first one.
    """

    function: Callable[..., Any]

    @property
    def __name__(self) -> str:
        return getattr(self.function, "__name__", None) or type(self.function).__name__

    def __call__(self, rows: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Return the results of the rows."""
        done: list[Any] = []
        for row in rows:
            try:
                done.append(self.function(*row))
            except Exception:
                if not done:
                    raise
                break
        return done


def batched(spread: Map, batch_size: int) -> Map:
    """Return a map that sends so many items to a worker at once.

    What it promises is what the given map does: results in order, an exception where its result
    would have come. An item that raises inside a batch is run once more, alone, so that it raises
    there; so are those after it, if it does not.

    Parameters
    ----------
    spread
        Any map; the built-in one is one.
    batch_size
        At least 1; the last batch may be smaller.

    Raises
    ------
    UsageError
        If the size is not a whole number of at least 1.

    Examples
    --------
    >>> list(batched(map, 3)(pow, range(5), [2] * 5))
    [0, 1, 4, 9, 16]
    """
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise UsageError(f"batch_size must be a whole number of at least 1 but got {batch_size!r}")

    def in_batches(function: Callable[..., Any], /, *items: Iterable[Any]) -> Iterator[Any]:
        rows = list(zip(*items, strict=False))
        batches = [rows[first : first + batch_size] for first in range(0, len(rows), batch_size)]
        # posted here, not when the first result is asked for, as a pool's own map does
        return _flat(spread, function, batches, spread(Together(function), batches))

    return in_batches


def _flat(
    spread: Map,
    function: Callable[..., Any],
    batches: Sequence[Sequence[tuple[Any, ...]]],
    answers: Iterator[list[Any]],
) -> Iterator[Any]:
    for batch, done in zip(batches, answers, strict=True):
        yield from done
        if len(done) < len(batch):
            rest = batch[len(done) :]
            yield from spread(function, *zip(*rest, strict=True))
