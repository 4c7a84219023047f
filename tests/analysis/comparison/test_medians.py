"""The error of a median: it covers, whatever the distribution and however neighbours resemble."""

import numpy as np
import pytest
from scipy.signal import lfilter

from parbench_lab.analysis.comparison.medians import FEWEST, cost_median, dependence
from parbench_lab.analysis.comparison.verdicts import difference

RACES = 1200
NOISE = {
    "normal": lambda rng, n: 0.05 * rng.normal(size=n),
    "long tail": lambda rng, n: np.log(1 + 0.1 * rng.exponential(size=n)),
    "no variance": lambda rng, n: 0.03 * rng.standard_t(2, n),
    "two levels": lambda rng, n: 0.1 * (rng.random(n) < 0.2) + 0.02 * rng.normal(size=n),
}


def resembling(rng, n, rho):
    return lfilter([np.sqrt(1 - rho**2)], [1, -rho], rng.normal(size=n + 100))[100:]


def covered(make, sizes, races=RACES):
    hits = 0
    for _ in range(races):
        found = difference(*(cost_median(make(n)) for n in sizes))
        hits += abs(found.point) <= 1.96 * found.error
    return hits / races


@pytest.mark.statistics
@pytest.mark.parametrize("noise", NOISE)
@pytest.mark.parametrize("sizes", [(8, 8), (15, 60), (200, 200)], ids=str)
def test_a_95_percent_interval_covers_about_95_percent_of_the_time(noise, sizes):
    rng = np.random.default_rng(4)

    share = covered(lambda n: NOISE[noise](rng, n), sizes)

    # three standard errors of 1200 races, and a little conservative for few measurements
    assert 0.93 <= share <= 0.995


@pytest.mark.statistics
def test_neighbours_that_resemble_each_other_widen_the_interval():
    rng = np.random.default_rng(5)

    share = covered(lambda n: resembling(rng, n, 0.7), (300, 300), races=800)

    assert share >= 0.9


@pytest.mark.statistics
def test_without_the_dependence_it_would_cover_far_too_seldom():
    rng = np.random.default_rng(5)
    hits = 0

    for _ in range(800):
        sides = [cost_median(resembling(rng, 300, 0.7)) for _ in range(2)]
        error = np.hypot(*(side.error / np.sqrt(side.dependence) for side in sides))
        hits += abs(sides[1].point - sides[0].point) <= 1.96 * error

    assert hits / 800 < 0.75


def test_independent_values_count_fully():
    signs = np.sign(np.random.default_rng(0).normal(size=2000))

    assert dependence(signs) == pytest.approx(1.0, abs=0.2)


def test_a_series_without_variance_has_no_error():
    found = cost_median([0.5] * 20)

    assert (found.point, found.error, found.dependence) == (0.5, 0.0, 1.0)


@pytest.mark.parametrize("costs", [[1.0] * (FEWEST - 1), [1.0] * 10 + [float("nan")]], ids=str)
def test_too_few_or_broken_costs_are_refused(costs):
    with pytest.raises(ValueError, match="at least 6 finite costs"):
        cost_median(costs)
