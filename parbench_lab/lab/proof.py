"""The proof of ``parbench prove``: the portfolio backtest, serial and on a pool."""

from __future__ import annotations

from parbench_lab.errors import UsageError
from parbench_lab.execution.pools import one_blas_thread, open_pool
from parbench_lab.hardware.cores import available_cores
from parbench_lab.lab.optimizer import ComprehensiveOptimizer
from parbench_lab.scaling.proof import Proof, prove
from parbench_lab.workloads.portfolio.candidates import backtest_numpy
from parbench_lab.workloads.portfolio.optimizer import Optimization, optimize


def prove_portfolio(
    *,
    workers: int | None = None,
    backend: str = "processes",
    configurations: int = 300,
    repeats: int = 3,
    seed: int = 0,
) -> Proof:
    """Backtest configurations serially and on workers, and return what follows.

    Parameters
    ----------
    workers
        At least 2; the cores that are ours by default.
    backend
        ``"threads"``, ``"processes"`` or ``"dask"``.
    configurations
        How much work it is.
    repeats
        Pairs of runs, at least 2.
    seed
        Of the market and of the order.

    Raises
    ------
    UsageError
        If something given is out of range.
    """
    cores = available_cores()
    count = max(2, cores) if workers is None else workers
    if count < 2:
        raise UsageError(f"workers must be at least 2 but got {workers}: one is the serial run")
    case = ComprehensiveOptimizer(timeframe="1d", configurations=configurations, seed=seed).case
    pool = open_pool(backend, count)
    try:
        with one_blas_thread():
            return prove(
                # one configuration at a time: enough work for its parts to be worth sending around
                lambda spread: optimize(case, map=spread, implementation=backtest_numpy),
                pool,
                job="portfolio_backtest",
                unit="configurations",
                items=configurations,
                cores=cores,
                winner=_best,
                repeats=repeats,
                seed=seed,
            )
    finally:
        pool.close()


def _best(found: Optimization) -> str:
    return "none" if found.best is None else str(found.best.id)
