"""Heatmap, intervals and profile: the data, and that the figures show all of it."""

import math
from dataclasses import replace

import pytest
from bokeh.models import BoxAnnotation, ColumnDataSource, HoverTool

from parbench_lab import plots
from parbench_lab.analysis.comparison.machines import speed_ratio
from parbench_lab.analysis.comparison.pairing import compare_figures
from parbench_lab.analysis.comparison.profile import profile_rows
from parbench_lab.core.metric import Metric
from parbench_lab.core.series import Mode
from parbench_lab.errors import UsageError
from tests.analysis.comparison.figures import THERE, calibration, point, run, sample

SIZES = [
    point(name, seconds, size=size)
    for size in (100, 1000)
    for name, seconds in (("quick", size * 1e-6), ("slow", size * 3e-6))
]


def source(figure, name):
    return figure.select_one({"name": name, "type": ColumnDataSource})


# ---------------------------------------------------------------- heatmap


def test_a_field_is_the_multiple_of_the_quickest_at_its_size():
    data = plots.heatmap_data(SIZES)

    fields = dict(
        zip(
            zip(data.fields["row"], data.fields["column"], strict=True),
            data.fields["ratio"],
            strict=True,
        )
    )
    assert fields["slow", "100"] == pytest.approx(3.0)
    assert fields["quick", "1000"] == 1.0
    assert (data.rows, data.columns) == (("quick", "slow"), ("100", "1000"))


def test_the_newest_point_of_a_series_counts():
    data = plots.heatmap_data(
        [point("quick", 9.0, day=1), point("quick", 1e-3, day=3), point("quick", 5.0, day=2)]
    )

    assert data.fields["time_s"] == [1e-3]


def test_across_machines_the_ratio_is_to_the_quickest_machine():
    points = [
        point(name, seconds * factor, machine=machine)
        for machine, factor in (("here", 1.0), ("there", 2.0))
        for name, seconds in (("quick", 1e-3), ("slow", 4e-3))
    ]

    by_candidate = plots.heatmap_data(points, across="machine")
    by_workload = plots.heatmap_data(points, across="machine", rows="workload")

    assert by_candidate.rows == ("sorting/quick at 1000", "sorting/slow at 1000")
    assert by_workload.rows == ("sorting",)
    assert sorted(by_workload.fields["ratio"]) == [1.0, pytest.approx(2.0)]
    assert all(math.isnan(seconds) for seconds in by_workload.fields["time_s"])


@pytest.mark.parametrize(
    ("other", "options", "named"),
    [
        ({"machine": "there"}, {}, "several machines"),
        ({"mode": Mode.TRAINING}, {}, "several modes"),
        ({"workload": "other"}, {}, "several workloads"),
        ({}, {"rows": "workload"}, "sizes differ"),
    ],
    ids=["machines", "modes", "workloads", "rows"],
)
def test_what_is_unlike_shares_no_heatmap(other, options, named):
    with pytest.raises(UsageError, match=named):
        plots.heatmap_data([*SIZES, point("quick", 1e-3, **other)], **options)


def test_the_heatmap_is_readable_without_hues():
    figure = plots.heatmap_figure(plots.heatmap_data(SIZES))

    fields = source(figure, "heatmap:fields").data
    assert len(set(fields["fill"])) == 2
    assert fields["label"][fields["ratio"].index(1.0)] == "1"
    assert figure.xaxis[0].axis_label == "batch size in items"


def test_nothing_to_show_is_an_empty_figure():
    assert plots.heatmap_figure(plots.heatmap_data([])).y_range.factors == []
    assert plots.profile_figure(plots.profile_data([])).title.text == "no figures"


# ---------------------------------------------------------------- intervals


def test_every_pair_has_its_interval_and_the_tolerance_is_in_the_frame():
    found = compare_figures(run("a", {"q": 1e-3, "m": 1e-3}), run("b", {"q": 5e-4, "m": 4e-4}))

    data = plots.intervals_data(found)
    figure = plots.intervals_figure(found)

    assert data["pair"] == ["m at 1000", "q at 1000"]
    assert all(
        low <= ratio <= high
        for low, ratio, high in zip(*(data[k] for k in ("low", "ratio", "high")), strict=True)
    )
    assert data["verdict"] == ["faster", "faster"]
    assert figure.x_range.end > 1.02
    band = figure.select_one({"type": BoxAnnotation, "name": "intervals:tolerance"})
    assert (band.left, band.right) == (pytest.approx(1 / 1.02), 1.02)


def test_on_two_machines_the_ratio_less_the_calibration_is_beside_it():
    kernels = {"loop": 4.0, "matmul": 2.0, "triad": 3.0}
    speed = speed_ratio(calibration("a", kernels), calibration("b", kernels))
    found = compare_figures(run("a", {"q": 1e-3}), run("b", {"q": 1e-3}, THERE), speed=speed)

    data = plots.intervals_data(found)
    assert data["kind"] == ["ratio", "relative"]
    assert data["verdict"] == ["equal (machine and code together)", "equal"]
    assert len(set(data["color"])) == 2  # the plain ratio is grey: it claims nothing of the code


def test_two_stretches_of_a_batch_size_have_rows_of_their_own():
    twice = replace(sample(1e-3), stretches=(sample(1e-3), replace(sample(2e-3), epochs=(2,))))
    found = compare_figures(run("a", {"q": twice}), run("b", {"q": 1e-3}))

    figure = plots.intervals_figure(found)

    assert len(set(figure.y_range.factors)) == 2


def test_a_metric_on_an_interval_scale_is_drawn_as_differences():
    score = Metric(name="score", unit="points", better="higher", scale="interval")
    sides = [run(name, {"q": sample(1e-3, score=value)}) for name, value in (("a", 5), ("b", 3))]

    figure = plots.intervals_figure(compare_figures(*sides, metric=score, tolerance=0.1))

    assert figure.xaxis[0].axis_label == "score: cost of new less baseline, points"
    (hover,) = figure.select({"type": HoverTool})
    told = dict(hover.tooltips)["difference"]
    assert told == "@ratio{%.4g} points (@low{%.4g} to @high{%.4g})"  # 0.0004 is not 0.000
    assert hover.formatters == dict.fromkeys(("@ratio", "@low", "@high"), "printf")


# ---------------------------------------------------------------- profile


def test_a_profile_has_quantiles_over_sizes():
    rows = profile_rows([point("quick", 1e-3, p95=2e-3), *SIZES[:2]])

    data = plots.profile_data(rows, candidates=("slow", "quick"))

    assert list(data.series) == ["slow", "quick"]
    assert data.series["quick"]["size"] == [100, 1000]
    assert data.series["quick"]["p95"][1] == 2e-3
    assert math.isnan(data.series["quick"]["p99"][0])
    figure = plots.profile_figure(data)
    assert source(figure, "profile:quick") is not None


def test_a_profile_of_two_machines_is_refused():
    with pytest.raises(UsageError, match="one machine but got here, there"):
        plots.profile_data(profile_rows([point("q", 1e-3), point("q", 1e-3, machine="there")]))
