"""The figures of scaling curves; loads Bokeh. Everything that is shown is in `ScalingData`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bokeh.models import (
    BoxAnnotation,
    Column,
    ColumnDataSource,
    CustomJSTicker,
    CustomJSTickFormatter,
    DataRange1d,
    FixedTicker,
    NumeralTickFormatter,
    Range1d,
)
from bokeh.plotting import figure

from parbench_lab.core.wording import count
from parbench_lab.plots import theme
from parbench_lab.plots.scaling import QUANTITIES, Columns, Quantity, ScalingData

IDEAL_COLOUR = "#8C8C8C"
LAW_DASHES = {"USL": "solid", "Amdahl": "dashed", "Gustafson": "dotdash"}
_CUT_MARKERS = {"low": "inverted_triangle", "high": "triangle"}
_MUTED = 0.08
_LEGEND_ROW_PX = 24
_GRID = {
    "display": "grid",
    "grid-template-columns": "repeat(auto-fit, minmax(min(max(400px, 40%), 100%), 1fr))",
    "gap": "8px",
}
_SHORT = "return String(Number(tick.toPrecision(3)))"
# Bokeh's own ticks of a logarithm are one or two over less than two decades
_LOG_TICKS = """
const {start, end} = cb_data.range;
const found = [];
for (const mantissas of [[1], [1, 2, 5], [1, 1.5, 2, 3, 5, 7], null]) {
  found.length = 0;
  if (mantissas === null) {
    const rough = (end - start) / 5, power = 10 ** Math.floor(Math.log10(rough));
    const step = power * (rough < 2 * power ? 2 : rough < 5 * power ? 5 : 10);
    for (let at = Math.ceil(start / step) * step; at <= end; at += step) found.push(at);
  } else {
    for (let power = Math.floor(Math.log10(start)); 10 ** power <= end; power++) {
      found.push(...mantissas.map(m => m * 10 ** power).filter(at => start <= at && at <= end));
    }
  }
  if (found.length >= 3) break;
}
return found;
"""

_TITLES = {
    "time_s": "Time",
    "speedup": "Speedup",
    "efficiency": "Efficiency",
    "serial_fraction": "Serial fraction (Karp and Flatt)",
}
_LABELS = {
    "time_s": "time of a run in s",
    "speedup": "speedup (1 worker = 1)",
    "efficiency": "efficiency in % of the ideal",
    "serial_fraction": "serial fraction in % of the time",
}
_WEAK_TITLES = {**_TITLES, "serial_fraction": "Scaled serial fraction (Gustafson)"}
_WEAK_LABELS = {**_LABELS, "speedup": "scaled speedup (1 worker = 1)"}
_MIXED_TITLES = {
    **_TITLES,
    "serial_fraction": "Serial fraction (Karp and Flatt; scaled where the work grows)",
}
_SHARES = ("efficiency", "serial_fraction")


@dataclass(slots=True, kw_only=True)
class _Drawn:
    """What is in a figure so far.

    `measured` and `lines` are for the hover, `framed` is what the axis must hold, and `followers`
    are muted with another renderer.
    """

    made: figure
    legend: list[tuple[str, list[Any]]] = field(default_factory=list)
    measured: list[Any] = field(default_factory=list)
    lines: list[Any] = field(default_factory=list)
    framed: list[Any] = field(default_factory=list)
    followers: list[tuple[Any, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sources:
    """The sources that all figures of a page share."""

    points: Mapping[str, ColumnDataSource]
    laws: Mapping[str, Mapping[str, ColumnDataSource]]
    ideal: ColumnDataSource


def all_of(data: ScalingData, *, log: bool) -> Column:
    """Return every figure, in a grid that is as wide as its page."""
    sources = _sources(data)
    workers = _workers_range(data, log=log)  # one for all: what is zoomed is zoomed in all
    figures = [_draw(data, sources, quantity, workers, log=log) for quantity in QUANTITIES]
    return Column(children=figures, styles=_GRID, sizing_mode="stretch_width", name="scaling")


def one_of(data: ScalingData, quantity: Quantity, *, log: bool) -> figure:
    """Return one figure."""
    return _draw(data, _sources(data), quantity, _workers_range(data, log=log), log=log)


def point_source(label: str) -> str:
    """Return the name of the source of a series' measured points."""
    return f"scaling:points:{label}"


def law_source(label: str, law: str) -> str:
    """Return the name of the source of a law's line and band."""
    return f"scaling:law:{label}:{law}"


def _sources(data: ScalingData) -> _Sources:
    return _Sources(
        points={label: _source(c, point_source(label)) for label, c in data.points.items()},
        laws={
            label: {law: _source(c, law_source(label, law)) for law, c in lines.items()}
            for label, lines in data.laws.items()
        },
        ideal=_source(data.ideal, "scaling:ideal"),
    )


def _source(columns: Columns, name: str) -> ColumnDataSource:
    return ColumnDataSource({**columns}, name=name)


def _draw(
    data: ScalingData, sources: _Sources, quantity: Quantity, workers: Range1d, *, log: bool
) -> figure:
    log_y = log and quantity not in _SHARES  # a share may be 0, and a fraction negative
    made = theme.new_figure(
        (_WEAK_TITLES if data.weak else _MIXED_TITLES if data.mixed else _TITLES)[quantity],
        workers_label(data),
        (_WEAK_LABELS if data.weak else _LABELS)[quantity],
        x_axis_type="log" if log else "linear",
        y_axis_type="log" if log_y else "linear",
        x_range=workers,
        y_range=_y_range(data, quantity, log=log_y),
        name=f"scaling:{quantity}",
    )
    drawn = _Drawn(made=made)
    _ticks(made, quantity, log_x=log, log_y=log_y)
    _add_ideal(drawn, sources.ideal, quantity)
    alone = len(sources.points) == 1
    for index, (label, source) in enumerate(sources.points.items()):
        _add_points(drawn, source, quantity, "measured" if alone else label, index)
        for law, line in sources.laws.get(label, {}).items():
            _add_law(drawn, line, quantity, law if alone else f"{label}: {law}", index)
    if data.any_hollow:
        drawn.legend.append(("not seen by the laws", [_without_data(made, "circle")]))
    if data.any_cut(quantity):
        drawn.legend.append(cut_entry(made))
    if drawn.framed and isinstance(made.y_range, DataRange1d):
        # bands and the ideal may leave the frame
        made.y_range.renderers = drawn.framed
    shade(made, data)
    theme.add_legend(made, drawn.legend)
    made.height += _LEGEND_ROW_PX * max(0, math.ceil(len(drawn.legend) / 3) - 1)
    for follower, leader in drawn.followers:
        follower.tags = leader.tags
    _add_hovers(drawn, quantity)
    return made


def workers_label(data: ScalingData) -> str:
    """Return the label of the axis of workers: what `shade` shades, where it shades anything."""
    if not _is_shaded(data):
        return "workers"
    whose = " of this machine" if data.clustered else ""
    return f"workers (shaded: more than {count(data.cores or 0, 'core')}{whose})"


def _workers_range(data: ScalingData, *, log: bool) -> Range1d:
    start, end = (0.85, data.largest * 1.18) if log else (0.0, data.largest * 1.04)
    return Range1d(start, max(end, 2.0))


def _y_range(data: ScalingData, quantity: Quantity, *, log: bool) -> Range1d | DataRange1d:
    """Return a range that follows points and lines; a fixed one while there are none."""
    if quantity == "efficiency":
        return DataRange1d(start=0.0)
    if data.has(quantity):
        return DataRange1d() if log or quantity == "serial_fraction" else DataRange1d(start=0.0)
    end = data.largest if quantity == "speedup" else 1.0
    return Range1d(end / 16 if log else 0.0, end)


def _ticks(made: figure, quantity: Quantity, *, log_x: bool, log_y: bool) -> None:
    if quantity in _SHARES:
        made.yaxis.formatter = NumeralTickFormatter(format="0.[0]%")
    plain_ticks(made, log_x=log_x, log_y=log_y)


def plain_ticks(made: figure, *, log_x: bool, log_y: bool) -> None:
    """Let the axes tell whole workers (powers of two on a logarithmic axis) and plain numbers."""
    if log_x:
        made.xaxis.ticker = FixedTicker(ticks=[2.0**power for power in range(13)])
        made.xaxis.formatter = CustomJSTickFormatter(code=_SHORT)
    else:
        made.xaxis.ticker.min_interval = 1
        made.xaxis.ticker.num_minor_ticks = 0
    if log_y:
        made.yaxis.ticker = CustomJSTicker(major_code=_LOG_TICKS)
        made.yaxis.formatter = CustomJSTickFormatter(code=_SHORT)
    for axis, grid in zip(made.axis, made.grid, strict=True):
        grid.ticker = axis.ticker


def _add_ideal(drawn: _Drawn, source: ColumnDataSource, quantity: Quantity) -> None:
    if quantity not in ("speedup", "efficiency"):
        return
    line = drawn.made.line(
        "workers", quantity, source=source, color=IDEAL_COLOUR, line_dash="dotted", line_width=2,
        muted_alpha=_MUTED,
    )  # fmt: skip
    drawn.legend.append(("ideal", [line]))
    if quantity == "efficiency":
        drawn.framed.append(line)


def _add_points(
    drawn: _Drawn, source: ColumnDataSource, quantity: Quantity, label: str, index: int
) -> None:
    made = drawn.made
    look = {"source": source, "color": theme.colour_of(index), "muted_alpha": _MUTED}
    intervals = made.segment(
        "workers", f"{quantity}_from", "workers", f"{quantity}_to", line_width=1.5, **look
    )
    cuts = cut_marks(made, quantity, **look)
    mark = {"size": 8, "line_width": 1.5, "marker": theme.marker_of(index)}
    every = made.scatter("workers", quantity, fill_alpha=0.0, **mark, **look)
    # and filled where a law was fitted to it
    fitted = made.scatter("fitted_workers", quantity, **mark, **look)
    every.name = theme.as_glyph_name(label)
    drawn.legend.append((theme.as_label(label), [fitted]))
    drawn.followers += [(one, fitted) for one in (intervals, every, *cuts)]
    drawn.measured.append(every)
    drawn.framed += [intervals, every]


def cut_marks(made: figure, quantity: Quantity, **look: Any) -> list[Any]:
    """Draw arrow heads where intervals go on beyond where they are drawn to; return them."""
    return [
        made.scatter("workers", f"{quantity}_cut_{end}", size=7, marker=marker, **look)
        for end, marker in _CUT_MARKERS.items()
    ]


def cut_entry(made: figure) -> tuple[str, list[Any]]:
    """Return the legend's entry for `cut_marks`."""
    return "interval goes on", [_without_data(made, _CUT_MARKERS["high"])]


def _add_law(
    drawn: _Drawn, source: ColumnDataSource, quantity: Quantity, label: str, index: int
) -> None:
    colour, law = theme.colour_of(index), label.rpartition(": ")[2]
    band = drawn.made.varea(
        "workers", f"{quantity}_low", f"{quantity}_high", source=source, fill_color=colour,
        fill_alpha=0.13, muted_fill_alpha=0.0,
    )  # fmt: skip
    band.level = "underlay"
    line = drawn.made.line(
        "workers", quantity, source=source, color=colour, line_width=1.5,
        line_dash=LAW_DASHES[law], muted_alpha=_MUTED,
    )  # fmt: skip
    line.name = theme.as_glyph_name(label)
    drawn.legend.append((theme.as_label(label), [line]))
    drawn.followers.append((band, line))
    drawn.lines.append(line)
    drawn.framed.append(line)


def _without_data(made: figure, marker: str) -> Any:
    """Return a renderer for the legend alone: a mark whose colour says nothing."""
    return made.scatter(
        [], [], size=8, line_width=1.5, marker=marker, color=IDEAL_COLOUR, fill_alpha=0.0
    )


def shade(made: figure, data: ScalingData) -> None:
    """Shade what is beyond the cores, where levels were measured there."""
    if not _is_shaded(data):
        return
    made.add_layout(
        BoxAnnotation(
            left=(data.cores or 0) + 0.5,
            fill_color=IDEAL_COLOUR,
            fill_alpha=0.12,
            line_color=None,
            level="underlay",  # last of all, its edge would get the frame's outline
        )
    )


def _is_shaded(data: ScalingData) -> bool:
    return data.cores is not None and data.cores < data.largest


def _add_hovers(drawn: _Drawn, quantity: Quantity) -> None:
    rows = {"series": "$name", "workers": "@workers{0}"}
    rows |= {_WORDS[shown]: f"@{shown}_told" for shown in QUANTITIES}
    rows |= {"throughput": "@throughput", "peak memory": "@memory", "runs": "@runs", "": "@note"}
    theme.add_hover(drawn.made, drawn.measured, rows)
    value = {_WORDS[quantity]: f"@{quantity}_told"}
    theme.add_hover(
        drawn.made,
        drawn.lines,
        {"law": "$name", "workers": "@workers{0.[0]}", **value, "": "@note"},
    )


_WORDS = {
    "time_s": "time",
    "speedup": "speedup",
    "efficiency": "efficiency",
    "serial_fraction": "serial fraction",
}
