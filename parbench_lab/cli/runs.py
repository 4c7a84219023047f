"""``parbench runs`` and ``parbench show``: what the store keeps."""

from __future__ import annotations

import contextlib
import io
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from parbench_lab.cli.doors import Doors
from parbench_lab.cli.options import common_options, examples, store_of, store_option
from parbench_lab.cli.output import checked_output, deliver, write_atomically
from parbench_lab.cli.quantize import show_quantization
from parbench_lab.cli.spectators import console_on, draw_table, print_sentence, print_table
from parbench_lab.cli.stored import (
    UNFINISHED,
    run_document,
    run_status,
    scoreboard_from_json,
    show_document,
)
from parbench_lab.cli.usage import usage_lines
from parbench_lab.core.ports import INTERRUPTED, EventRecord, RunHeader, RunSummary
from parbench_lab.core.runs import STUDY
from parbench_lab.core.wording import count, printable, resume_hint, span, study_hint
from parbench_lab.errors import ParbenchError, StoreError, UsageError
from parbench_lab.monitoring.thinning import UsageSummary, summarize
from parbench_lab.racing.settings import Settings

PICTURE_CELLS = 110
_FONTS_FROM_AFAR = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
"""Rich's pictures load a font from a server; the reader's own monospaced one does as well."""


@click.command(epilog=examples("parbench runs", "parbench runs --json --output runs.json"))
@store_option
@common_options
@click.pass_context
def runs(ctx: click.Context, /, *, as_json: bool, output: Path | None, **_params: Any) -> None:
    """List the runs of the store, oldest first."""
    path = checked_output(output)
    with contextlib.closing(ctx.ensure_object(Doors).open_store(store_of(ctx))) as store:
        found = list(store.runs())
    deliver([run_document(summary) for summary in found], as_json=as_json, output=path)
    if not as_json:
        _print_runs(found)


@click.command(
    epilog=examples("parbench show latest", "parbench show 20260102 --json --output result.json")
)
@click.argument("run", default="latest")
@click.option(
    "--svg",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write a picture of the table too.",
)
@store_option
@common_options
@click.pass_context
def show(
    ctx: click.Context,
    /,
    *,
    run: str,
    svg: Path | None,
    as_json: bool,
    output: Path | None,
    **_params: Any,
) -> None:
    """Show one run: RUN is an id (its beginning is enough) or "latest"."""
    path, picture = checked_output(output), checked_output(svg, flag="--svg")
    with contextlib.closing(ctx.ensure_object(Doors).open_store(store_of(ctx))) as store:
        header, summary = store.header(run), store.summary(run)
        if header.kind == STUDY:
            document = _show_study(summary, header, store.events(header.id), as_json=as_json)
            deliver(document, as_json=as_json, output=path)
            return
        if header.kind == "quantize":
            shown = show_quantization(summary, header, store.events(header.id), as_json=as_json)
            deliver(shown, as_json=as_json, output=path)
            return
        events = store.events(header.id) if summary.result is None else ()
        used = summarize(store.usage(header.id))
        document = show_document(header, summary, events, used)
    deliver(document, as_json=as_json, output=path)
    with _unreadable_is_damaged(summary.id):
        if picture is not None:
            write_atomically(picture, _picture(summary, document["result"]))
        if not as_json:
            _print_run(summary, document, used, may_go_on=not header.taken_in)


@contextlib.contextmanager
def _unreadable_is_damaged(run_id: str) -> Iterator[None]:
    """Tell a result that cannot be shown as what it is: a store may be from anywhere."""
    try:
        yield
    except ParbenchError:
        raise
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        # which of the many values it is comes out only while they are drawn
        raise StoreError(
            f"the result of run {run_id} is damaged in the store ({error}): "
            f"parbench show {run_id} --json prints it as it is"
        ) from error


def _show_study(
    summary: RunSummary, header: RunHeader, events: Iterable[EventRecord], *, as_json: bool
) -> dict[str, Any]:
    """Print a study's curves unless JSON is asked for; return them as JSON values."""
    from parbench_lab.cli.studies import (  # noqa: PLC0415 - most shown runs are races
        print_study,
        study_document,
    )
    from parbench_lab.scaling.journal import read_curves  # noqa: PLC0415 - loads numpy

    curves = read_curves(header, events)
    unit = str(header.document.get("batch_unit", "items"))
    status = run_status(summary)
    if not as_json:
        click.echo(
            printable(f"study {summary.id}: {summary.name}, {summary.started_utc}, {status}")
        )
        print_study(curves, sys.stdout, batch_unit=unit)
        if status == INTERRUPTED and not header.taken_in:
            on_cluster = any(curve.on_cluster for curve in curves.values())
            click.echo(f"go on: {study_hint(summary.id, on_cluster=on_cluster)}")
    return {
        "id": summary.id,
        "kind": summary.kind,
        "name": summary.name,
        "started_utc": summary.started_utc,
        "status": status,
        **study_document(curves, batch_unit=unit),
    }


def _print_runs(found: Sequence[RunSummary]) -> None:
    from rich.table import Table  # noqa: PLC0415 - slow to import
    from rich.text import Text  # noqa: PLC0415

    if not found:
        click.echo("no runs yet; parbench race makes one")
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("id", "started (UTC)", "kind", "name", "status"):
        table.add_column(title, no_wrap=True)
    table.add_column("result", no_wrap=True, overflow="ellipsis")
    for summary in found:
        said = (summary.result or {}).get("winner") or ""
        cells = (
            summary.id, summary.started_utc[:19], summary.kind, summary.name, run_status(summary),
            str(said),
        )  # fmt: skip
        table.add_row(*(Text(printable(cell)) for cell in cells))
    console_on(sys.stdout).print(table)


def _print_run(
    summary: RunSummary,
    document: Mapping[str, Any],
    used: Sequence[UsageSummary],
    *,
    may_go_on: bool,
) -> None:
    status = run_status(summary)
    click.echo(
        printable(f"{summary.kind} {summary.id}: {summary.name}, {summary.started_utc}, {status}")
    )
    result = document["result"]
    if result is None:
        _print_progress(document["progress"])
        if status == UNFINISHED and may_go_on:
            click.echo(f"{resume_hint(summary.id)}, if no process does")
        return
    if result.get("scoreboard"):
        settings = Settings.from_json(result["settings"])
        scoreboard = scoreboard_from_json(result["scoreboard"])
        print_table(sys.stdout, scoreboard, settings)
    print_sentence(sys.stdout, result.get("sentence", ""))
    for line in usage_lines(used, result.get("not_measured") or {}):
        print_sentence(sys.stdout, line)
    if status == INTERRUPTED and may_go_on:
        click.echo(resume_hint(summary.id))


def _picture(summary: RunSummary, result: Mapping[str, Any] | None) -> str:
    """Return the final table and sentence as an SVG document.

    Raises
    ------
    UsageError
        If the run has no result yet.
    """
    from rich.console import Console  # noqa: PLC0415 - slow to import
    from rich.text import Text  # noqa: PLC0415

    if not result or not result.get("scoreboard"):
        raise UsageError(f"run {summary.id} has no final table to draw yet")
    console = Console(
        record=True, width=PICTURE_CELLS, file=io.StringIO(), force_terminal=True, highlight=False
    )
    settings = Settings.from_json(result["settings"])
    draw_table(console, scoreboard_from_json(result["scoreboard"]), settings)
    console.print(Text(printable(result["sentence"])))
    picture = console.export_svg(title=f"parbench race {printable(summary.name)}")
    return _FONTS_FROM_AFAR.sub("", picture)


def _print_progress(progress: Mapping[str, Any]) -> None:
    click.echo(
        f"{count(progress['measurements'], 'measurement')} in {span(progress['at_s'])}, "
        f"{count(progress['events'], 'event')}"
    )
    for name, reason in progress["eliminated"].items():
        click.echo(printable(f"{name}: {reason}"))
