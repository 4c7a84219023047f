"""Events as they are stored and read back: JSON and flat rows, never pickles. Pure.

The journal holds inputs and facts side by side. `replay` feeds the inputs alone to a fresh state
machine and compares the facts it draws with those that were written.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from parbench_lab.core.block import Block, Task
from parbench_lab.core.measurement import BlockResult, Measurement, Outcome, Suspicion
from parbench_lab.core.ports import (
    EventRecord,
    ExecutorFailed,
    GpuSampled,
    MeasurementRow,
    TaskEnded,
    WorkerInfo,
    WorkerJoined,
    WorkerLeft,
)
from parbench_lab.errors import StoreError
from parbench_lab.racing import events
from parbench_lab.racing.dispatch import Dispatcher
from parbench_lab.racing.state import RaceState

_PLAIN_INPUTS = {
    kind.__name__: kind
    for kind in (
        WorkerLeft,
        ExecutorFailed,
        GpuSampled,
        events.SettingsChanged,
        events.CandidateAdded,
        events.CandidateDropped,
        events.CandidateBroughtBack,
        events.Paused,
        events.Resumed,
        events.LimitsSet,
        events.Stopped,
        events.NotePinned,
        events.TakenUp,
        events.Ticked,
    )
}
INPUT_KINDS = frozenset({*_PLAIN_INPUTS, "WorkerJoined", "TaskEnded"})


def storable(event: events.Input) -> events.Input:
    """Return the event without values that are no finite numbers (a check may return any)."""
    if isinstance(event, GpuSampled):
        return _finite_sample(event)
    if not isinstance(event, TaskEnded):
        return event
    if all(_is_storable(m) for result in event.results for m in result.measurements):
        return event
    results = tuple(
        dataclasses.replace(result, measurements=tuple(_finite(m) for m in result.measurements))
        for result in event.results
    )
    return dataclasses.replace(event, results=results)


def _finite_sample(sample: GpuSampled) -> GpuSampled:
    figures = (sample.utilization_percent, sample.memory_used_bytes, sample.memory_bytes)
    utilization, used, total = (_finite_or_none(value) for value in figures)
    if (utilization, used, total) == figures:
        return sample
    return dataclasses.replace(
        sample, utilization_percent=utilization, memory_used_bytes=used, memory_bytes=total
    )


def _finite_or_none(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _is_storable(measurement: Measurement) -> bool:
    return all(math.isfinite(value) for value in measurement.values.values())


def _finite(measurement: Measurement) -> Measurement:
    kept = {name: float(v) for name, v in measurement.values.items() if math.isfinite(v)}
    return dataclasses.replace(measurement, values=kept)


# ---------------------------------------------------------------- writing


def encode(
    event: events.Input | events.Fact, dispatcher: Dispatcher
) -> tuple[str, dict[str, Any], tuple[MeasurementRow, ...]]:
    """Return kind, payload and measurement rows of an event, before it is advanced upon.

    The dispatcher tells epoch and size of the blocks a task brought back.
    """
    kind = type(event).__name__
    match event:
        case TaskEnded():
            payload = {
                "task": event.task,
                "worker": event.worker,
                "blocks": [[result.number, result.made_case_s] for result in event.results],
                "unrun": list(event.unrun),
                "suspicion": _jsonable(event.suspicion and dataclasses.asdict(event.suspicion)),
            }
            if throttled := {
                str(r.number): list(r.throttled) for r in event.results if r.throttled
            }:
                payload["throttled"] = throttled
            return kind, payload, tuple(_rows(event, dispatcher))
        case events.TaskSent():
            return kind, _task_payload(event.task), ()
        case _:
            return kind, _jsonable(dataclasses.asdict(event)), ()


def _rows(event: TaskEnded, dispatcher: Dispatcher) -> Iterable[MeasurementRow]:
    for result in event.results:
        plan = dispatcher.plan(result.number)
        epoch = plan.block.epoch if plan else -1
        size = plan.block.case.size if plan else -1
        for slot, measurement in enumerate(result.measurements):
            yield MeasurementRow(
                block=result.number,
                slot=slot,
                epoch=epoch,
                candidate=measurement.candidate,
                copy=measurement.copy,
                size=size,
                worker=result.worker,
                outcome=measurement.outcome.value,
                warm_up=measurement.warm_up,
                checked=measurement.checked,
                repeats=measurement.repeats,
                values=measurement.values,
                digest=measurement.digest,
                message=measurement.message,
            )


def _task_payload(task: Task) -> dict[str, Any]:
    return {
        "task": task.number,
        "worker": task.worker,
        "warmup": task.warmup,
        "prime": task.prime,
        "memory": task.memory,
        "blocks": [_block_payload(block) for block in task.blocks],
    }


def _block_payload(block: Block) -> dict[str, Any]:
    return {
        "number": block.number,
        "epoch": block.epoch,
        "size": block.case.size,
        "seed": block.case.seed,
        "purpose": block.purpose,
        "slots": [
            [slot.candidate, slot.copy, slot.repeats, slot.check, slot.timeout_s]
            for slot in block.slots
        ],
    }


def _jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _jsonable(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(inner) for inner in value]
    if isinstance(value, str):
        # as it is read back: JSON joins two halves of a surrogate pair
        return value if value.isascii() else json.loads(json.dumps(value))
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    return repr(value)


# ---------------------------------------------------------------- reading


def decode(record: EventRecord) -> events.Input | None:
    """Return the input a record holds, None where it holds a fact.

    Raises
    ------
    StoreError
        If the record is malformed.
    """
    if record.kind not in INPUT_KINDS:
        return None
    payload = dict(record.payload)
    try:
        if record.kind == "WorkerJoined":
            return WorkerJoined(worker=WorkerInfo(**payload["worker"]))
        if record.kind == "TaskEnded":
            return _task_ended(payload, record.measurements)
        return _PLAIN_INPUTS[record.kind](**payload)
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"event {record.seq} ({record.kind}) is malformed: {error}") from error


def _task_ended(payload: Mapping[str, Any], rows: Sequence[MeasurementRow]) -> TaskEnded:
    by_block: dict[int, list[Measurement]] = defaultdict(list)
    for row in rows:
        by_block[row.block].append(
            Measurement(
                candidate=row.candidate,
                outcome=Outcome(row.outcome),
                values=dict(row.values),
                copy=row.copy,
                repeats=row.repeats,
                warm_up=row.warm_up,
                checked=row.checked,
                digest=row.digest,
                message=row.message,
            )
        )
    suspicion = payload["suspicion"]
    throttled = payload.get("throttled", {})
    return TaskEnded(
        task=payload["task"],
        worker=payload["worker"],
        results=tuple(
            BlockResult(
                number=number,
                worker=payload["worker"],
                measurements=tuple(by_block[number]),
                made_case_s=made_case_s,
                throttled=tuple(throttled.get(str(number), ())),
            )
            for number, made_case_s in payload["blocks"]
        ),
        unrun=tuple(payload["unrun"]),
        suspicion=Suspicion(**suspicion) if suspicion else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What a replay found: how far it came, and where it disagreed with the journal."""

    next_seq: int
    at_s: float
    mismatches: tuple[str, ...]


def replay(
    records: Iterable[EventRecord],
    state: RaceState,
    *,
    look: Callable[[EventRecord, Sequence[events.Input | events.Fact]], None] | None = None,
) -> Replay:
    """Feed a journal's inputs to a fresh state and compare the facts.

    Parameters
    ----------
    records
        In order.
    state
        Made from the run's header as at its start; it is advanced in place.
    look
        Called after each input with its record, and with the input and the facts it led to.
    """
    expected: list[tuple[str, Any]] = []
    mismatches: list[str] = []
    next_seq, at_s = 0, 0.0
    for record in records:
        next_seq, at_s = record.seq + 1, record.at_s
        event = decode(record)
        if event is None:
            fact = (record.kind, dict(record.payload))
            if not expected:
                mismatches.append(f"event {record.seq}: {record.kind} was not drawn again")
            elif (drawn := expected.pop(0)) != fact:
                mismatches.append(f"event {record.seq}: {record.kind} was drawn as {drawn[0]}")
            continue
        mismatches += [f"before event {record.seq}: {kind} is new" for kind, _ in expected]
        step = state.advance(event, record.at_s)
        if look is not None:
            look(record, (event, *step.facts))
        expected = [encode(fact, state.dispatcher)[:2] for fact in step.facts]
    mismatches += [f"at the end: {kind} is new" for kind, _ in expected]
    return Replay(next_seq=next_seq, at_s=at_s, mismatches=tuple(mismatches))
