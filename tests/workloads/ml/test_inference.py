"""Batch inference, alone and with its uncertainty."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.linear_model import Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import SVC

from parbench_lab.errors import UsageError
from parbench_lab.workloads.ml.inference import batch_inference, batch_inference_with_uncertainty
from tests.workloads.ml.maps import every_map

DIGITS, LABELS = load_digits(return_X_y=True)
FLOWERS, KINDS = load_iris(return_X_y=True)
PATIENTS, PROGRESS = load_diabetes(return_X_y=True)


def noisy(rows, rng):
    return rows[:, 0] + rng.normal(0, 0.5, len(rows))


def test_answers_are_the_models_own():
    model = SVC().fit(DIGITS[:300], LABELS[:300])

    found = batch_inference(model, DIGITS, chunk_size=100)

    assert np.array_equal(found, model.predict(DIGITS))


def test_probabilities_keep_their_columns():
    model = GaussianNB().fit(FLOWERS, KINDS)

    found = batch_inference(model, FLOWERS, method="predict_proba", chunk_size=7)

    assert np.allclose(found, model.predict_proba(FLOWERS), rtol=1e-12)


def test_a_table_is_given_to_the_model_as_a_table():
    table = pd.DataFrame(FLOWERS, columns=["a", "b", "c", "d"])
    model = GaussianNB().fit(table, KINDS)

    found = batch_inference(model, table, chunk_size=40)

    assert np.array_equal(found, model.predict(table))


def test_every_map_gives_the_same_bits():
    model = Ridge().fit(PATIENTS, PROGRESS)

    with every_map() as maps:
        found = {
            name: batch_inference(model, PATIENTS, chunk_size=37, map=spread).tobytes()
            for name, spread in maps.items()
        }

    assert len(set(found.values())) == 1


@pytest.mark.parametrize(
    ("model", "method", "words"),
    [
        (SVC(), "predict_proba", "SVC: has no method 'predict_proba'; it has predict"),
        (object(), None, "object: has no predict and cannot be called"),
        (SVC, None, "SVC: has no predict and cannot be called"),
        (len, None, "len must return one result per row but returned one value for 50 rows"),
    ],
)
def test_a_model_that_cannot_answer_is_refused(model, method, words):
    with pytest.raises(UsageError, match=words):
        batch_inference(model, np.zeros((50, 2)), method=method)


def test_no_rows_are_refused():
    with pytest.raises(UsageError, match="data is empty"):
        batch_inference(np.sum, [])


def test_the_spread_of_a_random_model_is_found():
    found = batch_inference_with_uncertainty(noisy, np.ones((20, 1)), n_samples=4000)

    assert np.allclose(found.mean, 1.0, atol=0.05)
    assert np.allclose(found.std, 0.5, atol=0.04)
    assert np.allclose(found.high - found.low, 2 * 1.96 * 0.5, atol=0.2)


def test_an_estimator_is_shaken_in_units_of_its_columns():
    model = Ridge(alpha=1e-9).fit(PATIENTS, PROGRESS)

    found = batch_inference_with_uncertainty(model, PATIENTS, n_samples=400, noise=0.1)

    expected = 0.1 * np.sqrt(((model.coef_ * PATIENTS.std(axis=0)) ** 2).sum())
    assert found.std.mean() == pytest.approx(expected, rel=0.03)
    assert np.allclose(found.mean, model.predict(PATIENTS), atol=6 * expected / np.sqrt(400))


def test_a_classifier_answers_with_probabilities():
    model = GaussianNB().fit(FLOWERS, KINDS)

    found = batch_inference_with_uncertainty(model, FLOWERS, n_samples=5)

    assert found.mean.shape == (150, 3)
    assert np.allclose(found.mean.sum(axis=1), 1.0)


def test_every_map_draws_the_same_numbers():
    with every_map() as maps:
        found = [
            batch_inference_with_uncertainty(
                noisy, np.ones((50, 1)), n_samples=4, seed=3, chunk_size=9, map=spread
            )
            for spread in maps.values()
        ]

    assert len({one.mean.tobytes() + one.high.tobytes() for one in found}) == 1


def test_another_seed_draws_other_numbers_and_chunks_do_not_repeat_each_other():
    first, second = (
        batch_inference_with_uncertainty(noisy, np.ones((4, 1)), n_samples=3, seed=s, chunk_size=2)
        for s in (0, 1)
    )

    assert len({*first.mean, *second.mean}) == 8


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_samples": 1}, "n_samples must be a whole number from 2 on"),
        ({"noise": -0.1}, "noise must be"),
        ({"noise": float("nan")}, "noise must be"),
        ({"noise": float("inf")}, "noise must be a finite number"),
        ({"noise": "x"}, "noise must be"),
        ({"confidence": "x"}, "confidence must be within"),
        ({"confidence": 1.0}, "confidence must be within"),
        ({"seed": -1}, "seed must be a whole number"),
    ],
)
def test_numbers_out_of_range_are_refused(options, words):
    with pytest.raises(UsageError, match=words):
        batch_inference_with_uncertainty(noisy, np.ones((4, 1)), **options)


@pytest.mark.parametrize(
    ("model", "method"),
    [
        pytest.param(GaussianNB().fit(FLOWERS, KINDS), "predict", id="classifier"),
        pytest.param(lambda rows, _: np.array(["cat"] * len(rows)), None, id="texts"),
    ],
)
def test_labels_have_no_mean(model, method):
    with pytest.raises(UsageError, match="labels, of which there is no mean"):
        batch_inference_with_uncertainty(model, FLOWERS, method=method)


def test_noise_is_for_arrays_of_numbers():
    table = pd.DataFrame(PATIENTS)
    model = Ridge().fit(table, PROGRESS)

    with pytest.raises(UsageError, match="give Ridge an array"):
        batch_inference_with_uncertainty(model, table)
