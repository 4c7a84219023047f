"""``parbench matrix`` and ``parbench fill``: what was measured where, and measuring the rest."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from parbench_lab.cli.doors import Doors
from parbench_lab.cli.interrupts import Interrupts, interrupts
from parbench_lab.cli.options import (
    budget_option,
    common_options,
    dry_run_option,
    examples,
    store_of,
    store_option,
)
from parbench_lab.cli.output import checked_output, deliver
from parbench_lab.cli.spectators import Blindfolded, watch
from parbench_lab.core.wording import count, percent, printable, span
from parbench_lab.errors import ParbenchError, UsageError

if TYPE_CHECKING:
    from parbench_lab.analysis.comparison.coverage import Cell, Matrix
    from parbench_lab.core.ports import RunStore

START_S = 5.0
"""About what workers take to start and stop, for the forecast."""


@click.command(epilog=examples("parbench matrix", "parbench matrix --json --output matrix.json"))
@store_option
@common_options
@click.pass_context
def matrix(ctx: click.Context, /, *, as_json: bool, output: Path | None, **_params: Any) -> None:
    """Show which workloads have figures on which machines in which modes, in percent of 90.

    Wanted is every workload that can be raced, in its own mode and in every mode in which it was
    raced anywhere, on this machine and on every machine of the store. Figures of a machine that
    was not detected (but came from a file) are shown, and nothing more is wanted of it.
    """
    path = checked_output(output)
    doors = ctx.ensure_object(Doors)
    with contextlib.closing(doors.open_store(store_of(ctx))) as store:
        found = _matrix(doors, store)
    deliver(matrix_document(found), as_json=as_json, output=path)
    if not as_json:
        print_matrix(found, sys.stdout)


@click.command(
    epilog=examples(
        "parbench fill --dry-run",
        "parbench fill --seconds 10",
        "parbench fill --workload sorting --workload calibration",
    )
    + "\n\nExit codes: 0 done, 1 a race failed, 2 wrong use."
)
@budget_option("--seconds", default=5.0, show_default=True, help="Race time of each missing cell.")
@click.option(
    "--workload", "only", multiple=True, metavar="NAME", help="Only this one. Repeatable."
)
@click.option(
    "--workers",
    "n_workers",
    type=click.IntRange(min=1),
    help="Local worker processes of each race.",
)
@dry_run_option
@store_option
@common_options
@click.pass_context
def fill(
    ctx: click.Context, /, *, seconds: float, as_json: bool, output: Path | None, **params: Any
) -> None:
    """Measure what is missing on this machine: race each missing workload for a short time.

    Ctrl-C ends it after the race that runs; what was measured is kept.
    """
    path = checked_output(output)
    screen = sys.stderr if as_json else sys.stdout
    doors, where = ctx.ensure_object(Doors), store_of(ctx)
    with contextlib.closing(doors.open_store(where)) as store:
        before = _matrix(doors, store)
        cells = _chosen(before, params["only"])
        _tell_plan(before, cells, seconds, screen)
        filler = Filler(
            doors=doors, store=where, seconds=seconds, n_workers=params["n_workers"], screen=screen
        )
        results = [] if params["dry_run"] else filler.measure(cells)
        after = _matrix(doors, store) if results else before
    document = {"plan": [_cell_document(c) for c in cells], "results": results}
    deliver({**document, "matrix": matrix_document(after)}, as_json=as_json, output=path)
    if results:
        click.echo(_share_words(after), file=screen)
    ctx.exit(1 if any(result["error"] for result in results) else 0)


def matrix_document(found: Matrix) -> dict[str, Any]:
    """Return the matrix as JSON values."""
    from parbench_lab.analysis.comparison.coverage import TARGET  # noqa: PLC0415 - loads numpy

    return {
        "here": found.here,
        "machines": {machine: found.words(machine) for machine in found.machines},
        "covered": found.share,
        "target": TARGET,
        "cells": [_cell_document(cell) for cell in found.cells],
        "missing": [_cell_document(cell) for cell in found.missing],
    }


def print_matrix(found: Matrix, file: IO[str]) -> None:
    """Print a row for each workload and mode, a column for each machine."""
    from rich.table import Table  # noqa: PLC0415 - slow to import
    from rich.text import Text  # noqa: PLC0415

    from parbench_lab.cli.spectators import console_on  # noqa: PLC0415 - as above

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("workload", no_wrap=True)
    table.add_column("mode", no_wrap=True)
    for machine in found.machines:
        title = f"{machine} (here)" if machine == found.here else machine
        table.add_column(printable(title), no_wrap=True, justify="right")
    by_place: dict[tuple[str, str], dict[str, Cell]] = {}
    for cell in found.cells:
        by_place.setdefault((cell.workload, cell.mode.value), {})[cell.machine] = cell
    for place, cells in by_place.items():
        row = [*place, *(_runs(cells.get(machine)) for machine in found.machines)]
        table.add_row(*(Text(printable(text)) for text in row))
    console_on(file).print(table)
    for machine in found.machines if len(found.machines) > 1 else ():
        click.echo(printable(f"{machine}: {found.words(machine)}"), file=file)
    click.echo(_share_words(found), file=file)
    here, missing = len(found.missing_here), len(found.missing)
    if here:
        click.echo(f"{here} of the missing are on this machine: parbench fill", file=file)
    if missing > here:
        click.echo(
            f"{missing - here} are on other machines: parbench fill there, then parbench export "
            "and import, or one store for all (--store)",
            file=file,
        )


def _runs(cell: Cell | None) -> str:
    if cell is None:
        return ""
    return count(cell.runs, "run") if cell.runs else "missing"


def _share_words(found: Matrix) -> str:
    from parbench_lab.analysis.comparison.coverage import TARGET  # noqa: PLC0415 - loads numpy

    enough = "reached" if found.share >= TARGET else "not reached"
    # rounded up, 89.5 % would read as the target that it misses; 0.29 is 28.999... hundredths
    whole = math.floor(100 * found.share + 1e-9) / 100
    return f"covered: {percent(whole)} (target {percent(TARGET)}, {enough})"


def _cell_document(cell: Cell) -> dict[str, Any]:
    return {
        "workload": cell.workload,
        "machine": cell.machine,
        "mode": cell.mode.value,
        "runs": cell.runs,
        "wanted": cell.wanted,
    }


# ---------------------------------------------------------------- finding and measuring


def _matrix(doors: Doors, store: RunStore) -> Matrix:
    from parbench_lab.analysis.comparison.coverage import (  # noqa: PLC0415 - loads numpy
        matrix as matrix_of,
    )
    from parbench_lab.lab.reach import machines_of  # noqa: PLC0415 - loads the lab

    found, here = store.matrix(), doors.machine().host
    hosts = machines_of(store, {cell.machine for cell in found})
    hosts[here.fingerprint] = here
    return matrix_of(found, doors.modes(), here=here.fingerprint, hosts=hosts)


def _chosen(found: Matrix, only: tuple[str, ...]) -> list[Cell]:
    known = {cell.workload for cell in found.cells if cell.wanted}
    unknown = [name for name in only if name not in known]
    if unknown:
        raise UsageError(
            f"--workload {unknown[0]}: not found; known are {', '.join(sorted(known))}"
        )
    return [cell for cell in found.missing_here if not only or cell.workload in only]


def _tell_plan(found: Matrix, cells: Sequence[Cell], seconds: float, screen: IO[str]) -> None:
    click.echo(_share_words(found), file=screen)
    if not cells:
        click.echo("nothing is missing on this machine", file=screen)
        return
    for cell in cells:
        click.echo(printable(f"missing here: {cell.workload} ({cell.mode})"), file=screen)
    about = span(len(cells) * (seconds + START_S))
    click.echo(f"{count(len(cells), 'race')} of {seconds:g} s, about {about}", file=screen)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filler:
    """Races missing cells, one after the other.

    Parameters
    ----------
    store
        Where runs are kept.
    seconds
        Race time of each.
    n_workers
        None for one per core.
    screen
        Where progress is printed.
    """

    doors: Doors
    store: str | None
    seconds: float
    n_workers: int | None
    screen: IO[str]

    def measure(self, cells: Sequence[Cell]) -> list[dict[str, Any]]:
        """Race the cells and return what came of each; the user may end it between two."""
        results: list[dict[str, Any]] = []
        with interrupts() as asked:
            for cell in cells:
                results.append(self._raced(cell, asked))
                told = results[-1]["error"] or results[-1]["sentence"]
                click.echo(printable(f"{cell.workload} ({cell.mode}): {told}"), file=self.screen)
                if asked.asked:
                    break
        return results

    def _raced(self, cell: Cell, asked: Interrupts) -> dict[str, Any]:
        """Race one workload; what goes wrong is its result, and the others go on."""
        result = {**_cell_document(cell), "run": None, "sentence": "", "error": ""}
        try:
            with self.doors.new_bench(
                None,
                cell.workload,
                store=self.store,
                n_workers=self.n_workers,
                mode=cell.mode.value,
                configuration={"command": "fill"},
            ) as bench:
                bench.limit(self.seconds, stop_when_decided=False)
                bench.start()
                ended = watch(bench, Blindfolded(), asked)
                result |= {"run": bench.run_id, "sentence": ended.sentence}
                if ended.status == "failed":
                    result["error"] = ended.sentence
                elif not ended.scoreboard.measurements:
                    result["error"] = "nothing was measured in that time: give more --seconds"
        except ParbenchError as error:
            result["error"] = str(error)
        return result
