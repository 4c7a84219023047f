"""The race as a state machine: events in, facts and commands out.

Rule 1: everything that decides the course of a race lives here (and in the pure parts it calls).
Rule 2: no I/O, clock or hidden randomness here, so a race can be replayed from its journal.

`advance` takes one input with the race time at which it happened and returns what follows from
it: facts (for the journal and for people) and commands (for the shell).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, assert_never

from parbench_lab.analysis.diagnosis import Canary, WorkerResiduals
from parbench_lab.analysis.record import EpochRecord
from parbench_lab.core.block import Task
from parbench_lab.core.measurement import BlockResult, Measurement, Outcome
from parbench_lab.core.metric import MEASURED_METRICS, Metric
from parbench_lab.core.ports import (
    ExecutorFailed,
    TaskEnded,
    WorkerInfo,
    WorkerJoined,
    WorkerLeft,
)
from parbench_lab.core.standing import Verdict
from parbench_lab.elimination.policy import EliminationPolicy
from parbench_lab.racing import allocation, events
from parbench_lab.racing.constraints import broken_constraint
from parbench_lab.racing.dispatch import Dispatcher, Plan, Wish, scout_share
from parbench_lab.racing.ledger import Ledger
from parbench_lab.racing.roster import Entrant, Roster
from parbench_lab.racing.settings import Settings

QUEUED_TASKS = 2
MIN_DECIDED_BLOCKS = 5
MIN_LEAD_BLOCKS = 10
ALONE_AFTER_BLOCKS = 20
CHALLENGE_SHARE = 0.1
CHALLENGE_BLOCKS = 500
LONGEST_FIRST_LIMIT_S = 600.0
RATE_WINDOW_S = 5.0

Phase = Literal["racing", "paused", "watching", "ended"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What follows from one input."""

    facts: tuple[events.Fact, ...] = ()
    commands: tuple[events.Command, ...] = ()


@dataclass(slots=True, kw_only=True)
class Worker:
    """A worker and the tasks it holds."""

    info: WorkerInfo
    tasks: set[int] = field(default_factory=set)


@dataclass(slots=True, kw_only=True)
class Challenge:
    """A retest of an eliminated candidate, on a fresh account."""

    name: str
    record: EpochRecord
    survivors: tuple[str, ...]
    blocks: int = 0
    busy_s: float = 0.0


class RaceState:
    """All that decides the course of one race.

    Parameters
    ----------
    workload
        Its name, for the pairing key of the cases.
    metrics
        Every metric that may be an objective, by name.
    default_objectives
        Used while the settings name none.
    policies
        Turns the name of a policy into one; instances are registered by the caller.
    seed
        Of the orders, cases and coins.
    """

    def __init__(
        self,
        *,
        workload: str,
        metrics: Mapping[str, Metric],
        default_objectives: tuple[str, ...],
        policies: Mapping[str, EliminationPolicy],
        settings: Settings,
        seed: int,
    ) -> None:
        self.settings = settings
        self.roster = Roster()
        self.dispatcher = Dispatcher(workload=workload, seed=seed, roster=self.roster)
        self.workers: dict[str, Worker] = {}
        self.phase: Phase = "racing"
        self.at_s = 0.0
        self.epoch = 0
        self.blocks = 0
        self.measurements = 0
        self.inside_s = 0.0
        self.worker_s = 0.0
        self.suspended = ""
        self.residuals = WorkerResiduals()
        self.rate: deque[tuple[float, int]] = deque()
        self.ended: events.Ended | None = None
        self.limits = events.LimitsSet()
        self.curve: dict[int, Ledger] = {}
        self._metrics = metrics
        self._default_objectives = default_objectives
        self._policies = policies
        self._ledgers: dict[tuple[int, tuple[str, ...]], Ledger] = {}
        self.ledger = self._ledger_for(settings.batch_size)
        self._leader: str | None = None
        self._challenge: Challenge | None = None
        self._challenged: deque[str] = deque()
        self._challenge_s = 0.0
        self._quiet: Literal["", "draining", "alone"] = ""
        self._next_alone_s: float | None = None
        self._next_watch_s = 0.0
        self._missing_noted = False
        self._facts: list[events.Fact] = []
        self._commands: list[events.Command] = []

    # ------------------------------------------------------------ the one verb

    def advance(self, event: events.Input, at_s: float) -> Step:
        """Take one input at race time `at_s` and return what follows from it."""
        if self.ended is not None:
            return Step()
        self._pass_time(at_s)
        self._facts, self._commands = [], []
        self._take(event)
        if self.ended is None:
            self._conclude()
        if self.ended is None:
            self._fill()
        return Step(facts=tuple(self._facts), commands=tuple(self._commands))

    def next_tick_s(self) -> float | None:
        """Return the race time at which a `Ticked` is wanted, None where events suffice."""
        wanted = [self.limits.until_s] if self.limits.until_s is not None else []
        if self.phase == "watching" and not self._in_flight():
            wanted.append(self._next_watch_s)
        return min(wanted, default=None)

    def outstanding(self) -> list[Task]:
        """Return the tasks that were sent and have not ended."""
        return [self.dispatcher.tasks[n] for w in self.workers.values() for n in sorted(w.tasks)]

    @property
    def challenge(self) -> Challenge | None:
        """The retest under way."""
        return self._challenge

    def racing_names(self) -> list[str]:
        """Return those who are fit and not eliminated at this batch size."""
        return [name for name in self.roster.fit() if not self.beaten(name)]

    def beaten(self, name: str) -> bool:
        """Return whether evidence eliminated this candidate at this batch size."""
        record = self.ledger.record
        return name in record.names and name not in record.survivors

    def _take(self, event: events.Input) -> None:
        match event:
            case WorkerJoined():
                self.workers[event.worker.name] = Worker(info=event.worker)
            case WorkerLeft():
                self._worker_left(event)
            case TaskEnded():
                self._task_ended(event)
            case ExecutorFailed():
                self._end("failed", event.reason)
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
                self._recall()
            case events.Resumed():
                self._resume()
            case events.LimitsSet():
                self.limits = event
            case events.Stopped():
                self._end("stopped", event.reason)
            case events.Ticked():
                pass
            case _ as never:
                assert_never(never)

    # ------------------------------------------------------------ people

    def _change(self, event: events.SettingsChanged) -> None:
        before = self.settings
        self.settings = before.replace(**event.changes)
        if "policy" in event.changes and event.changes["policy"] not in self._policies:
            self.settings = before
            self._facts.append(
                events.Noted(sentence=f"unknown policy {event.changes['policy']!r}")
            )
        why = [
            f"{name} {getattr(before, name)} -> {getattr(self.settings, name)}"
            for name in ("batch_size", "objectives")
            if getattr(before, name) != getattr(self.settings, name)
        ]
        if why:
            self._open_epoch(", ".join(why))
        elif self.phase == "watching":
            self._reopen_if_undecided("the settings changed")

    def _add(self, event: events.CandidateAdded) -> None:
        self.roster.enter(
            Entrant(
                name=event.candidate,
                resources=event.resources,
                import_string=event.import_string,
                parameters=event.parameters,
            )
        )
        self._reopen(f"{event.candidate} entered")

    def _drop(self, name: str) -> None:
        entrant = self.roster[name]
        if not entrant.fit:
            return
        if [other for other in self.racing_names() if other != name]:
            self._put_out(entrant, "hand", "dropped by hand (outside the guarantee)")
        else:
            self._refuse(name, "dropped by hand", "the last survivor is never dropped")

    def _bring_back(self, name: str) -> None:
        entrant = self.roster[name]
        entrant.out, entrant.reason, entrant.failures = "", "", 0
        if name in self.ledger.record.names and name not in self.ledger.record.survivors:
            self.ledger.record.bring_back(name)
        self._facts.append(events.Returned(candidate=name, reason="brought back by hand"))
        self._reopen(f"{name} is back")

    def _resume(self) -> None:
        if self.suspended:
            self.suspended = ""
            self.ledger.canary = Canary()
        if self.phase == "paused":
            self.phase = "racing"

    def _reopen(self, reason: str) -> None:
        self._challenge = None
        if self.phase == "watching":
            self.phase = "racing"
            self._facts.append(events.Reopened(reason=reason))

    def _reopen_if_undecided(self, reason: str) -> None:
        if not self._is_decided():
            self._reopen(reason)

    # ------------------------------------------------------------ epochs

    def objectives(self) -> tuple[str, ...]:
        """Return the names of the metrics the race is about now."""
        return self.settings.objectives or self._default_objectives

    def _ledger_for(self, batch_size: int) -> Ledger:
        key = (batch_size, self.objectives())
        if key not in self._ledgers:
            self._ledgers[key] = Ledger(
                batch_size=batch_size,
                objectives=[self._metrics[name] for name in key[1]],
                settings=self.settings,
            )
        self.curve[batch_size] = self._ledgers[key]
        return self._ledgers[key]

    def _open_epoch(self, why: str, *, fresh: bool = False, out: Iterable[str] = ()) -> None:
        """Open an epoch; `fresh` forgets this size's evidence, and `out` stay out all the same."""
        key = (self.settings.batch_size, self.objectives())
        old = self._ledgers.pop(key, None) if fresh else None
        resumed = key in self._ledgers
        self.ledger = self._ledger_for(self.settings.batch_size)
        if old is not None:
            self._inherit(old, set(out))
        self.epoch += 1
        self.suspended = ""
        self._challenge = None
        self._leader = None
        self._quiet = ""
        self._facts.append(
            events.EpochOpened(
                epoch=self.epoch, batch_size=self.settings.batch_size, why=why, resumed=resumed
            )
        )
        self._recall()
        self.dispatcher.void_resends(self.ledger)
        if self.phase == "watching":
            self.phase = "racing"

    def _inherit(self, old: Ledger, out: set[str]) -> None:
        """Keep typical times of the same size, and those who stay out; never evidence."""
        self.ledger.samples = old.samples
        self.ledger.first_limit_s = old.first_limit_s
        for name in old.scouted:
            if self.roster[name].fit:
                self.ledger.scouted.add(name)
                self.ledger.record.join(name)
        for name in sorted(out & self.ledger.scouted):
            self.ledger.record.remove(name)

    # ------------------------------------------------------------ workers and tasks

    def _worker_left(self, event: WorkerLeft) -> None:
        worker = self.workers.pop(event.worker, None)
        if worker is None:
            return
        for number in sorted(worker.tasks):
            task = self.dispatcher.tasks.pop(number)
            for block in task.blocks:
                self._give_back(block.number)
        self._facts.append(events.Noted(sentence=f"worker {event.worker} left: {event.reason}"))

    def _task_ended(self, event: TaskEnded) -> None:
        task = self.dispatcher.tasks.pop(event.task, None)
        if task is None:
            return
        if event.worker in self.workers:
            self.workers[event.worker].tasks.discard(event.task)
        came_back = {result.number for result in event.results}
        for result in event.results:
            self._receive(result)
        if event.suspicion is not None:
            self._suspect(event.suspicion.candidate, event.suspicion.reason)
        for block in task.blocks:
            if block.number not in came_back:
                self._give_back(block.number)
        if task.blocks[0].purpose == "alone":
            self._quiet = ""
        self._judge_all()

    def _give_back(self, number: int) -> None:
        scout = self.dispatcher.give_back(number, wanted=self.ledger)
        if scout is not None:
            scout.ledger.scouting.discard(scout.block.slots[0].candidate)

    def _suspect(self, name: str, reason: str) -> None:
        if self.roster.blame(name):
            self._fail(self.roster[name], Outcome.CRASHED, f"its worker died again: {reason}")
        else:
            sentence = f"a worker died while {name} ran ({reason}); nobody is blamed yet"
            self._facts.append(events.Noted(sentence=sentence))

    def _receive(self, result: BlockResult) -> None:
        plan = self.dispatcher.plan(result.number)
        if plan is None:
            return
        plan.ledger.made_case(result.made_case_s)
        self.blocks += 1
        for measurement in result.measurements:
            self._receive_one(plan, measurement, result.worker)
        self.dispatcher.arrive(result)

    def _receive_one(self, plan: Plan, measurement: Measurement, worker: str) -> None:
        self.measurements += 1
        seconds = measurement.values.get("wall_time_s", 0.0) * measurement.repeats
        self.inside_s += seconds
        name = measurement.candidate
        self.roster.credit(measurement)
        scout = plan.block.purpose == "scout"
        if scout:
            plan.ledger.scouting.discard(name)
        if name == plan.challenger and self._challenge is not None:
            self._challenge_s += seconds
        if measurement.outcome is not Outcome.OK:
            self._fault(plan, measurement)
            return
        broken = broken_constraint(self.settings.constraints, measurement.values)
        if broken:
            self._fail(self.roster[name], Outcome.FAILED, broken)
            return
        plan.ledger.sample(measurement)
        if scout and self.roster[name].fit:
            self._scouted(plan.ledger, name)
        elif not measurement.warm_up:
            cost = _costs(plan.ledger.objectives, measurement)
            if cost is not None:
                self.residuals.update(worker, name, cost[0])

    def _scouted(self, ledger: Ledger, name: str) -> None:
        if name not in ledger.scouted:
            ledger.scouted.add(name)
            ledger.record.join(name)

    # ------------------------------------------------------------ faults

    def _fault(self, plan: Plan, measurement: Measurement) -> None:
        entrant = self.roster[measurement.candidate]
        if measurement.outcome is Outcome.TIMED_OUT and self._was_hasty(plan, entrant):
            return
        self._fail(entrant, measurement.outcome, measurement.message)

    def _was_hasty(self, plan: Plan, entrant: Entrant) -> bool:
        """Return whether a first run met a limit that was only a guess; doubles the guess."""
        if plan.block.purpose != "scout" or self.settings.timeout_s is not None:
            return False
        given_s = plan.block.slots[0].timeout_s
        now_s = plan.ledger.time_limit_s(self.roster.fit(), self.settings)
        if given_s >= LONGEST_FIRST_LIMIT_S or now_s < given_s:
            return False
        if now_s == given_s:
            plan.ledger.first_limit_s = 2 * given_s
        sentence = f"{entrant.name} did not come back within {given_s:g} s; tried again with more"
        self._facts.append(events.Noted(sentence=sentence))
        return True

    def _fail(self, entrant: Entrant, outcome: Outcome, message: str) -> None:
        if not entrant.fit:
            return
        entrant.outcome, entrant.reason = outcome, message
        entrant.failures += 1
        limit = self.settings.max_failures
        if outcome is Outcome.WRONG:
            self._fault_out(entrant, f"wrong result: {message}")
        elif entrant.failures >= limit:
            times = f"{entrant.failures} failures" if limit > 1 else "a failure"
            self._fault_out(entrant, f"{times}, the last: {outcome.value}: {message}")

    def _fault_out(self, entrant: Entrant, reason: str) -> None:
        others = [name for name in self.roster.fit() if name != entrant.name]
        if not others:
            self._refuse(entrant.name, reason, "the last survivor is never dropped")
            self._end("failed", f"no candidate is left that works: {entrant.name}: {reason}")
            return
        led = entrant.name == self._leader or entrant.name in self.ledger.record.survivors
        beaten = [name for name in others if self.beaten(name)]
        self._put_out(entrant, "fault", reason)
        if led and beaten:
            self._open_epoch(
                f"{entrant.name} is out; those it had beaten line up again", fresh=True
            )

    def _put_out(
        self, entrant: Entrant, cause: str, reason: str, evidence: float | None = None
    ) -> None:
        if cause != "evidence":
            entrant.out = cause
        entrant.reason = reason
        if entrant.name in self.ledger.record.survivors:
            self.ledger.record.remove(entrant.name)
        self._challenge = None
        self._facts.append(
            events.Eliminated(
                candidate=entrant.name,
                cause=cause,
                reason=reason,
                block=self.dispatcher.next_block,
                evidence=evidence,
            )
        )

    def _refuse(self, name: str, reason: str, why: str) -> None:
        self._facts.append(events.VerdictRefused(candidate=name, reason=reason, why=why))

    # ------------------------------------------------------------ judging

    def _judge_all(self) -> None:
        judged = False
        for plan, result in self.dispatcher.judgeable():
            self._judge(plan, result)
            judged = True
        if judged and self.ended is None:
            self._verdicts()

    def _judge(self, plan: Plan, result: BlockResult) -> None:
        ledger = plan.ledger
        costs: dict[str, tuple[float, ...]] = {}
        other: tuple[float, ...] | None = None
        for measurement in result.measurements:
            cost = self._judged_cost(ledger, measurement)
            if cost is None:
                continue
            copies = [
                slot.copy for slot in plan.block.slots if slot.candidate == measurement.candidate
            ]
            if len(copies) > 1 and measurement.copy != plan.counted_copy:
                other = cost
            else:
                costs[measurement.candidate] = cost
        self._judge_canary(plan, costs, other)
        ledger.record.judge({n: c for n, c in costs.items() if n in ledger.record.survivors})
        ledger.judged += 1
        self.rate.append((self.at_s, 1))
        leader = ledger.record.leader
        if leader in costs:
            kept = ledger.alone if plan.block.purpose == "alone" else ledger.together
            kept.append(costs[leader][0])
        challenge = self._challenge
        if challenge is not None and plan.challenger == challenge.name:
            challenge.record.judge(costs)
            challenge.blocks += 1

    def _judged_cost(self, ledger: Ledger, measurement: Measurement) -> tuple[float, ...] | None:
        if measurement.warm_up or not self.roster[measurement.candidate].fit:
            return None
        if measurement.outcome is Outcome.TIMED_OUT:
            return (float("inf"),) * len(ledger.objectives)
        if measurement.outcome is not Outcome.OK:
            return None
        return _costs(ledger.objectives, measurement)

    def _judge_canary(
        self, plan: Plan, costs: Mapping[str, tuple[float, ...]], other: tuple[float, ...] | None
    ) -> None:
        twice = [s.candidate for s in plan.block.slots if s.copy == 1]
        if other is None or not twice or twice[0] not in costs:
            return
        canary = plan.ledger.canary
        canary.update(costs[twice[0]][0], other[0])
        if plan.ledger is not self.ledger or self.suspended:
            return
        if canary.evidence >= self.settings.elimination_threshold:
            self.suspended = (
                f"the canary told identical code apart ({canary.evidence:.0f} : 1 over "
                f"{canary.blocks} blocks): verdicts are suspended until you resume"
            )
            self._facts.append(events.VerdictsSuspended(reason=self.suspended))

    def _verdicts(self) -> None:
        record = self.ledger.record
        self._note_lead(record)
        if self.suspended:
            return
        policy = self._policies[self.settings.policy]
        for verdict in policy.judge(
            record,
            elimination_threshold=self.settings.elimination_threshold,
            tolerance=self.settings.tolerance,
        ):
            self._dispose(verdict)
        self._judge_challenge()
        if self.phase == "racing" and self._is_decided():
            self._decide()
        elif self.phase == "watching":
            self._reopen_if_undecided("the evidence no longer decides")

    def _dispose(self, verdict: Verdict) -> None:
        """The policy proposes, the engine disposes."""
        record = self.ledger.record
        if verdict.candidate not in record.survivors:
            return
        least = self.settings.min_survivors
        if len(record.survivors) <= least:
            left = len(record.survivors)
            self._refuse(
                verdict.candidate, verdict.reason, f"only {left} left (min_survivors={least})"
            )
            return
        self._put_out(self.roster[verdict.candidate], "evidence", verdict.reason, verdict.evidence)

    def _note_lead(self, record: EpochRecord) -> None:
        leader = record.leader
        if leader is None or leader == self._leader or self.ledger.judged < MIN_LEAD_BLOCKS:
            return
        if self._leader is not None:
            self._facts.append(events.LeadChanged(candidate=leader, before=self._leader))
        self._leader = leader

    def _is_decided(self) -> bool:
        ledger = self.ledger
        unscouted = [n for n in self.racing_names() if n not in ledger.scouted]
        if unscouted or self.suspended or ledger.judged < MIN_DECIDED_BLOCKS:
            return False
        return ledger.record.decided(
            elimination_threshold=self.settings.elimination_threshold,
            tolerance=self.settings.tolerance,
        )

    def _decide(self) -> None:
        leader = self.ledger.record.leader
        if leader is None:
            return
        survivors = self.ledger.record.survivors
        reason = "one is left" if len(survivors) == 1 else "all who still race are settled"
        self.phase = "watching"
        self._next_watch_s = self.at_s
        self._facts.append(
            events.Decided(leader=leader, reason=reason, block=self.dispatcher.next_block)
        )

    # ------------------------------------------------------------ challenges

    def _judge_challenge(self) -> None:
        challenge = self._challenge
        if challenge is None:
            return
        name, record = challenge.name, challenge.record
        threshold, tolerance = self.settings.elimination_threshold, self.settings.tolerance
        at_most = record.at_most_slower(name, threshold)
        shown = record.shown_slower(name, threshold)
        if at_most is not None and at_most <= tolerance:
            self._comeback(
                name, f"retested: at most {100 * at_most:g} % slower than every survivor"
            )
        elif (shown is not None and shown >= tolerance) or challenge.blocks >= CHALLENGE_BLOCKS:
            self._challenge = None

    def _comeback(self, name: str, reason: str) -> None:
        out = [n for n in self.ledger.record.names if self.beaten(n) and n != name]
        self.roster[name].reason = ""
        self._facts.append(events.Returned(candidate=name, reason=reason))
        self._open_epoch(f"{name} came back", fresh=True, out=out)

    def _next_challenger(self) -> str | None:
        """Return who is retested in this block, starting a retest where one is due."""
        every = self.settings.challenge_every
        if not every or self.suspended:
            return None
        watching = self.phase == "watching"
        count = self.ledger.race_blocks
        if count % (2 if watching else every):
            return None
        if not watching and self._challenge_s > CHALLENGE_SHARE * self.inside_s:
            return None
        if self._challenge is None:
            self._challenge = self._new_challenge()
        return self._challenge.name if self._challenge else None

    def _new_challenge(self) -> Challenge | None:
        record = self.ledger.record
        beaten = [n for n in self.roster.fit() if self.beaten(n) and n in self.ledger.scouted]
        if not beaten or record.leader is None:
            return None
        waiting = [n for n in self._challenged if n in beaten]
        fresh = [n for n in beaten if n not in waiting]
        name = fresh[0] if fresh else waiting[0]
        self._challenged = deque([*[n for n in waiting if n != name], name])
        survivors = tuple(record.survivors)
        return Challenge(
            name=name,
            survivors=survivors,
            record=EpochRecord(
                self.ledger.objectives,
                (*survivors, name),
                min_elimination_threshold=self.settings.min_elimination_threshold,
                epoch_blocks=self.settings.epoch_blocks,
            ),
        )

    # ------------------------------------------------------------ sending

    def _in_flight(self) -> int:
        return sum(len(worker.tasks) for worker in self.workers.values())

    def active_workers(self) -> list[str]:
        """Return the workers that may execute now."""
        names = self.roster.fit()
        return allocation.usable_workers(
            {name: worker.info.resources for name, worker in self.workers.items()},
            [self.roster[name].resources for name in names],
            self.settings.max_concurrent,
        )

    def _fill(self) -> None:
        active = self.active_workers()
        if self.workers and not active and not self._missing_noted:
            self._missing_noted = True
            needs = {r for e in self.roster if e.fit for r in e.resources}
            sentence = f"no worker offers what the candidates need ({', '.join(sorted(needs))})"
            self._facts.append(events.Noted(sentence=sentence))
        if self.phase == "paused" or not active or self._hold_for_quiet(active):
            return
        if self.phase == "watching":
            self._fill_watch(active[0])
            return
        for depth in range(1, QUEUED_TASKS + 1):
            for name in active:
                if len(self.workers[name].tasks) < depth:
                    self._send_next(name, len(active))

    def _fill_watch(self, worker: str) -> None:
        """Keep one worker busy for a share of the time."""
        if self._in_flight() or self.at_s < self._next_watch_s:
            return
        self._send_next(worker, 1)
        busy_s = max(self.settings.task_time_s, self._block_s() or 0.0)
        self._next_watch_s = self.at_s + busy_s / self.settings.watch_duty

    def _hold_for_quiet(self, active: list[str]) -> bool:
        """Measure interference: drain every worker, then race on one alone."""
        if self._quiet == "" and self._alone_is_due(active):
            self._quiet = "draining"
        if self._quiet == "draining" and not self._in_flight():
            self._quiet = "alone"
            self._next_alone_s = self.at_s + self.settings.interference_every_s
            self._send(active[0], self._race_plans(purpose="alone"))
        return self._quiet != ""

    def _alone_is_due(self, active: list[str]) -> bool:
        every = self.settings.interference_every_s
        if every <= 0 or self.phase != "racing" or len(active) < 2:
            return False
        if self.ledger.judged < ALONE_AFTER_BLOCKS or self._block_s() is None:
            return False
        return self._next_alone_s is None or self.at_s >= self._next_alone_s

    def _send_next(self, worker: str, n_active: int) -> None:
        plans = self.dispatcher.take_resends(self._task_blocks())
        if not plans:
            plans = self._scouts(n_active) or self._race_plans()
        if plans:
            self._send(worker, plans)

    def _send(self, worker: str, plans: list[Plan]) -> None:
        task = self.dispatcher.task(worker, plans, self.settings)
        self.workers[worker].tasks.add(task.number)
        self._facts.append(events.TaskSent(task=task))
        self._commands.append(events.Send(task=task))

    def _scouts(self, n_active: int) -> list[Plan]:
        ledger = self.ledger
        names = [
            name
            for name in self.racing_names()
            if name not in ledger.scouted and name not in ledger.scouting
        ]
        plans = []
        for name in names[: scout_share(len(names), n_active)]:
            ledger.scouting.add(name)
            plans.append(self._plan(Wish(names=(name,), purpose="scout")))
        return plans

    def _race_plans(self, *, purpose: Literal["race", "alone"] = "race") -> list[Plan]:
        ranked = self._ranked()
        unscouted = [n for n in self.racing_names() if n not in self.ledger.scouted]
        if not ranked or (len(ranked) < 2 and unscouted):
            return []
        return [self._race_plan(ranked, purpose) for _ in range(self._task_blocks())]

    def _race_plan(self, ranked: list[str], purpose: Literal["race", "alone"]) -> Plan:
        ledger, settings = self.ledger, self.settings
        names = allocation.members(settings.allocation, ranked, ledger.race_blocks)
        leader = ledger.record.leader
        every = settings.canary_every
        canary = every > 0 and ledger.race_blocks % every == every - 1 and leader in names
        challenger = self._next_challenger() if purpose == "race" else None
        ledger.race_blocks += 1
        return self._plan(
            Wish(
                names=tuple(names),
                purpose="challenge" if challenger else purpose,
                canary=leader if canary else None,
                challenger=challenger,
            )
        )

    def _plan(self, wish: Wish) -> Plan:
        own = any(name not in MEASURED_METRICS for name in self.objectives())
        return self.dispatcher.new_plan(
            wish,
            epoch=self.epoch,
            ledger=self.ledger,
            settings=self.settings,
            always_check=own or bool(self.settings.constraints),
        )

    def _ranked(self) -> list[str]:
        record = self.ledger.record
        survivors = set(record.survivors)
        return [n for n in record.order() if n in survivors and self.roster[n].fit]

    def _block_s(self) -> float | None:
        return self.ledger.block_s(self._ranked(), self.settings.min_time_s)

    def _task_blocks(self) -> int:
        return allocation.blocks_per_task(self.settings.task_time_s, self._block_s())

    def _recall(self) -> None:
        if self._in_flight():
            self._commands.append(events.Recall(task=self.dispatcher.last_task))

    # ------------------------------------------------------------ time and the end

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
            self._end("decided", "decided")
        elif limits.until_s is not None and self.at_s >= limits.until_s:
            self._end("decided" if decided else "undecided", "the time budget is spent")
        elif (
            limits.until_measurements is not None
            and self.measurements >= limits.until_measurements
        ):
            self._end("decided" if decided else "undecided", "the measurement budget is spent")

    def _end(self, status: str, reason: str) -> None:
        self.phase = "ended"
        self.ended = events.Ended(status=status, reason=reason)
        self._facts.append(self.ended)
        self._commands.append(events.Finish(status=status, reason=reason))


def _costs(objectives: tuple[Metric, ...], measurement: Measurement) -> tuple[float, ...] | None:
    """Return a measurement's cost per objective, None where one cannot be compared."""
    try:
        return tuple(metric.cost(measurement.values[metric.name]) for metric in objectives)
    except (KeyError, ValueError):
        return None
