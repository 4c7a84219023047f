"""The scores of a configuration by their definitions, and the check that all candidates pass.

No candidate computes anything this way: here are the readable `positions` and `metrics`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from parbench_lab.workloads.portfolio.case import Backtest, misfit
from parbench_lab.workloads.portfolio.metrics import METRIC_NAMES, scores
from parbench_lab.workloads.portfolio.positions import signals, track
from parbench_lab.workloads.portfolio.strategies import Configuration

Floats = NDArray[np.float64]

RELATIVE_TOLERANCE = 1e-6
ABSOLUTE_TOLERANCE = 1e-9
CLOSE_CALL = 1e-7
"""A trend this near to its threshold may fall on either side of it by rounding."""

_RETURN, _DRAWDOWN, _TURNOVER = (
    METRIC_NAMES.index(name) for name in ("return", "max_drawdown", "turnover")
)


def defined_scores(case: Backtest, configuration: Configuration) -> Floats:
    """Return the metrics of every span of one configuration that fits, shape ``(spans, 6)``.

    Parameters
    ----------
    case
        Its market, windows and fee.
    configuration
        One that fits.
    """
    done = track(case.market, configuration, fee=case.fee)
    per_year = case.market.periods_per_year
    spans = [slice(span.start, span.stop) for span in case.windows.spans]
    return np.array(
        [scores(done.returns[s], done.traded[s], periods_per_year=per_year) for s in spans]
    )


def is_close_call(case: Backtest, configuration: Configuration) -> bool:
    """Return whether a trend is so near to a threshold that rounding may decide."""
    trend = signals(case.market.prices, configuration).trend
    apart = [np.abs(trend - level) for level in (configuration.entry, configuration.exit)]
    return bool(trend.size and min(np.min(distance) for distance in apart) < CLOSE_CALL)


def require_right(case: Backtest, result: Any) -> None:
    """Raise unless a result is right, as far as can be told in a moment.

    For all configurations: NaN where one does not fit and nowhere else, drawdowns from 0 to 1, no
    negative turnover, and test windows whose returns multiply up to that of all tests together.
    The configurations ``case.chosen`` are computed by the definitions; numbers may differ by
    ``1e-9 + 1e-6 |expected|``. (Implementations were seen to differ by 1e-11; a step missed or
    counted twice makes 1e-3.) One of them with a trend within 1e-7 of a threshold is passed over.

    Raises
    ------
    ValueError
        Naming the first configuration that is wrong.
    """
    found = _as_scores(result, case.shape)
    _require_sound(case, found)
    for place in case.chosen:
        configuration = case.configurations[place]
        if misfit(case, configuration) or is_close_call(case, configuration):
            continue
        expected = defined_scores(case, configuration)
        close = np.isclose(
            found[place], expected, rtol=RELATIVE_TOLERANCE, atol=ABSOLUTE_TOLERANCE
        )
        if not close.all():
            span, metric = np.unravel_index(int(np.argmin(close)), close.shape)
            raise ValueError(
                f"configuration {configuration.id}: {METRIC_NAMES[int(metric)]} of span {span} "
                f"should be {expected[span, metric]:.9g} but is {found[place, span, metric]:.9g}"
            )


def _as_scores(result: Any, shape: tuple[int, int, int]) -> Floats:
    found = np.asarray(result)
    if found.shape != shape:
        raise ValueError(f"expected scores of shape {shape} but got shape {found.shape}")
    if found.dtype != np.float64:
        raise ValueError(f"expected numbers of double precision but got an array of {found.dtype}")
    return found


def _require_sound(case: Backtest, found: Floats) -> None:
    """Raise where a score is impossible, or the test windows and all tests do not match."""
    fits = np.array([not misfit(case, configuration) for configuration in case.configurations])
    missing = np.isnan(found).reshape(len(found), -1)
    tests = slice(case.windows.test_windows, 2 * case.windows.test_windows)
    whole = 1.0 + found[:, -1, _RETURN]
    product = np.prod(1.0 + found[:, tests, _RETURN], axis=1)
    drawdown, turnover = found[:, :, _DRAWDOWN], found[:, :, _TURNOVER]
    for wrong, words in (
        (fits & missing.any(axis=1), "holds NaN though it fits"),
        (~fits & ~missing.all(axis=1), "does not fit, so all of it must be NaN"),
        (((drawdown < 0) | (drawdown > 1)).any(axis=1), "has a drawdown outside 0 to 1"),
        ((turnover < 0).any(axis=1), "has a negative turnover"),
        (
            fits & ~np.isclose(product, whole, rtol=RELATIVE_TOLERANCE, atol=0.0),
            "has test windows whose returns do not multiply up to that of all tests",
        ),
    ):
        if wrong.any():
            raise ValueError(
                f"configuration {case.configurations[int(np.argmax(wrong))].id} {words}"
            )
