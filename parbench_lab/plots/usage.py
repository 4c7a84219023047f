"""How busy the workers are: CPU, memory, and GPU where there is one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from parbench_lab.core.usage import WorkerUsage
from parbench_lab.racing.history import TimedUsage

if TYPE_CHECKING:
    from bokeh.models import Column

Series = dict[str, list[Any]]
Renderers = dict[str, list[Any]]
"""What one figure shows of each worker."""

ROLLOVER = 600

_ALWAYS = (
    ("cpu_percent", "CPU of the workers (grey: host, mean of its cores)", "% of a core", "0"),
    ("rss_mb", "Memory of the workers", "MB", "0,0"),
)
_WHERE_MEASURED = (
    ("gpu_percent", "GPU of the workers (▼: throttled)", "%", "0"),
    ("gpu_memory_mb", "Memory of the GPU", "MB", "0,0"),
    ("gpu_power_w", "Power of the GPU", "W", "0"),
    ("gpu_temperature_c", "Temperature of the GPU", "°C", "0"),
    ("gpu_clock_mhz", "SM clock of the GPU", "MHz", "0,0"),
)
_BESIDE_HOST = "cpu_percent"
"""On this figure the whole machine is drawn too: more than its workers are other programs."""

_HOST_COLOUR = "#8C8C8C"
_MARKED = "gpu_percent"
"""Throttled samples are marked on this figure, by the column ``throttled_percent``."""


def usage_data(usage: Iterable[TimedUsage]) -> dict[str, Series]:
    """Return worker to columns over time; what was not measured is NaN.

    ``at_s`` (seconds of race time), ``cpu_percent`` (of one core), ``rss_mb``, ``gpu_percent``,
    ``gpu_memory_mb``, ``gpu_power_w``, ``gpu_temperature_c``, ``gpu_clock_mhz``;
    ``throttled_percent`` is the GPU's utilisation where it was held back by heat or power and NaN
    elsewhere, ``throttled`` says why. ``host_cpu_percent`` is of the worker's whole machine: the
    mean of its cores.
    """
    series: dict[str, Series] = {}
    for timed in usage:
        for worker in timed.workers:
            columns = series.setdefault(worker.worker, {name: [] for name in _columns()})
            for name, value in _columns(timed.at_s, worker).items():
                columns[name].append(value)
    return dict(sorted(series.items()))


def _columns(at_s: float = 0.0, usage: WorkerUsage | None = None) -> Mapping[str, Any]:
    usage = usage or WorkerUsage(worker="")
    held_back = usage.gpu_throttle or ()
    return {
        "at_s": at_s,
        "cpu_percent": _number(usage.cpu_percent),
        "rss_mb": _number(usage.rss_bytes) / 1e6,
        "gpu_percent": _number(usage.gpu_percent),
        "gpu_memory_mb": _number(usage.gpu_memory_bytes) / 1e6,
        "gpu_power_w": _number(usage.gpu_power_w),
        "gpu_temperature_c": _number(usage.gpu_temperature_c),
        "gpu_clock_mhz": _number(usage.gpu_clock_hz) / 1e6,
        "host_cpu_percent": _number(usage.host_cpu_percent),
        "throttled_percent": _number(usage.gpu_percent if held_back else None),
        "throttled": ", ".join(held_back),
    }


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _measured(data: Mapping[str, Series], name: str) -> bool:
    return any(v == v for columns in data.values() for v in columns[name])  # noqa: PLR0124 - NaN


def drawn_figures(
    data: Mapping[str, Series], *, gpu: bool | None = None
) -> tuple[tuple[str, str, str, str], ...]:
    """Return column, title, unit and number format of each figure that is worth drawing.

    Parameters
    ----------
    data
        From `usage_data`.
    gpu
        Whether to draw the GPU's utilisation; None where any was measured. Its other figures are
        drawn where they were measured.
    """
    wanted = [
        figure
        for figure in _WHERE_MEASURED
        if gpu is not False and (_measured(data, figure[0]) or (gpu and figure[0] == _MARKED))
    ]
    return (*_ALWAYS, *wanted)


def usage_figure(data: dict[str, Series], *, gpu: bool | None = None) -> Column:
    """Return figures one below the other; sources are named ``usage:<worker>``.

    Parameters
    ----------
    data
        From `usage_data`.
    gpu
        As for `drawn_figures`.
    """
    from bokeh.layouts import column  # noqa: PLC0415 - slow to load
    from bokeh.models import ColumnDataSource  # noqa: PLC0415 - slow to load

    sources = {
        worker: ColumnDataSource({**columns}, name=f"usage:{worker}")
        for worker, columns in data.items()
    }
    drawn = drawn_figures(data, gpu=gpu)
    figures, shown = zip(*(_figure(figure, sources) for figure in drawn), strict=True)
    _add_legend(figures[-1], shown)
    return column(list(figures), sizing_mode="stretch_width")


def _add_legend(last: Any, shown: Sequence[Renderers]) -> None:
    """Put one legend below all figures, which mutes a worker in every one of them."""
    from parbench_lab.plots import theme  # noqa: PLC0415 - loads bokeh

    entries = []
    for worker, (line, *beside) in shown[-1].items():
        entries.append((theme.as_label(worker), [line]))
        elsewhere = [one for figure in shown[:-1] for one in figure[worker]]
        for renderer in (*beside, *elsewhere):
            renderer.tags = [theme.muted_with(line)]
    theme.add_legend(last, entries)
    last.height += 30


def _figure(drawn: tuple[str, str, str, str], sources: Mapping[str, Any]) -> tuple[Any, Renderers]:
    """Return a figure, and what it shows of each worker: its line first."""
    from parbench_lab.plots import theme  # noqa: PLC0415 - loads bokeh

    key, title, unit, form = drawn
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
        line.name = theme.as_glyph_name(worker)
        lines.append(line)
    if not lines:
        made.line([], [])  # or Bokeh warns of a figure without anything in it
    hover = {"worker": "$name", "time": "@at_s{0.0} s", title: f"@{key}{{{form}}} {unit}"}
    theme.add_hover(made, lines, hover)
    if key == _BESIDE_HOST:
        _draw_host(made, sources)
    shown = {worker: [line] for worker, line in zip(sources, lines, strict=True)}
    if key == _MARKED:
        for worker, mark in _mark_throttled(made, sources).items():
            shown[worker].append(mark)
    return made, shown


def _draw_host(made: Any, sources: Mapping[str, Any]) -> None:
    """Draw how busy the machine of the first worker is; samples do not tell whose is another."""
    from parbench_lab.plots import theme  # noqa: PLC0415 - loads bokeh

    for source in list(sources.values())[:1]:
        look = {"source": source, "color": _HOST_COLOUR, "line_dash": "dotted"}
        line = made.line("at_s", "host_cpu_percent", name="host", **look)
        told = {"time": "@at_s{0.0} s", "mean of its cores": "@host_cpu_percent{0} %"}
        theme.add_hover(made, [line], {"worker": "$name", **told})


def _mark_throttled(made: Any, sources: Mapping[str, Any]) -> dict[str, Any]:
    """Mark the samples in which heat or power held a GPU back; return worker to marks."""
    from parbench_lab.plots import theme  # noqa: PLC0415 - loads bokeh

    marks: dict[str, Any] = {}
    for index, (worker, source) in enumerate(sources.items()):
        mark = made.scatter(
            "at_s",
            "throttled_percent",
            source=source,
            marker="inverted_triangle",
            size=7,
            color=theme.colour_of(index),
            muted_alpha=0.12,
        )
        mark.name = theme.as_glyph_name(worker)
        marks[worker] = mark
    if marks:
        told = {"worker": "$name", "throttled": "@throttled"}
        theme.add_hover(made, list(marks.values()), told)
    return marks
