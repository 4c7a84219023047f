"""``parbench report``: a notebook with parameters, executed; a page, JSON and text of it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from parbench_lab.cli.doors import Doors
from parbench_lab.cli.options import (
    common_options,
    dry_run_option,
    examples,
    located,
    store_of,
    store_option,
)
from parbench_lab.cli.output import checked_output, deliver, plan_line, tell_plan
from parbench_lab.core.wording import count, listed, printable, span
from parbench_lab.errors import SettingError, StoreError, UsageError
from parbench_lab.lab.configuration import checked_budget

if TYPE_CHECKING:
    from parbench_lab.reports.execution import CellProgress
    from parbench_lab.reports.parameters import Parameter
    from parbench_lab.reports.sources import Source

_KINDS = {"race": "race", "scaling": "study", "quantize": "quantize"}
"""Of the runs that the shipped reports show again."""
_OF_WHAT_IS_STORED = ("history", "compare")
_USED_BY_SHOWN = {
    "race": {"run", "store"},
    "scaling": {"run", "store", "targets"},
    "quantize": {"run", "store"},
}
"""Parameters of the shipped reports that have a use where a stored run is shown."""


@click.command(
    epilog=examples(
        "parbench report race -p workload=sorting -p batch_size=2000 -o out/",
        "parbench report race --from latest -o out/          nothing is measured",
        "parbench report quantize latest                     a stored study of quantisation",
        "parbench report scaling -p workers=1,2,4 -p 'targets=4-8x on 8 cores'",
        "parbench report history -p name=sorting",
        "parbench report my.ipynb --list                     its parameters",
    )
    + "\n\nExit codes: 0 done, 1 a cell failed (what came before it is left), 2 wrong use."
)
@click.argument("notebook", metavar="race|scaling|quantize|history|compare|NOTEBOOK.ipynb")
@click.argument("shown", required=False, metavar="[RUN]")
@click.option(
    "-p",
    "--parameter",
    "given",
    multiple=True,
    metavar="NAME=VALUE",
    help="A parameter: a text, number, true or false, a list as a,b or JSON. Repeatable.",
)
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default="reports",
    show_default=True,
    metavar="FOLDER",
    help="Where the .ipynb, .html, .json and .txt go.",
)
@click.option(
    "--from", "run", metavar="RUN", help="Show a stored run (an id, or latest): nothing is run."
)
@click.option("--list", "listing", is_flag=True, help="List the notebook's parameters, and end.")
@click.option(
    "--cwd",
    "folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    metavar="FOLDER",
    help="Where the notebook runs.  [default: here; your own notebooks beside themselves]",
)
@click.option("--kernel", metavar="NAME", help="Jupyter kernel.  [default: the notebook's own]")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing of the cells.")
@dry_run_option
@store_option
@common_options
@click.pass_context
def report(
    ctx: click.Context, /, notebook: str, *, shown: str | None, listing: bool, dry_run: bool,
    as_json: bool, output: Path | None, quiet: bool, **asked: Any,
) -> None:  # fmt: skip
    """Execute a notebook with parameters and leave a page that opens without a network.

    The notebook is one of those shipped, or any of yours with a cell tagged "parameters". With a
    RUN (as --from) a stored run is shown.
    Parameters are values, never code; an unknown one is refused.
    """
    from parbench_lab.reports.sources import source_of  # noqa: PLC0415 - loads nbformat

    source = source_of(notebook)
    if listing:
        _list(source, as_json=as_json, output=output)
        return
    path = checked_output(output)
    if shown is not None and asked["run"] is not None:
        raise UsageError("--from: the run is given twice; leave one of them out")
    asked["run"] = asked["run"] if shown is None else shown
    values = _values(ctx, source, asked)
    if dry_run:
        tell_plan(_planned(source, values, asked), as_json=as_json, output=path)
        return
    from parbench_lab.reports.rendering import render  # noqa: PLC0415 - slow to load

    lines = _Lines(sys.stderr)
    made = render(
        notebook,
        values,
        asked["out"],
        folder=asked["folder"],
        kernel=asked["kernel"],
        on_cell=(lambda _progress: None) if quiet else lines,
    )
    lines.end()
    deliver(made.content, as_json=as_json, output=path)
    if not as_json:
        for file in made.paths:
            click.echo(printable(str(file)))
    if made.failure is not None:
        click.echo(printable(f"parbench: the report failed at {made.failure}"), err=True)
    ctx.exit(0 if made.failure is None else 1)


def _planned(source: Source, values: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """Return what would be executed; how long is what the notebook measures."""
    cells = sum(cell.cell_type == "code" for cell in source.notebook.cells)
    defaults = {one.name: one.default for one in source.parameters if one.name not in values}
    folder = asked["folder"] or ("." if source.shipped else source.folder)
    if values.get("run") or (source.shipped and source.name in _OF_WHAT_IS_STORED):
        takes = "some seconds for its kernel and plots: nothing is measured"
    elif source.shipped and source.name == "race":
        limit = values.get("seconds", defaults.get("seconds"))
        takes = f"at most {limit} s of race, and some seconds for its kernel, workers and plots"
    else:
        takes = "not known before it runs: what its cells measure, and some seconds for its kernel"
    return [
        plan_line("notebook", f"{source.name}: {source.title}"),
        plan_line("cells", f"{cells} with code, in the folder {folder}"),
        *(plan_line("given", f"{name} = {value!r}") for name, value in values.items()),
        *(plan_line("default", f"{name} = {value}") for name, value in defaults.items()),
        plan_line("written", f"{asked['out'] / source.name}.ipynb, .html, .json and .txt"),
        plan_line("takes", takes),
    ]


def _list(source: Source, *, as_json: bool, output: Path | None) -> None:
    deliver(
        [_described(one) for one in source.parameters],
        as_json=as_json,
        output=checked_output(output),
    )
    if not as_json:
        click.echo(printable(source.title))
        for one in source.parameters:
            click.echo(f"  {one}")


def _described(one: Parameter) -> dict[str, str]:
    return {"name": one.name, "type": one.type_words, "default": one.default, "help": one.help}


# ---------------------------------------------------------------- values


def _values(ctx: click.Context, source: Source, asked: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters given, those by --store and --from among them."""
    from parbench_lab.reports.values import from_texts, split_given  # noqa: PLC0415

    pairs = [split_given(text) for text in asked["given"]]
    values = from_texts(source.parameters, pairs, notebook=source.name)
    _refuse_useless(source, values, asked["run"])
    if source.shipped and source.name == "race":
        _refuse_impossible_race(values)
    if source.shipped and source.name == "scaling":
        _refuse_malformed_targets(values)
    names = {one.name for one in source.parameters}
    store = store_of(ctx)
    if store is not None and "store" in names and "store" not in values:
        # relative to this folder, wherever the notebook runs
        values["store"] = located(store)
    if asked["run"] is None:
        return values
    if "run" not in names:
        raise UsageError(
            f"--from: notebook {source.name} has no parameter 'run', so it measures nothing or "
            f"makes its own run; it is told what to show by {listed(sorted(names)) or 'nothing'}"
        )
    if "run" in values:
        raise UsageError("--from: the run is given twice, by --from and by -p run=...")
    where = values.get("store") or store or _own_store(source, asked["folder"])
    values["run"] = _found(ctx, source, asked["run"], where)
    return values


def _refuse_useless(source: Source, values: Mapping[str, Any], run: str | None) -> None:
    """Refuse what a race or study would be made with where a stored one is shown."""
    if not source.shipped or not (run or values.get("run")):
        return
    used = _USED_BY_SHOWN.get(source.name, values.keys())
    useless = [name for name in values if name not in used]
    if useless:
        raise UsageError(
            f"parameter {useless[0]!r} has no use where a stored run is shown, which is as it "
            "was measured: leave it out, or the run"
        )


def _refuse_impossible_race(values: Mapping[str, Any]) -> None:
    """Refuse what no race takes before a kernel is started, and in a dry run."""
    from parbench_lab.racing.settings import (  # noqa: PLC0415 - loads the race
        Settings,
        refuse_unmeant,
    )

    for name in ("batch_size", "measurements", "seed"):
        if values.get(name, 0) < 0:
            raise UsageError(f"parameter {name!r} must be 0 or more but got {values[name]}")
    if "seconds" in values:
        checked_budget("parameter 'seconds'", values["seconds"])
    for name in {"tolerance", "elimination_threshold"} & values.keys():
        try:
            refuse_unmeant(Settings(batch_size=1, **{name: values[name]}), [name])
        except SettingError as error:
            # quoted: the shell would take a setting's name for a flag, and here is none
            # up to what to do instead, which is said of a setting that no report has
            said = str(error).removeprefix(f"{name} ").partition(";")[0]
            raise UsageError(f"parameter {name!r} {said}") from None


def _refuse_malformed_targets(values: Mapping[str, Any]) -> None:
    """Refuse a target that nothing can be judged by before its study is measured."""
    from parbench_lab.reports.targets import parse_target  # noqa: PLC0415 - loads numpy

    for target in values.get("targets", ()):
        parse_target(target)


def _own_store(source: Source, folder: Path | None) -> str | None:
    """Return the store that the notebook itself would use, where that is not this folder's."""
    from parbench_lab.store.location import DEFAULT_FILE  # noqa: PLC0415 - only --from needs it

    place = folder or (None if source.shipped else source.folder)
    return None if place is None else str(place / DEFAULT_FILE)


def _found(ctx: click.Context, source: Source, run: str, store: str | None) -> str:
    """Return the id of a run, before anything is started for it."""
    kind = _KINDS.get(source.name) if source.shipped else None
    with contextlib.closing(ctx.ensure_object(Doors).open_store(store or None)) as opened:
        if run != "latest" or kind is None:
            found = opened.summary(run)
        else:
            newest = [one for one in opened.runs() if one.kind == kind]
            if not newest:
                raise StoreError(f"there is no {kind} in the store yet")
            found = newest[-1]
    if kind is not None and found.kind != kind:
        raise UsageError(f"--from: run {found.id} is no {kind} but a {found.kind}")
    return found.id


# ---------------------------------------------------------------- progress


class _Lines:
    """Writes a line for each cell, finished when the cell is."""

    def __init__(self, screen: IO[str]) -> None:
        self._screen = screen
        self._open = False

    def __call__(self, progress: CellProgress) -> None:
        if progress.seconds is None:
            place = f"[{progress.number}/{count(progress.total, 'cell')}]"
            click.echo(f"{place} {printable(progress.title)} ...", file=self._screen, nl=False)
        else:
            click.echo(f" {span(progress.seconds)}", file=self._screen)
        self._open = progress.seconds is None

    def end(self) -> None:
        """End the line of a cell that never came to its end."""
        if self._open:
            click.echo(file=self._screen)
