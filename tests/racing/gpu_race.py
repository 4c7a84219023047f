"""A race on model GPUs: the real state machine and the scripted executor, in virtual time."""

from __future__ import annotations

from collections import deque

import numpy as np

from parbench_lab.core.candidate import Candidate
from parbench_lab.core.metric import MEASURED_METRICS
from parbench_lab.core.ports import EventRecord, GpuSampled
from parbench_lab.elimination.registry import policy_by_name
from parbench_lab.racing import events, journal
from parbench_lab.racing.settings import Settings
from parbench_lab.racing.state import RaceState
from parbench_lab.testing import ScriptedExecutor


def seconds(mean):
    return lambda rng, case, block: mean * float(np.exp(rng.normal(0, 0.03)))


TIMINGS = {"fast": seconds(0.2), "slow": seconds(0.25)}


class GpuRace:
    """The engine's loop without its thread; `lag` of samples and noise are the model's."""

    def __init__(self, *gpus, n_workers=2, needs_gpu=True, silent=False, timings=None, **knobs):
        timings = timings or TIMINGS
        self.executor = ScriptedExecutor(timings, n_workers=n_workers, gpus=gpus, auto=False)
        self.make = lambda: RaceState(
            workload="simulated",
            metrics=MEASURED_METRICS,
            default_objectives=("wall_time_s",),
            policies=policy_by_name,
            settings=Settings(**{"interference_every_s": 0.0, "policy": "never", **knobs}),
            seed=0,
        )
        self.state = self.make()
        self.journal: list[EventRecord] = []
        self.facts: list[tuple[float, events.Fact]] = []
        self.most_at_once = 0
        self._silent = silent
        self._inbox: deque = deque()
        for name in timings:
            self.executor.publish(Candidate(name=name, function=abs))
            needs = {"GPU": 1.0} if needs_gpu else {}
            self.tell(events.CandidateAdded(candidate=name, resources=needs))
        self.executor.open(self._inbox.append, None)

    def tell(self, event):
        """Advance by one input, write the journal, carry out the commands."""
        if isinstance(event, GpuSampled) and not self.state.listens_to(event.gpu):
            return
        at_s = self.executor.now_s
        event = journal.storable(event)
        written = [journal.encode(event, self.state.dispatcher)]
        step = self.state.advance(event, at_s)
        written += [journal.encode(fact, self.state.dispatcher) for fact in step.facts]
        for kind, payload, rows in written:
            self.journal.append(
                EventRecord(
                    seq=len(self.journal), at_s=at_s, kind=kind, payload=payload, measurements=rows
                )
            )
        self.facts += [(at_s, fact) for fact in step.facts]
        self.most_at_once = max(self.most_at_once, len(self.state.active_workers()))
        for command in step.commands:
            if isinstance(command, events.Send):
                self.executor.submit(command.task)
            elif isinstance(command, events.Recall):
                self.executor.recall(command.task)

    def run(self, seconds):
        """Let so much virtual time pass."""
        end_s = self.executor.now_s + seconds
        while self.executor.now_s < end_s and self.state.ended is None:
            self._step()

    def _step(self):
        while self._inbox:
            event = self._inbox.popleft()
            if not (self._silent and isinstance(event, GpuSampled)):
                self.tell(event)
        tick_s = self.state.next_tick_s()
        if not self.executor.advance() and tick_s is not None:
            self.executor.now_s = max(self.executor.now_s, tick_s)
        if tick_s is not None and tick_s <= self.executor.now_s:
            self.tell(events.Ticked())

    def of(self, kind):
        """Return the facts of a kind."""
        return [fact for _, fact in self.facts if isinstance(fact, kind)]

    def blocks(self, gpu="GPU-0"):
        """Return how many blocks are in flight on a GPU now."""
        return self.state.devices[gpu].controller.blocks
