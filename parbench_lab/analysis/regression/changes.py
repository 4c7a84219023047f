"""Change points in stored figures: hints, because seconds of different days are not paired.

The place of a change is where the ranks before and after differ most (Pettitt, "A non-parametric
approach to the change-point problem", Applied Statistics 28, 1979); how surprising it is, is asked
of random orders of the same figures, as in e-divisive (Matteson and James, "A nonparametric
approach for multiple change point analysis of multivariate data", JASA 109, 2014), and both sides
are looked at again. A library that finds segments but tests nothing would not do: the p values
are needed for the correction over many series.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from parbench_lab.analysis.accounts import Floats
from parbench_lab.analysis.regression.intervals import CONFIDENCE, shift
from parbench_lab.analysis.regression.many import adjusted
from parbench_lab.core.estimate import Estimate
from parbench_lab.core.metric import Metric, Scale
from parbench_lab.core.series import SeriesKey, SeriesPoint

MIN_SEGMENT = 4
"""Figures on each side of a change: fewer cannot be told from luck."""

MIN_POINTS = 2 * MIN_SEGMENT
N_ORDERS = 999
"""Random orders of a series at first; a change that none came up to is tested with more, if
it would be no hint else."""

MAX_ORDERS = 1_000_000
"""No change is tested with more."""
FURTHER_P = 0.01
"""The sides of a change are asked again and again: further changes must be plainer."""

_CHUNK_VALUES = 2_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """A place in a sequence of costs.

    `place` is the index of the first figure after it, `p_value` how often a random order of the
    same figures shows as much somewhere.
    """

    place: int
    p_value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeHint:
    """A change in the stored figures of a series.

    Parameters
    ----------
    before, after
        The last run before, and the first one after it.
    ratio
        Times worse after than before, with its interval; a difference on an interval scale.
    p_value
        Of this change alone.
    q_value
        Of the series, among all series that were looked at.
    worse
        Whether the cost is higher after than before.
    scale
        Of the metric: what `ratio` is.
    """

    key: SeriesKey
    before: SeriesPoint
    after: SeriesPoint
    ratio: Estimate
    p_value: float
    q_value: float
    worse: bool
    scale: Scale = "ratio"


def hints(
    series: Mapping[SeriesKey, Sequence[SeriesPoint]],
    metrics: Mapping[str, Metric],
    *,
    rng: np.random.Generator,
    q: float = 0.05,
    tolerance: float = 0.0,
) -> tuple[ChangeHint, ...]:
    """Return the changes in many series, corrected for their number (Benjamini-Hochberg).

    Parameters
    ----------
    series
        Points of each, oldest first; those with fewer than 8 say nothing. Points that have no
        place on the metric's scale (0 s, of a clock that was too coarse) are passed over.
    metrics
        By name; a metric that is not here is taken for a time-like one (less is better).
    rng
        For the random orders.
    q
        The share of false hints among all that is accepted.
    tolerance
        Smaller changes are passed over.

    Raises
    ------
    ValueError
        If `q` is not within (0, 1).
    """
    if not 0 < q < 1:
        raise ValueError(f"q must be within (0, 1) but got {q}")
    series = {key: _told(points, _metric(key, metrics)) for key, points in series.items()}
    costs = {key: _costs(key, points, metrics) for key, points in series.items()}
    tested, q_values = _tested(costs, rng, q)
    told: list[ChangeHint] = []
    for key, q_value in zip(tested, q_values, strict=True):
        if q_value > q:
            continue
        metric = _metric(key, metrics)
        places = breaks(costs[key], rng=rng, first=tested[key])
        edges = [0, *(one.place for one in places), len(costs[key])]
        for number, here in enumerate(places):
            start, end = edges[number], edges[number + 2]
            ratio = _shift(costs[key][start : here.place], costs[key][here.place : end], metric)
            if _matters(ratio, metric, tolerance):
                told.append(_hint(series[key], here, ratio, metric, q_value))
    return tuple(told)


def is_short(key: SeriesKey, points: Sequence[SeriesPoint], metrics: Mapping[str, Metric]) -> bool:
    """Return whether `hints` passes a series over: fewer than 8 of its points have a place."""
    return len(_told(points, _metric(key, metrics))) < MIN_POINTS


def breaks(
    costs: Floats,
    *,
    rng: np.random.Generator,
    alpha: float = FURTHER_P,
    first: Break | None = None,
) -> tuple[Break, ...]:
    """Return the changes of a sequence, in its order.

    Parameters
    ----------
    costs
        In order of time; lower is better.
    alpha
        The p value up to which a change counts.
    first
        The strongest change, where it is known and accepted already.
    """
    found = strongest(costs, rng=rng) if first is None else first
    if found is None or (first is None and found.p_value > alpha):
        return ()
    left = breaks(costs[: found.place], rng=rng, alpha=alpha)
    right = breaks(costs[found.place :], rng=rng, alpha=alpha)
    moved = (Break(place=b.place + found.place, p_value=b.p_value) for b in right)
    return (*left, found, *moved)


def _tested(
    costs: Mapping[SeriesKey, Floats], rng: np.random.Generator, q: float
) -> tuple[dict[SeriesKey, Break], tuple[float, ...]]:
    """Return the strongest change of every series that is long enough, and their q values.

    A p value cannot be smaller than one in the number of orders, which is too coarse for a
    change that is alone among many series: it would never be a hint, however plain. Those are
    asked again, of four times the orders, until one order comes up to them, they are told, or
    there would be more than `MAX_ORDERS`.
    Asking again only where no order came up to the change leaves the p values valid.
    """
    found = {key: strongest(values, rng=rng) for key, values in costs.items()}
    tested = {key: at for key, at in found.items() if at is not None}
    n_orders = N_ORDERS
    while True:
        q_values = adjusted([at.p_value for at in tested.values()])
        floor = 1 / (1 + n_orders)
        coarse = [
            key
            for (key, at), q_value in zip(tested.items(), q_values, strict=True)
            if q_value > q and at.p_value <= floor
        ]
        n_orders *= 4
        if not coarse or n_orders > MAX_ORDERS:
            return tested, q_values
        for key in coarse:
            again = strongest(costs[key], rng=rng, n_orders=n_orders)
            tested[key] = again or tested[key]


def strongest(
    costs: Floats, *, rng: np.random.Generator, n_orders: int = N_ORDERS
) -> Break | None:
    """Return the strongest change of a sequence, None where it is too short to have one.

    Parameters
    ----------
    costs
        In order of time; lower is better.
    n_orders
        Random orders that are drawn: the p value is at least ``1 / (1 + n_orders)``.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> strongest(np.array([1.0, 1.1, 0.9, 1.0, 2.0, 2.1, 1.9, 2.2]), rng=rng).place
    4
    """
    n = costs.size
    if n < MIN_POINTS:
        return None
    ranks = _ranks(costs)
    split = np.abs(_split_scores(ranks[None, :]))[0]
    place = int(np.argmax(split))
    as_much = 0
    at_once = max(1, _CHUNK_VALUES // n)
    for start in range(0, n_orders, at_once):
        orders = rng.permuted(np.tile(ranks, (min(at_once, n_orders - start), 1)), axis=1)
        # a hair of slack: equal sums in another order of addition must count as equal
        as_much += int((np.abs(_split_scores(orders)).max(axis=1) >= split[place] - 1e-9).sum())
    return Break(place=place + MIN_SEGMENT, p_value=(1 + as_much) / (1 + n_orders))


def _ranks(costs: Floats) -> Floats:
    """Return the ranks from 1 up; equal values share the mean of theirs."""
    _, which, counts = np.unique(costs, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: Floats = (last - (counts - 1) / 2)[which]
    return ranks


def _split_scores(ranks: Floats) -> Floats:
    """Return the standardised rank sums of all beginnings, shape (orders, places)."""
    n = ranks.shape[-1]
    sums = np.cumsum(ranks, axis=-1)[..., MIN_SEGMENT - 1 : n - MIN_SEGMENT]
    length = np.arange(MIN_SEGMENT, n - MIN_SEGMENT + 1)
    centred = sums - length * (n + 1) / 2
    # each place's own spread, or a change near an end would have no chance
    scores: Floats = centred / np.sqrt(length * (n - length))
    return scores


def _told(points: Sequence[SeriesPoint], metric: Metric) -> Sequence[SeriesPoint]:
    return [point for point in points if metric.can_hold(point.median.point)]


def _costs(key: SeriesKey, points: Sequence[SeriesPoint], metrics: Mapping[str, Metric]) -> Floats:
    metric = _metric(key, metrics)
    return np.array([metric.cost(point.median.point) for point in points])


def _metric(key: SeriesKey, metrics: Mapping[str, Metric]) -> Metric:
    # a file may hold figures under no name at all
    return metrics.get(key.metric) or Metric(name=key.metric or "-", unit="", floor=1e-300)


def _hint(
    points: Sequence[SeriesPoint], here: Break, ratio: Estimate, metric: Metric, q_value: float
) -> ChangeHint:
    return ChangeHint(
        key=points[here.place].key,
        before=points[here.place - 1],
        after=points[here.place],
        ratio=ratio,
        p_value=here.p_value,
        q_value=q_value,
        worse=ratio.point > metric.neutral,
        scale=metric.scale,
    )


def _shift(before: Floats, after: Floats, metric: Metric) -> Estimate:
    """Return how much worse `after` is: times, or a difference on an interval scale."""
    low, point, high = shift(before, after)
    return Estimate(
        point=metric.ratio(point),
        low=metric.ratio(low),
        high=metric.ratio(high),
        confidence=CONFIDENCE,
        n=int(before.size + after.size),
    )


def _matters(ratio: Estimate, metric: Metric, tolerance: float) -> bool:
    cost = math.log(ratio.point) if metric.scale == "ratio" else ratio.point
    return abs(cost) > metric.margin(tolerance)
