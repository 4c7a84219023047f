"""Preprocessing, augmentation, features."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from parbench_lab.errors import UsageError
from parbench_lab.workloads.ml.images import image_features, jitter_image
from parbench_lab.workloads.ml.preparation import data_augmentation, feature_extraction, preprocess
from tests.workloads.ml.maps import every_map

CELLS, BENIGN = load_breast_cancer(return_X_y=True)
PIXELS, LABELS = load_digits(return_X_y=True)
IMAGES = PIXELS.reshape(-1, 8, 8) / 16


@pytest.mark.parametrize("chunk_size", [1, 10, 1000, None])
def test_standardised_columns_are_those_of_scikit_learn(chunk_size):
    found = preprocess(CELLS, chunk_size=chunk_size)

    assert np.allclose(found, StandardScaler().fit_transform(CELLS), atol=1e-9)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    value=st.floats(-1e12, 1e12), n=st.integers(1, 200), chunk_size=st.none() | st.integers(1, 50)
)
def test_a_constant_column_becomes_nothing(value, n, chunk_size):
    found = preprocess(np.full((n, 1), value), chunk_size=chunk_size)

    assert np.abs(found).max() <= 1e-9 * max(1.0, abs(value))


def test_steps_follow_each_other():
    steps = make_pipeline(StandardScaler(), PCA(5, svd_solver="full")).fit(CELLS)

    found = preprocess(CELLS, [steps, np.abs], chunk_size=100)

    assert np.allclose(found, np.abs(steps.transform(CELLS)))


@pytest.mark.parametrize("transform", [None, StandardScaler().fit(CELLS)])
def test_every_map_gives_the_same_bits(transform):
    with every_map() as maps:
        found = {
            preprocess(CELLS, transform, chunk_size=50, map=spread).tobytes()
            for spread in maps.values()
        }

    assert len(found) == 1


def test_a_table_of_numbers_is_standardised():
    assert np.allclose(preprocess(pd.DataFrame(CELLS)), preprocess(CELLS))


@pytest.mark.parametrize(
    ("data", "transform", "words"),
    [
        (CELLS[:0], None, "data is empty"),
        (np.array([[1.0], [np.nan]]), None, "must be finite"),
        (np.array([[1.0], [np.inf]]), None, "must be finite"),
        (["a", "b"], None, "must be numbers"),
        (sparse.eye(3), None, "sparse matrix cannot be standardised"),
        (CELLS, [], "transform is empty"),
        (CELLS, 3, "int: has no transform and cannot be called"),
        (CELLS, lambda rows: rows[1:], "must return one result per row"),
    ],
)
def test_what_cannot_be_prepared_is_refused(data, transform, words):
    with pytest.raises(UsageError, match=words):
        preprocess(data, transform, chunk_size=20)


def test_copies_come_after_the_originals_and_know_their_source():
    found = data_augmentation(IMAGES[:20], LABELS[:20], copies=2)

    assert np.array_equal(found.data[:20], IMAGES[:20])
    assert np.array_equal(found.targets, LABELS[found.source])
    assert found.source.tolist() == list(range(20)) * 3
    assert len({image.tobytes() for image in found.data}) == 60


def test_copies_look_like_their_source():
    found = data_augmentation(IMAGES[:100], keep_originals=False)

    alike = [
        np.corrcoef(a.ravel(), b.ravel())[0, 1]
        for a, b in zip(found.data, IMAGES[:100], strict=True)
    ]
    assert np.median(alike) > 0.8


@pytest.mark.parametrize("chunk_size", [1, 7, 30, None])
def test_copies_hang_on_the_seed_alone_whatever_the_map_and_the_chunks(chunk_size):
    whole = data_augmentation(IMAGES[:30], copies=2, seed=5, chunk_size=30)

    with every_map() as maps:
        found = [
            data_augmentation(IMAGES[:30], copies=2, seed=5, chunk_size=chunk_size, map=spread)
            for spread in maps.values()
        ]

    assert all(one.data.tobytes() == whole.data.tobytes() for one in found)
    assert data_augmentation(IMAGES[:30], copies=2, seed=6).data.tobytes() != whole.data.tobytes()


def test_a_function_of_ones_own_may_change_its_copy():
    def brighter(row, rng):
        row += rng.random()
        return row

    found = data_augmentation(PIXELS[:10], augment=brighter)

    assert (found.data[10:] > PIXELS[:10]).all()
    assert np.array_equal(found.data[:10], PIXELS[:10])


@pytest.mark.parametrize(
    ("data", "options", "words"),
    [
        (IMAGES[:0], {}, "data is empty"),
        (IMAGES, {"targets": [1]}, "has 1 for 1797 rows"),
        (IMAGES, {"copies": 0}, "copies must be a whole number from 1 on"),
        (IMAGES, {"seed": -1}, "seed must be"),
        (["a", "b"], {}, "must be an array"),
        (PIXELS, {}, "an image has 2 axes"),
        (IMAGES, {"augment": lambda image, _: image[1:]}, "must keep the shape"),
    ],
)
def test_what_cannot_be_varied_is_refused(data, options, words):
    with pytest.raises(UsageError, match=words):
        data_augmentation(data, **options)


def test_a_jitter_of_nothing_changes_nothing():
    still = {"rotation_degrees": 0, "shift_share": 0, "zoom_share": 0, "noise": 0}

    found = jitter_image(IMAGES[0], np.random.default_rng(0), **still)

    assert np.allclose(found, IMAGES[0])


def test_channels_move_together():
    colour = np.stack([IMAGES[0], IMAGES[0]], axis=-1)

    found = jitter_image(colour, np.random.default_rng(0), noise=0)

    assert np.array_equal(found[..., 0], found[..., 1])


def test_features_tell_upright_from_lying_stripes_and_ignore_brightness():
    upright = np.tile([0.0, 0.0, 1.0, 1.0], (1, 8, 2))

    found = image_features(np.concatenate([upright, upright.transpose(0, 2, 1), 3 * upright]))

    assert found[0] @ found[1] < 0.2
    assert found[0] @ found[2] == pytest.approx(1.0)


def test_an_empty_image_has_features_of_nothing():
    assert not image_features(np.zeros((1, 8, 8))).any()


def test_features_are_put_side_by_side():
    found = feature_extraction(IMAGES, [image_features, lambda images: images.mean(axis=(1, 2))])

    assert found.shape == (1797, 129)
    assert np.array_equal(found[:, 128], IMAGES.mean(axis=(1, 2)))


def test_texts_have_sparse_features():
    texts = ["one word", "two words", "many many words"] * 10
    words = HashingVectorizer(n_features=32)

    found = feature_extraction(texts, [words, words], chunk_size=7)

    assert (found != sparse.hstack([words.transform(texts)] * 2)).nnz == 0


def test_every_map_gives_the_same_features():
    with every_map() as maps:
        found = {feature_extraction(IMAGES, map=spread).tobytes() for spread in maps.values()}

    assert len(found) == 1


@pytest.mark.parametrize(
    ("data", "extract", "words"),
    [
        ([], None, "data is empty"),
        (PIXELS, None, r"shape \(n, height, width\)"),
        (IMAGES[:, :3], None, "sides of 4 pixels or more"),
        (IMAGES, [], "extract is empty"),
        (IMAGES, lambda images: images[0], "must return one result per row"),
    ],
)
def test_what_has_no_features_is_refused(data, extract, words):
    with pytest.raises(UsageError, match=words):
        feature_extraction(data, extract)
