"""Speed over batch size: who is quick where, and where the lead changes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from parbench_lab.racing.history import SizeSummary

if TYPE_CHECKING:
    from bokeh.plotting import figure

Series = dict[str, list[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SizesData:
    """What the plot shows.

    Parameters
    ----------
    series
        Candidate to columns ``size, throughput, low, high, ratio``: items, items per second with
        the 95 % interval (NaN where it is not known), and the median ratio to that size's leader
        (NaN where they did not meet).
    crossovers
        Columns ``size, what, shown``: where the lead changes between two sizes that were
        measured, and whether it is shown: at both, the interval of the ratio of the two lies
        above 1.
    """

    series: dict[str, Series]
    crossovers: Series


def sizes_data(sizes: Sequence[SizeSummary], *, candidates: Sequence[str] = ()) -> SizesData:
    """Return the columns of the plot.

    A crossover between two neighbouring sizes with different leaders is where the lines of the
    two, straight in logarithms, meet; in the middle where they do not meet in between.
    """
    ordered = sorted(sizes, key=lambda summary: summary.batch_size)
    series: dict[str, Series] = {name: _empty() for name in candidates}
    for summary in ordered:
        for name, seconds in summary.median_s.items():
            if seconds <= 0:
                continue
            columns = series.setdefault(name, _empty())
            columns["size"].append(summary.batch_size)
            columns["throughput"].append(summary.batch_size / seconds)
            ratio = summary.ratios.get(name)
            columns["ratio"].append(ratio.point if ratio else math.nan)
            slowest, quickest = _interval(summary, name)
            columns["low"].append(slowest)
            columns["high"].append(quickest)
    crossovers: Series = {"size": [], "what": [], "shown": []}
    for small, large in pairwise(ordered):
        if small.leader and large.leader and small.leader != large.leader:
            crossovers["size"].append(_crossing(small, large, small.leader, large.leader))
            crossovers["what"].append(f"{large.leader} overtakes {small.leader}")
            crossovers["shown"].append(
                _is_behind(small, large.leader) and _is_behind(large, small.leader)
            )
    return SizesData(series=series, crossovers=crossovers)


def _is_behind(summary: SizeSummary, name: str) -> bool:
    """Return whether the interval of a candidate's ratio to the leader lies above 1."""
    ratio = summary.ratios.get(name)
    return ratio is not None and ratio.low > 1


def _interval(summary: SizeSummary, name: str) -> tuple[float, float]:
    """Return the ends of the throughput's interval, NaN where it is not known."""
    time_s = summary.times_s.get(name)
    if time_s is None or time_s.low <= 0:
        return math.nan, math.nan
    return summary.batch_size / time_s.high, summary.batch_size / time_s.low


def _empty() -> Series:
    return {"size": [], "throughput": [], "low": [], "high": [], "ratio": []}


def _crossing(small: SizeSummary, large: SizeSummary, first: str, second: str) -> float:
    """Return the size at which two candidates are equally quick."""
    start, end = math.log(small.batch_size), math.log(large.batch_size)
    try:
        before = math.log(small.median_s[first] / small.median_s[second])
        after = math.log(large.median_s[first] / large.median_s[second])
    except (KeyError, ValueError, ZeroDivisionError):
        return math.exp((start + end) / 2)
    share = before / (before - after) if before < 0 < after else 0.5
    return math.exp(start + share * (end - start))


def sizes_figure(data: SizesData, *, candidates: Sequence[str] = ()) -> figure:
    """Return the figure; sources are named ``sizes:of <candidate>`` and ``sizes:crossovers``.

    Parameters
    ----------
    data
        From `sizes_data`.
    candidates
        Names in the order in which they entered, which gives the colours; those of the data by
        default, sorted: so every plot of a race agrees.
    """
    from bokeh.models import ColumnDataSource  # noqa: PLC0415 - slow to load

    from parbench_lab.plots import theme  # noqa: PLC0415 - loads bokeh

    names = list(candidates) or sorted(data.series)
    made = theme.new_figure(
        "Speed over batch size",
        "batch size in items",
        "items per second",
        x_axis_type="log",
        y_axis_type="log",
        name="sizes",
    )
    theme.loose_ticks(made.xaxis)
    theme.powers(made.yaxis)
    legend, dots = [], []
    for index, name in enumerate(names):
        columns = {**data.series.get(name, _empty())}
        source = ColumnDataSource(columns, name=theme.source_of("sizes", name))
        look = {"color": theme.colour_of(index), "muted_alpha": 0.12}
        line = made.line(
            "size", "throughput", source=source, width=2, dash=theme.dash_of(index), **look
        )
        dot = made.scatter(
            "size", "throughput", source=source, size=7, marker=theme.marker_of(index), **look
        )
        interval = made.segment("size", "low", "size", "high", source=source, width=2, **look)
        interval.tags = [theme.muted_with(line)]
        dot.name = theme.as_glyph_name(name)
        legend.append((theme.as_label(name), [line, dot]))
        dots.append(dot)
    if not names:
        made.line([], [])  # or Bokeh warns of a figure without anything in it
    crossovers = ColumnDataSource({**data.crossovers}, name="sizes:crossovers")
    spans = made.vspan("size", source=crossovers, line_dash="dotted", line_color="#8C8C8C")
    theme.add_legend(made, legend)
    theme.add_hover(
        made,
        dots,
        {
            "candidate": "$name",
            "batch size": "@size{0,0} items",
            "throughput": "@throughput{0.00 a} items/s (@low{0.00 a} to @high{0.00 a})",
            "ratio to the leader": "@ratio{0.000}",
        },
    )
    theme.add_hover(made, [spans], {"": "@what", "at about": "@size{0,0} items"})
    return made
