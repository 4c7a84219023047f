"""The judged measurements of one run, by candidate, batch size and stretch of it. Pure."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from parbench_lab.core.runs import BECAME_SLOWER, EventRecord, MeasurementRow

OTHER_PURPOSES = frozenset({"alone", "scout"})
FAULTS = frozenset({"wrong", "failed", "timed_out", "crashed", "out_of_memory"})
PUT_OUT = "put out"

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
    stretches
        The same in parts, oldest first, where the race came back to the batch size or somebody
        became slower there: a part for each time that it stayed, and stayed as quick. Empty where
        there is one.
    """

    values: Mapping[str, array[float]] = field(default_factory=dict)
    epochs: tuple[int, ...] = ()
    faults: Mapping[str, int] = field(default_factory=dict)
    stretches: tuple[Sample, ...] = ()

    @property
    def parts(self) -> tuple[Sample, ...]:
        """The stretches, or itself where there is one only."""
        return self.stretches or (self,)


def samples_of(events: Iterable[EventRecord]) -> dict[Place, Sample]:
    """Return the samples of a run from its journal.

    As for the store's own figures: no warm-up, no blocks that ran for another purpose than the
    race, none whose plan is not known; none of a batch size below 1, which older stores took in.
    Epochs of one batch size that follow each other are one stretch; one that began after another
    size is a further one, and so is one that began because somebody had become slower: its
    figures are of other times. What else begins an epoch (objectives, somebody's return) changes
    no figures. Wrong results count wherever they came. Who failed before anything of it
    was judged has a sample of its faults alone; who was put out for a fault without any
    measurement (its workers died) has one at every size of the run, of the fault `PUT_OUT`.
    """
    collected: dict[tuple[Place, int], _Collected] = {}
    early: dict[Place, _Collected] = {}
    out: dict[str, str] = {}
    passed_over: set[int] = set()
    slower: set[int] = set()
    for event in events:
        if event.kind == "TaskSent":
            passed_over |= _other_blocks(event.payload.get("blocks"))
        elif event.kind == "EpochOpened":
            slower |= _begun_slower(event.payload)
        elif event.kind == "Eliminated":
            out[str(event.payload.get("candidate"))] = str(event.payload.get("cause"))
        for row in event.measurements:
            if row.epoch < 0 or row.size < 1:
                continue
            place = row.candidate, row.size
            judged = row.block not in passed_over and not row.warm_up
            # a wrong result is final, whenever it comes; other first failures are forgiven
            if judged or row.outcome == "wrong":
                collected.setdefault((place, row.epoch), _Collected()).add(row)
            elif row.outcome in FAULTS:
                early.setdefault(place, _Collected()).add(row)
    stretches = stretches_of(((epoch, size) for (_, size), epoch in collected), slower)
    gathered: dict[Place, dict[int, _Collected]] = {}
    for (place, epoch), one in sorted(collected.items(), key=lambda item: item[0][1]):
        parts = gathered.setdefault(place, {})
        parts.setdefault(stretches[epoch, place[1]], _Collected()).extend(one)
    found = {place: _sample(list(parts.values())) for place, parts in gathered.items()}
    # who is out by its first runs would seem not to have raced; who is not would have had others
    faulty = {place: one.sample() for place, one in early.items() if place[0] in out}
    known = faulty | found
    seen, sizes = {name for name, _ in known}, {size for _, size in known}
    unseen = [name for name, cause in out.items() if cause == "fault" and name not in seen]
    return known | {(name, size): Sample(faults={PUT_OUT: 1}) for name in unseen for size in sizes}


def stretches_of(
    seen: Iterable[tuple[int, int]], slower: Collection[int] = ()
) -> dict[tuple[int, int], int]:
    """Return which of the stretches of its batch size an epoch belongs to, from 0.

    Parameters
    ----------
    seen
        Epoch and batch size, in any order and as often as they come.
    slower
        Epochs that began because somebody had become slower.

    Examples
    --------
    >>> stretches_of([(0, 10), (1, 10), (2, 500), (3, 10)])
    {(0, 10): 0, (1, 10): 0, (2, 500): 0, (3, 10): 1}
    >>> stretches_of([(0, 10), (1, 10)], slower={1})
    {(0, 10): 0, (1, 10): 1}
    """
    sizes: dict[int, set[int]] = {}
    for epoch, size in seen:
        sizes.setdefault(epoch, set()).add(size)
    found: dict[tuple[int, int], int] = {}
    number: dict[int, int] = {}
    last: dict[int, int] = {}
    left: set[int] = set()
    for epoch, at in sorted(sizes.items()):
        for size in sorted(at):
            # the epoch that began so may have been left again before anything of it was judged
            changed = any(last.get(size, epoch) < begun <= epoch for begun in slower)
            number[size] = number.get(size, 0) + (size in left or changed)
            last[size] = epoch
            found[epoch, size] = number[size]
        left = number.keys() - at
    return found


def _sample(parts: list[_Collected]) -> Sample:
    if len(parts) == 1:
        return parts[0].sample()
    whole = _Collected()
    for part in parts:
        whole.extend(part)
    return replace(whole.sample(), stretches=tuple(part.sample() for part in parts))


class _Collected:
    def __init__(self) -> None:
        self.values: dict[str, array[float]] = {}
        self.epochs: dict[int, None] = {}
        self.faults: dict[str, int] = {}

    def add(self, row: MeasurementRow) -> None:
        self.epochs.setdefault(row.epoch)
        if row.outcome in FAULTS:
            self.faults[row.outcome] = self.faults.get(row.outcome, 0) + 1
        if row.outcome != "ok":
            return
        for name, value in row.values.items():
            self.values.setdefault(name, array("d")).append(value)

    def extend(self, later: _Collected) -> None:
        for name, values in later.values.items():
            self.values.setdefault(name, array("d")).extend(values)
        self.epochs |= later.epochs
        for outcome, times in later.faults.items():
            self.faults[outcome] = self.faults.get(outcome, 0) + times

    def sample(self) -> Sample:
        return Sample(values=self.values, epochs=tuple(self.epochs), faults=self.faults)


def _begun_slower(payload: Mapping[str, object]) -> set[int]:
    epoch, why = payload.get("epoch"), payload.get("why")
    return {epoch} if isinstance(epoch, int) and str(why).endswith(BECAME_SLOWER) else set()


def _other_blocks(blocks: object) -> set[int]:
    if not isinstance(blocks, (list, tuple)):
        return set()
    described = (block for block in blocks if isinstance(block, Mapping))
    return {b.get("number", -1) for b in described if b.get("purpose") in OTHER_PURPOSES}
