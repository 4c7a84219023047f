"""Batch inference: a fitted model asked about many rows, once or with its uncertainty."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parbench_lab.core.given import checked_confidence, is_number
from parbench_lab.core.scalable import Map
from parbench_lab.errors import UsageError
from parbench_lab.workloads.ml.chunks import (
    SERIAL_MAP,
    Chunk,
    as_table,
    cut,
    join,
    require_count,
    require_row_results,
)
from parbench_lab.workloads.ml.models import Predictor, name_of, predictor, seed_sequence

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UncertainPredictions:
    """Predictions with what they vary by under the model's own randomness.

    Parameters
    ----------
    mean, std
        Over the samples, one entry per row (and per output); `std` has n - 1 in its divisor.
    low, high
        Quantiles of the samples that hold the central share `confidence` of them.
    confidence
        Within (0, 1).
    n_samples
        Predictions behind each entry.
    """

    mean: Floats
    std: Floats
    low: Floats
    high: Floats
    confidence: float
    n_samples: int


def batch_inference(
    model: Any,
    data: Any,
    *,
    method: str | None = None,
    chunk_size: int | None = None,
    map: Map = SERIAL_MAP,
) -> Any:
    """Return a model's answers for all rows, in their order.

    Parameters
    ----------
    model
        A fitted model, or a function ``fn(rows) -> predictions`` (one per row).
    data
        Rows: an array, a sparse matrix, a pandas object or a list.
    method
        The model's method, e.g. ``"predict_proba"``; None for ``predict``.
    chunk_size
        Rows per call of the model; see `parbench_lab.workloads.ml.chunks.chunk_size_for`.
    map
        Where the chunks are worked on.

    Raises
    ------
    UsageError
        If there are no rows, or the model has not the method or returns another number of rows.

    Examples
    --------
    >>> batch_inference(lambda rows: rows.sum(axis=1), [[1, 2], [3, 4], [5, 6]])
    array([ 3,  7, 11])
    """
    asked = predictor(model, method)
    table = as_table(data)
    return join(list(map(partial(_answers, asked), cut(table, chunk_size))))


def batch_inference_with_uncertainty(
    model: Any,
    data: Any,
    *,
    n_samples: int = 30,
    noise: float = 0.05,
    method: str | None = None,
    confidence: float = 0.95,
    seed: int = 0,
    chunk_size: int | None = None,
    map: Map = SERIAL_MAP,
) -> UncertainPredictions:
    """Return predictions with their Monte-Carlo uncertainty.

    A function ``fn(rows, rng)`` is a model with randomness of its own (dropout left on, a draw of
    the weights): it is asked `n_samples` times. A fitted estimator has none; its rows are shaken
    by Gaussian noise instead, which tells how far an answer hangs on small errors of the input.

    Parameters
    ----------
    model
        A fitted estimator or ``fn(rows, rng) -> predictions``.
    data
        Rows; numbers in an array where noise is added.
    n_samples
        Predictions per row, at least 2.
    noise
        Standard deviation of the noise in units of each column's own, finite, 0 or more; for
        estimators.
    method
        None for ``predict_proba`` where the model has it, else ``predict``.
    confidence
        Central share of the samples between `low` and `high`, within (0, 1).
    seed
        Every chunk draws from its own child of it, so the numbers depend on the seed and on the
        chunk size, not on the workers.
    chunk_size
        Rows per chunk; see `parbench_lab.workloads.ml.chunks.chunk_size_for`.
    map
        Where the chunks are worked on.

    Raises
    ------
    UsageError
        If there are no rows, a number is out of its range, or the answers are labels of classes,
        of which there is no mean.

    Examples
    --------
    >>> shaky = lambda rows, rng: rows[:, 0] + rng.normal(0, 0.1, len(rows))
    >>> found = batch_inference_with_uncertainty(shaky, np.ones((4, 1)), n_samples=500)
    >>> bool(abs(found.std[0] - 0.1) < 0.02)
    True
    """
    _require_sampling(n_samples, noise, confidence)
    seed_sequence(seed)
    table = as_table(data)
    drawn = _Sampling(
        draw=_draw_of(model, method, table, noise),
        n_samples=n_samples,
        confidence=confidence,
        seed=seed,
    )
    mean, std, low, high = np.concatenate(list(map(drawn, cut(table, chunk_size))), axis=1)
    return UncertainPredictions(
        mean=mean, std=std, low=low, high=high, confidence=confidence, n_samples=n_samples
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shaken:
    """An estimator asked about rows with noise added."""

    asked: Predictor
    scale: Floats

    def __call__(self, rows: Any, rng: np.random.Generator) -> Any:
        return self.asked(rows + self.scale * rng.standard_normal(rows.shape))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sampling:
    """Mean, deviation and quantiles of the predictions for one chunk."""

    draw: Any
    n_samples: int
    confidence: float
    seed: int

    def __call__(self, chunk: Chunk) -> Floats:
        rng = np.random.default_rng(seed_sequence(self.seed, chunk.index))
        drawn = [self._prediction(chunk, rng) for _ in range(self.n_samples)]
        samples = np.stack(drawn)
        tail = (1 - self.confidence) / 2
        low, high = np.quantile(samples, [tail, 1 - tail], axis=0)
        return np.stack([samples.mean(axis=0), samples.std(axis=0, ddof=1), low, high])

    def _prediction(self, chunk: Chunk, rng: np.random.Generator) -> Floats:
        found = require_row_results(self.draw(chunk.rows, rng), chunk.n_rows, whose="the model")
        try:
            return np.asarray(found, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise UsageError(_NO_MEAN) from error


_NO_MEAN = (
    "the model's answers are labels, of which there is no mean: give method='predict_proba' or a "
    "function fn(rows, rng) that returns numbers"
)


def _answers(asked: Predictor, chunk: Chunk) -> Any:
    return require_row_results(asked(chunk.rows), chunk.n_rows, whose=asked.label)


def _draw_of(model: Any, method: str | None, table: Any, noise: float) -> Any:
    """Return ``fn(rows, rng)`` for whatever the caller gave."""
    asked = predictor(model, method, prefer=("predict_proba", "predict"))
    if not asked.method:
        return model
    if asked.names_classes:
        raise UsageError(_NO_MEAN)
    if not (isinstance(table, np.ndarray) and table.dtype.kind in "iuf"):
        raise UsageError(
            f"noise is added to arrays of numbers only: give {name_of(model)} an array, or a "
            "function fn(rows, rng)"
        )
    return _Shaken(asked=asked, scale=noise * np.std(table, axis=0, dtype=np.float64))


def _require_sampling(n_samples: int, noise: float, confidence: float) -> None:
    require_count(n_samples, name="n_samples", least=2)
    if not (is_number(noise) and 0 <= noise < math.inf):
        raise UsageError(
            f"noise must be a finite number of standard deviations, 0 or more, but got {noise!r}"
        )
    checked_confidence(confidence)
