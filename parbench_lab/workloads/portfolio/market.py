"""Prices of several assets, and a synthetic market with regimes and jumps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from parbench_lab.errors import UnknownNameError, UsageError
from parbench_lab.workloads.agreement import read_only
from parbench_lab.workloads.portfolio.opening import Opening

Floats = NDArray[np.float64]

PERIODS_PER_DAY = MappingProxyType({"15m": 96, "1h": 24, "4h": 6, "1d": 1})
"""Timeframes: the name of a period's length, and how many make a day."""

DAYS_PER_YEAR = 365.0
"""Of the calendar."""

DEFAULT_PERIODS = 1000
DEFAULT_ASSETS = 4

_DAILY_DRIFT = np.array([0.002, 0.0, -0.004])
_DAILY_VOLATILITY = np.array([0.02, 0.03, 0.06])
_MEAN_DAYS_IN_REGIME = np.array([12.0, 8.0, 3.0])
_JUMPS_PER_DAY = 0.05
_JUMP_DEVIATION = 0.04
_SHARED_VARIANCE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Market:
    """Prices at equal distances in time, or with gaps where the market is closed.

    Parameters
    ----------
    prices
        Shape ``(periods, assets)``, positive and finite, oldest first; one currency.
    timeframe
        Length of a period, one of `PERIODS_PER_DAY`.
    names
        Of the assets, one each.
    days_per_year
        Days on which there are prices: 365 where the market never closes, about 252 for shares.
        None: what `opening` says, and without it 365.
    opening
        How often there are prices, as their times tell; None where they have no times, and none
        is missing.

    Raises
    ------
    UsageError
        If a price is missing or not positive, the timeframe is unknown, or sizes do not match.
    """

    prices: Floats
    timeframe: str = "1h"
    names: tuple[str, ...] = ()
    days_per_year: float | None = None
    opening: Opening | None = None

    def __post_init__(self) -> None:
        periods_per_day(self.timeframe)
        if self.prices.ndim != 2 or not self.prices.size:
            raise UsageError(
                "prices must have the shape (periods, assets) with at least one of each "
                f"but have shape {self.prices.shape}"
            )
        if self.days_per_year is not None and not 0 < self.days_per_year < math.inf:
            raise UsageError(f"days_per_year must be positive but got {self.days_per_year}")
        if not self.names:
            names = tuple(f"asset {n + 1}" for n in range(self.prices.shape[1]))
            object.__setattr__(self, "names", names)
        if len(self.names) != self.prices.shape[1]:
            raise UsageError(f"{self.prices.shape[1]} assets but {len(self.names)} names")
        _refuse_bad_prices(self.prices, self.names)

    @property
    def periods_per_year(self) -> float:
        """How many periods a year has: what means are annualised with.

        As many as a day with prices has, `days_per_year` times. A day has all the periods of its
        24 h where the prices have no times, else `Opening.rows_of_open_day`. Where the prices have
        times and no days are given, it is 365 times `Opening.rows_per_day`.
        """
        days = self.days_per_year
        if self.opening is None:
            return PERIODS_PER_DAY[self.timeframe] * (DAYS_PER_YEAR if days is None else days)
        if days is None:
            return self.opening.rows_per_day * DAYS_PER_YEAR
        return self.opening.rows_of_open_day * days

    def last_days(self, days: float) -> Market:
        """Return the market's last calendar days.

        They have all the periods of their 24 h where the prices have no times, else as many rows
        as so many days have on average; see `Opening.rows_of`.

        Parameters
        ----------
        days
            Positive.

        Raises
        ------
        UsageError
            If it has fewer.
        """
        if self.opening is None:
            return self.last(round(days * PERIODS_PER_DAY[self.timeframe]))
        return self.last(self.opening.rows_of(days, there=len(self.prices)))

    def last(self, periods: int) -> Market:
        """Return the market's last `periods` periods.

        Raises
        ------
        UsageError
            If it has fewer.
        """
        if not 1 <= periods <= len(self.prices):
            raise UsageError(
                f"{periods} periods of {self.timeframe} are wanted but the prices have "
                f"{len(self.prices)}: ask for fewer days, or give more prices"
            )
        return replace(self, prices=read_only(self.prices[len(self.prices) - periods :]))


def periods_per_day(timeframe: str) -> int:
    """Return how many periods of a timeframe make a day.

    Raises
    ------
    UnknownNameError
        If the timeframe is none of `PERIODS_PER_DAY`.

    Examples
    --------
    >>> periods_per_day("1h")
    24
    """
    if timeframe not in PERIODS_PER_DAY:
        known = ", ".join(PERIODS_PER_DAY)
        raise UnknownNameError(f"timeframe {timeframe!r}: not found; known names are {known}")
    return PERIODS_PER_DAY[timeframe]


def synthetic_market(
    *,
    periods: int = DEFAULT_PERIODS,
    assets: int = DEFAULT_ASSETS,
    timeframe: str = "1h",
    rng: np.random.Generator,
) -> Market:
    """Return random prices that begin at 100: a market to compare programs on, not to trade on.

    A day's logarithmic return has the drift and the deviation of its regime (calm 0.2 % and 2 %,
    restless 0 and 3 %, falling -0.4 % and 6 %), which lasts 12, 8 and 3 days on average and is
    the same for all assets; half of the variance is common to them. Each asset jumps about once
    in 20 days, by a normal step of deviation 4 %. Shorter periods scale by the square root of
    time.

    Parameters
    ----------
    periods
        At least 2.
    assets
        At least 1.
    timeframe
        One of `PERIODS_PER_DAY`.
    rng
        The same state gives the same prices.

    Raises
    ------
    UsageError
        If a size is too small or the timeframe is unknown.

    Examples
    --------
    >>> market = synthetic_market(rng=np.random.default_rng(0))
    >>> market.prices.shape, market.periods_per_year
    ((1000, 4), 8760.0)
    """
    day = periods_per_day(timeframe)
    if not (periods >= 2 and assets >= 1):
        raise UsageError(
            f"a market needs 2 periods and 1 asset at least but got {periods} and {assets}"
        )
    n_steps = periods - 1
    regime = _regimes(n_steps, day, rng)
    shared = rng.standard_normal((n_steps, 1))
    own = rng.standard_normal((n_steps, assets))
    noise = math.sqrt(_SHARED_VARIANCE) * shared + math.sqrt(1 - _SHARED_VARIANCE) * own
    jumps = (rng.random((n_steps, assets)) < _JUMPS_PER_DAY / day) * rng.normal(
        0.0, _JUMP_DEVIATION, (n_steps, assets)
    )
    deviation = _DAILY_VOLATILITY[regime][:, np.newaxis] / math.sqrt(day)
    steps = _DAILY_DRIFT[regime][:, np.newaxis] / day + deviation * noise + jumps
    logs = np.vstack([np.zeros((1, assets)), np.cumsum(steps, axis=0)])
    return Market(prices=read_only(100.0 * np.exp(logs)), timeframe=timeframe)


def _regimes(n_steps: int, day: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the regime of every step: a Markov chain that leaves each at its own rate."""
    leave = 1.0 / (_MEAN_DAYS_IN_REGIME * day)
    chance, other = rng.random(n_steps), rng.integers(1, len(leave), n_steps)
    regime = np.empty(n_steps, dtype=np.int64)
    current = 0
    for step in range(n_steps):
        if chance[step] < leave[current]:
            current = (current + int(other[step])) % len(leave)
        regime[step] = current
    return regime


def _refuse_bad_prices(prices: Floats, names: Sequence[str]) -> None:
    good = np.isfinite(prices) & (prices > 0)
    if not good.all():
        period, asset = divmod(int(np.argmin(good)), len(names))
        raise UsageError(
            f"prices must be positive numbers but {names[asset]!r} has "
            f"{float(prices[period, asset])!r} in period {period}: fill or drop such rows first"
        )
