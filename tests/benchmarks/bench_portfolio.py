"""Four implementations of the portfolio backtest, and the optimizer on one and on two workers.

Implementations take turns on one case, in one process on one core; the ratio to the plain loop
is the median over the turns. The target is 30 for the best.
"""

from __future__ import annotations

import statistics
import time

import numpy as np

import parbench_lab as pb
from parbench_lab.hardware.cores import available_cores
from parbench_lab.workloads.portfolio import candidates
from parbench_lab.workloads.portfolio_backtest import PortfolioBacktest

IMPLEMENTATIONS = (
    candidates.backtest_loop,
    candidates.backtest_numpy,
    candidates.backtest_pandas,
    candidates.backtest_vectorised,
)


def seconds(function, *arguments):
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def implementations(size: int, turns: int, functions=IMPLEMENTATIONS) -> None:
    case = PortfolioBacktest().make_case(size, np.random.default_rng(0))
    warm = case.with_configurations(case.configurations[:2])
    for function in functions:
        function(warm)
    taken = [[seconds(function, case) for function in functions] for _ in range(turns)]
    print(f"{size} configurations, {len(case.market.prices)} periods, {turns} turns")
    for place, function in enumerate(functions):
        each_ms = 1000 * statistics.median(turn[place] for turn in taken) / size
        times = statistics.median(turn[0] / turn[place] for turn in taken)
        print(f"  {function.__name__:20} {each_ms:8.3f} ms each, {times:6.1f} times the loop")


def optimizers(count: int = 4000) -> None:
    options = {"window_days": 365, "timeframe": "1h", "configurations": count}
    workers = min(2, available_cores())
    serial = pb.ComprehensiveOptimizer(**options)
    parallel = pb.ParallelOptimizer(**options, workers=workers)
    found, taken = [], []
    for optimizer in (serial, parallel):
        start = time.perf_counter()
        found.append(optimizer.optimize())
        taken.append(time.perf_counter() - start)
    same = found[0].table.equals(found[1].table)
    print(
        f"{count} configurations of a year of hours: serial {taken[0]:.2f} s, {workers} processes "
        f"{taken[1]:.2f} s with their start ({taken[0] / taken[1]:.2f} times); same: {same}"
    )


def main() -> None:
    implementations(100, 5)
    implementations(1000, 2, (candidates.backtest_loop, candidates.backtest_vectorised))
    optimizers()


if __name__ == "__main__":
    main()
