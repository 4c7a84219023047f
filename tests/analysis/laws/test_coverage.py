"""Intervals cover: simulated curves with proportional noise at 1, 2, 4, 8 and 16 workers.

A 95 % interval must cover 93 to 97 % of 1500 curves (3.5 standard deviations of the count),
for alpha, beta and the curve at 16 and 128 workers. Near a bound it may cover more, never less.
Wrong variants, some of them published, must fail the same check.
"""

import numpy as np
import pytest
from scipy import stats

import parbench_lab as pb
from parbench_lab.analysis.laws.conventions import Method, rows
from parbench_lab.analysis.laws.curve import fit_curve
from parbench_lab.analysis.laws.least_squares import Problem, solve_free
from parbench_lab.analysis.laws.observations import observe

pytestmark = pytest.mark.statistics

N = np.array([1.0, 2, 4, 8, 16])
FAR = np.array([16.0, 128.0])
NAMES = ("alpha", "beta", "curve at 16", "curve at 128")


def coverage(intervals, *, alpha, beta, noise, curves, seed=7):
    """Return how often each interval of `intervals(times)` holds the truth."""
    rng = np.random.default_rng(seed)
    time_s = pb.laws.usl_time(N, alpha=alpha, beta=beta, t1_s=10.0)
    truth = np.array([alpha, beta, *pb.laws.usl_time(FAR, alpha=alpha, beta=beta, t1_s=10.0)])
    held = np.zeros(4)
    for _ in range(curves):
        low, high = intervals(time_s * np.exp(noise * rng.standard_normal(5)))
        held += (low <= truth) & (truth <= high)
    return dict(zip(NAMES, (held / curves).tolist(), strict=True))


def check_coverage(intervals, *, least=0.93, most=0.97, curves=1500, **truth):
    covered = coverage(intervals, curves=curves, **truth)
    assert all(least <= share <= most for share in covered.values()), covered


def shipped(time_s):
    fit = pb.laws.fit(N, time_s=time_s)
    band = fit.band(FAR, shown="time_s")
    return (
        np.array([fit.alpha.low, fit.beta.low, *band.low]),
        np.array([fit.alpha.high, fit.beta.high, *band.high]),
    )


@pytest.mark.parametrize(
    "truth",
    [
        pytest.param({"alpha": 0.05, "beta": 0.002, "noise": 0.02}, id="2 % noise"),
        pytest.param({"alpha": 0.1, "beta": 0.005, "noise": 0.05}, id="5 % noise"),
        pytest.param({"alpha": 0.02, "beta": 0.0005, "noise": 0.01}, id="scales well"),
    ],
)
def test_intervals_cover_as_often_as_they_say(truth):
    check_coverage(shipped, **truth)


@pytest.mark.parametrize(
    "truth",
    [
        pytest.param({"alpha": 0.05, "beta": 0.0, "noise": 0.03}, id="Amdahl"),
        pytest.param({"alpha": 0.0, "beta": 0.002, "noise": 0.03}, id="no contention"),
        pytest.param({"alpha": 0.0, "beta": 0.0, "noise": 0.03}, id="linear"),
    ],
)
def test_on_a_bound_intervals_cover_at_least_as_often(truth):
    check_coverage(shipped, most=1.0, curves=800, **truth)


def of_the_package(time_s):
    """R usl's confint: unweighted throughput, SE times a one-sided quantile with n - 1."""
    seen = observe(N, time_s=time_s)
    curve = fit_curve(seen, Method(convention="throughput"))
    point, error = curve.coefficients, curve.standard_errors()
    quantile = stats.t.ppf(0.95, len(N) - 1)
    at_far = curve.point(FAR, "throughput")
    width = quantile * np.sqrt(curve.squares / 2)  # the same at every worker count
    names = ("alpha", "beta")
    low = [getattr(point, name) - quantile * getattr(error, name) for name in names]
    high = [getattr(point, name) + quantile * getattr(error, name) for name in names]
    above = at_far - width
    return (
        np.array([*low, *(1 / (at_far + width))]),
        np.array([*high, *np.where(above > 0, 1 / np.maximum(above, 1e-300), np.inf)]),
    )


def linear(time_s, *, weights, quantile):
    """Intervals from the normal equations, with weights and a quantile of one's choice."""
    problem = Problem(columns=rows("usl", N), response=time_s, weights=weights)
    c = solve_free(problem)
    variance = problem.squares(c) / 2
    sought = np.vstack([np.eye(3)[1:], rows("usl", FAR)])
    sought[:2] /= c[0]
    sought[0, 0], sought[1, 0] = -c[1] / c[0] ** 2, -c[2] / c[0] ** 2
    point = np.array([c[1] / c[0], c[2] / c[0], *(rows("usl", FAR) @ c)])
    error = np.sqrt(np.einsum("mi,ij,mj->m", sought, problem.covariance(c), sought) * variance)
    return point - quantile * error, point + quantile * error


def equal_weights(time_s):
    return linear(time_s, weights=np.ones(5), quantile=stats.t.ppf(0.975, 2))


def normal_quantile(time_s):
    return linear(time_s, weights=1 / time_s, quantile=1.96)


def degrees_of_all_levels(time_s):
    return linear(time_s, weights=1 / time_s, quantile=stats.t.ppf(0.975, 4))


@pytest.mark.parametrize(
    ("wrong", "curves"),
    [
        (of_the_package, 250),
        (equal_weights, 1500),
        (normal_quantile, 1500),
        (degrees_of_all_levels, 1500),
    ],
)
def test_wrong_intervals_are_found_out(wrong, curves):
    with pytest.raises(AssertionError):
        check_coverage(wrong, alpha=0.05, beta=0.002, noise=0.02, curves=curves)


def peaks_named(names_a_peak, *, serial=0.05, noise=0.03, curves=600, convention="time"):
    rng = np.random.default_rng(11)
    time_s = pb.laws.amdahl_speedup(serial_fraction=serial, workers=N) ** -1.0
    fits = (
        pb.laws.fit(
            N, time_s=time_s * np.exp(noise * rng.standard_normal(5)), convention=convention
        )
        for _ in range(curves)
    )
    return sum(names_a_peak(fit) for fit in fits) / curves


AMDAHL = [
    pytest.param({"serial": 0.05, "noise": 0.03}, id="5 % serial, 3 % noise"),
    pytest.param({"serial": 0.2, "noise": 0.05}, id="20 % serial, 5 % noise"),
    pytest.param({"serial": 0.01, "noise": 0.05}, id="1 % serial, 5 % noise"),
]


@pytest.mark.parametrize("truth", AMDAHL)
def test_amdahls_law_is_rarely_sold_a_peak(truth):
    assert peaks_named(lambda fit: fit.peak_workers is not None, **truth) <= 0.1


def test_amdahls_law_is_rarely_sold_a_peak_by_equal_weights_on_throughput():
    named = peaks_named(
        lambda fit: fit.peak_workers is not None, convention="throughput", curves=60
    )

    assert named <= 0.1


@pytest.mark.parametrize("truth", AMDAHL)
def test_a_peak_wherever_beta_is_positive_would_be_sold_often(truth):
    assert peaks_named(lambda fit: fit.beta.point > 0, **truth) > 0.4


def test_a_clear_peak_is_named():
    rng = np.random.default_rng(12)
    time_s = pb.laws.usl_time(N, alpha=0.05, beta=0.01, t1_s=10.0)

    named = [
        pb.laws.fit(N, time_s=time_s * np.exp(0.02 * rng.standard_normal(5))).peak_workers
        for _ in range(300)
    ]

    assert sum(peak is not None for peak in named) >= 0.95 * 300


def test_the_band_of_the_score_holds_the_hidden_level_as_often_as_it_says():
    rng = np.random.default_rng(13)
    time_s = pb.laws.usl_time(N, alpha=0.1, beta=0.005, t1_s=10.0)

    held = sum(
        pb.laws.fit(N, time_s=time_s * np.exp(0.02 * rng.standard_normal(5))).score().held
        for _ in range(600)
    )

    assert 0.93 <= held / 600 <= 1.0
