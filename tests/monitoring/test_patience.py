"""A driver that hangs is waited for once, and its figures are not measured meanwhile."""

import threading

from parbench_lab.hardware.gpu import Gpu
from parbench_lab.monitoring.energy import open_energy_meters
from parbench_lab.monitoring.patience import ASKING, Question
from parbench_lab.monitoring.sampling import GpuAtHand, Sampler
from parbench_lab.testing.recorded_gpus import Moment, RecordedDevice, RecordedNvml

LIMIT_S = 120.0


class Hanging(RecordedNvml):
    """Answers nothing until it is let go, and counts how often it was asked."""

    def __init__(self):
        super().__init__(
            [RecordedDevice(uuid="GPU-a", moments=(Moment(utilization_percent=70.0),))]
        )
        self.go = threading.Event()
        self.asked = 0

    def device_of(self, uuid):
        self.asked += 1
        assert self.go.wait(LIMIT_S)
        return super().device_of(uuid)


def let_go(nvml):
    """Let it answer, and wait until it has."""
    nvml.go.set()
    for thread in threading.enumerate():
        if thread.name == ASKING:
            thread.join(LIMIT_S)


def test_a_driver_that_hangs_is_asked_once_and_not_measured_until_it_answers():
    nvml = Hanging()
    gpu = Gpu(index=0, uuid="GPU-a", name="Hanging", memory_bytes=1e9)
    sampler = Sampler("w", at_hand=GpuAtHand(nvml=nvml, gpu=gpu))

    hung = [sampler.sample() for _ in range(3)]
    asked = nvml.asked
    let_go(nvml)
    told = sampler.sample()

    assert asked == 1
    assert all(usage.gpu_percent is None and usage.rss_bytes for usage in hung)
    assert "the GPU driver has not answered for" in dict(hung[-1].not_measured)["gpu"]
    assert told.gpu_percent == 70.0


def test_energy_is_not_measured_while_a_driver_hangs_and_the_run_is_not_held(tmp_path):
    nvml = Hanging()
    nvml.go.set()
    gpu = Gpu(index=0, uuid="GPU-a", name="Hanging", memory_bytes=1e9)
    meters = open_energy_meters(nvml, [gpu], powercap=tmp_path)

    nvml.go.clear()
    meters.begin()
    hung = meters.end()
    asked = nvml.asked
    let_go(nvml)
    meters.begin()
    told = meters.end()

    assert meters.sources == ("NVML",)
    assert asked == 2  # when it was opened, and once while it hung
    assert (hung, told) == ({}, {"NVML": 0.0})


def test_an_answer_that_comes_too_late_is_not_given_for_a_later_moment():
    go, answers = threading.Event(), iter(["late", "new"])

    def ask():
        answer = next(answers)
        assert go.wait(LIMIT_S)
        return answer

    question = Question(ask, limit_s=0.0)
    first = question.answer()
    missing_s = question.open_s
    go.set()
    question._thread.join(LIMIT_S)
    question._limit_s = LIMIT_S

    assert first is None
    assert missing_s > 0
    assert (question.answer(), question.open_s) == ("new", 0.0)
