"""Measurements that no run gave: of slots that were not run, of runs that failed afterwards."""

from __future__ import annotations

from parbench_lab.core.block import Block, Slot, Task
from parbench_lab.core.measurement import BlockResult, Measurement, Outcome


def nothing_run(task: Task, block: Block) -> BlockResult:
    """Return a block without a measurement."""
    return BlockResult(number=block.number, worker=task.worker, measurements=())


def not_run(slot: Slot, outcome: Outcome, *, message: str, checked: bool = False) -> Measurement:
    """Return the outcome of a slot whose candidate was not run."""
    return Measurement(
        candidate=slot.candidate,
        outcome=outcome,
        copy=slot.copy,
        repeats=slot.repeats,
        checked=checked,
        message=message,
    )


def failed_afterwards(measurement: Measurement, outcome: Outcome, message: str) -> Measurement:
    """Return a measurement turned into a failure, without its values."""
    return Measurement(
        candidate=measurement.candidate,
        outcome=outcome,
        copy=measurement.copy,
        repeats=measurement.repeats,
        message=message,
    )


def slot_index(block: Block, name: str) -> int:
    """Return the slot in which a candidate runs, the first one where it is not in the block."""
    names = [slot.candidate for slot in block.slots]
    return names.index(name) if name in names else 0


def threads(n: int) -> str:
    """Return a number of threads.

    Examples
    --------
    >>> threads(1), threads(3)
    ('a thread', '3 threads')
    """
    return "a thread" if n == 1 else f"{n} threads"
