"""The race as a state machine: events in, facts and commands out.

Rule 1: everything that decides the course of a race lives here (and in the pure parts it calls).
Rule 2: no I/O, clock or hidden randomness here, so a race can be replayed from its journal.

`advance` takes one input with the race time at which it happened and returns what follows from
it: facts (for the journal and for people) and commands (for the shell).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from parbench_lab.analysis.diagnosis import Canary
from parbench_lab.core.ports import (
    ExecutorFailed,
    GpuSampled,
    TaskEnded,
    WorkerJoined,
    WorkerLeft,
)
from parbench_lab.racing import events, intake, judging, regulation, sending
from parbench_lab.racing.race import Race, Worker
from parbench_lab.racing.roster import Entrant

RATE_WINDOW_S = 5.0
_TOUCHES = (
    WorkerJoined,
    events.SettingsChanged,
    events.CandidateAdded,
    events.CandidateBroughtBack,
    events.Resumed,
    events.TakenUp,
)
"""Inputs after which somebody waits for the next measurements."""

_OF_WHAT_IS_QUEUED = ("max_concurrent", "timeout_s")
"""Settings that blocks were sent under: who has not begun one by then gives it back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What follows from one input."""

    facts: tuple[events.Fact, ...] = ()
    commands: tuple[events.Command, ...] = ()


class RaceState(Race):
    """A race and its one verb."""

    def advance(self, event: events.Input, at_s: float) -> Step:
        """Take one input at race time `at_s` and return what follows from it."""
        if self.ended is not None and not (self.resumable and isinstance(event, events.TakenUp)):
            return Step()
        self._pass_time(at_s)
        self.facts, self.commands = [], []
        if isinstance(event, _TOUCHES):
            self.touched_s = self.at_s
        self._take(event)
        if self.ended is None:
            self._conclude()
        if self.ended is None:
            regulation.keep_within(self)
            sending.fill(self)
            regulation.watch(self)
        return Step(facts=tuple(self.facts), commands=tuple(self.commands))

    def listens_to(self, gpu: str) -> bool:
        """Return whether samples of this GPU decide anything now; others are not journalled."""
        return self.ended is None and regulation.listens_to(self, gpu)

    def next_tick_s(self) -> float | None:
        """Return the race time at which a `Ticked` is wanted, None where events suffice."""
        wanted = [self.limits.until_s] if self.limits.until_s is not None else []
        if self.phase == "watching" and not self.in_flight():
            wanted.append(self.next_watch_s)
        if self.wake_s is not None and self.wake_s > self.at_s:
            wanted.append(self.wake_s)
        return min(wanted, default=None)

    def _take(self, event: events.Input) -> None:  # noqa: C901, PLR0912 - one line a kind
        match event:
            case WorkerJoined():
                self.workers[event.worker.name] = Worker(info=event.worker)
                self.had_workers = True
                regulation.joined(self, event.worker)
            case GpuSampled():
                regulation.sampled(self, event)
            case WorkerLeft():
                intake.worker_left(self, event)
            case TaskEnded():
                intake.task_ended(self, event)
            case ExecutorFailed():
                self.lose_cluster(event.reason)
            case events.SettingsChanged():
                self._change(event)
            case events.CandidateAdded():
                self._add(event)
            case events.CandidateDropped():
                self._drop(event.candidate)
            case events.CandidateBroughtBack():
                self._bring_back(event.candidate)
            case events.Paused():
                self.phase = "paused"
                self.recall()
            case events.Resumed():
                self._resume()
            case events.TakenUp():
                self._take_up()
            case events.LimitsSet():
                self.limits = event
            case events.Stopped():
                self.end("stopped", event.reason)
            case events.Ticked() | events.NotePinned():
                pass
            case _ as never:
                assert_never(never)

    def _change(self, event: events.SettingsChanged) -> None:
        before = self.settings
        self.settings = before.replace(**event.changes)
        if "policy" in event.changes:  # the same name may mean another instance by now
            self.policy = self.policy_of(self.settings.policy)
        why = [
            f"{name} {getattr(before, name)} -> {getattr(self.settings, name)}"
            for name in ("batch_size", "objectives")
            if getattr(before, name) != getattr(self.settings, name)
        ]
        if why:
            self.open_epoch(", ".join(why))
            return
        if any(getattr(before, n) != getattr(self.settings, n) for n in _OF_WHAT_IS_QUEUED):
            self.recall()
        if self.phase == "watching":
            judging.reopen_if_undecided(self, "the settings changed")

    def _add(self, event: events.CandidateAdded) -> None:
        self.roster.enter(
            Entrant(
                name=event.candidate,
                resources=event.resources,
                import_string=event.import_string,
                parameters=event.parameters,
            )
        )
        self.reopen(f"{event.candidate} entered")

    def _drop(self, name: str) -> None:
        entrant = self.roster[name]
        if not entrant.fit:
            return
        if [other for other in self.racing_names() if other != name]:
            self.put_out(entrant, "hand", "dropped by hand (outside the guarantee)")
        else:
            self.refuse(name, "dropped by hand", "the last survivor is never dropped")

    def _bring_back(self, name: str) -> None:
        entrant = self.roster[name]
        entrant.out, entrant.reason, entrant.failures = "", "", 0
        if name in self.ledger.record.names and name not in self.ledger.record.survivors:
            self.ledger.record.bring_back(name)
            self.ledger.beaten.discard(name)
            self.ledger.final_ratios.pop(name, None)
        self.facts.append(events.Returned(candidate=name, reason="brought back by hand"))
        self.reopen(f"{name} is back")

    def _resume(self) -> None:
        if self.suspended:
            self.suspended = ""
            self.ledger.canary = Canary()
        if self.phase == "paused":
            self.phase = "racing"

    def _take_up(self) -> None:
        """Go on after the loss of the cluster; limits were of the sitting that ended with it."""
        if self.lost_in is None:
            return
        for name in sorted(self.workers):
            intake.worker_left(self, WorkerLeft(worker=name, reason="its cluster was lost"))
        self.phase, self.lost_in, self.ended = self.lost_in, None, None
        self.limits = events.LimitsSet()

    def _pass_time(self, at_s: float) -> None:
        passed_s = max(0.0, at_s - self.at_s)
        if self.phase == "racing" and self.measurements:
            self.worker_s += passed_s * len(self.active_workers())
        self.at_s = max(self.at_s, at_s)
        while self.rate and self.rate[0][0] < self.at_s - RATE_WINDOW_S:
            self.rate.popleft()

    def _conclude(self) -> None:
        limits, decided = self.limits, self.phase == "watching"
        if decided and limits.stop_when_decided:
            self.end("decided", "nobody is undecided any more")
        elif limits.until_s is not None and self.at_s >= limits.until_s:
            self.end("decided" if decided else "undecided", "the time budget is spent")
        elif (
            limits.until_measurements is not None
            and self.measurements >= limits.until_measurements
        ):
            self.end("decided" if decided else "undecided", "the measurement budget is spent")
