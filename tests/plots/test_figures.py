"""The figures: every source that streams has its name, every axis its unit."""

from __future__ import annotations

import html
import re

import pytest
from bokeh.models import Axis, ColumnDataSource, GlyphRenderer, HoverTool, Legend, LegendItem
from bokeh.plotting import figure

import parbench_lab as pb
from parbench_lab.core.metric import Metric
from parbench_lab.core.usage import WorkerUsage
from parbench_lab.plots import (
    evidence_data,
    evidence_figure,
    framed,
    race_figures,
    ratio_data,
    ratio_figure,
    sizes_data,
    sizes_figure,
    throughput_data,
    throughput_figure,
    usage_data,
    usage_figure,
)
from parbench_lab.plots.theme import as_glyph_name, colour_of, themes
from parbench_lab.racing.history import SizeSummary, TimedUsage
from tests.plots.histories import board, history, measured, ratio

HURTFUL = "<img src=x onerror=alert(1)>@b$c"


def names(root):
    return {s.name for s in root.references() if isinstance(s, ColumnDataSource) and s.name}


def test_every_source_that_streams_has_its_name():
    assert names(race_figures(history(("a", "b")))) == {
        *(f"{thing}:of {name}" for thing in ("throughput", "evidence", "sizes") for name in "ab"),
        "throughput:marks", "throughput:epochs", "sizes:crossovers", "ratio:points", "usage:cpu-0",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["evidence:threshold", "ratio:tolerance", "ratio:range"])
def test_every_model_that_moves_has_its_name(name):
    assert race_figures(history()).select_one({"name": name}) is not None


def test_every_axis_says_what_and_in_which_unit():
    labels = {a.axis_label for a in race_figures(history()).references() if isinstance(a, Axis)}

    assert labels == {
        "race time in s", "items per second", "blocks of the race", "odds (x : 1)",
        "wall_time_s over the leader's", "", "batch size in items", "% of a core", "MB",
    }  # fmt: skip


def test_the_figure_of_the_cpu_has_one_line_for_the_host():
    busy = tuple(WorkerUsage(worker=f"cpu-{n}", host_cpu_percent=60.0) for n in (0, 1))

    drawn = usage_figure(usage_data([TimedUsage(at_s=1.0, workers=busy)]))

    lines = [one for one in drawn.references() if isinstance(one, GlyphRenderer)]
    (host,) = [one for one in lines if one.name == "host"]
    assert host.glyph.y == "host_cpu_percent"
    assert host.data_source.data["host_cpu_percent"] == [60.0]


@pytest.mark.parametrize(("unit", "told"), [("points", ", points"), ("1", "")])
def test_a_metric_on_an_interval_scale_shows_differences_in_its_unit(unit, told):
    score = Metric(name="score", unit=unit, better="higher", scale="interval")
    data = ratio_data(board(1.0, {"a": 1.0}, ratios={"a": ratio(0.0)}))

    made = ratio_figure(data, tolerance=0.1, objective=score)

    assert made.xaxis[0].axis_label == f"score: cost less the leader's{told}"
    assert made.select_one({"name": "ratio:tolerance"}).location == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("unit", "shown"),
    [("<points> $", " &lt;points&gt; &#36;"), pytest.param("1", "", id="pure number")],
)
def test_the_hover_tells_a_difference_with_its_unit_and_a_small_one_is_not_zero(unit, shown):
    score = Metric(name="score", unit=unit, better="higher", scale="interval")
    made = ratio_figure(ratio_data(board(1.0, {"a": 1.0})), objective=score)

    (hover,) = made.select({"type": HoverTool})
    told = dict(hover.tooltips)["difference"]

    assert told == f"@ratio{{%.4g}}{shown} (@low{{%.4g}} to @high{{%.4g}})"
    assert hover.formatters == dict.fromkeys(("@ratio", "@low", "@high"), "printf")


def test_a_click_in_the_legend_of_the_usage_mutes_a_worker_in_every_figure():
    busy = [
        WorkerUsage(worker=name, cpu_percent=9.0, gpu_percent=50.0, gpu_throttle=("heat",))
        for name in ("gpu-0", "gpu-1")
    ]
    made = usage_figure(usage_data([TimedUsage(at_s=1.0, workers=tuple(busy))]))
    (legend,) = made.select({"type": Legend})

    for name, item in zip(("gpu-0", "gpu-1"), legend.items, strict=True):
        (stand_in,) = item.renderers
        own = [r for r in made.select({"type": GlyphRenderer}) if r.name == name]
        muted = [r for r in own if stand_in.tags[0] in r.tags]
        assert item.label.value == name
        assert len(own) == len(made.children) + 1  # a line in each, and the marks of one
        assert muted == own


def test_without_the_order_of_entry_a_candidate_has_one_colour_in_all_plots():
    odds = {"b": 1.0, "c": 2.0, "a": 3.0}
    shown = board(1.0, odds, ratios={name: ratio(1.5) for name in odds})
    rows = [measured(i, 0.1 * i, name) for i, name in enumerate("cab")]
    sizes = SizeSummary(batch_size=100, median_s=dict.fromkeys("bca", 0.01), leader="b")
    made = [
        throughput_figure(throughput_data(rows)),
        evidence_figure(evidence_data([shown])),
        sizes_figure(sizes_data([sizes])),
    ]

    ratios = ratio_data(shown)

    wanted = {name: colour_of(index) for index, name in enumerate("abc")}
    assert dict(zip(ratios["candidate"], ratios["color"], strict=True)) == wanted
    for one in made:
        drawn = {r.name: r.glyph for r in one.renderers if r.name in wanted}
        colours = {name: getattr(g, "line_color", None) for name, g in drawn.items()}
        assert colours == wanted


def test_legends_mute_and_hovers_tell_numbers_with_units():
    made = race_figures(history())
    legends = [m for m in made.references() if isinstance(m, Legend)]
    told = [text for h in made.references() if isinstance(h, HoverTool) for _, text in h.tooltips]

    assert {legend.click_policy for legend in legends} == {"mute"}
    assert any("items/s" in text for text in told)
    assert any(": 1" in text for text in told)


def test_no_legend_leads_to_the_data_or_it_would_be_drawn_again_for_every_row():
    made = race_figures(history())
    items = [m for m in made.references() if isinstance(m, LegendItem)]
    behind = {model for item in items for model in item.references()}
    rows = [len(s.data["x"]) for s in behind if isinstance(s, ColumnDataSource)]

    assert items
    assert set(rows) == {1}
    assert not any(model.name for model in behind)


def test_a_name_is_itself_in_hovers_and_legends_and_never_that_of_a_model():
    made = race_figures(history((HURTFUL, "ratio:range")))
    glyphs = {r.name for f in made.select({"type": figure}) for r in f.renderers if r.name}
    labels = {i.label.value for i in made.references() if isinstance(i, LegendItem)}

    assert {HURTFUL, as_glyph_name("ratio:range")} <= glyphs  # Bokeh escapes what ``$name`` is
    assert "ratio:range" not in glyphs
    assert HURTFUL in labels  # a legend is drawn on a canvas: text is text there


def test_light_and_dark_speak_of_the_same_things():
    light, dark = themes()["light"], themes()["dark"]

    assert {kind: set(look) for kind, look in light.items()} == {
        kind: set(look) for kind, look in dark.items()
    }
    assert light["Axis"] != dark["Axis"]


def test_a_history_of_nothing_still_has_its_figures():
    empty = pb.plots.race_figures(
        type(history())(
            candidates=("a",), objectives=history().objectives, elimination_threshold=20.0,
            tolerance=0.0,
        )
    )  # fmt: skip

    assert "throughput:of a" in names(empty)


def test_a_framed_figure_needs_no_network(tmp_path):
    shown = framed(race_figures(history()), title="a <race>")
    page = shown.save(tmp_path / "race.html").read_text(encoding="utf-8")

    assert re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=", page) == []
    assert html.escape("a <race>") in shown._repr_html_()


def test_a_stored_run_is_drawn_without_its_workload(tmp_path):
    with pb.ParallelBenchmarking(
        ["cumsum", "convolve"], batch_size=200, store=tmp_path / "runs.db", n_workers=1
    ) as bench:
        bench.run_continuous_optimization(max_seconds=20)

    drawn = race_figures(pb.load_history(bench.run_id, tmp_path / "runs.db"))

    source = drawn.select_one({"name": "throughput:of cumsum"})
    assert len(source.data["at_s"]) > 0
