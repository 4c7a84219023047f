"""``parbench bisect``: the commit from which on it is worse."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import click

from parbench_lab.cli.doors import Doors
from parbench_lab.cli.interrupts import interrupts
from parbench_lab.cli.options import common_options, dry_run_option, examples
from parbench_lab.cli.output import checked_output, deliver, plan_line, tell_plan
from parbench_lab.core.wording import count, printable

_HINT = "stopping after this block (again: abort)"
_NUMBERS = ("evidence", "rounds", "blocks", "batch_size", "tolerance", "timeout_s", "seed")


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
@dry_run_option
@common_options
@click.pass_context
def bisect(
    ctx: click.Context, /, target: str, *, dry_run: bool, as_json: bool, output: Path | None,
    **asked: Any,
) -> int:  # fmt: skip
    """Find the commit from which on a candidate is worse, by racing commits against GOOD.

    Every commit runs from its own source tree, with this interpreter and the packages that are
    installed here. One that cannot be decided is said, and its neighbours are tried.
    """
    from parbench_lab.racing.result import jsonable  # noqa: PLC0415 - loads numpy

    checked_output(output)
    if dry_run:
        tell_plan(_planned(target, asked), as_json=as_json, output=output)
        return 0
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
    for told in report.left_out:
        click.echo(f"left out: {printable(told)}", file=screen)
    click.echo(printable(report.sentence), file=screen)
    return 0 if report.found else 1


def _planned(target: str, asked: dict[str, Any]) -> list[str]:
    """Return what would be raced, and how much of it at most."""
    from parbench_lab.execution.builds import git  # noqa: PLC0415 - loads numpy
    from parbench_lab.lab.bisect import refuse_numbers  # noqa: PLC0415 - loads the lab
    from parbench_lab.lab.watching.baselines import repository_of  # noqa: PLC0415 - loads the lab

    refuse_numbers(**{name: asked[name] for name in _NUMBERS})
    root = repository_of(Path.cwd())
    good, bad = (git.commit_of(root, asked[name]) for name in ("good", "bad"))
    commits = git.commits_between(root, good, bad)
    # the bad one first; then each race halves what is left
    most = 1 + math.ceil(math.log2(len(commits)))
    rounds, blocks = asked["rounds"], asked["blocks"]
    return [
        plan_line("target", target),
        plan_line("good", f"{good[: git.SHORT]} {git.subject_of(root, good)}"),
        plan_line("bad", f"{bad[: git.SHORT]} {git.subject_of(root, bad)}"),
        plan_line(
            "races", f"{count(most, 'commit')} of {len(commits)} beside the good one, at most"
        ),
        plan_line("each", f"at most {rounds} pairs of processes with {count(blocks, 'block')}"),
        plan_line(
            "takes",
            f"at most {most * rounds * blocks} blocks, and {2 * most * rounds} starts of a "
            "process; a commit that is told apart early ends its race. How long a block lasts is "
            "not known before it runs",
        ),
    ]
