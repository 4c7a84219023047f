"""``parbench watch``: the new build beside a pinned one; or hints from what is stored."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from parbench_lab.cli.ci_files import CiFiles, ci_options
from parbench_lab.cli.doors import Doors
from parbench_lab.cli.hints import tell_hints
from parbench_lab.cli.interrupts import Interrupts, interrupts
from parbench_lab.cli.options import (
    budget_option,
    common_options,
    dry_run_option,
    examples,
    quarantine_option,
    refuse_flags,
    store_of,
    store_option,
)
from parbench_lab.cli.output import checked_output, deliver, plan_line, tell_plan
from parbench_lab.cli.tables_for_ci import watch_table
from parbench_lab.cli.told import Told
from parbench_lab.core.wording import count, printable, span
from parbench_lab.errors import ParbenchError, UsageError

if TYPE_CHECKING:
    from parbench_lab.analysis.regression.report import WatchReport

_HINT = "stopping after this block (again: abort)"
_OF_MEASURING = ("algorithms", "baseline", "build", "python", "quarantine")
_SETTINGS = ("blocks", "seconds", "batch_size", "tolerance", "metrics", "timeout_s", "seed")
_OF_HISTORY = ("q",)
_IDLE_IN_HISTORY = (
    *("baseline", "build", "python", "quarantine", "every", "nights", "dry_run"),
    *("blocks", "seconds", "batch_size", "timeout_s", "seed"),
)


@click.command(
    epilog=examples(
        "parbench watch bench.py                          against where this branch began",
        "parbench watch bench.py --baseline v1.2 --quarantine noisy.toml --markdown watch.md",
        "parbench watch bench.py --baseline mypackage==1.2 -a fast --seconds 120",
        "parbench watch sorting --baseline mymodule:old_sort --json",
        "parbench watch bench.py --baseline v1.2 --every 1d --junit watch.xml",
        "parbench watch sorting --history                 hints from what is stored",
    )
    + "\n\nExit codes: 0 nothing blocks (undecided is said plainly), 1 a regression or a failure "
    "(with --every: in any night), 2 wrong use."
)
@click.argument("target", required=False, metavar="[WORKLOAD|MODULE|FILE.py]")
@click.option(
    "--baseline",
    metavar="BUILD",
    help="A git ref, PACKAGE==VERSION, the path of a python, or MODULE:FUNCTION.  "
    "[default: the commit this branch began at]",
)
@click.option(
    "-a",
    "--algorithm",
    "algorithms",
    multiple=True,
    metavar="NAME",
    help="Watch only this candidate. Repeatable.  [default: all]",
)
@click.option("--blocks", type=int, help="Blocks of a night.  [default: 300]")
@budget_option("--seconds", help="Begin no block after so long.  [default: no limit]")
@click.option("--batch-size", type=int, help="Items of a case.  [default: the workload's]")
@click.option("--tolerance", type=float, help="What counts as a change.  [default: 0.02]")
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    metavar="NAME",
    help="Watch this metric. Repeatable.  [default: the workload's objectives]",
)
@click.option("--timeout-s", type=float, help="For one measurement.  [default: 60]")
@click.option("--seed", type=int, help="Of orders and cases.  [default: a new one]")
@click.option(
    "--build",
    type=click.Choice(["auto", "venv", "source"]),
    default="auto",
    show_default=True,
    help="How a git ref runs: installed into a virtual environment of its own that shares this "
    "one's other packages, or from its source tree.",
)
@click.option("--python", metavar="PATH", help="The interpreter that runs a git ref's tree.")
@quarantine_option
@click.option(
    "--every",
    metavar="PERIOD",
    help="Again and again: 6h, 1d. Each file that was asked for tells of the last night that was "
    "measured; every night has its own beside it, like watch-RUN.xml, and is RUN in the store.  "
    "[default: once]",
)
@click.option("--nights", type=click.IntRange(min=1), help="With --every: how often.")
@click.option("--history", is_flag=True, help="Measure nothing: change points of stored runs.")
@click.option(
    "--q", type=float, default=0.05, show_default=True, help="With --history: false hints."
)
@ci_options
@dry_run_option
@store_option
@common_options
@click.pass_context
def watch(
    ctx: click.Context,
    /,
    target: str | None,
    *,
    history: bool,
    q: float,
    every: str | None,
    nights: int | None,
    dry_run: bool,
    **asked: Any,
) -> int:
    """Watch for regressions: this build beside a pinned one, in fresh processes again and again.

    Nights with the same baseline add up in the store, where it is a commit or PACKAGE==VERSION. A
    verdict is a regression, an improvement, equal or undecided; a wrong result fails at once.
    """
    asked["store"] = store_of(ctx)
    told = Told(
        as_json=asked["as_json"],
        output=checked_output(asked["output"]),
        files=CiFiles.checked(asked),
        nightly=every is not None,
    )
    _refuse_unused(ctx, history=history, every=every, nights=nights)
    every_s = None if every is None else _period_s(every, asked["store"])
    doors = ctx.ensure_object(Doors)
    if history:
        return tell_hints(doors, target, q, asked, told)
    if target is None:
        raise UsageError("say what to watch: a workload, a module or a file; or --history")
    if dry_run:
        tell_plan(_planned(doors, target, every, asked), as_json=told.as_json, output=told.output)
        return 0
    with interrupts(_HINT) as stopped:
        night = _night(doors, target, asked, told, stopped)
        if every_s is None:
            return _told_of(night(), told)
        return _nightly(night, every_s, nights, stopped, told)


def _refuse_unused(
    ctx: click.Context, *, history: bool, every: str | None, nights: int | None
) -> None:
    """Refuse what would be taken without a word and do nothing."""
    if history:
        refuse_flags(ctx, _IDLE_IN_HISTORY, why="--history measures nothing")
    else:
        refuse_flags(ctx, _OF_HISTORY, why="the hints of --history take it")
    if nights is not None and every is None:
        raise UsageError("--nights says how often --every runs: give --every too, like 1d")


def _period_s(every: str, store: str | None) -> float:
    from parbench_lab.lab.watching.lock import lock_file  # noqa: PLC0415 - loads the lab
    from parbench_lab.lab.watching.schedule import parse_every  # noqa: PLC0415 - as above

    if lock_file(store, environment=os.environ, folder=Path.cwd()) is None:
        raise UsageError(
            "--every needs a store that lasts: one in memory forgets its nights, and has no lock "
            "against a second watch"
        )
    return parse_every(every)


def _planned(doors: Doors, target: str, every: str | None, asked: Mapping[str, Any]) -> list[str]:
    """Return what a night would measure, and how much of it at most."""
    from parbench_lab.lab.watching.baselines import refuse_idle  # noqa: PLC0415 - loads the lab
    from parbench_lab.lab.watching.settings import WatchSettings  # noqa: PLC0415 - as above

    settings = WatchSettings(**_settings(asked))
    refuse_idle(asked["baseline"], python=asked["python"], how=asked["build"])
    workload, candidates = doors.targets(target)
    names = list(asked["algorithms"]) or [candidate.name for candidate in candidates]
    blocks, limit = settings.blocks, settings.seconds
    size = settings.batch_size or getattr(workload, "default_batch_size", 1000)
    how_long = "not known before it runs" if limit is None else f"at most {limit:g} s and a block"
    return [
        plan_line("target", target),
        plan_line("candidates", f"{len(names)}: {', '.join(names)}"),
        plan_line("baseline", asked["baseline"] or "the commit this branch began at"),
        plan_line("blocks", f"at most {blocks} of {size:,} items, each candidate in both builds"),
        *([plan_line("every", every)] if every else []),
        plan_line("takes", f"{how_long}; two processes are started anew every 10 blocks"),
    ]


def _settings(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that were given; the others have their defaults in one place."""
    return {name: asked[name] for name in _SETTINGS if asked[name] not in (None, ())}


def _night(
    doors: Doors, target: str, asked: Mapping[str, Any], told: Told, stopped: Interrupts
) -> Callable[[], WatchReport]:
    """Return what runs one night."""
    given = {name: asked[name] for name in _OF_MEASURING}
    given["algorithms"] = list(asked["algorithms"]) or None
    given["quarantine"] = asked["quarantine"] or ()
    settings = _settings(asked)

    def run() -> WatchReport:
        click.echo(f"watching {printable(target)} (Ctrl-C ends it) ...", file=told.screen)
        return doors.watch(
            target,
            **given,
            **settings,
            store=asked["store"],
            stop=lambda: stopped.asked,
            progress=_progress(told.screen),
        )

    return run


def _nightly(
    night: Callable[[], WatchReport],
    every_s: float,
    nights: int | None,
    stopped: Interrupts,
    told: Told,
) -> int:
    """Run on a schedule, and return the worst night's code.

    A night that cannot be measured, or whose files cannot be written, is told, and the next one
    comes.
    """
    from parbench_lab.lab.watching.schedule import on_schedule  # noqa: PLC0415 - loads the lab

    codes: list[int] = []

    def run() -> int:
        first, missed = not codes, "this night was not measured"
        try:
            report = night()
            missed = f"this night is in the store as {report.run_id}, and not told in every file"
            codes.append(_told_of(report, told))
        except ParbenchError as error:
            if first:
                raise
            click.echo(f"{missed}: {printable(str(error))}", err=True)
            codes.append(1)
        return codes[-1]

    def waiting(seconds: float) -> None:
        click.echo(f"the next one begins in {span(seconds)} (Ctrl-C ends)", file=told.screen)

    on_schedule(
        run,
        every_s=every_s,
        most=nights,
        stop=lambda: stopped.asked,
        now_s=time.monotonic,
        sleep=time.sleep,
        waiting=waiting,
    )
    if any(codes):
        # the accounts begin anew after an alarm: a quiet last night takes nothing back
        said = f"{sum(map(bool, codes))} of {count(len(codes), 'night')} failed"
        click.echo(said, file=told.screen)
    return max(codes)


def _told_of(report: WatchReport, told: Told) -> int:
    """Tell of a night, and return its exit code."""
    _tell(report, told)
    return 0 if report.passed else 1


# ---------------------------------------------------------------- said


def _progress(screen: IO[str]) -> Callable[[int, int, WatchReport], None]:
    def tell(done: int, planned: int, report: WatchReport) -> None:
        if screen.isatty():
            found = sum(one.verdict.value != "undecided" for one in report.series)
            line = f"round {done} of {planned}, {found} of {len(report.series)} series decided"
            end = "\r" if done < planned else "\n"
            print(line, end=end, file=screen, flush=True)

    return tell


def _tell(report: WatchReport, told: Told) -> None:
    from parbench_lab.lab.watching.journal import report_document  # noqa: PLC0415 - loads numpy

    table, document = watch_table(report), report_document(report)
    told.files.write(table)
    deliver(document, as_json=told.as_json, output=told.output)
    for line in _lines(report):
        click.echo(printable(line), file=told.screen)
    if told.nightly and told.written:
        # the next night writes over the others
        own = told.of_night(report.run_id)
        own.files.write(table)
        deliver(document, as_json=False, output=own.output)
        click.echo(f"this night is kept in {printable(', '.join(own.written))}", file=told.screen)


def _lines(report: WatchReport) -> Sequence[str]:
    stopped = "" if report.status == "finished" else f" ({report.status} before its end)"
    nights = f"night {report.nights} with this baseline"
    return [
        f"{report.workload}: {report.new} against {report.baseline}, {nights}{stopped}",
        *(f"  {one.sentence}" for one in report.series),
        *(f"note: {note}" for note in report.notes),
        report.sentence if report.passed else f"FAILED: {report.sentence}",
    ]
