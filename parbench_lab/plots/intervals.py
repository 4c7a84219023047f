"""A comparison of two runs: every pair's ratio with its interval, around the tolerance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from parbench_lab.analysis.comparison.values import Comparison
from parbench_lab.analysis.comparison.verdicts import Verdict

if TYPE_CHECKING:
    from bokeh.plotting import figure

Series = dict[str, list[Any]]
COLOURS = {"faster": "#009E73", "slower": "#D55E00", "equal": "#0072B2", "undecided": "#8C8C8C"}
"""Of the verdicts, from the palette of `theme`."""
MARKERS = {"faster": "triangle", "slower": "inverted_triangle", "equal": "square"}
ROW_HEIGHT_PX = 30


def intervals_data(comparison: Comparison) -> Series:
    """Return columns ``pair, ratio, low, high, verdict, q, n, color, marker, kind``.

    A row for each pair that has a ratio, in the order of the comparison; on two machines one more
    for the ratio less the calibration (`kind` is ``"ratio"`` or ``"relative"``), and the plain
    ratio is grey: its verdict is of machine and code together, and is called so.
    """
    names = ("pair", "ratio", "low", "high", "verdict", "q", "n", "color", "marker", "kind")
    data: Series = {name: [] for name in names}
    for pair in comparison.pairs:
        for kind, told in (("ratio", pair.judgement), ("relative", pair.relative)):
            if told is None:
                continue
            counts = told is comparison.told(pair)
            verdict = told.verdict.value if counts else Verdict.UNDECIDED.value
            relative = ", less calibration" if kind == "relative" else ""
            row = {
                "pair": f"{pair.label}{relative}",
                "ratio": told.ratio.point,
                "low": told.ratio.low,
                "high": told.ratio.high,
                "verdict": told.verdict.of(comparison.metric)
                + ("" if counts else " (machine and code together)"),
                "q": told.q,
                "n": told.ratio.n,
                "color": COLOURS[verdict],
                "marker": MARKERS.get(verdict, "circle"),
                "kind": kind,
            }
            for name, value in row.items():
                data[name].append(value)
    return data


def intervals_figure(comparison: Comparison, *, data: Series | None = None) -> figure:
    """Return the figure; source ``intervals:pairs``, band ``intervals:tolerance``.

    Parameters
    ----------
    comparison
        Gives metric, tolerance and the names of the runs.
    data
        From `intervals_data`; made of the comparison by default.
    """
    from bokeh.models import BoxAnnotation, ColumnDataSource, FactorRange  # noqa: PLC0415 - slow
    from bokeh.models import Span as BokehSpan  # noqa: PLC0415 - as above

    from parbench_lab.plots import theme  # noqa: PLC0415 - loads bokeh

    shown = intervals_data(comparison) if data is None else data
    metric, ratios = comparison.metric, comparison.metric.scale == "ratio"
    unit = theme.change_unit(metric)
    made = theme.new_figure(
        f"{comparison.new.id} against {comparison.baseline.id}",
        f"{metric.name}: cost of new {'over' if ratios else 'less'} baseline{unit}",
        "",
        x_axis_type="log" if ratios else "linear",
        y_range=FactorRange(factors=shown["pair"][::-1]),
        height=110 + ROW_HEIGHT_PX * max(3, len(shown["pair"])),
        name="intervals",
    )
    if ratios:
        theme.loose_ticks(made.xaxis, 6)
    edge = 1 + comparison.tolerance if ratios else comparison.tolerance
    left, middle = (1 / edge, 1.0) if ratios else (-edge, 0.0)
    # the tolerance is always in the frame, however far all ratios are from it
    made.x_range.start, made.x_range.end = _frame(shown, left, edge, ratios=ratios)
    made.add_layout(
        BoxAnnotation(
            left=left,
            right=edge,
            fill_alpha=0.18,
            fill_color="#0072B2",
            line_color=None,
            level="underlay",
            name="intervals:tolerance",
        )
    )
    made.add_layout(BokehSpan(location=middle, dimension="height", line_width=1))
    source = ColumnDataSource({**shown}, name="intervals:pairs")
    made.segment("low", "pair", "high", "pair", source=source, color="color", width=2)
    dots = made.scatter("ratio", "pair", source=source, size=10, color="color", marker="marker")
    theme.add_hover(
        made,
        [dots],
        {
            "pair": "@pair",
            **theme.hover_of_ratio(metric),
            "verdict": "@verdict",
            "q": "@q{0.0e}",
            "measurements": "@n{0,0}",
        },
        printf=() if ratios else theme.OF_A_RATIO,
    )
    return made


def _frame(shown: Series, left: float, right: float, *, ratios: bool) -> tuple[float, float]:
    """Return the ends of an axis that has everything, with a little room."""
    low, high = min([left, *shown["low"]]), max([right, *shown["high"]])
    if ratios and low > 0:
        room = (high / low) ** 0.04
        return low / room, high * room
    room = 0.04 * (high - low) or 1.0
    return low - room, high + room
