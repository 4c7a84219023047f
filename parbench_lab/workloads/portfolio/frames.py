"""One configuration at a time with pandas, as one would explore it in a notebook."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from parbench_lab.workloads.portfolio.case import Backtest
from parbench_lab.workloads.portfolio.metrics import ratio
from parbench_lab.workloads.portfolio.positions import LEAST_DEVIATION
from parbench_lab.workloads.portfolio.strategies import Configuration

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


def frame_scores(case: Backtest, configuration: Configuration) -> Floats:
    """Return the metrics of every span of one configuration.

    Parameters
    ----------
    case
        Its market, windows and fee.
    configuration
        One that fits.

    Returns
    -------
    Floats
        Of shape ``(spans, 6)``.
    """
    import pandas as pd  # noqa: PLC0415 - heavy; the first call pays

    prices = pd.DataFrame(case.market.prices)
    weights = _weights(prices, configuration)
    returns, traded = _track(prices, weights, configuration, case.fee)
    per_year = case.market.periods_per_year
    spans = case.windows.spans
    return np.array(
        [
            _metrics(returns.iloc[s.start : s.stop], traded.iloc[s.start : s.stop], per_year)
            for s in spans
        ]
    )


def _weights(prices: pd.DataFrame, configuration: Configuration) -> pd.DataFrame:
    """Return the weights after each rebalancing; the index is the place of its price."""
    steps = prices.apply(np.log).diff()
    seen = steps.rolling(configuration.lookback)
    rows = slice(None, len(prices) - 1, configuration.rebalance)
    deviation = seen.std().iloc[rows].clip(lower=LEAST_DEVIATION)
    trend = seen.mean().iloc[rows] / deviation * math.sqrt(configuration.lookback)
    bought, sold = trend > configuration.entry, trend < configuration.exit
    decided = bought.astype(float).where(bought | sold)
    shares = decided.ffill().fillna(0.0)
    if configuration.weighting == "inverse_volatility":
        shares = shares / deviation.fillna(1.0)
    elif configuration.weighting == "trend":
        shares = shares * (trend - configuration.exit).fillna(0.0)
    total = shares.sum(axis=1)
    weights: pd.DataFrame = shares.div(total.where(total > 0, 1.0), axis=0)
    return weights


def _track(
    prices: pd.DataFrame, weights: pd.DataFrame, configuration: Configuration, fee: float
) -> tuple[pd.Series[float], pd.Series[float]]:
    """Return net returns and traded shares, the index being the place of the earlier price."""
    base = prices.loc[weights.index].reindex(prices.index[:-1], method="ffill")
    held = weights.reindex(prices.index[:-1], method="ffill")
    gains = prices.shift(-1).iloc[:-1] / base - 1.0
    after = 1.0 + (held * gains).sum(axis=1)
    at_rebalancing = base.index % configuration.rebalance == 0
    before = after.shift(1).mask(at_rebalancing, 1.0)
    ends = weights * (1.0 + gains.shift(1).loc[weights.index].shift(-1))
    ends = ends.div(after.shift(1).loc[weights.index].shift(-1), axis=0)
    trades = (weights - ends.shift(1).fillna(0.0)).abs().sum(axis=1)
    traded = trades.reindex(base.index).fillna(0.0)
    return after / before * (1.0 - fee * traded) - 1.0, traded


def _metrics(returns: pd.Series[float], traded: pd.Series[float], per_year: float) -> list[float]:
    """Return the metrics of one stretch, in their order."""
    value = (1.0 + returns).cumprod()
    gained = float(value.iloc[-1]) - 1.0
    drawdown = float((1.0 - value / value.cummax().clip(lower=1.0)).max())
    mean, yearly = float(returns.mean()), per_year / len(returns)
    downside = math.sqrt(float(returns.clip(upper=0.0).pow(2).mean()))
    return [
        gained,
        math.sqrt(per_year) * ratio(mean, float(returns.std())),
        math.sqrt(per_year) * ratio(mean, downside),
        max(drawdown, 0.0),
        ratio(gained * yearly, drawdown),
        float(traded.sum()) * yearly,
    ]
