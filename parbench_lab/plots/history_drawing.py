"""The Bokeh half of `plots.history`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from bokeh.models import (
    ColumnDataSource,
    FixedTicker,
    LinearAxis,
    NoOverlap,
    PrintfTickFormatter,
    Range1d,
)
from bokeh.plotting import figure

from parbench_lab.plots import theme
from parbench_lab.plots.history import Columns, HistoryPanel

HEIGHT_PX = 340
MOST_COMMIT_LINES = 30
"""Beyond it lines through the figure would hide it: the ticks at its edge stay."""
_COMMITS = "commits"
_COMMIT_COLOUR = "#8C8C8C"
_LABEL_GAP_PX = 6
_MARKS = {
    ("alarm", "worse"): ("alarm", "inverted_triangle", "#C00000"),
    ("alarm", "better"): ("improvement", "triangle", "#00803C"),
    ("hint", "worse"): ("change point, worse", "cross", "#C00000"),
    ("hint", "better"): ("change point, better", "cross", "#00803C"),
}


def drawn(panel: HistoryPanel, candidates: Sequence[str], *, log: bool) -> figure:
    """Return the figure of a panel; see `history.history_figure`."""
    positive = all(v > 0 for c in panel.series.values() for v in (*c["low"], *c["value"]))
    made = theme.new_figure(
        panel.title,
        "time of the run (UTC)",
        f"median in {panel.unit}" if panel.unit else "median",
        height=HEIGHT_PX,
        x_axis_type="datetime",
        y_axis_type="log" if log and positive else "auto",
        name="history",
    )
    if log and positive:
        theme.loose_ticks(made.yaxis)
    made.yaxis.formatter = PrintfTickFormatter(format="%.4g")
    made.title.text_font_size = "12px"
    legend, dots = [], []
    for index, name in enumerate(candidates):
        if name in panel.series:
            line = _line(made, panel, name, index)
            legend.append((theme.as_label(name), line))
            dots.append(line[-1])
    legend += _marks(made, panel)
    _commits(made, panel)
    theme.add_legend(made, legend)
    theme.add_hover(
        made,
        dots,
        {
            "candidate": "$name",
            "median": "@told",
            "measurements": "@n",
            "began": "@began",
            "commit": "@commit",
            "run": "@run",
        },
    )
    return made


def _line(made: figure, panel: HistoryPanel, name: str, index: int) -> list[Any]:
    columns = panel.series[name]
    source = ColumnDataSource(
        {
            **columns,
            "low": [_finite(low, v) for low, v in zip(columns["low"], columns["value"])],  # noqa: B905 - made together
            "high": [_finite(h, v) for h, v in zip(columns["high"], columns["value"])],  # noqa: B905 - made together
            "began": [f"{at:%Y-%m-%d %H:%M}" for at in columns["started"]],
        },
        name=f"history:{name}",
    )
    look = {"color": theme.colour_of(index), "muted_alpha": 0.1}
    interval = made.segment(
        x0="started",
        y0="low",
        x1="started",
        y1="high",
        source=source,
        line_alpha=0.35,
        line_width=2,
        **look,
    )
    line = made.line(
        "started", "value", source=source, line_alpha=0.6, dash=theme.dash_of(index), **look
    )
    dot = made.scatter(
        "started", "value", source=source, size=6, marker=theme.marker_of(index), **look
    )
    dot.name = theme.as_glyph_name(name)
    interval.tags = [theme.muted_with(line)]
    return [line, dot]


def _commits(made: figure, panel: HistoryPanel) -> None:
    """Draw ticks where the code changes, named on an axis above as far as there is room."""
    columns = panel.commits
    if not columns["started"]:
        return
    source = ColumnDataSource(
        {**columns, "top": [1.0] * len(columns["started"])}, name="history:commits"
    )
    if len(columns["started"]) <= MOST_COMMIT_LINES:
        made.vspan("started", source=source, line_color=_COMMIT_COLOUR, line_alpha=0.3)
    # a range of its own: the ticks stay at the upper edge whatever the values are
    made.extra_y_ranges[_COMMITS] = Range1d(0.0, 1.0)
    ticks = made.scatter(
        "started",
        "top",
        source=source,
        y_range_name=_COMMITS,
        marker="dash",
        angle=math.pi / 2,
        size=16,
        line_width=2,
        color=_COMMIT_COLOUR,
    )
    made.y_range.renderers = [one for one in made.renderers if one is not ticks]
    theme.add_hover(made, [ticks], {"": "@told"})
    made.add_layout(_commit_axis(columns), "above")


def _commit_axis(columns: Columns) -> LinearAxis:
    at_ms = [round(at.timestamp() * 1000.0) for at in columns["started"]]
    labels = [theme.as_label(label) for label in columns["label"]]
    dirty = " (* with changes that are in no commit)" if any(columns["dirty"]) else ""
    axis = LinearAxis(
        ticker=FixedTicker(ticks=at_ms, minor_ticks=[]),
        major_label_overrides=dict(zip(at_ms, labels, strict=True)),
        major_label_policy=NoOverlap(min_distance=_LABEL_GAP_PX),
        major_label_text_font_size="10px",
        axis_label=f"commit{dirty}",
        axis_label_text_font_size="10px",
        axis_label_standoff=2,
        name="history:commits",
    )
    axis.update(**theme.themes()["light"]["Axis"])
    return axis


def _finite(end: float, point: float) -> float:
    return end if math.isfinite(end) else point


def _marks(made: figure, panel: HistoryPanel) -> list[tuple[str, list[Any]]]:
    """Draw the marks; return their entries of the legend."""
    rows = list(zip(*panel.marks.values(), strict=True))
    names = list(panel.marks)
    entries, drawn_marks = [], []
    for (kind, way), (label, marker, colour) in _MARKS.items():
        of_kind = [row for row in rows if (row[3], row[2]) == (kind, way)]
        if not of_kind:
            continue
        columns = dict(zip(names, map(list, zip(*of_kind, strict=True)), strict=True))
        source = ColumnDataSource(columns, name=f"history:marks:{kind}:{way}")
        spans = made.vspan(
            "started", source=source, line_color=colour, line_dash="dotted", line_alpha=0.6
        )
        mark = made.scatter(
            "started",
            "value",
            source=source,
            marker=marker,
            size=15,
            line_width=2,
            color=colour,
            fill_alpha=0.25,
            muted_alpha=0.1,
        )
        entries.append((label, [mark]))
        drawn_marks += [mark, spans]
    if drawn_marks:
        theme.add_hover(made, drawn_marks, {"": "@told"})
    return entries
