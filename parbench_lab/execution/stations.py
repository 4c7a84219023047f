"""A worker process as the executor sees it: its address, its tasks, its recorder."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from parbench_lab.core.block import Task
from parbench_lab.core.ports import WorkerInfo
from parbench_lab.execution import remote
from parbench_lab.execution.connection import Newcomer
from parbench_lab.execution.deadlines import CHECK_LIMIT_S, Watch, watch
from parbench_lab.execution.faults import Cause
from parbench_lab.execution.flight import AREAS, FlightLog, FlightReader, Marker
from parbench_lab.execution.processes import WorkerProcess
from parbench_lab.execution.shipping import Payload
from parbench_lab.execution.wire import Order

DEATH_LIMIT_S = 10.0
STARVED_LIMIT_S = 10.0
"""So long somebody is borne who is over the time limit while others keep the cores from him."""
STARVED_CPU_S = 0.05
"""Who has had less CPU time since, though he is ready, has been kept from the cores."""
SECOND_LOOK_S = 0.02
PAUSE_LIMIT_S = 2.0
"""Dask pauses a worker at a peak of its memory, too, and looks ten times a second whether it has
passed."""
STALL_LIMIT_S = 120.0
"""A worker of our own that holds a task and does nothing for so long is stopped; others may have
other work to do."""


@dataclass(slots=True)
class Sent:
    """A task on its way, with the future that Dask gave for it."""

    task: Task
    future: Any = None


@dataclass(slots=True, kw_only=True)
class Station:
    """One worker process and what it holds, from its joining to its end.

    `process` is set where it is ours, `reader` where we see its recorder. `cause` is set once it
    was condemned. `held_since_s` is when it could begin its first task, `look_at_s` when to look
    at it next (monotonic seconds).
    """

    info: WorkerInfo
    newcomer: Newcomer
    flight: str
    process: WorkerProcess | None = None
    reader: FlightReader | None = None
    tasks: dict[int, Sent] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    cause: Cause | None = None
    paused_since_s: float | None = None
    overdue: Marker | None = None
    overdue_since_s: float = 0.0
    overdue_cpu_s: float | None = None
    ready_cpu_s: Callable[[int], float | None] = remote.ready_cpu_s
    far_log: FlightLog = field(default_factory=FlightLog)
    held_since_s: float = 0.0
    look_at_s: float = float("inf")
    sent: int = 0

    @property
    def may_retire(self) -> bool:
        """Whether somebody replaces the process when it ends."""
        return self.process is not None or self.newcomer.nanny

    @property
    def has_ended(self) -> bool:
        """Whether its process is seen to be no more, whatever Dask knows of that."""
        return self.info.local and ended_meanwhile(self.newcomer)

    def order(
        self,
        session: str,
        task: Task,
        workload: Payload,
        candidates: Mapping[str, Payload],
        memory_limit_bytes: int | None,
    ) -> Order:
        """Return the order for a task, with the payloads this process does not have yet."""
        names = {slot.candidate for block in task.blocks for slot in block.slots}
        needed = {name: candidates[name] for name in sorted(names)}
        parcels = [workload, *needed.values()]
        payloads = {p.digest: p.data for p in parcels if p.digest not in self.known}
        self.known |= payloads.keys()
        self.sent += 1
        alone = self.newcomer.pid != os.getpid()
        if memory_limit_bytes is None and alone and self.newcomer.threads == 1:
            # with more threads others' tasks run beside ours, and what they take is not ours
            memory_limit_bytes = self.newcomer.memory_limit_bytes or None
        return Order(
            session=session,
            task=task,
            workload=workload.digest,
            candidates={name: payload.digest for name, payload in needed.items()},
            payloads=payloads,
            flight=self.flight,
            area=self.sent % AREAS,
            may_retire=self.may_retire,
            alone=alone,
            ours=self.process is not None,
            memory_limit_bytes=memory_limit_bytes,
        )

    def take(self, task: Task, now_s: float) -> Sent:
        """Note a task that is being sent."""
        sent = self.tasks[task.number] = Sent(task=task)
        if len(self.tasks) == 1:
            self.held_since_s = now_s
        if self.cause is None:
            self.look_at_s = min(self.look_at_s, self._shortest_end_s(now_s))
        return sent

    def give(self, number: int, now_s: float) -> None:
        """Note that a task is done with."""
        del self.tasks[number]
        self.held_since_s = now_s
        if not self.tasks:
            self.look_at_s = float("inf")

    def watch(self, marker: Marker, now_s: float, clock_s: float) -> Watch:
        """Return what to do about the worker.

        Parameters
        ----------
        now_s
            Of this process's clock.
        clock_s
            Of the worker's clock at the same moment.
        """
        tasks = [sent.task for sent in self.tasks.values()]
        found = watch(
            marker,
            tasks,
            now_s=clock_s,
            held_since_s=self.held_since_s + clock_s - now_s,
            stall_limit_s=STALL_LIMIT_S if self.process is not None else float("inf"),
        )
        confirmed = self.overdue == marker
        self.overdue = marker if found.cause is not None else None
        if found.cause is not None:
            if not confirmed:  # may be torn: act at the second look
                self.overdue_since_s, self.overdue_cpu_s = now_s, self._cpu_s()
                return Watch(look_at_s=now_s + SECOND_LOOK_S)
            if self._is_starved() and now_s < self.overdue_since_s + STARVED_LIMIT_S:
                return Watch(look_at_s=now_s + SECOND_LOOK_S)
        return Watch(
            look_at_s=found.look_at_s - clock_s + now_s, cause=found.cause, broken=found.broken
        )

    def _is_starved(self) -> bool:
        """Return whether it could have run since it was overdue, and was given hardly any core."""
        before, now = self.overdue_cpu_s, self._cpu_s()
        return before is not None and now is not None and now - before < STARVED_CPU_S

    def _cpu_s(self) -> float | None:
        return self.ready_cpu_s(self.newcomer.pid) if self.info.local else None

    def paused_until_s(self, marker: Marker) -> float | None:
        """Return how long to bear that Dask begins nothing here; None where it is not so.

        What runs is not touched by it, and is watched as ever.
        """
        if self.paused_since_s is None or marker.task in self.tasks:
            return None
        held_since_s = self.held_since_s if self.tasks else 0.0
        return max(self.paused_since_s, held_since_s) + PAUSE_LIMIT_S

    def log(self) -> FlightLog:
        """Return what its recorder holds, as last seen where it is on another machine."""
        return self.reader.read() if self.reader is not None else self.far_log

    def kill(self) -> bool:
        """End the process where we can; return whether we could."""
        if self.process is not None:
            self.process.kill()
            return True
        newcomer = self.newcomer
        if not self.info.local or remote.process_start(newcomer.pid) != newcomer.started:
            return False
        try:
            os.kill(newcomer.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return False
        return True

    def close(self) -> None:
        """Close the recorder and remove its file, where it is not the process's own.

        One that was paused may come back, and writes where it did.
        """
        if self.reader is not None:
            self.reader.close()
            self.reader = None
        if self.process is None and self.flight and self.paused_since_s is None:
            Path(self.flight).unlink(missing_ok=True)

    def latest_end_s(self) -> float:
        """Return when its first task must be over, whatever it does; now, where it has none."""
        if not self.tasks:
            return now_s()
        task = next(iter(self.tasks.values())).task
        limits = (CHECK_LIMIT_S + 2 * slot.timeout_s for b in task.blocks for slot in b.slots)
        return self.held_since_s + sum(limits)

    def _shortest_end_s(self, now_s: float) -> float:
        slots = (
            slot for sent in self.tasks.values() for b in sent.task.blocks for slot in b.slots
        )
        return now_s + min(slot.timeout_s for slot in slots)


def shares_machine(newcomer: Newcomer) -> bool:
    """Return whether this machine sees the process, and it is not the present one."""
    return (
        newcomer.sees_token
        and newcomer.pid != os.getpid()
        and newcomer.started != 0
        and remote.process_start(newcomer.pid) == newcomer.started
    )


def ended_meanwhile(newcomer: Newcomer) -> bool:
    """Return whether a worker that shared this machine is no more."""
    return (
        newcomer.sees_token
        and newcomer.started != 0
        and remote.process_start(newcomer.pid) != newcomer.started
    )


def now_s() -> float:
    """Return the time of the recorders' clock in seconds."""
    return time.monotonic_ns() / 1e9
