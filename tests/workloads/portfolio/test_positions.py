"""What is held when: worked out by hand, and never from the future."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parbench_lab.workloads.portfolio import candidates
from parbench_lab.workloads.portfolio.market import Market, synthetic_market
from parbench_lab.workloads.portfolio.positions import (
    Signals,
    held,
    positions,
    signals,
    target_weights,
    track,
)
from parbench_lab.workloads.portfolio.strategies import grid
from tests.workloads.portfolio.markets import backtest, configuration, market_of

ALL = (
    candidates.backtest_loop,
    candidates.backtest_numpy,
    candidates.backtest_pandas,
    candidates.backtest_vectorised,
)


def test_one_asset_pays_once_and_follows_the_price():
    market = market_of([1, 2, 4, 8, 6, 3])

    done = track(market, configuration(), fee=0.1)

    # bought at the third price, the first with two steps before it: 8/4 less a tenth, 6/8, 3/6
    assert done.returns == pytest.approx([0, 0, 0.8, -0.25, -0.5])
    assert done.traded.tolist() == [0, 0, 1, 0, 0]


def test_weights_move_with_the_prices_until_the_next_rebalancing():
    market = market_of([1, 1, 1, 2, 2, 2], [1, 1, 1, 1, 1, 1])

    done = track(market, configuration(), fee=0.01)
    weights = positions(market, configuration())

    # half each; the first doubles, so two thirds; one sixth goes from the first to the second
    assert done.returns == pytest.approx([0, 0, 1.5 * 0.99 - 1, 0, -0.01 / 3])
    assert done.traded == pytest.approx([0, 0, 1, 0, 1 / 3])
    assert weights[2:] == pytest.approx(np.array([[1 / 2, 1 / 2], [2 / 3, 1 / 3], [1 / 2, 1 / 2]]))
    assert not weights[:2].any()


def test_trend_and_deviation_are_those_of_the_steps_looked_back_on():
    steps = np.array([0.5, 0.01, 0.03, 0.02, -0.7])
    market = market_of(np.exp(np.concatenate([[0.0], np.cumsum(steps)])))

    found = signals(market.prices, configuration(lookback=3, rebalance=4))

    # at the fifth price: steps 0.01, 0.03, 0.02 with mean 0.02 and deviation 0.01
    assert found.rows.tolist() == [4]
    assert found.deviation == pytest.approx(np.array([[0.01]]))
    assert found.trend == pytest.approx(np.array([[2 * np.sqrt(3)]]))


def test_an_asset_is_bought_above_entry_sold_below_exit_and_else_left_alone():
    trend = np.array([[0.6], [1.1], [0.6], [0.5], [0.4], [0.6], [1.0], [1.1]])

    found = held(trend, configuration(entry=1.0, exit=0.5))

    assert found.ravel().tolist() == [False, True, True, True, False, False, False, True]


@pytest.mark.parametrize(
    ("weighting", "weights"),
    [
        ("equal", [1 / 2, 1 / 2, 0]),
        ("inverse_volatility", [3 / 4, 1 / 4, 0]),
        ("trend", [1 / 3, 2 / 3, 0]),
    ],
)
def test_the_assets_held_share_the_portfolio(weighting, weights):
    found = Signals(
        rows=np.array([4]),
        trend=np.array([[2.0, 3.0, 0.0]]),
        deviation=np.array([[0.1, 0.3, 0.2]]),
    )
    chosen = configuration(weighting=weighting, entry=1.5, exit=1.0)

    assert target_weights(found, chosen) == pytest.approx(np.array([weights]))


def test_without_a_trend_all_is_cash():
    market = market_of([8, 7, 6, 5, 4, 3])

    done = track(market, configuration(entry=0.5, exit=0.5), fee=0.01)

    assert not done.returns.any()
    assert not done.traded.any()


@pytest.mark.parametrize("weighting", ["equal", "inverse_volatility", "trend"])
def test_constant_prices_cost_the_fee_once(weighting):
    market = market_of([5] * 9, [7] * 9)

    done = track(market, configuration(entry=-1.0, exit=-1.0, weighting=weighting), fee=0.02)

    assert done.returns == pytest.approx([0, 0, -0.02, 0, 0, 0, 0, 0], abs=1e-15)


def _with_another_future(market, last_known, seed):
    factors = np.exp(np.random.default_rng(seed).normal(0, 0.1, market.prices.shape))
    factors[: last_known + 1] = 1.0
    return Market(prices=market.prices * factors, timeframe=market.timeframe)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    place=st.integers(0, 99),
    last_known=st.integers(1, 298),
    seed=st.integers(0, 2**32),
)
def test_other_prices_in_the_future_change_no_position_before(place, last_known, seed):
    market = synthetic_market(periods=300, rng=np.random.default_rng(seed))
    other = _with_another_future(market, last_known, seed)
    chosen = grid("quick")[place]

    before, after = positions(market, chosen), positions(other, chosen)

    # the position from the last known price on was decided there, or earlier
    assert np.array_equal(before[: last_known + 1], after[: last_known + 1])


def test_a_position_does_answer_to_the_price_it_is_taken_at():
    market = synthetic_market(periods=300, rng=np.random.default_rng(0))
    chosen = configuration(lookback=8, rebalance=4, weighting="trend", entry=-1.0, exit=-3.0)

    other = _with_another_future(market, 99, 1)

    assert np.array_equal(positions(market, chosen)[:100], positions(other, chosen)[:100])
    assert not np.array_equal(positions(market, chosen)[100], positions(other, chosen)[100])


@pytest.mark.parametrize("implementation", ALL, ids=lambda f: f.__name__)
def test_other_prices_in_the_future_change_no_score_before(implementation):
    case = backtest(configurations=6, seed=3)
    known = case.windows.test(2).stop
    other = backtest(_with_another_future(case.market, known, 4), 6)

    before, after = implementation(case), implementation(other)
    past = [n for n, span in enumerate(case.windows.spans) if span.stop <= known]

    assert len(past) == 7
    assert np.array_equal(before[:, past], after[:, past])
    assert not np.array_equal(before, after)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(place=st.integers(0, 99), seed=st.integers(0, 2**32))
def test_weights_are_shares_and_never_borrowed(place, seed):
    market = synthetic_market(periods=200, rng=np.random.default_rng(seed))

    weights = positions(market, grid("quick")[place])

    assert weights.min() >= 0
    assert weights.sum(axis=1).max() <= 1 + 1e-12
