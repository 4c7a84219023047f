"""On which machine a run on a given cluster is kept: that of the workers, not of who asked."""

from __future__ import annotations

import contextlib
import functools

import pytest

import parbench_lab as pb
from parbench_lab.core.machine import Machine
from parbench_lab.core.ports import ExecutorFailed
from parbench_lab.errors import UsageError
from parbench_lab.hardware.detect import detect_machine
from parbench_lab.store import open_store
from tests.chaos.candidates import Summing, good, slower
from tests.lab import commands
from tests.lab.courses import BUDGET_S, course

pytestmark = pytest.mark.xdist_group("races")


def begun(store, **options):
    """Return a race that has measured something and lost its cluster."""
    with course(good, slower, store=store, policy="never", **options) as bench:
        bench.start()
        assert bench.wait("first_rows", timeout_s=BUDGET_S)
        bench._engine.post(ExecutorFailed(reason="the scheduler is gone"))
        assert bench.wait("finished", timeout_s=BUDGET_S)
    return bench


def again(bench, store, **options):
    """Return the race again, which may go on."""
    return pb.ParallelBenchmarking.resume_run(
        bench.run_id, algorithms=[good, slower], workload=Summing(), store=store, **options
    )


def machine_of(run, store):
    with contextlib.closing(open_store(store)) as opened:
        return Machine.from_json(opened.header(run.run_id).document["machine"])


@contextlib.contextmanager
def cluster_elsewhere(folder, *kernels):
    """Run a scheduler with a worker on a machine of each kernel; yields its address.

    To a worker's interpreter its folder tells another host and kernel; all else is this machine.
    """
    with contextlib.ExitStack() as stack:
        scheduler = stack.enter_context(commands.scheduler(folder))
        for kernel in kernels:
            home = folder / kernel
            home.mkdir()
            (home / "sitecustomize.py").write_text(
                f"import platform\nplatform.release = platform.node = lambda: {kernel!r}\n"
            )
            where = {"PYTHONPATH": str(home)}
            stack.enter_context(commands.worker(scheduler.address, home, name=kernel, env=where))
        yield scheduler.address


def test_a_cluster_of_equal_machines_is_one_machine(tmp_path):
    store = tmp_path / "runs.db"
    with contextlib.ExitStack() as stack:
        scheduler = stack.enter_context(commands.scheduler(tmp_path))
        for name in ("anna", "bert"):
            stack.enter_context(commands.worker(scheduler.address, tmp_path, name=name))
        bench = begun(store, cluster=scheduler.address)

    assert machine_of(bench, store) == detect_machine()


def test_a_race_on_another_machine_is_kept_under_it_and_not_resumed_here(tmp_path):
    store = tmp_path / "runs.db"
    with cluster_elsewhere(tmp_path, "7.7") as address:
        bench = begun(store, cluster=address)
        with pytest.raises(UsageError, match="another machine"):
            again(bench, store)
        with again(bench, store, cluster=address) as resumed:
            resumed.start()
            assert resumed._engine.wait_for(lambda s: s.workers, BUDGET_S)

    machine = machine_of(bench, store)
    assert "7.7" in machine.kernel
    assert machine.fingerprint != detect_machine().fingerprint


def test_a_race_of_this_machine_does_not_go_on_where_the_workers_are_on_another(tmp_path):
    store = tmp_path / "runs.db"
    bench = begun(store)
    with (
        cluster_elsewhere(tmp_path, "7.7") as address,
        again(bench, store, cluster=address) as resumed,
        pytest.raises(UsageError, match=r"another machine \(kernel: .* and .*7\.7"),
    ):
        resumed.start()


def test_unlike_machines_of_one_cluster_are_a_machine_of_their_own(tmp_path):
    store = tmp_path / "runs.db"
    with cluster_elsewhere(tmp_path, "7.7", "8.8") as address:
        bench = begun(store, cluster=address)
        study = functools.partial(
            pb.ScalingStudy, workers=[1], sizes=[10_000], repeats=1, cluster=address
        )
        with (
            study(backend="dask", store=store) as there,
            study(backend=["dask", "serial"], store=":memory:") as both,
        ):
            curve = there.run()
            both.run()

    machine = machine_of(bench, store)
    assert len(machine.cluster) == 2
    assert curve.machine == machine_of(there, store).fingerprint == there.machine.fingerprint
    assert len(there.machine.cluster) == 2
    assert {*there.machine.cluster} < {*both.machine.cluster}


def test_a_study_of_one_cluster_does_not_go_on_on_another_machine(tmp_path):
    options = {"workers": [1], "sizes": [10_000], "repeats": 3, "backend": "dask"}
    store = tmp_path / "runs.db"
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(cluster_elsewhere(tmp_path, "7.7"))
        study = stack.enter_context(pb.ScalingStudy(cluster=first, store=store, **options))
        study.on_trial = lambda _cell, _trial: study.stop()
        study.run()
        other = stack.enter_context(cluster_elsewhere(tmp_path, "8.8"))
        resume = functools.partial(pb.ScalingStudy.resume_run, study.run_id, store=store)
        with resume(cluster=other) as refused, pytest.raises(UsageError, match="another machine"):
            refused.run()
        with resume(cluster=first) as resumed:
            curve = resumed.run()

    (level,) = curve.levels
    assert level.time_s.n == 3
