"""Stored runs as documents and as a scoreboard again: what `show` and `runs` say. Pure."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from parbench_lab.cli.usage import usage_document
from parbench_lab.core.estimate import Estimate
from parbench_lab.core.measurement import Outcome
from parbench_lab.core.ports import EventRecord, RunHeader, RunSummary
from parbench_lab.core.standing import GpuLoad, Scoreboard, Standing, Trust, VerdictKind
from parbench_lab.monitoring.thinning import UsageSummary

UNFINISHED = "running or interrupted"


def run_status(summary: RunSummary) -> str:
    """Return a run's status in words: the store cannot see whether its process still lives."""
    return UNFINISHED if summary.status == "running" else summary.status


def run_document(summary: RunSummary) -> dict[str, Any]:
    """Return one line of the list of runs as JSON values."""
    result = summary.result or {}
    return {
        "id": summary.id,
        "kind": summary.kind,
        "name": summary.name,
        "started_utc": summary.started_utc,
        "status": summary.status,
        "winner": result.get("winner"),
        "sentence": result.get("sentence"),
    }


def show_document(
    header: RunHeader,
    summary: RunSummary,
    events: Iterable[EventRecord],
    used: Sequence[UsageSummary] = (),
) -> dict[str, Any]:
    """Return everything a reader wants of one run as JSON values.

    `progress` tells of an unfinished run how far its journal goes, `usage` how busy each worker
    was (mean and maximum of each figure).
    """
    return {
        **run_document(summary),
        "header": dict(header.document),
        "result": summary.result,
        "progress": None if summary.result else _progress(events),
        "usage": usage_document(used),
    }


def scoreboard_from_json(document: Mapping[str, Any]) -> Scoreboard:
    """Return the scoreboard of a stored result; fields it does not know are passed over."""
    fields = _known(Scoreboard, document)
    fields["standings"] = tuple(_standing(inner) for inner in document["standings"])
    fields["workers"] = tuple(document.get("workers", ()))
    fields["measured_on"] = tuple(document.get("measured_on", ()))
    fields["gpus"] = tuple(GpuLoad(**_known(GpuLoad, gpu)) for gpu in document.get("gpus", ()))
    fields["trust"] = _trust(document.get("trust", {}))
    return Scoreboard(**fields)


def _progress(events: Iterable[EventRecord]) -> dict[str, Any]:
    n_events, n_measurements, at_s = 0, 0, 0.0
    eliminated: dict[str, str] = {}
    for event in events:
        n_events += 1
        n_measurements += len(event.measurements)
        at_s = event.at_s
        # a journal may be from anywhere: one without a name counts, and tells of nobody
        candidate = event.payload.get("candidate")
        if not isinstance(candidate, str):
            continue
        if event.kind == "Eliminated":
            eliminated[candidate] = str(event.payload.get("reason", ""))
        elif event.kind == "Returned":
            eliminated.pop(candidate, None)
    return {
        "events": n_events,
        "measurements": n_measurements,
        "at_s": at_s,
        "eliminated": eliminated,
    }


def _standing(document: Mapping[str, Any]) -> Standing:
    fields = _known(Standing, document)
    fields["verdict"] = VerdictKind(document["verdict"])
    fields["ratio"] = _estimate(document.get("ratio"))
    # JSON has no infinity: evidence beyond every number was stored as null
    evidence = document.get("evidence", 1.0)
    fields["evidence"] = math.inf if evidence is None else evidence
    outcome = document.get("outcome")
    fields["outcome"] = None if outcome is None else Outcome(outcome)
    return Standing(**fields)


def _trust(document: Mapping[str, Any]) -> Trust:
    fields = _known(Trust, document)
    fields["interference"] = _estimate(document.get("interference"))
    fields["warnings"] = tuple(document.get("warnings", ()))
    return Trust(**fields)


def _estimate(document: Mapping[str, Any] | None) -> Estimate | None:
    if document is None or None in document.values():
        return None
    return Estimate(**_known(Estimate, document))


def _known(kind: type, document: Mapping[str, Any]) -> dict[str, Any]:
    names = {field.name for field in dataclasses.fields(kind)}
    return {name: value for name, value in document.items() if name in names}
