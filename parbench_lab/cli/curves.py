"""A scaling curve in the terminal: its table, what it says, and the same as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TextIO

from parbench_lab.core.wording import amount, memory, printable
from parbench_lab.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from parbench_lab.analysis.curve import Level, ScalingCurve
    from parbench_lab.core.estimate import Estimate


def print_curve(
    curve: ScalingCurve,
    screen: TextIO,
    *,
    law: str | None = None,
    include_oversubscribed: bool = False,
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
    """
    from rich.console import Console  # noqa: PLC0415 - slow to load

    from parbench_lab.analysis.reading import read_curve  # noqa: PLC0415 - loads numpy

    console = Console(file=screen, highlight=False)
    console.print()
    console.print(_table(curve))
    console.print(f"{curve.agreement}.")
    for sentence in (
        *read_curve(curve),
        *_law_words(curve, law, include_oversubscribed=include_oversubscribed),
    ):
        told = printable(sentence).rstrip(".")
        console.print(f"- {told}.", markup=False, soft_wrap=True)


def _table(curve: ScalingCurve) -> Table:
    from rich import box  # noqa: PLC0415 - slow to load
    from rich.table import Table  # noqa: PLC0415 - slow to load

    size = curve.levels[0].size if curve.levels else 0
    title = f"{curve.name}: {curve.mode} scaling, {curve.backend}, {size:,} {curve.unit}"
    table = Table(
        title=printable(title),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    for column in (
        "workers",
        "time",
        "speedup",
        "efficiency",
        "serial",
        f"{curve.unit}/s",
        "memory",
    ):
        table.add_column(column, justify="right")
    for level in curve.levels:
        table.add_row(*_row(level))
    return table


def _row(level: Level) -> tuple[str, ...]:
    mark = " *" if level.oversubscribed else ""
    if level.time_s is None:
        return (f"{level.workers}{mark}", "failed", "", "", "", "", "")
    peak = level.peak_memory_bytes
    return (
        f"{level.workers}{mark}",
        _told(level.time_s, 1.0, " s"),
        _told(level.speedup),
        _told(level.efficiency, 100.0, " %"),
        _told(level.serial_fraction, 100.0, " %"),
        amount(level.throughput.point if level.throughput else None),
        memory(peak.point if peak else None),
    )


def _told(estimate: Estimate | None, factor: float = 1.0, unit: str = "") -> str:
    if estimate is None:
        return "-"
    point, low, high = (factor * v for v in (estimate.point, estimate.low, estimate.high))
    return f"{point:,.3g}{unit}\n[{low:,.3g}, {high:,.3g}]"


def _law_words(
    curve: ScalingCurve, law: str | None, *, include_oversubscribed: bool
) -> tuple[str, ...]:
    wanted = law or ("gustafson" if curve.mode == "weak" else "usl")
    if wanted == "none":
        return ()
    try:
        fit = curve.fit(
            law=wanted, oversubscribed="include" if include_oversubscribed else "exclude"
        )
    except UsageError as refusal:
        why = str(refusal).replace('oversubscribed="include"', "--include-oversubscribed")
        return (f"no law is fitted: {why}",)
    return tuple(fit.words)


def curve_document(
    curve: ScalingCurve, *, law: str | None = None, include_oversubscribed: bool = False
) -> dict[str, Any]:
    """Return a curve as JSON values; parameters as for `print_curve`."""
    from parbench_lab.analysis.reading import read_curve  # noqa: PLC0415 - loads numpy
    from parbench_lab.racing.result import jsonable  # noqa: PLC0415 - loads numpy

    return {
        "job": curve.name,
        "backend": curve.backend,
        "mode": curve.mode,
        "unit": curve.unit,
        "cores": curve.cores,
        "machine": curve.machine,
        "levels": jsonable(curve.table()),
        "agreement": curve.agreement,
        "identical": curve.agrees and all(t.difference == 0.0 for t in curve.trials),
        "words": [
            *read_curve(curve),
            *_law_words(curve, law, include_oversubscribed=include_oversubscribed),
        ],
    }
