"""Ensembles: several fitted models, one answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from parbench_lab.core.scalable import Map
from parbench_lab.errors import UsageError
from parbench_lab.workloads.ml.chunks import (
    SERIAL_MAP,
    Chunk,
    as_table,
    cut,
    join,
    require_row_results,
)
from parbench_lab.workloads.ml.gradients import normalised_weights
from parbench_lab.workloads.ml.models import Predictor, predictor


class EnsembleAggregation(StrEnum):
    """How the answers of several models become one."""

    MEAN = "mean"
    """The arithmetic mean."""
    MEDIAN = "median"
    """The middle one, output by output; one wild model does not move it far."""
    WEIGHTED = "weighted"
    """The mean with a weight per model."""
    VOTE = "vote"
    """The label named most often; of equally many the one that sorts first."""


def ensemble_predict(
    models: Sequence[Any],
    data: Any,
    *,
    aggregation: EnsembleAggregation | str = EnsembleAggregation.MEAN,
    weights: Sequence[float] | None = None,
    method: str | None = None,
    chunk_size: int | None = None,
    map: Map = SERIAL_MAP,
) -> Any:
    """Return the joint answer of several models for all rows, in their order.

    Parameters
    ----------
    models
        Fitted models or functions ``fn(rows) -> predictions``.
    data
        Rows: an array, a sparse matrix, a pandas object or a list.
    aggregation
        ``"mean"``, ``"median"``, ``"weighted"`` or ``"vote"``.
    weights
        One per model, 0 or more, for ``"weighted"``.
    method
        The models' method. None: ``predict`` for a vote; else ``predict_proba`` where every model
        has it (so the answer is a probability per class), ``predict`` where not.
    chunk_size
        Rows per call of the models; see `parbench_lab.workloads.ml.chunks.chunk_size_for`.
    map
        Where the chunks are worked on, all models of a chunk on one worker.

    Raises
    ------
    UsageError
        If there are no models or no rows, the aggregation is not known, weights are missing, bad
        or not asked for, the models answer in different shapes or know different classes, or
        labels of classes would be averaged.

    Examples
    --------
    >>> double, triple = (lambda rows: 2.0 * rows), (lambda rows: 3.0 * rows)
    >>> ensemble_predict([double, triple], [1.0, 2.0], aggregation="weighted", weights=[3, 1])
    array([2.25, 4.5 ])
    """
    way = aggregation_of(aggregation)
    asked = _asked(models, way, method)
    joint = _JointAnswer(asked=asked, way=way, weights=_weights(weights, way, len(asked)))
    table = as_table(data)
    return join(list(map(joint, cut(table, chunk_size))))


def aggregation_of(name: EnsembleAggregation | str) -> EnsembleAggregation:
    """Return the aggregation with a name.

    Raises
    ------
    UsageError
        If there is none; the text lists those there are.
    """
    try:
        return EnsembleAggregation(name)
    except ValueError:
        known = ", ".join(EnsembleAggregation)
        raise UsageError(f"aggregation must be one of {known} but got {name!r}") from None


def aggregate_predictions(
    predictions: Sequence[Any],
    aggregation: EnsembleAggregation | str = EnsembleAggregation.MEAN,
    weights: Sequence[float] | None = None,
) -> Any:
    """Return one prediction per row from those of several models.

    Parameters
    ----------
    predictions
        One array per model, all of one shape.
    aggregation, weights
        As for `ensemble_predict`.

    Raises
    ------
    UsageError
        If there are none, their shapes differ, numbers are needed and not given, or a vote is not
        about one label per row.

    Examples
    --------
    >>> votes = [["cat", "dog"], ["cat", "cat"], ["dog", "dog"]]
    >>> aggregate_predictions(votes, "vote").tolist()
    ['cat', 'dog']
    """
    way = aggregation_of(aggregation)
    answers = [np.asarray(answer) for answer in predictions]
    if not answers:
        raise UsageError("predictions is empty: give those of at least one model")
    return _aggregated(answers, way, _weights(weights, way, len(answers)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _JointAnswer:
    """All models asked about one chunk, their answers made one."""

    asked: tuple[Predictor, ...]
    way: EnsembleAggregation
    weights: list[float] | None

    def __call__(self, chunk: Chunk) -> Any:
        answers = [
            np.asarray(require_row_results(one(chunk.rows), chunk.n_rows, whose=one.label))
            for one in self.asked
        ]
        return _aggregated(answers, self.way, self.weights)


def _aggregated(answers: list[Any], way: EnsembleAggregation, weights: list[float] | None) -> Any:
    shapes = {answer.shape for answer in answers}
    if len(shapes) > 1:
        raise UsageError(f"the models must answer in one shape but answer in {sorted(shapes)}")
    if way is EnsembleAggregation.VOTE:
        return _majority(answers)
    if any(answer.dtype.kind not in "biuf" for answer in answers):
        raise UsageError(f"aggregation={way.value!r} needs numbers: use 'vote' for labels")
    stacked = np.stack(answers).astype(np.float64)
    if way is EnsembleAggregation.MEDIAN:
        return np.median(stacked, axis=0)
    if weights is None:
        return stacked.mean(axis=0)
    # added up model by model: the same bits for one row as for many
    total = np.zeros(stacked.shape[1:])
    for answer, weight in zip(stacked, weights, strict=True):
        total += weight * answer
    return total


def _majority(answers: list[Any]) -> Any:
    """Return the label with the most votes of each row, the first in order of equals."""
    if answers[0].ndim != 1:
        raise UsageError("a vote needs one label per row: use method='predict', or 'mean'")
    stacked = np.stack(answers)
    labels, codes = np.unique(stacked, return_inverse=True)
    codes = codes.reshape(stacked.shape)
    n_items = stacked.shape[1]
    cells = codes * n_items + np.arange(n_items)
    votes = np.bincount(cells.ravel(), minlength=len(labels) * n_items)
    return labels[votes.reshape(len(labels), n_items).argmax(axis=0)]


def _asked(
    models: Sequence[Any], way: EnsembleAggregation, method: str | None
) -> tuple[Predictor, ...]:
    if not isinstance(models, Sequence):
        raise UsageError(f"models must be a list of models but got {models!r}")
    if not models:
        raise UsageError("models is empty: give at least one")
    voting = way is EnsembleAggregation.VOTE
    if method is None and not voting and all(hasattr(model, "predict_proba") for model in models):
        method = "predict_proba"
    asked = tuple(predictor(model, method if _has_methods(model) else None) for model in models)
    if not voting and any(one.names_classes for one in asked):
        raise UsageError(
            f"aggregation={way.value!r} of class labels says nothing: use 'vote', or models with "
            "predict_proba"
        )
    if not voting:
        _require_same_classes(models)
    return asked


def _has_methods(model: Any) -> bool:
    """Return whether a method can be asked for: a plain function in the ensemble has none."""
    return hasattr(model, "predict") or not callable(model)


def _require_same_classes(models: Sequence[Any]) -> None:
    known = [np.asarray(model.classes_) for model in models if hasattr(model, "classes_")]
    if any(not np.array_equal(classes, known[0]) for classes in known[1:]):
        raise UsageError(
            "the models know different classes, so their columns do not mean the same: fit them "
            "on the same labels, or use 'vote'"
        )


def _weights(
    weights: Sequence[float] | None, way: EnsembleAggregation, n_models: int
) -> list[float] | None:
    if way is not EnsembleAggregation.WEIGHTED:
        if weights is not None:
            raise UsageError(f"weights are for 'weighted': leave them out of {way.value!r}")
        return None
    if weights is None:
        raise UsageError("aggregation='weighted' needs weights: give one per model")
    return normalised_weights(weights, n_models, of="models")
