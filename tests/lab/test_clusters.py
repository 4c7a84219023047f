"""Races on clusters of others: addresses, clients, cluster objects, TLS, workers that come and go.

The clusters are started by Dask's command line on the loopback interface, in folders from which
nothing of these tests can be imported.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import subprocess
import sys

import dask
import pytest
from distributed import Client, LocalCluster, Security

import parbench_lab as pb
from parbench_lab.core.measurement import Outcome
from tests.certificates import write_certificate
from tests.chaos.candidates import good, slower
from tests.lab import commands, misdeeds
from tests.lab.courses import (
    BUDGET_S,
    assert_fair,
    assert_out,
    course,
    judged,
    out,
    outcome_of_race,
    outcome_once,
)


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory):
    """Return the address of a scheduler with two workers that have nannies."""
    folder = tmp_path_factory.mktemp("cluster")
    with contextlib.ExitStack() as stack:
        scheduler = stack.enter_context(commands.scheduler(folder))
        for name in ("anna", "bert"):
            stack.enter_context(commands.worker(scheduler.address, folder, name=name))
        yield scheduler.address


def still_works(address, **options):
    with Client(address, set_as_default=False, **options) as client:
        return client.submit(sum, [1, 2, 3], pure=False).result(timeout=120) == 6


def test_a_race_on_an_address_leaves_the_cluster_as_it_was(two_workers):
    result = outcome_of_race(good, slower, cluster=two_workers)

    assert_fair(result)
    assert set(result.scoreboard.workers) == {"anna", "bert"}
    assert still_works(two_workers)


def test_a_candidate_with_a_resource_of_any_name_runs_where_it_is_offered(two_workers, tmp_path):
    needy = pb.Candidate(name="slower", function=slower, resources={"TPU": 2})

    with commands.worker(two_workers, tmp_path, "--resources", "TPU=2", name="cleo"):
        result = outcome_of_race(good, needy, cluster=two_workers)

    assert_fair(result)
    assert set(result.scoreboard.workers) == {"anna", "bert", "cleo"}
    assert set(result.scoreboard.measured_on) == {"cleo"}


def test_a_race_on_a_client_leaves_the_client_open(two_workers):
    with Client(two_workers, set_as_default=False) as client:
        result = outcome_of_race(good, slower, cluster=client)

        assert_fair(result)
        assert client.submit(sum, [1, 2], pure=False).result(timeout=120) == 3


def test_a_race_on_a_cluster_object_leaves_the_cluster_open():
    options = {"threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(n_workers=2, **options) as cluster:
        result = outcome_of_race(good, slower, cluster=cluster)

        assert_fair(result)
        assert len(result.scoreboard.workers) == 2
        assert still_works(cluster.scheduler_address)


@pytest.mark.parametrize(
    ("bad", "outcome"),
    [
        pytest.param(misdeeds.exits, Outcome.CRASHED, id="os._exit"),
        pytest.param(misdeeds.spins_in_c, Outcome.TIMED_OUT, id="spinning in C"),
        pytest.param(misdeeds.raises, Outcome.FAILED, id="raising"),
    ],
)
def test_who_misbehaves_on_the_workers_of_others_is_out_and_the_workers_come_back(
    two_workers, bad, outcome
):
    result = outcome_of_race(good, slower, bad, cluster=two_workers)

    assert_fair(result)
    assert result.scoreboard.of(bad.__name__).outcome == outcome
    assert still_works(two_workers)


def test_who_leaks_on_the_workers_of_others_is_named_before_dask_pauses_them(tmp_path):
    with contextlib.ExitStack() as stack:
        scheduler = stack.enter_context(commands.scheduler(tmp_path))
        stack.enter_context(
            commands.worker(scheduler.address, tmp_path, "--memory-limit", "600MB", name="only")
        )

        result = outcome_once(
            out("leaks"),
            misdeeds.unhurried,
            misdeeds.very_unhurried,
            misdeeds.leaks,
            cluster=scheduler.address,
        )

    assert_fair(result, winner="unhurried", honest=("unhurried", "very_unhurried"))
    assert_out(result, "leaks", Outcome.OUT_OF_MEMORY, "keeps about 10", "MB per call")


def test_a_worker_that_joins_is_used_and_one_that_leaves_hurts_nobody(tmp_path):
    with contextlib.ExitStack() as stack:
        scheduler = stack.enter_context(commands.scheduler(tmp_path))
        first = stack.enter_context(commands.worker(scheduler.address, tmp_path, name="first"))
        bench = stack.enter_context(
            course(good, slower, cluster=scheduler.address, policy="never", n_workers=None)
        )
        bench.start()
        assert bench.wait("first_rows", timeout_s=BUDGET_S)

        stack.enter_context(commands.worker(scheduler.address, tmp_path, name="second"))
        assert bench._engine.wait_for(lambda s: set(s.workers) == {"first", "second"}, BUDGET_S)
        first.terminate()
        assert bench._engine.wait_for(lambda s: set(s.workers) == {"second"}, BUDGET_S)
        blocks = bench.scoreboard.blocks
        assert bench._engine.wait_for(lambda s: s.blocks > blocks + 20, BUDGET_S)
        result = judged(bench)

    assert_fair(result)


def test_the_end_of_the_scheduler_ends_the_race_in_one_line(tmp_path, capfd):
    with contextlib.ExitStack() as stack:
        scheduler = stack.enter_context(commands.scheduler(tmp_path))
        stack.enter_context(commands.worker(scheduler.address, tmp_path, name="only"))
        with course(good, slower, cluster=scheduler.address, policy="never") as bench:
            bench.start()
            assert bench.wait("first_rows", timeout_s=BUDGET_S)

            scheduler.process.kill()
            assert bench.wait("finished", timeout_s=BUDGET_S)
            result = bench.result()

    assert result.status == "failed"
    assert result.winner is None
    assert "scheduler" in result.reason
    assert "\n" not in result.reason
    assert capfd.readouterr().err == ""


# ---------------------------------------------------------------- TLS


@pytest.fixture
def certificates(tmp_path):
    """Return the paths of a certificate for 127.0.0.1 that signs itself, and of its key."""
    return write_certificate(tmp_path)


def test_a_race_over_tls_tells_nobody_the_key(certificates, tmp_path, capfd):
    certificate, key = map(str, certificates)
    tls = ["--tls-ca-file", certificate, "--tls-cert", certificate, "--tls-key", key]
    security = Security(
        tls_ca_file=certificate,
        tls_client_cert=certificate,
        tls_client_key=key,
        require_encryption=True,
    )
    with contextlib.ExitStack() as stack:
        scheduler = stack.enter_context(commands.scheduler(tmp_path, *tls, "--protocol", "tls"))
        one = stack.enter_context(
            commands.worker(scheduler.address, tmp_path, *tls, "--protocol", "tls", name="one")
        )
        result = outcome_of_race(
            good,
            slower,
            cluster=scheduler.address,
            security=security,
            store=tmp_path / "runs.db",
        )
        assert still_works(scheduler.address, security=security)

    assert scheduler.address.startswith("tls://")
    assert_fair(result)
    secrets = [*certificates[1].read_text().splitlines(), key]
    printed = capfd.readouterr()
    told = "\n".join([printed.out, printed.err, *scheduler.lines, *one.lines, *result.log])
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("runs.db*"))
    assert len(secrets) > 3
    assert kept
    assert not [secret for secret in secrets if secret in told or secret.encode() in kept]


def test_certificates_of_dasks_configuration_are_enough_for_a_cluster_over_tls(
    certificates, tmp_path
):
    certificate, key = map(str, certificates)
    tls = "distributed.comm.tls"
    told = {
        f"{tls}.ca-file": certificate,
        f"{tls}.client.cert": certificate,
        f"{tls}.client.key": key,
    }
    given = ["--tls-ca-file", certificate, "--tls-cert", certificate, "--tls-key", key]
    with contextlib.ExitStack() as stack:
        scheduler = stack.enter_context(commands.scheduler(tmp_path, *given, "--protocol", "tls"))
        stack.enter_context(
            commands.worker(scheduler.address, tmp_path, *given, "--protocol", "tls", name="one")
        )
        stack.enter_context(dask.config.set(told))
        result = outcome_of_race(good, slower, cluster=scheduler.address)

    assert scheduler.address.startswith("tls://")
    assert_fair(result)


def test_an_address_that_speaks_tls_without_certificates_fails_in_one_line(certificates, tmp_path):
    certificate, key = map(str, certificates)
    tls = ["--tls-ca-file", certificate, "--tls-cert", certificate, "--tls-key", key]
    with (
        commands.scheduler(tmp_path, *tls, "--protocol", "tls") as scheduler,
        course(good, slower, cluster=scheduler.address) as bench,
        pytest.raises(pb.errors.ClusterError) as caught,
    ):
        bench.start()

    assert "tls:// needs certificates: security=distributed.Security(...)" in str(caught.value)
    assert "\n" not in str(caught.value)


# ---------------------------------------------------------------- code of the user

MODULE = """
import time


def spend(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def quick(case):
    spend(0.002)
    return case.sum()


def slow(case):
    spend(0.004)
    return case.sum()


class Total:
    name = "users_total"

    def make_case(self, size, rng):
        return rng.integers(0, 100, size=size)

    def check(self, case, result):
        if result != case.sum():
            raise ValueError("not the sum")
"""


def test_a_users_module_that_workers_cannot_import_is_shipped(two_workers, tmp_path, monkeypatch):
    (tmp_path / "users_windows.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("users_windows")

    result = outcome_of_race(
        module.slow, "users_windows:quick", workload=module.Total(), cluster=two_workers
    )

    assert_fair(result, winner="quick", honest=("quick", "slow"))


def test_what_workers_can_neither_import_nor_be_sent_is_out_with_what_to_do(
    two_workers, tmp_path, monkeypatch
):
    kept = MODULE.replace("def quick", "import functools\n\n\n@functools.cache\ndef quick")
    (tmp_path / "users_cache.py").write_text(kept)
    monkeypatch.syspath_prepend(tmp_path)
    cached = importlib.import_module("users_cache").quick

    result = outcome_once(out("quick"), good, slower, cached, cluster=two_workers)

    assert_fair(result)
    assert_out(result, "quick", Outcome.FAILED, "No module named 'users_cache'", "upload_file")


SCRIPT = (
    MODULE
    + """
import parbench_lab as pb

print("the script runs", flush=True)
bench = pb.ParallelBenchmarking([quick, slow], Total(), store=":memory:", timeout_s=2.0)
print(bench.run_continuous_optimization(max_seconds=60).winner)
bench.close()
"""
)


def test_a_plain_script_without_a_guard_races_and_runs_once(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)

    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env={k: v for k, v in os.environ.items() if k != "PARBENCH_STORE"},
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n") == ["the script runs", "quick", ""]
    assert done.stderr == ""
