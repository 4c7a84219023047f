"""The workers and tasks of one executor, under one lock.

Reports are made under the lock, so they are one at a time and in order. What a worker does is
seen in its flight recorder, so a hung candidate is stopped, and a dead worker's measurements are
kept, without a word through Dask.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from parbench_lab.core.block import Task
from parbench_lab.core.ports import (
    ExecutorFailed,
    ExecutorReport,
    TaskEnded,
    WorkerInfo,
    WorkerJoined,
    WorkerLeft,
)
from parbench_lab.core.usage import WorkerUsage
from parbench_lab.errors import UsageError
from parbench_lab.execution import far, faults, remote
from parbench_lab.execution.connection import Connection, Newcomer
from parbench_lab.execution.faults import Cause
from parbench_lab.execution.flight import Activity, FlightReader, Marker, create_flight_file
from parbench_lab.execution.gpu_reports import GpuReports
from parbench_lab.execution.processes import Supervisor, WorkerProcess
from parbench_lab.execution.samples import NewestSamples
from parbench_lab.execution.shipping import Payload
from parbench_lab.execution.stations import (
    DEATH_LIMIT_S,
    Sent,
    Station,
    ended_meanwhile,
    now_s,
    shares_machine,
)
from parbench_lab.execution.wire import dump_order, load_reply
from parbench_lab.monitoring.messages import load_usages

MAX_CASE_DEATHS = 3
PAUSED = Cause(reason="Dask has paused it: its memory is nearly used up")


class Floor:
    """Who works here and on what.

    Parameters
    ----------
    session
        The executor's own text.
    sink
        Takes the reports.
    workload
        As it is shipped.
    memory_limit_bytes
        What a worker may hold; None where that is not ours to say.
    folder
        For recorders of workers that are not ours but on this machine.
    sample_hz
        So often a second each worker tells how busy it is; 0 for never.
    """

    def __init__(
        self,
        *,
        session: str,
        sink: Callable[[ExecutorReport], None],
        workload: Payload,
        memory_limit_bytes: int | None,
        folder: Path,
        sample_hz: float = 0.0,
    ) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.stations: dict[str, Station] = {}
        self.candidates: dict[str, Payload] = {}
        self.refused: list[str] = []
        self.let_go: set[str] = set()
        """Addresses of workers that were paused for long, and live on."""
        self.failure = ""
        self.closed = False
        self.reporting_failure = False
        self.connection: Connection | None = None
        self.supervisor: Supervisor | None = None
        self.samples = NewestSamples()
        self._gpu_reports = GpuReports()
        self._session = session
        self._sink = sink
        self._workload = workload
        self._memory_limit_bytes = memory_limit_bytes
        self._folder = folder
        self._sample_hz = sample_hz
        self._recalled = -1
        self._orders = 0
        self._case_deaths = 0
        self._wake_at_s = float("inf")

    # ------------------------------------------------------------ tasks

    def submit(self, task: Task) -> None:
        """Send a task to its worker, or report it unrun where that worker is gone.

        Raises
        ------
        UsageError
            If it names a candidate that was not published.
        """
        with self.changed:
            for block in task.blocks:
                for slot in block.slots:
                    if slot.candidate not in self.candidates:
                        raise UsageError(f"candidate {slot.candidate!r} was not published")
            station = self.stations.get(task.worker)
            if station is None:
                unrun = tuple(block.number for block in task.blocks)
                self._report(TaskEnded(task=task.number, worker=task.worker, unrun=unrun))
            elif not self.failure and not self.closed:
                sent = station.take(task, now_s())
                if station.cause is not None:  # it ends unrun with its worker, any moment now
                    return
                self._send(station, sent)
                if station.look_at_s < self._wake_at_s:
                    self.changed.notify_all()

    def recall(self, task: int) -> None:
        """Recall tasks up to this number on all workers, also on those that come later."""
        with self.changed:
            self._recalled = max(task, self._recalled)
            for station in self.stations.values():
                self._recall_on(station)

    def _send(self, station: Station, sent: Sent) -> None:
        if self.connection is None:
            return
        order = station.order(
            self._session, sent.task, self._workload, self.candidates, self._memory_limit_bytes
        )
        number = sent.task.number
        self._orders += 1
        sent.future = self.connection.send(
            station.newcomer.address,
            dump_order(order),
            key=f"parbench-{self._session}-{self._orders}",
            priority=-number,
            on_reply=lambda data, error: self._on_reply(station, number, data, error),
        )

    def _on_reply(
        self, station: Station, number: int, data: bytes | None, error: BaseException | None
    ) -> None:
        with self.changed:
            sent = station.tasks.get(number)
            if sent is None or self.closed:
                return
            if data is None:
                self._undelivered(station, error)
                return
            reply = load_reply(data)
            if reply.missing:
                station.known -= set(reply.missing)
                self._send(station, sent)
                return
            station.give(number, now_s())
            report = reply.report
            self._report(
                TaskEnded(
                    task=number,
                    worker=station.info.name,
                    results=report.results,
                    unrun=report.unrun,
                )
            )
            if report.broken:
                self.fail(report.broken)
            elif report.retire and station.cause is None:
                self.condemn(station, Cause(reason=report.retire))
            self._case_deaths = 0
            if station.paused_since_s is not None:
                self._look_now(station)
            if not station.tasks:
                self.changed.notify_all()

    def _undelivered(self, station: Station, error: BaseException | None) -> None:
        """A task came back without a reply: its worker's end is noticed elsewhere."""
        name = type(error).__name__
        if name not in ("CancelledError", "FutureCancelledError", "KilledWorker"):
            words = " ".join(str(error).split())[:200]
            self.fail(f"worker {station.info.name} could not run a task: {name}: {words}")

    def _recall_on(self, station: Station) -> None:
        if self._recalled < 0 or self.connection is None:
            return
        if station.reader is not None:
            station.reader.recall(self._recalled)
        else:
            address = station.newcomer.address
            self.connection.tell([address], remote.recall, self._session, self._recalled)

    # ------------------------------------------------------------ workers come and go

    def on_joined(self, newcomer: Newcomer) -> None:
        """A worker described itself."""
        here = sys.version_info[:2]
        if newcomer.python != here:
            has, have = (".".join(map(str, version)) for version in (newcomer.python, here))
            self.on_refused(newcomer.address, f"it runs Python {has} but this process {have}")
            return
        with self.changed:
            if self.closed:
                return
            station = self._station(newcomer)
            if station is None or station.info.name in self.stations:
                return
            self.stations[station.info.name] = station
            self._recall_on(station)
            self._report(WorkerJoined(worker=station.info))
            if self._sample_hz and self.connection is not None:
                self.connection.sample(newcomer.address, self._sample_hz)
            self.changed.notify_all()

    def on_usage(self, address: str, message: Any) -> None:
        """A worker told how busy it is."""
        with self.changed:
            for station in self._at(address):
                name = station.info.name
                usages = load_usages(message, session=self._session, worker=name)
                if usages:
                    self._take_usages(station.info, usages)

    def _take_usages(self, worker: WorkerInfo, usages: Sequence[WorkerUsage]) -> None:
        now = now_s()
        self.samples.take(worker.name, usages, now)
        for usage in usages if worker.gpu else ():
            report = self._gpu_reports.take(worker.gpu, usage, now)
            if report is not None:
                self._report(report)

    def on_refused(self, address: str, why: str) -> None:
        """A worker cannot be used."""
        words = " ".join(why.split())[:200]
        python = ".".join(map(str, sys.version_info[:2]))
        reason = (
            f"cannot be used ({words}); it needs Python {python} with the same parbench_lab: "
            "python -m pip install parbench_lab"
        )
        with self.changed:
            self.refused.append(f"worker {address} {reason}")
            self._report(WorkerLeft(worker=address, reason=reason))
            self.changed.notify_all()

    def on_gone(self, address: str) -> None:
        """A worker left; the end of our own processes is noticed by their supervisor."""
        with self.changed:
            self.let_go.discard(address)
            for station in self._at(address):
                if station.process is None:
                    self.end(station, station.cause or faults.explain_exit(None))

    def on_exit(self, process: WorkerProcess, returncode: int) -> None:
        """One of our own processes ended."""
        with self.changed:
            for station in list(self.stations.values()):
                if station.process is process:
                    self.end(station, station.cause or process.cause(returncode))

    def on_paused(self, address: str) -> None:
        """Dask begins nothing on a worker: what it runs comes back, what waits there would not."""
        with self.changed:
            for station in self._at(address):
                station.paused_since_s = now_s()
                self._look_now(station)

    def on_resumed(self, address: str) -> bool:
        """Dask begins tasks on a worker again; one that was let go meanwhile joins anew."""
        with self.changed:
            for station in self._at(address):
                station.paused_since_s = None
            was_let_go = address in self.let_go
            self.let_go.discard(address)
            return was_let_go

    def on_lost(self) -> None:
        """The scheduler is gone."""
        self.fail("the connection to the Dask scheduler was lost")

    def is_local(self, newcomer: Newcomer) -> bool:
        """Return whether a worker's process can be seen and killed from here."""
        return shares_machine(newcomer)

    def _at(self, address: str) -> list[Station]:
        """Return who works at an address: one, or nobody."""
        return [s for s in self.stations.values() if s.newcomer.address == address]

    def _station(self, newcomer: Newcomer) -> Station | None:
        """Return the station for a newcomer, None where it ended meanwhile."""
        process = None
        if self.supervisor is not None:
            process = self.supervisor.by_dask_name(newcomer.name)
        if process is None and ended_meanwhile(newcomer):
            return None
        local = process is not None or self.is_local(newcomer)
        flight: Path | None = None
        if process is not None:
            process.ready = True
            flight = process.flight_path
        elif local:
            flight = self._folder / f"{newcomer.pid}.{newcomer.started}.flight"
            if not flight.exists():  # else it was paused
                create_flight_file(flight)
        return Station(
            info=WorkerInfo(
                name=process.plan.name if process is not None else newcomer.name,
                process=newcomer.address,
                local=local,
                host=newcomer.host,
                resources=dict(newcomer.resources),
                # ours has the one it was planned for: what a CPU worker sees was set by others
                gpu=newcomer.gpu if process is None else process.plan.gpu,
            ),
            newcomer=newcomer,
            flight=str(flight or ""),
            process=process,
            reader=None if flight is None else FlightReader(flight),
        )

    def end(self, station: Station, cause: Cause) -> None:
        """Report how a dead worker's tasks ended, then that it left."""
        with self.changed:
            if self.stations.get(station.info.name) is not station:
                return
            log = station.log()
            held = list(station.tasks.values())
            tasks = tuple(sent.task for sent in held)
            for ended in faults.autopsy(station.info.name, tasks, log, cause):
                self._report(ended)
            del self.stations[station.info.name]
            self.samples.forget(station.info.name)
            station.tasks.clear()
            station.close()
            self._report(WorkerLeft(worker=station.info.name, reason=cause.reason))
            if self.connection is not None:
                self.connection.release([sent.future for sent in held if sent.future])
            self._count_case_death(log.marker, tasks, cause)
            self.changed.notify_all()

    def _count_case_death(self, marker: Marker, tasks: tuple[Task, ...], cause: Cause) -> None:
        """Give up when workers die making a case, again and again: nobody else is to blame."""
        if marker.activity is Activity.MAKING and any(t.number == marker.task for t in tasks):
            self._case_deaths += 1
            if self._case_deaths >= MAX_CASE_DEATHS:
                self.fail(f"the workload's make_case ends its worker: {cause.reason}")

    # ------------------------------------------------------------ hung workers

    def watch(self) -> None:
        """Look after the workers until the floor is closed; runs in a thread of its own."""
        with self.changed:
            while not self.closed:
                stations = list(self.stations.values())
                self._wake_at_s = min((self._look(s) for s in stations), default=float("inf"))
                wait_s = self._wake_at_s - now_s()
                self.changed.wait(max(0.0, wait_s) if wait_s < threading.TIMEOUT_MAX else None)

    def _look(self, station: Station) -> float:
        """Look at a worker if it is time; return when to look again."""
        if not station.tasks and station.paused_since_s is None:
            return float("inf")
        now = now_s()
        if now < station.look_at_s:
            return station.look_at_s
        if station.cause is not None:  # condemned, and still not gone
            self.condemn(station, station.cause)
        elif station.reader is not None:
            self.on_sighting(station, station.reader.marker(), now)
        elif self.connection is not None:
            station.look_at_s = float("inf")
            self.connection.run(far.sight(self, self.connection, station, self._session))
        return station.look_at_s

    def on_sighting(self, station: Station, marker: Marker, clock_s: float) -> None:
        """Act on what a worker is seen doing, at a time of its own clock."""
        with self.changed:
            if station.cause is not None:
                return
            until_s = station.paused_until_s(marker)
            if until_s is not None:
                station.look_at_s = until_s
                if now_s() >= until_s:
                    self.let_go.add(station.newcomer.address)
                    self.end(station, PAUSED)
                return
            if not station.tasks:
                return
            found = station.watch(marker, now_s(), clock_s)
            station.look_at_s = found.look_at_s
            if found.cause is not None and station.has_ended:
                self._bury(station)
            elif found.cause is not None:
                self.condemn(station, found.cause)
            if found.broken:
                self.fail(found.broken)

    def _bury(self, station: Station) -> None:
        """See that a worker's process has ended: whoever ran in it has not run for too long."""
        if station.process is None:
            self.end(station, faults.explain_exit(None))
        else:  # its supervisor is about to tell, and knows why
            station.look_at_s = now_s() + DEATH_LIMIT_S

    def _look_now(self, station: Station) -> None:
        station.look_at_s = now_s()
        self.changed.notify_all()

    def look_again(self, station: Station, at_s: float) -> None:
        """Set when to look at a worker again."""
        with self.changed:
            station.look_at_s = at_s
            self.changed.notify_all()

    def condemn(self, station: Station, cause: Cause) -> None:
        """Stop a worker; its end is reported when it is seen."""
        with self.changed:
            station.cause = cause
            station.look_at_s = now_s() + DEATH_LIMIT_S
            if not station.kill() and self.connection is not None:
                self.connection.run(far.stop(self, self.connection, station, self._session))
            self.changed.notify_all()

    # ------------------------------------------------------------ reports

    def _report(self, report: ExecutorReport) -> None:
        if not self.closed and not self.failure:
            self._sink(report)

    def fail(self, reason: str) -> None:
        """Give up: no more work can be done."""
        with self.changed:
            if self.failure or self.closed:
                return
            if self.reporting_failure:
                self._report(ExecutorFailed(reason=reason))
            self.failure = reason
            self.changed.notify_all()
