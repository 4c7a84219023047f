"""Cross-validation and grid search: many fits that know nothing of each other."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from parbench_lab.core.estimate import Estimate
from parbench_lab.core.given import checked_confidence
from parbench_lab.core.scalable import Map
from parbench_lab.errors import UsageError
from parbench_lab.workloads.ml.chunks import SERIAL_MAP, as_table, require_same_rows, take
from parbench_lab.workloads.ml.folds import Split, given_folds, shuffled_folds
from parbench_lab.workloads.ml.models import (
    Scoring,
    fresh_model,
    score_of,
    scorer_of,
    seed_sequence,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossValidation:
    """How a model scores on rows it has not seen.

    Parameters
    ----------
    scores
        One per fold, higher is better.
    score
        Their mean with its interval (see `corrected_mean`).
    """

    scores: tuple[float, ...]
    score: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One configuration of a grid search.

    Parameters
    ----------
    index
        Its place in the grid, from 0.
    parameters
        What was set.
    scores
        One per fold; empty where it failed.
    score
        Their mean with its interval; None where it failed.
    error
        Why it failed, one line; empty where it did not.
    """

    index: int
    parameters: Mapping[str, Any]
    scores: tuple[float, ...] = ()
    score: Estimate | None = None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GridSearch:
    """All trials, in the order of the grid; at least one did not fail."""

    trials: tuple[Trial, ...]

    @property
    def ranking(self) -> tuple[Trial, ...]:
        """Trials with a score, best first; of equal ones the earlier in the grid is first."""
        scored = [(trial.score.point, trial) for trial in self.trials if trial.score is not None]
        return tuple(trial for _, trial in sorted(scored, key=lambda pair: -pair[0]))

    @property
    def best(self) -> Trial:
        """The trial with the highest mean score."""
        return self.ranking[0]


def cross_validation(
    model: Any,
    data: Any,
    targets: Any,
    *,
    n_folds: int = 5,
    splits: Any = None,
    scoring: Scoring = None,
    confidence: float = 0.95,
    seed: int = 0,
    map: Map = SERIAL_MAP,
) -> CrossValidation:
    """Return how a model scores on rows it has not learnt from, a fold at a time.

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
    map
        Where the folds are worked on.

    Raises
    ------
    UsageError
        If there are no rows, not one target per row, more folds than rows, no score, or a score
        that is no finite number.

    Examples
    --------
    >>> class Mean:
    ...     def fit(self, rows, targets): self.mean = targets.mean()
    ...     def score(self, rows, targets): return -abs(targets - self.mean).mean()
    >>> found = cross_validation(Mean, np.zeros((6, 1)), np.arange(6.0), n_folds=3)
    >>> len(found.scores), found.score.n
    (3, 3)
    """
    fits, folds = _prepared(
        model, data, targets, n_folds=n_folds, splits=splits, scoring=scoring, seed=seed
    )
    checked_confidence(confidence)
    items = [_Item(parameters={}, fold=fold, split=split) for fold, split in enumerate(folds)]
    scores = tuple(map(fits, items))
    return CrossValidation(scores=scores, score=corrected_mean(scores, folds, confidence))


def grid_search(
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
    map: Map = SERIAL_MAP,
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
    data, targets, n_folds, splits, scoring, confidence, seed
        As for `cross_validation`.
    map
        Where the fits are worked on, one fold of one configuration each.

    Raises
    ------
    UsageError
        As for `cross_validation`; if the grid is empty or no list of values; or if every
        configuration fails.

    Examples
    --------
    >>> class Guess:
    ...     def __init__(self, value): self.value = value
    ...     def fit(self, rows, targets): pass
    ...     def score(self, rows, targets): return -abs(targets - self.value).mean()
    >>> found = grid_search(Guess, {"value": [0, 2, 9]}, np.zeros((6, 1)), np.arange(6.0))
    >>> found.best.parameters
    {'value': 2}
    """
    configurations = configurations_of(grid)
    fits, folds = _prepared(
        model, data, targets, n_folds=n_folds, splits=splits, scoring=scoring, seed=seed
    )
    checked_confidence(confidence)
    items = [
        _Item(parameters=parameters, fold=fold, split=split)
        for parameters in configurations
        for fold, split in enumerate(folds)
    ]
    answers = list(map(_Tried(fits=fits), items))
    trials = tuple(
        _trial(index, parameters, answers[index * len(folds) :][: len(folds)], folds, confidence)
        for index, parameters in enumerate(configurations)
    )
    if all(trial.score is None for trial in trials):
        raise UsageError(f"every configuration of the grid failed, first: {trials[0].error}")
    return GridSearch(trials=trials)


def configurations_of(
    grid: Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """Return every configuration of a grid.

    Raises
    ------
    UsageError
        If there is none, or the values of a parameter are no list.

    Examples
    --------
    >>> configurations_of({"depth": [1, 2], "seed": [0]})
    [{'depth': 1, 'seed': 0}, {'depth': 2, 'seed': 0}]
    """
    if not isinstance(grid, Mapping):
        return _listed_configurations(grid)
    for name, values in grid.items():
        if isinstance(values, (str, bytes)) or not hasattr(values, "__len__"):
            raise UsageError(f"grid: {name!r} must be a list of values but is {values!r}")
        if not len(values):
            raise UsageError(f"grid: {name!r} has no values: give at least one")
    if not grid:
        raise UsageError("grid is empty: give at least one parameter with its values")
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


def corrected_mean(
    scores: Sequence[float], folds: Sequence[Split], confidence: float = 0.95
) -> Estimate:
    """Return the mean score of folds with an interval that knows that they share their rows.

    The training sets overlap, so the scores are not independent and the plain interval is too
    narrow. Nadeau and Bengio widen the variance of the mean from s^2 / k to
    s^2 (1/k + n_test / n_train); Student's t with k - 1 degrees of freedom. With one split there
    is no interval to be had: it is infinite.

    References
    ----------
    .. [1] Nadeau, Bengio (2003), Inference for the generalization error, Machine Learning 52.

    Examples
    --------
    >>> rows = np.arange(10)
    >>> print(corrected_mean([0.8, 0.9], [(rows[:5], rows[5:]), (rows[5:], rows[:5])]))
    0.85 [-0.2504, 1.95]
    """
    values = np.asarray(scores, dtype=np.float64)
    point, n_folds = float(values.mean()), len(values)
    if n_folds == 1:
        half = float("inf")
    else:
        from scipy.stats import t  # noqa: PLC0415 - heavy; only those who validate pay

        share = float(np.mean([len(test) / len(train) for train, test in folds]))
        quantile = float(t.ppf((1 + confidence) / 2, n_folds - 1))
        half = quantile * float(values.std(ddof=1)) * float(np.sqrt(1 / n_folds + share))
    return Estimate(
        point=point, low=point - half, high=point + half, confidence=confidence, n=n_folds
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Item:
    """One fit: a configuration on one fold."""

    parameters: Mapping[str, Any]
    fold: int
    split: Split


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Fits:
    """Fits a model of its own on one fold and scores it."""

    model: Any
    data: Any
    targets: Any
    scoring: Scoring
    seed: int

    def __call__(self, item: _Item) -> float:
        train, test = item.split
        seed = int(seed_sequence(self.seed, item.fold).generate_state(1)[0])
        model = fresh_model(self.model, item.parameters, seed)
        model.fit(take(self.data, train), take(self.targets, train))
        return score_of(model, take(self.data, test), take(self.targets, test), self.scoring)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Tried:
    """As `_Fits`, with a failure as an answer: its text."""

    fits: _Fits

    def __call__(self, item: _Item) -> float | str:
        try:
            return self.fits(item)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the caller's model; a failure is a row
            return " ".join(f"{type(error).__name__}: {error}".split())


def _prepared(
    model: Any,
    data: Any,
    targets: Any,
    *,
    n_folds: int,
    splits: Any,
    scoring: Scoring,
    seed: int,
) -> tuple[_Fits, list[Split]]:
    """Return what fits one fold, and the folds."""
    table, wanted = as_table(data), as_table(targets, what="targets")
    require_same_rows(table, wanted)
    if isinstance(scoring, str):
        scorer_of(model, scoring)  # an unknown name is refused before anything is fitted
    folds = (
        shuffled_folds(wanted, n_folds, seed=seed)
        if splits is None
        else given_folds(splits, table, wanted)
    )
    fits = _Fits(model=model, data=table, targets=wanted, scoring=scoring, seed=seed)
    return fits, folds


def _trial(
    index: int,
    parameters: Mapping[str, Any],
    answers: Sequence[float | str],
    folds: Sequence[Split],
    confidence: float,
) -> Trial:
    errors = [answer for answer in answers if isinstance(answer, str)]
    if errors:
        return Trial(index=index, parameters=parameters, error=errors[0])
    scores = tuple(float(answer) for answer in answers)
    score = corrected_mean(scores, folds, confidence)
    return Trial(index=index, parameters=parameters, scores=scores, score=score)


def _listed_configurations(grid: Any) -> list[dict[str, Any]]:
    if isinstance(grid, str) or not isinstance(grid, Sequence):
        raise UsageError(
            f"grid must be a dict of lists or a list of configurations but is {grid!r}"
        )
    if not grid:
        raise UsageError("grid is empty: give at least one configuration")
    for configuration in grid:
        if not isinstance(configuration, Mapping):
            raise UsageError(f"grid: a configuration must be a dict but is {configuration!r}")
    return [dict(configuration) for configuration in grid]
