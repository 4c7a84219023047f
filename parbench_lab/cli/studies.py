"""All curves of a study in the terminal, and as JSON: batch sizes side by side come first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from parbench_lab.cli.curves import curve_document, fits, new_table, print_curve, size_words
from parbench_lab.core.wording import listed, printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from parbench_lab.analysis.batches import BatchLevel
    from parbench_lab.analysis.curve import ScalingCurve
    from parbench_lab.core.estimate import Estimate
    from parbench_lab.scaling.plan import Series

    Group = tuple[str, int]
    """Backend and size."""


def print_study(
    curves: Mapping[Series, ScalingCurve],
    screen: TextIO,
    *,
    batch_unit: str = "items",
    law: str | None = None,
    include_oversubscribed: bool = False,
) -> None:
    """Print the curves of a study; of several batch sizes a table and the best one's curve.

    Where the words of the other batch sizes' curves are is said below it.

    Parameters
    ----------
    curves
        As `ScalingStudy.curves` has them.
    batch_unit
        What a batch size counts, in the plural.
    screen, law, include_oversubscribed
        As for `print_curve`.
    """
    options: dict[str, Any] = {"law": law, "include_oversubscribed": include_oversubscribed}
    for series, curve in curves.items():
        if series.batch_size is None:
            print_curve(curve, screen, **options)
    for sized in _by_batch(curves).values():
        levels = _print_batches(sized, screen, batch_unit)
        if levels:
            best = levels[-1].best
            print_curve(sized[best], screen, about=f"batches of {best:,} {batch_unit}", **options)
            _print_others([size for size in sized if size != best], screen, batch_unit)


def _print_others(batch_sizes: Sequence[int], screen: TextIO, unit: str) -> None:
    """Say where the words of the curves are that are not shown."""
    if batch_sizes:
        told = listed([f"{size:,}" for size in batch_sizes])
        print(
            f"What the curves of batches of {told} {unit} say: parbench show RUN --json",
            file=screen,
        )


def study_document(
    curves: Mapping[Series, ScalingCurve],
    *,
    batch_unit: str = "items",
    law: str | None = None,
    include_oversubscribed: bool = False,
) -> dict[str, Any]:
    """Return the curves of a study as JSON values; parameters as for `print_study`."""
    options: dict[str, Any] = {"law": law, "include_oversubscribed": include_oversubscribed}
    return {
        "curves": [
            {**curve_document(curve, **options), "batch_size": series.batch_size}
            for series, curve in curves.items()
        ],
        "batches": [
            _batch_document(group, sized, batch_unit) for group, sized in _by_batch(curves).items()
        ],
    }


def _by_batch(curves: Mapping[Series, ScalingCurve]) -> dict[Group, dict[int, ScalingCurve]]:
    found: dict[Group, dict[int, ScalingCurve]] = {}
    for series, curve in curves.items():
        if series.batch_size is not None:
            found.setdefault((series.backend, series.size), {})[series.batch_size] = curve
    return found


def _print_batches(
    sized: Mapping[int, ScalingCurve], screen: TextIO, unit: str
) -> tuple[BatchLevel, ...]:
    from rich.console import Console  # noqa: PLC0415 - slow to load

    from parbench_lab.analysis.batches import compare_batches  # noqa: PLC0415 - loads numpy

    levels = compare_batches(sized)
    any_curve = next(iter(sized.values()))
    told = (
        f"{any_curve.name}: batch sizes, {any_curve.backend}, {size_words(any_curve)}; a column "
        f"for each number of {unit} in a batch"
    )
    console = Console(file=screen, highlight=False)
    whole_lines = not console.is_terminal  # a file gets no line breaks of ours
    console.print()
    console.print(printable(told), markup=False, soft_wrap=whole_lines)
    for table in _tables(levels, list(sized), console):
        console.print(table)
    for sentence in _words(levels, sized, unit):
        console.print(f"- {printable(sentence)}.", markup=False, soft_wrap=whole_lines)
    return levels


def _tables(
    levels: tuple[BatchLevel, ...], batch_sizes: list[int], console: Console
) -> Iterator[Table]:
    """Yield tables that fit, one below the other, each with as many batch sizes as it can hold."""
    left = batch_sizes
    while left:
        held = len(left)
        while held > 1 and not fits(_table(levels, left[:held]), console):
            held -= 1
        yield _table(levels, left[:held])
        left = left[held:]


def _table(levels: tuple[BatchLevel, ...], batch_sizes: Sequence[int]) -> Table:
    table = new_table()
    table.add_column("workers", justify="right")
    for batch_size in batch_sizes:
        table.add_column(f"{batch_size:,}", justify="right", overflow="fold")
    for level in levels:
        table.add_row(*_row(level, batch_sizes))
    return table


def _row(level: BatchLevel, batch_sizes: Sequence[int]) -> Iterator[str]:
    yield str(level.workers)
    for batch_size in batch_sizes:
        mark = " +" if batch_size == level.best else ""
        yield _told(level.times_s.get(batch_size), mark)


def _words(
    levels: tuple[BatchLevel, ...], sized: Mapping[int, ScalingCurve], unit: str
) -> Iterator[str]:
    from parbench_lab.analysis.batches import read_batches, read_parts  # noqa: PLC0415 - numpy
    from parbench_lab.analysis.reading import read_failures  # noqa: PLC0415 - loads numpy

    shown = levels[-1].best if levels else None  # tells its own failures, below its own curve
    for batch_size, curve in sized.items():
        if batch_size == shown:
            continue
        bad = [*([] if curve.agrees else [curve.agreement]), *read_failures(curve)]
        yield from (f"batches of {batch_size:,} {unit}: {told}" for told in bad)
    yield from read_batches(levels, unit=unit)
    if all(curve.unit == unit for curve in sized.values()):  # and not parts, a number unknown
        yield from read_parts(sized, unit=unit)


def _batch_document(group: Group, sized: Mapping[int, ScalingCurve], unit: str) -> dict[str, Any]:
    from parbench_lab.analysis.batches import compare_batches  # noqa: PLC0415 - loads numpy
    from parbench_lab.racing.result import jsonable  # noqa: PLC0415 - loads numpy

    levels = compare_batches(sized)
    told = [
        {
            **{name: jsonable(getattr(level, name)) for name in ("workers", "best", "tied")},
            "times_s": {str(size): jsonable(found) for size, found in level.times_s.items()},
            "slower": {str(size): jsonable(found) for size, found in level.slower.items()},
        }
        for level in levels
    ]
    words = list(_words(levels, sized, unit))
    return {
        "backend": group[0],
        "size": group[1],
        "unit": unit,
        "levels": told,
        "words": words,
    }


def _told(estimate: Estimate | None, mark: str) -> str:
    if estimate is None:
        return "failed"
    return f"{estimate.point:,.3g} s{mark}\n[{estimate.low:,.3g}, {estimate.high:,.3g}]"
