"""A quantisation study as a run of the store, and back; and what changed since the last one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from parbench_lab.analysis.quantization.results import Asked, QuantizationResults
from parbench_lab.analysis.quantization.runs import Configuration, ModelError, QuantizationRun
from parbench_lab.analysis.regression.intervals import CONFIDENCE, shift
from parbench_lab.core.estimate import Estimate
from parbench_lab.core.ports import EventRecord, MeasurementRow, RunHeader, RunStore
from parbench_lab.core.wording import ratio
from parbench_lab.errors import StoreError
from parbench_lab.lab.quantization.plan import Plan
from parbench_lab.racing.result import jsonable

KIND = NAME = "quantize"
MEASURED, LOST, NOTED = "QuantizationMeasured", "QuantizationLost", "QuantizationNoted"
LOOKED_AT = 20
"""So many of the newest studies are looked through for the same configuration."""
LEAST_TIMES = 2
"""Fewer than so many times of a configuration give no interval to compare by."""
TOLERANCE = 0.02

_METRICS = (
    {"name": "quantization_memory_bytes", "unit": "B"},
    {"name": "compute_s", "unit": "s"},
)


def document(plan: Plan, *, cores: int, fingerprint: str) -> dict[str, Any]:
    """Return what a header says of a study, besides machine and source."""
    return {
        "asked": jsonable(plan.asked),
        "configurations": jsonable(plan.configurations),
        "candidates": [{"name": one.name} for one in plan.configurations],
        "metrics": list(_METRICS),
        "repeats": plan.repeats,
        "seed": plan.seed,
        "notes": list(plan.notes),
        "cores": cores,
        "fingerprint": fingerprint,
    }


def measured(seq: int, run: QuantizationRun, *, slot: int, epoch: int) -> EventRecord:
    """Return the event of a run.

    Parameters
    ----------
    slot
        The how-manieth of its repetition it was.
    epoch
        Number of its model: an epoch of the store has one size.
    """
    values = {
        "wall_time_s": run.time_s,
        "peak_rss_bytes": run.peak_memory_bytes,
        "quantization_memory_bytes": run.quantization_memory_bytes,
        "compute_s": run.compute_s,
    }
    row = MeasurementRow(
        block=run.repetition,
        slot=slot,
        epoch=epoch,
        candidate=run.configuration.name,
        copy=0,
        size=run.configuration.n_weights,
        worker="fresh process",
        outcome={"differs": "wrong", "killed": "crashed"}.get(run.outcome, run.outcome),
        warm_up=False,
        checked=True,
        repeats=1,
        values={name: float(value) for name, value in values.items() if value is not None},
        digest=run.digest,
        message=run.message,
    )
    payload = jsonable(asdict(run))
    return EventRecord(seq=seq, at_s=0.0, kind=MEASURED, payload=payload, measurements=(row,))


def read_results(header: RunHeader, events: Iterable[EventRecord]) -> QuantizationResults:
    """Return the results of a stored study.

    Raises
    ------
    StoreError
        If the run is no such study, or it is damaged.
    """
    if header.kind != KIND:
        raise StoreError(f"run {header.id} is no quantisation study but a {header.kind}")
    told = header.document
    runs: list[QuantizationRun] = []
    errors: list[ModelError] = []
    notes: list[str] = list(told.get("notes", ()))
    hints: list[str] = []
    try:
        for event in events:
            if event.kind == MEASURED:
                runs.append(_run(event.payload))
            elif event.kind == LOST:
                errors.append(ModelError(**event.payload))
            elif event.kind == NOTED:
                notes += event.payload.get("notes", ())
                hints += event.payload.get("hints", ())
        return QuantizationResults(
            asked=_asked(told["asked"]),
            planned=tuple(Configuration(**one) for one in told["configurations"]),
            repeats=int(told["repeats"]),
            runs=tuple(runs),
            errors=tuple(errors),
            cores=int(told["cores"]),
            machine=str(told.get("fingerprint", "")),
            notes=tuple(notes),
            hints=tuple(hints),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"quantisation study {header.id} is damaged: {error}") from error


def _run(payload: Mapping[str, Any]) -> QuantizationRun:
    fields = dict(payload)
    return QuantizationRun(configuration=Configuration(**fields.pop("configuration")), **fields)


def _asked(told: Mapping[str, Any]) -> Asked:
    lists = {name: tuple(told[name]) for name in ("cores", "size_models")}
    return Asked(**{**told, **lists})


# ---------------------------------------------------------------- since the last one


def changes(store: RunStore, results: QuantizationResults, *, run_id: str) -> tuple[str, ...]:
    """Return how times differ from those of the last stored study, in sentences.

    The same configuration on the same machine is compared, by the ratio of the times with an
    interval (Welch's, on logarithms). Runs of different days are not paired, so this is a hint.
    One time has no interval: a study with fewer than two of a configuration is passed over for
    it, and so is one that cannot be read.

    Raises
    ------
    StoreError
        If the store cannot be read.
    """
    timed = (one.configuration.name for one in results.points if one.time_s)
    left = {name: now for name in timed if len(now := _times(results, name)) >= LEAST_TIMES}
    told: list[str] = []
    for summary in reversed(store.runs(kind=KIND, machine=results.machine, last=LOOKED_AT + 1)):
        if summary.id == run_id or not left:
            continue
        try:
            before = read_results(store.header(summary.id), store.events(summary.id))
        except StoreError:
            continue  # an older study that is damaged hides none that lies behind it
        found = {name: _times(before, name) for name in left}
        told += [
            _change(name, times, left.pop(name), summary.id)
            for name, times in found.items()
            if len(times) >= LEAST_TIMES
        ]
    return tuple(told)


def _times(results: QuantizationResults, name: str) -> list[float]:
    runs = (run for run in results.runs if run.configuration.name == name)
    return [run.time_s for run in runs if run.ok and run.time_s is not None]


def _change(name: str, before: list[float], now: list[float], run_id: str) -> str:
    low, point, high = (math.exp(x) for x in shift(np.log(before), np.log(now)))
    n = len(before) + len(now)
    found = Estimate(point=point, low=low, high=high, confidence=CONFIDENCE, n=n)
    if low > 1 + TOLERANCE:
        word = "slower"
    elif high < 1 / (1 + TOLERANCE):
        word = "faster"
    else:
        word = "no change shown"
    told = f"{name}: {word}, {ratio(found)} times the time of run {run_id}"
    return f"{told} (a hint: runs of different days are not paired)"
