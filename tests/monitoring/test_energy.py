"""Energy between two moments: from recorded GPUs and made-up counters of processor packages."""

import os

import pytest

from parbench_lab.hardware.gpu import find_gpus
from parbench_lab.monitoring.energy import open_energy_meters, used_j
from parbench_lab.testing.recorded_gpus import lost_gpu, mig_gpu, two_gpus


@pytest.fixture
def powercap(tmp_path):
    def package(number, energy_uj, *, name=None, wraps_at_uj="1000000000"):
        folder = tmp_path / f"intel-rapl:{number}"
        folder.mkdir(exist_ok=True)
        (folder / "name").write_text(name or f"package-{number}")
        (folder / "energy_uj").write_text(str(energy_uj))
        (folder / "max_energy_range_uj").write_text(wraps_at_uj)
        return folder

    package.root = tmp_path
    return package


def test_a_package_tells_joules_with_its_name(powercap):
    powercap(0, 5_000_000)
    meters = open_energy_meters(powercap=powercap.root)

    meters.begin()
    powercap(0, 7_500_000)

    assert meters.end() == {"RAPL package-0": 2.5}


def test_a_counter_that_wraps_around_is_followed(powercap):
    powercap(0, 999_000_000)
    meters = open_energy_meters(powercap=powercap.root)

    meters.begin()
    powercap(0, 2_000_000)

    assert meters.end() == {"RAPL package-0": pytest.approx(3.0)}


def test_parts_of_a_package_are_not_counted_twice(powercap):
    powercap(0, 1)
    powercap("0:0", 1, name="core")
    powercap("0:1", 1, name="dram")

    assert open_energy_meters(powercap=powercap.root).sources == ("RAPL package-0",)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_counter_for_root_only_is_not_measured_with_its_reason(powercap):
    (powercap(0, 1) / "energy_uj").chmod(0)

    meters = open_energy_meters(powercap=powercap.root)

    assert meters.sources == ()
    assert meters.not_measured[0][0] == "RAPL package-0"
    assert "only root" in meters.not_measured[0][1]


def test_a_counter_that_holds_no_number_is_not_measured(powercap):
    powercap(0, "nonsense")

    meters = open_energy_meters(powercap=powercap.root)

    assert meters.sources == ()
    assert meters.not_measured == (("RAPL package-0", "it cannot be read (ValueError)"),)


def test_several_gpus_are_told_apart(tmp_path):
    nvml = two_gpus()
    meters = open_energy_meters(nvml, find_gpus(nvml, visible=None).gpus, powercap=tmp_path)

    meters.begin()

    assert meters.end() == {"NVML GPU-11111111-recorded": 60, "NVML GPU-22222222-recorded": 60}


def test_a_gpu_that_is_lost_between_the_readings_is_absent(tmp_path):
    nvml = lost_gpu()
    meters = open_energy_meters(nvml, find_gpus(nvml, visible="0").gpus, powercap=tmp_path)
    for _ in range(3):
        meters.begin()

    meters.begin()

    assert meters.end() == {}


def test_an_instance_has_no_energy_of_its_own(tmp_path):
    nvml = mig_gpu()

    meters = open_energy_meters(nvml, find_gpus(nvml, visible="1").gpus[:1], powercap=tmp_path)

    assert meters.sources == ()
    assert "shares it" in dict(meters.not_measured)["NVML"]


def test_a_machine_without_counters_measures_nothing_and_never_zero(tmp_path):
    meters = open_energy_meters(powercap=tmp_path)

    meters.begin()

    assert meters.end() == {}
    assert meters.not_measured == (("RAPL", "this system has no /sys/class/powercap/intel-rapl"),)


def test_a_counter_that_fell_without_wrapping_says_nothing():
    assert used_j(100.0, 3.0, None) is None
