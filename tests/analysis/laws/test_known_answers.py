"""Published fits reproduce to their printed digits, each by its own convention."""

import numpy as np
import pytest
from scipy import stats

import parbench_lab as pb
from parbench_lab.analysis.laws.conventions import rows
from parbench_lab.analysis.laws.least_squares import Problem, solve_free
from parbench_lab.analysis.trial import time_shares
from parbench_lab.core.pool import Span
from tests.analysis.laws import published


def raytracer(convention, **options):
    return pb.laws.fit(
        published.RAYTRACER_N, throughput=published.RAYTRACER_X, convention=convention, **options
    )


def specsdm91(convention, **options):
    return pb.laws.fit(
        published.SPECSDM91_N, throughput=published.SPECSDM91_X, convention=convention, **options
    )


def points(fit):
    return fit.alpha.point, fit.beta.point, fit.gamma.point


def errors(fit):
    return fit.standard_errors.alpha, fit.standard_errors.beta, fit.standard_errors.gamma


def squares(n, x, printed):
    """Sum of squares at coefficients as they are printed."""
    alpha, beta, gamma = printed
    model = pb.laws.usl_throughput(n, alpha=alpha, beta=beta, gamma=gamma)
    return float(((np.array(x) - model) ** 2).sum())


def half(digits):
    """Half a unit of the last printed digit, with a little room for its own rounding."""
    return 0.51 * 10.0**-digits


def test_raytracer_with_gamma_fitted_is_as_in_the_vignette():
    fit = raytracer("throughput")

    assert points(fit) == (
        pytest.approx(0.057771, abs=half(6)),
        0.0,
        pytest.approx(21.848843, abs=half(6)),
    )
    assert errors(fit) == pytest.approx((0.013293, 0.000118, 2.196165), abs=half(6))
    assert (round(fit.residual_sd, 2), fit.df) == (9.34, 8)
    assert fit.predict([96, 128]).round(1).tolist() == [323.3, 335.5]
    assert round(fit.limit_throughput.point) == 378
    assert round(fit.limit.point, 1) == 17.3
    efficiency = fit.data.throughput / fit.data.workers / fit.gamma.point
    # fmt: off
    assert efficiency.round(4).tolist() == [
        0.9154, 0.8925, 0.7437, 0.6484, 0.5435, 0.4577, 0.4005, 0.376, 0.3719, 0.267, 0.2217,
    ]
    # fmt: on


def test_raytracer_has_coherency_on_its_bound_and_names_no_peak():
    fit = raytracer("throughput")

    assert fit.on_bound == ("beta",)
    assert fit.beta.low == 0.0 < fit.beta.high
    assert fit.peak_workers is None


def test_raytracer_without_bounds_is_the_fit_beside_it():
    fit = raytracer("throughput")

    free = raytracer("throughput", bounded=False)

    assert (fit.free.alpha, fit.free.beta, fit.free.gamma) == points(free)
    assert points(free) == pytest.approx((0.0781478, -2.0112e-4, 24.766), rel=2e-5)
    assert free.residual_sum_of_squares == pytest.approx(484.0, abs=0.05)
    assert fit.residual_sum_of_squares == pytest.approx(697.2, abs=0.05)


def test_raytracer_by_the_quadratic_is_as_in_the_old_package():
    fit = raytracer("quadratic")

    assert points(fit) == (
        pytest.approx(0.05002394, abs=half(8)),
        pytest.approx(4.71e-06, abs=0.51e-8),
        20.0,
    )
    assert errors(fit)[:2] == pytest.approx((0.00320929, 6.923e-05), abs=half(8))
    assert (round(fit.residual_sd, 2), fit.df) == (9.86, 9)
    assert fit.predict([96, 128]).round(1).tolist() == [331.3, 344.6]
    peak = pb.laws.usl_peak_workers(alpha=fit.alpha.point, beta=fit.beta.point)
    assert round(float(peak), 1) == 449.2


def test_raytracer_by_the_quadratic_has_the_interval_with_n_minus_2_degrees_of_freedom():
    fit = raytracer("quadratic")

    assert (fit.alpha.low, fit.alpha.high) == pytest.approx((0.042764022, 0.057283865), abs=1e-9)


def test_raytracer_has_the_intervals_of_the_old_package_by_its_one_sided_quantile():
    fit = raytracer("quadratic")

    quantile = stats.t.ppf(0.95, len(published.RAYTRACER_N) - 1)
    ends = np.array(points(fit)) + np.outer([-quantile, quantile], errors(fit))
    assert ends[:, 0] == pytest.approx([0.0442072, 0.0558407], abs=half(7))
    assert ends[:, 1] == pytest.approx([-0.0001208, 0.0001302], abs=half(7))


def test_raytracer_with_gamma_fixed_is_the_optimum_gunthers_script_misses():
    fit = raytracer("throughput_fixed")

    assert points(fit) == pytest.approx((0.049797269, 1.1434675e-05, 20.0), rel=3e-5)
    assert errors(fit)[:2] == pytest.approx((0.00320716, 6.933478e-05), rel=1e-6)


def test_raytracer_is_as_gunthers_script_prints_it_with_coherency_on_its_upper_bound():
    n, x, gamma, beta = published.RAYTRACER_N, published.RAYTRACER_X, 20.0, 5e-6
    columns = rows("usl", n)
    options = {"response": np.array(x), "weights": np.ones(len(n)), "first": 1 / gamma}
    # the script allows no more than this beta; its part of the time goes with that of one worker
    held = np.stack([columns[:, 0] + beta * columns[:, 2], columns[:, 1]], axis=-1)

    c = solve_free(Problem(columns=held, inverse=True, **options))

    assert c[1] * gamma == pytest.approx(0.05007, abs=half(5))
    # its errors are of both coefficients, as if none were held
    free, at = Problem(columns=columns, inverse=True, **options), np.append(c, beta / gamma)
    variance = np.diag(free.covariance(at)) * free.squares(at) / free.degrees_of_freedom
    error = np.sqrt(variance[1:]) * gamma
    assert error[0] == pytest.approx(0.003213, abs=half(6))
    assert error[1] == pytest.approx(6.932e-05, abs=half(8))


def test_specsdm91_with_gamma_fitted_is_as_printed():
    fit = specsdm91("throughput")

    assert points(fit)[:2] == pytest.approx((0.0277285, 0.0001044), abs=half(7))
    assert fit.gamma.point == pytest.approx(89.995233, abs=half(6))
    assert errors(fit) == pytest.approx((0.0091217, 1.99e-05, 14.2134894), abs=half(7))
    assert (round(fit.residual_sd, 2), fit.df) == (82.85, 4)
    assert fit.fitted.round().tolist() == [90, 1078, 1541, 1850, 1879, 1822, 1646]
    assert fit.residuals == pytest.approx(
        [-25.1, -81.66, 111.09, 3.05, -49.99, -46.6, 56.0], abs=0.0051
    )
    efficiency = fit.data.throughput / fit.data.workers / fit.gamma.point
    assert efficiency.round(4).tolist() == [0.7211, 0.6148, 0.51, 0.286, 0.1882, 0.137, 0.0876]
    p_values = 2 * stats.t.sf(np.divide(points(fit), errors(fit)), fit.df)
    assert p_values == pytest.approx([0.03841, 0.00629, 0.00318], abs=half(5))


def test_specsdm91_has_the_band_of_the_package_by_its_one_sided_quantile():
    fit = specsdm91("throughput")

    # one width everywhere: the spread of the residuals, whatever was fitted to them
    df = fit.data.n_levels - 1
    width = np.sqrt(fit.residual_sum_of_squares / df) * stats.t.ppf(0.95, df)
    assert round(fit.fitted[0] - width, 1) == -41.4
    assert round(fit.fitted[0] + width) == 221


def test_specsdm91_peaks_where_the_package_says():
    fit = specsdm91("throughput")

    assert fit.peak_workers.point == pytest.approx(96.51956, abs=half(5))
    assert round(float(fit.predict(fit.peak_workers.point)[0])) == 1884
    assert fit.limit_throughput.point == pytest.approx(3245.589, abs=half(3))
    assert fit.limit.point == pytest.approx(36.06401, abs=half(5))
    assert float(fit.predict(fit.limit.point)[0]) == pytest.approx(1542, abs=0.5)
    lower = pb.laws.usl_peak_workers(alpha=fit.alpha.point, beta=5e-5)
    assert round(float(lower), 1) == 139.4


def test_specsdm91_without_bounds_is_as_lmfit_prints_it():
    fit = specsdm91("throughput", bounded=False)

    # lmfit stopped where its sum of squares was flat: not better than ours, which is lower
    printed = (0.02772863, 0.00010437, 89.9954927)
    assert points(fit) == pytest.approx(printed, rel=5e-5)
    assert fit.residual_sum_of_squares <= squares(
        published.SPECSDM91_N, published.SPECSDM91_X, printed
    )
    assert fit.residual_sum_of_squares == pytest.approx(27453.72, abs=half(2))
    n, k = 7, 3
    log_variance = n * np.log(fit.residual_sum_of_squares / n)
    assert log_variance + 2 * k == pytest.approx(63.92, abs=half(2))
    assert log_variance + k * np.log(n) == pytest.approx(63.758, abs=half(3))


def test_specsdm91_has_the_errors_and_correlations_of_lmfit():
    fit = specsdm91("throughput", bounded=False)

    # lmfit differentiates by small steps: four digits of an error
    assert errors(fit) == pytest.approx((0.009121, 1.99e-05, 14.21296), rel=1e-4, abs=half(7))
    c = fit.curve.c
    to_names = np.array([[-c[1], c[0], 0], [-c[2], 0, c[0]], [-1, 0, 0]]) / c[0] ** 2
    covariance = to_names @ fit.curve.judge.covariance(c) @ to_names.T
    spread = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(spread, spread)
    printed = (0.964, -0.467, -0.243)  # gamma and alpha, alpha and beta, gamma and beta
    assert (correlation[2, 0], correlation[0, 1], correlation[2, 1]) == pytest.approx(
        printed, abs=half(3)
    )


def test_specsdm91_by_the_quadratic_is_as_in_the_old_package():
    fit = specsdm91("quadratic")

    assert fit.alpha.point == pytest.approx(0.01705, abs=half(5))
    assert fit.beta.point == pytest.approx(7.892e-05, abs=half(8))
    assert errors(fit)[0] == pytest.approx(0.003318, abs=half(6))
    assert errors(fit)[1] == pytest.approx(2.492e-05, abs=half(8))
    assert (round(fit.residual_sd, 1), fit.df) == (140.6, 5)
    assert fit.fitted.round(1).tolist() == [64.9, 889.1, 1377.5, 1787.7, 1876.1, 1845.9, 1682.8]
    efficiency = fit.data.throughput / fit.data.workers / fit.gamma.point
    assert efficiency.round(3).tolist() == [1.0, 0.853, 0.707, 0.397, 0.261, 0.19, 0.121]
    assert fit.peak_workers.point == pytest.approx(111.6, abs=0.05)


def test_specsdm91_moves_more_with_the_convention_than_its_standard_error():
    fitted, quadratic = specsdm91("throughput"), specsdm91("quadratic")

    moved = abs(fitted.alpha.point - quadratic.alpha.point)

    assert moved > fitted.standard_errors.alpha


def test_specsdm91_rounded_is_fitted_better_than_the_published_coefficients():
    x = np.array([65, 996, 1652, 1853, 1829, 1775, 1702])

    fit = pb.laws.fit(published.SPECSDM91_N, throughput=x, convention="throughput")

    printed = pb.laws.usl_throughput(
        published.SPECSDM91_N, alpha=0.028168, beta=0.000104, gamma=90.691376
    )
    assert ((x - printed) ** 2).sum() == pytest.approx(27328.8, abs=10)
    assert fit.residual_sum_of_squares == pytest.approx(27310.081, abs=half(3))


@pytest.mark.parametrize("convention", ["time", "throughput"])
@pytest.mark.parametrize("order", [1, -1], ids=["rising", "falling"])
def test_the_synthetic_curve_gives_its_coefficients_back(convention, order):
    n, x = published.SYNTHETIC_N[::order], published.SYNTHETIC_X[::order]

    fit = pb.laws.fit(n, throughput=x, convention=convention)

    assert points(fit) == pytest.approx((0.02, 0.02, 1.0), abs=1e-4)
    assert tuple(round(value, 2) for value in points(fit)) == (0.02, 0.02, 1.0)


def test_cisco_is_as_in_the_book():
    fit = pb.laws.fit(published.CISCO_N, throughput=published.CISCO_X, convention="throughput")

    # R's nls stopped where its sum of squares was flat: 6 digits agree, and ours is not above it
    printed = (0.02671591, 0.0007690945, 995.6486)
    assert points(fit) == pytest.approx(printed, rel=2e-6)
    assert fit.residual_sum_of_squares <= squares(published.CISCO_N, published.CISCO_X, printed)
    assert int(fit.peak_workers.point) == 35
    assert float(fit.predict(35)[0]) == pytest.approx(12341.745655201905, abs=0.01)


def test_the_first_ten_points_of_cisco_promise_far_too_much():
    fit = pb.laws.fit(
        published.CISCO_N[:10], throughput=published.CISCO_X[:10], convention="throughput"
    )

    peak = pb.laws.usl_peak_workers(alpha=fit.alpha.point, beta=fit.beta.point)
    assert int(peak) == 46
    # the book cuts off decimals
    assert [int(x) for x in fit.predict([46, 20])] == [16049, 12572]
    assert round(20 / float(fit.predict(20)[0]), 5) == 0.00159


def test_the_first_ten_points_of_cisco_carry_neither_a_peak_nor_27_workers():
    fit = pb.laws.fit(
        published.CISCO_N[:10], throughput=published.CISCO_X[:10], convention="throughput"
    )

    far = fit.project([20, 27])

    assert fit.peak_workers is None
    assert [level.trusted for level in far] == [True, False]


def test_pi_with_least_squares_on_speedup_is_as_published():
    fit = pb.laws.fit(
        published.PI_N, time_s=published.PI_STRONG_S, law="amdahl", convention="throughput_fixed"
    )

    assert fit.alpha.point == pytest.approx(0.0288713, abs=half(7))


@pytest.mark.parametrize(
    ("first", "fraction"),
    [
        pytest.param(None, 0.0356054, id="T1 fitted"),
        pytest.param(published.PI_STRONG_S[0], 0.0353672, id="T1 as measured"),
    ],
)
def test_pi_in_seconds_with_equal_weights_is_as_published(first, fraction):
    problem = Problem(
        columns=rows("amdahl", published.PI_N),
        response=np.array(published.PI_STRONG_S),
        weights=np.ones(5),
        first=first,
    )

    c = solve_free(problem)

    assert c[1] / c[0] == pytest.approx(fraction, abs=half(7))


def test_pi_with_relative_weights_lies_among_the_published_fractions():
    fit = pb.laws.fit(published.PI_N, time_s=published.PI_STRONG_S, law="amdahl")

    assert 0.0289 < fit.alpha.point < 0.0356


def test_pi_weak_has_the_published_scaled_speedup_and_serial_fraction():
    fit = pb.laws.fit(
        published.PI_N,
        time_s=published.PI_WEAK_S,
        law="gustafson",
        convention="throughput_fixed",
    )

    scaled = fit.data.throughput / fit.gamma.point
    assert scaled == pytest.approx([1.0, 1.9025269, 3.1884876, 7.6203302, 14.298204], abs=1e-6)
    assert fit.alpha.point == pytest.approx(0.10815719, abs=half(8))


def test_misra1d_agrees_with_nist_to_nine_digits():
    fit = pb.laws.fit(
        published.MISRA1D_X,
        throughput=published.MISRA1D_Y,
        law="amdahl",
        convention="throughput",
    )

    b2 = fit.alpha.point / (1 - fit.alpha.point)
    assert fit.limit_throughput.point == pytest.approx(437.36970754, rel=1e-9)
    assert b2 == pytest.approx(0.00030227324449, rel=1e-9)
    assert fit.residual_sum_of_squares == pytest.approx(0.056419295283, rel=1e-9)
    assert fit.residual_sd == pytest.approx(0.068568272111, rel=1e-9)
    assert fit.standard_errors.alpha / (1 - fit.alpha.point) ** 2 == pytest.approx(
        2.9334354479e-06, rel=1e-9
    )
    assert fit.standard_errors.gamma == pytest.approx(0.00018745815773882243, rel=1e-9)
    assert fit.df == 12


@pytest.mark.parametrize(
    ("n", "x", "printed", "digits"),
    [
        pytest.param(
            published.MISRA1D_X, published.MISRA1D_Y, 3.6489174345, 8, id="b1 of Misra1d"
        ),
        pytest.param(published.PUROMYCIN_X, published.PUROMYCIN_Y, 6.947, 3, id="Vm of Puromycin"),
    ],
)
def test_the_limit_has_the_printed_standard_error(n, x, printed, digits):
    problem = Problem(
        columns=rows("amdahl", n), response=np.array(x), weights=np.ones(len(n)), inverse=True
    )

    c = solve_free(problem)

    variance = problem.squares(c) / problem.degrees_of_freedom
    error = np.sqrt(problem.covariance(c)[1, 1] * variance) / c[1] ** 2  # of the limit, 1 / c[1]
    assert error == pytest.approx(printed, abs=half(digits))


@pytest.fixture(scope="module")
def puromycin():
    return pb.laws.fit(
        published.PUROMYCIN_X,
        throughput=published.PUROMYCIN_Y,
        law="amdahl",
        convention="throughput",
        repetitions="points",
    )


def test_puromycin_is_as_r_prints_it(puromycin):
    k = 1 / puromycin.alpha.point - 1

    assert puromycin.limit_throughput.point == pytest.approx(212.68374312, rel=1e-8)
    assert k == pytest.approx(0.06412128166, rel=2e-8)
    assert puromycin.residual_sum_of_squares == pytest.approx(1195.4488144393595, rel=1e-12)
    assert (round(puromycin.residual_sd, 2), puromycin.df) == (10.93, 10)
    k_error = puromycin.standard_errors.alpha / puromycin.alpha.point**2
    assert round(k_error, 6) == 0.008281


def test_puromycin_has_the_profile_intervals_of_r(puromycin):
    k = (1 / puromycin.alpha.high - 1, 1 / puromycin.alpha.low - 1)
    vm = puromycin.limit_throughput

    # R interpolates its profile by a spline: four digits of K, and five of Vm, which bends less
    assert k == pytest.approx((0.04692517, 0.08615995), rel=1.1e-4)
    assert (vm.low, vm.high) == pytest.approx((197.30212848, 229.2900649), rel=1e-5)
    # the ends themselves, found by halving the step
    assert k == pytest.approx((0.046920342035, 0.086156913427), rel=1e-8)
    assert (vm.low, vm.high) == pytest.approx((197.301932900, 229.289055055), rel=1e-8)


def test_puromycins_profile_is_as_wide_near_its_middle_as_the_errors_of_heal(puromycin):
    narrow = pb.laws.fit(
        published.PUROMYCIN_X,
        throughput=published.PUROMYCIN_Y,
        law="amdahl",
        convention="throughput",
        repetitions="points",
        confidence=0.01,
    )

    vm, alpha = narrow.limit_throughput, narrow.alpha
    widths = np.array([vm.high - vm.low, 1 / alpha.low - 1 / alpha.high])
    # the second derivative of the sum of squares, which HEAL prints, bends the profile
    vm_error, k_error = widths / 2 / stats.t.ppf(0.505, narrow.df)
    assert vm_error == pytest.approx(7.1607, abs=half(4))
    assert k_error == pytest.approx(0.0087112, abs=half(7))


def test_puromycin_has_the_profile_bands_of_heal(puromycin):
    band = puromycin.band([0.02, 0.06, 0.11, 0.22, 0.56, 1.1])

    assert band.low == pytest.approx(
        [42.25914848, 91.75750014, 124.62818491, 156.77624310, 180.46905231, 188.50818084],
        abs=1e-6,
    )
    assert band.high == pytest.approx(
        [60.36645187, 113.97253546, 143.62124256, 172.54972638, 201.19666313, 213.77447974],
        abs=1e-6,
    )


@pytest.mark.parametrize("row", published.EPOCH, ids=lambda row: f"{row.processes} processes")
def test_epoch_has_the_factors_of_its_efficiency_that_pop_prints(row):
    # one process is the busiest; what the others did together is shared out evenly
    useful_us = [row.useful_max_us]
    others = row.processes - 1
    useful_us += [(row.useful_total_us - row.useful_max_us) / max(1, others)] * others
    spans = [
        Span(worker=str(i), start_ns=0, end_ns=round(1e3 * us)) for i, us in enumerate(useful_us)
    ]

    found = time_shares(
        spans, n_workers=row.processes, start_ns=0, end_ns=round(1e3 * row.runtime_us)
    )

    shares = (found.load_balance, found.communication, found.compute)
    printed = (row.load_balance, row.communication, row.parallel)
    assert 100 * np.array(shares) == pytest.approx(printed, abs=half(6))
    assert found.load_balance * found.communication == pytest.approx(found.compute)
