"""The boundary to NVML, with a stand-in for NVIDIA's own library."""

import sys
import types

import pytest

from parbench_lab.hardware.gpu import find_gpus, read_gpu
from parbench_lab.hardware.nvml import GpuError, PyNvml


class NVMLError(Exception):
    def __init__(self, value):
        super().__init__(f"error {value}")
        self.value = value


def library(**answers):
    """Return a module as pynvml is: every answer a value, an exception, or a function."""

    def asked(answer):
        def ask(*args):
            found = answer(*args) if callable(answer) else answer
            if isinstance(found, Exception):
                raise found
            return found

        return ask

    found = {
        "nvmlInit": None,
        "nvmlSystemGetDriverVersion": "570.1",
        "nvmlDeviceGetCount": 1,
        "nvmlDeviceGetHandleByIndex": lambda index: f"handle {index}",
        "nvmlDeviceGetHandleByUUID": lambda uuid: f"handle of {uuid}",
        "nvmlDeviceGetUUID": b"GPU-1",
        "nvmlDeviceGetName": "NVIDIA H200",
        "nvmlDeviceGetMemoryInfo": types.SimpleNamespace(used=10, total=100),
        "nvmlDeviceGetUtilizationRates": types.SimpleNamespace(gpu=97, memory=5),
        "nvmlDeviceGetPowerUsage": 312_500,
        "nvmlDeviceGetTemperature": 61,
        "nvmlDeviceGetClockInfo": 1980,
        "nvmlDeviceGetCurrentClocksThrottleReasons": 4,
        "nvmlDeviceGetTotalEnergyConsumption": 1_500,
        "nvmlDeviceGetCpuAffinity": [0b110],
        "nvmlDeviceGetMigMode": NVMLError(3),
        **answers,
    }
    module = types.ModuleType("pynvml")
    module.NVMLError = NVMLError
    module.NVML_TEMPERATURE_GPU = module.NVML_CLOCK_SM = 0
    for name, answer in found.items():
        setattr(module, name, asked(answer))
    return module


@pytest.fixture
def nvml(monkeypatch):
    def make(**answers):
        monkeypatch.setitem(sys.modules, "pynvml", library(**answers))
        return PyNvml()

    return make


def test_figures_of_the_library_become_si_units(nvml):
    asked = nvml()
    gpu = find_gpus(asked, visible=None).gpus[0]

    sample = read_gpu(asked, gpu)

    assert (gpu.name, gpu.uuid, gpu.cores, gpu.memory_bytes) == (
        "NVIDIA H200",
        "GPU-1",
        (1, 2),
        100,
    )
    assert (sample.power_w, sample.sm_clock_hz) == (312.5, 1.98e9)
    assert asked.energy_j(asked.device_of(gpu.uuid)) == 1.5
    assert (sample.utilization_percent, sample.throttle) == (97, ("power cap",))


def test_a_device_is_looked_up_by_its_uuid_once(nvml):
    looked_up = []
    asked = nvml(nvmlDeviceGetHandleByUUID=lambda uuid: looked_up.append(uuid) or "handle")

    assert asked.device_of("GPU-1") == asked.device_of("GPU-1") == "handle"
    assert looked_up == ["GPU-1"]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (4, "no permission"),
        (9, "the NVIDIA driver is not loaded"),
        (12, "no NVIDIA driver is installed"),
        (18, "differ in version"),
        (999, "NVML: error 999"),
    ],
)
def test_a_library_that_does_not_start_says_why(nvml, code, words):
    with pytest.raises(GpuError, match=words):
        nvml(nvmlInit=NVMLError(code))


def test_a_lost_device_is_told_from_other_errors(nvml):
    asked = nvml(nvmlDeviceGetPowerUsage=NVMLError(15))

    with pytest.raises(GpuError) as caught:
        asked.power_w("handle")

    assert caught.value.lost


def test_a_question_that_the_library_does_not_know_is_an_answer_too(nvml):
    asked = nvml(nvmlDeviceGetMigMode=(1, 1))  # and nothing that counts the instances

    with pytest.raises(GpuError, match="cannot be asked"):
        asked.mig_instances("handle")


def test_places_without_an_instance_are_passed_over(nvml):
    asked = nvml(
        nvmlDeviceGetMigMode=(1, 1),
        nvmlDeviceGetMaxMigDeviceCount=3,
        nvmlDeviceGetMigDeviceHandleByIndex=lambda _, place: (
            NVMLError(6) if place == 1 else f"part {place}"
        ),
    )

    assert asked.mig_instances("handle") == ["part 0", "part 2"]


def test_a_device_that_does_not_know_mig_is_whole(nvml):
    assert nvml().mig_instances("handle") is None
    assert nvml(nvmlDeviceGetMigMode=(0, 1)).mig_instances("handle") is None


def test_without_the_library_there_is_a_reason(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)

    with pytest.raises(GpuError, match="nvidia-ml-py is not installed"):
        PyNvml()
