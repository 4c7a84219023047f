"""Several models, one answer."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_diabetes, load_iris, load_wine
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from parbench_lab.errors import UsageError
from parbench_lab.workloads.ml.ensembles import (
    EnsembleAggregation,
    aggregate_predictions,
    ensemble_predict,
)
from tests.workloads.ml.maps import every_map

WINES, KINDS = load_wine(return_X_y=True)
FLOWERS, SPECIES = load_iris(return_X_y=True)
PATIENTS, PROGRESS = load_diabetes(return_X_y=True)


def classifiers():
    kinds = (
        DecisionTreeClassifier(max_depth=2, random_state=0),
        GaussianNB(),
        KNeighborsClassifier(5),
    )
    return [(type(kind).__name__, kind.fit(WINES, KINDS)) for kind in kinds]


def regressors():
    return [Ridge().fit(PATIENTS, PROGRESS), KNeighborsRegressor().fit(PATIENTS, PROGRESS)]


@pytest.mark.parametrize(
    ("aggregation", "weights", "voting"),
    [("mean", None, "soft"), ("weighted", [1, 2, 5], "soft"), ("vote", None, "hard")],
)
def test_the_answer_is_that_of_scikit_learns_ensemble(aggregation, weights, voting):
    reference = VotingClassifier(classifiers(), voting=voting, weights=weights).fit(WINES, KINDS)
    models = [model for _, model in classifiers()]

    found = ensemble_predict(models, WINES, aggregation=aggregation, weights=weights)

    if voting == "soft":
        assert np.allclose(found, reference.predict_proba(WINES), rtol=1e-9)
    else:
        assert np.array_equal(found, reference.predict(WINES))


@pytest.mark.parametrize("aggregation", list(EnsembleAggregation))
def test_every_map_gives_the_same_bits(aggregation):
    models = [model for _, model in classifiers()]
    weights = [1, 2, 3] if aggregation == "weighted" else None

    with every_map() as maps:
        found = {
            ensemble_predict(
                models, WINES, aggregation=aggregation, weights=weights, chunk_size=25, map=spread
            ).tobytes()
            for spread in maps.values()
        }

    assert len(found) == 1


def test_a_median_of_quantities_ignores_one_wild_model():
    models = [*regressors(), lambda rows: np.full(len(rows), 1e9)]

    found = ensemble_predict(models, PATIENTS, aggregation=EnsembleAggregation.MEDIAN)

    calm = np.array([model.predict(PATIENTS) for model in regressors()])
    assert np.allclose(found, calm.max(axis=0))


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(st.lists(st.integers(-3, 3), min_size=4, max_size=4), min_size=1, max_size=7))
def test_a_vote_is_the_most_frequent_label_and_the_smallest_of_equals(votes):
    found = aggregate_predictions(votes, "vote")

    for column, label in zip(zip(*votes, strict=True), found, strict=True):
        assert label == min(set(column), key=lambda name: (-column.count(name), name))


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.lists(st.floats(0.1, 10), min_size=3, max_size=3), st.floats(0.5, 100))
def test_only_the_ratios_of_weights_matter(weights, factor):
    answers = np.random.default_rng(0).random((3, 5))

    first = aggregate_predictions(answers, "weighted", weights)
    second = aggregate_predictions(answers, "weighted", [factor * weight for weight in weights])

    assert np.allclose(first, second, rtol=1e-12)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"aggregation": "max"}, "one of mean, median, weighted, vote but got 'max'"),
        ({"aggregation": "weighted"}, "needs weights"),
        ({"weights": [1, 1]}, "weights are for 'weighted': leave them out of 'mean'"),
        ({"aggregation": "weighted", "weights": [1]}, "expected 2 but got 1"),
        ({"aggregation": "weighted", "weights": [1, -1]}, "0 or more"),
        ({"aggregation": "weighted", "weights": [0, 0]}, "not all 0"),
        ({"aggregation": "weighted", "weights": [1, float("inf")]}, "must be finite"),
    ],
)
def test_an_aggregation_that_cannot_be_is_refused(options, words):
    with pytest.raises(UsageError, match=words):
        ensemble_predict(regressors(), PATIENTS, **options)


@pytest.mark.parametrize(
    ("models", "options", "words"),
    [
        pytest.param([], {}, "models is empty", id="no models"),
        pytest.param(Ridge(), {}, "must be a list of models", id="one model"),
        pytest.param(
            [lambda rows: rows[:, 0], lambda rows: rows],
            {},
            "answer in one shape but answer in",
            id="other shapes",
        ),
        pytest.param(
            [LinearSVC().fit(WINES[:, :2], KINDS)], {}, "says nothing: use 'vote'", id="labels"
        ),
        pytest.param(
            [lambda rows: np.array(["cat"] * len(rows))], {}, "needs numbers", id="texts"
        ),
        pytest.param(
            [lambda rows: rows], {"aggregation": "vote"}, "one label per row", id="no labels"
        ),
        pytest.param(
            [
                GaussianNB().fit(WINES[:, :2], KINDS),
                GaussianNB().fit(WINES[:130, :2], KINDS[:130]),
            ],
            {},
            "know different classes",
            id="other classes",
        ),
    ],
)
def test_models_that_do_not_fit_together_are_refused(models, options, words):
    with pytest.raises(UsageError, match=words):
        ensemble_predict(models, WINES[:, :2], **options)


def test_no_rows_and_no_predictions_are_refused():
    with pytest.raises(UsageError, match="data is empty"):
        ensemble_predict(regressors(), PATIENTS[:0])
    with pytest.raises(UsageError, match="predictions is empty"):
        aggregate_predictions([])
