"""Throughput over time: items per second of each candidate, with what happened marked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from parbench_lab.core.measurement import Outcome
from parbench_lab.racing.history import LogLine, TimedMeasurement

if TYPE_CHECKING:
    from bokeh.plotting import figure

Series = dict[str, list[Any]]

ROLLOVER = 1000
"""Points of one candidate that are kept."""

_MARKED = {"Eliminated": "x", "Returned": "triangle"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ThroughputData:
    """What the plot shows.

    Parameters
    ----------
    series
        Candidate to columns ``at_s, throughput, batch_size, runs``: per bin of time the median
        throughput in items per second over so many runs; warm-up, failures and retests left out.
    marks
        Columns ``at_s, throughput, candidate, marker, what``: eliminations and returns.
    epochs
        Columns ``at_s, what``: changes of the batch size.
    """

    series: dict[str, Series]
    marks: Series
    epochs: Series


def throughput_data(
    measurements: Iterable[TimedMeasurement],
    log: Iterable[LogLine] = (),
    *,
    candidates: Sequence[str] = (),
    bin_s: float = 0.1,
) -> ThroughputData:
    """Return the columns of the plot; a slice of the measurements gives those to stream.

    Parameters
    ----------
    measurements
        In the order in which they arrived.
    log
        What was said meanwhile.
    candidates
        Names that get a series even if it is empty.
    bin_s
        Width of a bin in seconds, positive.

    Raises
    ------
    ValueError
        If `bin_s` is not positive.
    """
    if not bin_s > 0:
        raise ValueError(f"bin_s must be positive but got {bin_s}")
    bins: dict[tuple[str, int, int], list[float]] = defaultdict(list)
    for timed in measurements:
        row = timed.row
        seconds = row.values.get("wall_time_s", 0.0)
        if row.outcome == Outcome.OK.value and not row.warm_up and seconds > 0 and row.size > 0:
            bins[row.candidate, row.size, int(timed.at_s / bin_s)].append(row.size / seconds)
    series: dict[str, Series] = {name: _empty_series() for name in candidates}
    for (name, size, index), values in sorted(bins.items(), key=lambda item: item[0][2]):
        columns = series.setdefault(name, _empty_series())
        columns["at_s"].append((index + 0.5) * bin_s)
        columns["throughput"].append(median(values))
        columns["batch_size"].append(size)
        columns["runs"].append(len(values))
    marks = _empty_marks()
    epochs: Series = {"at_s": [], "what": []}
    for line in log:
        if line.kind == "EpochOpened":
            epochs["at_s"].append(line.at_s)
            epochs["what"].append(line.sentence)
        else:
            _mark(marks, line, height_at(series.get(line.candidate), line.at_s))
    return ThroughputData(series=series, marks=marks, epochs=epochs)


def marks_of(log: Iterable[LogLine], heights: Mapping[str, float]) -> Series:
    """Return the marks of what was said, at known heights (items per second) of candidates."""
    marks = _empty_marks()
    for line in log:
        _mark(marks, line, heights.get(line.candidate))
    return marks


def _empty_marks() -> Series:
    return {"at_s": [], "throughput": [], "candidate": [], "marker": [], "what": []}


def _mark(marks: Series, line: LogLine, height: float | None) -> None:
    if line.kind not in _MARKED or height is None:
        return
    values = (line.at_s, height, line.candidate, _MARKED[line.kind], line.sentence)
    for column, value in zip(marks.values(), values, strict=True):
        column.append(value)


def _empty_series() -> Series:
    return {"at_s": [], "throughput": [], "batch_size": [], "runs": []}


def height_at(columns: Series | None, at_s: float) -> float | None:
    """Return the last throughput up to a time, the first one after it if there is none before."""
    if not columns or not columns["at_s"]:
        return None
    before = [v for t, v in zip(columns["at_s"], columns["throughput"], strict=True) if t <= at_s]
    height: float = before[-1] if before else columns["throughput"][0]
    return height


def throughput_figure(data: ThroughputData, *, candidates: Sequence[str] = ()) -> figure:
    """Return the figure: sources ``throughput:of <candidate>``, ``:marks`` and ``:epochs``.

    Parameters
    ----------
    data
        From `throughput_data`.
    candidates
        Names in the order in which they entered, which gives the colours; those of the data by
        default, sorted: so every plot of a race agrees.
    """
    from bokeh.models import ColumnDataSource  # noqa: PLC0415 - slow to load

    from parbench_lab.plots import theme  # noqa: PLC0415 - loads bokeh

    names = list(candidates) or sorted(data.series)
    made = theme.new_figure(
        "Throughput", "race time in s", "items per second", y_axis_type="log", name="throughput"
    )
    theme.powers(made.yaxis)
    legend, lines = [], []
    for index, name in enumerate(names):
        columns = {**data.series.get(name, _empty_series())}
        source = ColumnDataSource(columns, name=theme.source_of("throughput", name))
        # no markers: ten thousand of them, ten times a second, are too many for a page
        line = made.line(
            "at_s",
            "throughput",
            source=source,
            width=1.5,
            color=theme.colour_of(index),
            dash=theme.dash_of(index),
            muted_alpha=0.12,
        )
        line.name = theme.as_glyph_name(name)
        legend.append((theme.as_label(name), [line]))
        lines.append(line)
    _add_marks(made, data, names)
    theme.add_legend(made, legend)
    theme.add_hover(
        made,
        lines,
        {
            "candidate": "$name",
            "time": "@at_s{0.0} s",
            "throughput": "@throughput{0.00 a} items/s",
            "batch size": "@batch_size{0,0} items",
            "runs": "@runs",
        },
    )
    return made


def _add_marks(made: figure, data: ThroughputData, names: Sequence[str]) -> None:
    from bokeh.models import ColumnDataSource  # noqa: PLC0415 - slow to load

    from parbench_lab.plots import theme  # noqa: PLC0415 - loads bokeh

    epochs = ColumnDataSource(data.epochs, name="throughput:epochs")
    spans = made.vspan("at_s", source=epochs, line_dash="dotted", line_color="#8C8C8C")
    columns = {**data.marks, "color": mark_colours(data.marks, names)}
    marks = made.scatter(
        "at_s",
        "throughput",
        source=ColumnDataSource(columns, name="throughput:marks"),
        marker="marker",
        size=11,
        line_width=2.5,
        line_color="color",
        fill_color=None,
    )
    theme.add_hover(made, [marks, spans], {"": "@what", "time": "@at_s{0.0} s"})


def mark_colours(marks: Series, names: Sequence[str]) -> list[str]:
    """Return the colour of each mark: its candidate's."""
    from parbench_lab.plots import theme  # noqa: PLC0415 - loads bokeh

    places = {name: index for index, name in enumerate(names)}
    return [theme.colour_of(places.get(name, 0)) for name in marks["candidate"]]
