"""What a model lost: the file of its codes against the file of its weights."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np

from parbench_lab.analysis.quantization.runs import Configuration, ModelError
from parbench_lab.workloads.quantization import ErrorSums, error_sums
from parbench_lab.workloads.quantization.files import FLOATS, ModelFile, Tensor, read_into
from parbench_lab.workloads.quantization.layout import read_quantized

MOST_WEIGHTS = 1 << 27
"""That are compared: of a larger model every so many tensors."""


def model_error(
    model: ModelFile,
    quantized: Path,
    configuration: Configuration,
    *,
    most_weights: int = MOST_WEIGHTS,
) -> ModelError:
    """Return how far the weights that codes stand for are from those of the model.

    Parameters
    ----------
    model
        The weights.
    quantized
        The file that was made of them.
    configuration
        That made it.
    most_weights
        Look at no more than about so many: every second, third, ... tensor of a larger model.

    Raises
    ------
    UsageError
        If the second file was not made here.
    """
    every = max(1, math.ceil(model.n_weights / most_weights))
    chosen = {one.name: one for one in model.weights[::every]}
    total, worst = ErrorSums(), ("", -1.0)
    descriptor = os.open(model.path, os.O_RDONLY)
    try:
        for name, codes in read_quantized(quantized, chosen.keys()):
            sums = error_sums(_weights(descriptor, chosen[name]), codes)
            total += sums
            worst = max(worst, (name, sums.error.relative_l2), key=lambda one: one[1])
    finally:
        os.close(descriptor)
    return ModelError(
        title=configuration.title,
        scheme=configuration.scheme,
        cosine=total.error.cosine,
        relative_l2=total.error.relative_l2,
        worst=worst[0],
        worst_relative_l2=worst[1],
        n_looked_at=sum(one.rows * one.columns for one in chosen.values()),
        n_weights=model.n_weights,
    )


def _weights(descriptor: int, tensor: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    weights = np.empty(tensor.shape, FLOATS[tensor.dtype])
    read_into(descriptor, weights, tensor.offset)
    return weights
