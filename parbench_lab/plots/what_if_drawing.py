"""The figure of chosen laws over measured points; loads Bokeh."""

from __future__ import annotations

from typing import Any

from bokeh.models import ColumnDataSource, DataRange1d, Range1d, Segment
from bokeh.plotting import figure

from parbench_lab.plots import theme
from parbench_lab.plots.scaling_drawing import (
    IDEAL_COLOUR,
    LAW_DASHES,
    cut_entry,
    cut_marks,
    plain_ticks,
    point_source,
    shade,
    workers_label,
)
from parbench_lab.plots.what_if import LAWS, WhatIfData, what_if_columns

# away from the first colours, which are those of the measured series
LAW_COLOURS = {"Amdahl": "#D55E00", "Gustafson": "#56B4E9", "USL": "#CC79A7"}


def draw(data: WhatIfData, *, log: bool) -> figure:
    """Return the figure of `what_if_data`."""
    scale = "log" if log else "linear"
    end = data.laws["ideal"]["workers"][-1]
    made = theme.new_figure(
        "What if",
        workers_label(data.measured),
        "speedup (1 worker = 1)",
        x_axis_type=scale,
        y_axis_type=scale,
        x_range=Range1d(0.85, end * 1.18) if log else Range1d(0.0, end * 1.02),
        y_range=DataRange1d() if log else DataRange1d(start=0.0),
        name="what-if",
        height=340,
    )
    plain_ticks(made, log_x=log, log_y=log)
    sources = {
        name: ColumnDataSource({**columns}, name=name)
        for name, columns in what_if_columns(data).items()
    }
    legend, points, followers = _add_points(made, data)
    lines = [_add_law(made, law, sources[f"what-if:{law}"]) for law in (*LAWS, "ideal")]
    legend += [(line.name, [line]) for line in lines]
    if data.measured.any_cut("speedup"):
        legend.append(cut_entry(made))
    here = made.scatter(
        "workers", "speedup", source=sources["what-if:at"], marker="cross", size=13,
        line_width=2, color=IDEAL_COLOUR,
    )  # fmt: skip
    # what grows without end would press everything else to the ground: it leaves the frame
    bent = [line for line in lines if line.name in ("Amdahl", "USL")]
    intervals = [one for one in made.renderers if isinstance(one.glyph, Segment)]
    made.y_range.renderers = [*intervals, *(lines if log else [*points, *bent])]
    shade(made, data.measured)
    theme.add_legend(made, legend)
    for follower, leader in followers:
        follower.tags = leader.tags
    _add_hovers(made, points, lines, here)
    return made


def _add_points(
    made: figure, data: WhatIfData
) -> tuple[list[tuple[str, list[Any]]], list[Any], list[tuple[Any, Any]]]:
    """Return the legend's entries, the points, and what is muted with which of them."""
    legend: list[tuple[str, list[Any]]] = []
    followers: list[tuple[Any, Any]] = []
    for index, (label, columns) in enumerate(data.measured.points.items()):
        source = ColumnDataSource({**columns}, name=point_source(label))
        points, *ends = _measured(made, source, index)
        followers += [(end, points) for end in ends]
        points.name = theme.as_glyph_name(label)
        legend.append((theme.as_label(label), [points]))
    return legend, [renderers[0] for _, renderers in legend], followers


def _measured(made: figure, source: ColumnDataSource, index: int) -> list[Any]:
    """Return the points, their intervals, and the marks where these go on."""
    look = {"source": source, "color": theme.colour_of(index), "muted_alpha": 0.08}
    intervals = made.segment(
        "workers", "speedup_from", "workers", "speedup_to", line_width=1.5, **look
    )
    cuts = cut_marks(made, "speedup", **look)
    points = made.scatter("workers", "speedup", size=8, marker=theme.marker_of(index), **look)
    return [points, intervals, *cuts]


def _add_law(made: figure, law: str, source: ColumnDataSource) -> Any:
    line = made.line(
        "workers",
        "speedup",
        source=source,
        line_width=2,
        line_dash=LAW_DASHES.get(law, "dotted"),
        color=LAW_COLOURS.get(law, IDEAL_COLOUR),
        muted_alpha=0.08,
    )
    line.name = law
    return line


def _add_hovers(made: figure, points: list[Any], lines: list[Any], here: Any) -> None:
    theme.add_hover(
        made,
        points,
        {"series": "$name", "workers": "@workers{0}", "speedup": "@speedup_told", "": "@note"},
    )
    theme.add_hover(
        made, lines, {"law": "$name", "workers": "@workers{0.[0]}", "speedup": "@told"}
    )
    theme.add_hover(
        made, [here], {"law": "@law", "workers": "@workers{0.[0]}", "speedup": "@told"}
    )
