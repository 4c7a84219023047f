"""What a stretch of a backtest is judged by; no risk-free rate is taken off anywhere.

Means are annualised by ``periods_per_year`` and deviations by its square root, without
compounding: a test window is far shorter than a year, and compounding it to one makes numbers
beyond all sense. A ratio is 0 where nothing was earned (0 / 0, as for who never traded), and
plus or minus infinity where something was earned with none of the risk it is divided by.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from parbench_lab.core.metric import Metric

Floats = NDArray[np.float64]

METRICS = (
    Metric(name="return", unit="1", better="higher", scale="interval"),
    Metric(name="sharpe", unit="1", better="higher", scale="interval"),
    Metric(name="sortino", unit="1", better="higher", scale="interval"),
    Metric(name="max_drawdown", unit="1", better="lower", scale="interval"),
    Metric(name="calmar", unit="1", better="higher", scale="interval"),
    Metric(name="turnover", unit="1/year", better="lower", scale="interval"),
)
"""In the order in which they are scored."""

METRIC_NAMES = tuple(metric.name for metric in METRICS)

NO_RISK = 1e-8
"""Deviations and drawdowns up to this (per period) count as none: they are rounding."""


def total_return(returns: ArrayLike) -> float:
    """Return what one unit of money has gained in the end, e.g. 0.1 for 10 %.

    Parameters
    ----------
    returns
        Net return of each period, above -1.

    Examples
    --------
    >>> round(total_return([0.1, -0.1]), 12)
    -0.01
    """
    return float(np.prod(1.0 + _checked(returns))) - 1.0


def sharpe_ratio(returns: ArrayLike, *, periods_per_year: float) -> float:
    """Return the annualised mean return over the annualised standard deviation (n - 1).

    Parameters
    ----------
    returns
        Net return of each period, at least two.
    periods_per_year
        For annualising, e.g. 8760 for hours.

    References
    ----------
    .. [1] Sharpe (1994), The Sharpe Ratio, Journal of Portfolio Management 21(1).

    Examples
    --------
    >>> round(sharpe_ratio([0.01, 0.03], periods_per_year=1), 12)
    1.414213562373
    """
    values = _checked(returns, at_least=2)
    return math.sqrt(periods_per_year) * ratio(values.mean(), values.std(ddof=1))


def sortino_ratio(returns: ArrayLike, *, periods_per_year: float) -> float:
    """Return the annualised mean return over the annualised downside deviation from 0.

    The downside deviation is the root of the mean, over all periods, of the squared losses.

    Parameters
    ----------
    returns
        Net return of each period.
    periods_per_year
        For annualising.

    References
    ----------
    .. [1] Sortino, Price (1994), Performance Measurement in a Downside Risk Framework, Journal of
       Investing 3(3).

    Examples
    --------
    >>> round(sortino_ratio([0.03, -0.01], periods_per_year=1), 12)
    1.414213562373
    """
    values = _checked(returns)
    losses = np.minimum(values, 0.0)
    downside = math.sqrt(float(np.mean(losses**2)))
    return math.sqrt(periods_per_year) * ratio(values.mean(), downside)


def max_drawdown(returns: ArrayLike) -> float:
    """Return the largest loss from an earlier high, begin included, as a share of it (0 to 1).

    Parameters
    ----------
    returns
        Net return of each period.

    Examples
    --------
    >>> round(max_drawdown([0.25, -0.2, -0.5]), 12)
    0.6
    """
    values = np.concatenate([[1.0], np.cumprod(1.0 + _checked(returns))])
    return float(np.max(1.0 - values / np.maximum.accumulate(values)))


def calmar_ratio(returns: ArrayLike, *, periods_per_year: float) -> float:
    """Return the annualised total return (not compounded) over the largest drawdown.

    Parameters
    ----------
    returns
        Net return of each period.
    periods_per_year
        For annualising.

    References
    ----------
    .. [1] Young (1991), Calmar Ratio: A Smoother Tool, Futures 20(1); there over 36 months.

    Examples
    --------
    >>> round(calmar_ratio([0.25, -0.2, 0.5], periods_per_year=3), 12)
    2.5
    """
    values = _checked(returns)
    yearly = total_return(values) * periods_per_year / len(values)
    return ratio(yearly, max_drawdown(values))


def yearly_turnover(traded: ArrayLike, *, periods_per_year: float) -> float:
    """Return how much is traded in a year, in units of the portfolio's value.

    Purchases and sales both count: changing one asset for another altogether is 2.

    Parameters
    ----------
    traded
        Sum of the changes of weight in each period, at least 0.
    periods_per_year
        For annualising.

    Examples
    --------
    >>> yearly_turnover([1.0, 0.0, 0.0, 2.0], periods_per_year=8)
    6.0
    """
    return float(_checked(traded).mean()) * periods_per_year


def scores(returns: ArrayLike, traded: ArrayLike, *, periods_per_year: float) -> Floats:
    """Return all metrics of one stretch, in the order of `METRICS`.

    Parameters
    ----------
    returns, traded
        Of each of its periods, at least two.
    periods_per_year
        For annualising.

    Raises
    ------
    ValueError
        If a value is not finite or there are too few.
    """
    return np.array(
        [
            total_return(returns),
            sharpe_ratio(returns, periods_per_year=periods_per_year),
            sortino_ratio(returns, periods_per_year=periods_per_year),
            max_drawdown(returns),
            calmar_ratio(returns, periods_per_year=periods_per_year),
            yearly_turnover(traded, periods_per_year=periods_per_year),
        ]
    )


def ratio(earned: float, risk: float) -> float:
    """Return earned over risk, with words of this module's head for a risk of (nearly) none.

    Examples
    --------
    >>> ratio(0.0, 0.0), ratio(-0.1, 0.0), ratio(0.1, 0.2)
    (0.0, -inf, 0.5)
    """
    if risk > NO_RISK:
        return float(earned / risk)
    return 0.0 if earned == 0 else math.copysign(math.inf, earned)


def ratios(earned: Floats, risk: Floats) -> Floats:
    """Return `ratio` of every pair of two arrays.

    Examples
    --------
    >>> ratios(np.array([0.0, -0.1, 0.1]), np.array([0.0, 0.0, 0.2]))
    array([ 0. , -inf,  0.5])
    """
    some = risk > NO_RISK
    limit = np.where(earned == 0, 0.0, np.copysign(np.inf, earned))
    divided: Floats = np.where(some, earned / np.where(some, risk, 1.0), limit)
    return divided


def _checked(values: ArrayLike, *, at_least: int = 1) -> Floats:
    checked = np.asarray(values, dtype=np.float64)
    if checked.ndim != 1 or len(checked) < at_least:
        raise ValueError(
            f"a metric needs a row of {at_least} periods at least but got shape {checked.shape}"
        )
    if not np.isfinite(checked).all():
        place = int(np.argmin(np.isfinite(checked)))
        raise ValueError(f"period {place} is {checked[place]}, which no metric can be made of")
    return checked
