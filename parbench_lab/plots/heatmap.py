"""Who is quick where: a field for each candidate and size, or each workload and machine."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from parbench_lab.core.series import SeriesKey, SeriesPoint
from parbench_lab.errors import UsageError

if TYPE_CHECKING:
    from bokeh.plotting import figure

Across = Literal["size", "machine"]
Rows = Literal["candidate", "workload"]
Series = dict[str, list[Any]]

WORST = 16.0
"""Ratios from here on have one colour: beyond it nobody compares shades."""
ROW_HEIGHT_PX = 34


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatmapData:
    """What the plot shows.

    Parameters
    ----------
    fields
        Columns ``row, column, ratio, time_s, n, label, shade``: the time as a multiple of the
        quickest (1 is the quickest), and 0 to 1 of it in logarithms.
    rows, columns
        In order, the first row at the top.
    across
        What the columns are.
    """

    fields: Series
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    across: Across


def heatmap_data(
    points: Iterable[SeriesPoint], *, across: Across = "size", rows: Rows = "candidate"
) -> HeatmapData:
    """Return the fields; of each series the newest point counts.

    Parameters
    ----------
    points
        Wall times, as a store's `series` gives them; other metrics are passed over.
    across
        ``"size"``: ratios are to the quickest candidate at that size. ``"machine"``: to the
        quickest machine for the same candidate and size.
    rows
        ``"workload"`` puts a workload's candidates (and sizes) together, by the geometric mean;
        only across machines.

    Raises
    ------
    UsageError
        If figures of several modes, or of several workloads or machines across sizes, would be
        put together.
    """
    newest = _newest(points)
    _refuse_mixed(newest, across, rows)
    best: dict[tuple[Any, ...], float] = {}
    for key, point in newest.items():
        group = _group(key, across)
        best[group] = min(best.get(group, math.inf), point.median.point)
    gathered: dict[tuple[str, str], list[tuple[float, SeriesPoint]]] = {}
    for key, point in newest.items():
        column = str(key.size) if across == "size" else key.machine or "not known"
        ratio = point.median.point / best[_group(key, across)]
        gathered.setdefault((_row_name(key, across, rows), column), []).append((ratio, point))
    fields = _fields(gathered)
    names = _ordered_rows(fields)
    order = (lambda name: (int(name), "")) if across == "size" else (lambda name: (0, name))
    return HeatmapData(
        fields=fields,
        rows=names,
        columns=tuple(sorted(set(fields["column"]), key=order)),
        across=across,
    )


def _newest(points: Iterable[SeriesPoint]) -> dict[SeriesKey, SeriesPoint]:
    newest: dict[SeriesKey, SeriesPoint] = {}
    for point in points:
        if point.key.metric != "wall_time_s" or not point.median.point > 0:
            continue
        seen = newest.get(point.key)
        if seen is None or point.started >= seen.started:
            newest[point.key] = point
    return newest


def _refuse_mixed(newest: Iterable[SeriesKey], across: Across, rows: Rows) -> None:
    if across == "size" and rows == "workload":
        raise UsageError("rows='workload' is for across='machine': sizes differ in their meaning")
    alike = ["mode"] if across == "machine" else ["mode", "workload", "machine"]
    for name in alike:
        found = sorted({str(getattr(key, name)) for key in newest})
        if len(found) > 1:
            raise UsageError(
                f"figures of several {name}s cannot share a heatmap across {across}s: "
                f"{', '.join(found)}; give those of one"
            )


def _group(key: SeriesKey, across: Across) -> tuple[Any, ...]:
    """Return within what the quickest is 1."""
    return (key.size,) if across == "size" else (key.workload, key.candidate, key.size)


def _row_name(key: SeriesKey, across: Across, rows: Rows) -> str:
    if rows == "workload":
        return key.workload
    return key.candidate if across == "size" else f"{key.workload}/{key.candidate} at {key.size}"


def _fields(gathered: dict[tuple[str, str], list[tuple[float, SeriesPoint]]]) -> Series:
    fields: Series = {
        name: [] for name in ("row", "column", "ratio", "time_s", "n", "label", "shade")
    }
    for (row, column), members in gathered.items():
        ratio = statistics.geometric_mean(ratio for ratio, _ in members)
        values = {
            "row": row,
            "column": column,
            "ratio": ratio,
            # of several candidates together no time is shown
            "time_s": members[0][1].median.point if len(members) == 1 else math.nan,
            "n": sum(point.median.n for _, point in members),
            "label": f"{ratio:.3g}",
            "shade": min(1.0, math.log(ratio) / math.log(WORST)),
        }
        for name, value in values.items():
            fields[name].append(value)
    return fields


def _ordered_rows(fields: Series) -> tuple[str, ...]:
    """Return the rows, on the whole the quickest first."""
    ratios: dict[str, list[float]] = {}
    for row, ratio in zip(fields["row"], fields["ratio"], strict=True):
        ratios.setdefault(row, []).append(ratio)
    return tuple(sorted(ratios, key=lambda row: (statistics.geometric_mean(ratios[row]), row)))


def heatmap_figure(data: HeatmapData, *, title: str = "") -> figure:
    """Return the figure; its source is named ``heatmap:fields``. Empty places have no figures.

    Parameters
    ----------
    data
        From `heatmap_data`.
    title
        By default what the ratios are to.
    """
    from bokeh.models import ColumnDataSource, FactorRange  # noqa: PLC0415 - slow to load
    from bokeh.palettes import Cividis256  # noqa: PLC0415 - as above

    from parbench_lab.plots import theme  # noqa: PLC0415 - loads bokeh

    to = "candidate at each size" if data.across == "size" else "machine"
    made = theme.new_figure(
        title or f"Time as a multiple of the quickest {to}",
        "batch size in items" if data.across == "size" else "machine (fingerprint)",
        "",
        x_range=FactorRange(factors=list(data.columns)),
        y_range=FactorRange(factors=list(data.rows[::-1])),
        height=110 + ROW_HEIGHT_PX * max(2, len(data.rows)),
        tools="save",
        name="heatmap",
    )
    made.grid.visible = False
    made.min_border_top = 30  # the title stays clear of the first row
    source = ColumnDataSource(
        {
            **data.fields,
            "fill": _fills(data.fields["shade"], Cividis256),
            "ink": ["#000000" if shade < 0.55 else "#FFFFFF" for shade in data.fields["shade"]],
        },
        name="heatmap:fields",
    )
    boxes = made.rect(
        "column", "row", width=0.97, height=0.94, source=source, fill_color="fill", line_color=None
    )
    made.text(
        "column",
        "row",
        text="label",
        source=source,
        text_color="ink",
        text_align="center",
        text_baseline="middle",
        text_font_size="12px",
    )
    theme.add_hover(
        made,
        [boxes],
        {
            "": "@row, @column",
            "ratio": "@ratio{0.00}",
            "time in s": "@time_s{0.000e}",
            "measurements": "@n{0,0}",
        },
    )
    return made


def _fills(shades: Sequence[float], palette: Sequence[str]) -> list[str]:
    """Return light colours for the quick, dark ones for the slow; readable without hues."""
    return [palette[round((1 - shade) * (len(palette) - 1))] for shade in shades]
