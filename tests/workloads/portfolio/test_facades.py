"""`ParallelOptimizer` and its serial twin."""

import inspect
import os
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import parbench_lab as pb
from parbench_lab.errors import UsageError
from parbench_lab.hardware.cores import available_cores
from parbench_lab.lab.optimizer import worker_count
from parbench_lab.workloads.portfolio.candidates import backtest_vectorised
from parbench_lab.workloads.portfolio.strategies import grid
from tests.workloads.portfolio.markets import configuration

SMALL = {"window_days": 365, "test_windows": 5, "timeframe": "1d", "configurations": "quick"}


class LinedUp:
    """A pool of one that tells when it is closed."""

    def __init__(self, log):
        self.log = log

    def map(self, function, *items):
        return map(function, *items)

    def close(self):
        self.log.append("closed")


def assert_same(left, right):
    pd.testing.assert_frame_equal(left.table, right.table, check_exact=True)
    pd.testing.assert_frame_equal(left.walk_forward, right.walk_forward, check_exact=True)
    assert left.best == right.best


@pytest.mark.parametrize("backend", ["threads", "processes"])
def test_workers_give_the_same_bits_as_the_serial_twin(backend):
    serial = pb.ComprehensiveOptimizer(**SMALL).optimize()

    parallel = pb.ParallelOptimizer(**SMALL, workers=2, backend=backend).optimize()

    assert len(serial.table) == 100
    assert_same(parallel, serial)


def test_both_have_the_same_interface_but_for_the_workers():
    def public(cls):
        return {name for name in dir(cls) if not name.startswith("_")}

    own = inspect.signature(pb.ParallelOptimizer).parameters

    assert public(pb.ParallelOptimizer) == public(pb.ComprehensiveOptimizer)
    assert set(own) == {"workers", "backend", "pool_factory", "options"}


def test_one_core_is_left_for_the_rest_of_the_machine():
    assert worker_count("auto") == max(1, available_cores() - 1)
    assert pb.ParallelOptimizer(**SMALL).workers == worker_count("auto")


@pytest.mark.parametrize("workers", [0, -2, 1.5, True, "all", None, 9_999_999])
def test_a_number_of_workers_that_is_none_is_refused(workers):
    with pytest.raises(UsageError, match="workers must be 'auto', 'adaptive' or"):
        pb.ParallelOptimizer(workers=workers)


@pytest.mark.parametrize(
    "options",
    [
        {"timeframe": "1w"},
        {"metric": "profit"},
        {"configurations": 0},
        {"configurations": 1.5},
        {"configurations": None},
        {"window_days": -1},
        {"window_days": "x"},
        {"seed": -1},
        {"seed": "a"},
        {"fee": "x"},
        {"assets": "4"},
        {"days_per_year": "x"},
    ],
    ids=str,
)
def test_wrong_use_is_refused_before_a_worker_starts(options):
    opened = []

    with pytest.raises(UsageError):
        pb.ParallelOptimizer(pool_factory=lambda *wanted: opened.append(wanted), **options)

    assert opened == []


def test_a_pool_of_ones_own_is_used_and_closed():
    log = []

    def factory(backend, workers):
        log.append((backend, workers))
        return LinedUp(log)

    found = pb.ParallelOptimizer(
        **SMALL, workers=3, backend="dask", pool_factory=factory
    ).optimize()

    assert log == [("dask", 3), "closed"]
    assert_same(found, pb.ComprehensiveOptimizer(**SMALL).optimize())


def test_the_pool_is_closed_when_progress_fails():
    log = []

    def broken(done, total):
        raise RuntimeError("no screen")

    optimizer = pb.ParallelOptimizer(
        **SMALL, progress=broken, pool_factory=lambda *_: LinedUp(log)
    )

    with pytest.raises(RuntimeError, match="no screen"):
        optimizer.optimize()
    assert log == ["closed"]


def test_an_unknown_backend_is_refused():
    with pytest.raises(UsageError, match="backend 'gpu'"):
        pb.ParallelOptimizer(**SMALL, workers=2, backend="gpu").optimize()


def test_the_users_own_prices_configurations_and_metric():
    steps = np.random.default_rng(0).normal(0.001, 0.01, (300, 2))
    prices = 50 * np.exp(steps.cumsum(axis=0))
    chosen = [configuration(n, lookback=10 + n) for n in range(6)]

    found = pb.ComprehensiveOptimizer(
        prices=prices, timeframe="1d", days_per_year=252, configurations=chosen, metric="calmar"
    ).optimize()

    assert found.metric == "calmar"
    assert sorted(found.table["id"]) == [0, 1, 2, 3, 4, 5]
    assert found.table["calmar"].is_monotonic_decreasing


def test_prices_of_a_file_give_the_bits_of_the_same_array(tmp_path):
    prices = 50 * np.exp(np.random.default_rng(0).normal(0.001, 0.01, (300, 2)).cumsum(axis=0))
    times = pd.date_range("2025-01-01", periods=300, freq="h", name="time")
    pd.DataFrame(prices, index=times, columns=["a", "b"]).to_csv(tmp_path / "prices.csv")
    options = {"configurations": 12, "workers": 2, "backend": "threads"}

    from_file, from_array = (
        pb.ParallelOptimizer(prices=given, **options).optimize()
        for given in (str(tmp_path / "prices.csv"), prices)
    )

    assert_same(from_file, from_array)


def test_another_seed_is_another_market():
    first, second = (
        pb.ComprehensiveOptimizer(**SMALL, seed=seed).optimize().table for seed in (0, 1)
    )

    assert not first.equals(second)


def kills_its_worker(case):
    """Score a backtest, and take the process along with two of its configurations."""
    if {chosen.id for chosen in case.configurations} & LETHAL:
        os._exit(3)
    return backtest_vectorised(case)


LETHAL = {grid(100)[number].id for number in (3, 57)}


def test_a_configuration_that_kills_its_worker_is_a_row_with_that_error():
    found = pb.ParallelOptimizer(
        **SMALL, workers=2, backend="processes", implementation=kills_its_worker
    ).optimize()
    whole = pb.ComprehensiveOptimizer(**SMALL).optimize()

    failed = found.table[found.table["error"] != ""]
    assert found.complete
    assert set(failed["id"]) == LETHAL
    assert failed["error"].str.contains("was lost").all()
    scored = whole.table[~whole.table["id"].isin(LETHAL)]
    assert found.table["sharpe"].dropna().tolist() == scored["sharpe"].tolist()


INTERRUPTED = """
import parbench_lab as pb

def tell(done, total):
    print(done, total, flush=True)

found = pb.ParallelOptimizer(
    window_days=365, timeframe="1h", configurations="full", workers=2, progress=tell
).optimize()
print(found.complete, len(found.table) == found.table["rank"].max(), flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is no signal there")
def test_ctrl_c_in_a_shell_ends_with_a_partial_result():
    running = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )

    lines = [running.stdout.readline() for _ in range(2)]
    running.send_signal(signal.SIGINT)
    rest, errors = running.communicate(timeout=120)

    assert lines == ["0 10000\n", "128 10000\n"]
    assert rest.splitlines()[-1] == "False True"
    assert (running.returncode, errors) == (0, "")


def test_adaptive_workers_give_the_same_result_and_tell_how_many_they_were():
    serial = pb.ComprehensiveOptimizer(**SMALL).optimize()

    optimizer = pb.ParallelOptimizer(**SMALL, workers="adaptive", backend="threads")
    found = optimizer.optimize()

    assert serial.table.equals(found.table)
    assert all(1 <= use.workers <= available_cores() for use in optimizer.uses)
    assert bool(optimizer.uses) == (available_cores() > 1)
