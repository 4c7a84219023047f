"""Runs of a study as JSON and back: what a store keeps of it. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from parbench_lab.analysis.trial import TimeShares, Trial
from parbench_lab.core.ports import EventRecord
from parbench_lab.errors import StoreError, UsageError
from parbench_lab.scaling.plan import Cell, Plan, Series

MEASURED, PLANNED = "StudyMeasured", "StudyPlanned"


def measured(cell: Cell, trial: Trial) -> Mapping[str, Any]:
    """Return a run as JSON values."""
    return {
        "backend": cell.series.backend,
        "series_size": cell.series.size,
        "repetition": cell.repetition,
        "workers": cell.workers,
        "trial": {
            **dataclasses.asdict(trial),
            "difference": None if trial.difference == float("inf") else trial.difference,
        },
    }


def planned(plan: Plan) -> Mapping[str, Any]:
    """Return a plan as JSON values."""
    return dataclasses.asdict(plan)


def read_plan(payload: Mapping[str, Any]) -> Plan:
    """Return the plan that `planned` gave.

    Raises
    ------
    StoreError
        If it is damaged.
    """
    try:
        return Plan(
            workers=tuple(payload["workers"]),
            sizes=tuple(payload["sizes"]),
            mode=payload["mode"],
            backends=tuple(payload["backends"]),
            repeats=payload["repeats"],
            seed=payload["seed"],
        )
    except (KeyError, TypeError, UsageError) as error:
        raise StoreError(f"the plan of this study is damaged: {error}") from error


def read_back(events: Iterable[EventRecord]) -> tuple[Plan | None, dict[Cell, Trial]]:
    """Return the last plan and every run of a stored study, in the order of measurement.

    Raises
    ------
    StoreError
        If an event is damaged.
    """
    plan: Plan | None = None
    done: dict[Cell, Trial] = {}
    for event in events:
        if event.kind == PLANNED:
            plan = read_plan(event.payload)
        elif event.kind == MEASURED:
            cell, trial = _run(event)
            done[cell] = trial
    return plan, done


def _run(event: EventRecord) -> tuple[Cell, Trial]:
    payload = event.payload
    try:
        series = Series(backend=str(payload["backend"]), size=int(payload["series_size"]))
        cell = Cell(
            series=series,
            repetition=int(payload["repetition"]),
            workers=int(payload["workers"]),
        )
        told = dict(payload["trial"])
        shares = told.pop("shares")
        told["difference"] = float("inf") if told["difference"] is None else told["difference"]
        trial = Trial(**told, shares=None if shares is None else TimeShares(**shares))
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"event {event.seq} of this study is damaged: {error}") from error
    return cell, trial
