"""Projections: bands that widen, trust that ends, a score that hides the last level."""

import math

import numpy as np
import pytest

import parbench_lab as pb
from parbench_lab.errors import UsageError
from tests.analysis.laws import published

N = [1, 2, 4, 8, 16]
WOBBLE = np.array([1.01, 0.99, 1.02, 0.985, 1.0])


def curve(alpha, beta, wobble=WOBBLE):
    return pb.laws.usl_time(N, alpha=alpha, beta=beta, t1_s=10.0) * wobble


def relative_width(estimate):
    return (estimate.high - estimate.low) / estimate.point


@pytest.mark.parametrize("law", ["usl", "amdahl"])
@pytest.mark.parametrize("beta", [0.0, 0.003])
def test_the_band_widens_beyond_the_measured_range(law, beta):
    fit = pb.laws.fit(N, time_s=curve(0.05, beta), law=law)

    widths = [relative_width(level.time_s) for level in fit.project([16, 32, 64, 128])]

    assert widths == sorted(widths)
    assert widths[-1] > widths[0]


def test_levels_beyond_twice_the_measured_range_are_flagged():
    fit = pb.laws.fit(N, time_s=curve(0.05, 0.003))

    levels = fit.project([1, 16, 17, 32, 33])

    assert [level.extrapolated for level in levels] == [False, False, True, True, True]
    assert [level.trusted for level in levels] == [True, True, True, True, False]


def test_the_quantities_of_a_level_belong_together():
    fit = pb.laws.fit(N, time_s=curve(0.05, 0.003))

    level = fit.project([24])[0]

    assert level.throughput.low == pytest.approx(1 / level.time_s.high)
    assert level.speedup.point == pytest.approx(24 * level.efficiency.point)
    assert level.speedup.point == pytest.approx(level.throughput.point / fit.gamma.point)


def test_one_worker_has_a_speedup_of_exactly_one():
    level = pb.laws.fit(N, time_s=curve(0.05, 0.003)).project([1])[0]

    assert (level.speedup.low, level.speedup.point, level.speedup.high) == (1.0, 1.0, 1.0)


def test_no_bounded_curve_promises_more_than_linear_growth():
    fit = pb.laws.fit(N, time_s=[16.0, 7.0, 3.0, 1.2, 0.5])

    levels = fit.project([2, 16, 64])

    assert all(level.speedup.high <= level.workers for level in levels)
    assert all(level.efficiency.high <= 1.0 for level in levels)


def test_a_free_fit_with_negative_times_is_no_projection():
    bending = pb.laws.fit(N, time_s=[10.0, 5.2, 2.7, 1.25, 0.3], bounded=False)

    with pytest.raises(UsageError, match="no positive time at 64 workers: fit with bounded=True"):
        bending.project([16, 64])


def test_a_band_can_be_drawn_in_each_quantity():
    fit = pb.laws.fit(N, time_s=curve(0.05, 0.003))
    n = np.geomspace(1, 64, 50)

    for shown in ("time_s", "throughput", "speedup", "efficiency"):
        band = fit.band(n, shown=shown)

        assert (band.low <= band.point).all()
        assert (band.point <= band.high).all()
        assert band.point == pytest.approx(fit.predict(n, shown=shown))


def test_the_score_hides_the_last_level_and_names_the_naive_error():
    time_s = [10.0, 5.2, 2.8, 1.6, 1.0]

    score = pb.laws.fit(N, time_s=time_s).score()

    others = pb.laws.fit(N[:4], time_s=time_s[:4])
    assert (score.workers, score.measured, score.naive) == (16.0, 1.0, 1.6)
    assert score.predicted.point == pytest.approx(float(others.predict([16])[0]))
    assert score.error == pytest.approx(abs(score.predicted.point - 1.0))
    assert score.naive_error == pytest.approx(0.6)


def test_a_law_that_is_no_better_than_the_naive_guess_says_so():
    plateau = pb.laws.fit(N, time_s=[10.0, 5.1, 2.6, 1.4, 1.35])

    score = plateau.score()

    assert not score.beats_naive
    assert any('no better than the 4 % of the guess "same as before"' in w for w in plateau.words)


def test_a_projection_comes_with_its_score():
    fit = pb.laws.fit(N, time_s=curve(0.05, 0.003))

    assert fit.project([32]).hold_out == fit.score()


def test_four_levels_are_too_few_to_hide_one():
    fit = pb.laws.fit(N[:4], time_s=curve(0.05, 0.003)[:4])

    assert fit.project([16]).hold_out is None
    with pytest.raises(UsageError, match="needs 4 others but there are 4 in all"):
        fit.score()


@pytest.mark.parametrize("workers", [0, -2, math.nan, math.inf, [[1, 2]], "x", ["a"]])
def test_worker_counts_that_cannot_be_are_refused(workers):
    fit = pb.laws.fit(N, time_s=curve(0.05, 0.003))

    with pytest.raises(UsageError, match="workers must be positive"):
        fit.project(workers)


def test_useful_workers_end_where_the_efficiency_passes_one_half():
    fit = pb.laws.fit(N, time_s=curve(0.05, 0.003))

    useful = fit.useful_workers()

    assert float(fit.predict(useful.point, shown="efficiency")[0]) == pytest.approx(0.5, abs=1e-3)
    assert useful.low < useful.point < useful.high


def test_useful_workers_never_end_under_perfect_scaling():
    fit = pb.laws.fit(N, time_s=10.0 / np.array(N))

    assert fit.useful_workers().point == math.inf


def test_fewer_workers_are_useful_at_a_higher_efficiency():
    fit = pb.laws.fit(N, time_s=curve(0.05, 0.003))

    assert fit.useful_workers(0.8).point < fit.useful_workers(0.5).point
    with pytest.raises(UsageError, match="within \\(0, 1\\] but got 50"):
        fit.useful_workers(50)


def test_the_next_level_is_twice_the_last_while_the_curve_goes_on():
    fit = pb.laws.fit(N, time_s=curve(0.05, 0.0))

    assert fit.next_level().workers == 32
    assert "32 workers" in fit.next_level().reason


def test_the_next_level_stays_within_the_machine():
    fit = pb.laws.fit(N, time_s=curve(0.05, 0.0))

    within = fit.next_level(max_workers=16)

    assert within.workers in {3, 6, 11}


def test_the_next_level_is_the_peak_once_it_was_passed():
    n = [1, 2, 4, 16, 32, 64]
    time_s = pb.laws.usl_time(n, alpha=0.05, beta=0.01, t1_s=10.0)

    assert pb.laws.fit(n, time_s=time_s).next_level().workers == 10


def test_one_worker_is_the_next_level_where_it_is_missing():
    fit = pb.laws.fit([2, 4, 8, 16], time_s=curve(0.05, 0.0)[1:])

    assert fit.next_level().workers == 1


def test_a_shown_peak_is_named_with_its_interval():
    fit = pb.laws.fit(published.CISCO_N, throughput=published.CISCO_X)

    assert fit.peak_workers.low < fit.peak_workers.point < fit.peak_workers.high
    assert fit.bound_by == "overhead"
    assert any("the throughput peaks at" in sentence for sentence in fit.words)
