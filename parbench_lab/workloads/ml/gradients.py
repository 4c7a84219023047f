"""Data-parallel training: the gradient of each chunk of the data, and their aggregate.

One step of training is one barrier: every chunk's gradient must be there before the step is made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from parbench_lab.core.given import is_several
from parbench_lab.core.scalable import Map
from parbench_lab.errors import UsageError
from parbench_lab.workloads.ml.chunks import (
    SERIAL_MAP,
    Chunk,
    as_table,
    cut,
    require_same_rows,
)

Gradient = Callable[[Any, Any, Any], Any]
"""``fn(parameters, rows, targets)``: an array of numbers, or a list, tuple or dict of such."""

_METHODS = ("mean", "sum")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChunkGradient:
    """The gradient over one chunk: an array, or a list, tuple or dict of such, and its rows."""

    gradient: Any
    n_rows: int


def gradient_computation(
    gradient: Gradient,
    parameters: Any,
    data: Any,
    targets: Any,
    *,
    chunk_size: int | None = None,
    map: Map = SERIAL_MAP,
) -> tuple[ChunkGradient, ...]:
    """Return the gradient over every chunk of the data, in order.

    Parameters
    ----------
    gradient
        ``fn(parameters, rows, targets)``: the mean gradient over some rows, as an array or as a
        list, tuple or dict of arrays.
    parameters
        Where to take it; anything that `gradient` understands.
    data, targets
        Rows and what they should give, equally many.
    chunk_size
        Rows per gradient; see `parbench_lab.workloads.ml.chunks.chunk_size_for`.
    map
        Where the chunks are worked on.

    Raises
    ------
    UsageError
        If there are no rows, or not one target per row.

    Examples
    --------
    >>> slope = lambda w, x, y: np.array([2 * np.mean((w * x - y) * x)])
    >>> parts = gradient_computation(slope, 1.0, [1.0, 2.0, 3.0], [2.0, 4.0, 6.0], chunk_size=2)
    >>> [part.n_rows for part in parts], aggregate_gradients(parts).round(3)
    ([2, 1], array([-9.333]))
    """
    if not callable(gradient):
        raise UsageError(
            f"gradient must be a function fn(parameters, rows, targets) but got {gradient!r}"
        )
    table, wanted = as_table(data), as_table(targets, what="targets")
    require_same_rows(table, wanted)
    one = partial(_chunk_gradient, gradient, parameters)
    return tuple(map(one, cut(table, chunk_size), cut(wanted, chunk_size)))


def aggregate_gradients(
    gradients: Sequence[Any], *, weights: Sequence[float] | None = None, method: str = "mean"
) -> Any:
    """Return one gradient for many, added up in their order (so always with the same bits).

    Parameters
    ----------
    gradients
        What `gradient_computation` returned, or gradients: arrays, or lists, tuples or dicts of
        arrays, all of one structure.
    weights
        One per gradient, 0 or more, for the mean. None: the numbers of rows where these are
        known, else equal ones.
    method
        ``"mean"`` (the gradient of the mean loss over all rows) or ``"sum"``.

    Raises
    ------
    UsageError
        If there are none, their shapes differ, the weights are not one per gradient, negative,
        all 0 or not finite, or the method is not known.

    Examples
    --------
    >>> aggregate_gradients([np.array([1.0, 2.0]), np.array([3.0, 6.0])], weights=[3, 1])
    array([1.5, 3. ])
    """
    if method not in _METHODS:
        raise UsageError(f"method must be one of {', '.join(_METHODS)} but got {method!r}")
    parts = list(gradients) if is_several(gradients) else []
    if not parts:
        raise UsageError(f"gradients must be at least one, in a sequence, but got {gradients!r}")
    factors = _factors(parts, weights, method)
    bare = [part.gradient if isinstance(part, ChunkGradient) else part for part in parts]
    return _added(bare, factors)


def _chunk_gradient(gradient: Gradient, parameters: Any, rows: Chunk, wanted: Chunk) -> Any:
    return ChunkGradient(gradient=gradient(parameters, rows.rows, wanted.rows), n_rows=rows.n_rows)


def _factors(parts: list[Any], weights: Sequence[float] | None, method: str) -> list[float]:
    if method == "sum":
        if weights is not None:
            raise UsageError("weights are for method='mean': leave them out of a sum")
        return [1.0] * len(parts)
    if weights is None:
        known = all(isinstance(part, ChunkGradient) for part in parts)
        weights = [part.n_rows for part in parts] if known else [1.0] * len(parts)
    return normalised_weights(weights, len(parts), of="gradients")


def normalised_weights(weights: Sequence[float], n_expected: int, *, of: str) -> list[float]:
    """Return weights that sum to 1.

    Raises
    ------
    UsageError
        If they are not one per thing, negative, all 0 or not finite.

    Examples
    --------
    >>> normalised_weights([1, 3], 2, of="models")
    [0.25, 0.75]
    """
    try:
        values = np.asarray(weights, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise UsageError(f"weights must be numbers but got {weights!r}") from error
    if values.shape != (n_expected,):
        raise UsageError(
            f"weights must be one per entry of {of}: expected {n_expected} but got {values.size}"
        )
    if not (np.isfinite(values).all() and (values >= 0).all() and values.sum() > 0):
        raise UsageError(
            f"weights must be finite, 0 or more and not all 0 but got {values.tolist()}"
        )
    normalised: list[float] = (values / values.sum()).tolist()
    return normalised


def _added(gradients: list[Any], factors: list[float]) -> Any:
    """Return the weighted sum of gradients of one structure."""
    first = gradients[0]
    if isinstance(first, Mapping):
        if any(not isinstance(g, Mapping) or g.keys() != first.keys() for g in gradients):
            raise UsageError("gradients must have the same names in all of them")
        return {name: _added([g[name] for g in gradients], factors) for name in first}
    if isinstance(first, (list, tuple)):
        if any(not isinstance(g, (list, tuple)) or len(g) != len(first) for g in gradients):
            raise UsageError("gradients must have equally many arrays in all of them")
        inner = [_added(list(column), factors) for column in zip(*gradients, strict=True)]
        return tuple(inner) if isinstance(first, tuple) else inner
    return _added_arrays(gradients, factors)


def _added_arrays(gradients: list[Any], factors: list[float]) -> Any:
    try:
        arrays = [np.asarray(gradient, dtype=np.float64) for gradient in gradients]
    except (TypeError, ValueError) as error:
        raise UsageError("gradients must be arrays of numbers, or lists or dicts of") from error
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1:
        raise UsageError(f"gradients must have one shape but have {sorted(shapes)}")
    total = np.zeros(arrays[0].shape)
    for array, factor in zip(arrays, factors, strict=True):
        total += factor * array
    return total
