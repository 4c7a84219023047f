"""Samples of GPUs become one report a second and device."""

from __future__ import annotations

from parbench_lab.core.usage import WorkerUsage
from parbench_lab.execution.gpu_reports import GpuReports
from parbench_lab.monitoring.sampling import LEAST_HZ


def told(seconds, percent, **figures):
    """Feed samples of one device, five a second; return the reports."""
    reports = GpuReports()
    found = []
    for tick in range(round(5 * seconds)):
        value = percent(tick) if callable(percent) else percent
        usage = WorkerUsage(worker="gpu-0", gpu_percent=value, **figures)
        found.append(reports.take("GPU-0", usage, tick / 5))
    return [report for report in found if report is not None]


def test_there_is_one_report_a_second_however_many_samples_and_workers():
    reports = GpuReports()
    seats = [WorkerUsage(worker=f"gpu-0.{seat}", gpu_percent=50.0) for seat in range(8)]

    found = [
        reports.take("GPU-0", seat, tick / 5 + number / 100)
        for tick in range(50)
        for number, seat in enumerate(seats)
    ]

    assert sum(report is not None for report in found) in (8, 9)


def test_a_report_is_the_mean_since_the_last_one_and_the_most_memory():
    reports = told(
        2.2, lambda tick: 10.0 * tick, gpu_memory_bytes=3e9, gpu_memory_total_bytes=80e9
    )

    assert [report.utilization_percent for report in reports] == [25.0, 80.0]
    assert (reports[0].memory_used_bytes, reports[0].memory_bytes) == (3e9, 80e9)


def test_at_the_lowest_rate_every_second_is_reported():
    reports = GpuReports()
    busy = WorkerUsage(worker="gpu-0", gpu_percent=50.0)

    late_s = [0.05 * (number % 2) for number in range(20)]  # no timer is exact
    found = [
        reports.take("GPU-0", busy, number / LEAST_HZ + late) for number, late in enumerate(late_s)
    ]

    spans_s = [report.span_s for report in found if report is not None]
    assert sum(spans_s) >= 8.0
    assert max(spans_s) < 2.0


def test_what_was_measured_at_times_is_the_mean_of_those_times():
    (report,) = told(1.2, lambda tick: 60.0 if tick % 2 else None)

    assert report.utilization_percent == 60.0
    assert report.reason == ""


def test_a_device_that_is_lost_is_reported_with_its_reason_and_never_as_zero():
    (report,) = told(1.2, None, not_measured=(("gpu", "GPU is lost"),))

    assert report.utilization_percent is None
    assert report.memory_used_bytes is None
    assert report.reason == "GPU is lost"


def test_a_figure_that_an_instance_does_not_tell_has_its_own_reason():
    why = (("gpu utilization_percent", "only of a whole device"), ("gpu power_w", "no sensor"))

    (report,) = told(1.2, None, not_measured=why)

    assert report.reason == "only of a whole device"


def test_devices_are_told_apart_and_a_silence_is_not_part_of_the_mean():
    reports = GpuReports()
    usage = WorkerUsage(worker="gpu-0", gpu_percent=90.0)

    reports.take("GPU-0", usage, 0.0)
    after_silence = reports.take("GPU-0", usage, 60.0)
    of_another = reports.take("GPU-1", usage, 60.5)
    report = reports.take("GPU-0", usage, 61.0)

    assert after_silence is of_another is None
    assert (report.gpu, report.span_s) == ("GPU-0", 1.0)
