"""``parbench compare``: two stored runs, candidate by candidate."""

from __future__ import annotations

import contextlib
import datetime as dt
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from parbench_lab.cli.ci_files import CiFiles, ci_options
from parbench_lab.cli.doors import Doors
from parbench_lab.cli.options import (
    common_options,
    examples,
    quarantine_option,
    store_of,
    store_option,
)
from parbench_lab.cli.output import checked_output, deliver
from parbench_lab.cli.tables_for_ci import CheckRow, CheckTable, passed_or_undecided
from parbench_lab.core.wording import NOTHING, change, commit_words, printable

if TYPE_CHECKING:
    from parbench_lab.analysis.comparison.samples import Place
    from parbench_lab.analysis.comparison.values import Comparison, Pair, SideFigure
    from parbench_lab.analysis.comparison.verdicts import Judgement
    from parbench_lab.analysis.regression.quarantine import Quarantine

SHOWN_OPPORTUNITIES = 8
_NOBODY: Mapping[str, str] = {}


@click.command(
    epilog=examples(
        "parbench compare 20260101 latest",
        "parbench compare 20260101 20260102 --tolerance 0.05 --json",
        "parbench compare 20260101 latest --check --markdown comparison.md",
    )
    + "\n\nExit codes: 0 done, 1 with --check where a candidate is slower for certain or newly "
    "fails and is not in quarantine, 2 wrong use."
)
@click.argument("baseline", metavar="RUN")
@click.argument("new", metavar="RUN")
@click.option(
    "--tolerance",
    type=float,
    default=0.02,
    show_default=True,
    help="Up to this fraction slower or faster is equal.",
)
@click.option("--metric", default="wall_time_s", show_default=True, help="That is compared.")
@click.option("--check", is_flag=True, help="Exit code 1 where a candidate is slower.")
@quarantine_option
@ci_options
@store_option
@common_options
@click.pass_context
def compare(
    ctx: click.Context, /, *, baseline: str, new: str, as_json: bool, output: Path | None,
    **params: Any,
) -> None:  # fmt: skip
    """Compare two runs of one workload: the first RUN is the baseline.

    Per candidate and batch size (and epoch, where a race came back to a size or somebody became
    slower): the ratio of the median times (second run over first) with its 95 % interval, and a
    verdict: equal, faster, slower, or undecided. "q" is the share of wrong verdicts one accepts by
    accepting this one, over all pairs (Benjamini and Hochberg); a verdict needs 0.05. On two
    machines "relative" is the ratio less what `parbench race calibration` differs by, and verdict
    and q are of that (so is --check); without a calibration of both they are undecided.
    """
    from parbench_lab.lab.comparing import compare as compared  # noqa: PLC0415 - loads numpy
    from parbench_lab.lab.quarantine_list import quarantine_entries  # noqa: PLC0415 - as above

    path, files = checked_output(output), CiFiles.checked(params)
    entries = quarantine_entries(params["quarantine"] or ())
    with contextlib.closing(ctx.ensure_object(Doors).open_store(store_of(ctx))) as store:
        found = compared(
            baseline, new, tolerance=params["tolerance"], metric=params["metric"], store=store
        )
    kept = _in_quarantine(found, entries)
    files.write(comparison_table(found, kept))
    deliver(comparison_document(found, kept), as_json=as_json, output=path)
    if not as_json:
        print_comparison(found, sys.stdout, kept)
    blocking = any(pair.candidate not in kept for pair in found.worse)
    ctx.exit(1 if params["check"] and blocking else 0)


def _in_quarantine(found: Comparison, entries: Sequence[Quarantine]) -> dict[str, str]:
    """Return why a candidate must not block today, of those that must not."""
    from parbench_lab.analysis.regression.quarantine import (  # noqa: PLC0415 - loads numpy
        quarantined,
    )

    today = dt.datetime.now(dt.UTC).date()
    whys = {
        name: quarantined(entries, f"{found.workload}/{name}/{found.metric.name}", today)
        for name in dict.fromkeys(pair.candidate for pair in found.pairs)
    }
    return {name: why for name, why in whys.items() if why}


def comparison_document(found: Comparison, kept: Mapping[str, str] = _NOBODY) -> dict[str, Any]:
    """Return a comparison as JSON values, with what each pair is for a check.

    `kept` is why a candidate must not block, of those that must not.
    """
    from parbench_lab.reports import compared  # noqa: PLC0415 - loads numpy

    document = compared.comparison_document(found)
    worse = set(map(id, found.worse))
    for pair, described in zip(found.pairs, document["pairs"], strict=True):
        described["worse"] = id(pair) in worse
        described["quarantined"] = kept.get(pair.candidate, "")
        row = _row(pair, found, worse=described["worse"], kept=described["quarantined"])
        described["outcome"] = row.outcome
    return document


def comparison_table(found: Comparison, kept: Mapping[str, str] = _NOBODY) -> CheckTable:
    """Return a comparison for JUnit and Markdown: what is worse has failed.

    On two machines verdicts and ratios are those less the calibration, as they decide; what only
    one run has is undecided; `kept` is as for `comparison_document`.
    """
    worse = set(map(id, found.worse))
    rows = [
        _row(pair, found, worse=id(pair) in worse, kept=kept.get(pair.candidate, ""))
        for pair in found.pairs
    ]
    rows += [
        CheckRow(
            name=f"{name} at {size}",
            verdict=words,
            outcome="undecided",
            message=f"{name} at {size}: {words}, not compared",
            scale=found.metric.scale,
        )
        for words, places in _one_sided(found)
        for name, size in places
    ]
    ideas = [f"{one.what}: {_gain(one.gain, at_most=one.at_most)}" for one in found.opportunities]
    less = "" if found.speed is None else ", less the calibration"
    return CheckTable(
        title=f"comparison of {found.workload}",
        sentence=found.sentence,
        rows=tuple(rows),
        compared=f"the cost of {found.baseline.id}{less}",
        notes=(*found.notes, *ideas[:SHOWN_OPPORTUNITIES]),
    )


def _row(pair: Pair, found: Comparison, *, worse: bool, kept: str) -> CheckRow:
    told, verdict = found.told(pair), found.verdict_of(pair)
    slower = verdict.value == "slower"
    outcome = "failed" if worse else passed_or_undecided(verdict.value)
    return CheckRow(
        name=pair.label,
        verdict="newly fails" if worse and not slower else verdict.of(found.metric),
        outcome="skipped" if kept else outcome,
        ratio=None if told is None else told.ratio,
        message=_message(pair, found) + (f"; in quarantine: {kept}" if kept else ""),
        scale=found.metric.scale,
    )


def _one_sided(found: Comparison) -> tuple[tuple[str, tuple[Place, ...]], ...]:
    from parbench_lab.analysis.comparison.values import (  # noqa: PLC0415 - loads numpy
        ONLY_BASELINE,
        ONLY_NEW,
    )

    return ((ONLY_BASELINE, found.only_baseline), (ONLY_NEW, found.only_new))


def print_comparison(found: Comparison, file: IO[str], kept: Mapping[str, str] = _NOBODY) -> None:
    """Print a comparison as a table, with its notes and what is worth doing.

    `kept` is as for `comparison_document`.
    """
    from rich.table import Table  # noqa: PLC0415 - slow to import
    from rich.text import Text  # noqa: PLC0415

    from parbench_lab.cli.spectators import console_on  # noqa: PLC0415 - as above

    for side, run in (("baseline", found.baseline), ("new", found.new)):
        commit = f", commit {commit_words(run.commit, dirty=run.dirty)}"
        where = f" on {run.cpu_model or 'a machine'} ({run.machine or 'not known'})"
        text = f"{side:<9}{run.id}{where}{commit if run.commit else ''}"
        click.echo(printable(text), file=file)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in _titles(found):
        table.add_column(title, no_wrap=True, justify="left" if title in _WORDS else "right")
    for pair in found.pairs:
        table.add_row(*(Text(printable(cell)) for cell in _cells(pair, found)))
    if found.pairs:
        console_on(file).print(table)
    quarantine = [f"in quarantine: {name}, {why}" for name, why in kept.items()]
    for line in [*quarantine, *_lines_below(found)]:
        click.echo(printable(line), file=file)


_WORDS = ("candidate", "verdict", "limited by")


def _titles(found: Comparison) -> list[str]:
    epochs = ["epochs"] if found.by_epoch else []
    relative = [] if found.speed is None else ["relative"]
    return [
        "candidate", "size", *epochs, "baseline", "new", found.metric.change, *relative,
        "verdict", "q",
        "limited by",
    ]  # fmt: skip


def _cells(pair: Pair, found: Comparison) -> list[str]:
    plain, beyond, told = pair.judgement, pair.relative, found.told(pair)
    cells = [pair.candidate, str(pair.size)]
    cells += [pair.epochs or NOTHING] if found.by_epoch else []
    cells += [_median(side, found) for side in (pair.baseline, pair.new)]
    scale = found.metric.scale
    cells.append(change(plain.ratio, scale) if plain else NOTHING)
    if found.speed is not None:
        cells.append(change(beyond.ratio, scale) if beyond else NOTHING)
    cells += [found.verdict_of(pair).of(found.metric), f"{told.q:.2g}" if told else NOTHING]
    shown = pair.bottleneck is not None and pair.bottleneck.share is not None
    return [*cells, pair.bottleneck.limit.value if shown and pair.bottleneck else NOTHING]


def _median(side: SideFigure, found: Comparison) -> str:
    from parbench_lab.core.wording import amount, duration, memory  # noqa: PLC0415

    if side.median is None:
        return NOTHING
    words = {"s": duration, "B": memory}.get(found.metric.unit, amount)
    return f"{words(side.median)} ({side.n})"


def _lines_below(found: Comparison) -> list[str]:
    lines = [found.sentence]
    lines += [f"note: {note}" for note in found.notes]
    if found.machine_differences:
        lines.append("the machines differ in " + "; ".join(found.machine_differences))
    # a limit is of a candidate at a batch size, whatever the epochs
    limits = {(p.candidate, p.size): p.bottleneck for p in found.pairs if p.bottleneck}
    lines += [
        f"{name} at {size}: {limit.limit.value}, {limit.evidence}"
        for (name, size), limit in limits.items()
        if limit.share is not None
    ]
    unshown = [limit for limit in limits.values() if limit.share is None]
    if unshown:
        lines.append(f"limits not shown for {len(unshown)}: {unshown[0].evidence}")
    lines += [
        f"{pair.label} differs between the machines as {pair.tracks} does"
        for pair in found.pairs
        if pair.tracks
    ]
    for words, places in _one_sided(found):
        if places:
            lines.append(f"{words}: " + ", ".join(f"{name} at {size}" for name, size in places))
    return [*lines, *_opportunity_lines(found)]


def _opportunity_lines(found: Comparison) -> list[str]:
    shown = found.opportunities[:SHOWN_OPPORTUNITIES]
    if not shown:
        return ["opportunities: the figures show none worth 5 %"]
    lines = [
        f"  {rank}. {one.what}: {_gain(one.gain, at_most=one.at_most)} ({one.evidence})"
        for rank, one in enumerate(shown, 1)
    ]
    left = len(found.opportunities) - len(shown)
    return ["opportunities:", *lines, *([f"  and {left} more (--json)"] if left else [])]


def _gain(gain: float, *, at_most: bool) -> str:
    return f"{'up to ' if at_most else ''}{100 * gain:.0f} % less time"


def _message(pair: Pair, found: Comparison) -> str:
    faults = ", ".join(
        f"{n} {outcome.replace('_', ' ')}" for outcome, n in pair.new.faults.items()
    )
    told = found.told(pair)
    words = f"{pair.label}: {found.verdict_of(pair).of(found.metric)}, "
    if told is None:
        words += _why_not(pair, found)
    else:
        less = "" if found.same_machine else " less the calibration"
        words += f"{_named(told, found)}{less}, q {told.q:.2g}"
    return f"{words}; faults: {faults}" if faults else words


def _named(told: Judgement, found: Comparison) -> str:
    return f"{found.metric.change} {change(told.ratio, found.metric.scale)}"


def _why_not(pair: Pair, found: Comparison) -> str:
    """Say why nothing counts for a pair."""
    if pair.judgement is None:
        return f"too few measurements to compare ({pair.baseline.n} and {pair.new.n})"
    plain = f"the {_named(pair.judgement, found)} is of two machines"
    if found.speed is not None:
        return f"{plain}, and the calibration tells of times only"
    return f"{plain} as much as of the code, and there is no calibration of both"
