"""A world for the state machine: virtual time, simulated workers, candidates by formula.

Everything goes through `RaceState.advance`, so what is tested is what decides real races.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Mapping

import numpy as np

from parbench_lab.core.block import Block, Slot, Task
from parbench_lab.core.measurement import BlockResult, Measurement, Outcome
from parbench_lab.core.metric import MEASURED_METRICS, Metric
from parbench_lab.core.ports import EventRecord, TaskEnded, WorkerInfo, WorkerJoined, WorkerLeft
from parbench_lab.elimination.registry import policy_by_name
from parbench_lab.racing import events, journal
from parbench_lab.racing.settings import Settings
from parbench_lab.racing.state import RaceState

Run = Callable[[np.random.Generator, Slot, Block], Measurement]


def timed(seconds: float, sd: float = 0.03) -> Run:
    """A candidate with log-normal noise; it takes `seconds` for 1000 items, in proportion."""

    def run(rng: np.random.Generator, slot: Slot, block: Block) -> Measurement:
        value = seconds * block.case.size / 1000 * float(np.exp(rng.normal(0, sd)))
        return Measurement(
            candidate=slot.candidate,
            copy=slot.copy,
            outcome=Outcome.OK,
            values={"wall_time_s": value, "peak_rss_bytes": 1e6},
            repeats=slot.repeats,
            checked=slot.check,
        )

    return run


def failing(outcome: Outcome, message: str = "a fault", seconds: float = 0.001) -> Run:
    def run(rng: np.random.Generator, slot: Slot, block: Block) -> Measurement:
        return Measurement(
            candidate=slot.candidate,
            copy=slot.copy,
            outcome=outcome,
            values={"wall_time_s": seconds},
            message=message,
        )

    return run


class Simulation:
    """A race of simulated candidates on simulated workers."""

    def __init__(
        self,
        candidates: Mapping[str, Run],
        *,
        n_workers: int = 2,
        seed: int = 0,
        metrics: Mapping[str, Metric] | None = None,
        objectives: tuple[str, ...] = ("wall_time_s",),
        **knobs: object,
    ) -> None:
        self.runs = dict(candidates)
        self.rng = np.random.default_rng(seed)
        self.make = lambda: RaceState(
            workload="simulated",
            metrics={**MEASURED_METRICS, **(metrics or {})},
            default_objectives=objectives,
            policies=policy_by_name,
            settings=Settings(**{"interference_every_s": 0.0, **knobs}),
            seed=seed,
        )
        self.state = self.make()
        self.now_s = 0.0
        self.journal: list[EventRecord] = []
        self.facts: list[events.Fact] = []
        self.sent: list[Task] = []
        self.recalled = -1
        self.dead: set[int] = set()
        self.busy_until: dict[str, float] = {}
        self._ends: list[tuple[float, int, TaskEnded]] = []
        self._count = itertools.count()
        for name in candidates:
            self.tell(events.CandidateAdded(candidate=name))
        for index in range(n_workers):
            self.join(f"cpu-{index}")

    # ------------------------------------------------------------ inputs

    def tell(self, event: events.Input) -> None:
        """Advance by one input, write the journal, carry out the commands."""
        kind, payload, rows = journal.encode(event, self.state.dispatcher)
        step = self.state.advance(event, self.now_s)
        written = [(kind, payload, rows)]
        written += [journal.encode(fact, self.state.dispatcher) for fact in step.facts]
        for kind, payload, rows in written:
            self.journal.append(
                EventRecord(
                    seq=len(self.journal),
                    at_s=self.now_s,
                    kind=kind,
                    payload=payload,
                    measurements=rows,
                )
            )
        self.facts += step.facts
        for command in step.commands:
            if isinstance(command, events.Send):
                self._start(command.task)
            elif isinstance(command, events.Recall):
                self.recalled = command.task

    def join(self, name: str, **resources: float) -> None:
        info = WorkerInfo(name=name, process=name, local=True, resources=resources)
        self.busy_until[name] = self.now_s
        self.tell(WorkerJoined(worker=info))

    def leave(self, name: str) -> None:
        for at_s, index, ended in sorted(self._ends):
            if ended.worker == name:
                self._ends.remove((at_s, index, ended))
                self.tell(TaskEnded(task=ended.task, worker=name, unrun=_numbers(ended)))
        heapq.heapify(self._ends)
        self.tell(WorkerLeft(worker=name, reason="killed"))

    # ------------------------------------------------------------ running

    def run(self, *, until: Callable[[], bool], most: int = 200_000) -> None:
        """Let tasks end in the order of time until the condition holds."""
        for _ in range(most):
            if until() or self.state.ended is not None:
                return
            self.step()
        raise AssertionError(f"not reached: {self.state.phase} {self.facts[-3:]}")

    def step(self) -> None:
        tick_s = self.state.next_tick_s()
        if self._ends and (tick_s is None or self._ends[0][0] <= tick_s):
            at_s, _, ended = heapq.heappop(self._ends)
            self.now_s = max(self.now_s, at_s)
            self.tell(ended)
        elif tick_s is not None:
            self.now_s = max(self.now_s, tick_s)
            self.tell(events.Ticked())
        else:
            raise AssertionError(f"nothing left to happen in phase {self.state.phase}")

    def judged(self, count: int) -> Callable[[], bool]:
        return lambda: self.state.ledger.judged >= count

    def decided(self) -> bool:
        return self.state.phase == "watching"

    def of(self, kind: type) -> list:
        return [fact for fact in self.facts if isinstance(fact, kind)]

    def _start(self, task: Task) -> None:
        self.sent.append(task)
        start_s = max(self.now_s, self.busy_until[task.worker])
        results, spent_s, unrun = [], 0.0, []
        for block in task.blocks:
            if task.number <= self.recalled:
                unrun.append(block.number)
                continue
            measured = [self.runs[s.candidate](self.rng, s, block) for s in block.slots]
            spent_s += sum(m.values.get("wall_time_s", 0.0) * m.repeats for m in measured)
            results.append(
                BlockResult(number=block.number, worker=task.worker, measurements=tuple(measured))
            )
        self.busy_until[task.worker] = start_s + spent_s
        ended = TaskEnded(
            task=task.number, worker=task.worker, results=tuple(results), unrun=tuple(unrun)
        )
        heapq.heappush(self._ends, (start_s + spent_s, next(self._count), ended))


def _numbers(ended: TaskEnded) -> tuple[int, ...]:
    return (*[result.number for result in ended.results], *ended.unrun)
