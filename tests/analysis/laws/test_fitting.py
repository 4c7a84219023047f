"""A fit: what it takes, what it refuses, what holds for every one."""

import contextlib
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import parbench_lab as pb
from parbench_lab.errors import UsageError
from tests.analysis.laws import published

N = [1, 2, 4, 8, 16]
TIME_S = pb.laws.usl_time(N, alpha=0.05, beta=0.002, t1_s=10.0)
WOBBLE = np.array([1.01, 0.99, 1.02, 0.985, 1.0])


def exact(**options):
    return pb.laws.fit(N, time_s=TIME_S, **options)


def noisy(**options):
    return pb.laws.fit(N, time_s=TIME_S * WOBBLE, **options)


@pytest.mark.parametrize("convention", ["time", "throughput", "throughput_fixed", "quadratic"])
def test_an_exact_curve_gives_its_coefficients_back_by_every_convention(convention):
    fit = exact(convention=convention)

    assert fit.alpha.point == pytest.approx(0.05, rel=1e-6)
    assert fit.beta.point == pytest.approx(0.002, rel=1e-6)
    assert fit.gamma.point == pytest.approx(0.1, rel=1e-6)


def test_an_exact_weak_curve_gives_its_serial_fraction_back():
    work_done = pb.laws.gustafson_speedup(serial_fraction=0.1, workers=N)

    fit = pb.laws.fit(N, time_s=3.0 * np.array(N) / work_done, law="gustafson")

    assert fit.alpha.point == pytest.approx(0.1, rel=1e-6)
    assert fit.gamma.point == pytest.approx(1 / 3, rel=1e-6)
    assert (fit.beta.point, fit.limit, fit.peak_workers) == (0.0, None, None)


def test_seconds_and_throughput_of_the_same_runs_are_the_same_fit():
    by_throughput = pb.laws.fit(N, throughput=1 / (TIME_S * WOBBLE))

    assert by_throughput.alpha.point == pytest.approx(noisy().alpha.point, rel=1e-9)


def test_the_weak_times_of_a_usl_curve_are_its_throughput():
    weak = pb.laws.fit(N, time_s=TIME_S * N, mode="weak")

    assert weak.alpha.point == pytest.approx(0.05, rel=1e-6)
    assert weak.predict([16]) == pytest.approx(TIME_S[-1] * 16)


def test_repetitions_are_not_points():
    n = np.repeat(N, 3)
    time_s = np.stack([TIME_S * WOBBLE * 0.98, TIME_S * WOBBLE, TIME_S * WOBBLE * 1.5], axis=1)

    fit = pb.laws.fit(n, time_s=time_s.ravel())

    assert fit.df == 2
    assert fit.data.repeats == (3, 3, 3, 3, 3)
    assert str(fit.alpha) == str(noisy().alpha)


def test_timing_noise_and_lack_of_fit_are_two_variances():
    rng = np.random.default_rng(1)
    n = np.repeat(N, 9)
    bent = np.repeat(TIME_S * np.array([1, 1.2, 1, 1.2, 1]), 9)

    fit = pb.laws.fit(n, time_s=bent * np.exp(0.01 * rng.standard_normal(45)))

    assert fit.lack_of_fit.noise_sd == pytest.approx(0.01 * math.sqrt(math.pi / 2 / 9.57), rel=0.2)
    assert fit.lack_of_fit.residual_sd > 0.05
    assert fit.lack_of_fit.p_value < 1e-6
    assert any("the law itself does not fit" in sentence for sentence in fit.words)


@pytest.mark.statistics
def test_noise_alone_is_called_lack_of_fit_as_often_as_it_says():
    rng = np.random.default_rng(2)
    n = np.repeat(N, 5)
    surprising = 0

    for _ in range(300):
        time_s = np.repeat(TIME_S, 5) * np.exp(0.02 * rng.standard_normal(25))
        surprising += pb.laws.fit(n, time_s=time_s).lack_of_fit.p_value < 0.05

    assert surprising / 300 < 0.09


def test_a_law_without_repetitions_says_nothing_about_noise():
    assert noisy().lack_of_fit is None


def test_a_coefficient_on_its_bound_has_a_one_sided_interval_and_says_so():
    faster_later = TIME_S * np.array([1.0, 1.0, 1.0, 0.95, 0.8])

    fit = pb.laws.fit(N, time_s=faster_later)

    assert fit.on_bound == ("beta",)
    assert fit.beta.point == fit.beta.low == 0.0 < fit.beta.high
    assert fit.free.beta < 0
    assert "beta is on the bound 0, so the interval is one-sided (an upper end only)." in fit.words


def test_a_curve_far_outside_of_the_bounds_is_no_certainty():
    better_than_linear = [16.0, 7.0, 3.0, 1.2, 0.5]

    fit = pb.laws.fit(N, time_s=better_than_linear)

    assert fit.on_bound == ("alpha", "beta")
    assert fit.alpha.high > 0
    assert fit.beta.high > 0
    assert fit.bound_by == "superlinear"


def test_amdahls_law_is_tested_within_the_usl():
    amdahl = pb.laws.fit(N, time_s=pb.laws.usl_time(N, alpha=0.1, beta=0, t1_s=1) * WOBBLE)

    assert noisy().amdahl_test.df == 2
    assert amdahl.amdahl_test.p_value > 0.05 > exact().amdahl_test.p_value
    assert noisy(law="amdahl").amdahl_test is None


def test_the_f_test_and_the_interval_of_beta_agree():
    fit = noisy(bounded=False, confidence=0.9)

    at_the_edge = noisy(bounded=False, confidence=1 - fit.amdahl_test.p_value)

    assert min(abs(at_the_edge.beta.low), abs(at_the_edge.beta.high)) < 1e-9


def test_a_wider_confidence_has_a_wider_interval():
    narrow, wide = noisy(confidence=0.8), noisy(confidence=0.99)

    assert wide.alpha.low <= narrow.alpha.low < narrow.alpha.high < wide.alpha.high


def test_levels_beyond_the_cores_are_left_out_and_named():
    fit = pb.laws.fit(
        [*N, 32], time_s=[*(TIME_S * WOBBLE), 9.0], oversubscribed=[False] * 5 + [True]
    )

    assert fit.data.left_out == (32.0,)
    assert str(fit.alpha) == str(noisy().alpha)
    assert "Levels with more workers than cores are not fitted: 32." in fit.words


def test_levels_beyond_the_cores_are_fitted_where_asked_for_and_named():
    fit = pb.laws.fit(
        [*N, 32],
        time_s=[*(TIME_S * WOBBLE), 9.0],
        oversubscribed=[False] * 5 + [True],
        include_oversubscribed=True,
    )

    assert fit.data.n_levels == 6
    assert any("are fitted, as was asked: 32" in sentence for sentence in fit.words)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        pytest.param(
            {"workers": [1, 2, 4], "time_s": [4, 2, 1]},
            "at least 4 different worker counts but got 3",
            id="three levels",
        ),
        pytest.param(
            {"workers": [1, 1, 2, 2, 4, 4], "time_s": [4, 4, 2, 2, 1, 1]},
            "but got 3",
            id="three levels, repeated",
        ),
        pytest.param(
            {"workers": [4, 8, 16, 32], "time_s": [4, 2, 1, 1]},
            "1 or 2 workers but the smallest is 4",
            id="no small level",
        ),
        pytest.param(
            {
                "workers": [4, 8, 16, 32],
                "throughput": [1, 2, 3, 4],
                "convention": "throughput",
            },
            "1 or 2 workers but the smallest is 4",
            id="no small level, as published fits",
        ),
        pytest.param(
            {"workers": [1, 2, 4, 8], "time_s": [4, 2, 0, 1]},
            "time_s must be positive and finite but got 0",
            id="a time of zero",
        ),
        pytest.param(
            {"workers": [1, 2, 4, 8], "throughput": [4, 2, -3, 1]},
            "throughput must be positive and finite but got -3",
            id="a negative throughput",
        ),
        pytest.param(
            {"workers": [1, 2, 4, 8], "time_s": [4, 2, math.nan, 1]}, "got nan", id="not a number"
        ),
        pytest.param({"workers": [0, 2, 4, 8], "time_s": [4, 3, 2, 1]}, "workers", id="no worker"),
        pytest.param({"workers": [1, 2, 4, 8], "time_s": [4, 2]}, "got 4 and 2", id="sizes"),
        pytest.param({"workers": [1, 2, 4, 8]}, "got neither", id="nothing measured"),
        pytest.param(
            {"workers": [1, 2, 4, 8], "time_s": [4, 3, 2, 1], "throughput": [1, 2, 3, 4]},
            "got both",
            id="two quantities",
        ),
        pytest.param(
            {"workers": [1, 2, 4, 8], "time_s": [4, 3, 2, 1], "machines": ["a", "a", "b", "a"]},
            "one machine but got a, b",
            id="mixed machines",
        ),
        pytest.param(
            {
                "workers": [1, 2, 4, 8],
                "time_s": [4, 3, 2, 1],
                "oversubscribed": [False, False, False, True],
            },
            '1 with more workers than cores are left out \\(give oversubscribed="include"',
            id="too few within the cores",
        ),
        pytest.param(
            {"workers": [2, 4, 8, 16], "time_s": [4, 3, 2, 1], "convention": "quadratic"},
            "no level with 1 worker",
            id="gamma fixed to nothing",
        ),
        pytest.param(
            {"workers": N, "time_s": TIME_S, "law": "moore"}, "usl, amdahl, gustafson", id="law"
        ),
        pytest.param(
            {"workers": N, "time_s": TIME_S, "confidence": "x"}, "within .0, 1.", id="confidence"
        ),
        pytest.param(
            {"workers": N, "time_s": TIME_S, "bounded": "no"}, "True or False", id="bounded"
        ),
        pytest.param(
            {"workers": N, "time_s": TIME_S, "oversubscribed": "exclude"},
            "oversubscribed must be 'include'",
            id="a word for the marks",
        ),
        pytest.param(
            {"workers": N, "time_s": TIME_S, "oversubscribed": 5}, "each of the 5", id="no marks"
        ),
        pytest.param(
            {"workers": N, "time_s": TIME_S, "include_oversubscribed": "no"},
            "include_oversubscribed must be True or False but got 'no'",
            id="a word for a choice",
        ),
        pytest.param(
            {"workers": N, "time_s": TIME_S, "machines": 5},
            "machines must be a name",
            id="machine",
        ),
        pytest.param(
            {"workers": N, "time_s": TIME_S, "convention": "log"}, "but got 'log'", id="convention"
        ),
        pytest.param(
            {"workers": N, "time_s": TIME_S, "confidence": 95}, "within \\(0, 1\\)", id="percent"
        ),
        pytest.param(
            {"workers": N, "time_s": ["fast"] * 5}, "must be a list of numbers", id="words"
        ),
    ],
)
def test_what_cannot_carry_a_law_is_refused_in_one_line(arguments, reason):
    with pytest.raises(UsageError, match=reason) as refusal:
        pb.laws.fit(**arguments)

    assert "\n" not in str(refusal.value)


def test_advice_about_what_is_no_number_is_refused():
    fit = exact()

    with pytest.raises(UsageError, match="efficiency must be within"):
        fit.useful_workers("x")
    with pytest.raises(UsageError, match="max_workers must be at least 1 but got 'x'"):
        fit.next_level(max_workers="x")


def test_marks_that_are_an_array_are_as_good_as_a_list():
    fit = exact(oversubscribed=np.array([False] * 4 + [True]))

    assert fit.data.left_out == (16.0,)


positive = st.floats(1e-3, 1e3)


@settings(max_examples=60, deadline=None)
@given(
    time_s=st.lists(positive, min_size=5, max_size=5),
    convention=st.sampled_from(["time", "quadratic"]),
    law=st.sampled_from(["usl", "amdahl"]),
)
def test_any_positive_times_have_a_fit_with_words(time_s, convention, law):
    fit = pb.laws.fit(N, time_s=time_s, convention=convention, law=law)

    assert fit.alpha.point >= 0
    assert fit.beta.point >= 0
    assert len(fit.words) >= 3
    assert len(fit.project([1, 3, 64]).levels) == 3


@settings(max_examples=60, deadline=None)
@given(time_s=st.lists(positive, min_size=5, max_size=5))
def test_a_free_fit_of_any_times_has_words_or_is_a_usage_error(time_s):
    with contextlib.suppress(UsageError):
        fit = pb.laws.fit(N, time_s=time_s, bounded=False)

        assert len(fit.words) >= 3


@settings(max_examples=8, deadline=None)
@given(time_s=st.lists(st.floats(0.01, 100), min_size=5, max_size=5))
def test_any_positive_times_have_a_fit_by_published_conventions(time_s):
    fit = pb.laws.fit(N, time_s=time_s, convention="throughput")

    assert fit.alpha.low <= fit.alpha.point <= fit.alpha.high


@settings(max_examples=40, deadline=None)
@given(time_s=st.lists(positive, min_size=5, max_size=5), unit=st.floats(1e-6, 1e6))
def test_the_unit_of_time_does_not_matter(time_s, unit):
    fit = pb.laws.fit(N, time_s=time_s)

    other = pb.laws.fit(N, time_s=np.array(time_s) * unit)

    assert other.alpha.point == pytest.approx(fit.alpha.point, rel=1e-6, abs=1e-9)
    assert other.alpha.high == pytest.approx(fit.alpha.high, rel=1e-4, abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(order=st.permutations(range(5)))
def test_the_order_of_the_rows_does_not_matter(order):
    n, time_s = np.array(N)[order], (TIME_S * WOBBLE)[order]

    fit = pb.laws.fit(n, time_s=time_s)

    assert str(fit.alpha) == str(noisy().alpha)


def test_the_words_are_plain_sentences():
    fit = pb.laws.fit(published.PI_N, time_s=published.PI_STRONG_S)

    assert all(sentence.endswith((".", ")")) for sentence in fit.words)
    assert len(fit.words) <= 8


def test_the_laws_are_loaded_when_they_are_first_used():
    assert "laws" in dir(pb)
    assert pb.laws.fit.__module__.startswith("parbench_lab.analysis.laws")


@pytest.mark.parametrize(
    "refused",
    [
        lambda: pb.laws.fit([1, 2, 4, 8], time_s=[4, 3, 2, 1], machines=["a\nb", "c", "c", "c"]),
        lambda: pb.laws.fit([1, 2, 4, 8], time_s=np.array([["x", "y"]] * 2)),
        lambda: pb.laws.fit([1, 2, 4, 8], time_s=[4, 3, 2, 1], oversubscribed=np.zeros((2, 2))),
        lambda: pb.laws.fit([1, 2, 4, 8], time_s=[4, 3, 2, 1]).project(np.ones((2, 2))),
    ],
    ids=["machines", "times", "oversubscribed", "project"],
)
def test_a_refusal_is_one_line_whatever_was_given(refused):
    with pytest.raises(UsageError) as error:
        refused()

    assert "\n" not in str(error.value)
