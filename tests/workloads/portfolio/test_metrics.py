"""Every metric against numbers worked out by hand, and at its edges."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parbench_lab.workloads.portfolio import metrics
from parbench_lab.workloads.portfolio.metrics import (
    METRIC_NAMES,
    METRICS,
    calmar_ratio,
    max_drawdown,
    ratio,
    ratios,
    scores,
    sharpe_ratio,
    sortino_ratio,
    total_return,
    yearly_turnover,
)

EXACT = {"rel": 1e-12}


def test_a_gain_and_a_loss_of_a_tenth_lose_a_hundredth():
    assert total_return([0.1, -0.1]) == pytest.approx(-0.01, **EXACT)


def test_sharpe_is_the_mean_over_the_deviation_times_the_root_of_the_year():
    # mean 0.02; deviations -0.02, 0, 0.02: variance 0.0008 / 2, deviation 0.02; root of 16 is 4
    assert sharpe_ratio([0.0, 0.02, 0.04], periods_per_year=16) == pytest.approx(4.0, **EXACT)


def test_sortino_counts_losses_only_over_all_periods():
    # mean 0.01; squares of losses 0.0016 over 4: downside 0.02; root of 9 is 3
    values = [0.02, 0.04, 0.02, -0.04]

    assert sortino_ratio(values, periods_per_year=9) == pytest.approx(1.5, **EXACT)


def test_the_drawdown_is_from_the_highest_value_before():
    # 1, 1.2, 0.9, 1.5, 0.6, 1.8: from 1.5 to 0.6
    values = np.array([1, 1.2, 0.9, 1.5, 0.6, 1.8])

    assert max_drawdown(values[1:] / values[:-1] - 1) == pytest.approx(0.6, **EXACT)


def test_a_loss_in_the_first_period_is_a_drawdown_from_the_begin():
    assert max_drawdown([-0.3, 0.1]) == pytest.approx(0.3, **EXACT)


def test_calmar_is_the_yearly_return_over_the_drawdown():
    # 1, 1.25, 1, 1.5: 50 % in 3 of 12 periods are 200 % a year; drawdown 20 %
    assert calmar_ratio([0.25, -0.2, 0.5], periods_per_year=12) == pytest.approx(10.0, **EXACT)


def test_turnover_is_what_is_traded_in_a_year():
    # 3 in 4 hours
    assert yearly_turnover([1, 0, 2, 0], periods_per_year=8760) == pytest.approx(6570.0, **EXACT)


def test_a_year_of_four_times_the_periods_doubles_the_sharpe_ratio():
    values = np.random.default_rng(0).normal(0.001, 0.01, 50)

    slow, fast = (sharpe_ratio(values, periods_per_year=n) for n in (365, 4 * 365))

    assert fast == pytest.approx(2 * slow, **EXACT)


def test_who_never_traded_has_zero_in_everything():
    found = scores(np.zeros(10), np.zeros(10), periods_per_year=365)

    assert found.tolist() == [0.0] * 6


def test_nothing_but_losses():
    values = np.full(4, -0.1)
    values[0] = -0.2

    found = dict(zip(METRIC_NAMES, scores(values, np.zeros(4), periods_per_year=4), strict=True))

    end = 0.8 * 0.9**3
    assert found["return"] == pytest.approx(end - 1, **EXACT)
    assert found["max_drawdown"] == pytest.approx(1 - end, **EXACT)
    assert found["calmar"] == pytest.approx(-1.0, **EXACT)
    assert found["sharpe"] == pytest.approx(2 * -0.125 / 0.05, **EXACT)
    assert found["sortino"] == pytest.approx(2 * -0.125 / math.sqrt(0.07 / 4), **EXACT)


def test_nothing_but_gains_have_no_downside():
    found = dict(
        zip(METRIC_NAMES, scores([0.1, 0.2], np.zeros(2), periods_per_year=4), strict=True)
    )

    assert found["sortino"] == found["calmar"] == math.inf
    assert found["max_drawdown"] == 0.0
    assert math.isfinite(found["sharpe"])


@pytest.mark.parametrize(("sign", "limit"), [(1, math.inf), (-1, -math.inf)])
def test_a_steady_return_has_no_risk_in_spite_of_rounding(sign, limit):
    assert sharpe_ratio(np.full(7, sign * 0.1), periods_per_year=365) == limit


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    "metric",
    [
        total_return,
        max_drawdown,
        lambda values: sharpe_ratio(values, periods_per_year=1),
        lambda values: sortino_ratio(values, periods_per_year=1),
        lambda values: calmar_ratio(values, periods_per_year=1),
        lambda values: yearly_turnover(values, periods_per_year=1),
    ],
)
def test_a_period_that_is_no_number_is_refused(metric, bad):
    with pytest.raises(ValueError, match="period 1 is"):
        metric([0.1, bad, 0.1])


@pytest.mark.parametrize("values", [[], [[0.1, 0.2]], 0.1])
def test_what_is_no_row_of_periods_is_refused(values):
    with pytest.raises(ValueError, match="a row of 1 periods at least"):
        total_return(values)


def test_a_deviation_needs_two_periods():
    with pytest.raises(ValueError, match="2 periods at least"):
        sharpe_ratio([0.1], periods_per_year=1)


@given(
    st.lists(st.floats(-1, 1), min_size=1, max_size=5),
    st.sampled_from([0.0, 1e-9, 1e-8, 1e-7, 0.5]),
)
def test_many_ratios_are_each_one_ratio(earned, risk):
    many = ratios(np.array(earned), np.full(len(earned), risk))

    assert many.tolist() == [ratio(one, risk) for one in earned]


@given(st.lists(st.floats(-0.5, 0.5), min_size=2, max_size=30))
def test_a_drawdown_is_a_share_and_not_smaller_than_the_final_loss(values):
    drawdown = max_drawdown(values)

    assert 0 <= drawdown < 1
    assert drawdown >= -total_return(values) - 1e-12


def test_every_metric_knows_its_direction():
    lower = {metric.name for metric in METRICS if metric.better == "lower"}

    assert lower == {"max_drawdown", "turnover"}
    assert len(metrics.METRIC_NAMES) == 6
