"""The ranking in words: who is ahead of whom, by how much, and where the mean says otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from parbench_lab.analysis.accounts import Floats
from parbench_lab.analysis.margins import MARGINS
from parbench_lab.core.metric import Metric

MIN_PAIRED_BLOCKS = 20
SIGNIFICANT = 3.0
"""Standard errors of the mean difference before the mean is said to disagree."""


@lru_cache(maxsize=256)
def margin_words(metric: Metric, index: int) -> str:
    """Return a margin of the grid as a user reads it: ``2 %``, or in the metric's unit.

    Examples
    --------
    >>> margin_words(Metric(name="wall_time_s", unit="s"), 8)
    '2 %'
    """
    if metric.scale == "interval":
        return f"{MARGINS[index]:g}{metric.unit_suffix}"
    return f"{100 * MARGINS[index]:g} %"


def worse_word(metric: Metric) -> str:
    """Return "slower" for times, "worse" for everything else."""
    return "slower" if metric.unit == "s" and metric.better == "lower" else "worse"


def advantage(metric: Metric, cost_difference: float) -> str:
    """Return how much better somebody is whose costs are lower by this (a positive number).

    Examples
    --------
    >>> advantage(Metric(name="wall_time_s", unit="s"), np.log(12.0))
    '12x faster'
    >>> advantage(Metric(name="abs_error", unit="1"), np.log(1.5))
    '1.5x smaller abs_error'
    >>> advantage(Metric(name="score", unit="1", better="higher", scale="interval"), 0.02)
    'score higher by 0.02'
    """
    lower = metric.better == "lower"
    if metric.scale == "interval":
        return f"{metric.name} {'lower' if lower else 'higher'} by {cost_difference:.2g}"
    times = f"{metric.ratio(cost_difference):.3g}x"
    if metric.unit == "s" and lower:
        fast = "faster" if metric.name == "wall_time_s" else f"less {metric.name}"
        return f"{times} {fast}"
    return f"{times} {'smaller' if lower else 'larger'} {metric.name}"


def disagreement(metric: Metric, names: Sequence[str], leader: int, costs: Floats) -> str:
    """Return a sentence where the mean ranks another one first than the duels do, or "".

    Parameters
    ----------
    metric
        The objective.
    names
        One per column of `costs`.
    leader
        Column of who wins the duels.
    costs
        Shape ``(blocks, names)``; only blocks with both measured are compared.
    """
    values = _values(metric, costs)
    with np.errstate(invalid="ignore"):
        gains = values - values[:, [leader]]
    if metric.better == "higher":
        gains = -gains
    known = np.isfinite(gains)
    gains = np.where(known, gains, 0.0)
    blocks = known.sum(axis=0)
    means = gains.sum(axis=0) / np.maximum(blocks, 1)
    squares = (gains**2).sum(axis=0) - blocks * means**2
    errors = np.sqrt(np.maximum(squares, 0.0)) / np.maximum(blocks, 1)
    better = (means < -SIGNIFICANT * errors) & (blocks >= MIN_PAIRED_BLOCKS)
    better[leader] = False
    if not better.any():
        return ""
    ahead, name = names[leader], names[int(np.where(better, means, np.inf).argmin())]
    return (
        f"{ahead} wins most duels, but {name} has the better mean {metric.name}: {ahead} is "
        "better in most blocks and much worse in some"
    )


def _values(metric: Metric, costs: Floats) -> Floats:
    sign = 1.0 if metric.better == "lower" else -1.0
    if metric.scale == "interval":
        return sign * costs
    with np.errstate(over="ignore"):
        values: Floats = np.exp(sign * costs)
    return values
