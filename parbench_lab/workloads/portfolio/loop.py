"""The plain Python loop: one configuration, one period, one asset at a time."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from parbench_lab.workloads.portfolio.case import Backtest
from parbench_lab.workloads.portfolio.metrics import ratio
from parbench_lab.workloads.portfolio.positions import LEAST_DEVIATION
from parbench_lab.workloads.portfolio.strategies import Configuration

Rows = list[list[float]]


def loop_scores(case: Backtest, configuration: Configuration) -> Rows:
    """Return the metrics of every span of one configuration, as lists.

    Parameters
    ----------
    case
        Its market, windows and fee.
    configuration
        One that fits.
    """
    prices: Rows = case.market.prices.tolist()
    returns, traded = _track(prices, configuration, case.fee)
    per_year = case.market.periods_per_year
    return [
        _metrics(returns[span.start : span.stop], traded[span.start : span.stop], per_year)
        for span in case.windows.spans
    ]


def _track(
    prices: Rows, configuration: Configuration, fee: float
) -> tuple[list[float], list[float]]:
    """Return net returns and traded shares of every step."""
    n_assets = len(prices[0])
    steps = [
        [math.log(later[a] / earlier[a]) for a in range(n_assets)]
        for earlier, later in itertools.pairwise(prices)
    ]
    returns, traded = [], []
    weights, base, holding = [0.0] * n_assets, prices[0], [False] * n_assets
    value = 1.0
    for step in range(len(steps)):
        trade = 0.0
        if step % configuration.rebalance == 0 and step >= configuration.lookback:
            seen = steps[step - configuration.lookback : step]
            drifted = [
                w * p / b / value for w, p, b in zip(weights, prices[step], base, strict=True)
            ]
            weights = _weights(seen, holding, configuration)
            trade = sum(abs(new - old) for new, old in zip(weights, drifted, strict=True))
            base, value = prices[step], 1.0
        after = 1.0
        for a in range(n_assets):
            after += weights[a] * (prices[step + 1][a] / base[a] - 1.0)
        returns.append(after / value * (1.0 - fee * trade) - 1.0)
        traded.append(trade)
        value = after
    return returns, traded


def _weights(seen: Rows, holding: list[bool], configuration: Configuration) -> list[float]:
    """Return the weights after looking at a lookback of steps; `holding` is brought up to date."""
    shares = []
    for a in range(len(holding)):
        trend, deviation = _trend([step[a] for step in seen])
        holding[a] = trend > configuration.entry or (holding[a] and trend >= configuration.exit)
        share = 1.0
        if configuration.weighting == "inverse_volatility":
            share = 1.0 / deviation
        elif configuration.weighting == "trend":
            share = trend - configuration.exit
        shares.append(share if holding[a] else 0.0)
    total = sum(shares)
    return [share / total if total > 0 else 0.0 for share in shares]


def _trend(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean over its standard error, and the deviation."""
    mean = sum(values) / len(values)
    squares = 0.0
    for value in values:
        squares += (value - mean) ** 2
    deviation = max(math.sqrt(squares / (len(values) - 1)), LEAST_DEVIATION)
    return mean / deviation * math.sqrt(len(values)), deviation


def _metrics(returns: list[float], traded: list[float], per_year: float) -> list[float]:
    """Return the metrics of one stretch, in their order."""
    count = len(returns)
    mean = sum(returns) / count
    squares = losses = 0.0
    value = high = 1.0
    drawdown = 0.0
    for gained in returns:
        squares += (gained - mean) ** 2
        losses += min(gained, 0.0) ** 2
        value *= 1.0 + gained
        high = max(high, value)
        drawdown = max(drawdown, 1.0 - value / high)
    return [
        value - 1.0,
        math.sqrt(per_year) * ratio(mean, math.sqrt(squares / (count - 1))),
        math.sqrt(per_year) * ratio(mean, math.sqrt(losses / count)),
        drawdown,
        ratio((value - 1.0) * per_year / count, drawdown),
        sum(traded) * per_year / count,
    ]
