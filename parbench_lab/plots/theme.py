"""How plots look: colours that stay with a candidate, and a page's light or dark theme."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

from bokeh.models import (
    ColumnDataSource,
    CustomJS,
    HoverTool,
    Legend,
    NumeralTickFormatter,
    PrintfTickFormatter,
)
from bokeh.plotting import figure

from parbench_lab.core.metric import Metric

# Okabe and Ito, "Color Universal Design" (2008), less black and yellow, which vanish on one of the
# two backgrounds; the grey is ours
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#8C8C8C")
DASHES = ("solid", "dashed", "dotted", "dotdash", "dashdot")
MARKERS = ("circle", "square", "triangle", "diamond", "inverted_triangle")

OF_A_RATIO = ("ratio", "low", "high")
"""Columns of a ratio and the ends of its interval."""

HEIGHT_PX = 280
_TOOLS = "xpan,xwheel_zoom,box_zoom,reset,save"
_LIGHT, _DARK = "#303030", "#D8D8D8"
_LIGHT_GRID, _DARK_GRID = "#E0E0E0", "#404040"


def colour_of(index: int) -> str:
    """Return the colour of the candidate that entered as number `index` (from 0).

    Beyond the palette's length colours come again, with another dash and marker.
    """
    return PALETTE[index % len(PALETTE)]


def dash_of(index: int) -> str:
    """Return the line's dash of the candidate that entered as number `index` (from 0)."""
    return DASHES[index // len(PALETTE) % len(DASHES)]


def marker_of(index: int) -> str:
    """Return the marker of the candidate that entered as number `index` (from 0)."""
    return MARKERS[index // len(PALETTE) % len(MARKERS)]


def themes() -> dict[str, dict[str, dict[str, Any]]]:
    """Return what differs between a light and a dark page: type to attributes.

    Types are Bokeh's, or the ends of their names; backgrounds are the page's own.
    """
    return {"light": _theme(_LIGHT, _LIGHT_GRID), "dark": _theme(_DARK, _DARK_GRID)}


def _theme(text: str, grid: str) -> dict[str, dict[str, Any]]:
    lines = ("axis_line_color", "major_tick_line_color", "minor_tick_line_color")
    return {
        "Axis": {
            "axis_label_text_color": text,
            "major_label_text_color": text,
            **dict.fromkeys(lines, text),
        },
        "Grid": {"grid_line_color": grid},
        "Title": {"text_color": text},
        "Legend": {"label_text_color": text, "inactive_fill_color": grid},
        "Figure": {"outline_line_color": grid},
        "Span": {"line_color": text},
    }


def new_figure(title: str, x_label: str, y_label: str, **options: Any) -> figure:
    """Return an empty figure in the house style: full width, transparent, no logo."""
    made = figure(
        title=title,
        height=options.pop("height", HEIGHT_PX),
        sizing_mode="stretch_width",
        tools=options.pop("tools", _TOOLS),
        background_fill_alpha=0.0,
        border_fill_alpha=0.0,
        output_backend="canvas",
        **options,
    )
    made.xaxis.axis_label = x_label
    made.yaxis.axis_label = y_label
    made.toolbar.logo = None
    made.toolbar.autohide = True
    made.min_border_right = 12
    for model_type, attributes in themes()["light"].items():
        for model in made.references():
            if type(model).__name__.endswith(model_type):
                model.update(**attributes)
    return made


def loose_ticks(axis: Any, n_ticks: int = 4) -> None:
    """Let a logarithmic axis have few labels: over less than two decades Bokeh's overlap."""
    axis.ticker.desired_num_ticks = n_ticks
    axis.ticker.num_minor_ticks = 0
    axis.formatter = NumeralTickFormatter(format="0,0.[00]")


def powers(axis: Any) -> None:
    """As `loose_ticks`, for large numbers: 1.5e+6."""
    loose_ticks(axis)
    axis.formatter = PrintfTickFormatter(format="%.1e")


_MUTE_THE_SAME = """
for (const model of cb_obj.document._all_models.values()) {
  if (model !== cb_obj && model.tags?.includes(cb_obj.tags[0])) model.muted = cb_obj.muted;
}
"""


def add_legend(made: figure, entries: list[tuple[str, list[Any]]]) -> None:
    """Put a legend below the figure; a click mutes a line.

    Bokeh draws a legend anew for every change of anything that its entries lead to, so of each
    row of data: a page with ten candidates did little else. These entries lead to stand-ins
    without data, and those tell the lines by a tag that they are muted.
    """
    legend = Legend(
        items=[(label, _stand_ins(made, renderers)) for label, renderers in entries],
        click_policy="mute",
        ncols=3,
        border_line_alpha=0.0,
        background_fill_alpha=0.0,
        inactive_fill_alpha=0.5,
        label_text_font_size="11px",
        label_height=12,
        glyph_height=12,
        spacing=12,
        padding=2,
        margin=2,
    )
    legend.update(**themes()["light"]["Legend"])
    made.add_layout(legend, "below")


def muted_with(renderer: Any) -> str:
    """Return the tag of what is muted together with a renderer that stands in the legend."""
    return f"muted with {renderer.id}"


def _stand_ins(made: figure, renderers: list[Any]) -> list[Any]:
    """Return renderers that look the same, show nothing, and mute these when they are muted."""
    found = []
    for renderer in renderers:
        tag = muted_with(renderer)
        renderer.tags = [tag]
        nowhere = ColumnDataSource({"x": [math.nan], "y": [math.nan]})  # without a row, no look
        glyph = renderer.glyph.clone(x="x", y="y")
        stand_in = made.add_glyph(nowhere, glyph, tags=[tag])
        stand_in.js_on_change("muted", CustomJS(code=_MUTE_THE_SAME))
        found.append(stand_in)
    return found


def add_hover(
    made: figure, renderers: list[Any], rows: Mapping[str, str], *, printf: Sequence[str] = ()
) -> None:
    """Tell what is under the pointer: label to Bokeh's column or expression, text escaped.

    Of the columns `printf` the format is one of C's, such as ``%.4g``.
    """
    made.add_tools(
        HoverTool(
            renderers=renderers,
            tooltips=list(rows.items()),
            formatters={f"@{column}": "printf" for column in printf},
            point_policy="snap_to_data",
        )
    )


def change_unit(metric: Metric) -> str:
    """Return what an axis of the metric's changes ends in: ``", s"``, nothing of ratios."""
    return f",{metric.change_suffix}" if metric.change_suffix else ""


def hover_of_ratio(metric: Metric) -> dict[str, str]:
    """Return what a hover tells of the columns `OF_A_RATIO`, label to expression.

    On an interval scale they are differences, in the metric's unit; their formats are C's then,
    which `add_hover` has to be told.
    """
    if metric.scale == "ratio":
        return {"ratio": "@ratio{0.000} (@low{0.000} to @high{0.000})"}
    # ratios lie about 1; a difference may be of any size, and a small one is not 0.000
    unit = as_hover_label(metric.change_suffix)
    return {"difference": f"@ratio{{%.4g}}{unit} (@low{{%.4g}} to @high{{%.4g}})"}


def source_of(plot: str, candidate: str) -> str:
    """Return the name of the data source of a candidate in a plot: no model has it otherwise."""
    return f"{plot}:of {candidate}"


def as_label(name: str) -> str:
    """Return a name as Bokeh's legend shows it: ``$`` would begin a formula there."""
    return name.replace("$$", "$ $")


def as_glyph_name(name: str) -> str:
    """Return the name of a glyph of whatever is called so: a hover's ``$name`` shows it as text.

    Bokeh escapes it, or puts it in as text: escaped here, it would be read with its ``&lt;``. It
    has a sign that looks like a colon instead of one, and so is no name by which a live figure
    looks for a model.
    """
    return name.replace(":", "\N{RATIO}")


def as_hover_label(text: str) -> str:
    """Return a text as it stands in a hover's expression: it is markup there, ``@`` a column."""
    return "".join(f"&#{ord(sign)};" if sign in "@$" else sign for sign in html.escape(text))
