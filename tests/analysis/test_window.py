"""Medians and intervals over the kept blocks, and the words made of them."""

import math

import numpy as np
import pytest

from parbench_lab.analysis.margins import MARGINS, snap_down, snap_up
from parbench_lab.analysis.window import median_estimates, order_statistic
from parbench_lab.core.metric import WALL_TIME_S, Metric
from parbench_lab.errors import UsageError


@pytest.mark.statistics
@pytest.mark.parametrize("n", [6, 11, 40, 151])
def test_the_interval_of_a_median_covers_it_at_least_as_often_as_it_says(n):
    rng = np.random.default_rng(n)
    samples = np.log(rng.lognormal(0.3, 1.0, (2000, n)))

    estimates = median_estimates(samples, WALL_TIME_S)

    truth = math.exp(0.3)
    covered = np.mean([estimate.low <= truth <= estimate.high for estimate in estimates])
    assert 0.94 <= covered <= 0.993


@pytest.mark.parametrize(("n", "level"), [(2, 0.5), (3, 0.75), (5, 0.9375)])
def test_a_few_blocks_give_their_range_with_the_confidence_it_has(n, level):
    [estimate] = median_estimates(np.arange(float(n))[None, :], WALL_TIME_S)

    assert (estimate.low, estimate.high) == pytest.approx((1.0, math.exp(n - 1)))
    assert estimate.confidence == level


def test_missing_numbers_are_left_out():
    samples = np.array([[0.0, math.nan, 1.0, math.nan], [math.nan] * 4, [1.0] + [math.nan] * 3])

    some, none, one = median_estimates(samples, Metric(name="score", unit="1", scale="interval"))

    assert (some.n, some.point) == (2, 0.5)
    assert none is None
    assert one is None


def test_order_statistics_agree_with_the_binomial_distribution():
    # P(Bin(n, 1/2) <= rank) is at most 2.5 %, and the next rank's is not
    for n in range(6, 300, 7):
        rank, _ = order_statistic(n, 0.95)
        below = sum(math.comb(n, k) for k in range(rank + 1)) / 2**n
        above = sum(math.comb(n, k) for k in range(rank + 2)) / 2**n

        assert below <= 0.025 < above


@pytest.mark.parametrize(
    ("tolerance", "up", "down"),
    [
        pytest.param(0.0, 0.0, 0.0, id="zero"),
        pytest.param(0.02, 0.02, 0.02, id="exactly on the grid"),
        pytest.param(0.1 + 0.2, 0.3, 0.3, id="on the grid but for rounding"),
        pytest.param(0.022, 0.025, 0.02, id="between two margins"),
        pytest.param(9.0, 9.0, 9.0, id="the last one"),
    ],
)
def test_tolerances_snap_to_the_grid(tolerance, up, down):
    assert (MARGINS[snap_up(tolerance)], MARGINS[snap_down(tolerance)]) == (up, down)


@pytest.mark.parametrize("tolerance", [-0.001, 9.01, math.nan])
def test_tolerances_off_the_grid_are_refused(tolerance):
    with pytest.raises(UsageError, match="tolerance must be within 0 to 9"):
        snap_up(tolerance)
