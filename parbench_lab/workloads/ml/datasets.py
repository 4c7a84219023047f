"""The real data of the machine-learning jobs: what scikit-learn ships, read once per process."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from parbench_lab.workloads.agreement import read_only
from parbench_lab.workloads.ml.folds import Split, shuffled_folds

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

LEARNING_ROWS = 900
ENLARGEMENT = 8


@functools.cache
def digits() -> tuple[Floats, Labels]:
    """Return 1797 handwritten digits, 64 pixels with ink from 0 to 1, and their labels.

    Optical recognition of handwritten digits, UCI.
    """
    from sklearn.datasets import load_digits  # noqa: PLC0415 - optional; the first case pays

    pixels, labels = load_digits(return_X_y=True)
    return read_only(np.ascontiguousarray(pixels / 16.0)), read_only(labels.astype(np.int64))


def digits_to_learn() -> tuple[Floats, Labels]:
    """Return the first 900 digits and their labels."""
    pixels, labels = digits()
    return pixels[:LEARNING_ROWS], labels[:LEARNING_ROWS]


def digits_to_read(size: int, rng: np.random.Generator) -> Floats:
    """Return `size` digits drawn from the other 897, with repetitions."""
    pixels, _ = digits()
    return read_only(pixels[rng.integers(LEARNING_ROWS, len(pixels), size)])


def large_digits(size: int, rng: np.random.Generator) -> Floats:
    """Return `size` digits as images of 64 x 64 pixels, enlarged by linear interpolation."""
    return read_only(_enlarged()[rng.integers(0, len(_enlarged()), size)])


@functools.cache
def cell_measurements() -> tuple[Floats, Labels]:
    """Return 569 rows of 30 measurements of cells, and whether each is benign (1).

    Breast cancer Wisconsin (diagnostic), UCI.
    """
    from sklearn.datasets import load_breast_cancer  # noqa: PLC0415 - optional

    rows, benign = load_breast_cancer(return_X_y=True)
    return read_only(np.ascontiguousarray(rows)), read_only(benign.astype(np.int64))


def repeated_folds(labels: Labels, size: int, rng: np.random.Generator) -> list[Split]:
    """Return `size` splits: 5 folds, shuffled anew as often as it takes."""
    splits: list[Split] = []
    while len(splits) < size:
        splits += shuffled_folds(labels, 5, seed=int(rng.integers(2**32)))
    return splits[:size]


@functools.cache
def _enlarged() -> Floats:
    from scipy import ndimage  # noqa: PLC0415 - heavy; the first case pays

    pixels, _ = digits()
    images = pixels.reshape(-1, 8, 8)
    return read_only(ndimage.zoom(images, (1, ENLARGEMENT, ENLARGEMENT), order=1))
