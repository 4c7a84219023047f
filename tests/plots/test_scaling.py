"""Plots of scaling: what was measured, what the laws say, and that the two meet."""

from __future__ import annotations

import math

import numpy as np
import pytest
from bokeh.models import (
    Axis,
    BoxAnnotation,
    ColumnDataSource,
    HoverTool,
    Legend,
    LegendItem,
    LogAxis,
    Scatter,
    Segment,
)
from bokeh.plotting import figure

import parbench_lab as pb
from parbench_lab.analysis.curve import ScalingCurve
from parbench_lab.errors import UsageError
from parbench_lab.plots import (
    scaling_data,
    scaling_figure,
    scaling_figures,
    series_labels,
    what_if_columns,
    what_if_data,
    what_if_figure,
)
from parbench_lab.plots.scaling import QUANTITIES
from parbench_lab.scaling.plan import Series
from tests.plots.curves import strong, weak

HURTFUL = "<img src=x onerror=alert(1)>@b$c"
SHARED = {"cores": 8, "noise": 0.02, "repeats": 3}


def only(columns_by_label):
    (found,) = columns_by_label.values()
    return found


def line_at(line, workers, quantity):
    return line[quantity][line["workers"].index(float(workers))]


def of(root, kind):
    return [model for model in root.references() if isinstance(model, kind)]


# ---------------------------------------------------------------- measured points


def test_every_level_is_a_point_within_its_interval():
    points = only(scaling_data(strong(noise=0.05, repeats=5)).points)

    assert points["workers"] == [1.0, 2.0, 4.0, 8.0, 16.0]
    assert {len(column) for column in points.values()} == {5}
    for quantity in ("time_s", "speedup", "efficiency"):
        low, high = points[f"{quantity}_low"], points[f"{quantity}_high"]
        assert all(a <= b <= c for a, b, c in zip(low, points[quantity], high, strict=True))


def test_a_hover_tells_numbers_with_intervals_and_units():
    points = only(scaling_data(strong(noise=0.05, repeats=5)).points)

    assert points["time_s_told"][1].count(" ms") == 3
    assert " % [" in points["efficiency_told"][1]
    assert points["memory"][0] == "1.05 MB"
    assert points["throughput"][0].endswith("items/s")
    assert points["serial_fraction_told"][0] == "-"  # one worker has none


def test_a_level_whose_runs_all_failed_is_no_point():
    curve = strong(levels=(1, 2))
    broken = pb.ScalingCurve(
        name="job", backend="threads", cores=2,
        trials=(*curve.trials, type(curve.trials[0])(
            repetition=0, workers=4, size=100, outcome="failed", message="no memory")),
    )  # fmt: skip

    assert only(scaling_data(broken).points)["workers"] == [1.0, 2.0]


# ---------------------------------------------------------------- the laws


@pytest.mark.parametrize(
    ("curve", "law"),
    [
        pytest.param(strong(), "Amdahl", id="Amdahl"),
        pytest.param(strong(beta=0.004), "USL", id="USL"),
        pytest.param(weak(), "Gustafson", id="Gustafson"),
        pytest.param(strong(levels=(2, 4, 8, 16)), "Amdahl", id="without one worker"),
        pytest.param(weak(levels=(2, 4, 8, 16)), "Gustafson", id="weak, without one worker"),
    ],
)
def test_the_line_of_an_exact_law_meets_every_point(curve, law):
    data = scaling_data(curve)
    points, line = only(data.points), only(data.laws)[law]

    for quantity in QUANTITIES:
        for workers, value in zip(points["workers"], points[quantity], strict=True):
            assert line_at(line, workers, quantity) == pytest.approx(value, nan_ok=True, rel=1e-6)


def test_bands_hold_their_line_and_are_finite():
    line = only(scaling_data(strong(noise=0.1, repeats=4)).laws)["USL"]

    for quantity in QUANTITIES:
        low, point, high = (np.array(line[quantity + end]) for end in ("_low", "", "_high"))
        there = ~np.isnan(point)
        assert there.any()
        assert np.isfinite(low[there]).all()
        assert np.isfinite(high[there]).all()
        assert (low[there] <= point[there] * (1 + 1e-9)).all()
        assert (point[there] <= high[there] * (1 + 1e-9)).all()


def test_lines_end_at_twice_the_fitted_range_and_say_where_trust_ends():
    near = only(scaling_data(strong()).laws)["USL"]
    far = only(scaling_data(strong(), upto=100).laws)["USL"]

    assert near["workers"][-1] == 32.0
    assert far["workers"][-1] == 100.0
    assert near["note"][-1] == "beyond the fitted range"
    assert far["note"][-1] == "beyond twice the fitted range: no promise"
    assert near["note"][0] == ""


def test_a_hidden_level_is_hollow_and_the_laws_have_not_seen_it():
    data = scaling_data(strong(), hidden=1)
    points = only(data.points)

    assert points["fitted_workers"][:-1] == [1.0, 2.0, 4.0, 8.0]
    assert math.isnan(points["fitted_workers"][-1])
    assert points["note"][-1] == "not seen by the laws"
    assert only(data.laws)["USL"]["workers"][-1] == 16.0


def test_only_points_that_a_law_has_seen_are_filled():
    made = scaling_figure(scaling_data(strong(), hidden=1))
    filled, hollow = [], []
    for renderer in made.renderers:
        if isinstance(renderer.glyph, Scatter) and renderer.glyph.y == "speedup":
            column = renderer.data_source.data[renderer.glyph.x]
            drawn = [workers for workers in column if not math.isnan(workers)]
            (hollow if renderer.glyph.fill_alpha == 0 else filled).append(drawn)

    assert hollow == [[1.0, 2.0, 4.0, 8.0, 16.0]]
    assert filled == [[1.0, 2.0, 4.0, 8.0]]


def test_levels_beyond_the_cores_are_hollow_unless_they_are_fitted():
    curve = strong(cores=8)
    without, included = scaling_data(curve), scaling_data(curve, oversubscribed="include")

    assert without.any_hollow
    assert not included.any_hollow
    assert only(included.points)["note"][-1] == "more workers than cores"


def test_too_few_levels_are_points_without_laws_and_the_reason_is_told():
    data = scaling_data(strong(levels=(1, 2)))

    assert only(data.laws) == {}
    assert "at least 4 different worker counts" in only(data.refusals)
    assert not data.any_hollow


def test_levels_kept_from_the_laws_are_hollow_where_too_few_are_left_for_one():
    hidden = only(scaling_data(strong(levels=(1, 2, 4, 8)), hidden=1).points)
    beyond = scaling_data(strong(levels=(1, 2, 4), cores=2))
    none_left = only(scaling_data(strong(levels=(2, 4), cores=1)).points)

    assert hidden["note"] == ["", "", "", "not seen by the laws"]
    assert only(beyond.points)["fitted_workers"] == pytest.approx([1, 2, math.nan], nan_ok=True)
    assert "not seen by the laws" in {
        item.label.value for item in of(scaling_figure(beyond), LegendItem)
    }
    assert all(math.isnan(count) for count in none_left["fitted_workers"])


def test_fits_that_are_given_are_those_that_are_drawn():
    curve = strong()
    amdahl = curve.fit(law="amdahl")

    assert list(only(scaling_data(curve, fits=[amdahl]).laws)) == ["Amdahl"]
    assert only(scaling_data(curve, fits=[]).laws) == {}
    several = scaling_data({"a": curve, "b": curve}, fits={"a": [amdahl]})
    assert [list(lines) for lines in several.laws.values()] == [["Amdahl"], []]


@pytest.mark.parametrize(
    ("options", "words"),
    [({"hidden": -1}, "0 or more"), ({"fits": [strong().fit()]}, "keys of the curves")],
    ids=str,
)
def test_what_cannot_be_drawn_is_refused(options, words):
    with pytest.raises(UsageError, match=words):
        scaling_data({"a": strong()}, **options)


def test_series_are_named_by_what_they_do_not_share():
    keys = [Series(backend=b, size=s) for b, s in (("threads", 10), ("threads", 2000))]

    assert list(series_labels(keys).values()) == ["10 items", "2,000 items"]
    assert list(scaling_data({keys[0]: strong(), keys[1]: strong()}).points) == [
        "10 items", "2,000 items",
    ]  # fmt: skip


def spread_over(times, **about):
    return ScalingCurve.from_times([1, 2, 4], times, cores=4, **about)


def test_intervals_are_drawn_whole_and_only_what_leaves_every_frame_is_cut():
    usual = only(scaling_data(spread_over([[8.0, 8.4], [4.5, 4.1], [2.5, 2.4]])).points)
    wild = scaling_data(spread_over([[8.0, 8.1], [4.0, 4.1], [0.4, 9.0]]))
    points = only(wild.points)

    for quantity in QUANTITIES:
        assert usual[f"{quantity}_to"] == pytest.approx(usual[f"{quantity}_high"], nan_ok=True)
        assert usual[f"{quantity}_from"] == pytest.approx(usual[f"{quantity}_low"], nan_ok=True)
    assert points["speedup_high"][2] > 100 * points["speedup"][2]
    assert points["speedup_to"][2] == points["speedup_cut_high"][2] == 5 * points["speedup"][2]
    assert [math.isnan(end) for end in points["speedup_cut_high"]] == [True, True, False]
    assert wild.any_cut("speedup")
    assert not scaling_data(spread_over([8.0, 4.0, 2.0])).any_cut("speedup")


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_the_axis_follows_the_intervals_and_not_only_the_points(quantity):
    made = scaling_figure(strong(noise=0.3, repeats=3), quantity)
    segments = [r for r in made.renderers if isinstance(r.glyph, Segment)]

    assert len(segments) == 1
    assert set(segments) < set(made.y_range.renderers)
    assert (segments[0].glyph.y0, segments[0].glyph.y1) == (f"{quantity}_from", f"{quantity}_to")


# ---------------------------------------------------------------- the figures


def test_every_source_that_streams_has_its_name():
    made = scaling_figures(scaling_data({"a": strong(**SHARED), "b": strong(**SHARED)}))

    assert {s.name for s in of(made, ColumnDataSource) if s.name} == {
        "scaling:ideal", "scaling:points:a", "scaling:points:b",
        *(f"scaling:law:{label}:{law}" for label in "ab" for law in ("USL", "Amdahl")),
    }  # fmt: skip


def test_axes_have_units():
    labels = {a.axis_label for a in of(scaling_figures(strong(cores=8)), Axis)}
    of_weak = {a.axis_label for a in of(scaling_figures(weak()), Axis)}

    assert labels == {
        "workers (shaded: more than 8 cores)", "time of a run in s", "speedup (1 worker = 1)",
        "efficiency in % of the ideal", "serial fraction in % of the time",
    }  # fmt: skip
    assert "scaled speedup (1 worker = 1)" in of_weak


def test_a_serial_fraction_has_the_name_of_the_law_that_it_is_by():
    def title(*curves):
        shown = dict(enumerate(curves))
        return scaling_figure(shown, "serial_fraction").title.text

    assert title(strong()) == "Serial fraction (Karp and Flatt)"
    assert title(weak()) == "Scaled serial fraction (Gustafson)"
    assert "scaled where the work grows" in title(strong(), weak())


def test_a_figure_of_a_weak_curve_shows_its_serial_fraction():
    made = scaling_figures(weak())

    assert "scaling:serial_fraction" in {f.name for f in of(made, figure)}


def test_log_log_is_for_workers_times_and_speedups_and_never_for_shares():
    def logarithmic(quantity):
        made = scaling_figure(strong(), quantity, log=True)
        return isinstance(made.xaxis[0], LogAxis), isinstance(made.yaxis[0], LogAxis)

    assert logarithmic("time_s") == logarithmic("speedup") == (True, True)
    assert logarithmic("efficiency") == logarithmic("serial_fraction") == (True, False)
    assert not of(scaling_figures(strong()), LogAxis)


@pytest.mark.parametrize(("cores", "shaded_from"), [(8, [8.5]), (64, [])])
def test_what_is_beyond_the_cores_is_shaded_and_nothing_else(cores, shaded_from):
    made = scaling_figure(strong(cores=cores))

    assert [box.left for box in made.center if isinstance(box, BoxAnnotation)] == shaded_from


@pytest.mark.parametrize(
    ("cores", "shaded_from"),
    [pytest.param(8, [8.5], id="beyond"), pytest.param(16, [], id="only the cluster is larger")],
)
def test_threads_beyond_the_cores_are_shaded_beside_a_given_cluster_too(cores, shaded_from):
    cluster = strong(cores=64, levels=(1, 2, 4, 8, 16, 32), on_cluster=True)
    made = scaling_figure({"threads": strong(cores=cores), "cluster": cluster})

    assert [box.left for box in made.center if isinstance(box, BoxAnnotation)] == shaded_from
    if shaded_from:
        assert made.xaxis[0].axis_label == "workers (shaded: more than 8 cores of this machine)"


def test_a_click_in_the_legend_mutes_points_intervals_and_bands_but_leads_to_no_data():
    made = scaling_figure(strong(**SHARED))
    items = of(made, LegendItem)
    behind = {model for item in items for model in item.references()}

    assert {legend.click_policy for legend in of(made, Legend)} == {"mute"}
    assert not any(model.name for model in behind)
    points = [r for r in made.renderers if isinstance(r.glyph, Scatter | Segment)]
    named = [r for r in points if (r.data_source.name or "").startswith("scaling:points")]
    assert len({tuple(r.tags) for r in named}) == 1
    assert all(r.tags for r in named)


def test_hovers_tell_time_speedup_and_what_is_special():
    told = [t for h in of(scaling_figure(strong()), HoverTool) for _, t in h.tooltips]

    assert {"@time_s_told", "@speedup_told", "@runs", "@note"} <= set(told)


def test_data_of_the_same_shape_only_need_new_columns():
    first, again = (scaling_data(strong(noise=0.05, seed=seed)) for seed in (1, 2))
    more = scaling_data(strong(levels=(1, 2, 4, 8, 16, 32)))

    assert first.shape == again.shape
    assert first.shape != more.shape
    assert scaling_data(strong(levels=(1, 2))).shape != first.shape


def test_a_study_without_a_run_still_has_its_figures_over_the_planned_levels():
    data = scaling_data({"a": strong(levels=())}, workers=[1, 2, 4])

    made = scaling_figures(data)

    assert data.largest == 4.0
    assert len(of(made, figure)) == 4
    assert "scaling:points:a" in {s.name for s in of(made, ColumnDataSource)}


def test_a_name_is_itself_where_a_hover_tells_it():
    made = scaling_figures({HURTFUL: strong(), "b": strong()})
    names = {r.name for f in of(made, figure) for r in f.renderers if r.name}

    assert any(HURTFUL in name for name in names)  # Bokeh escapes what ``$name`` is


def test_an_unknown_quantity_is_refused():
    with pytest.raises(UsageError, match=r"time_s, speedup, efficiency.*'latency'"):
        scaling_figure(strong(), "latency")


def test_a_stored_study_is_drawn_without_its_job(tmp_path):
    with pb.ScalingStudy(
        "prime_count", workers=[1, 2], sizes=[500], repeats=1, store=tmp_path / "runs.db"
    ) as study:
        study.run()

    made = scaling_figures(pb.load_curves(store=tmp_path / "runs.db"))

    assert len(made.select_one({"name": "scaling:points:threads"}).data["time_s"]) == 2


# ---------------------------------------------------------------- what if


def test_the_laws_are_those_of_the_textbooks():
    data = what_if_data(serial_fraction=0.05, contention=0.02, coherency=0.001, workers=16)

    assert data.at["law"] == ["Amdahl", "Gustafson", "USL"]
    assert data.at["speedup"] == pytest.approx(
        [1 / (0.05 + 0.95 / 16), 16 - 0.05 * 15, 16 / (1 + 0.02 * 15 + 0.001 * 16 * 15)]
    )
    assert data.words.startswith("with 16 workers: Amdahl 9.14, ")


def test_without_coherency_the_usl_is_amdahls_law():
    data = what_if_data(serial_fraction=0.1, contention=0.1, coherency=0.0)

    assert data.laws["USL"]["speedup"] == pytest.approx(data.laws["Amdahl"]["speedup"])


def test_what_moves_in_the_figure_has_the_names_and_columns_of_its_sources():
    data = what_if_data(strong(noise=0.05, repeats=3), workers=4)
    sources = {s.name: s for s in of(what_if_figure(data), ColumnDataSource) if s.name}

    for name, columns in what_if_columns(what_if_data(contention=0.3, upto=128)).items():
        assert set(sources[name].data) == set(columns)
    assert sources["scaling:points:job, threads"].data["workers"] == [1, 2, 4, 8, 16]


def test_the_axis_of_what_if_holds_the_measured_intervals():
    made = what_if_figure(what_if_data(strong(noise=0.3, repeats=3)))

    assert sum(isinstance(r.glyph, Segment) for r in made.y_range.renderers) == 1


@pytest.mark.parametrize(("cores", "shaded_from"), [(8, [8.5]), (64, [])])
def test_what_if_marks_levels_of_more_workers_than_cores(cores, shaded_from):
    made = what_if_figure(what_if_data(strong(cores=cores)))
    (points,) = [s for s in of(made, ColumnDataSource) if s.name == "scaling:points:job, threads"]
    told = [t for h in of(made, HoverTool) for _, t in h.tooltips]

    assert [box.left for box in made.center if isinstance(box, BoxAnnotation)] == shaded_from
    assert ("more than 8 cores" in made.xaxis[0].axis_label) == bool(shaded_from)
    assert ("more workers than cores" in points.data["note"]) == bool(shaded_from)
    assert "@note" in told


def test_what_if_marks_intervals_that_go_on_and_mutes_them_with_their_points():
    made = what_if_figure(what_if_data(spread_over([[8.0, 8.1], [4.0, 4.1], [0.4, 9.0]])))
    labels = [item.label.value for item in of(made, LegendItem)]
    of_points = [
        r for r in made.renderers if (r.data_source.name or "").startswith("scaling:points")
    ]

    assert "interval goes on" in labels
    assert {r.glyph.y for r in of_points if isinstance(r.glyph, Scatter)} == {
        "speedup", "speedup_cut_low", "speedup_cut_high",
    }  # fmt: skip
    assert len({tuple(r.tags) for r in of_points}) == 1
    assert all(r.tags for r in of_points)


def test_what_if_reaches_the_measured_points_and_draws_no_fitted_law():
    data = what_if_data(strong(), upto=4)

    assert data.laws["USL"]["workers"][-1] == 16.0
    assert only(data.measured.laws) == {}
    assert of(what_if_figure(data, log=True), LogAxis)


@pytest.mark.parametrize(
    "wrong",
    [{"workers": 0.5}, {"upto": 1}, {"serial_fraction": 1.5}, {"contention": math.nan}],
    ids=str,
)
def test_what_is_out_of_range_is_refused(wrong):
    with pytest.raises(UsageError):
        what_if_data(**wrong)
