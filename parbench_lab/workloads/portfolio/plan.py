"""What a user asks for, made into a backtest: the market, its windows, the costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from parbench_lab.core.given import checked_count, is_list, is_number, is_whole
from parbench_lab.errors import UsageError
from parbench_lab.workloads.portfolio.case import DEFAULT_FEE, Backtest
from parbench_lab.workloads.portfolio.market import (
    DEFAULT_ASSETS,
    Market,
    periods_per_day,
    synthetic_market,
)
from parbench_lab.workloads.portfolio.prices import as_market
from parbench_lab.workloads.portfolio.strategies import Configuration, grid, refuse_same_ids
from parbench_lab.workloads.portfolio.windows import Windows

SYNTHETIC_DAYS = 365.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """Everything of a backtest but its configurations.

    Parameters
    ----------
    window_days
        Calendar days of history that training and test windows are cut from: the last ones. None:
        365 days of a synthetic market, or all of the `prices`. Where these have times, a day has
        as many rows as on average over all of them (their number less 1, over the days from the
        first to the last), closed days included; else all the periods of 24 h.
    test_windows
        At least 1; see `windows.Windows`.
    timeframe
        Length of a period: ``"15m"``, ``"1h"``, ``"4h"`` or ``"1d"``.
    prices
        None for a synthetic market; else what `prices.as_market` takes. It is read once, now, and
        kept as a `Market`.
    assets
        Of a synthetic market, at least 1.
    fee
        Cost of trading as a share of the value traded, 0 to 0.1.
    days_per_year
        Days on which there are prices, for annualising: each with as many periods as such a day
        has in the prices (the median) where these have times, else with all of its 24 h. None: 365
        days, each with as many rows as for `window_days`.

    Raises
    ------
    UsageError
        If something is out of range or does not fit together, or the prices cannot be used.
    """

    window_days: float | None = None
    test_windows: int = 5
    timeframe: str = "1h"
    prices: Any = None
    assets: int = DEFAULT_ASSETS
    fee: float = DEFAULT_FEE
    days_per_year: float | None = None

    def __post_init__(self) -> None:
        periods_per_day(self.timeframe)
        days = self.window_days
        if days is not None and not (is_number(days) and math.isfinite(days) and days > 0):
            raise UsageError(f"window_days must be positive but got {days!r}")
        year = self.days_per_year
        if year is not None and not (is_number(year) and 0 < year < math.inf):
            raise UsageError(f"days_per_year must be positive but got {year!r}")
        checked_count(self.assets, "assets")
        if self.prices is not None:
            given = as_market(
                self.prices, timeframe=self.timeframe, days_per_year=self.days_per_year
            )
            if days is not None:
                given = given.last_days(days)
            object.__setattr__(self, "prices", given)
        # a first case of one configuration: what cannot work is refused before anything starts
        self.case(1, rng=np.random.default_rng(0))

    @property
    def periods(self) -> int:
        """How many prices of each asset there are."""
        if self.prices is not None:
            return len(self.prices.prices)
        days = SYNTHETIC_DAYS if self.window_days is None else self.window_days
        return round(days * periods_per_day(self.timeframe))

    def case(
        self,
        configurations: int | str | Sequence[Configuration] = "default",
        *,
        rng: np.random.Generator,
    ) -> Backtest:
        """Return the backtest of some configurations.

        Parameters
        ----------
        configurations
            How many of the grid (1 to 60 000), ``"quick"``, ``"default"``, ``"full"`` or
            ``"large"`` (100, 1000, 10 000, 50 000), or configurations of one's own.
        rng
            Makes the synthetic market; not used where there are prices.

        Raises
        ------
        UsageError
            If there are not so many, two have one id, or a synthetic market is impossible.
        """
        windows = Windows(steps=self.periods - 1, test_windows=self.test_windows)
        return Backtest(
            market=self._market(rng),
            configurations=_chosen(configurations),
            windows=windows,
            fee=self.fee,
        )

    def _market(self, rng: np.random.Generator) -> Market:
        if self.prices is not None:
            given: Market = self.prices
            return given
        made = synthetic_market(
            periods=self.periods, assets=self.assets, timeframe=self.timeframe, rng=rng
        )
        return Market(
            prices=made.prices, timeframe=self.timeframe, days_per_year=self.days_per_year
        )


def _chosen(configurations: int | str | Sequence[Configuration]) -> tuple[Configuration, ...]:
    if isinstance(configurations, str) or is_whole(configurations):
        return grid(configurations)
    if not is_list(configurations):
        raise UsageError(
            "configurations must be a number of them, the name of a size or Configuration values "
            f"but got {configurations!r}"
        )
    chosen = tuple(configurations)
    for thing in chosen:
        if not isinstance(thing, Configuration):
            raise UsageError(
                f"configurations must be Configuration values but one is {type(thing).__name__}"
            )
    refuse_same_ids(chosen)
    return chosen
