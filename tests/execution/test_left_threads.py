"""Threads that are left behind are told; those of the sampler and those in the making are not."""

import threading

from parbench_lab.execution.surroundings import LeftThreads
from parbench_lab.hardware.gpu import Gpu
from parbench_lab.monitoring.patience import ASKING
from parbench_lab.monitoring.sampling import GpuAtHand, Sampler
from parbench_lab.testing.recorded_gpus import RecordedDevice, RecordedNvml, two_gpus

LIMIT_S = 120.0
TIMES = 100


class Slow(RecordedNvml):
    """Answers nothing until it is let go."""

    def __init__(self):
        super().__init__([RecordedDevice(uuid="GPU-a")])
        self.asked, self.go = threading.Event(), threading.Event()

    def device_of(self, uuid):
        self.asked.set()
        assert self.go.wait(LIMIT_S)
        return super().device_of(uuid)


def sampler_of(nvml, uuid):
    gpu = Gpu(index=0, uuid=uuid, name="A GPU", memory_bytes=1e9)
    return Sampler("w", at_hand=GpuAtHand(nvml=nvml, gpu=gpu))


def looks_beside(do):
    """Look again and again while `do` is done `TIMES` in another thread; return what was found."""
    wrong = []

    def run():
        try:
            for _ in range(TIMES):
                do()
        except BaseException as error:  # noqa: BLE001 - shown below
            wrong.append(error)

    beside = threading.Thread(target=run)
    beside.start()
    left, found = LeftThreads(), set()
    try:
        while beside.is_alive():
            found.add(left.look())
    finally:
        beside.join(LIMIT_S)
    assert wrong == []
    return found


def test_nobody_is_blamed_beside_a_sampler_at_work():
    found = looks_beside(sampler_of(two_gpus(), "GPU-11111111-recorded").sample)

    assert found == {(0, 0)}


def test_nobody_is_blamed_for_a_driver_that_takes_its_time():
    nvml = Slow()
    sampler = sampler_of(nvml, "GPU-a")
    left = LeftThreads()
    asking = threading.Thread(target=sampler.sample)
    asking.start()
    assert nvml.asked.wait(LIMIT_S)
    asking.join(LIMIT_S)  # it gave up: only its question is left

    found = left.look()
    nvml.go.set()

    assert found == (0, 0)


def test_a_question_that_was_under_way_does_not_hide_a_thread_that_is_left():
    nvml, over = Slow(), threading.Event()
    sampler_of(nvml, "GPU-a").sample()
    (question,) = [t for t in threading.enumerate() if t.name == ASKING]
    left = LeftThreads()
    nvml.go.set()
    question.join(LIMIT_S)
    waiting = threading.Thread(target=over.wait)
    waiting.start()

    found = left.look()
    over.set()
    waiting.join(LIMIT_S)

    assert found == (1, 0)


def test_a_thread_that_is_just_being_started_by_another_one_is_no_error():
    def start_one():
        thread = threading.Thread(target=lambda: None)
        thread.start()
        thread.join()

    found = looks_beside(start_one)

    assert {busy for _, busy in found} == {0}
