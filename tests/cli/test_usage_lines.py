"""How busy workers were, as the shell says it: live, of a stored run, and of the devices."""

import json

from parbench_lab.cli.drawing import screen_lines
from parbench_lab.cli.usage import usage_lines
from parbench_lab.core.runs import UsageRow
from parbench_lab.monitoring.thinning import summarize
from parbench_lab.racing.settings import Settings
from tests.cli.doubles import FINAL

BUSY = [
    UsageRow(at_s=t, source=worker, values={"cpu_percent": 50.0 + t, "rss_bytes": 2.0**20})
    for t in (0.0, 50.0)
    for worker in ("cpu-0", "cpu-1")
]
HOT = [
    UsageRow(
        at_s=t,
        source="gpu-0",
        values={
            "gpu_percent": 80.0 + t, "gpu_power_w": 300.0, "gpu_temperature_c": 61.0,
            "gpu_memory_bytes": 2.0**30, "gpu_throttled": t / 10, "gpu_clock_hz": 1.7e9 + 1e7 * t,
        },
    )
    for t in (0.0, 10.0)
]  # fmt: skip


def test_a_run_on_cpus_says_why_no_gpu_was_measured():
    words = {"gpu_utilization": "GPU utilisation is not measured: there are no GPU workers"}

    lines = usage_lines(summarize(BUSY), words)

    workers, gpu = lines
    assert workers.startswith("usage: 2 workers, CPU 75 % of a core each (at most 100 %), memory")
    assert gpu == "usage: GPU utilisation is not measured: there are no GPU workers"


def test_a_run_on_a_gpu_says_how_busy_hot_and_throttled_it_was():
    (_, gpu) = usage_lines(summarize([*BUSY, *HOT]), {})

    assert gpu == (
        "usage: GPU 85 % (at most 90 %), memory at most 1.07 GB, 300 W (at most 300 W), "
        "at most 61 °C, SM 1750 MHz (at most 1800 MHz), throttled in 50 % of the samples"
    )


def test_a_gpu_that_was_lost_during_the_run_is_said_to_be_beside_what_it_did_before():
    lost = {"gpu_utilization": "GPU utilisation is not measured: GPU is lost"}
    cold = [UsageRow(at_s=0.0, source="gpu-0", values={"gpu_memory_bytes": 2.0**30})]

    found = [usage_lines(summarize(rows), lost)[-1] for rows in (HOT, cold)]

    assert found[0].startswith("usage: GPU 85 % (at most 90 %), ")
    assert found[0].endswith(" (at the end: GPU utilisation is not measured: GPU is lost)")
    assert found[1] == (
        "usage: GPU memory at most 1.07 GB (GPU utilisation is not measured: GPU is lost)"
    )


def test_a_run_on_a_busy_host_says_how_busy_it_was():
    seen = {"cpu_percent": 50.0, "host_cpu_percent": 80.0, "host_memory_bytes": 2e9}
    rows = [UsageRow(at_s=0.0, source=worker, values=seen) for worker in ("cpu-0", "cpu-1")]

    (_, host, _) = usage_lines(summarize(rows), {})

    assert host == (
        "usage: host with other programs, CPU 80 % of all cores (at most 80 %), "
        "memory 2.00 GB (at most 2.00 GB)"
    )


def test_what_a_worker_could_not_measure_is_left_out():
    rows = [UsageRow(at_s=0.0, source="cpu-0", values={"rss_bytes": 1e9})]

    (workers, _) = usage_lines(summarize(rows), {})

    assert workers == "usage: 1 worker, memory 1.00 GB each (at most 1.00 GB)"


def test_a_run_of_before_says_nothing():
    assert usage_lines([], {}) == ()


def test_the_live_view_has_a_line_for_the_workers():
    lines = screen_lines(
        FINAL, Settings(), width_cells=80, height_lines=30, workers="workers: CPU 98 %"
    )
    without = screen_lines(FINAL, Settings(), width_cells=80, height_lines=30)

    assert [line.text for line in lines if line.text.startswith("workers:")] == [
        "workers: CPU 98 %"
    ]
    assert len(lines) == len(without) + 1


def test_the_doctor_tells_of_gpus_and_of_energy(shell, monkeypatch):
    monkeypatch.setenv("PARBENCH_NVML", "parbench_lab.testing.recorded_gpus:mig_gpu")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    text = shell("doctor", "--quick").stdout
    document = json.loads(shell("doctor", "--quick", "--json").stdout)["devices"]

    assert "Recorded GPU, 85.9 GB, driver 000.00 (recorded)" in text
    assert "a part of GPU-33333333-recorded" in text
    assert [gpu["uuid"] for gpu in document["gpus"]] == [
        "GPU-11111111-recorded", "MIG-1-recorded", "MIG-2-recorded",
    ]  # fmt: skip
    assert "NVML GPU-11111111-recorded" in document["energy_sources"]


def test_a_machine_without_a_gpu_gets_the_reason_and_no_advice(shell, monkeypatch):
    monkeypatch.setenv("PARBENCH_NVML", "parbench_lab.testing.recorded_gpus:no_driver")

    result = shell("doctor", "--quick")

    assert "GPU               none: no NVIDIA driver is installed" in result.stdout
    assert not [line for line in result.stdout.splitlines() if line[:1] == "!" and "GPU" in line]
