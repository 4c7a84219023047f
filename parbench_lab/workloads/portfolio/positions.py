"""From prices to weights and returns, one configuration at a time: the readable definition.

What is decided at a price uses that price and earlier ones, and earns from the next price on.
Between two rebalancings the pieces held stay the same, so their weights move with the prices.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parbench_lab.workloads.portfolio.market import Market
from parbench_lab.workloads.portfolio.strategies import Configuration

Floats = NDArray[np.float64]

LEAST_DEVIATION = 1e-8
"""Of logarithmic returns per period: what lies below is rounding, and would make trends of it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Track:
    """What a configuration did, step by step.

    Parameters
    ----------
    returns
        Shape ``(periods - 1,)``: net return from one price to the next, costs taken off.
    traded
        Shape ``(periods - 1,)``: sum of the changes of weight at the step's begin, 0 to 2.
    """

    returns: Floats
    traded: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Signals:
    """What is seen at the rebalancings at which a full lookback is there; rows are these.

    Parameters
    ----------
    rows
        Place of each in the prices.
    trend
        Shape ``(rows, assets)``: mean logarithmic return over its standard error.
    deviation
        Shape ``(rows, assets)``: of the logarithmic returns (n - 1), at least `LEAST_DEVIATION`.
    """

    rows: NDArray[np.int64]
    trend: Floats
    deviation: Floats


def signals(prices: Floats, configuration: Configuration) -> Signals:
    """Return trends and deviations at each rebalancing.

    Parameters
    ----------
    prices
        Shape ``(periods, assets)``.
    configuration
        Its lookback and rebalancing period are used.
    """
    lookback = configuration.lookback
    rows = np.arange(0, len(prices) - 1, configuration.rebalance)
    rows = rows[rows >= lookback]
    if not rows.size:
        return Signals(rows=rows, trend=_nothing(prices), deviation=_nothing(prices))
    steps = np.diff(np.log(prices), axis=0)
    seen = np.lib.stride_tricks.sliding_window_view(steps, lookback, axis=0)[rows - lookback]
    deviation = np.maximum(seen.std(axis=-1, ddof=1), LEAST_DEVIATION)
    trend = seen.mean(axis=-1) / deviation * np.sqrt(lookback)
    return Signals(rows=rows, trend=trend, deviation=deviation)


def held(trend: Floats, configuration: Configuration) -> NDArray[np.bool_]:
    """Return which assets are held after each rebalancing, shape of `trend`."""
    now = np.zeros(trend.shape[1], dtype=bool)
    rows = np.empty(trend.shape, dtype=bool)
    for number, row in enumerate(trend):
        now = (row > configuration.entry) | (now & (row >= configuration.exit))
        rows[number] = now
    return rows


def target_weights(found: Signals, configuration: Configuration) -> Floats:
    """Return the weights after each rebalancing, shape ``(rows, assets)``; the rest is cash."""
    shares = {
        "equal": np.ones_like(found.trend),
        "inverse_volatility": 1.0 / found.deviation,
        "trend": found.trend - configuration.exit,
    }[configuration.weighting]
    shares = np.where(held(found.trend, configuration), shares, 0.0)
    total = shares.sum(axis=1, keepdims=True)
    weights: Floats = shares / np.where(total > 0, total, 1.0)
    return weights


def track(market: Market, configuration: Configuration, *, fee: float) -> Track:
    """Return what a configuration did on a market.

    Parameters
    ----------
    market
        Its prices.
    configuration
        What to do.
    fee
        Cost of trading, as a share of the value traded (0.001 is 10 basis points).
    """
    prices = market.prices
    found = signals(prices, configuration)
    targets = target_weights(found, configuration)
    returns = np.zeros(len(prices) - 1)
    traded = np.zeros(len(prices) - 1)
    drifted = np.zeros(prices.shape[1])
    for row, weights in zip(found.rows, targets, strict=True):
        stop = min(row + configuration.rebalance, len(prices) - 1)
        gains = prices[row : stop + 1] / prices[row] - 1.0
        values = 1.0 + (gains * weights).sum(axis=1)
        traded[row] = np.abs(weights - drifted).sum()
        returns[row:stop] = values[1:] / values[:-1]
        returns[row] *= 1.0 - fee * traded[row]
        returns[row:stop] -= 1.0
        drifted = weights * (1.0 + gains[-1]) / values[-1]
    return Track(returns=returns, traded=traded)


def positions(market: Market, configuration: Configuration) -> Floats:
    """Return the weights held from each price on, after trading there; the rest is cash.

    Returns
    -------
    Floats
        Shape ``(periods - 1, assets)``, each from 0 to 1.
    """
    prices = market.prices
    found = signals(prices, configuration)
    weights = np.zeros((len(prices) - 1, prices.shape[1]))
    for row, target in zip(found.rows, target_weights(found, configuration), strict=True):
        stop = min(row + configuration.rebalance, len(prices) - 1)
        values = target * prices[row:stop] / prices[row]
        weights[row:stop] = values / (1.0 - target.sum() + values.sum(axis=1, keepdims=True))
    return weights


def _nothing(prices: Floats) -> Floats:
    return np.empty((0, prices.shape[1]))
