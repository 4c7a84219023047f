"""The judged measurements of one run, by candidate and batch size. Pure."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from parbench_lab.core.runs import EventRecord, MeasurementRow

OTHER_PURPOSES = frozenset({"alone", "scout"})
FAULTS = frozenset({"wrong", "failed", "timed_out", "crashed", "out_of_memory"})

Place = tuple[str, int]
"""A candidate's name and a batch size in items."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What one candidate left at one batch size.

    Parameters
    ----------
    values
        Metric to its judged values, in the order in which they came.
    epochs
        Numbers of the epochs they are from.
    faults
        Outcome to how often it came.
    """

    values: Mapping[str, array[float]] = field(default_factory=dict)
    epochs: tuple[int, ...] = ()
    faults: Mapping[str, int] = field(default_factory=dict)


def samples_of(events: Iterable[EventRecord]) -> dict[Place, Sample]:
    """Return the samples of a run from its journal.

    As for the store's own figures: no warm-up, no blocks that ran for another purpose than the
    race. Epochs of one batch size are put together (what a race does when it returns to a size).
    """
    collected: dict[Place, _Collected] = {}
    passed_over: set[int] = set()
    for event in events:
        if event.kind == "TaskSent":
            passed_over |= _other_blocks(event.payload.get("blocks"))
        for row in event.measurements:
            if row.block not in passed_over and not row.warm_up:
                collected.setdefault((row.candidate, row.size), _Collected()).add(row)
    return {place: one.sample() for place, one in collected.items()}


class _Collected:
    def __init__(self) -> None:
        self.values: dict[str, array[float]] = {}
        self.epochs: dict[int, None] = {}
        self.faults: dict[str, int] = {}

    def add(self, row: MeasurementRow) -> None:
        if row.outcome in FAULTS:
            self.faults[row.outcome] = self.faults.get(row.outcome, 0) + 1
        if row.outcome != "ok":
            return
        self.epochs.setdefault(row.epoch)
        for name, value in row.values.items():
            self.values.setdefault(name, array("d")).append(value)

    def sample(self) -> Sample:
        return Sample(values=self.values, epochs=tuple(self.epochs), faults=self.faults)


def _other_blocks(blocks: object) -> set[int]:
    if not isinstance(blocks, (list, tuple)):
        return set()
    described = (block for block in blocks if isinstance(block, Mapping))
    return {b.get("number", -1) for b in described if b.get("purpose") in OTHER_PURPOSES}
