"""``parbench bisect``: the commit from which on it is worse."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from parbench_lab.cli.doors import Doors
from parbench_lab.cli.interrupts import interrupts
from parbench_lab.cli.options import common_options, examples
from parbench_lab.cli.output import checked_output, deliver
from parbench_lab.core.wording import printable

_HINT = "stopping after this block (again: abort)"


@click.command(
    epilog=examples(
        "parbench bisect v1.2 HEAD bench.py",
        "parbench bisect v1.2 main sorting -a list_sort --rounds 60 --json",
    )
    + "\n\nExit codes: 0 found, 1 no regression shown or undecided, 2 wrong use."
)
@click.argument("good")
@click.argument("bad")
@click.argument("target", metavar="WORKLOAD|MODULE|FILE.py")
@click.option(
    "-a",
    "--algorithm",
    "algorithms",
    multiple=True,
    metavar="NAME",
    help="Follow only this candidate. Repeatable.  [default: the one that got worst]",
)
@click.option("--metric", default="wall_time_s", show_default=True, metavar="NAME")
@click.option("--tolerance", type=float, default=0.02, show_default=True)
@click.option(
    "--evidence",
    type=float,
    default=100.0,
    show_default=True,
    help="Odds at which a commit counts as good or bad.",
)
@click.option(
    "--rounds", type=int, default=40, show_default=True, help="Pairs of processes of a commit."
)
@click.option("--blocks", type=int, default=5, show_default=True, help="Blocks in each of them.")
@click.option("--batch-size", type=int, help="Items of a case.  [default: the workload's]")
@click.option("--timeout-s", type=float, default=60.0, show_default=True)
@click.option("--seed", type=int, help="Of orders and cases.  [default: a new one]")
@common_options
@click.pass_context
def bisect(
    ctx: click.Context, /, target: str, *, as_json: bool, output: Path | None, **asked: Any
) -> int:
    """Find the commit from which on a candidate is worse, by racing commits against GOOD.

    Every commit runs from its own source tree, with this interpreter and the packages that are
    installed here. One that cannot be decided is said, and its neighbours are tried.
    """
    from parbench_lab.racing.result import jsonable  # noqa: PLC0415 - loads numpy

    checked_output(output)
    screen = sys.stderr if as_json else sys.stdout
    del asked["config"]  # checked; it has nothing for a bisection, which keeps no run
    asked["algorithms"] = list(asked["algorithms"]) or None
    with interrupts(_HINT) as stopped:
        report = ctx.ensure_object(Doors).bisect(
            target,
            **asked,
            stop=lambda: stopped.asked,
            progress=lambda trial: click.echo(printable(trial.sentence), file=screen),
        )
    document = {**jsonable(report), "found": report.found, "sentence": report.sentence}
    deliver(document, as_json=as_json, output=output)
    click.echo(printable(report.sentence), file=screen)
    return 0 if report.found else 1
