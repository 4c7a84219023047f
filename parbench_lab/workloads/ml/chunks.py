"""Data in rows: counted, cut into chunks, and put together again.

The cut depends on the data and on the chunk size, never on the number of workers. Floating-point
results may depend on how rows are grouped (matrix products do), so the same chunks must be worked
on by one worker as by many.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from parbench_lab.core.scalable import Map
from parbench_lab.errors import UsageError

SERIAL_MAP = cast("Map", map)
"""The built-in map: every part in this thread, one after the other."""

SMALLEST_CHUNK_ROWS = 64
LARGEST_CHUNK_ROWS = 8192
CHUNKS = 32


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chunk:
    """Consecutive rows of the data; what one call of a worker gets.

    Parameters
    ----------
    index
        Which chunk it is, from 0.
    start
        Its first row within the data.
    rows
        The rows, in the container they came in; an array is contiguous and read-only.
    """

    index: int
    start: int
    rows: Any

    @property
    def n_rows(self) -> int:
        """How many rows it has, at least 1."""
        return n_rows(self.rows)


def as_table(data: Any, *, what: str = "data") -> Any:
    """Return data whose first axis are its rows, ready to be cut.

    Arrays, sparse matrices and pandas objects stay what they are, lists of numbers become arrays,
    and lists of anything else (texts, dicts) stay lists.

    Parameters
    ----------
    data
        What the caller gave.
    what
        Its name, for the error.

    Raises
    ------
    UsageError
        If it has no rows, or these have no columns, or it is nothing that has rows.

    Examples
    --------
    >>> as_table([[1, 2], [3, 4]]).shape
    (2, 2)
    >>> as_table([])
    Traceback (most recent call last):
    ...
    parbench_lab.errors.UsageError: data is empty: give at least one row
    """
    if getattr(data, "shape", None) is None:
        data = _from_sequence(data, what)
    if getattr(data, "shape", (1,)) == ():
        raise UsageError(f"{what} must have rows but is one value: give an array or a list")
    if hasattr(data, "tocsr"):  # a sparse matrix is cut into rows in this format only
        data = data.tocsr()
    if n_rows(data) == 0:
        raise UsageError(f"{what} is empty: give at least one row")
    if 0 in getattr(data, "shape", ()):
        raise UsageError(f"{what} is empty: its rows have no columns")
    return data


def n_rows(data: Any) -> int:
    """Return the number of rows of data that `as_table` accepts."""
    shape = getattr(data, "shape", None)
    return int(shape[0]) if shape is not None else len(data)


def require_same_rows(data: Any, targets: Any, *, what: str = "targets") -> None:
    """Raise unless there is one target per row.

    Raises
    ------
    UsageError
        With both numbers.
    """
    if n_rows(data) != n_rows(targets):
        raise UsageError(
            f"{what} must have one entry per row of data but has {n_rows(targets)} for "
            f"{n_rows(data)} rows"
        )


def chunk_size_for(n_items: int, chunk_size: int | None = None) -> int:
    """Return the rows per chunk: as given, or about 32 chunks of 64 to 8192 rows.

    The worker count is left out on purpose: see the module's first lines.

    Raises
    ------
    UsageError
        If it is given and no positive whole number.

    Examples
    --------
    >>> chunk_size_for(1797), chunk_size_for(100_000), chunk_size_for(10_000_000)
    (64, 3125, 8192)
    """
    if chunk_size is None:
        wanted = -(-n_items // CHUNKS)
        return max(SMALLEST_CHUNK_ROWS, min(LARGEST_CHUNK_ROWS, wanted))
    require_count(chunk_size, name="chunk_size", least=1)
    return int(chunk_size)


def require_count(value: Any, *, name: str, least: int) -> None:
    """Raise unless a value is a whole number from `least` on.

    Raises
    ------
    UsageError
        With its name and what was given.
    """
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not (whole and value >= least):
        raise UsageError(f"{name} must be a whole number from {least} on but got {value!r}")


def cut(data: Any, chunk_size: int | None = None) -> Iterator[Chunk]:
    """Yield the rows of data in chunks, in order; the last one may be shorter.

    Parameters
    ----------
    data
        As `as_table` returns it.
    chunk_size
        As for `chunk_size_for`.

    Examples
    --------
    >>> [chunk.rows.tolist() for chunk in cut(np.arange(5), 2)]
    [[0, 1], [2, 3], [4]]
    """
    n_items = n_rows(data)
    size = chunk_size_for(n_items, chunk_size)
    for index, start in enumerate(range(0, n_items, size)):
        rows = take(data, slice(start, start + size))
        yield Chunk(index=index, start=start, rows=rows)


def take(data: Any, which: slice | np.ndarray[Any, Any]) -> Any:
    """Return some rows, by a slice or by their numbers.

    An array comes back contiguous and read-only: a model meets the same memory order in this
    process and in another one, and cannot change the caller's data in one of them only.
    """
    if hasattr(data, "iloc"):
        return data.iloc[which]
    if isinstance(data, np.ndarray):
        rows = np.ascontiguousarray(data[which]).view()
        rows.setflags(write=False)
        return rows
    if hasattr(data, "shape") or isinstance(which, slice):
        return data[which]
    return [data[number] for number in which]


def join(parts: Sequence[Any]) -> Any:
    """Return the parts under each other: arrays, sparse matrices or pandas objects.

    Raises
    ------
    UsageError
        If they do not fit together (another number of columns in one of them).
    """
    first = parts[0]
    if hasattr(first, "iloc"):
        import pandas as pd  # noqa: PLC0415 - heavy; only those who use it pay

        return pd.concat(parts)
    if hasattr(first, "tocsr"):
        from scipy import sparse  # noqa: PLC0415 - heavy; only those who use it pay

        return sparse.vstack(parts, format="csr")
    try:
        return np.concatenate([np.asarray(part) for part in parts])
    except ValueError as error:
        shapes = sorted({str(np.shape(part)[1:]) for part in parts})
        raise UsageError(
            f"the results of the chunks do not fit together: shapes per row {', '.join(shapes)}"
        ) from error


def require_row_results(result: Any, n_given: int, *, whose: str) -> Any:
    """Return what a function made of a chunk, refusing another number of rows.

    Raises
    ------
    UsageError
        Naming the function and both numbers.
    """
    if getattr(result, "shape", None) is None:
        result = np.asarray(result)
    found = result.shape[0] if result.shape else "one value"
    if found != n_given:
        raise UsageError(
            f"{whose} must return one result per row but returned {found} for {n_given} rows"
        )
    return result


def _from_sequence(data: Any, what: str) -> Any:
    if not isinstance(data, (list, tuple)):
        raise UsageError(
            f"{what} must be an array, a table or a list of rows but is a {type(data).__name__}"
        )
    if data and not _is_numeric(data[0]):
        return data
    try:
        return np.asarray(data)
    except ValueError as error:
        raise UsageError(
            f"{what} must have rows of one length: the list cannot be made an array"
        ) from error


def _is_numeric(row: Any) -> bool:
    while isinstance(row, (list, tuple)) and row:
        row = row[0]
    return isinstance(row, (int, float, complex, np.generic, np.ndarray, list, tuple))
