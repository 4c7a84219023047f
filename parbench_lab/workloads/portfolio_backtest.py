"""Portfolio backtest: many configurations of a trading strategy on one history of prices.

Prices are random (regimes, jumps), costs are taken off, and every configuration is scored on
walk-forward training and test windows. Working on many configurations at once beats the plain
loop, the more so the more there are: about 20 times for 25, 50 for 100 and 100 for 1000 of them
on the two-core machine it was first measured on. The package `portfolio` has the strategy and the
metrics.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from parbench_lab.core.candidate import Candidate
from parbench_lab.workloads.members import members
from parbench_lab.workloads.portfolio.candidates import (
    backtest_loop,
    backtest_numpy,
    backtest_pandas,
    backtest_vectorised,
)
from parbench_lab.workloads.portfolio.case import Backtest
from parbench_lab.workloads.portfolio.definition import require_right
from parbench_lab.workloads.portfolio.market import DEFAULT_PERIODS, synthetic_market
from parbench_lab.workloads.portfolio.scoring import scalable
from parbench_lab.workloads.portfolio.strategies import grid
from parbench_lab.workloads.portfolio.windows import Windows

__all__ = ["PortfolioBacktest", "scalable"]

_CHECKED = 12


class PortfolioBacktest:
    """Score `size` configurations on 1000 hours of 4 assets.

    A result has the shape ``(size, 11, 6)``: six metrics of five training windows, five test
    windows and all tests together.

    Examples
    --------
    >>> job = PortfolioBacktest()
    >>> case = job.make_case(20, np.random.default_rng(0))
    >>> job.check(case, backtest_vectorised(case))
    >>> [candidate.name for candidate in job.candidates][:2]
    ['backtest_loop', 'backtest_numpy']
    """

    name = "portfolio_backtest"
    default_batch_size = 25

    @property
    def candidates(self) -> Sequence[Candidate]:
        """The built-in implementations."""
        return members(backtest_loop, backtest_numpy, backtest_pandas, backtest_vectorised)

    def make_case(self, size: int, rng: np.random.Generator) -> Backtest:
        """Return a new market and `size` configurations (1 to 60 000), the same at any time."""
        market = synthetic_market(rng=rng)
        between = rng.choice(size, min(size, _CHECKED - 2), replace=False)
        return Backtest(
            market=market,
            configurations=grid(size),
            windows=Windows(steps=DEFAULT_PERIODS - 1),
            chosen=tuple(sorted({0, size - 1, *between.tolist()})),
        )

    def check(self, case: Backtest, result: Any) -> None:
        """Raise unless the scores are right; see `portfolio.definition.require_right`.

        All configurations are looked at, and up to 12, drawn with the case, are computed again by
        the definitions. Numbers may differ by ``1e-9 + 1e-6 |expected|``.

        Raises
        ------
        ValueError
            Naming the first configuration that is wrong.
        """
        require_right(case, result)
