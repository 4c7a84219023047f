"""Tables of plain text: what a report leaves for a terminal, a log or a mail. Pure."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence

from parbench_lab.analysis.curve import Level, ScalingCurve
from parbench_lab.core import wording
from parbench_lab.core.estimate import Estimate
from parbench_lab.core.metric import Scale
from parbench_lab.core.standing import Scoreboard, Standing
from parbench_lab.core.wording import NOTHING, printable
from parbench_lab.reports.targets import SpeedupTarget, target_line

SPARKS = "▁▂▃▄▅▆▇█"
PLAIN_SPARKS = "_.-~=*#@"
"""For terminals that know only ASCII; as many steps."""

_MB = 1e6


def plain_table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> str:
    r"""Return a table with aligned columns and a rule below its head.

    Parameters
    ----------
    heads
        Titles of the columns.
    rows
        Texts, as many as titles; what could steer a terminal is replaced.
    left
        So many of the first columns are set flush left, the others flush right.

    Examples
    --------
    >>> print(plain_table(["name", "s"], [["a", "1.0"], ["bb", "10.0"]]))
    name     s
    ----  ----
    a      1.0
    bb    10.0
    """
    told = [[printable(cell) for cell in row] for row in (heads, *rows)]
    widths = [max(_cells(row[i]) for row in told) for i in range(len(heads))]
    lines = [_line(row, widths, left) for row in told]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def _line(row: Sequence[str], widths: Sequence[int], left: int) -> str:
    parts = []
    for i, (cell, width) in enumerate(zip(row, widths, strict=True)):
        blanks = " " * (width - _cells(cell))
        parts.append(cell + blanks if i < left else blanks + cell)
    return "  ".join(parts).rstrip()


def _cells(text: str) -> int:
    """Return how many cells of a terminal a text takes; East Asian wide letters take two."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(letter) else 1 + (unicodedata.east_asian_width(letter) in "WF")
        for letter in text
    )


def sparkline(values: Sequence[float], *, width: int = 24, sparks: str = SPARKS) -> str:
    """Return numbers as a line of small bars, lowest to highest; the newest where too many.

    Parameters
    ----------
    values
        In order; what is not finite leaves a gap.
    width
        Bars at most, at least 1.
    sparks
        From low to high.

    Examples
    --------
    >>> sparkline([1.0, 1.0, 2.0, 4.0]), sparkline([3.0, 3.0]), sparkline([])
    ('▁▁▃█', '▄▄', '')
    """
    shown = list(values)[-max(1, width) :]
    finite = [value for value in shown if math.isfinite(value)]
    if not finite:
        return " " * len(shown)
    low, high = min(finite), max(finite)
    top = len(sparks) - 1

    def bar(value: float) -> str:
        if not math.isfinite(value):
            return " "
        # equal figures are in the middle: the lowest bar would look like a fall
        return sparks[round(top * (value - low) / (high - low)) if high > low else top // 2]

    return "".join(map(bar, shown))


# ---------------------------------------------------------------- scaling


def scaling_table(curve: ScalingCurve) -> str:
    """Return the classic table of a curve: threads, time, memory, speedup, efficiency.

    Intervals stand in brackets; a level with more workers than cores is marked ``*``.

    Examples
    --------
    >>> print(scaling_table(ScalingCurve.from_times([1, 2], [2.0, 1.25], backend="threads")))
    threads  time s  memory MB  speedup  efficiency
    -------  ------  ---------  -------  ----------
    1         2.000          -     1.00       100 %
    2         1.250          -     1.60        80 %
    """
    first = "threads" if curve.backend == "threads" else "workers"
    heads = [first, "time s", "memory MB", "speedup", "efficiency"]
    return plain_table(heads, [_level_row(level) for level in curve.levels])


def _level_row(level: Level) -> list[str]:
    mark = " *" if level.oversubscribed else ""
    if level.time_s is None:
        return [f"{level.workers}{mark}", "failed", NOTHING, NOTHING, NOTHING]
    memory = level.peak_memory_bytes
    return [
        f"{level.workers}{mark}",
        _told(level.time_s, _time_format(level.time_s.point)),
        NOTHING if memory is None else f"{memory.point / _MB:,.1f}",
        _told(level.speedup, "{:.2f}"),
        _told(level.efficiency, "{:.0f}", factor=100.0, unit=" %"),
    ]


def _time_format(seconds: float) -> str:
    return "{:.3f}" if seconds >= 0.1 else "{:.3g}"


def _told(estimate: Estimate | None, form: str, *, factor: float = 1.0, unit: str = "") -> str:
    if estimate is None:
        return NOTHING
    point, low, high = (
        form.format(factor * value) for value in (estimate.point, estimate.low, estimate.high)
    )
    return f"{point}{unit}" + (f" [{low}, {high}]" if low != high else "")


def scaling_text(
    curve: ScalingCurve, targets: Sequence[SpeedupTarget | str] = ("4-8x on 8 cores",)
) -> str:
    """Return a curve's table with what it says below: agreement, and a line for each target.

    Raises
    ------
    UsageError
        If a target is malformed.
    """
    size = curve.levels[0].size if curve.levels else 0
    lines = [
        f"{curve.name}: {curve.mode} scaling, {curve.backend}, {size:,} {curve.unit}",
        "",
        scaling_table(curve),
        "",
    ]
    if any(level.oversubscribed for level in curve.levels):
        lines.append(f"* more workers than the {curve.cores} cores")
    lines.append(f"{curve.agreement}")
    lines += [target_line(target, curve) for target in targets]
    return "\n".join(line if "\n" in line else printable(line) for line in lines)


# ---------------------------------------------------------------- races


def race_text(board: Scoreboard, sentence: str = "") -> str:
    """Return the standings of a race as a table, with the conclusion below.

    Parameters
    ----------
    board
        The last snapshot.
    sentence
        The result's; "" for none.
    """
    compared = wording.COMPARED[board.scale]
    heads = ["rank", "candidate", "verdict", compared, "time", "items/s", "memory", "evidence"]
    rows = [_standing_row(one, board.scale) for one in board.standings]
    measured = wording.count(board.measurements, "measurement")
    lines = [
        f"batch size {board.batch_size:,}, {measured} in {wording.span(board.elapsed_s)}",
        "",
        plain_table([*heads, "blocks"], rows, left=3),
    ]
    reasons = [f"{one.candidate}: {one.reason}" for one in board.standings if one.reason]
    told = [printable(line) for line in (*reasons, sentence) if line]
    return "\n".join([*lines, *([""] if told else []), *told])


def _standing_row(one: Standing, scale: Scale) -> list[str]:
    return [
        str(one.rank),
        one.candidate,
        one.verdict.value,
        wording.change(one.ratio, scale),
        wording.duration(one.median_s),
        wording.amount(one.throughput),
        wording.memory(one.peak_rss_bytes),
        wording.odds(one.evidence),
        str(one.blocks),
    ]
