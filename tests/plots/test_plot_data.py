"""What the plots show, before any figure is drawn."""

from __future__ import annotations

import math

import pytest

from parbench_lab.core.standing import VerdictKind
from parbench_lab.core.usage import WorkerUsage
from parbench_lab.plots import (
    evidence_data,
    ratio_data,
    sizes_data,
    throughput_data,
    usage_data,
)
from parbench_lab.plots.evidence import MOST_ODDS
from parbench_lab.plots.theme import PALETTE, colour_of, dash_of, marker_of
from parbench_lab.plots.usage import drawn_figures
from parbench_lab.racing.history import LogLine, SizeSummary, TimedUsage
from tests.plots.histories import board, measured, ratio


def test_throughput_is_items_over_seconds_the_median_of_a_bin():
    data = throughput_data(
        [measured(0, 0.01, "a", 0.1), measured(1, 0.05, "a", 0.2), measured(2, 0.09, "a", 0.4)]
    )

    assert data.series["a"] == {
        "at_s": [pytest.approx(0.05)],
        "throughput": [pytest.approx(500.0)],
        "batch_size": [100],
        "runs": [3],
    }


def test_what_was_not_judged_is_no_throughput():
    data = throughput_data(
        [
            measured(0, 0.1, "a", warm_up=True),
            measured(1, 0.2, "a", outcome="failed"),
            measured(2, 0.3, "a", outcome="timed_out"),
        ],
        candidates=["a"],
    )

    assert data.series["a"]["throughput"] == []


def test_a_bin_never_mixes_batch_sizes():
    data = throughput_data([measured(0, 0.0, "a", 0.1), measured(1, 0.01, "a", 0.1, size=1000)])

    assert data.series["a"]["batch_size"] == [100, 1000]
    assert data.series["a"]["throughput"] == [pytest.approx(1000), pytest.approx(10_000)]


def test_slices_of_the_measurements_give_the_columns_to_stream():
    all_of_it = [measured(i, 0.1 * i, "ab"[i % 2], 0.01 + 0.001 * i) for i in range(40)]
    whole = throughput_data(all_of_it).series
    first, second = (throughput_data(part).series for part in (all_of_it[:20], all_of_it[20:]))

    for name in "ab":
        joined = {key: first[name][key] + second[name][key] for key in whole[name]}
        assert joined == whole[name]


def test_an_elimination_is_marked_at_the_candidates_last_throughput():
    told = LogLine(at_s=1.5, sentence="b is out", kind="Eliminated", candidate="b")
    later = LogLine(at_s=2.0, sentence="batch size 200", kind="EpochOpened")
    data = throughput_data([measured(0, 1.0, "b", 0.1), measured(1, 3.0, "b", 0.2)], [told, later])

    assert data.marks["at_s"] == [1.5]
    assert data.marks["throughput"] == [pytest.approx(1000.0)]
    assert data.marks["what"] == ["b is out"]
    assert data.epochs == {"at_s": [2.0], "what": ["batch size 200"]}


def test_somebody_who_was_never_measured_has_no_mark():
    told = LogLine(at_s=1.5, sentence="c is out", kind="Eliminated", candidate="c")

    assert throughput_data([], [told]).marks["at_s"] == []


@pytest.mark.parametrize("width", [0.0, -1.0, float("nan")])
def test_a_bin_without_width_is_refused(width):
    with pytest.raises(ValueError, match="bin_s must be positive"):
        throughput_data([], bin_s=width)


def test_evidence_lies_within_one_and_where_nobody_doubts():
    data = evidence_data([board(1.0, {"a": 0.2, "b": 1e30}, blocks=7)])

    assert data["a"] == {"blocks": [7.0], "odds": [1.0], "at_s": [1.0]}
    assert data["b"]["odds"] == [MOST_ODDS]


def test_a_new_epoch_parts_the_lines():
    boards = [board(1.0, {"a": 50.0}, blocks=9), board(2.0, {"a": 1.0}, blocks=10, epoch=1)]

    odds = evidence_data(boards)["a"]["odds"]

    assert odds[0] == 50.0
    assert math.isnan(odds[1])
    assert odds[2] == 1.0


def test_ratios_come_in_rank_order_with_their_intervals_and_the_colours_of_entry():
    shown = board(1.0, {"b": 1.0, "a": 30.0}, ratios={"b": ratio(1.0), "a": ratio(1.5, 1.4, 1.6)})

    data = ratio_data(shown, candidates=["a", "b"])

    assert data["candidate"] == ["b", "a"]
    assert (data["low"][1], data["ratio"][1], data["high"][1]) == (1.4, 1.5, 1.6)
    assert data["color"] == [PALETTE[1], PALETTE[0]]
    assert data["verdict"] == [VerdictKind.LEADER.value, VerdictKind.UNDECIDED.value]


def test_who_was_not_compared_yet_has_no_ratio():
    assert ratio_data(board(1.0, {"a": 1.0}))["candidate"] == []


def test_a_crossover_is_where_two_straight_lines_in_logarithms_meet():
    small = SizeSummary(batch_size=100, median_s={"a": 1.0, "b": 4.0}, leader="a")
    large = SizeSummary(batch_size=10_000, median_s={"a": 400.0, "b": 100.0}, leader="b")

    data = sizes_data([large, small])

    assert data.crossovers["size"] == [pytest.approx(1000.0)]
    assert data.crossovers["what"] == ["b overtakes a"]
    assert data.series["a"]["throughput"] == [pytest.approx(100.0), pytest.approx(25.0)]


def test_throughput_comes_with_the_interval_of_its_median():
    time_s = ratio(2.0, 1.0, 4.0)
    size = SizeSummary(batch_size=8, median_s={"a": 2.0, "b": 1.0}, times_s={"a": time_s})

    series = sizes_data([size]).series

    assert (series["a"]["low"], series["a"]["high"]) == ([2.0], [8.0])
    assert math.isnan(series["b"]["low"][0])


@pytest.mark.parametrize(
    ("small", "large", "shown"),
    [
        pytest.param((1.1, 1.3), (1.2, 1.4), True, id="both intervals above 1"),
        pytest.param((0.9, 1.3), (1.2, 1.4), False, id="one holds 1"),
        pytest.param((1.0, 1.3), (1.2, 1.4), False, id="one begins at 1"),
        pytest.param((1.1, 1.3), None, False, id="they did not meet"),
    ],
)
def test_a_crossover_is_shown_where_both_leads_are(small, large, shown):
    def behind(name, ends):
        return {} if ends is None else {name: ratio(1.25, *ends)}

    sizes = [
        SizeSummary(batch_size=10, leader="a", ratios=behind("b", small)),
        SizeSummary(batch_size=99, leader="b", ratios=behind("a", large)),
    ]

    assert sizes_data(sizes).crossovers["shown"] == [shown]


def test_a_leader_the_other_size_does_not_know_crosses_in_the_middle():
    small = SizeSummary(batch_size=100, median_s={"a": 1.0}, leader="a")
    large = SizeSummary(batch_size=10_000, median_s={"b": 1.0}, leader="b")

    assert sizes_data([small, large]).crossovers["size"] == [pytest.approx(1000.0)]


def test_the_same_leader_everywhere_has_no_crossover():
    sizes = [SizeSummary(batch_size=n, median_s={"a": 1.0}, leader="a") for n in (10, 100)]

    assert sizes_data(sizes).crossovers["size"] == []


def test_usage_that_was_not_measured_is_a_gap_and_never_zero():
    idle = WorkerUsage(worker="w")
    busy = WorkerUsage(worker="w", cpu_percent=50.0, rss_bytes=2e6)
    data = usage_data(
        [TimedUsage(at_s=1.0, workers=(idle,)), TimedUsage(at_s=2.0, workers=(busy,))]
    )

    assert math.isnan(data["w"]["cpu_percent"][0])
    assert data["w"]["cpu_percent"][1] == 50.0
    assert data["w"]["rss_mb"][1] == 2.0
    assert math.isnan(data["w"]["gpu_percent"][1])


def test_samples_of_a_throttled_gpu_are_marked_where_they_are():
    cool = WorkerUsage(worker="w", gpu_percent=90.0, gpu_power_w=300.0, gpu_throttle=())
    hot = WorkerUsage(worker="w", gpu_percent=80.0, gpu_throttle=("thermal", "power cap"))
    data = usage_data(
        [TimedUsage(at_s=1.0, workers=(cool,)), TimedUsage(at_s=2.0, workers=(hot,))]
    )

    assert math.isnan(data["w"]["throttled_percent"][0])
    assert data["w"]["throttled_percent"][1] == 80.0
    assert data["w"]["throttled"] == ["", "thermal, power cap"]


def test_figures_of_a_gpu_are_drawn_where_they_were_measured():
    cpu = WorkerUsage(worker="w", cpu_percent=9.0)
    gpu = WorkerUsage(worker="w", gpu_percent=9.0, gpu_temperature_c=50.0, gpu_clock_hz=1.5e9)
    without, measured = (usage_data([TimedUsage(at_s=1.0, workers=(u,))]) for u in (cpu, gpu))

    assert [key for key, *_ in drawn_figures(without)] == ["cpu_percent", "rss_mb"]
    assert [key for key, *_ in drawn_figures(measured)][2:] == [
        "gpu_percent", "gpu_temperature_c", "gpu_clock_mhz",
    ]  # fmt: skip
    assert measured["w"]["gpu_clock_mhz"] == [1500.0]
    assert len(drawn_figures(without, gpu=True)) == 3
    assert len(drawn_figures(measured, gpu=False)) == 2


def test_many_candidates_differ_in_colour_dash_or_marker():
    looks = {(colour_of(i), dash_of(i), marker_of(i)) for i in range(35)}

    assert len(looks) == 35
