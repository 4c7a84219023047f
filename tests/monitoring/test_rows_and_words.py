"""Samples thinned into rows of the store, and put into words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parbench_lab.core.runs import UsageRow
from parbench_lab.core.usage import WorkerUsage
from parbench_lab.monitoring.thinning import stored_usage, summarize, thin, usage_rows
from parbench_lab.monitoring.wording import gpu_not_measured, gpu_words, workers_line

HOT = WorkerUsage(worker="gpu-0", gpu_percent=90.0, gpu_throttle=("power cap",))
COOL = WorkerUsage(worker="gpu-0", gpu_percent=70.0, gpu_throttle=())
LOST = WorkerUsage(worker="gpu-0", not_measured=(("gpu", "GPU is lost"),))


def row(at_s, source="w", **values):
    return UsageRow(at_s=at_s, source=source, values=values)


def test_who_told_nothing_has_no_row():
    assert usage_rows(1.0, [WorkerUsage(worker="w"), LOST]) == []


def test_what_was_not_measured_is_in_no_row_and_never_zero():
    (found,) = usage_rows(1.0, [WorkerUsage(worker="w", rss_bytes=5.0, cpu_percent=None)])

    assert dict(found.values) == {"rss_bytes": 5.0}


def test_a_second_of_samples_is_one_row_per_worker():
    rows = [row(0.2 * k, source, cpu_percent=10.0 * k) for k in range(10) for source in "ab"]

    found = thin(rows)

    assert [(one.source, one.values["cpu_percent"]) for one in found] == [
        ("a", 20.0), ("b", 20.0), ("a", 70.0), ("b", 70.0),
    ]  # fmt: skip


def test_throttling_is_stored_as_the_share_of_samples():
    samples = [HOT, COOL, COOL, COOL, LOST]
    rows = [found for k, usage in enumerate(samples) for found in usage_rows(0.1 * k, [usage])]

    (found,) = thin(rows)

    assert found.values["gpu_throttled"] == 0.25
    assert found.values["gpu_throttled_power_cap"] == 0.25
    assert found.values["gpu_percent"] == 75.0


@given(
    st.lists(st.tuples(st.floats(0, 20), st.sampled_from("ab"), st.floats(0, 400)), max_size=40),
    st.sampled_from([0.5, 1.0, 3.0]),
)
def test_never_more_than_one_row_a_stretch_and_source(told, every_s):
    rows = [row(at_s, source, cpu_percent=percent) for at_s, source, percent in told]

    found = thin(rows, every_s)

    places = [(int(one.at_s // every_s), one.source) for one in found]
    assert len(found) == len({(int(r.at_s // every_s), r.source) for r in rows})
    assert all(0 <= one.values["cpu_percent"] <= 400.0001 for one in found)
    assert [place for place, _ in places] == sorted(place for place, _ in places)


def test_a_stretch_without_a_length_is_refused():
    with pytest.raises(ValueError, match="every_s"):
        thin([], 0.0)


def test_a_stored_row_is_a_usage_again():
    usage = WorkerUsage(
        worker="gpu-0", cpu_percent=9.0, gpu_power_w=300.0, gpu_throttle=("thermal", "power cap")
    )

    assert stored_usage(usage_rows(0.0, [usage])[0]) == usage


def test_a_run_comes_to_means_and_maxima_of_each_worker():
    rows = [
        row(1, "b", cpu_percent=50.0),
        row(2, "b", cpu_percent=100.0),
        row(1, "a", rss_bytes=1),
    ]

    first, second = summarize(rows)

    assert (first.source, first.means) == ("a", {"rss_bytes": 1.0})
    assert (second.means["cpu_percent"], second.maxima["cpu_percent"]) == (75.0, 100.0)
    assert second.rows == 2


@pytest.mark.parametrize(
    ("workers", "words"),
    [
        ([], "there are no GPU workers (no NVIDIA driver)"),
        ([WorkerUsage(worker="cpu-0")], "there are no GPU workers (no NVIDIA driver)"),
        ([LOST], "GPU is lost"),
        ([LOST, COOL], ""),
    ],
)
def test_why_no_gpu_is_measured(workers, words):
    assert gpu_not_measured(workers, "no NVIDIA driver") == words


def test_seats_of_one_gpu_are_told_of_once():
    seats = [
        WorkerUsage(
            worker=f"gpu-0.{seat}", gpu_uuid="GPU-1", gpu_percent=90.0, gpu_power_w=300.0,
            cpu_percent=50.0, rss_bytes=2**20,
        )
        for seat in range(3)
    ]  # fmt: skip

    assert workers_line(seats) == "workers: CPU 150 %, memory 3.15 MB · GPU 90 %, 300 W"


def test_two_gpus_share_a_line():
    pair = [
        WorkerUsage(
            worker="a", gpu_uuid="GPU-1", gpu_percent=90.0, gpu_temperature_c=60.0,
            gpu_clock_hz=1.98e9,
        ),
        WorkerUsage(
            worker="b", gpu_uuid="GPU-2", gpu_percent=70.0, gpu_temperature_c=80.0,
            gpu_clock_hz=1.2e9, gpu_throttle=("thermal",),
        ),
    ]  # fmt: skip

    words = workers_line(pair)

    assert words.endswith("2 GPUs 80 %, 80 °C, SM 1200 MHz, throttled (thermal)")
    assert words.startswith("workers: CPU not measured, memory not measured")


def test_a_lost_gpu_is_said_to_be_lost():
    lost = WorkerUsage(worker="a", gpu_uuid="GPU-1", not_measured=(("gpu", "GPU is lost"),))

    assert workers_line([lost]).endswith("GPU not measured: GPU is lost")


def test_of_two_gpus_the_lost_one_is_in_no_figure_and_has_its_reason():
    well = WorkerUsage(
        worker="a", gpu_uuid="GPU-1", gpu_percent=70.0, gpu_memory_bytes=2.0**30, gpu_power_w=300.0
    )
    lost = WorkerUsage(worker="b", gpu_uuid="GPU-2", not_measured=(("gpu", "GPU is lost"),))

    words = {gpu_words(pair) for pair in ([well, lost], [lost, well])}

    assert words == {"GPU 70 %, 1.07 GB, 300 W, 1 of 2 not measured: GPU is lost"}


def test_a_seat_that_cannot_read_its_gpu_hides_nothing_that_another_seat_reads():
    well = WorkerUsage(worker="gpu-0", gpu_uuid="GPU-1", gpu_percent=70.0, gpu_power_w=300.0)
    blind = WorkerUsage(worker="gpu-0.1", gpu_uuid="GPU-1", not_measured=(("gpu", "timed out"),))

    assert gpu_words([well, blind]) == gpu_words([blind, well]) == "GPU 70 %, 300 W"


def test_an_instance_shows_its_memory_and_why_it_has_no_utilisation():
    part = WorkerUsage(
        worker="a", gpu_uuid="MIG-1", gpu_memory_bytes=2.0**30,
        not_measured=(("gpu utilization_percent", "shared"),),
    )  # fmt: skip

    assert workers_line([part]).endswith("GPU utilisation not measured (shared), 1.07 GB")


def test_nobody_is_nothing():
    assert workers_line([]) == ""
