"""The race itself: everything that is known about it, and the steps that keep it consistent.

What comes back is taken in by `intake`, judged by `judging`, and new blocks are sent by `sending`;
`state` puts them together behind one verb. No I/O in any of them.
"""

from __future__ import annotations

import itertools
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from parbench_lab.analysis.diagnosis import WorkerResiduals
from parbench_lab.analysis.record import EpochRecord
from parbench_lab.core.block import Task
from parbench_lab.core.metric import Metric
from parbench_lab.core.ports import WorkerInfo
from parbench_lab.elimination.policy import EliminationPolicy
from parbench_lab.racing import allocation, events
from parbench_lab.racing.concurrency import Controller, forgetful
from parbench_lab.racing.dispatch import Dispatcher
from parbench_lab.racing.ledger import Ledger
from parbench_lab.racing.roster import Entrant, Roster
from parbench_lab.racing.settings import Settings

Practice = tuple[int, str]
"""Serial number of a ledger, and a candidate."""

Phase = Literal["racing", "paused", "watching", "ended"]


@dataclass(slots=True, kw_only=True)
class Worker:
    """A worker, the tasks it holds, and who has run (or is about to) in its process, where."""

    info: WorkerInfo
    tasks: set[int] = field(default_factory=set)
    practised: set[Practice] = field(default_factory=set)
    practising: set[Practice] = field(default_factory=set)


@dataclass(slots=True, kw_only=True)
class Device:
    """A GPU that workers share.

    `heard_s` is the race time of its last sample; blocks before `eased_block` were sent before
    the last time when its memory ran out. `rests` is why it is not regulated, empty where it is.
    `excused` counts how often a candidate ran out of it in the only block, beside idle processes.
    """

    controller: Controller = field(default_factory=Controller)
    heard_s: float | None = None
    eased_block: int = 0
    rests: str = ""
    excused: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True, kw_only=True)
class Challenge:
    """A retest of an eliminated candidate, on a fresh account."""

    name: str
    record: EpochRecord
    blocks: int = 0


@dataclass(slots=True)
class Vigil:
    """The survivors of a decision on fresh accounts: a long past must not keep a lead."""

    record: EpochRecord
    blocks: int = 0


class Race:
    """All that one race consists of, and the small steps that keep it consistent.

    Parameters
    ----------
    workload
        Its name, for the pairing key of the cases.
    metrics
        Every metric that may be an objective, by name.
    default_objectives
        Used while the settings name none.
    policies
        Returns the policy of a name; raises `UnknownNameError` for an unknown one.
    seed
        Of the orders, cases and coins.
    """

    def __init__(
        self,
        *,
        workload: str,
        metrics: Mapping[str, Metric],
        default_objectives: tuple[str, ...],
        policies: Callable[[str], EliminationPolicy],
        settings: Settings,
        seed: int,
    ) -> None:
        self.settings = settings
        self.roster = Roster()
        self.dispatcher = Dispatcher(workload=workload, seed=seed, roster=self.roster)
        self.workers: dict[str, Worker] = {}
        self.devices: dict[str, Device] = {}
        self.phase: Phase = "racing"
        self.at_s = 0.0
        self.touched_s = 0.0
        self.recalled = -1
        self.epoch = 0
        self.blocks = 0
        self.measurements = 0
        self.measured_on: set[str] = set()
        self.throttled_blocks = 0
        self.throttle_reasons: dict[str, None] = {}
        self.unmeasured_noted: set[str] = set()
        self.inside_s = 0.0
        self.worker_s = 0.0
        self.suspended = ""
        self.residuals = WorkerResiduals()
        self.rate: deque[tuple[float, int]] = deque()
        self.ended: events.Ended | None = None
        self.lost_in: Phase | None = None
        self.limits = events.LimitsSet()
        self.curve: dict[int, Ledger] = {}
        self.metrics = metrics
        self._default_objectives = default_objectives
        self.policy_of = policies
        self.policy = policies(settings.policy)
        self._serials = itertools.count()
        self._ledgers: dict[tuple[int, tuple[str, ...]], Ledger] = {}
        self.ledger = self.ledger_for(settings.batch_size)
        self.noted_leader: str | None = None
        self.led_before: str | None = None
        self.challenge: Challenge | None = None
        self.vigil: Vigil | None = None
        self.challenged: deque[str] = deque()
        self.challenge_s = 0.0
        self.quiet: Literal["", "draining", "alone"] = ""
        self.next_alone_s: float | None = None
        self.next_watch_s = 0.0
        self.missing_since_s: float | None = None
        self.missing_noted = self.had_workers = False
        self.wake_s: float | None = None
        self.facts: list[events.Fact] = []
        self.commands: list[events.Command] = []

    def outstanding(self) -> list[Task]:
        """Return the tasks that were sent and have not ended."""
        return [self.dispatcher.tasks[n] for w in self.workers.values() for n in sorted(w.tasks)]

    def racing_names(self) -> list[str]:
        """Return those who are fit and not eliminated at this batch size."""
        record = self.ledger.record
        beaten = set(record.names) - set(record.survivors)
        return [name for name in self.roster.fit() if name not in beaten]

    def beaten(self, name: str) -> bool:
        """Return whether evidence eliminated this candidate at this batch size."""
        record = self.ledger.record
        return name in record.names and name not in record.survivors

    def reopen(self, reason: str) -> None:
        """Race on after a decision."""
        self.challenge = self.vigil = None
        if self.phase == "watching":
            self.phase = "racing"
            self.touched_s = self.at_s
            self.facts.append(events.Reopened(reason=reason))

    def objectives(self) -> tuple[str, ...]:
        """Return the names of the metrics the race is about now."""
        return self.settings.objectives or self._default_objectives

    def ledger_for(self, batch_size: int) -> Ledger:
        """Return the account book of this size and these objectives, opening it if new."""
        key = (batch_size, self.objectives())
        if key not in self._ledgers:
            self._ledgers[key] = Ledger(
                batch_size=batch_size,
                objectives=[self.metrics[name] for name in key[1]],
                settings=self.settings,
                serial=next(self._serials),
            )
        self.curve[batch_size] = self._ledgers[key]
        return self._ledgers[key]

    def open_epoch(self, why: str, *, fresh: bool = False, out: Iterable[str] = ()) -> None:
        """Open an epoch; `fresh` forgets this size's evidence, and `out` stay out all the same."""
        key = (self.settings.batch_size, self.objectives())
        known = self._ledgers.get(key)
        fresh = fresh or (known is not None and self._is_void(known))
        old = self._ledgers.pop(key, None) if fresh else None
        resumed = key in self._ledgers
        self.ledger = self.ledger_for(self.settings.batch_size)
        if old is not None:
            self._inherit(old, set(out))
        elif resumed:
            self._catch_up()
        self.epoch += 1
        self.touched_s = self.at_s
        self.suspended = ""
        self.challenge = self.vigil = None
        self.led_before = self.noted_leader or self.led_before
        self.noted_leader = None
        self.quiet = ""
        for device in self.devices.values():
            device.controller = forgetful(device.controller)
        self.facts.append(
            events.EpochOpened(
                epoch=self.epoch, batch_size=self.settings.batch_size, why=why, resumed=resumed
            )
        )
        self.recall()
        self.dispatcher.void_resends(self.ledger)
        if self.phase == "watching":
            self.phase = "racing"

    def _inherit(self, old: Ledger, out: set[str]) -> None:
        """Keep typical times of the same size, and those who stay out; never evidence."""
        self.ledger.samples = old.samples
        self.ledger.first_limit_s = old.first_limit_s
        self.ledger.serial = old.serial
        self.ledger.renew()
        self.ledger.beaten = old.beaten & out
        self.ledger.final_ratios = {n: r for n, r in old.final_ratios.items() if n in out}
        for name in old.record.names:
            if self.roster[name].fit:
                self.ledger.settled.add(name)
                self.ledger.record.join(name)
        for name in sorted(out & self.ledger.settled):
            self.ledger.record.remove(name)

    def _is_void(self, ledger: Ledger) -> bool:
        """Return whether a book's eliminations hold no more: who won them is out since.

        For a fault, or so that nobody is left who may race.
        """
        record = ledger.record
        fit = {name for name in record.names if self.roster[name].fit}
        if not fit & ledger.beaten:
            return False
        leader = record.leader
        failed = leader is not None and self.roster[leader].out == "fault"
        return failed or not fit & set(record.survivors)

    def _catch_up(self) -> None:
        """Tell the book of a size that was left who is out since, and who was brought back."""
        record = self.ledger.record
        for name in record.names:
            if self.roster[name].fit:
                if name not in record.survivors and name not in self.ledger.beaten:
                    record.bring_back(name)  # it was out for a fault or by hand
            elif name in record.survivors:
                record.remove(name)

    def put_out(
        self, entrant: Entrant, cause: str, reason: str, evidence: float | None = None
    ) -> None:
        """Take a candidate out; `cause` is evidence, fault or hand."""
        if cause == "evidence":
            self.ledger.beaten.add(entrant.name)
        else:
            entrant.out = cause
        entrant.reason = reason
        if entrant.name in self.ledger.record.survivors:
            self.ledger.record.remove(entrant.name)
        self.challenge = self.vigil = None
        ratio = self.ledger.record.ratio(entrant.name) if cause == "evidence" else None
        if ratio is not None:
            self.ledger.final_ratios[entrant.name] = ratio
        self.facts.append(
            events.Eliminated(
                candidate=entrant.name,
                cause=cause,
                reason=reason,
                block=self.dispatcher.next_block,
                evidence=evidence,
            )
        )

    def fresh_record(self, names: Iterable[str]) -> EpochRecord:
        """Return a record of its own for these, by the rules of this size's."""
        return EpochRecord(
            self.ledger.objectives,
            tuple(names),
            min_elimination_threshold=self.settings.min_elimination_threshold,
            epoch_blocks=self.settings.epoch_blocks,
        )

    def refuse(self, name: str, reason: str, why: str) -> None:
        """Note that a candidate stays although its elimination was proposed."""
        self.facts.append(events.VerdictRefused(candidate=name, reason=reason, why=why))

    def in_flight(self) -> int:
        """Return how many tasks are out."""
        return sum(len(worker.tasks) for worker in self.workers.values())

    def active_workers(self) -> list[str]:
        """Return the workers that may execute now."""
        seats = self.seats()
        if not seats:
            return self.fitting_workers()[: self.settings.max_concurrent]
        blocks = {gpu: device.controller.blocks for gpu, device in self.devices.items()}
        return allocation.seats_at_work(seats, blocks, self.settings.max_concurrent)

    def fitting_workers(self) -> list[str]:
        """Return the workers that offer what the candidates need."""
        return allocation.fitting_workers(
            {name: worker.info.resources for name, worker in self.workers.items()},
            [self.roster[name].resources for name in self.roster.fit()],
        )

    def seats(self) -> dict[str, str]:
        """Return worker to GPU where every block runs on a worker that offers one; else nothing.

        A GPU that is only visible does not count: batch systems set ``CUDA_VISIBLE_DEVICES`` for
        CPU workers too, and a race of these is not held on one block for it.
        """
        if not self.devices:
            return {}
        infos = {name: self.workers[name].info for name in self.fitting_workers()}
        if not all(info.gpu and info.resources.get("GPU") for info in infos.values()):
            return {}
        return {name: info.gpu for name, info in infos.items()}

    def gpu_of(self, worker: str) -> str:
        """Return the GPU that a worker shares with others, empty where GPUs are not the matter."""
        return self.seats().get(worker, "")

    def ranked(self) -> list[str]:
        """Return those who may be in the next block, best first."""
        record = self.ledger.record
        survivors = set(record.survivors)
        return [n for n in record.order() if n in survivors and self.roster[n].fit]

    def block_s(self) -> float | None:
        """Return about how long the next block lasts, None where somebody never ran."""
        return self.ledger.block_s(self.ranked())

    def task_time_s(self) -> float:
        """Return how long the next task shall last; a decided race rests between short ones."""
        if self.phase != "racing":
            return self.settings.task_time_s
        return allocation.task_time_s(self.settings.task_time_s, self.at_s - self.touched_s)

    def task_blocks(self) -> int:
        """Return how many blocks the next task carries."""
        return allocation.blocks_per_task(self.task_time_s(), self.block_s())

    def recall(self) -> None:
        """Ask for the tasks that are out."""
        if self.in_flight():
            self.recalled = self.dispatcher.last_task
            self.commands.append(events.Recall(task=self.recalled))

    @property
    def resumable(self) -> bool:
        """Whether the race goes on, or ended only because its cluster was lost."""
        return self.ended is None or self.lost_in is not None

    def lose_cluster(self, reason: str) -> None:
        """End the race until somebody takes it up."""
        self.lost_in = self.phase
        self.end("failed", reason)

    def end(self, status: str, reason: str) -> None:
        """End the race."""
        self.phase = "ended"
        self.ended = events.Ended(status=status, reason=reason)
        self.facts.append(self.ended)
        self.commands.append(events.Finish(status=status, reason=reason))
