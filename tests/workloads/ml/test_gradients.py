"""Gradients of chunks, and their aggregate."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from parbench_lab.errors import UsageError
from parbench_lab.workloads.ml.gradients import (
    ChunkGradient,
    aggregate_gradients,
    gradient_computation,
)
from parbench_lab.workloads.ml.network import initial_network, network_gradient, network_loss
from tests.workloads.ml.maps import every_map

PIXELS, LABELS = load_digits(return_X_y=True)
PIXELS = PIXELS / 16


def network():
    return initial_network(64, 16, 10, np.random.default_rng(0))


@settings(max_examples=20, deadline=None, derandomize=True)
@given(chunk_size=st.integers(1, 400))
def test_the_aggregate_is_the_gradient_over_all_rows_however_they_are_cut(chunk_size):
    whole = network_gradient(network(), PIXELS[:300], LABELS[:300])

    parts = gradient_computation(
        network_gradient, network(), PIXELS[:300], LABELS[:300], chunk_size=chunk_size
    )
    found = aggregate_gradients(parts)

    for name, gradient in whole.items():
        assert np.allclose(found[name], gradient, rtol=1e-9, atol=1e-12)


def test_every_map_gives_the_same_bits():
    with every_map() as maps:
        found = set()
        for spread in maps.values():
            parts = gradient_computation(
                network_gradient, network(), PIXELS, LABELS, chunk_size=100, map=spread
            )
            found.add(b"".join(part.tobytes() for part in aggregate_gradients(parts).values()))

    assert len(found) == 1


@pytest.mark.parametrize("name", ["hidden", "hidden_bias", "output", "output_bias"])
def test_the_networks_gradient_is_the_slope_of_its_loss(name):
    weights, rows, targets, step = network(), PIXELS[:50], LABELS[:50], 1e-6
    place = tuple(np.random.default_rng(1).integers(0, weights[name].shape))

    slope = network_gradient(weights, rows, targets)[name][place]

    moved = {key: value.copy() for key, value in weights.items()}
    moved[name][place] += step
    rise = network_loss(moved, rows, targets) - network_loss(weights, rows, targets)
    assert slope == pytest.approx(rise / step, rel=1e-3, abs=1e-6)


def test_steps_down_the_gradient_learn():
    weights = network()
    before = network_loss(weights, PIXELS, LABELS)

    for _ in range(20):
        parts = gradient_computation(network_gradient, weights, PIXELS, LABELS)
        slope = aggregate_gradients(parts)
        weights = {name: value - 0.5 * slope[name] for name, value in weights.items()}

    assert network_loss(weights, PIXELS, LABELS) < before / 2


def test_a_sum_is_a_sum_and_a_mean_goes_by_rows():
    parts = [
        ChunkGradient(gradient=np.array([1.0]), n_rows=3),
        ChunkGradient(gradient=np.array([5.0]), n_rows=1),
    ]

    assert aggregate_gradients(parts).tolist() == [2.0]
    assert aggregate_gradients(parts, weights=[1, 1]).tolist() == [3.0]
    assert aggregate_gradients(parts, method="sum").tolist() == [6.0]


def test_lists_tuples_and_dicts_keep_their_structure():
    one = {"layers": [np.ones(2), (np.zeros(3), 4.0)]}

    found = aggregate_gradients([one, one])

    assert found["layers"][0].tolist() == [1.0, 1.0]
    assert isinstance(found["layers"][1], tuple)
    assert float(found["layers"][1][1]) == 4.0


@pytest.mark.parametrize(
    ("gradients", "options", "words"),
    [
        pytest.param([], {}, "gradients must be at least one", id="none"),
        pytest.param(None, {}, "gradients must be at least one", id="no sequence"),
        pytest.param([np.ones(2), np.ones(3)], {}, r"one shape but have", id="two shapes"),
        pytest.param([{"a": 1.0}, {"b": 1.0}], {}, "the same names", id="other names"),
        pytest.param([[1.0], [1.0, 2.0]], {}, "equally many arrays", id="other lengths"),
        pytest.param([["a"], ["b"]], {}, "arrays of numbers", id="texts"),
        pytest.param([1.0, 2.0], {"weights": [1]}, "expected 2 but got 1", id="a weight too few"),
        pytest.param([1.0, 2.0], {"weights": [1, -1]}, "0 or more", id="negative weight"),
        pytest.param([1.0, 2.0], {"weights": [0, 0]}, "not all 0", id="no weight at all"),
        pytest.param([1.0], {"weights": [float("nan")]}, "must be finite", id="nan"),
        pytest.param([1.0], {"weights": ["much"]}, "must be numbers", id="words for weights"),
        pytest.param([1.0], {"method": "max"}, "one of mean, sum but got 'max'", id="method"),
        pytest.param([1.0], {"method": "sum", "weights": [1]}, "leave them out", id="weighed sum"),
    ],
)
def test_gradients_that_do_not_add_up_are_refused(gradients, options, words):
    with pytest.raises(UsageError, match=words):
        aggregate_gradients(gradients, **options)


@pytest.mark.parametrize(
    ("data", "targets", "words"),
    [
        ([], [], "data is empty"),
        (np.zeros((3, 2)), np.zeros(2), "has 2 for 3 rows"),
    ],
)
def test_rows_without_targets_are_refused(data, targets, words):
    with pytest.raises(UsageError, match=words):
        gradient_computation(network_gradient, network(), data, targets)


def test_a_gradient_that_is_no_function_is_refused():
    with pytest.raises(UsageError, match="gradient must be a function"):
        gradient_computation(3, None, [1.0], [1.0])
