"""``parbench export`` and ``parbench import``: runs as a file, and other tools' files as runs."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from parbench_lab.cli.doors import Doors
from parbench_lab.cli.flags import as_flags
from parbench_lab.cli.options import common_options, examples, store_of, store_option
from parbench_lab.cli.output import checked_output, deliver, written_atomically
from parbench_lab.core.ports import RunStore
from parbench_lab.core.runs import TakenIn
from parbench_lab.core.series import Mode
from parbench_lab.core.wording import count, printable
from parbench_lab.errors import ParbenchError, UsageError

if TYPE_CHECKING:
    from parbench_lab.store.exchange import Found

OWN = "parbench"
MEGABYTE = 10**6


@click.command(
    name="export",
    epilog=examples(
        "parbench export --output runs.json",
        "parbench export latest --output last.json",
        "parbench export --json | gzip > runs.json.gz",
    ),
)
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@store_option
@common_options
@click.pass_context
def export_runs(
    ctx: click.Context, /, *, runs: tuple[str, ...], as_json: bool, output: Path | None, **_: Any
) -> None:
    """Write runs with all that is kept of them to a file: RUN is an id, or "latest".

    Without RUN, all runs. The same runs give the same bytes, whichever store they are in;
    `parbench import` reads the file.
    """
    from parbench_lab.store.exchange import chunks  # noqa: PLC0415 - loads sqlalchemy

    path = checked_output(output)
    if path is None and not as_json:
        raise UsageError("export: say where to with --output FILE, or print it with --json")
    with contextlib.closing(ctx.ensure_object(Doors).open_store(store_of(ctx))) as store:
        ids = _chosen(store, runs)
        if path is not None:
            with written_atomically(path) as file:
                file.writelines(chunks(store.record(run_id) for run_id in ids))
        if as_json:
            for text in chunks(store.record(run_id) for run_id in ids):
                sys.stdout.write(text)
    if path is not None:
        click.echo(printable(f"{count(len(ids), 'run')} in {path}"), err=as_json)


@click.command(
    name="import",
    epilog=examples(
        "parbench import runs.json",
        "parbench import hyperfine.json --name startup --machine laptop",
        "parbench import .benchmarks/*/*.json --mode batch",
    )
    + "\n\nExit codes: 0 done, 1 a file could not be taken in, 2 wrong use.",
)
@click.argument(
    "files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path)
)
@click.option(
    "--name", metavar="NAME", help="The workload, where the file names none.  [default: the file]"
)
@click.option(
    "--machine",
    default="",
    metavar="NAME",
    help="The machine of another tool's file.  [default: what the file says]",
)
@click.option(
    "--mode",
    type=click.Choice([mode.value for mode in Mode]),
    default=Mode.MICRO.value,
    show_default=True,
    help="What another tool's figures stand for.",
)
@click.option(
    "--max-bytes",
    type=click.IntRange(min=1),
    default=256 * MEGABYTE,
    show_default="256 MB",
    help="Refuse larger files.",
)
@store_option
@common_options
@click.pass_context
def import_runs(
    ctx: click.Context, /, *, files: tuple[Path, ...], as_json: bool, output: Path | None, **_: Any
) -> None:
    """Take runs from files into the store: of `parbench export`, or of another tool.

    Known are pytest-benchmark, Google Benchmark, hyperfine, pyperf and asv; which one wrote a
    file, its content tells. A file is taken in as a whole or not at all; of several files, one
    that cannot be is told and the others are taken in. It is data only: nothing in it is run. A
    run that is here already is passed over where it is the same, and refused where it is not; but
    one that had not ended when it was exported goes on to what the file has of it.
    """
    path = checked_output(output)
    with contextlib.closing(ctx.ensure_object(Doors).open_store(store_of(ctx))) as store:
        told = [_imported(store, file, ctx.params) for file in files]
    deliver(told, as_json=as_json, output=path)
    bad = sum(bool(one["error"]) for one in told)
    if bad:
        click.echo(f"{len(files) - bad} of {count(len(files), 'file')} imported", err=True)
    ctx.exit(1 if bad else 0)


# ---------------------------------------------------------------- the parts


def _imported(store: RunStore, file: Path, params: Mapping[str, Any]) -> dict[str, Any]:
    """Take one file in and tell of it; one that is bad ends the command only where it is alone."""
    try:
        found = _read(file, params)
        taken = _taken(store, found)
    except ParbenchError as error:
        if len(params["files"]) == 1:
            raise
        said = as_flags(str(error))
        where = "" if said.startswith(str(file)) else f"{file}: "
        click.echo(f"parbench: {printable(where + said)}", err=True)
        return {"file": str(file), "tool": "", "added": [], "known": [], "error": str(error)}
    if not params["as_json"]:
        click.echo(printable(_sentence(file, found, taken)))
    return _document(file, found, taken)


def _chosen(store: RunStore, runs: Sequence[str]) -> list[str]:
    """Return whole ids, each once, oldest first where none were named."""
    if not runs:
        return [summary.id for summary in store.runs()]
    return list(dict.fromkeys(store.summary(run).id for run in runs))


def _read(file: Path, params: Mapping[str, Any]) -> Found:
    from parbench_lab.store.exchange import read_file  # noqa: PLC0415 - loads sqlalchemy

    return read_file(
        file,
        name=params["name"],
        mode=Mode(params["mode"]),
        machine=params["machine"],
        max_bytes=params["max_bytes"],
    )


def _taken(store: RunStore, found: Found) -> TakenIn:
    """Take the runs in; another tool's are known by their ids, which follow from the content."""
    here = set() if found.tool == OWN else {run.id for run in store.runs(kind="imported")}
    known = tuple(one.header.id for one in found.records if one.header.id in here)
    taken = store.take_in([one for one in found.records if one.header.id not in here])
    return TakenIn(added=taken.added, known=(*known, *taken.known))


def _document(file: Path, found: Found, taken: TakenIn) -> dict[str, Any]:
    return {
        "file": str(file),
        "tool": found.tool,
        "added": list(taken.added),
        "known": list(taken.known),
        "error": "",
    }


def _sentence(file: Path, found: Found, taken: TakenIn) -> str:
    n = sum(len(event.measurements) for one in found.records for event in one.events)
    said = f"{file}: {count(len(taken.added), 'run')} of {found.tool} taken in"
    said += f" ({count(n, 'measurement')} in the file)"
    if taken.known:
        said += f"; {count(len(taken.known), 'run')} passed over, all of it is here already"
    if found.tool != OWN and any(_is_alone(one.header.document) for one in found.records):
        said += (
            "; it does not tell the machine, so it is in a series of its own: name the machine "
            "with --machine NAME"
        )
    return said


def _is_alone(document: Mapping[str, Any]) -> bool:
    """Return whether nothing is known of another tool's machine but that it is one."""
    return len(document["machine"]) == 1
