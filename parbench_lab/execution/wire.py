"""Tasks and measurements as plain tuples: a tenth of the cost of pickled dataclasses, and JSON."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from parbench_lab.core.block import Block, Case, Slot, Task
from parbench_lab.core.measurement import BlockResult, Measurement, Outcome
from parbench_lab.execution.program import TaskReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is sent to a worker with one task.

    Parameters
    ----------
    session
        Stands for the executor that sends it.
    workload
        Digest of the workload's payload.
    candidates
        Name to digest of the payload, for the candidates of the task.
    payloads
        Digest to pickled object: those the worker process does not have yet.
    flight
        Path of the file in which progress is recorded, "" for a file in the worker's own
        temporary folder.
    area
        Which area of that file is the task's.
    may_retire
        Whether somebody would replace this process.
    alone
        Whether it is there for measuring only, and not the executor's own process.
    memory_limit_bytes
        What the process may hold; None for no watch.
    ours
        Whether the process is the executor's; others may keep things in one that was given.
    """

    session: str
    task: Task
    workload: str
    candidates: Mapping[str, str]
    payloads: Mapping[str, bytes] = field(default_factory=dict)
    flight: str = ""
    area: int = 0
    may_retire: bool = False
    alone: bool = True
    memory_limit_bytes: int | None = None
    ours: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a worker answers: a report, or the digests it is missing."""

    report: TaskReport
    missing: tuple[str, ...] = ()


def dump_order(order: Order) -> bytes:
    """Return an order as bytes."""
    return pickle.dumps(
        (
            order.session,
            task_tuple(order.task),
            order.workload,
            dict(order.candidates),
            dict(order.payloads),
            order.flight,
            order.area,
            order.may_retire,
            order.alone,
            order.memory_limit_bytes,
            order.ours,
        ),
        protocol=5,
    )


def load_order(data: bytes) -> Order:
    """Return the order that `dump_order` made bytes of."""
    # it comes from the executor itself, through Dask, which unpickles whatever it is sent
    parts = pickle.loads(data)  # noqa: S301 - see above
    session, task, workload, candidates, payloads, flight, area, *about = parts
    may_retire, alone, memory_limit_bytes, ours = about
    return Order(
        session=session,
        task=task_of(task),
        workload=workload,
        candidates=candidates,
        payloads=payloads,
        flight=flight,
        area=area,
        may_retire=may_retire,
        alone=alone,
        memory_limit_bytes=memory_limit_bytes,
        ours=ours,
    )


def dump_reply(reply: Reply) -> bytes:
    """Return a reply as bytes."""
    report = reply.report
    results = [
        (
            r.number,
            r.worker,
            [measurement_tuple(m) for m in r.measurements],
            r.made_case_s,
            r.throttled,
        )
        for r in report.results
    ]
    return pickle.dumps(
        (results, report.unrun, report.retire, report.broken, reply.missing), protocol=5
    )


def load_reply(data: bytes) -> Reply:
    """Return the reply that `dump_reply` made bytes of."""
    results, unrun, retire, broken, missing = pickle.loads(data)  # noqa: S301 - as above
    report = TaskReport(
        results=tuple(
            BlockResult(
                number=number,
                worker=worker,
                measurements=tuple(measurement_of(m) for m in measurements),
                made_case_s=made_case_s,
                throttled=throttled,
            )
            for number, worker, measurements, made_case_s, throttled in results
        ),
        unrun=unrun,
        retire=retire,
        broken=broken,
    )
    return Reply(report=report, missing=missing)


def task_tuple(task: Task) -> tuple[Any, ...]:
    """Return a task as nested tuples."""
    blocks = [
        (
            b.number,
            b.epoch,
            (b.case.workload, b.case.size, b.case.seed),
            [(s.candidate, s.copy, s.repeats, s.check, s.timeout_s) for s in b.slots],
            b.purpose,
        )
        for b in task.blocks
    ]
    return task.number, task.worker, blocks, task.warmup, task.prime, task.memory


def task_of(parts: Sequence[Any]) -> Task:
    """Return the task that `task_tuple` took apart."""
    number, worker, blocks, warmup, prime, memory = parts
    return Task(
        number=number,
        worker=worker,
        blocks=tuple(_block_of(block) for block in blocks),
        warmup=warmup,
        prime=prime,
        memory=memory,
    )


def _block_of(parts: Sequence[Any]) -> Block:
    number, epoch, (workload, size, seed), slots, purpose = parts
    return Block(
        number=number,
        epoch=epoch,
        case=Case(workload=workload, size=size, seed=seed),
        slots=tuple(_slots_of(slots)),
        purpose=purpose,
    )


def _slots_of(slots: Iterable[Sequence[Any]]) -> Iterable[Slot]:
    for candidate, copy, repeats, check, timeout_s in slots:
        yield Slot(
            candidate=candidate, copy=copy, repeats=repeats, check=check, timeout_s=timeout_s
        )


def measurement_tuple(m: Measurement) -> tuple[Any, ...]:
    """Return a measurement as a tuple of JSON values."""
    return (
        m.candidate,
        m.outcome.value,
        m.values,
        m.copy,
        m.repeats,
        m.warm_up,
        m.checked,
        m.digest,
        m.message,
    )


def measurement_of(parts: Sequence[Any]) -> Measurement:
    """Return the measurement that `measurement_tuple` took apart."""
    candidate, outcome, values, copy, repeats, warm_up, checked, digest, message = parts
    return Measurement(
        candidate=candidate,
        outcome=Outcome(outcome),
        values=values,
        copy=copy,
        repeats=repeats,
        warm_up=warm_up,
        checked=checked,
        digest=digest,
        message=message,
    )
