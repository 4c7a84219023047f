"""Cross-validation and grid search."""

import math
import sys

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.linear_model import Ridge
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from parbench_lab.errors import UsageError
from parbench_lab.workloads.ml.folds import shuffled_folds
from parbench_lab.workloads.ml.training import (
    configurations_of,
    corrected_mean,
    cross_validation,
    grid_search,
)
from tests.workloads.ml.maps import every_map

CELLS, BENIGN = load_breast_cancer(return_X_y=True)
PATIENTS, PROGRESS = load_diabetes(return_X_y=True)
PIXELS, LABELS = load_digits(return_X_y=True)


def test_folds_judge_every_row_once_and_share_the_labels():
    folds = shuffled_folds(LABELS, 7)

    assert sorted(np.concatenate([test for _, test in folds])) == list(range(len(LABELS)))
    assert all(not set(train) & set(test) for train, test in folds)
    counts = np.array([np.bincount(LABELS[test], minlength=10) for _, test in folds])
    assert (counts.max(axis=0) - counts.min(axis=0)).max() <= 1


def test_folds_of_quantities_are_shuffled():
    first, other = shuffled_folds(PROGRESS, 5)[0], shuffled_folds(PROGRESS, 5, seed=1)[0]

    assert not np.array_equal(first[1], np.arange(len(first[1])))
    assert not np.array_equal(first[1], other[1])


def test_scores_are_those_of_scikit_learn_on_the_same_splits():
    splitter = StratifiedKFold(4, shuffle=True, random_state=0)
    model = make_pipeline(StandardScaler(), GaussianNB())

    found = cross_validation(model, CELLS, BENIGN, splits=splitter)

    expected = cross_val_score(model, CELLS, BENIGN, cv=splitter)
    assert np.allclose(found.scores, expected, rtol=1e-12)


def test_every_map_gives_the_same_scores_even_of_a_random_model():
    model = DecisionTreeClassifier(splitter="random")  # its random_state is None

    with every_map() as maps:
        found = {cross_validation(model, CELLS, BENIGN, map=m).scores for m in maps.values()}

    assert len(found) == 1
    assert model.random_state is None


def test_random_models_inside_a_pipeline_are_seeded_too():
    model = make_pipeline(StandardScaler(), DecisionTreeClassifier(splitter="random"))

    first, second = (cross_validation(model, CELLS, BENIGN) for _ in range(2))

    assert first.scores == second.scores


def test_a_scorer_may_be_a_name_or_a_function():
    named = cross_validation(Ridge(), PATIENTS, PROGRESS, scoring="neg_mean_absolute_error")

    def score(model, rows, targets):
        return -np.abs(model.predict(rows) - targets).mean()

    assert np.allclose(
        named.scores, cross_validation(Ridge, PATIENTS, PROGRESS, scoring=score).scores
    )


def test_the_interval_of_folds_is_wider_than_that_of_independent_scores():
    scores = [0.90, 0.92, 0.94, 0.96, 0.98]
    folds = [(np.arange(80), np.arange(20))] * 5

    found = corrected_mean(scores, folds)

    plain_half = 2.7764 * np.std(scores, ddof=1) / math.sqrt(5)
    assert found.point == pytest.approx(0.94)
    assert found.high - found.point == pytest.approx(plain_half * 1.5, rel=1e-4)


def test_one_split_has_no_interval():
    found = cross_validation(Ridge(), PATIENTS, PROGRESS, splits=[(range(200), range(200, 442))])

    assert math.isinf(found.score.high)
    assert found.score.n == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_folds": 1}, "n_folds must be a whole number from 2 to the 442 rows but got 1"),
        ({"n_folds": 443}, "n_folds must be"),
        ({"n_folds": 2.5}, "n_folds must be"),
        ({"splits": []}, "splits is empty"),
        ({"splits": [([0, 1], [])]}, "no rows to judge"),
        ({"splits": [([], [1])]}, "no rows to learn from"),
        ({"splits": [([0], [442])]}, "rows must be from 0 to 441"),
        ({"splits": [([True] * 442, [0])]}, "give np.flatnonzero of it"),
        ({"splits": [([0, 1], [0, 0.7])]}, "whole numbers but one has float64"),
        ({"splits": [([0, 1], np.array([2, "3"], dtype=object))]}, "numbers but one has object"),
        ({"splits": [3]}, "pairs"),
        ({"splits": 3}, "pairs"),
        ({"scoring": "beauty"}, "scoring 'beauty': not found"),
        ({"scoring": lambda *_: "good"}, "must return a number but returned 'good'"),
        ({"scoring": lambda *_: float("nan")}, "finite number but returned nan"),
        ({"confidence": 0.0}, "confidence must be within"),
        ({"confidence": "x"}, "confidence must be within"),
        ({"seed": 1.5}, "seed must be a whole number"),
    ],
)
def test_what_cannot_be_validated_is_refused(options, words):
    with pytest.raises(UsageError, match=words):
        cross_validation(Ridge(), PATIENTS, PROGRESS, **options)


@pytest.mark.parametrize(
    ("data", "targets", "words"),
    [
        (PATIENTS, PROGRESS[:-1], "has 441 for 442 rows"),
        (PATIENTS[:0], PROGRESS[:0], "data is empty"),
    ],
)
def test_rows_without_targets_are_refused(data, targets, words):
    with pytest.raises(UsageError, match=words):
        grid_search(Ridge(), {"alpha": [1.0]}, data, targets)


def test_a_model_without_a_score_needs_a_scorer():
    class Mute:
        def fit(self, rows, targets):
            pass

    with pytest.raises(UsageError, match="Mute: has no score"):
        cross_validation(Mute, PATIENTS, PROGRESS)


def test_a_thing_that_is_no_model_is_refused():
    with pytest.raises(UsageError, match="float: has no fit"):
        cross_validation(3.0, PATIENTS, PROGRESS)


def test_the_grid_search_finds_the_best_and_scores_it_as_cross_validation_does():
    grid = {"max_depth": [1, 4], "min_samples_leaf": [1, 20]}

    found = grid_search(DecisionTreeClassifier(), grid, CELLS, BENIGN)

    assert [trial.parameters for trial in found.trials] == configurations_of(grid)
    assert found.best.score.point == max(trial.score.point for trial in found.trials)
    alone = cross_validation(DecisionTreeClassifier(**found.best.parameters), CELLS, BENIGN)
    assert alone.scores == found.best.scores


def test_every_map_gives_the_same_trials():
    grid = [{"max_depth": 1}, {"max_depth": 3}, {"max_depth": -1}]

    with every_map() as maps:
        found = [
            grid_search(DecisionTreeClassifier(), grid, CELLS, BENIGN, n_folds=2, map=spread)
            for spread in maps.values()
        ]

    assert all(search == found[0] for search in found)


def test_a_configuration_that_fails_is_a_trial_with_its_error():
    grid = {"max_depth": [3, -1]}

    found = grid_search(DecisionTreeClassifier(), grid, CELLS, BENIGN, n_folds=2)

    assert found.trials[1].score is None
    assert "max_depth" in found.trials[1].error
    assert found.ranking == (found.trials[0],)


class Leaving(BaseEstimator):
    """A model that ends the program where it is told to."""

    def __init__(self, *, leave):
        self.leave = leave

    def fit(self, rows, targets):
        if self.leave:
            sys.exit("no more")
        return self

    def score(self, rows, targets):
        return 0.5


def test_a_configuration_that_ends_the_program_is_a_trial_with_its_error():
    found = grid_search(Leaving(leave=False), {"leave": [True, False]}, CELLS, BENIGN, n_folds=2)

    assert [trial.error for trial in found.trials] == ["SystemExit: no more", ""]


def test_of_equal_configurations_the_first_is_best():
    grid = [{"max_depth": 2, "random_state": 0}, {"random_state": 0, "max_depth": 2}]

    assert grid_search(DecisionTreeClassifier(), grid, CELLS, BENIGN).best.index == 0


def test_when_all_configurations_fail_the_first_error_is_told():
    with pytest.raises(
        UsageError, match="every configuration of the grid failed, first: ValueErr"
    ):
        grid_search(DecisionTreeClassifier(), {"depth": [1]}, CELLS, BENIGN, n_folds=2)


@pytest.mark.parametrize(
    ("grid", "words"),
    [
        ({}, "grid is empty"),
        ([], "grid is empty"),
        ({"kernel": "rbf"}, "'kernel' must be a list of values but is 'rbf'"),
        ({"depth": 3}, "'depth' must be a list"),
        ({"depth": []}, "'depth' has no values"),
        ("depth", "must be a dict of lists"),
        ([3], "a configuration must be a dict but is 3"),
    ],
)
def test_a_grid_that_is_none_is_refused(grid, words):
    with pytest.raises(UsageError, match=words):
        configurations_of(grid)
