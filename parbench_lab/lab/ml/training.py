"""Models trained and chosen in parallel: gradients, cross-validation, grid search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from parbench_lab.lab.ml.pools import carried_out, chunk_size_of
from parbench_lab.workloads.ml.config import ParallelConfig
from parbench_lab.workloads.ml.gradients import ChunkGradient, Gradient, gradient_computation
from parbench_lab.workloads.ml.models import Scoring
from parbench_lab.workloads.ml.training import (
    CrossValidation,
    GridSearch,
    cross_validation,
    grid_search,
)


def parallel_gradient_computation(
    gradient: Gradient,
    parameters: Any,
    data: Any,
    targets: Any,
    *,
    config: ParallelConfig | None = None,
) -> tuple[ChunkGradient, ...]:
    """Return the gradient over every chunk of the data, in order, for `aggregate_gradients`.

    Parameters
    ----------
    gradient
        ``fn(parameters, rows, targets)``: the mean gradient over some rows, as an array or as a
        list, tuple or dict of arrays.
    parameters
        Where to take it; anything that `gradient` understands.
    data, targets
        Rows and what they should give, equally many.
    config
        Workers, chunk size and backend; None: as many threads as cores.

    Raises
    ------
    UsageError
        If there are no rows, or not one target per row.

    Examples
    --------
    >>> import numpy as np
    >>> from parbench_lab.lab.ml import aggregate_gradients
    >>> slope = lambda w, x, y: np.array([2 * np.mean((w * x - y) * x)])
    >>> parts = parallel_gradient_computation(slope, 1.0, [1.0, 2.0, 3.0], [2.0, 4.0, 6.0])
    >>> aggregate_gradients(parts).round(3)
    array([-9.333])
    """
    return carried_out(
        gradient_computation,
        gradient,
        parameters,
        data,
        targets,
        chunk_size=chunk_size_of(config),
        config=config,
    )


def parallel_cross_validation(
    model: Any,
    data: Any,
    targets: Any,
    *,
    n_folds: int = 5,
    splits: Any = None,
    scoring: Scoring = None,
    confidence: float = 0.95,
    seed: int = 0,
    config: ParallelConfig | None = None,
) -> CrossValidation:
    """Return how a model scores on rows it has not learnt from, a fold per worker at a time.

    Parameters
    ----------
    model
        An estimator (copied for every fold, never changed), or a function or class without
        arguments that makes one. A ``random_state`` of None is seeded.
    data, targets
        Rows and what they should give, equally many.
    n_folds
        From 2 to the number of rows; labels are spread evenly over the folds.
    splits
        Instead: pairs ``(train, test)`` of row numbers, or an object with scikit-learn's
        ``split``.
    scoring
        None for the model's own ``score``, a name of scikit-learn's scorers, or
        ``fn(model, rows, targets) -> float``, higher is better.
    confidence
        Of the interval, within (0, 1).
    seed
        Of the folds and of the models' own randomness.
    config
        Workers and backend (a part is a fold, so its chunk size is not used); None: as many
        threads as cores.

    Raises
    ------
    UsageError
        If there are no rows, not one target per row, more folds than rows, no score, or a score
        that is no finite number.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> found = parallel_cross_validation(GaussianNB(), *load_iris(return_X_y=True))
    >>> round(found.score.point, 2), len(found.scores)
    (0.95, 5)
    """
    return carried_out(
        cross_validation,
        model,
        data,
        targets,
        n_folds=n_folds,
        splits=splits,
        scoring=scoring,
        confidence=confidence,
        seed=seed,
        config=config,
    )


def parallel_grid_search(
    model: Any,
    grid: Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]],
    data: Any,
    targets: Any,
    *,
    n_folds: int = 5,
    splits: Any = None,
    scoring: Scoring = None,
    confidence: float = 0.95,
    seed: int = 0,
    config: ParallelConfig | None = None,
) -> GridSearch:
    """Return the cross-validated score of every configuration of a grid.

    All configurations meet the same folds and the same seeds, so they may be compared pairwise. A
    configuration that fails is a trial with its error.

    Parameters
    ----------
    model
        An estimator with ``set_params``, or a function or class that makes one from the
        parameters.
    grid
        Values per parameter, of which every combination is tried (the last one changes first);
        or the configurations themselves, as a list.
    data, targets, n_folds, splits, scoring, confidence, seed, config
        As for `parallel_cross_validation`; a part is one fold of one configuration.

    Raises
    ------
    UsageError
        As for `parallel_cross_validation`; if the grid is empty or no list of values; or if every
        configuration fails.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> model, grid = DecisionTreeClassifier(), {"max_depth": [1, 3]}
    >>> found = parallel_grid_search(model, grid, *load_iris(return_X_y=True))
    >>> found.best.parameters
    {'max_depth': 3}
    """
    return carried_out(
        grid_search,
        model,
        grid,
        data,
        targets,
        n_folds=n_folds,
        splits=splits,
        scoring=scoring,
        confidence=confidence,
        seed=seed,
        config=config,
    )
