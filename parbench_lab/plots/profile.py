"""How long a call takes over sizes: the median with its interval, and the slow tail."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from parbench_lab.analysis.comparison.profile import ProfileRow
from parbench_lab.errors import UsageError

if TYPE_CHECKING:
    from bokeh.models import LayoutDOM
    from bokeh.plotting import figure

Series = dict[str, list[Any]]
_COLUMNS = ("size", "p50", "low", "high", "p95", "p99", "throughput", "runs")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileData:
    """What the plot shows.

    Parameters
    ----------
    series
        Candidate to columns ``size, p50, low, high, p95, p99, throughput, runs``: items, seconds
        (NaN where there are too few measurements), items per second, number of runs.
    title
        Workload, mode and machine.
    """

    series: dict[str, Series]
    title: str


def profile_data(
    rows: Iterable[ProfileRow], *, candidates: Sequence[str] = (), title: str = ""
) -> ProfileData:
    """Return the columns of the plot, sizes ascending.

    Parameters
    ----------
    rows
        From `parbench_lab.analysis.comparison.profile.profile_rows`, of one workload, mode,
        machine and commit.
    candidates
        Names in the order of their colours; by default as they come.
    title
        By default workload, mode and machine.

    Raises
    ------
    UsageError
        If the rows are of several workloads, modes, machines or commits.
    """
    given = sorted(rows, key=lambda row: row.size)
    for name in ("workload", "mode", "machine", "commit"):
        found = sorted({str(getattr(row, name)) for row in given})
        if len(found) > 1:
            raise UsageError(
                f"a profile shows figures of one {name} but got {', '.join(found)}: give those "
                "of one"
            )
    series: dict[str, Series] = {name: _empty() for name in candidates}
    for row in given:
        columns = series.setdefault(row.candidate, _empty())
        values = {
            "size": row.size,
            "p50": row.p50.point,
            "low": row.p50.low,
            "high": row.p50.high,
            "p95": math.nan if row.p95 is None else row.p95,
            "p99": math.nan if row.p99 is None else row.p99,
            "throughput": row.throughput.point,
            "runs": row.runs,
        }
        for name, value in values.items():
            columns[name].append(value)
    first = given[0] if given else None
    where = f"{first.workload} ({first.mode}) on {first.machine}" if first else "no figures"
    return ProfileData(series=series, title=title or where)


def _empty() -> Series:
    return {name: [] for name in _COLUMNS}


def profile_figure(data: ProfileData) -> figure:
    """Return the figure; sources are named ``profile:<candidate>``.

    The line is the median, the whisker its interval, the hollow marks above it the 95 % and (as
    a bar) the 99 % quantile of single calls.
    """
    from bokeh.models import ColumnDataSource  # noqa: PLC0415 - slow to load

    from parbench_lab.plots import theme  # noqa: PLC0415 - loads bokeh

    made = theme.new_figure(
        f"{data.title}{': p50, p95 (hollow), p99 (bar)' if data.series else ''}",
        "batch size in items",
        "seconds of a call",
        x_axis_type="log",
        y_axis_type="log",
        height=360,
        name="profile",
    )
    theme.loose_ticks(made.xaxis)
    theme.powers(made.yaxis)
    legend, dots = [], []
    for index, (name, columns) in enumerate(data.series.items()):
        source = ColumnDataSource({**columns}, name=f"profile:{name}")
        look = {"color": theme.colour_of(index), "muted_alpha": 0.12}
        marker = theme.marker_of(index)
        parts = [
            made.line("size", "p50", source=source, width=2, dash=theme.dash_of(index), **look),
            made.segment("size", "low", "size", "high", source=source, width=2, **look),
            made.scatter("size", "p50", source=source, size=8, marker=marker, **look),
            made.scatter(
                "size", "p95", source=source, size=8, marker=marker, fill_alpha=0, **look
            ),
            made.scatter("size", "p99", source=source, size=12, marker="dash", **look),
        ]
        parts[2].name = theme.as_glyph_name(name)
        legend.append((theme.as_label(name), parts))
        dots.append(parts[2])
    if not legend:
        made.line([], [])  # or Bokeh warns of a figure without anything in it
    else:
        _tell(made, legend, dots)
    return made


def profile_figures(profiles: Sequence[ProfileData]) -> LayoutDOM:
    """Return several profiles below each other, on the same axes.

    Parameters
    ----------
    profiles
        From `profile_data`, each with its own title.
    """
    from bokeh.layouts import column  # noqa: PLC0415 - slow to load

    made = [profile_figure(data) for data in profiles]
    for later in made[1:]:
        later.x_range, later.y_range = made[0].x_range, made[0].y_range
    return column(*made, sizing_mode="stretch_width")


def _tell(made: figure, legend: list[tuple[str, list[Any]]], dots: list[Any]) -> None:
    from parbench_lab.plots import theme  # noqa: PLC0415 - loads bokeh

    theme.add_legend(made, [(label, parts[:1] + parts[2:3]) for label, parts in legend])
    theme.add_hover(
        made,
        dots,
        {
            "candidate": "$name",
            "items": "@size{0,0}",
            "p50 in s": "@p50{0.000e} (@low{0.000e} to @high{0.000e})",
            "p95 in s": "@p95{0.000e}",
            "p99 in s": "@p99{0.000e}",
            "items/s": "@throughput{0,0}",
            "runs": "@runs",
        },
    )
