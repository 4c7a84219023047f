"""The proof of ``parbench prove``: the portfolio backtest, serial and on a pool."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from parbench_lab.core.given import checked_workers
from parbench_lab.core.scalable import Map
from parbench_lab.errors import UsageError
from parbench_lab.execution.pools import one_blas_thread, open_pool
from parbench_lab.hardware.cores import available_physical_cores
from parbench_lab.lab.parts import checked_seed
from parbench_lab.scaling.proof import SERIAL, Proof, prove

CONFIGURATIONS = 48
"""Of 1 to 2 ms each: what is timed takes half a second, as long as everything is loaded in."""
CHUNKS = 12
"""As many for each of 2, 3, 4, 6 or 12 workers; more where they would be larger than 8."""
REPEATS = 5


def prove_portfolio(
    *,
    workers: int | None = None,
    backend: str = "processes",
    configurations: int = CONFIGURATIONS,
    repeats: int = REPEATS,
    seed: int = 0,
) -> Proof:
    """Backtest configurations serially and on workers, and return what follows.

    The workers start while the first serial run goes on, which does not count.

    Parameters
    ----------
    workers
        2 to 4096; by default as many as the physical cores that are ours, but at least 2.
    backend
        ``"threads"``, ``"processes"`` or ``"dask"``.
    configurations
        How much work it is, 1 to 60 000.
    repeats
        Pairs of runs, at least 2.
    seed
        Of the market and of the order, from 0 up.

    Raises
    ------
    UsageError
        If something given is out of range.
    """
    cores = available_physical_cores()
    count = max(2, cores) if workers is None else checked_workers(workers)
    if count < 2:
        raise UsageError(f"workers must be at least 2 but got {workers}: one is the serial run")
    if repeats < 2:
        raise UsageError(f"repeats must be at least 2 pairs of runs but got {repeats}")
    checked_seed(seed)
    with ThreadPoolExecutor(1, thread_name_prefix="parbench-opening") as aside:
        opening = aside.submit(open_pool, backend, count)
        try:
            job = _Backtests(configurations, seed)
            with one_blas_thread():
                reference = job(SERIAL)
                return prove(
                    job,
                    opening.result(),
                    job="portfolio_backtest",
                    unit="configurations",
                    items=configurations,
                    cores=cores,
                    winner=job.winner,
                    repeats=repeats,
                    seed=seed,
                    reference=reference,
                )
        finally:
            if opening.exception() is None:
                opening.result().close()


class _Backtests:
    """The job: every configuration scored, and all of them ranked."""

    def __init__(self, configurations: int, seed: int) -> None:
        # loaded here: the workers are starting meanwhile
        from parbench_lab.workloads.portfolio.plan import Plan  # noqa: PLC0415

        plan = Plan(timeframe="1d")
        self._case = plan.case(configurations, rng=np.random.default_rng(seed))

    def __call__(self, spread: Map) -> Any:
        from parbench_lab.workloads.portfolio.candidates import backtest_numpy  # noqa: PLC0415
        from parbench_lab.workloads.portfolio.optimizer import ranked  # noqa: PLC0415
        from parbench_lab.workloads.portfolio.scoring import score_chunks  # noqa: PLC0415

        # one configuration at a time: enough work for its parts to be worth sending around
        size = min(8, math.ceil(len(self._case.configurations) / CHUNKS))
        parts = list(
            score_chunks(self._case, map=spread, chunk_size=size, implementation=backtest_numpy)
        )
        scores = np.concatenate([part.scores for part in parts])
        return scores, ranked(self._case, scores)

    def winner(self, result: Any) -> str:
        """Return the id of the best configuration, "none" where all failed."""
        _, order = result
        return str(self._case.configurations[order[0]].id) if order else "none"
