"""Small markets and configurations for the tests."""

import numpy as np

from parbench_lab.workloads.portfolio.case import Backtest
from parbench_lab.workloads.portfolio.market import Market, synthetic_market
from parbench_lab.workloads.portfolio.strategies import Configuration, grid
from parbench_lab.workloads.portfolio.windows import Windows


def configuration(number=0, **changes):
    """Return a configuration that is always invested unless the changes say otherwise."""
    usual = {"lookback": 2, "rebalance": 2, "weighting": "equal", "entry": -1e9, "exit": -1e9}
    return Configuration(id=number, **(usual | changes))


def market_of(*assets, timeframe="1h"):
    """Return a market of assets, each given by all of its prices."""
    return Market(prices=np.array(assets, dtype=float).T, timeframe=timeframe)


def backtest(market=None, configurations=40, *, test_windows=5, seed=0, **options):
    """Return a backtest of a market and a grid, or of configurations given."""
    market = market or synthetic_market(rng=np.random.default_rng(seed))
    chosen = grid(configurations) if isinstance(configurations, int) else tuple(configurations)
    windows = Windows(steps=len(market.prices) - 1, test_windows=test_windows)
    return Backtest(market=market, configurations=chosen, windows=windows, **options)
