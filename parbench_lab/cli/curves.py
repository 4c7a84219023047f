"""A scaling curve in the terminal: its table, what it says, and the same as JSON."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TextIO

from parbench_lab.analysis.trial import are_identical
from parbench_lab.cli.fits import law_document, law_words
from parbench_lab.core.wording import amount, listed, memory, printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from parbench_lab.analysis.curve import Level, ScalingCurve
    from parbench_lab.core.estimate import Estimate

    Cell = Callable[[Level], str]

_ALWAYS = 4
"""Of the columns: workers, time, speedup and efficiency are in every table."""
_LONG_UNIT = 9
_BOUNDLESS = 10_000


def print_curve(
    curve: ScalingCurve,
    screen: TextIO,
    *,
    law: str | None = None,
    include_oversubscribed: bool = False,
    about: str = "",
) -> None:
    """Print a curve's levels and what they say.

    Parameters
    ----------
    curve, screen
        What, and where.
    law
        To fit; None for the mode's own, ``"none"`` for none.
    include_oversubscribed
        Whether levels beyond the cores are fitted.
    about
        What else to tell in the title.
    """
    from rich.console import Console  # noqa: PLC0415 - slow to load

    from parbench_lab.analysis.reading import read_curve  # noqa: PLC0415 - loads numpy

    console = Console(file=screen, highlight=False)
    console.print()
    whole_lines = not console.is_terminal  # a file gets no line breaks of ours
    console.print(printable(_title(curve, about)), markup=False, soft_wrap=whole_lines)
    table, left_out = _table(curve, console)
    console.print(table)
    if left_out:
        console.print(
            f"{listed(left_out)} would be wider than {console.width} columns", style="dim"
        )
    console.print(f"{curve.agreement}.")
    for sentence in (
        *read_curve(curve),
        *law_words(curve, law, include_oversubscribed=include_oversubscribed),
    ):
        told = printable(sentence).rstrip(".")
        console.print(f"- {told}.", markup=False, soft_wrap=whole_lines)


def size_words(curve: ScalingCurve) -> str:
    """Return how large a curve's cases are: all of them, or for each worker in weak scaling."""
    per_worker = " per worker" if curve.mode == "weak" and curve.trials else ""
    return f"{curve.case_size:,} {curve.unit}{per_worker}"


def _title(curve: ScalingCurve, about: str) -> str:
    what = "adaptive workers" if curve.adaptive else f"{curve.mode} scaling"
    facts = [what, curve.backend, size_words(curve), *([about] if about else [])]
    return f"{curve.name}: {', '.join(facts)}"


def _table(curve: ScalingCurve, console: Console) -> tuple[Table, list[str]]:
    """Return the widest table that fits, and the heads that are not in it."""
    left_out: list[str] = []
    columns = _columns(curve, short=False)
    table = _drawn(curve, columns, gap=1)
    narrower = [(_columns(curve, short=True), gap) for gap in (1, 0)]
    while not fits(table, console) and (narrower or len(columns) > _ALWAYS):
        if narrower:
            columns, gap = narrower.pop(0)
        else:
            left_out.insert(0, columns.popitem()[0])
        table = _drawn(curve, columns, gap=gap)
    return table, left_out


def _drawn(curve: ScalingCurve, columns: Mapping[str, Cell], *, gap: int) -> Table:
    table = new_table(gap)
    for head in columns:
        table.add_column(head, justify="right", overflow="fold")
    for level in curve.levels:
        mark = " *" if level.oversubscribed else ""
        if level.time_s is None:
            table.add_row(f"{level.workers}{mark}", "failed")
        else:
            first, *others = (cell(level) for cell in columns.values())
            table.add_row(f"{first}{mark}", *others)
    return table


def new_table(gap: int = 1) -> Table:
    """Return a table without columns; `gap` is how far they are apart, less one."""
    from rich import box  # noqa: PLC0415 - slow to load
    from rich.table import Table  # noqa: PLC0415 - slow to load

    return Table(box=box.SIMPLE_HEAD, padding=(0, gap, 0, 0), pad_edge=False)


def fits(table: Table, console: Console) -> bool:
    """Return whether a table is shown whole, without a line break of the terminal's making."""
    boundless = console.options.update(max_width=_BOUNDLESS)
    return console.measure(table, options=boundless).maximum <= console.width


def _columns(curve: ScalingCurve, *, short: bool) -> dict[str, Cell]:
    """Return head to what a level has in that column; the last ones are left out first."""
    each = f"{curve.unit}/s" if len(curve.unit) < _LONG_UNIT else "per s"
    last: dict[str, Cell] = {
        each: lambda lv: amount(lv.throughput.point if lv.throughput else None),
        "memory": lambda lv: memory(lv.peak_memory_bytes.point if lv.peak_memory_bytes else None),
    }
    if curve.adaptive:
        return {
            "workers": lambda lv: f"{_told(lv.mean_workers)}\nof {lv.workers}",
            "time": lambda lv: _told(lv.time_s, 1.0, " s"),
            **last,
        }
    weak = curve.mode == "weak"
    return {
        "workers": lambda lv: str(lv.workers),
        "time": lambda lv: _told(lv.time_s, 1.0, " s"),
        "scaled\nspeedup" if weak else "speedup": lambda lv: _told(lv.speedup),
        "efficiency": lambda lv: _told(lv.efficiency, 100.0, " %", short=short),
        "scaled\nserial" if weak else "serial": lambda lv: _serial(
            lv.serial_fraction, short=short
        ),
        **last,
    }


def _serial(fraction: Estimate | None, *, short: bool) -> str:
    from parbench_lab.analysis.serial_fraction import is_any_share  # noqa: PLC0415 - loads numpy

    if fraction is not None and is_any_share(fraction):
        return "not\ncertain"
    return _told(fraction, 100.0, " %", short=short)


def _told(
    estimate: Estimate | None, factor: float = 1.0, unit: str = "", *, short: bool = False
) -> str:
    if estimate is None:
        return "-"
    point, low, high = (factor * v for v in (estimate.point, estimate.low, estimate.high))
    if low == high:
        return f"{point:,.3g}{unit}"
    return f"{point:,.3g}{unit}\n[{_end(low, short=short)}, {_end(high, short=short)}]"


def _end(value: float, *, short: bool) -> str:
    """Return an end of an interval; whole numbers where there is little room."""
    if not math.isfinite(value):
        return "no bound"
    return f"{value:.0f}" if short and 10 <= abs(value) < 1000 else f"{value:,.3g}"


def curve_document(
    curve: ScalingCurve, *, law: str | None = None, include_oversubscribed: bool = False
) -> dict[str, Any]:
    """Return a curve as JSON values, with its fit; parameters as for `print_curve`.

    What is in ``fit`` is said at `parbench_lab.cli.fits.law_document`.
    """
    from parbench_lab.analysis.reading import read_curve  # noqa: PLC0415 - loads numpy
    from parbench_lab.racing.result import jsonable  # noqa: PLC0415 - loads numpy

    return {
        "job": curve.name,
        "backend": curve.backend,
        "mode": curve.mode,
        "adaptive": curve.adaptive,
        "unit": curve.unit,
        "cores": curve.cores,
        "on_cluster": curve.on_cluster,
        "machine": curve.machine,
        "levels": jsonable(curve.table()),
        "agreement": curve.agreement,
        "identical": are_identical(curve.trials),
        "words": [
            *read_curve(curve),
            *law_words(curve, law, include_oversubscribed=include_oversubscribed),
        ],
        "fit": law_document(curve, law, include_oversubscribed=include_oversubscribed),
    }
