"""Four ways to score the same configurations; one that does not fit is a row of NaN in all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parbench_lab.workloads.portfolio.case import Backtest, misfit
from parbench_lab.workloads.portfolio.frames import frame_scores
from parbench_lab.workloads.portfolio.loop import loop_scores
from parbench_lab.workloads.portfolio.strategies import Configuration
from parbench_lab.workloads.portfolio.together import scores_together

Floats = NDArray[np.float64]


def backtest_loop(case: Backtest) -> Floats:
    """Go through configurations, periods and assets in plain Python."""
    return _one_by_one(case, loop_scores)


def backtest_numpy(case: Backtest) -> Floats:
    """Score one configuration after the other with numpy: arrays over periods."""
    return _one_by_one(case, _array_scores)


def backtest_pandas(case: Backtest) -> Floats:
    """Score one configuration after the other with pandas."""
    return _one_by_one(case, frame_scores)


def backtest_vectorised(case: Backtest) -> Floats:
    """Score many configurations together with numpy: arrays over configurations and periods."""
    return scores_together(case)


def _array_scores(case: Backtest, configuration: Configuration) -> Floats:
    alone: Floats = scores_together(case.with_configurations((configuration,)))[0]
    return alone


def _one_by_one(case: Backtest, score: Callable[[Backtest, Configuration], Any]) -> Floats:
    result = np.full(case.shape, np.nan)
    for place, configuration in enumerate(case.configurations):
        if not misfit(case, configuration):
            result[place] = score(case, configuration)
    return result
