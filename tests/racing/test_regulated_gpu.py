"""The controller played on a model GPU, as a notebook shows it."""

import itertools
import math

import pytest

from parbench_lab.errors import UsageError
from parbench_lab.testing import ModelGpu, regulate


def model(percent, **options):
    return ModelGpu(**{"uuid": "GPU-model", "seats": 8, "percent": percent, **options})


def saturating(blocks):
    return 100 * (1 - math.exp(-blocks / 2.2))


@pytest.mark.parametrize("seed", range(5))
def test_each_target_is_held_within_5_points_and_then_nothing_moves(seed):
    gpu = model(saturating, noise_points=2.0)

    course = regulate(gpu, targets=[80.0, 95.0], seconds_each=40, seed=seed)

    for target in (80.0, 95.0):
        held = [second for second in course if second.target_percent == target][-15:]
        assert len({second.blocks for second in held}) == 1
        assert abs(saturating(held[0].blocks) - target) <= 5.0 + 1.0  # noise may hide a point


def test_one_more_block_at_a_time_is_sent():
    course = regulate(model(saturating), targets=[95.0])

    steps = [b.blocks - a.blocks for a, b in itertools.pairwise(course)]

    assert set(steps) == {0, 1}
    assert course[0].blocks == 1


def test_a_target_between_two_numbers_is_missed_with_its_reason():
    course = regulate(model(lambda blocks: min(100.0, 40.0 * blocks)), targets=[60.0])

    assert course[-1].reason.startswith("the target lies between 1 at 40 % and 2 at 80 %")


def test_a_gpu_that_is_not_measured_is_held_where_it_is():
    course = regulate(model(None, reason="no permission"), targets=[80.0], seconds_each=5)

    assert {second.blocks for second in course} == {1}
    assert course[-1].utilization_percent is None
    assert "no permission" in course[-1].reason


@pytest.mark.parametrize(
    "wrong",
    [
        {"targets": []},
        {"targets": [0.0]},
        {"targets": [101.0]},
        {"targets": [float("nan")]},
        {"targets": [80.0], "seconds_each": 0},
    ],
    ids=str,
)
def test_targets_and_times_that_are_none_are_refused(wrong):
    with pytest.raises(UsageError, match="must be"):
        regulate(model(saturating), **wrong)
