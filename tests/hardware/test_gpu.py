"""GPUs as values: which are visible, what one does, and what is said when nothing can be read."""

import pytest

from parbench_lab.hardware.gpu import Gpu, GpuError, find_gpus, open_nvml, parse_throttle, read_gpu
from parbench_lab.hardware.nvml import IS_LOST, parse_core_masks
from parbench_lab.hardware.visible import Device, parse_visible
from parbench_lab.testing.recorded_gpus import (
    Moment,
    RecordedDevice,
    RecordedNvml,
    lost_gpu,
    mig_gpu,
    no_driver,
    throttled_gpu,
    two_gpus,
)

DEVICES = (
    Device(index=0, uuid="GPU-aa11"),
    Device(index=1, uuid="GPU-ab22", instances=("MIG-1", "MIG-2")),
    Device(index=2, uuid="GPU-b333"),
)


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        pytest.param(None, ("GPU-aa11", "MIG-1", "MIG-2", "GPU-b333"), id="not set: all"),
        pytest.param("", (), id="empty: none"),
        pytest.param("-1", (), id="minus one: none"),
        pytest.param("NoDevFiles", (), id="a word: none"),
        pytest.param("2,0", ("GPU-b333", "GPU-aa11"), id="indices in their order"),
        pytest.param(" 2 , 0 ", ("GPU-b333", "GPU-aa11"), id="blanks"),
        pytest.param("1", ("MIG-1", "MIG-2"), id="a split device: its instances"),
        pytest.param("MIG-2,0", ("MIG-2", "GPU-aa11"), id="an instance"),
        pytest.param("GPU-b", ("GPU-b333",), id="the beginning of a UUID"),
        pytest.param("GPU-a", (), id="an ambiguous beginning"),
        pytest.param("0,-1,2", ("GPU-aa11",), id="all after an invalid one is ignored"),
        pytest.param("0,7,2", ("GPU-aa11",), id="an index that is not there"),
        pytest.param("0,0,2", ("GPU-aa11",), id="a repetition"),
        pytest.param("gpu-aa11", (), id="the wrong case"),
    ],
)
def test_visible_devices_are_read_as_cuda_reads_them(visible, expected):
    assert parse_visible(visible, DEVICES) == expected


def test_two_gpus_have_names_memory_and_near_cores():
    found = find_gpus(two_gpus(), visible=None)

    assert [(gpu.index, gpu.cores, gpu.parent_uuid) for gpu in found.gpus] == [
        (0, (0,), ""),
        (1, (1,), ""),
    ]
    assert {gpu.memory_bytes for gpu in found.gpus} == {80 * 2**30}
    assert found.reason == ""
    assert found.driver == "000.00 (recorded)"


def test_the_instances_of_a_split_gpu_are_the_gpus():
    found = find_gpus(mig_gpu(), visible="1,0").gpus

    assert [gpu.uuid for gpu in found] == [
        "MIG-1-recorded", "MIG-2-recorded", "GPU-11111111-recorded",
    ]  # fmt: skip
    assert {gpu.parent_uuid for gpu in found[:2]} == {"GPU-33333333-recorded"}
    assert found[0].memory_bytes == 40 * 2**30


def test_what_this_process_may_see_is_the_default(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")

    found = find_gpus(two_gpus()).gpus

    assert [gpu.index for gpu in found] == [1]


@pytest.mark.parametrize(
    ("nvml", "visible", "words"),
    [
        pytest.param(two_gpus(), "", "leaves none of the 2 GPUs visible", id="all hidden"),
        pytest.param(RecordedNvml([]), None, "the NVIDIA driver sees no GPU", id="no device"),
        pytest.param(
            RecordedNvml([RecordedDevice(uuid="GPU-1", instances=())]),
            None,
            "MIG is on but there is no MIG instance",
            id="split into nothing",
        ),
    ],
)
def test_no_gpu_has_its_reason_in_words(nvml, visible, words):
    found = find_gpus(nvml, visible=visible)

    assert found.gpus == ()
    assert words in found.reason


LOST = GpuError("GPU is lost (it fell off the bus or was reset)", IS_LOST)
LOST_WORDS = f"GPU 0 cannot be used: {LOST}"


def first_of_two_lost():
    """Two GPUs, the first of which was lost before anybody asked."""
    gone = RecordedDevice(uuid="GPU-55555555-recorded", gone=LOST)
    return RecordedNvml([gone, RecordedDevice(uuid="GPU-22222222-recorded")])


@pytest.mark.parametrize("visible", [None, "0,1", "1,0", "GPU-2"])
def test_a_gpu_lost_before_the_start_is_told_and_the_sound_one_that_is_visible_is_used(visible):
    found = find_gpus(first_of_two_lost(), visible=visible)

    assert [gpu.uuid for gpu in found.gpus] == ["GPU-22222222-recorded"]
    assert (found.reason, found.troubles) == ("", (LOST_WORDS,))


def test_where_only_the_lost_gpu_is_visible_the_reason_is_that_it_is_lost():
    found = find_gpus(first_of_two_lost(), visible="0")

    assert found.gpus == ()
    assert found.reason == (
        f"CUDA_VISIBLE_DEVICES='0' leaves none of the 2 GPUs visible; {LOST_WORDS}"
    )


@pytest.mark.parametrize(("visible", "n_gpus"), [("1", 1), ("", 0)])
def test_a_lost_gpu_that_is_hidden_is_no_trouble(visible, n_gpus):
    found = find_gpus(first_of_two_lost(), visible=visible)

    assert (len(found.gpus), found.troubles) == (n_gpus, ())
    assert "lost" not in found.reason


def test_a_lost_gpu_named_twice_ends_the_list_as_any_repetition_does():
    assert find_gpus(first_of_two_lost(), visible="0,0,1").gpus == ()


def test_a_gpu_that_does_not_tell_its_memory_has_none_and_the_reason():
    (gpu,) = find_gpus(
        RecordedNvml([RecordedDevice(uuid="GPU-1", memory_bytes=None)]), visible=None
    ).gpus

    assert gpu.memory_bytes is None
    assert gpu.not_measured == (("memory_bytes", "this device does not tell it"),)


@pytest.mark.parametrize(
    ("door", "words"),
    [
        ("parbench_lab.testing.recorded_gpus:no_driver", "no NVIDIA driver is installed"),
        ("no_such_module:gpus", "names no recorded devices"),
        ("parbench_lab.testing.recorded_gpus:nothing", "names no recorded devices"),
    ],
)
def test_a_door_that_leads_nowhere_is_a_reason_and_no_crash(monkeypatch, door, words):
    monkeypatch.setenv("PARBENCH_NVML", door)

    assert words in find_gpus().reason


def test_the_door_gives_recorded_devices(monkeypatch):
    monkeypatch.setenv("PARBENCH_NVML", "parbench_lab.testing.recorded_gpus:two_gpus")

    assert open_nvml().count() == 2


def test_a_machine_without_a_driver_says_so():
    with pytest.raises(GpuError, match="no NVIDIA driver"):
        no_driver()


def test_a_sample_has_every_figure_in_si_units():
    nvml = two_gpus()
    gpu = find_gpus(nvml, visible="0").gpus[0]

    sample = read_gpu(nvml, gpu)

    assert (sample.utilization_percent, sample.power_w, sample.temperature_c) == (80, 300, 50)
    assert (sample.memory_used_bytes, sample.memory_bytes) == (2 * 2**30, 80 * 2**30)
    assert (sample.sm_clock_hz, sample.throttle) == (1.98e9, ())
    assert sample.not_measured == ()


FIGURES = {
    "utilization_percent": "utilization_percent",
    "memory_used_bytes": "memory_used_bytes",
    "power_w": "power_w",
    "temperature_c": "temperature_c",
    "sm_clock_hz": "sm_clock_hz",
    "clock_events": "throttle",
}


@pytest.mark.parametrize(("mute", "figure"), FIGURES.items())
def test_a_call_that_fails_makes_only_its_own_figure_unknown(mute, figure):
    device = RecordedDevice(uuid="GPU-1", moments=(Moment(**{mute: None}),))
    gpu = Gpu(index=0, uuid="GPU-1", name="", memory_bytes=0)

    sample = read_gpu(RecordedNvml([device]), gpu)

    unknown = {name for name in FIGURES.values() if getattr(sample, name) is None}
    assert unknown == {figure}
    assert sample.not_measured == ((figure, "this device does not tell it"),)
    assert sample.reason == ""


def test_a_sample_does_not_ask_for_energy_which_is_read_around_runs():
    device = RecordedDevice(uuid="GPU-1", moments=(Moment(energy_j=None),))
    gpu = Gpu(index=0, uuid="GPU-1", name="", memory_bytes=0)

    assert read_gpu(RecordedNvml([device]), gpu).not_measured == ()


def test_a_lost_gpu_is_all_unknown_and_never_zero():
    nvml = lost_gpu()
    gpus = find_gpus(nvml, visible=None).gpus
    for _ in range(5):
        assert read_gpu(nvml, gpus[0]).utilization_percent > 0

    sample = read_gpu(nvml, gpus[0])

    assert all(getattr(sample, name) is None for name in FIGURES.values())
    assert "GPU is lost" in sample.reason
    assert read_gpu(nvml, gpus[1]).utilization_percent > 0


def test_a_gpu_that_vanished_from_the_list_is_unknown():
    sample = read_gpu(two_gpus(), Gpu(index=0, uuid="GPU-9", name="", memory_bytes=0))

    assert sample.power_w is None
    assert sample.reason == "no such device"


def test_an_instance_has_its_own_memory_and_no_power():
    nvml = mig_gpu()
    gpu = find_gpus(nvml, visible="1").gpus[0]

    sample = read_gpu(nvml, gpu)

    assert sample.memory_bytes == 40 * 2**30
    assert (sample.utilization_percent, sample.power_w) == (None, None)
    assert sample.temperature_c == 50
    assert dict(sample.not_measured)["power_w"].startswith("a MIG instance shares it")


def test_heat_is_told_while_it_lasts():
    nvml = throttled_gpu()
    gpu = find_gpus(nvml, visible=None).gpus[0]

    told = [read_gpu(nvml, gpu).throttle for _ in range(20)]

    assert told == [()] * 5 + [("thermal",)] * 10 + [()] * 5


@pytest.mark.parametrize(
    ("bits", "words"),
    [
        (0x0, ()),
        (0x1 | 0x2 | 0x10 | 0x100, ()),
        (0x4, ("power cap",)),
        (0x8, ("hardware slowdown",)),
        (0x8 | 0x40, ("thermal",)),
        (0x8 | 0x80, ("power brake",)),
        (0x20 | 0x4, ("thermal", "power cap")),
    ],
)
def test_only_heat_and_power_are_throttling(bits, words):
    assert parse_throttle(bits) == words


def test_core_masks_count_from_the_lowest_word():
    assert parse_core_masks([0, 1 << 63 | 1]) == (64, 127)


@pytest.mark.parametrize("fields", [{"uuid": ""}, {"memory_bytes": float("nan")}])
def test_a_gpu_that_makes_no_sense_is_refused(fields):
    with pytest.raises(ValueError, match=r"uuid|memory_bytes"):
        Gpu(**{"index": 0, "uuid": "GPU-1", "name": "", "memory_bytes": 1.0, **fields})
