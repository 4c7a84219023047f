"""``parbench watch --history``: change points of stored runs, told as hints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from parbench_lab.cli.doors import Doors
from parbench_lab.cli.output import deliver
from parbench_lab.cli.tables_for_ci import CheckRow, CheckTable
from parbench_lab.cli.told import Told
from parbench_lab.core.wording import printable
from parbench_lab.errors import UsageError

if TYPE_CHECKING:
    from parbench_lab.lab.change_hints import HintReport


def tell_hints(
    doors: Doors, workload: str | None, q: float, asked: Mapping[str, Any], told: Told
) -> int:
    """Tell of the change points in stored figures, and return the exit code.

    Parameters
    ----------
    doors
        To the record.
    workload
        Only of this one; None: of all.
    q
        The share of false hints that is accepted.
    asked
        What else the command was given: ``algorithms``, ``metrics``, ``store``, ``tolerance``.
    told
        Where it goes.

    Raises
    ------
    UsageError
        If several candidates or metrics are asked for.
    """
    from parbench_lab.lab.change_hints import hint_sentence  # noqa: PLC0415 - loads numpy
    from parbench_lab.racing.result import jsonable  # noqa: PLC0415 - loads numpy

    names = list(asked["algorithms"]) or [None]
    if len(names) > 1 or len(asked["metrics"]) > 1:
        raise UsageError(
            "--history takes one -a at most, or none for all, and one --metric, or none for the "
            "objectives of each run"
        )
    report = doors.change_hints(
        workload,
        candidate=names[0],
        metric=(asked["metrics"] or (None,))[0],
        store=asked["store"],
        q=q,
        tolerance=0.02 if asked["tolerance"] is None else asked["tolerance"],
    )
    sentences = [hint_sentence(hint) for hint in report.hints]
    hints = [
        {**_plain_hint(jsonable(hint)), "sentence": sentence}
        for hint, sentence in zip(report.hints, sentences, strict=True)
    ]
    told.files.write(_hints_table(workload, report, sentences))
    numbers = {"n_series": report.n_series, "n_short": report.n_short, "q": report.q}
    document = {"sentence": report.sentence, **numbers, "hints": hints}
    deliver(document, as_json=told.as_json, output=told.output)
    for line in [*sentences, report.sentence]:
        click.echo(printable(line), file=told.screen)
    return 0


def _hints_table(workload: str | None, report: HintReport, sentences: Sequence[str]) -> CheckTable:
    """Return hints as a table; runs of different days are not paired, so nothing is decided."""
    rows = [
        CheckRow(
            name=str(hint.key),
            verdict=f"hint: {'worse' if hint.worse else 'better'}",
            outcome="undecided",
            ratio=hint.ratio,
            message=sentence,
            scale=hint.scale,
        )
        for hint, sentence in zip(report.hints, sentences, strict=True)
    ]
    nothing = CheckRow(
        name=f"{report.n_series} series", verdict="no change point", outcome="undecided"
    )
    return CheckTable(
        title=f"stored figures of {workload or 'all workloads'}",
        sentence=report.sentence,
        rows=tuple(rows) or (nothing,),
        compared="the cost before",
    )


def _plain_hint(document: dict[str, Any]) -> dict[str, Any]:
    """Return a hint's JSON with its instants as texts."""
    for side in ("before", "after"):
        document[side]["started"] = document[side]["started"].isoformat()
    return document
