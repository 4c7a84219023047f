"""``parbench prune``: old runs go, by number or by age; the pinned ones stay."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from parbench_lab.cli.doors import Doors
from parbench_lab.cli.options import common_options, examples, store_of, store_option
from parbench_lab.cli.output import checked_output, deliver
from parbench_lab.cli.stored import run_document
from parbench_lab.core.runs import RunSummary
from parbench_lab.core.wording import count, printable
from parbench_lab.errors import UsageError

_AGE = re.compile(r"(\d{1,6})([hdw])")
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


class _Age(click.ParamType[dt.timedelta]):
    """A number of hours, days or weeks: ``12h``, ``90d``, ``8w``."""

    name = "age"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> dt.timedelta:
        found = _AGE.fullmatch(str(value).strip())
        if found is None:
            self.fail(f"{value!r} is not an age like 12h, 90d or 8w", param, ctx)
        if int(found[1]) == 0:
            self.fail(f"{value!r} is no age to be older than; give 1h or more", param, ctx)
        try:
            return dt.timedelta(**{_UNITS[found[2]]: int(found[1])})
        except OverflowError:
            self.fail(f"{value!r} is longer than there are dates", param, ctx)


@click.command(
    epilog=examples(
        "parbench prune --keep 100 --dry-run",
        "parbench prune --older-than 90d",
        "parbench prune --pin latest          it stays, whatever its age",
    )
)
@click.option(
    "--keep",
    type=click.IntRange(min=1),
    metavar="N",
    help="Keep the newest N runs of every series (that have ended; others stay).",
)
@click.option(
    "--older-than",
    type=_Age(),
    metavar="AGE",
    help="Instead: remove what began longer ago than that from now, like 12h, 90d or 8w (and has "
    "ended), even the last of a series.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option("--pin", metavar="RUN", help="Remove nothing; never remove this run.")
@click.option("--unpin", metavar="RUN", help="Remove nothing; take the pin off.")
@store_option
@common_options
@click.pass_context
def prune(ctx: click.Context, /, *, as_json: bool, output: Path | None, **params: Any) -> None:
    """Remove old runs with all that is kept of them.

    A series is one candidate of a workload at one size, on one machine, in one mode. A run goes
    if it goes in every series it is part of; by age, that may be all there is of a series
    that nothing was added to since. Pinned ones stay, and so do those that have not ended: they
    are being written, or can be resumed. Of each machine the newest roofline and the newest
    figures of the workload calibration stay whatever their age: machines are compared by them.
    The file does not shrink: its free space is used by the runs to come.
    """
    path = checked_output(output)
    _refuse_nonsense(params)
    with contextlib.closing(ctx.ensure_object(Doors).open_store(store_of(ctx))) as store:
        run = params["pin"] or params["unpin"]
        if run is not None:
            store.pin(run, pinned=params["pin"] is not None)
            gone: Sequence[RunSummary] = ()
            words = f"run {store.summary(run).id} is {'' if params['pin'] else 'not '}pinned"
        else:
            gone = store.prune(
                keep=params["keep"], before=_before(params), dry_run=params["dry_run"]
            )
            words = _words(gone, dry_run=params["dry_run"])
    deliver([run_document(summary) for summary in gone], as_json=as_json, output=path)
    if not as_json:
        click.echo(words)


def _refuse_nonsense(params: dict[str, Any]) -> None:
    given = [name for name in ("keep", "older_than", "pin", "unpin") if params[name] is not None]
    if len(given) != 1:
        raise UsageError("prune: give one of --keep, --older-than, --pin and --unpin")


def _before(params: dict[str, Any]) -> dt.datetime | None:
    age: dt.timedelta | None = params["older_than"]
    if age is None:
        return None
    try:
        return dt.datetime.now(dt.UTC) - age
    except OverflowError:
        return dt.datetime.min.replace(tzinfo=dt.UTC)


def _words(gone: Sequence[RunSummary], *, dry_run: bool) -> str:
    if not gone:
        return "nothing to remove"
    lines = [printable(f"{run.id} {run.started_utc[:19]} {run.kind} {run.name}") for run in gone]
    verb = "would be removed" if dry_run else "removed"
    return "\n".join([*lines, f"{count(len(gone), 'run')} {verb}"])
