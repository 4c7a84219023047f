"""``parbench history``: what the store has under a name, with a trend for every series."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any

import click

from parbench_lab.cli.doors import Doors
from parbench_lab.cli.options import common_options, examples, store_of, store_option
from parbench_lab.cli.output import checked_output, deliver


@click.command(
    epilog=examples(
        "parbench history sorting",
        "parbench history sorting/list_sort --last 30",
        "parbench history --metric peak_rss_bytes --json --output history.json",
    )
)
@click.argument("name", required=False, default="", metavar="[WORKLOAD[/CANDIDATE]]")
@click.option("--metric", default="wall_time_s", show_default=True, help="Of which figures.")
@click.option("--machine", default="", metavar="HEX", help="Fingerprint, or its beginning.")
@click.option(
    "--last",
    type=click.IntRange(min=0),
    default=0,
    help="So many of the newest runs of each series.  [default: all]",
)
@store_option
@common_options
@click.pass_context
def history(
    ctx: click.Context, /, *, name: str, as_json: bool, output: Path | None, **asked: Any
) -> None:
    """Show the figures of WORKLOAD (or of one candidate) run after run.

    The trend is of medians, oldest to newest, lowest to highest of its own. In "changes" (and
    below the table) ! is an alarm of `parbench watch`, which measured both builds side by side; ?
    is a change point of stored figures, a hint only. + is for the worse, - for the better.
    Machines, sizes and modes are never mixed.
    """
    from parbench_lab.lab.record import load_record  # noqa: PLC0415 - loads numpy
    from parbench_lab.reports.history import history_text  # noqa: PLC0415 - as above
    from parbench_lab.reports.text import PLAIN_SPARKS, SPARKS  # noqa: PLC0415 - as above

    path = checked_output(output)
    with contextlib.closing(ctx.ensure_object(Doors).open_store(store_of(ctx))) as store:
        found = load_record(
            name,
            store,
            metric=asked["metric"],
            machine=asked["machine"],
            last=asked["last"],
        )
    deliver(found.as_json(), as_json=as_json, output=path)
    if not as_json:
        sparks = SPARKS if _can_show(SPARKS) else PLAIN_SPARKS
        click.echo(history_text(found, sparks=sparks))


def _can_show(letters: str) -> bool:
    try:
        letters.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
