"""A comparison of two stored runs as a result that a report keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from parbench_lab.analysis.comparison.values import Comparison, Pair, SideFigure
from parbench_lab.core.wording import NOTHING, change, commit_words, printable
from parbench_lab.errors import StoreError
from parbench_lab.plots.history import figure_words
from parbench_lab.racing.result import jsonable
from parbench_lab.reports.kept import Kept, keep
from parbench_lab.reports.text import plain_table
from parbench_lab.store import open_store

PREVIOUS = "previous"
_OPPORTUNITIES = 8


def run_before(
    baseline: str, new: str = "latest", store: str | Path | None = None
) -> tuple[str, str]:
    """Return the ids of two races, where ``"previous"`` is the one before.

    Parameters
    ----------
    baseline
        An id (its beginning is enough), or ``"previous"``: the race of the same workload,
        mode and machine before `new`.
    new
        An id, or ``"latest"``: the newest race.
    store
        As for `parbench_lab.store.open_store`; "" is None.

    Raises
    ------
    StoreError
        If one of them is not there.
    """
    opened = open_store(store or None)
    try:
        if new == "latest":
            newest = opened.runs(kind="race", last=1)
            if not newest:
                raise StoreError("no race in the store yet; parbench race makes one")
            later = newest[0]
        else:
            later = opened.summary(new)
        if baseline != PREVIOUS:
            return opened.summary(baseline).id, later.id
        runs = opened.runs(
            kind="race", workload=later.name, mode=later.mode, machine=later.machine or None
        )
    finally:
        opened.close()
    before = [one.id for one in runs]
    before = before[: before.index(later.id)] if later.id in before else []
    if not before:
        raise StoreError(
            f"no race of {later.name} on this machine before {later.id}; give a baseline, or race "
            "it again"
        )
    return before[-1], later.id


def comparison_results(found: Comparison) -> Kept:
    """Return a comparison as a result that a report keeps."""
    return keep("comparison", comparison_document(found), comparison_text(found))


def comparison_document(found: Comparison) -> dict[str, Any]:
    """Return a comparison as JSON values.

    Each pair has the `verdict` that counts and the `basis` in words: on two machines it is that
    less the calibration, undecided without one. What the plain ratio says there is of machine and
    code together, and is called so: `verdict_of_machine_and_code`.
    """
    document: dict[str, Any] = jsonable(found)
    document["sentence"] = found.sentence
    document["same_machine"] = found.same_machine
    for pair, described in zip(found.pairs, document["pairs"], strict=True):
        described["verdict"] = found.verdict_of(pair).value
        described["basis"] = found.basis(pair)
        if not found.same_machine and described["judgement"] is not None:
            described["verdict_of_machine_and_code"] = described["judgement"].pop("verdict")
    return document


def comparison_text(found: Comparison) -> str:
    """Return a comparison as a table, with what it says below."""
    rows = [_row(pair, found) for pair in found.pairs]
    lines = [f"{side.id}: {_where(found, new=side is found.new)}" for side in _sides(found)]
    if rows:
        lines += ["", plain_table(_heads(found), rows)]
    lines += ["", printable(found.sentence)]
    lines += [f"note: {printable(note)}" for note in found.notes]
    if found.machine_differences:
        differing = "; ".join(found.machine_differences)
        lines.append(printable(f"the machines differ in {differing}"))
    lines += [
        printable(f"{rank}. {one.what}: {_gain(one.gain, at_most=one.at_most)} ({one.evidence})")
        for rank, one in enumerate(found.opportunities[:_OPPORTUNITIES], 1)
    ]
    return "\n".join(lines)


def _sides(found: Comparison) -> tuple[Any, Any]:
    return found.baseline, found.new


def _where(found: Comparison, *, new: bool) -> str:
    side = found.new if new else found.baseline
    commit = f", commit {commit_words(side.commit, dirty=side.dirty)}"
    place = f"{side.cpu_model or 'a machine'} ({side.machine or 'not known'})"
    named = "new" if new else "baseline"
    return printable(f"{named}, {side.started_utc[:16]}, {place}{commit if side.commit else ''}")


def _heads(found: Comparison) -> list[str]:
    epochs = ["epochs"] if found.by_epoch else []
    relative = [] if found.speed is None else ["relative"]
    return [
        "candidate", "size", *epochs, "baseline", "new", found.metric.change, *relative,
        "verdict", "q",
    ]  # fmt: skip


def _row(pair: Pair, found: Comparison) -> list[str]:
    told, beyond = found.told(pair), pair.relative
    scale = found.metric.scale
    relative = [] if found.speed is None else [change(beyond.ratio, scale) if beyond else NOTHING]
    return [
        pair.candidate,
        f"{pair.size:,}",
        *([pair.epochs or NOTHING] if found.by_epoch else []),
        _median(pair.baseline, found),
        _median(pair.new, found),
        change(pair.judgement.ratio, scale) if pair.judgement else NOTHING,
        *relative,
        found.verdict_of(pair).of(found.metric),
        f"{told.q:.2g}" if told else NOTHING,
    ]


def _median(side: SideFigure, found: Comparison) -> str:
    if side.median is None:
        return NOTHING
    return f"{figure_words(found.metric.name, side.median)} ({side.n})"


def _gain(gain: float, *, at_most: bool) -> str:
    return f"{'up to ' if at_most else ''}{100 * gain:.0f} % less time"
