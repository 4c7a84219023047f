"""Fitted models asked in parallel: alone, with their uncertainty, as an ensemble."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from parbench_lab.lab.ml.pools import carried_out, chunk_size_of
from parbench_lab.workloads.ml.config import ParallelConfig
from parbench_lab.workloads.ml.ensembles import EnsembleAggregation, ensemble_predict
from parbench_lab.workloads.ml.inference import (
    UncertainPredictions,
    batch_inference,
    batch_inference_with_uncertainty,
)


def parallel_batch_inference(
    model: Any, data: Any, *, method: str | None = None, config: ParallelConfig | None = None
) -> Any:
    """Return a model's answers for all rows, in their order, asked chunk by chunk in parallel.

    Parameters
    ----------
    model
        A fitted model, or a function ``fn(rows) -> predictions`` (one per row).
    data
        Rows: an array, a sparse matrix, a pandas object or a list.
    method
        The model's method, e.g. ``"predict_proba"``; None for ``predict``.
    config
        Workers, chunk size and backend; None: as many threads as cores.

    Raises
    ------
    UsageError
        If there are no rows, or the model has not the method or returns another number of rows.

    Examples
    --------
    >>> import numpy as np
    >>> two = ParallelConfig(n_workers=2, chunk_size=2)
    >>> parallel_batch_inference(lambda rows: rows.sum(axis=1), np.ones((5, 3)), config=two)
    array([3., 3., 3., 3., 3.])
    """
    return carried_out(
        batch_inference,
        model,
        data,
        method=method,
        chunk_size=chunk_size_of(config),
        config=config,
    )


def parallel_batch_inference_with_uncertainty(
    model: Any,
    data: Any,
    *,
    n_samples: int = 30,
    noise: float = 0.05,
    method: str | None = None,
    confidence: float = 0.95,
    seed: int = 0,
    config: ParallelConfig | None = None,
) -> UncertainPredictions:
    """Return predictions with their Monte-Carlo uncertainty, drawn in parallel.

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
        Central share of the samples between ``low`` and ``high``, within (0, 1).
    seed
        Every chunk draws from its own child of it: the numbers depend on the seed and on the
        chunk size, not on the workers.
    config
        Workers, chunk size and backend; None: as many threads as cores.

    Raises
    ------
    UsageError
        If there are no rows, a number is out of its range, or the answers are labels of classes,
        of which there is no mean.

    Examples
    --------
    >>> import numpy as np
    >>> shaky = lambda rows, rng: rows[:, 0] + rng.normal(0, 0.1, len(rows))
    >>> found = parallel_batch_inference_with_uncertainty(
    ...     shaky, np.ones((4, 1)), n_samples=500, config=ParallelConfig(n_workers=2)
    ... )
    >>> bool(abs(found.std[0] - 0.1) < 0.02)
    True
    """
    return carried_out(
        batch_inference_with_uncertainty,
        model,
        data,
        n_samples=n_samples,
        noise=noise,
        method=method,
        confidence=confidence,
        seed=seed,
        chunk_size=chunk_size_of(config),
        config=config,
    )


def parallel_ensemble_predict(
    models: Sequence[Any],
    data: Any,
    *,
    aggregation: EnsembleAggregation | str = EnsembleAggregation.MEAN,
    weights: Sequence[float] | None = None,
    method: str | None = None,
    config: ParallelConfig | None = None,
) -> Any:
    """Return the joint answer of several models for all rows, in their order.

    Parameters
    ----------
    models
        Fitted models or functions ``fn(rows) -> predictions``.
    data
        Rows: an array, a sparse matrix, a pandas object or a list.
    aggregation
        ``"mean"``, ``"median"``, ``"weighted"`` or ``"vote"`` (of equally many votes the label
        that sorts first wins).
    weights
        One per model, 0 or more, for ``"weighted"``.
    method
        The models' method. None: ``predict`` for a vote; else ``predict_proba`` where every model
        has it (so the answer is a probability per class), ``predict`` where not.
    config
        Workers, chunk size and backend; None: as many threads as cores.

    Raises
    ------
    UsageError
        If there are no models or no rows, the aggregation is not known, weights are missing, bad
        or not asked for, the models answer in different shapes or know different classes, or
        labels of classes would be averaged.

    Examples
    --------
    >>> double, triple = (lambda rows: 2.0 * rows), (lambda rows: 3.0 * rows)
    >>> parallel_ensemble_predict([double, triple], [1.0, 2.0], aggregation="median")
    array([2.5, 5. ])
    """
    return carried_out(
        ensemble_predict,
        models,
        data,
        aggregation=aggregation,
        weights=weights,
        method=method,
        chunk_size=chunk_size_of(config),
        config=config,
    )
