"""Prices of markets that close: how many rows are a day, a window, a year."""

import numpy as np
import pandas as pd
import pytest

from parbench_lab.errors import UsageError
from parbench_lab.workloads.portfolio.market import Market
from parbench_lab.workloads.portfolio.plan import Plan
from parbench_lab.workloads.portfolio.prices import as_market

WEEKDAYS = pd.bdate_range("2024-01-01", "2025-12-31")


def shares(times):
    steps = np.random.default_rng(0).normal(0, 0.01, (len(times), 2))
    return pd.DataFrame(np.exp(steps.cumsum(axis=0)), index=times, columns=["one", "two"])


def hours(days, first="14:30"):
    """Seven rows on each of the days, an hour apart, as a stock exchange has them."""
    session = pd.timedelta_range(f"{first}:00", periods=7, freq="h")
    return pd.DatetimeIndex([day + hour for day in days for hour in session])


@pytest.mark.parametrize(
    ("times", "timeframe", "rows_per_day"),
    [
        pytest.param(WEEKDAYS, "1d", 5 / 7, id="daily"),
        pytest.param(hours(WEEKDAYS), "1h", 7 * 5 / 7, id="hourly"),
        pytest.param(hours(WEEKDAYS, "21:00"), "1h", 7 * 5 / 7, id="hourly past midnight"),
    ],
)
def test_a_year_of_shares_has_as_many_rows_as_their_times_say(times, timeframe, rows_per_day):
    plan = Plan(prices=shares(times), timeframe=timeframe, window_days=365)
    traded = Plan(prices=shares(times), timeframe=timeframe, days_per_year=252)

    assert plan.periods == pytest.approx(365 * rows_per_day, rel=0.005)
    assert plan.prices.periods_per_year == pytest.approx(365 * rows_per_day, rel=0.005)
    assert traded.prices.periods_per_year == pytest.approx(252 * rows_per_day * 7 / 5)


def test_a_year_that_begins_and_ends_on_a_closed_day_is_a_year():
    year = pd.bdate_range("2022-01-01", "2022-12-31")  # from a Saturday to a Saturday
    prices = shares(year)

    assert Plan(prices=prices, timeframe="1d", window_days=365).periods == len(year) == 260
    with pytest.raises(UsageError, match="periods of 1d are wanted but the prices have 260"):
        Plan(prices=prices, timeframe="1d", window_days=368)


@pytest.mark.parametrize(("timeframe", "freq"), [("15m", "15min"), ("1h", "h"), ("1d", "D")])
def test_prices_whose_times_have_no_gap_are_those_without_times(timeframe, freq):
    table = shares(pd.date_range("2025-01-01 05:00", periods=997, freq=freq))
    options = {"timeframe": timeframe, "window_days": 10.37 if timeframe != "1d" else 365}

    for days_per_year in (None, 252):
        timed, bare = (
            Plan(prices=given, days_per_year=days_per_year, **options).prices
            for given in (table, table.to_numpy())
        )
        assert timed.prices.tolist() == bare.prices.tolist()
        assert timed.periods_per_year == bare.periods_per_year


def test_one_row_says_nothing_of_a_year():
    market = as_market(shares(WEEKDAYS[:1]), timeframe="1d")

    assert market.opening is None
    assert market.periods_per_year == 365


def test_without_times_a_day_has_all_its_hours():
    market = Market(prices=np.ones((100, 1)))

    assert len(market.last_days(2).prices) == 48
    assert market.periods_per_year == 8760


def test_a_week_of_sessions_has_the_rows_of_one():
    week = hours(pd.bdate_range("2025-03-03", "2025-03-07"))

    assert as_market(shares(week), days_per_year=252).periods_per_year == 252 * 7


def test_a_long_hole_does_not_stand_for_the_days_before_and_after():
    halves = [pd.date_range(day, periods=2400, freq="h") for day in ("2024-01-01", "2024-07-19")]
    prices = shares(halves[0].append(halves[1]))

    assert Plan(prices=prices, window_days=300).periods == 4800
    with pytest.raises(UsageError, match="periods of 1h are wanted but the prices have 4800"):
        Plan(prices=prices, window_days=450)
