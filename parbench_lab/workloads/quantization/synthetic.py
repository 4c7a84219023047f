"""Seeded weights of a synthetic model, made layer by layer: one layer is in memory at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from parbench_lab.workloads.quantization.files import Tensor, write_tensors
from parbench_lab.workloads.quantization.models import ModelShape

SPREAD_OF_CHANNELS = 0.5
"""Standard deviation of the logarithm of a channel's scale: channels of real models differ."""


def write_synthetic(
    path: Path,
    shape: ModelShape,
    *,
    seed: int,
    on_layer: Callable[[int, int], None] = lambda _done, _of: None,
) -> None:
    """Write a model as a ``.safetensors`` file of float32; the same seed gives the same bytes.

    Parameters
    ----------
    path
        Of a new file.
    shape
        Its layers.
    seed
        Of the weights, from 0 up.
    on_layer
        Called with how many layers are made, of how many.

    Raises
    ------
    OSError
        If it cannot be written; the room is asked for before a weight is made.
    """
    digits = len(str(len(shape.matrices) - 1))
    tensors = [
        Tensor(name=f"layers.{number:0{digits}d}.weight", dtype="F32", shape=matrix)
        for number, matrix in enumerate(shape.matrices)
    ]
    write_tensors(path, tensors, _layers(shape, seed, on_layer))


def _layers(
    shape: ModelShape, seed: int, on_layer: Callable[[int, int], None]
) -> Iterator[NDArray[np.float32]]:
    for number, (rows, columns) in enumerate(shape.matrices):
        yield layer_weights(rows, columns, np.random.default_rng([seed, number]))
        on_layer(number + 1, len(shape.matrices))


def layer_weights(rows: int, columns: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return normal weights whose channels have scales of their own.

    Parameters
    ----------
    rows, columns
        Channels and weights of each, at least 1.
    rng
        Where they come from.

    Returns
    -------
    (rows, columns) float32; the mean square of a row is 1 / columns times a log-normal scale, as
    layers are usually initialised.

    Examples
    --------
    >>> weights = layer_weights(2, 8, np.random.default_rng(0))
    >>> weights.shape, weights.dtype.name
    ((2, 8), 'float32')
    """
    weights = rng.standard_normal((rows, columns), dtype=np.float32)
    scale = np.exp(SPREAD_OF_CHANNELS * rng.standard_normal((rows, 1))) / np.sqrt(columns)
    weights *= scale.astype(np.float32)
    return weights
