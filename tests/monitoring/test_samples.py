"""What one process tells of itself, how it travels, and what is remembered of throttling."""

import math

import pytest

from parbench_lab.core.usage import WorkerUsage
from parbench_lab.errors import UsageError
from parbench_lab.hardware.gpu import find_gpus
from parbench_lab.monitoring import throttling
from parbench_lab.monitoring.messages import KIND, dump_usages, load_usages
from parbench_lab.monitoring.sampling import (
    GpuAtHand,
    Sampler,
    checked_sample_hz,
    gpu_at_hand,
)
from parbench_lab.monitoring.throttling import (
    forget_throttling,
    note_throttling,
    reasons_between,
    throttle_reasons_during,
)
from parbench_lab.testing.recorded_gpus import failing_gpu, lost_gpu, throttled_gpu, two_gpus

SECOND_NS = 1_000_000_000


@pytest.fixture(autouse=True)
def nothing_noted():
    forget_throttling()
    yield
    forget_throttling()


def sampler(nvml):
    return Sampler("gpu-0", at_hand=GpuAtHand(nvml=nvml, gpu=find_gpus(nvml, visible="0").gpus[0]))


def test_a_process_without_a_gpu_tells_cpu_memory_and_its_machine():
    own = Sampler("cpu-0", memory_limit_bytes=1e9)
    own.sample()
    sum(range(200_000))

    usage = own.sample()

    assert usage.worker == "cpu-0"
    assert usage.cpu_percent > 0
    assert 1e6 < usage.rss_bytes < usage.host_memory_total_bytes
    assert usage.host_memory_bytes <= usage.host_memory_total_bytes
    assert usage.memory_limit_bytes == 1e9
    assert usage.gpu_percent is None
    assert usage.not_measured == (("gpu", "not a GPU worker"),)


def test_the_first_sample_knows_no_cpu():
    assert Sampler("cpu-0").sample().cpu_percent is None


def test_a_process_with_a_gpu_tells_of_that_too():
    usage = sampler(two_gpus()).sample()

    assert usage.gpu_uuid == "GPU-11111111-recorded"
    assert (usage.gpu_percent, usage.gpu_power_w, usage.gpu_temperature_c) == (80, 300, 50)
    assert (usage.gpu_memory_bytes, usage.gpu_memory_total_bytes) == (2 * 2**30, 80 * 2**30)
    assert (usage.gpu_throttle, usage.not_measured) == ((), ())


def test_a_gpu_lost_in_the_middle_is_unknown_with_its_reason():
    own = sampler(lost_gpu())

    told = [own.sample() for _ in range(8)]

    assert [usage.gpu_percent is None for usage in told] == [False] * 5 + [True] * 3
    assert told[-1].gpu_uuid == "GPU-55555555-recorded"
    assert told[-1].gpu_throttle is None
    assert "GPU is lost" in dict(told[-1].not_measured)["gpu"]
    assert told[-1].rss_bytes > 0


def test_errors_of_the_driver_pass_and_only_what_failed_is_unknown():
    own = sampler(failing_gpu())

    told = [own.sample() for _ in range(12)]

    assert [usage.gpu_percent is None for usage in told] == [False] * 5 + [True] * 5 + [False] * 2
    assert all(usage.gpu_power_w is None for usage in told)
    assert dict(told[0].not_measured) == {"gpu power_w": "this device does not tell it"}
    assert "Unknown Error" in dict(told[5].not_measured)["gpu utilization_percent"]


@pytest.mark.parametrize(
    ("resources", "environ"),
    [({}, {}), ({}, {"CUDA_VISIBLE_DEVICES": "0,1"}), ({"GPU": 0.0}, {})],
)
def test_a_worker_that_offers_no_gpu_never_asks_the_driver(monkeypatch, resources, environ):
    monkeypatch.setenv("PARBENCH_NVML", "a_module_that_would_fail:to_import")

    at_hand = gpu_at_hand(resources, environ)

    assert at_hand.gpu is None
    assert at_hand.reason == "not a GPU worker"


@pytest.mark.parametrize(
    ("resources", "environ", "uuid"),
    [
        ({"GPU": 1.0}, {}, "GPU-11111111-recorded"),
        ({"GPU": 1.0}, {"CUDA_VISIBLE_DEVICES": "1,0"}, "GPU-22222222-recorded"),
        (
            {"GPU": 1.0},
            {"CUDA_VISIBLE_DEVICES": "GPU-22222222-recorded"},
            "GPU-22222222-recorded",
        ),
    ],
)
def test_a_gpu_worker_is_on_the_first_device_it_sees(monkeypatch, resources, environ, uuid):
    monkeypatch.setenv("PARBENCH_NVML", "parbench_lab.testing.recorded_gpus:two_gpus")

    assert gpu_at_hand(resources, environ).gpu.uuid == uuid


def test_a_gpu_worker_without_a_driver_says_why():
    found = gpu_at_hand({"GPU": 1.0}, {"CUDA_VISIBLE_DEVICES": "GPU-nowhere"})

    assert found.gpu is None
    assert found.reason not in ("", "not a GPU worker")


def test_a_sample_arrives_as_it_was_sent():
    usage = WorkerUsage(
        worker="gpu-0",
        cpu_percent=50.0,
        gpu_uuid="GPU-1",
        gpu_throttle=("thermal", "power cap"),
        not_measured=(("gpu power_w", "this device does not tell it"),),
    )

    message = dump_usages([usage, WorkerUsage(worker="gpu-0")], "session")

    assert load_usages(message, session="session") == (usage, WorkerUsage(worker="gpu-0"))
    assert load_usages(message, session="another") == ()
    assert load_usages({**message, "worker": "x"}, session="session", worker="w")[0].worker == "w"
    assert "gpu_power_w" not in message["samples"][0]


@pytest.mark.parametrize(
    "message",
    [
        None, 7, [], {"action": "add-client"}, {KIND: "s"}, {KIND: "s", "samples": 7},
        {KIND: "s", "samples": [7]}, {KIND: "s", "samples": [{"cpu_percent": "much"}]},
        {KIND: "s", "samples": [
            {"cpu_percent": math.nan, "gpu_throttle": 3, "not_measured": [["a"], 5]}
        ]},
    ],
)  # fmt: skip
def test_whatever_arrives_is_no_sample_or_not_measured(message):
    told = load_usages(message, session="s")

    assert all(usage.cpu_percent is None and usage.not_measured == () for usage in told)


def test_a_throttled_block_is_known_by_its_time():
    note_throttling(1 * SECOND_NS, ())
    note_throttling(2 * SECOND_NS, ("thermal",))
    note_throttling(3 * SECOND_NS, ())

    assert throttle_reasons_during(SECOND_NS, int(1.5 * SECOND_NS)) == ()
    assert throttle_reasons_during(int(2.4 * SECOND_NS), int(2.6 * SECOND_NS)) == ("thermal",)
    assert throttle_reasons_during(SECOND_NS, 4 * SECOND_NS) == ("thermal",)
    assert throttle_reasons_during(int(3.1 * SECOND_NS), 4 * SECOND_NS) == ()


def test_an_old_sample_says_nothing_of_a_later_block():
    note_throttling(0, ("thermal",))

    assert throttle_reasons_during(5 * SECOND_NS, 6 * SECOND_NS) == ()


def test_without_a_gpu_nothing_is_noted_and_nothing_held_back():
    Sampler("cpu-0").sample()

    assert not throttling._NOTED
    assert throttle_reasons_during(0, 10**18) == ()


def test_the_sampler_notes_when_its_gpu_is_hot():
    own = sampler(throttled_gpu())

    for _ in range(8):
        own.sample()

    assert throttle_reasons_during(0, 10**18) == ("thermal",)


def test_reasons_of_several_samples_are_named_once_in_order():
    noted = [(1, ("power cap",)), (2, ("thermal", "power cap")), (3, ("thermal",))]

    assert reasons_between(noted, 1, 3) == ("power cap", "thermal")


@pytest.mark.parametrize("sample_hz", [-1, 0.4, 1.99, 51, float("nan")])
def test_a_rate_out_of_range_is_refused_with_the_range(sample_hz):
    with pytest.raises(UsageError, match=r"sample_hz must be 0 .* or between 2 and 50 a second"):
        checked_sample_hz(sample_hz)


@pytest.mark.parametrize("sample_hz", [0, 2, 50])
def test_never_and_the_ends_of_the_range_of_rates_are_taken(sample_hz):
    assert checked_sample_hz(sample_hz) == sample_hz
