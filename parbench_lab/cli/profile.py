"""``parbench profile``: quantiles, throughput and memory of a workload, over all stored runs."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from parbench_lab.cli.doors import Doors
from parbench_lab.cli.options import common_options, examples, store_of, store_option
from parbench_lab.cli.output import checked_output, deliver
from parbench_lab.core.recorded_names import recorded_name
from parbench_lab.core.series import GROUPINGS, Mode
from parbench_lab.core.wording import amount, commit_words, duration, memory, percent, printable
from parbench_lab.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from parbench_lab.analysis.comparison.profile import ProfileRow
    from parbench_lab.core.estimate import Estimate
    from parbench_lab.core.ports import RunStore

TITLES = (
    "candidate", "size", "mode", "machine", "commit", "runs", "p50", "interval", "p95", "p99",
    "items/s", "memory",
)  # fmt: skip
_WORDS = ("candidate", "mode", "machine", "commit")


@click.command(
    epilog=examples(
        "parbench profile sorting",
        "parbench profile sorting --candidate numpy_sort --size 1000 --json",
        "parbench profile sorting --by commit --last 50",
        "parbench profile mymodule.py",
    )
)
@click.argument("name", metavar="WORKLOAD[/CANDIDATE]")
@click.option("--candidate", metavar="NAME", help="Only of this candidate.")
@click.option("--size", type=int, help="Only at this batch size.")
@click.option(
    "--machine", metavar="HEX", help="Only on this machine: its fingerprint, or the beginning."
)
@click.option(
    "--mode", type=click.Choice([mode.value for mode in Mode]), help="Only in this mode."
)
@click.option("--commit", metavar="COMMIT", help="Only of this commit; its beginning is enough.")
@click.option("--last", type=click.IntRange(min=1), help="Only the newest N runs of each series.")
@click.option(
    "--by",
    "grouping",
    multiple=True,
    type=click.Choice(GROUPINGS),
    help="Order by this; commit parts the rows further. Repeatable.  [default: mode, machine]",
)
@store_option
@common_options
@click.pass_context
def profile(
    ctx: click.Context, /, *, name: str, grouping: tuple[Any, ...], as_json: bool,
    output: Path | None, **params: Any,
) -> None:  # fmt: skip
    """Show p50, p95, p99, throughput and memory of every candidate over sizes, modes and machines.

    From stored runs; figures of unlike machines, modes and sizes are never put together. The
    interval (95 %, unless it says less) is over runs, of a single run within it; p95 and p99 want
    20 and 100 measurements.
    """
    from parbench_lab.analysis.comparison.profile import (  # noqa: PLC0415 - loads numpy
        ORDER,
        profile_rows,
    )
    from parbench_lab.racing.result import jsonable  # noqa: PLC0415 - as above

    path = checked_output(output)
    asked = {
        key: params[key] for key in ("candidate", "size", "machine", "mode", "commit", "last")
    }
    with contextlib.closing(ctx.ensure_object(Doors).open_store(store_of(ctx))) as store:
        workload, behind = recorded_name(store, name)
        asked["candidate"] = asked["candidate"] or behind
        asked["machine"] = _whole(asked["machine"], store, workload)
        rows = profile_rows(store.series(workload=workload, **asked), grouping or ORDER)
        if not rows:
            _refuse_nothing(store, name, workload)
    deliver(jsonable(rows), as_json=as_json, output=path)
    if not as_json:
        print_profile(rows, sys.stdout)


def print_profile(rows: Sequence[ProfileRow], file: IO[str]) -> None:
    """Print a row for each series; columns that are empty throughout are left out."""
    from rich.table import Table  # noqa: PLC0415 - slow to import
    from rich.text import Text  # noqa: PLC0415

    from parbench_lab.cli.spectators import console_on  # noqa: PLC0415 - as above

    cells = [_cells(row) for row in rows]
    kept = [index for index in range(len(TITLES)) if any(row[index] for row in cells)]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for index in kept:
        left = TITLES[index] in _WORDS
        table.add_column(TITLES[index], no_wrap=True, justify="left" if left else "right")
    for row in cells:
        table.add_row(*(Text(printable(row[index] or "-")) for index in kept))
    console_on(file).print(table)


def _cells(row: ProfileRow) -> list[str]:
    tails = [duration(tail) if tail is not None else "" for tail in (row.p95, row.p99)]
    return [
        row.candidate,
        str(row.size),
        row.mode.value,
        row.machine,
        commit_words(row.commit, dirty=row.dirty) if row.commit else "",
        str(row.runs),
        duration(row.p50.point),
        _interval(row.p50),
        *tails,
        amount(row.throughput.point),
        memory(row.peak_rss_bytes) if row.peak_rss_bytes is not None else "",
    ]


def _interval(p50: Estimate) -> str:
    """Return the interval, with its confidence where few runs cannot give 95 %."""
    few = "" if p50.confidence >= 0.95 else f" ({percent(p50.confidence)})"
    return f"{duration(p50.low)} - {duration(p50.high)}{few}"


def _whole(machine: str | None, store: RunStore, workload: str) -> str | None:
    """Return the fingerprint that is meant; one that nothing is of stays as it is."""
    if not machine:
        return machine
    there = {cell.machine for cell in store.matrix() if cell.workload == workload}
    found = sorted(name for name in there if name.startswith(machine))
    if machine in found or not found:
        return machine
    if len(found) > 1:
        raise UsageError(f"--machine {machine}: may be {' or '.join(found)}; give more of it")
    return found[0]


def _refuse_nothing(store: RunStore, name: str, workload: str) -> None:
    known = sorted({cell.workload for cell in store.matrix()})
    if workload in known:
        raise UnknownNameError(f"{name!r} has no figures like that; ask for less")
    there = f"there are {', '.join(known)}" if known else "the store has none yet"
    raise UnknownNameError(
        f"no stored figures of a workload {name!r}; {there}; parbench race {name} makes some"
    )
