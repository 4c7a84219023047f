"""One backtest to do, and what its result looks like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parbench_lab.core.given import is_number
from parbench_lab.errors import UsageError
from parbench_lab.workloads.portfolio.market import Market
from parbench_lab.workloads.portfolio.metrics import METRICS
from parbench_lab.workloads.portfolio.strategies import Configuration
from parbench_lab.workloads.portfolio.windows import Windows

Floats = NDArray[np.float64]

DEFAULT_FEE = 0.001


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Backtest:
    """Configurations to score on a market.

    The result is an array of shape ``(configurations, spans, 6)``: for every configuration and
    every span of the walk-forward split (the training windows, the test windows, all tests
    together) the metrics in the order of `metrics.METRICS`. A configuration that does not fit,
    see `misfit`, has NaN there.

    Parameters
    ----------
    market
        Prices.
    configurations
        In any order.
    windows
        The walk-forward split of the market's steps.
    fee
        Cost of trading as a share of the value traded, 0 to 0.1.
    chosen
        For the check of a race: places of the configurations that are computed again.

    Raises
    ------
    UsageError
        If the fee is out of range, or windows and market do not match.
    """

    market: Market
    configurations: tuple[Configuration, ...]
    windows: Windows
    fee: float = DEFAULT_FEE
    chosen: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not (is_number(self.fee) and 0 <= self.fee <= 0.1):
            raise UsageError(f"fee must be a share from 0 to 0.1 but got {self.fee!r}")
        if self.windows.steps != len(self.market.prices) - 1:
            raise UsageError(
                f"windows over {self.windows.steps} steps do not fit "
                f"{len(self.market.prices)} prices"
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the result."""
        return (len(self.configurations), len(self.windows.spans), len(METRICS))

    def with_configurations(self, configurations: tuple[Configuration, ...]) -> Backtest:
        """Return the same backtest of other configurations."""
        return Backtest(
            market=self.market,
            configurations=configurations,
            windows=self.windows,
            fee=self.fee,
        )


def misfit(case: Backtest, configuration: Configuration) -> str:
    """Return why a configuration cannot be tested here, "" if it can."""
    room = case.windows.all_tests.start
    if configuration.lookback > room:
        return (
            f"lookback of {configuration.lookback} periods is longer than the {room} "
            "before the first test"
        )
    return ""
