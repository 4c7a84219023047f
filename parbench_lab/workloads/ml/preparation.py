"""Data made ready: preprocessing, augmentation, features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parbench_lab.core.scalable import Map
from parbench_lab.errors import UsageError
from parbench_lab.workloads.ml.chunks import (
    SERIAL_MAP,
    Chunk,
    as_table,
    cut,
    join,
    n_rows,
    require_count,
    require_row_results,
    require_same_rows,
    take,
)
from parbench_lab.workloads.ml.images import image_features, jitter_image
from parbench_lab.workloads.ml.models import Predictor, name_of, predictor, seed_sequence

Floats = NDArray[np.float64]
Augment = Callable[[Any, np.random.Generator], Any]
"""``fn(item, rng) -> item`` of the same shape; the item is a copy and may be changed."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Augmented:
    """Data with varied copies.

    Parameters
    ----------
    data
        The originals first (where they are kept), then one whole copy after the other.
    targets
        Those of the originals, repeated; None where none were given.
    source
        For every row the number of the original it is made from.
    """

    data: NDArray[Any]
    targets: Any
    source: NDArray[np.int64]


def preprocess(
    data: Any, transform: Any = None, *, chunk_size: int | None = None, map: Map = SERIAL_MAP
) -> Any:
    """Return the rows transformed, in their order.

    Parameters
    ----------
    data
        Rows: an array, a sparse matrix, a pandas object or a list.
    transform
        A fitted transformer, a function ``fn(rows) -> rows``, or a list of them, done one after
        the other. None: every column is brought to mean 0 and standard deviation 1 (a constant
        one to 0); that takes two passes with a barrier between them.
    chunk_size
        Rows per call; see `parbench_lab.workloads.ml.chunks.chunk_size_for`.
    map
        Where the chunks are worked on.

    Raises
    ------
    UsageError
        If there are no rows, a step cannot be called or changes the number of rows, or columns to
        be standardised are no finite numbers.

    Examples
    --------
    >>> preprocess([[1.0, 5.0], [3.0, 5.0]]).tolist()
    [[-1.0, 0.0], [1.0, 0.0]]
    >>> preprocess([1.0, 4.0], [np.sqrt, np.negative]).tolist()
    [-1.0, -2.0]
    """
    table = as_table(data)
    if transform is None:
        return _standardised(table, chunk_size, map)
    work = partial(_transformed, _steps(transform, what="transform"))
    return join(list(map(work, cut(table, chunk_size))))


def feature_extraction(
    data: Any, extract: Any = None, *, chunk_size: int | None = None, map: Map = SERIAL_MAP
) -> Any:
    """Return the features of all rows, in their order.

    Parameters
    ----------
    data
        Rows: an array, a sparse matrix, a pandas object or a list (of texts, say).
    extract
        A fitted transformer, a function ``fn(rows) -> features`` (one row each), or a list of
        them, whose features are put side by side. None: `image_features`, for images of shape
        ``(n, height, width)``.
    chunk_size
        Rows per call; see `parbench_lab.workloads.ml.chunks.chunk_size_for`.
    map
        Where the chunks are worked on.

    Raises
    ------
    UsageError
        If there are no rows, or an extractor cannot be called or returns another number of rows.

    Examples
    --------
    >>> texts = ["one", "two words", "and three words"]
    >>> length = lambda rows: np.array([len(row) for row in rows])
    >>> words = lambda rows: np.array([len(row.split()) for row in rows])
    >>> feature_extraction(texts, [length, words]).tolist()
    [[3, 1], [9, 2], [15, 3]]
    """
    steps = _steps(image_features if extract is None else extract, what="extract")
    table = as_table(data)
    return join(list(map(partial(_features, steps), cut(table, chunk_size))))


def data_augmentation(
    data: Any,
    targets: Any = None,
    *,
    augment: Augment | None = None,
    copies: int = 1,
    keep_originals: bool = True,
    seed: int = 0,
    chunk_size: int | None = None,
    map: Map = SERIAL_MAP,
) -> Augmented:
    """Return the data with varied copies of every row.

    Parameters
    ----------
    data
        Items along the first axis, e.g. images of shape ``(n, height, width)``.
    targets
        One per item, repeated with it; may be left out.
    augment
        ``fn(item, rng) -> item`` of the same shape. None: `jitter_image`, for images.
    copies
        Of every item, at least 1.
    keep_originals
        Whether they come first in the result.
    seed
        Every copy of every item draws from its own child of it, so the result depends on nothing
        else: not on workers, nor on chunks.
    chunk_size
        Items per call; see `parbench_lab.workloads.ml.chunks.chunk_size_for`.
    map
        Where the chunks are worked on.

    Raises
    ------
    UsageError
        If there are no items, not one target per item, no positive number of copies, or the
        copies are not of the items' shape.

    Examples
    --------
    >>> found = data_augmentation(np.zeros((5, 8, 8)), np.arange(5), copies=2)
    >>> found.data.shape, found.source.tolist()
    ((15, 8, 8), [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4])
    """
    table = as_table(data)
    if not isinstance(table, np.ndarray):
        raise UsageError("data must be an array, items along its first axis, to be augmented")
    labels = None if targets is None else as_table(targets, what="targets")
    if labels is not None:
        require_same_rows(table, labels)
    require_count(copies, name="copies", least=1)
    seed_sequence(seed)
    varied = _Varied(augment=augment or jitter_image, copies=copies, seed=seed)
    made = list(map(varied, cut(table, chunk_size)))
    originals = [table] if keep_originals else []
    source = np.tile(np.arange(n_rows(table)), len(originals) + copies)
    return Augmented(
        # put together once: the copying is serial work
        data=np.concatenate(
            [*originals, *(part[copy] for copy in range(copies) for part in made)]
        ),
        targets=None if labels is None else take(labels, source),
        source=source,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Varied:
    """The copies of one chunk, shape ``(copies, rows, ...)``."""

    augment: Augment
    copies: int
    seed: int

    def __call__(self, chunk: Chunk) -> NDArray[Any]:
        made = [
            [self._copy(copy, chunk.start + row, item) for row, item in enumerate(chunk.rows)]
            for copy in range(self.copies)
        ]
        return np.asarray(made)

    def _copy(self, copy: int, number: int, item: Any) -> Any:
        rng = np.random.default_rng(seed_sequence(self.seed, copy, number))
        varied = np.asarray(self.augment(np.array(item), rng))
        if varied.shape != np.shape(item):
            raise UsageError(
                f"augment must keep the shape {np.shape(item)} of an item but "
                f"{name_of(self.augment)} returned {varied.shape}"
            )
        return varied


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Moments:
    """Rows, mean and summed squares of deviations, column by column."""

    n: int
    mean: Floats
    squares: Floats


def _standardised(table: Any, chunk_size: int | None, spread: Map) -> Floats:
    """Two passes: moments of the chunks, merged in order; then every chunk scaled by them."""
    total: _Moments = reduce(_merged, spread(_moments, cut(table, chunk_size)))
    if not (np.isfinite(total.mean).all() and np.isfinite(total.squares).all()):
        raise UsageError("data to be standardised must be finite: fill or drop NaN and infinity")
    deviation = np.sqrt(total.squares / total.n)
    # what rounding alone can leave of a constant column counts as none
    rounding = total.n * np.finfo(np.float64).eps * np.abs(total.mean)
    scale = np.where(deviation > rounding, deviation, 1.0)
    work = partial(_scaled, total.mean, scale)
    return np.concatenate(list(spread(work, cut(table, chunk_size))))


def _numbers(chunk: Chunk) -> Floats:
    if hasattr(chunk.rows, "tocsr"):
        raise UsageError("a sparse matrix cannot be standardised: give a transformer")
    try:
        return np.asarray(chunk.rows, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise UsageError("data to be standardised must be numbers: give a transformer") from error


def _moments(chunk: Chunk) -> _Moments:
    rows = _numbers(chunk)
    with np.errstate(invalid="ignore", over="ignore"):  # refused once all moments are known
        mean = rows.mean(axis=0)
        return _Moments(n=len(rows), mean=mean, squares=((rows - mean) ** 2).sum(axis=0))


def _merged(left: _Moments, right: _Moments) -> _Moments:
    """Return the moments of both together (Chan, Golub, LeVeque 1979)."""
    n = left.n + right.n
    with np.errstate(invalid="ignore", over="ignore"):
        step = right.mean - left.mean
        return _Moments(
            n=n,
            mean=left.mean + step * (right.n / n),
            squares=left.squares + right.squares + step**2 * (left.n * right.n / n),
        )


def _scaled(mean: Floats, scale: Floats, chunk: Chunk) -> Floats:
    return np.asarray((_numbers(chunk) - mean) / scale)


def _steps(given: Any, *, what: str) -> tuple[Predictor, ...]:
    listed: Sequence[Any] = given if isinstance(given, (list, tuple)) else [given]
    if not listed:
        raise UsageError(f"{what} is empty: give at least one step, or None for the default")
    return tuple(predictor(step, prefer=("transform",)) for step in listed)


def _transformed(steps: tuple[Predictor, ...], chunk: Chunk) -> Any:
    rows = chunk.rows
    for step in steps:
        rows = require_row_results(step(rows), chunk.n_rows, whose=step.label)
    return rows


def _features(steps: tuple[Predictor, ...], chunk: Chunk) -> Any:
    found = [
        require_row_results(step(chunk.rows), chunk.n_rows, whose=step.label) for step in steps
    ]
    if len(found) == 1:
        return found[0]
    if any(hasattr(features, "tocsr") for features in found):
        from scipy import sparse  # noqa: PLC0415 - heavy; only those who use it pay

        return sparse.hstack(found, format="csr")
    return np.column_stack([np.asarray(f).reshape(chunk.n_rows, -1) for f in found])
