"""The parallel-optimisation example behind two names: on workers, and its serial twin.

    ParallelOptimizer(window_days=365, test_windows=5, timeframe="1h", workers="auto").optimize()
    ComprehensiveOptimizer(window_days=365, test_windows=5, timeframe="1h").optimize()

They give the same result, bit by bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from parbench_lab.analysis.trial import Use
from parbench_lab.core.given import MOST_WORKERS, checked_workers
from parbench_lab.core.pool import Pool
from parbench_lab.errors import UsageError
from parbench_lab.hardware.cores import available_cores
from parbench_lab.lab.parts import checked_seed
from parbench_lab.lab.study_parts import adaptive_map, one_blas_thread
from parbench_lab.workloads.portfolio.case import Backtest
from parbench_lab.workloads.portfolio.optimizer import (
    Optimization,
    Progress,
    optimize,
    ranking_metric,
)
from parbench_lab.workloads.portfolio.plan import Plan
from parbench_lab.workloads.portfolio.strategies import Configuration

PoolFactory = Callable[[str, int], Pool]


class ComprehensiveOptimizer:
    """Backtest a grid of strategies walk-forward and rank them, on one core.

    Parameters
    ----------
    window_days
        Calendar days of history to cut training and test windows from, the last ones. None: 365
        days of a synthetic market, or all of the `prices`. Where these have times, a day has as
        many rows as on average over all of them, closed days included.
    test_windows
        At least 1; each follows a training window of three times its length.
    timeframe
        Length of a period: ``"15m"``, ``"1h"``, ``"4h"`` or ``"1d"``.
    configurations
        How many of the grid, evenly spread: 1 to 60 000, or ``"quick"``, ``"default"``,
        ``"full"``, ``"large"`` (100, 1000, 10 000, 50 000); or `Configuration` values.
    prices
        None for a synthetic market; else an array or DataFrame of shape ``(periods, assets)``,
        or the path of a CSV or parquet file; see `as_market` of
        `parbench_lab.workloads.portfolio.prices`.
    assets, seed
        Of the synthetic market.
    fee
        Cost of trading as a share of the value traded.
    days_per_year
        Days on which there are prices, for annualising: 365 where the market never closes, about
        252 for shares; each with as many rows as such a day usually has where the `prices` have
        times. None: as the times tell, and without times 365. See `plan.Plan` for the definition.
    metric
        To rank by: return, sharpe, sortino, max_drawdown, calmar or turnover.
    progress
        Called as ``progress(done, total)`` after every chunk of configurations.
    implementation
        A function that scores a `Backtest`; None for the built-in vectorised one.

    Raises
    ------
    UsageError
        If something is out of range or does not fit together, or the prices cannot be used.

    Examples
    --------
    >>> found = ComprehensiveOptimizer(timeframe="1d", configurations="quick").optimize()
    >>> len(found.table), found.complete
    (100, True)
    """

    def __init__(
        self,
        *,
        window_days: float | None = None,
        test_windows: int = 5,
        timeframe: str = "1h",
        configurations: int | str | Sequence[Configuration] = "default",
        prices: Any = None,
        assets: int = 4,
        seed: int = 0,
        fee: float = 0.001,
        days_per_year: float | None = None,
        metric: str = "sharpe",
        progress: Progress | None = None,
        implementation: Callable[[Backtest], Any] | None = None,
    ) -> None:
        ranking_metric(metric)
        rng = np.random.default_rng(checked_seed(seed))
        plan = Plan(
            window_days=window_days,
            test_windows=test_windows,
            timeframe=timeframe,
            prices=prices,
            assets=assets,
            fee=fee,
            days_per_year=days_per_year,
        )
        self.case = plan.case(configurations, rng=rng)
        self._options: dict[str, Any] = {"metric": metric, "progress": progress}
        if implementation is not None:
            self._options["implementation"] = implementation

    def optimize(self) -> Optimization:
        """Score all configurations and rank them; Ctrl-C ends it early with what is done."""
        with one_blas_thread():  # as workers do: an implementation's sums are the same bit by bit
            return optimize(self.case, **self._options)


class ParallelOptimizer(ComprehensiveOptimizer):
    """Backtest a grid of strategies walk-forward and rank them, on several workers.

    The result is the same, bit by bit, as that of `ComprehensiveOptimizer`.

    Parameters
    ----------
    workers
        How many, 1 to 4096; ``"auto"`` for one less than there are cores for us, at least 1;
        ``"adaptive"`` for as many as the load of others on this machine leaves room for, looked
        at between parts (`uses` tells).
    backend
        ``"processes"``, ``"threads"`` or ``"dask"``. One worker is this process itself.
    pool_factory
        ``(backend, workers) -> Pool``; None for this package's own pools. It is closed after
        every run.
    options
        As for `ComprehensiveOptimizer`.

    Raises
    ------
    UsageError
        If a parameter is out of range.

    Examples
    --------
    >>> found = ParallelOptimizer(
    ...     timeframe="1d", configurations="quick", workers=2, backend="threads"
    ... ).optimize()
    >>> found.best.id in set(found.table["id"])
    True
    """

    def __init__(
        self,
        *,
        workers: int | str = "auto",
        backend: str = "processes",
        pool_factory: PoolFactory | None = None,
        **options: Any,
    ) -> None:
        self.adaptive = workers == "adaptive"
        self.workers = available_cores() if self.adaptive else worker_count(workers)
        self.backend = backend
        self.uses: tuple[Use, ...] = ()
        """How many workers the last adaptive run used, from when on."""
        self._open = pool_factory or _house_pool
        super().__init__(**options)

    def optimize(self) -> Optimization:
        """Score all configurations and rank them; Ctrl-C ends it early with what is done.

        Raises
        ------
        UnknownNameError
            If there is no such backend.
        ParbenchError
            If workers cannot be started, or all are lost.
        """
        pool = self._open(self.backend, self.workers)
        try:
            if not self.adaptive or self.workers == 1:
                return optimize(self.case, map=pool.map, **self._options)
            adaptive = adaptive_map(pool)
            adaptive.begin()
            try:
                return optimize(self.case, map=adaptive, **self._options)
            finally:
                self.uses = adaptive.end()
        finally:
            pool.close()


def worker_count(workers: int | str) -> int:
    """Return how many workers ``"auto"`` or a number stands for.

    ``"auto"`` leaves one core for the rest of the machine, and is at least 1.

    Raises
    ------
    UsageError
        If it is neither ``"auto"`` nor a whole number from 1 to 4096.

    Examples
    --------
    >>> worker_count(3), worker_count("auto") >= 1
    (3, True)
    """
    if workers == "auto":
        return max(1, available_cores() - 1)
    try:
        return checked_workers(workers)
    except UsageError:
        raise UsageError(
            f"workers must be 'auto', 'adaptive' or a whole number from 1 to {MOST_WORKERS:,} but "
            f"got {workers!r}"
        ) from None


def _house_pool(backend: str, workers: int) -> Pool:
    from parbench_lab.execution.pools import open_pool  # noqa: PLC0415 - only who runs it pays

    # one worker beside an idle parent only adds the way there and back
    local = workers == 1 and backend in ("processes", "threads")
    return open_pool("serial" if local else backend, workers)
