"""Blocks made, numbered, sent, given back, and judged in the order of dispatch. Pure.

Completion order depends on durations and would bias the evidence: a finished block waits here
for those sent before it. A block that will never come back (recalled, its batch size given up)
is void and holds nobody up.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from parbench_lab.core.block import Block, Case, Purpose, Slot, Task
from parbench_lab.core.measurement import BlockResult
from parbench_lab.racing.ledger import Ledger
from parbench_lab.racing.roster import Roster
from parbench_lab.racing.settings import Settings

_ORDERS, _SCOUTS, _CASES = range(3)
"""What is drawn, each from a stream of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A block with what was decided about it beforehand.

    `counted_copy` names the copy of the leader that counts in a canary block (a coin's toss);
    `challenger` is retested in it.
    """

    block: Block
    ledger: Ledger
    counted_copy: int = 0
    challenger: str | None = None

    @property
    def judged(self) -> bool:
        """Whether the block takes part in the evidence."""
        return self.block.purpose != "scout"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the next race block shall hold."""

    names: tuple[str, ...]
    purpose: Purpose = "race"
    canary: str | None = None
    challenger: str | None = None


class Dispatcher:
    """Makes blocks from the race's seed and hands them back in the order of dispatch.

    The order within the n-th judged block, the coin of its canary and the n-th case follow from
    the seed and from who entered when: neither how fast anybody was nor who is out by then
    changes the order of the others.
    """

    def __init__(self, *, workload: str, seed: int, roster: Roster) -> None:
        self._workload = workload
        self._seed = seed
        self._roster = roster
        self._next_block = 0
        self._drawn = {_ORDERS: 0, _SCOUTS: 0, _CASES: 0}
        self._next_task = 0
        self._plans: dict[int, Plan] = {}
        self._order: deque[int] = deque()
        self._arrived: dict[int, BlockResult | None] = {}
        self._resend: deque[Plan] = deque()
        self.tasks: dict[int, Task] = {}

    @property
    def last_task(self) -> int:
        """Number of the newest task, -1 before the first."""
        return self._next_task - 1

    @property
    def next_block(self) -> int:
        """Number the next new block will have."""
        return self._next_block

    @property
    def waiting(self) -> int:
        """Finished blocks that wait for earlier ones."""
        return len(self._arrived)

    def plan(self, number: int) -> Plan | None:
        """Return a block's plan while it is not judged yet."""
        return self._plans.get(number)

    # ------------------------------------------------------------ making

    def new_plan(
        self, wish: Wish, *, epoch: int, ledger: Ledger, settings: Settings, always_check: bool
    ) -> Plan:
        """Draw a block: its case, its order, and which copy of a canary counts."""
        limit_s = ledger.time_limit_s(self._roster.fit(), settings)
        entries = [(name, 0) for name in wish.names]
        if wish.canary is not None:
            entries.append((wish.canary, 1))
        if wish.challenger is not None:
            entries.append((wish.challenger, 0))
        coin, second, places = self._draw(_SCOUTS if wish.purpose == "scout" else _ORDERS)
        slots = tuple(
            Slot(
                candidate=name,
                copy=copy,
                repeats=ledger.repeats(name),
                check=self._roster[name].next_check(settings.check_every, always=always_check),
                timeout_s=self._slot_limit_s(name, limit_s, ledger, settings),
            )
            for name, copy in sorted(
                entries, key=lambda entry: second if entry[1] else places[entry[0]]
            )
        )
        block = Block(
            number=self._next_block,
            epoch=epoch,
            case=self._case(ledger, ledger.block_s(wish.names)),
            slots=slots,
            purpose=wish.purpose,
        )
        self._next_block += 1
        counted = coin if wish.canary is not None else 0
        plan = Plan(block=block, ledger=ledger, counted_copy=counted, challenger=wish.challenger)
        self._plans[block.number] = plan
        if plan.judged:
            self._order.append(block.number)
        return plan

    def _draw(self, stream: int) -> tuple[int, float, dict[str, float]]:
        """Return a coin, the place of a second copy, and that of everybody by name."""
        rng = self._rng(stream)
        coin, second = int(rng.integers(2)), float(rng.random())
        drawn = zip(self._roster, rng.random(len(self._roster)).tolist(), strict=True)
        return coin, second, {entrant.name: place for entrant, place in drawn}

    def _rng(self, stream: int) -> np.random.Generator:
        """Return what draws the next of a stream; streams know nothing of each other."""
        self._drawn[stream] += 1
        return np.random.default_rng([self._seed, stream, self._drawn[stream]])

    def _slot_limit_s(
        self, name: str, limit_s: float, ledger: Ledger, settings: Settings
    ) -> float:
        return ledger.slot_limit_s(name, limit_s) * self._patience(name, ledger, settings)

    def _patience(self, name: str, ledger: Ledger, settings: Settings) -> int:
        """Return how many time limits a candidate gets.

        Two more for each failure before it came back for the first time: what it imports may take
        longer than others' runs.
        """
        if settings.timeout_s is not None or ledger.typical_s(name) is not None:
            return 1
        return 1 + 2 * self._roster[name].failures

    def task(self, worker: str, plans: Sequence[Plan], settings: Settings) -> Task:
        """Wrap blocks into the next task."""
        task = Task(
            number=self._next_task,
            worker=worker,
            blocks=tuple(plan.block for plan in plans),
            warmup=settings.warmup,
            prime=settings.prime,
            memory=any(_is_about_memory(plan.ledger, settings) for plan in plans),
        )
        self._next_task += 1
        self.tasks[task.number] = task
        return task

    def _case(self, ledger: Ledger, block_s: float | None) -> Case:
        if ledger.case_left <= 0:
            ledger.case_seed = int(self._rng(_CASES).integers(2**32))
            ledger.case_left = ledger.blocks_per_case(block_s)
        ledger.case_left -= 1
        return Case(workload=self._workload, size=ledger.batch_size, seed=ledger.case_seed)

    # ------------------------------------------------------------ coming back

    def arrive(self, result: BlockResult) -> None:
        """Take a block's result; unjudged ones are done with."""
        plan = self._plans[result.number]
        if plan.judged:
            self._arrived[result.number] = result
        else:
            del self._plans[result.number]

    def give_back(self, number: int, *, wanted: Ledger | None, settings: Settings) -> Plan | None:
        """Take back a block that was never begun; return its plan if it was a scout's.

        It is sent again in its order, less candidates that are out and with the time limits of
        now, while its batch size is still `wanted`; else it is void. A block that was to run
        alone comes back into company.
        """
        plan = self._plans.get(number)
        if plan is None:
            return None
        if not plan.judged:
            return self._plans.pop(number)
        ledger = plan.ledger
        kept = [slot for slot in plan.block.slots if self._roster[slot.candidate].fit]
        if ledger is not wanted or not kept:
            self._arrived[number] = None
            return None
        limit_s = ledger.time_limit_s(self._roster.fit(), settings)
        slots = tuple(
            dataclasses.replace(
                slot, timeout_s=self._slot_limit_s(slot.candidate, limit_s, ledger, settings)
            )
            for slot in kept
        )
        purpose: Purpose = "race" if plan.block.purpose == "alone" else plan.block.purpose
        block = dataclasses.replace(plan.block, slots=slots, purpose=purpose)
        again = dataclasses.replace(plan, block=block)
        self._plans[number] = again
        self._resend.append(again)
        return None

    def void_resends(self, keep: Ledger) -> None:
        """Give up blocks that wait to be sent again for another batch size."""
        kept = deque(plan for plan in self._resend if plan.ledger is keep)
        for plan in self._resend:
            if plan.ledger is not keep:
                self._arrived[plan.block.number] = None
        self._resend = kept

    def take_resends(self, most: int) -> list[Plan]:
        """Return up to `most` blocks to be sent again, in order of number."""
        self._resend = deque(sorted(self._resend, key=lambda plan: plan.block.number))
        return [self._resend.popleft() for _ in range(min(most, len(self._resend)))]

    def judgeable(self) -> Iterator[tuple[Plan, BlockResult]]:
        """Yield finished blocks in the order of dispatch, up to the first still out."""
        while self._order and self._order[0] in self._arrived:
            number = self._order.popleft()
            result = self._arrived.pop(number)
            plan = self._plans.pop(number)
            if result is not None:
                yield plan, result


def _is_about_memory(ledger: Ledger, settings: Settings) -> bool:
    metrics = [metric.name for metric in ledger.objectives]
    return any("peak_" in text for text in (*metrics, *settings.constraints))
