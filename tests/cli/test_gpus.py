"""``--gpus``: what the race is given, and what is refused."""

import dataclasses
import json

import pytest

from parbench_lab.cli.devices import Devices, device_lines, devices_document
from parbench_lab.hardware.gpu import GpuError, find_gpus
from parbench_lab.hardware.nvml import IS_LOST
from parbench_lab.testing.recorded_gpus import RecordedDevice, RecordedNvml

SOUND = RecordedDevice(uuid="GPU-1")
LOST = RecordedDevice(uuid="GPU-2", gone=GpuError("GPU is lost", IS_LOST))


def devices(*recorded, visible=None):
    return Devices(gpus=find_gpus(RecordedNvml(recorded), visible=visible))


def test_gpus_reach_the_race_as_a_number_or_a_word(shell, visitors):
    for typed, given in (("2", 2), ("auto", "auto"), ("0", 0)):
        shell("race", "--gpus", typed)

        assert visitors.new[-1][1]["gpus"] == given


def test_gpus_of_a_file_reach_the_race(shell, visitors, tmp_path):
    (tmp_path / "race.toml").write_text("gpus = 1\n")

    shell("race", "--config", "race.toml")

    assert visitors.new[-1][1]["gpus"] == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(("--gpus", "two"), "'two' is neither 'auto' nor a whole number", id="word"),
        pytest.param(("--gpus", "1.5"), "'1.5' is neither 'auto' nor a whole number", id="1.5"),
    ],
)
def test_other_values_are_wrong_use(shell, words, said):
    done = shell("race", *words)

    assert done.exit_code == 2
    assert said in done.output


def test_the_doctor_tells_of_every_gpu_that_cannot_be_used_once():
    beside, alone = devices(LOST, SOUND), devices(LOST)

    assert [text for _, text in device_lines(beside)][1:] == ["GPU 0 cannot be used: GPU is lost"]
    assert device_lines(alone) == [("GPU", "none: GPU 0 cannot be used: GPU is lost")]
    assert devices_document(beside)["gpu_troubles"] == ["GPU 0 cannot be used: GPU is lost"]


def test_the_doctor_does_not_call_memory_that_is_not_told_0_bytes():
    mute = devices(dataclasses.replace(SOUND, memory_bytes=None))

    ((_, line),) = device_lines(mute)
    (document,) = json.loads(json.dumps(devices_document(mute)))["gpus"]

    assert "memory not measured (this device does not tell it)" in line
    assert document["memory_bytes"] is None
    assert document["not_measured"] == {"memory_bytes": "this device does not tell it"}
