"""Samples of real workers: they come, they stop, and nothing that a GPU does ends a race."""

import asyncio
import contextlib
import os
import signal
import threading

import pytest
from distributed import Client, LocalCluster
from tornado.ioloop import PeriodicCallback

import parbench_lab as pb
from parbench_lab.core.ports import WorkerLeft
from parbench_lab.execution.dask_executor import DaskExecutor
from parbench_lab.execution.floor import Floor
from parbench_lab.hardware.gpu import find_gpus
from parbench_lab.monitoring import events
from parbench_lab.monitoring.events import WorkerSampling
from parbench_lab.monitoring.sampling import GpuAtHand, Sampler
from parbench_lab.testing.recorded_gpus import two_gpus
from tests.execution import misdeeds
from tests.execution.desk import Desk, outcomes

LIMIT_S = 120.0
DOOR = "parbench_lab.testing.recorded_gpus:"


HEARD = threading.Condition()


class HearingFloor(Floor):
    """Tells whoever waits that a worker told something."""

    def on_usage(self, address, message):
        super().on_usage(address, message)
        with HEARD:
            HEARD.notify_all()


class HearingExecutor(DaskExecutor):
    floor_type = HearingFloor


def eventually(found):
    """Wait until something is found, looking again whenever a worker told something."""
    with HEARD:
        answer = HEARD.wait_for(found, LIMIT_S)
    assert answer, f"waited {LIMIT_S} s in vain"
    return answer


@contextlib.contextmanager
def recorded(name):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PARBENCH_NVML", DOOR + name)
        patch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        yield


@pytest.fixture(scope="module")
def desk():
    with recorded("throttled_gpu"):
        executor = HearingExecutor(n_workers=1, gpus=1, gpu_seats=1, sample_hz=25.0)
        made = Desk(executor, misdeeds.Summing())
        made.wait_for(lambda: len(made.workers()) == 2)
        yield made
        made.close()


def usage_of(desk, worker):
    return next(u for u in desk.executor.usage() if u.worker == worker)


def sampled(desk, worker):
    """Wait until a worker's usage is its own sample: only those tell of the host."""
    return eventually(
        lambda: next(
            (u for u in desk.executor.usage() if u.worker == worker and u.host_memory_bytes), None
        )
    )


def test_every_worker_tells_of_its_process_and_its_machine(desk):
    usage = sampled(desk, "cpu-0")

    assert 10e6 < usage.rss_bytes < usage.host_memory_bytes
    assert usage.memory_limit_bytes > usage.rss_bytes
    assert usage.not_measured == (("gpu", "not a GPU worker"),)


def test_a_gpu_worker_tells_of_its_gpu_and_when_it_is_hot(desk):
    first = sampled(desk, "gpu-0")

    eventually(lambda: usage_of(desk, "gpu-0").gpu_throttle == ())

    assert first.gpu_uuid == "GPU-44444444-recorded"
    assert first.gpu_power_w == 300
    assert first.gpu_memory_total_bytes == 80 * 2**30


def test_a_worker_that_was_killed_is_forgotten_and_its_successor_tells_again(desk):
    before = sampled(desk, "cpu-0")
    station = desk.executor._floor.stations["cpu-0"]

    os.kill(station.newcomer.pid, signal.SIGKILL)
    desk.wait_for(lambda: [left for left in desk.of(WorkerLeft) if left.worker == "cpu-0"])
    desk.wait_for(lambda: "cpu-0" in desk.workers())

    again = sampled(desk, "cpu-0")
    assert desk.executor._floor.stations["cpu-0"].newcomer.pid != station.newcomer.pid
    assert again.worker == before.worker


def test_workers_of_others_are_sampled_and_left_alone_afterwards():
    with (
        LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0"
        ) as cluster,
        Client(cluster),
    ):
        desk = Desk(HearingExecutor(cluster, sample_hz=25.0), misdeeds.Summing())
        worker = desk.worker()
        assert outcomes(desk.run(misdeeds.good)) == {"good": ("ok", "")}
        usage = sampled(desk, worker)
        desk.close()

        assert usage.rss_bytes > 10e6
        assert events._SAMPLING == {}


def test_workers_are_sampled_five_times_a_second_unless_somebody_asks_for_others(monkeypatch):
    every_ms = []

    class Noted(PeriodicCallback):
        def __init__(self, callback, callback_time):
            every_ms.append(callback_time)
            super().__init__(callback, callback_time)

    monkeypatch.setattr(events, "PeriodicCallback", Noted)
    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0"
    ) as cluster:  # its worker is in this process
        desk = Desk(HearingExecutor(cluster), misdeeds.Summing())
        sampled(desk, desk.worker())
        desk.close()

    assert every_ms == [200.0]


def test_nobody_samples_where_that_is_not_wanted():
    desk = Desk(DaskExecutor(n_workers=1, sample_hz=0), misdeeds.Summing())
    try:
        desk.worker()
        busy = desk.executor.usage()

        assert [usage.host_memory_bytes for usage in busy] == [None]
        assert busy[0].rss_bytes > 10e6
    finally:
        desk.close()


def test_a_gpu_lost_in_the_middle_does_not_end_a_race():
    with recorded("lost_gpu"):
        executor = HearingExecutor(n_workers=1, gpus=1, gpu_seats=1, sample_hz=50.0)
        bench = pb.ParallelBenchmarking(
            ["cumsum", "convolve"], batch_size=500, store=":memory:", executor=executor
        )
        with bench:
            bench.start()
            bench.wait("first_rows", timeout_s=LIMIT_S)
            told = eventually(
                lambda: next(
                    (u for u in bench.usage() if u.worker == "gpu-0" and u.not_measured), None
                )
            )
            before = bench.scoreboard.blocks
            eventually(
                lambda: bench.scoreboard.phase == "ended" or bench.scoreboard.blocks > before
            )
            result = bench.stop()

    assert "GPU is lost" in dict(told.not_measured)["gpu"]
    assert told.gpu_percent is None
    assert result.status in ("stopped", "decided")


class Loop:
    def __init__(self):
        self.asked = []

    def add_callback(self, function):
        self.asked.append(function)


class Worker:
    def __init__(self):
        self.loop = Loop()
        self.sent = []

    def log_event(self, topic, message):
        self.sent.append((topic, message))


def sampling_of(worker, sampler=None, **options):
    return WorkerSampling(
        worker, sampler or Sampler("w"), topic="topic", session="session", sample_hz=5.0, **options
    )


def test_a_sampler_whose_client_vanished_rests_until_the_next_task():
    async def course():
        worker = Worker()
        sampling = sampling_of(worker, rest_after_s=-1.0, send_every_s=0.0)
        sampling.start()
        sampling.tick()
        rested = sampling.running
        sampling.begin_task()
        for function in worker.loop.asked:
            function()
        sampling.tick()
        awake = sampling.running
        sampling.end()
        return rested, awake, len(worker.sent)

    assert asyncio.run(course()) == (False, True, 1)


def test_a_sampler_that_was_ended_does_not_begin_again():
    async def course():
        sampling = sampling_of(Worker())
        sampling.end()
        sampling.start()
        return sampling.running

    assert asyncio.run(course()) is False


def test_samples_are_gathered_and_sent_to_the_clients_own_topic():
    async def course():
        worker = Worker()
        sampling = sampling_of(worker, send_every_s=3600.0)
        sampling.tick()
        sampling.tick()
        held_back = len(worker.sent)
        sampling._send_every_s = 0.0
        sampling.tick()
        return held_back, worker.sent

    held_back, sent = asyncio.run(course())

    ((topic, message),) = sent
    assert (held_back, topic) == (0, "topic")
    assert (message["name"], len(message["samples"])) == ("w", 3)
    assert "worker" not in message  # Dask writes the address there


def test_what_a_gpu_does_is_sent_at_once():
    async def course():
        worker = Worker()
        nvml = two_gpus()
        at_hand = GpuAtHand(nvml=nvml, gpu=find_gpus(nvml, visible="0").gpus[0])
        sampling_of(worker, sampler=Sampler("w", at_hand=at_hand), send_every_s=3600.0).tick()
        return worker.sent

    assert len(asyncio.run(course())) == 1
