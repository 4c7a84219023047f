"""Clusters that are given: a client, a cluster object, an address with or without TLS."""

import asyncio
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import dask
import psutil
import pytest
from distributed import Client, LocalCluster, Status, get_worker
from distributed.security import Security
from tornado.tcpclient import TCPClient

from parbench_lab.core.measurement import Outcome
from parbench_lab.core.ports import ExecutorFailed, WorkerJoined, WorkerLeft
from parbench_lab.errors import ClusterError, UsageError
from parbench_lab.execution.address import connect_limit_s
from parbench_lab.execution.connection import Connection
from parbench_lab.execution.dask_executor import DaskExecutor
from parbench_lab.execution.energy import MIN_RUN_S
from parbench_lab.execution.floor import Floor
from parbench_lab.hardware.gpu import DOOR
from parbench_lab.monitoring.energy import NVML_SOURCE
from parbench_lab.testing import check_executor
from tests.certificates import write_certificate
from tests.execution import misdeeds
from tests.execution.desk import Desk, outcomes


class Started:
    """A Dask command that runs, and the first line of its log that matches."""

    def __init__(self, pattern, *arguments):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.found = None
        for line in self.process.stderr:
            self.found = re.search(pattern, line)
            if self.found:
                break
        assert self.found, f"dask {arguments} ended without {pattern!r}"

    def close(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.stderr.close()
        self.process.wait()


def start_scheduler(*options):
    return Started(
        r"Scheduler at: +(\S+)", "scheduler", "--host", "127.0.0.1", "--port", "0",
        "--dashboard-address", "127.0.0.1:0", *options,
    )  # fmt: skip


def start_worker(address, name, *options):
    return Started(
        r"Registered to: +(\S+)", "worker", address, "--nthreads", "1", "--host", "127.0.0.1",
        "--name", name, "--dashboard-address", "127.0.0.1:0", *options,
    )  # fmt: skip


@pytest.fixture(scope="module")
def scheduler():
    started = start_scheduler()
    yield started.found[1]
    started.close()


@pytest.fixture(scope="module")
def nannied(scheduler):
    started = start_worker(scheduler, "with-nanny", "--nanny", "--memory-limit", "1GiB")
    yield started
    started.close()


class FarFloor(Floor):
    """Treats every worker as if it were on another machine."""

    def is_local(self, newcomer):
        return False


class FarExecutor(DaskExecutor):
    floor_type = FarFloor


class DeafFloor(Floor):
    """Is never told that a worker left."""

    def on_gone(self, address):
        pass


class DeafExecutor(DaskExecutor):
    floor_type = DeafFloor


def test_it_keeps_the_promises_of_its_port(scheduler, nannied):
    check_executor(lambda: DaskExecutor(scheduler))


def test_a_given_client_and_cluster_stay_open(monkeypatch):
    with (
        LocalCluster(
            n_workers=1, threads_per_worker=2, host="127.0.0.1", dashboard_address=":0"
        ) as cluster,
        Client(cluster) as client,
    ):
        for given in (client, cluster):
            desk = Desk(DaskExecutor(given), misdeeds.Summing())
            ended = desk.run(misdeeds.good, misdeeds.raises, blocks=2)
            desk.close()
            assert outcomes(ended)["good"] == ("ok", "")
            assert outcomes(ended)["raises"][0] == "failed"

        assert client.submit(sum, [1, 2]).result() == 3


class Heard:
    """Listens to a connection."""

    def __init__(self):
        self.joined, self.refused = [], []
        self.came, self.gone = asyncio.Event(), asyncio.Event()
        self.paused, self.resumed = asyncio.Event(), asyncio.Event()

    def on_joined(self, newcomer):
        self.joined.append(newcomer)
        self.came.set()

    def on_paused(self, address):
        self.paused.set()

    def on_resumed(self, address):
        self.resumed.set()
        return False

    def on_refused(self, address, why):
        self.refused.append((address, why))

    def on_gone(self, address):
        self.gone.set()

    def on_lost(self):
        """Not in this test."""


@contextmanager
def a_connection(tmp_path):
    """Connect to a cluster of one worker that we were given."""
    token = tmp_path / "token"
    token.write_text("session")
    with (
        LocalCluster(
            n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address=":0",
            memory_limit=0,
        ) as cluster,
        contextlib.closing(
            Connection(
                cluster.scheduler_address, security=None, session="session",
                token_path=str(token), ours=False,
            )
        ) as connection,
    ):  # fmt: skip
        yield connection


@pytest.mark.parametrize("returns", [False, True])
@pytest.mark.parametrize("answers", [True, False])
def test_a_worker_that_leaves_while_it_describes_itself_has_never_joined(
    tmp_path, answers, returns
):
    with a_connection(tmp_path) as connection:
        heard, ask = Heard(), connection.ask

        async def leave_meanwhile(address, *args):
            described = await ask(address, *args)
            await connection._client.retire_workers([address], asynchronous=True)
            await heard.gone.wait()
            if returns:  # another comes to its address
                connection._heard((0.0, {"action": "add-worker", "worker": address}))
            if not answers:
                raise OSError("closed")
            return described

        connection.ask = leave_meanwhile
        connection.listen(heard)
        connection.await_stock(60)

    assert heard.gone.is_set()
    assert (heard.joined, heard.refused) == ([], [])


def test_workers_that_are_threads_of_this_process_are_never_killed():
    with LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0"
    ) as cluster:
        desk = Desk(DaskExecutor(cluster), misdeeds.Summing())

        ended = desk.run(misdeeds.good, misdeeds.changes_environment)

        (worker,) = desk.workers().values()
        assert not worker.local
        assert outcomes(ended)["good"] == ("ok", "")
        desk.close()


@pytest.mark.parametrize(
    ("offered", "measured"),
    [pytest.param({"GPU": 1}, True, id="a GPU"), pytest.param({}, False, id="none")],
)
def test_a_worker_that_only_offers_its_gpu_tells_the_energy_of_a_run(
    monkeypatch, offered, measured
):
    monkeypatch.setenv(DOOR, "parbench_lab.testing.recorded_gpus:two_gpus")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def long_enough(case):
        time.sleep(MIN_RUN_S[NVML_SOURCE])
        return sum(case)

    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0",
        resources=offered,
    ) as cluster:  # fmt: skip
        desk = Desk(DaskExecutor(cluster), misdeeds.Summing())
        (result,) = desk.run(long_enough).results
        desk.close()

    (run,) = result.measurements
    assert run.outcome is Outcome.OK
    assert run.values.get("gpu_energy_j", 0.0) % 60.0 == 0.0  # whole moments of the recording
    assert ("gpu_energy_j" in run.values) == measured


@pytest.mark.parametrize("misdeed", [misdeeds.spins, misdeeds.holds_the_lock])
def test_a_hung_candidate_is_stopped_and_the_nanny_brings_the_worker_back(
    scheduler, nannied, misdeed
):
    desk = Desk(DaskExecutor(scheduler), misdeeds.Summing())
    try:
        names = desk.publish(misdeeds.good, misdeed)
        worker = desk.worker()

        (ended,) = desk.ended(desk.send(*names, worker=worker, timeout_s=0.5))

        assert outcomes(ended)["good"] == ("ok", "")
        assert outcomes(ended)[misdeed.__name__][0] == "timed_out"
        desk.wait_for(lambda: len(desk.of(WorkerJoined)) == 2)
        assert outcomes(desk.run(misdeeds.good)) == {"good": ("ok", "")}
    finally:
        desk.close()


@pytest.mark.parametrize("misdeed", [misdeeds.sleeps, misdeeds.holds_the_lock])
def test_a_hung_candidate_on_another_machine_is_named_by_its_nanny(scheduler, nannied, misdeed):
    desk = Desk(FarExecutor(scheduler), misdeeds.Summing())
    try:
        names = desk.publish(misdeeds.good, misdeed)
        worker = desk.worker()
        assert not desk.workers()[worker].local

        (ended,) = desk.ended(desk.send(*names, worker=worker, timeout_s=0.5))

        assert outcomes(ended)["good"] == ("ok", "")
        assert outcomes(ended)[misdeed.__name__][0] == "timed_out"
        assert outcomes(desk.run(misdeeds.good)) == {"good": ("ok", "")}
    finally:
        desk.close()


def test_a_given_worker_whose_end_nobody_tells_is_seen_to_have_ended(scheduler, nannied):
    desk = Desk(DeafExecutor(scheduler), misdeeds.Summing())

    try:
        ended = desk.run(misdeeds.kills_itself, timeout_s=0.2)
    finally:
        desk.close()

    assert ended.results == ()
    assert (ended.suspicion.candidate, ended.suspicion.reason) == (
        "kills_itself", "its worker's process is gone",
    )  # fmt: skip


def test_a_crash_on_a_given_worker_is_a_suspicion(scheduler, nannied):
    desk = Desk(DaskExecutor(scheduler), misdeeds.Summing())
    try:
        ended = desk.run(misdeeds.good, misdeeds.segfaults)

        assert outcomes(ended) == {"good": ("ok", "")}
        assert ended.suspicion.candidate == "segfaults"
    finally:
        desk.close()


def test_a_worker_may_join_and_leave(scheduler, nannied):
    desk = Desk(DaskExecutor(scheduler), misdeeds.Summing())
    try:
        desk.worker()
        guest = start_worker(scheduler, "guest", "--no-nanny", "--memory-limit", "1GiB")
        try:
            desk.wait_for(lambda: "guest" in desk.workers())
            names = desk.publish(misdeeds.good)
            (ended,) = desk.ended(desk.send(*names, worker="guest"))
            assert outcomes(ended) == {"good": ("ok", "")}
        finally:
            guest.close()

        desk.wait_for(lambda: [left for left in desk.of(WorkerLeft) if left.worker == "guest"])
    finally:
        desk.close()


def pauses_its_worker(case):
    """Do what Dask does itself where a worker's memory is nearly used up."""
    worker, done = get_worker(), threading.Event()

    def pause():
        worker.status = Status.paused
        done.set()

    worker.loop.add_callback(pause)
    done.wait()
    return sum(case)


def pause(dask_worker):
    dask_worker.status = Status.paused


def resume(dask_worker):
    dask_worker.status = Status.running


def pauses_for_a_moment(case):
    """Do what Dask does where the memory of a worker is nearly used up for a moment."""
    pauses_its_worker(case)
    worker = get_worker()
    worker.loop.add_callback(worker.loop.call_later, 0.1, resume, worker)
    return sum(case)


@pytest.mark.parametrize("executor", [DaskExecutor, FarExecutor])
def test_a_worker_that_dask_pauses_gives_back_what_waits_and_joins_again(
    scheduler, nannied, executor
):
    guest = start_worker(scheduler, "paused", "--no-nanny", "--memory-limit", "0")
    desk = Desk(executor(scheduler), misdeeds.Summing())
    try:
        desk.wait_for(lambda: "paused" in desk.workers())
        address = desk.workers()["paused"].process
        good, pauses = desk.publish(misdeeds.good, pauses_its_worker)
        numbers = [desk.send(name, worker="paused") for name in (pauses, good, good)]

        ended = desk.ended(*numbers)

        assert outcomes(ended[0]) == {pauses: ("ok", "")}
        assert [len(task.unrun) for task in ended] == [0, 1, 1]
        assert [task.suspicion for task in ended] == [None] * 3
        desk.wait_for(lambda: "paused" not in desk.workers())
        (left,) = [left for left in desk.of(WorkerLeft) if left.worker == "paused"]
        assert left.reason == "Dask has paused it: its memory is nearly used up"
        late = Desk(executor(scheduler), misdeeds.Summing())
        assert "paused" not in late.workers()
        with Client(scheduler, set_as_default=False) as client:
            client.run(resume, workers=[address])
        late.wait_for(lambda: "paused" in late.workers())
        late.close()
        desk.wait_for(lambda: "paused" in desk.workers())
        assert outcomes(desk.run(misdeeds.good, worker="paused")) == {"good": ("ok", "")}
        hung = desk.run(misdeeds.sleeps, worker="paused", timeout_s=0.5)
        assert outcomes(hung)["sleeps"][0] == "timed_out"
    finally:
        desk.close()
        guest.close()


def test_a_worker_that_dask_pauses_for_a_moment_stays(scheduler, nannied):
    desk = Desk(DaskExecutor(scheduler), misdeeds.Summing())
    try:
        worker = desk.worker()
        names = desk.publish(pauses_for_a_moment, misdeeds.good)
        ended = desk.ended(*(desk.send(name, worker=worker) for name in names))

        assert [list(outcomes(task).values()) for task in ended] == [[("ok", "")]] * 2
        assert desk.of(WorkerLeft) == []
    finally:
        desk.close()


@pytest.mark.parametrize("resumed", [False, True])
def test_a_worker_that_is_paused_while_it_describes_itself_joins_when_it_is_resumed(
    tmp_path, resumed
):
    with a_connection(tmp_path) as connection:
        heard, ask = Heard(), connection.ask

        async def pause_meanwhile(address, *args):
            connection.ask = ask
            await connection._client.run(pause, workers=[address])
            await heard.paused.wait()
            described = await ask(address, *args)
            if resumed:
                await connection._client.run(resume, workers=[address])
                await heard.resumed.wait()
            return described

        connection.ask = pause_meanwhile
        connection.listen(heard)
        connection.await_stock(60)
        if not resumed:
            assert heard.joined == []
            connection._client.run(resume)
        connection.run(heard.came.wait()).result(60)

    assert len(heard.joined) == 1


def test_modules_that_workers_cannot_import_are_shipped(scheduler, nannied, tmp_path, monkeypatch):
    (tmp_path / "beside_the_script.py").write_text(
        "import other_beside\n\ndef total(case):\n    return other_beside.add(case)\n"
    )
    (tmp_path / "other_beside.py").write_text("def add(case):\n    return sum(case)\n")
    monkeypatch.syspath_prepend(tmp_path)
    import beside_the_script

    desk = Desk(DaskExecutor(scheduler), misdeeds.Summing())
    try:
        assert outcomes(desk.run(beside_the_script.total)) == {"total": ("ok", "")}
    finally:
        desk.close()


def test_close_leaves_no_hung_candidate_on_a_given_worker(scheduler, nannied):
    desk = Desk(DaskExecutor(scheduler), misdeeds.Summing())
    names = desk.publish(misdeeds.spins)
    worker = desk.worker()
    station = desk.executor._floor.stations[worker]
    desk.send(*names, worker=worker, timeout_s=3600.0)
    while station.reader.marker().block < 0:
        pass
    process = psutil.Process(station.newcomer.pid)

    desk.close()

    gone, _ = psutil.wait_procs([process], timeout=120)
    assert gone


def test_a_scheduler_that_goes_is_a_failure_in_one_line():
    scheduler = start_scheduler()
    worker = start_worker(scheduler.found[1], "orphan", "--no-nanny")
    desk = Desk(DaskExecutor(scheduler.found[1]), misdeeds.Summing())
    try:
        desk.worker()

        scheduler.close()

        assert desk.failure() == ExecutorFailed(
            reason="the connection to the Dask scheduler was lost"
        )
    finally:
        desk.close()
        worker.close()


def test_a_worker_without_this_package_is_refused_with_what_to_install(tmp_path, monkeypatch):
    package = tmp_path / "parbench_lab"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('not installed here')")
    scheduler = start_scheduler()
    monkeypatch.chdir(tmp_path)
    worker = start_worker(scheduler.found[1], "bare", "--no-nanny")
    executor = DaskExecutor(scheduler.found[1])
    try:
        with pytest.raises(ClusterError, match=r"cannot be used .* pip install parbench_lab"):
            executor.open(lambda report: None, misdeeds.Summing())
    finally:
        executor.close()
        worker.close()
        scheduler.close()


def test_nobody_at_an_address_is_an_error_that_says_so():
    executor = DaskExecutor("tcp://127.0.0.1:1")

    with (
        dask.config.set({"distributed.comm.timeouts.connect": "500ms"}),
        pytest.raises(
            ClusterError, match=r"no Dask scheduler answers at tcp://127.0.0.1:1 within 0.5 s"
        ),
    ):
        executor.open(lambda report: None, misdeeds.Summing())


class Stranger:
    """Takes connections, says something (or nothing), and holds them."""

    def __init__(self, words):
        self._words = words
        self._held = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp://127.0.0.1:{self._server.getsockname()[1]}"
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    def _take(self):
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self._server.accept()
                peer.sendall(self._words)
                self._held.append(peer)

    def close(self):
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join()
        for peer in self._held:
            peer.close()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(b"", "within 0.5 s", id="silence"),
        pytest.param(
            b"HTTP/1.1 400 Bad Request\r\n\r\n" * 4, "another protocol", id="another protocol"
        ),
    ],
)
def test_a_stranger_at_an_address_is_an_error_within_the_limit(words, said):
    stranger = Stranger(words)
    executor = DaskExecutor(stranger.address)
    try:
        with (
            dask.config.set({"distributed.comm.timeouts.connect": "500ms"}),
            pytest.raises(ClusterError, match=rf"no Dask scheduler answers .*{said}"),
        ):
            executor.open(lambda report: None, misdeeds.Summing())
    finally:
        stranger.close()


def test_on_a_slow_network_one_attempt_is_made_and_not_cut_off(monkeypatch):
    """Dask gives up its first attempt after a fifth of the limit, and leaves the socket open."""
    stranger, attempts = Stranger(b""), []
    connect = TCPClient.connect

    async def connect_slowly(self, *args, **options):
        attempts.append(args)
        stream = await connect(self, *args, **options)
        await asyncio.sleep(0.3)  # so slow is the network
        return stream

    monkeypatch.setattr(TCPClient, "connect", connect_slowly)
    try:
        with (
            dask.config.set({"distributed.comm.timeouts.connect": "1s"}),
            pytest.raises(ClusterError, match=r"no Dask scheduler answers"),
        ):
            DaskExecutor(stranger.address).open(lambda report: None, misdeeds.Summing())
    finally:
        stranger.close()

    assert len(attempts) == 1


def test_the_address_of_a_worker_is_refused_with_a_hint():
    with LocalCluster(
        n_workers=1, processes=False, protocol="tcp://", host="127.0.0.1", dashboard_address=":0"
    ) as cluster:
        executor = DaskExecutor(cluster.workers[0].address)

        with pytest.raises(ClusterError, match=r"answers a Dask worker: give the address of its"):
            executor.open(lambda report: None, misdeeds.Summing())


def test_a_scheduler_has_five_seconds_or_what_dask_was_told():
    assert connect_limit_s() == 5.0

    with dask.config.set({"distributed.comm.timeouts.connect": "2 minutes"}):
        assert connect_limit_s() == 120.0


@pytest.mark.parametrize("address", ["somewhere", "http://127.0.0.1:8786", "tcp://host", ""])
def test_what_is_no_address_is_refused_with_an_example(address):
    with pytest.raises(UsageError, match=r"like tcp://host:8786"):
        DaskExecutor(address)


def test_what_is_no_cluster_is_refused():
    with pytest.raises(UsageError, match=r"cluster must be None, a scheduler's address"):
        DaskExecutor(42)


def test_it_works_over_tls(tmp_path):
    cert, key = map(str, write_certificate(tmp_path))
    tls = ("--tls-ca-file", cert, "--tls-cert", cert, "--tls-key", key)
    scheduler = start_scheduler("--protocol", "tls", *tls)
    worker = start_worker(scheduler.found[1], "secret", "--no-nanny", *tls)
    security = Security(
        tls_ca_file=cert, tls_client_cert=cert, tls_client_key=key, require_encryption=True
    )
    try:
        assert scheduler.found[1].startswith("tls://")
        desk = Desk(DaskExecutor(scheduler.found[1], security=security), misdeeds.Summing())
        assert outcomes(desk.run(misdeeds.good)) == {"good": ("ok", "")}
        desk.close()
    finally:
        worker.close()
        scheduler.close()
