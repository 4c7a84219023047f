from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parbench_lab.core.quantiles import EXACT_UP_TO, median_estimate, tail

SAMPLES = st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=60)


@given(values=SAMPLES)
def test_the_interval_holds_the_median_and_lies_within_the_sample(values):
    found = median_estimate(values)

    assert min(values) <= found.low <= found.point <= found.high <= max(values)
    assert found.n == len(values)


@pytest.mark.parametrize(
    ("n", "low", "high", "confidence"),
    [
        # H. A. David and H. N. Nagaraja, "Order Statistics", section 7.1, by the binomial tails
        pytest.param(5, 1, 5, 0.9375, id="five cannot give 95 %"),
        pytest.param(6, 1, 6, 0.95, id="six can"),
        pytest.param(8, 1, 8, 0.95, id="eight: 7 to 2 would have 0.93"),
        pytest.param(9, 2, 8, 0.95, id="nine"),
        pytest.param(20, 6, 15, 0.95, id="twenty"),
        pytest.param(100, 40, 61, 0.95, id="a hundred"),
    ],
)
def test_the_ranks_are_those_of_the_tables(n, low, high, confidence):
    found = median_estimate(np.arange(1.0, n + 1))

    assert (found.low, found.high, found.confidence) == (low, high, confidence)


def test_exact_and_approximate_ranks_meet():
    exact = median_estimate(np.arange(1.0, EXACT_UP_TO + 1))
    approximate = median_estimate(np.arange(1.0, EXACT_UP_TO + 2))

    assert abs(exact.low - approximate.low) <= 1


@pytest.mark.statistics
@pytest.mark.parametrize("n", [3, 6, 9, 30])
def test_the_interval_covers_as_often_as_it_says_whatever_the_distribution(n):
    rng = np.random.default_rng(n)
    samples = 1.0 + rng.standard_cauchy((4000, n))  # median 1, tails without a mean

    found = [median_estimate(sample) for sample in samples]
    covered = np.mean([one.low <= 1.0 <= one.high for one in found])

    assert covered >= found[0].confidence - 0.015


def test_tails_need_enough_values():
    assert tail([1.0] * 99, 0.99) is None
    assert tail(list(range(100)), 0.99) == pytest.approx(98.01)


@pytest.mark.parametrize("values", [[], [1.0, float("nan")], [float("inf")]])
def test_what_has_no_median_is_refused(values):
    with pytest.raises(ValueError, match=r"none|finite"):
        median_estimate(values)
