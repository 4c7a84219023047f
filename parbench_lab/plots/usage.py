"""How busy the workers are: CPU, memory, and GPU where there is one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from parbench_lab.racing.history import TimedUsage

if TYPE_CHECKING:
    from bokeh.models import Column

Series = dict[str, list[Any]]

ROLLOVER = 600


def usage_data(usage: Iterable[TimedUsage]) -> dict[str, Series]:
    """Return worker to columns ``at_s, cpu_percent, rss_mb, gpu_percent``.

    Seconds of race time, percent of one core, megabytes, percent; what was not measured is NaN.
    """
    series: dict[str, Series] = {}
    for timed in usage:
        for worker in timed.workers:
            columns = series.setdefault(worker.worker, _empty())
            columns["at_s"].append(timed.at_s)
            columns["cpu_percent"].append(_number(worker.cpu_percent))
            columns["rss_mb"].append(_number(worker.rss_bytes) / 1e6)
            columns["gpu_percent"].append(_number(worker.gpu_percent))
    return dict(sorted(series.items()))


def _empty() -> Series:
    return {"at_s": [], "cpu_percent": [], "rss_mb": [], "gpu_percent": []}


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def usage_figure(data: dict[str, Series], *, gpu: bool | None = None) -> Column:
    """Return figures one below the other; sources are named ``usage:<worker>``.

    Parameters
    ----------
    data
        From `usage_data`.
    gpu
        Whether to draw the GPU's utilisation; None where any was measured.
    """
    from bokeh.layouts import column  # noqa: PLC0415 - slow to load
    from bokeh.models import ColumnDataSource  # noqa: PLC0415 - slow to load

    from parbench_lab.plots import theme  # noqa: PLC0415 - loads bokeh

    sources = {
        worker: ColumnDataSource({**columns}, name=f"usage:{worker}")
        for worker, columns in data.items()
    }
    drawn = [
        ("cpu_percent", "CPU of the workers", "% of a core", "0"),
        ("rss_mb", "Memory of the workers", "MB", "0,0"),
    ]
    measured = any(v == v for c in data.values() for v in c["gpu_percent"])  # noqa: PLR0124 - NaN
    if gpu or (gpu is None and measured):
        drawn.append(("gpu_percent", "GPU of the workers", "%", "0"))
    figures = []
    for key, title, unit, form in drawn:
        made = theme.new_figure(title, "race time in s", unit, height=170, name=f"usage-{key}")
        made.y_range.start = 0
        lines = []
        for index, (worker, source) in enumerate(sources.items()):
            line = made.line(
                "at_s",
                key,
                source=source,
                width=1.5,
                color=theme.colour_of(index),
                dash=theme.dash_of(index),
                muted_alpha=0.12,
            )
            line.name = theme.as_hover_label(worker)
            lines.append(line)
        if not lines:
            made.line([], [])  # or Bokeh warns of a figure without anything in it
        hover = {"worker": "$name", "time": "@at_s{0.0} s", title: f"@{key}{{{form}}} {unit}"}
        theme.add_hover(made, lines, hover)
        if key == drawn[-1][0]:
            entries = zip(sources, lines, strict=True)
            theme.add_legend(made, [(theme.as_label(worker), [line]) for worker, line in entries])
            made.height += 30
        figures.append(made)
    return column(figures, sizing_mode="stretch_width")
