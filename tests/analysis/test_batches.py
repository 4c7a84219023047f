"""Batch sizes compared: the best is told apart only from those it is certainly faster than."""

import numpy as np
import pytest

from parbench_lab.analysis.batches import compare_batches, read_batches, read_parts
from parbench_lab.analysis.curve import ScalingCurve

WORKERS = (1, 4)


def sized(times_s, *, noise=0.01, repeats=6, seed=0):
    """Return batch size to a curve; `times_s` is batch size to the time at each worker count."""
    rng = np.random.default_rng(seed)
    shared = np.exp(rng.normal(0, 0.2, repeats))  # a slow repetition is slow for all
    return {
        size: ScalingCurve.from_times(
            WORKERS,
            np.outer(row, shared) * np.exp(rng.normal(0, noise, (len(row), repeats))),
        )
        for size, row in times_s.items()
    }


def test_the_best_of_each_worker_count_is_found_beside_what_is_as_good():
    one, four = compare_batches(sized({10: (1.0, 0.5), 100: (0.8, 0.25), 500: (0.8, 0.4)}))

    assert (four.workers, four.best, four.tied) == (4, 100, ())
    assert four.slower[10].point == pytest.approx(2.0, rel=0.05)
    assert four.slower[10].low > 1.0
    assert 10 not in (one.best, *one.tied)
    assert {one.best, *one.tied} == {100, 500}


def test_a_worker_count_is_read_in_one_sentence():
    levels = compare_batches(sized({10: (1.0, 0.5), 100: (0.8, 0.25), 500: (0.8, 0.4)}))

    one, four = read_batches(levels, unit="rows")

    assert one.startswith("with 1 worker batches of ")
    assert "not told apart from " in one
    assert "with 4 workers batches of 100 rows took least: " in four
    assert "; 10 took 1.99 [" in four
    assert "not told apart" not in four


def test_a_single_repetition_tells_nothing_apart():
    (one, _) = compare_batches(sized({10: (1.0, 0.5), 100: (0.8, 0.25)}, repeats=1))

    assert (one.best, one.tied, dict(one.slower)) == (100, (10,), {})
    assert "none of the others is told apart" in read_batches([one])[0]


def test_one_size_alone_has_nothing_to_compare_with():
    levels = compare_batches(sized({10: (1.0, 0.5)}))

    assert all("no other" in sentence for sentence in read_batches(levels))


@pytest.mark.statistics
def test_equal_sizes_are_told_apart_in_at_most_5_percent_of_studies():
    same = dict.fromkeys((10, 50, 100, 200), (1.0, 0.5))

    found = [compare_batches(sized(same, noise=0.05, seed=seed))[0] for seed in range(200)]
    wrong = np.mean([len(level.tied) < 3 for level in found])

    assert wrong <= 0.10


@pytest.mark.parametrize(
    ("batch_sizes", "told"),
    [
        pytest.param((10, 25), [], id="a batch for each"),
        pytest.param((50,), ["50 rows make 2 parts: of 4 workers 2 had none"], id="too few"),
        pytest.param((100,), ["100 rows hold the whole case: one worker has it all"], id="one"),
        pytest.param(
            (99, 100, 500),
            ["99 rows make 2 parts", "100 and 500 rows hold the whole case"],
            id="the same twice",
        ),
    ],
)
def test_batches_that_leave_workers_without_one_are_named(batch_sizes, told):
    made = ScalingCurve.from_times(WORKERS, [1.0, 0.5], size=100)

    found = read_parts(dict.fromkeys(batch_sizes, made), unit="rows")

    assert len(found) == len(told)
    assert all(words in sentence for words, sentence in zip(told, found, strict=True))
