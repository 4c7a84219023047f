"""All configurations at once: arrays with a row for each, and no work done twice.

Configurations that rebalance at the same times go together; those with one lookback share its
signals. The value of a portfolio between two rebalancings is a sum over assets, so only the
rebalancings themselves have to be multiplied up. The windows are made of blocks: each block is
summed up once, and a window puts its blocks' sums together.

Every number of a configuration comes from operations that treat rows alike, so it has the same
bits whatever configurations are computed beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parbench_lab.workloads.portfolio.case import Backtest, misfit
from parbench_lab.workloads.portfolio.metrics import ratios
from parbench_lab.workloads.portfolio.positions import LEAST_DEVIATION
from parbench_lab.workloads.portfolio.strategies import WEIGHTINGS, Configuration
from parbench_lab.workloads.portfolio.windows import TRAINING_BLOCKS, Windows

Floats = NDArray[np.float64]

_VALUES_AT_ONCE = 32_768
"""Numbers in one array: 256 kB, so that the arrays in use stay in a core's own cache."""


def scores_together(case: Backtest) -> Floats:
    """Return the metrics of all configurations, NaN for those that do not fit.

    Parameters
    ----------
    case
        Any backtest.

    Returns
    -------
    Floats
        Of the shape ``case.shape``.
    """
    result = np.full(case.shape, np.nan)
    at_once = max(1, _VALUES_AT_ONCE // len(case.market.prices))
    table = _Steps.of(case.market.prices)
    for rebalance, places in _by_rebalance(case).items():
        calendar = _Calendar.of(case.market.prices, rebalance)
        for first in range(0, len(places), at_once):
            some = places[first : first + at_once]
            group = [case.configurations[place] for place in some]
            result[some] = _group_scores(case, group, table, calendar)
    return result


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Steps:
    """Logarithmic prices and running sums of squared steps, shape ``(assets, periods)``."""

    logs: Floats
    squares: Floats

    @classmethod
    def of(cls, prices: Floats) -> _Steps:
        logs = np.log(np.ascontiguousarray(prices.T))
        squares = np.zeros_like(logs)
        np.cumsum(np.diff(logs, axis=1) ** 2, axis=1, out=squares[:, 1:])
        return cls(logs=logs, squares=squares)

    def signals(self, rows: NDArray[np.int64], lookback: int) -> tuple[Floats, Floats]:
        """Return trend and deviation at some rows, each of shape ``(assets, rows)``."""
        mean = (self.logs[:, rows] - self.logs[:, rows - lookback]) / lookback
        squares = self.squares[:, rows] - self.squares[:, rows - lookback]
        variance = np.maximum(squares - lookback * mean**2, 0.0) / (lookback - 1)
        deviation = np.maximum(np.sqrt(variance), LEAST_DEVIATION)
        return mean / deviation * math.sqrt(lookback), deviation


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Calendar:
    """The rebalancings of one period length.

    `gains` has the shape ``(assets, steps)``: of a step's later price over the price at the
    rebalancing before it. `last` are the steps that end at the next rebalancing (or the end).
    """

    rebalance: int
    rows: NDArray[np.int64]
    gains: Floats
    last: NDArray[np.int64]

    @classmethod
    def of(cls, prices: Floats, rebalance: int) -> _Calendar:
        n_steps = len(prices) - 1
        rows = np.arange(0, n_steps, rebalance)
        base = np.repeat(prices[rows], rebalance, axis=0)[:n_steps]
        return cls(
            rebalance=rebalance,
            rows=rows,
            gains=np.ascontiguousarray((prices[1:] / base - 1.0).T),
            last=np.append(rows[1:], n_steps) - 1,
        )


def _by_rebalance(case: Backtest) -> dict[int, list[int]]:
    """Return the places of the configurations that fit, by their rebalancing period."""
    places: dict[int, list[int]] = {}
    for place, configuration in enumerate(case.configurations):
        if not misfit(case, configuration):
            places.setdefault(configuration.rebalance, []).append(place)
    return places


def _group_scores(
    case: Backtest, group: Sequence[Configuration], table: _Steps, calendar: _Calendar
) -> Floats:
    """Return the metrics of configurations with one rebalancing period."""
    weights = _weights(group, table, calendar)
    values, traded = _values(weights, calendar, case.fee)
    return _scores(values, traded, calendar, case)


def _weights(group: Sequence[Configuration], table: _Steps, calendar: _Calendar) -> Floats:
    """Return the weights after each rebalancing, shape ``(assets, configurations, rows)``."""
    trend, deviation = _signals(group, table, calendar.rows)
    entry = np.array([c.entry for c in group])[:, np.newaxis]
    exit_ = np.array([c.exit for c in group])[:, np.newaxis]
    weighting = np.array([WEIGHTINGS.index(c.weighting) for c in group])[:, np.newaxis]
    by_trend = np.where(weighting == WEIGHTINGS.index("trend"), trend - exit_, 1.0)
    shares = np.where(
        weighting == WEIGHTINGS.index("inverse_volatility"), 1.0 / deviation, by_trend
    )
    shares = np.where(_held(trend, entry, exit_), shares, 0.0)
    total = shares[0].copy()
    for share in shares[1:]:
        total += share
    shares /= np.where(total > 0, total, 1.0)
    return shares


def _signals(
    group: Sequence[Configuration], table: _Steps, rows: NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """Return trends and deviations, shape ``(assets, configurations, rows)``.

    Where the lookback is not there yet the trend is minus infinity: nothing is held.
    """
    shape = (len(table.logs), len(group), len(rows))
    trend, deviation = np.full(shape, -np.inf), np.ones(shape)
    for lookback, places in _by_lookback(group):
        first = int(np.searchsorted(rows, lookback))
        found = table.signals(rows[first:], lookback)
        trend[:, places, first:] = found[0][:, np.newaxis]
        deviation[:, places, first:] = found[1][:, np.newaxis]
    return trend, deviation


def _by_lookback(group: Sequence[Configuration]) -> Iterator[tuple[int, list[int]]]:
    places: dict[int, list[int]] = {}
    for place, configuration in enumerate(group):
        places.setdefault(configuration.lookback, []).append(place)
    yield from places.items()


def _held(trend: Floats, entry: Floats, exit_: Floats) -> NDArray[np.bool_]:
    """Return which assets are held: bought at the latest decision, not sold.

    A trend between the thresholds decides nothing, and the decision before it stands. Before any
    decision, place 0 is looked at, which then holds "not bought".
    """
    bought = trend > entry
    decided = bought | (trend < exit_)
    latest = np.where(decided, np.arange(trend.shape[-1]), 0)
    np.maximum.accumulate(latest, axis=-1, out=latest)
    return np.take_along_axis(bought, latest, axis=-1)


def _values(weights: Floats, calendar: _Calendar, fee: float) -> tuple[Floats, Floats]:
    """Return the portfolio's value at each price, and what is traded at each rebalancing.

    Shapes ``(configurations, periods)`` and ``(configurations, rows)``.
    """
    n_steps = calendar.gains.shape[1]
    growth = np.ones((weights.shape[1], n_steps))
    for weight, gains in zip(weights, calendar.gains, strict=True):
        growth += np.repeat(weight, calendar.rebalance, axis=1)[:, :n_steps] * gains
    at_end = growth[:, calendar.last]
    drifted = weights * (1.0 + calendar.gains[:, np.newaxis, calendar.last]) / at_end
    traded = np.zeros(at_end.shape)
    for weight, drift in zip(weights, drifted, strict=True):
        traded[:, 0] += np.abs(weight[:, 0])
        traded[:, 1:] += np.abs(weight[:, 1:] - drift[:, :-1])
    kept = 1.0 - fee * traded
    kept[:, 1:] *= at_end[:, :-1]
    started = np.cumprod(kept, axis=1)
    values = np.ones((weights.shape[1], n_steps + 1))
    np.multiply(
        growth, np.repeat(started, calendar.rebalance, axis=1)[:, :n_steps], out=values[:, 1:]
    )
    return values, traded


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Blocks:
    """What is known of each block of steps, every array of shape ``(configurations, blocks)``.

    Two neighbours put together are one of the same kind; `low` and `high` of the value exclude
    and include the value that a block begins at.
    """

    steps: int
    total: Floats
    squares: Floats
    losses: Floats
    traded: Floats
    begin: Floats
    end: Floats
    low: Floats
    high: Floats
    drawdown: Floats

    def windows(self, first: int, width: int, count: int) -> _Blocks:
        """Return `count` windows of `width` blocks, each beginning one block after the other."""
        whole = self._slice(first, count)
        for offset in range(1, width):
            whole = whole.then(self._slice(first + offset, count))
        return whole

    def _slice(self, first: int, count: int) -> _Blocks:
        part = slice(first, first + count)
        return _Blocks(
            steps=self.steps,
            total=self.total[:, part],
            squares=self.squares[:, part],
            losses=self.losses[:, part],
            traded=self.traded[:, part],
            begin=self.begin[:, part],
            end=self.end[:, part],
            low=self.low[:, part],
            high=self.high[:, part],
            drawdown=self.drawdown[:, part],
        )

    def then(self, later: _Blocks) -> _Blocks:
        """Return these blocks, each put together with one that follows it."""
        across = 1.0 - later.low / self.high
        return _Blocks(
            steps=self.steps + later.steps,
            total=self.total + later.total,
            squares=self.squares + later.squares,
            losses=self.losses + later.losses,
            traded=self.traded + later.traded,
            begin=self.begin,
            end=later.end,
            low=np.minimum(self.low, later.low),
            high=np.maximum(self.high, later.high),
            drawdown=np.maximum(np.maximum(self.drawdown, later.drawdown), across),
        )

    def scores(self, per_year: float) -> Floats:
        """Return the metrics, shape ``(configurations, blocks, 6)``, in the order of `METRICS`."""
        mean = self.total / self.steps
        spread = np.maximum(self.squares - self.steps * mean**2, 0.0)
        gained = self.end / self.begin - 1.0
        root = math.sqrt(per_year)
        return np.stack(
            [
                gained,
                root * ratios(mean, np.sqrt(spread / (self.steps - 1))),
                root * ratios(mean, np.sqrt(self.losses / self.steps)),
                self.drawdown,
                ratios(gained * per_year / self.steps, self.drawdown),
                self.traded * per_year / self.steps,
            ],
            axis=-1,
        )


def _scores(values: Floats, traded: Floats, calendar: _Calendar, case: Backtest) -> Floats:
    """Return the metrics of every span, shape ``(configurations, spans, 6)``."""
    windows, per_year = case.windows, case.market.periods_per_year
    blocks = _blocks(values, _traded_in_blocks(traded, calendar.rows, windows), windows)
    count = windows.test_windows
    return np.concatenate(
        [
            blocks.windows(0, TRAINING_BLOCKS, count).scores(per_year),
            blocks.windows(TRAINING_BLOCKS, 1, count).scores(per_year),
            blocks.windows(TRAINING_BLOCKS, count, 1).scores(per_year),
        ],
        axis=1,
    )


def _blocks(values: Floats, traded: Floats, windows: Windows) -> _Blocks:
    """Sum up every block of steps once."""
    shape = (len(values), windows.n_blocks, windows.block)
    returns = (values[:, windows.first + 1 :] / values[:, windows.first : -1]).reshape(shape)
    returns -= 1.0
    losses = np.minimum(returns, 0.0)
    later = values[:, windows.first + 1 :].reshape(shape)
    begin = values[:, windows.first : -1 : windows.block]
    highs = np.maximum(np.maximum.accumulate(later, axis=-1), begin[:, :, np.newaxis])
    return _Blocks(
        steps=windows.block,
        total=returns.sum(axis=-1),
        squares=np.square(returns).sum(axis=-1),
        losses=np.square(losses).sum(axis=-1),
        traded=traded,
        begin=begin,
        end=later[:, :, -1],
        low=later.min(axis=-1),
        high=highs[:, :, -1],
        drawdown=1.0 - (later / highs).min(axis=-1),
    )


def _traded_in_blocks(traded: Floats, rows: NDArray[np.int64], windows: Windows) -> Floats:
    """Return what is traded at the rebalancings within each block."""
    bounds = windows.first + windows.block * np.arange(windows.n_blocks + 1)
    running = np.zeros((len(traded), traded.shape[1] + 1))
    np.cumsum(traded, axis=1, out=running[:, 1:])
    parts: Floats = np.diff(running[:, np.searchsorted(rows, bounds)], axis=1)
    return parts
