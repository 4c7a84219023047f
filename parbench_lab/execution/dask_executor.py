"""The executor on a Dask cluster: a local one of our own, or any that is given."""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from parbench_lab.core.block import Task
from parbench_lab.core.candidate import Candidate
from parbench_lab.core.machine import Machine
from parbench_lab.core.ports import ExecutorReport, Workload, workload_name
from parbench_lab.core.usage import WorkerUsage
from parbench_lab.errors import ClusterError, UsageError
from parbench_lab.execution import offers, remote
from parbench_lab.execution.address import address_and_security
from parbench_lab.execution.cluster import DEFAULT_SEATS, Gpus, HouseCluster, refuse_gpus
from parbench_lab.execution.connection import Connection
from parbench_lab.execution.faults import Cause
from parbench_lab.execution.floor import Floor
from parbench_lab.execution.scratch import scratch_folder
from parbench_lab.execution.shipping import ship
from parbench_lab.execution.stations import Station, now_s
from parbench_lab.execution.usage import LocalProcesses, parse_usage
from parbench_lab.hardware.detect import detect_machine
from parbench_lab.monitoring.sampling import SAMPLE_HZ, checked_sample_hz

START_LIMIT_S = 60.0
CLOSE_LIMIT_S = 2.0
USAGE_LIMIT_S = 1.0


class DaskExecutor:
    """Runs tasks on the workers of a Dask cluster.

    Parameters
    ----------
    cluster
        None for a local cluster of our own; a scheduler's address, a Dask client or a Dask
        cluster object, which stay open when this executor closes.
    n_workers, memory_limit_bytes
        Of the local cluster: worker processes (default: one per core) and what each may hold
        (default: an equal share of what is free).
    gpus, gpu_seats
        Of the local cluster: how many GPUs get workers (``"auto"``: all that are visible; default:
        none), and how many worker processes each.
    security
        Dask's ``Security`` for an address that speaks TLS; taken from a client or a cluster
        object by default.
    sample_hz
        So often a second every worker tells how busy it is, from 2 to 50; 0 for never.

    Raises
    ------
    UsageError
        If a number is out of range, `cluster` is none of these, or there are fewer GPUs than
        asked for, or a number of them beside a given cluster.
    """

    # what a subclass may replace: how workers are watched and stopped
    floor_type: type[Floor] = Floor

    def __init__(
        self,
        cluster: Any = None,
        *,
        n_workers: int | None = None,
        memory_limit_bytes: int | None = None,
        gpus: Gpus | None = None,
        gpu_seats: int = DEFAULT_SEATS,
        security: Any = None,
        sample_hz: float = SAMPLE_HZ,
    ) -> None:
        self._sample_hz = checked_sample_hz(sample_hz)
        self._house: HouseCluster | None = None
        self._given: tuple[str, Any] | None = None
        if cluster is None:
            self._house = HouseCluster(
                n_workers=n_workers,
                memory_limit_bytes=memory_limit_bytes,
                gpus=0 if gpus is None else gpus,
                gpu_seats=gpu_seats,
            )
        else:
            refuse_gpus(gpus)
            self._given = address_and_security(cluster, security)
        self._processes = LocalProcesses()
        self._session = secrets.token_hex(8)
        self._floor: Floor | None = None
        self._folder: Path | None = None
        self._watchdog: threading.Thread | None = None
        self._closing = threading.Lock()
        self._closed = False

    def open(self, sink: Callable[[ExecutorReport], None], workload: Workload) -> None:
        """Start or reach the cluster; returns when its first worker is ready.

        A given cluster may be without workers yet; they are reported when they come.

        Raises
        ------
        ClusterError
            If there is no cluster, or none of its workers can be used.
        UsageError
            If the workload cannot be shipped, or this executor was opened before.
        """
        if self._floor is not None or self._closed:
            raise UsageError("this executor was opened before; make a new one")
        with contextlib.ExitStack() as undo:
            undo.callback(self.close)
            floor = self._make_floor(sink, workload)
            self._connect(floor)
            self._watchdog = threading.Thread(
                target=floor.watch, name="parbench-watchdog", daemon=True
            )
            self._watchdog.start()
            self._await_workers(floor)
            undo.pop_all()

    def refuse_unoffered(self, candidate: Candidate) -> None:
        """Refuse a candidate that needs what no worker offers; starts nothing.

        What a given cluster offers is known once it is open and has a worker.

        Raises
        ------
        UsageError
            With what is missing, and why.
        """
        needs = candidate.resources
        if not needs:
            return
        if self._house is not None:
            why = offers.why_not_here(needs, self._house.inventory)
            offers.refuse_unoffered(candidate, self._house.offers().values(), why=why)
        elif self._floor is not None:
            with self._floor.changed:
                infos = [station.info for station in self._floor.stations.values()]
            if infos:
                why = offers.why_not_there(needs, infos)
                offers.refuse_unoffered(candidate, [i.resources for i in infos], why=why)

    def machine(self, libraries: Sequence[str]) -> Machine:
        """Return this machine, or what those of a given cluster are together.

        The workers that are there now say it themselves; where none does, it is this machine
        together with unknown ones.

        Parameters
        ----------
        libraries
            Whose versions count, see `parbench_lab.hardware.detect.detect_machine`.

        Raises
        ------
        UsageError
            If a given cluster is not open.
        """
        if self._house is not None:
            return detect_machine(libraries)
        floor = self._opened()
        assert floor.connection is not None  # noqa: S101 - open
        with floor.changed:
            there = [station.newcomer for station in floor.stations.values()]
        return floor.connection.machine(there, libraries)

    def publish(self, candidate: Candidate) -> None:
        """Make a candidate known before the first task that names it.

        Raises
        ------
        UsageError
            If it cannot be shipped to the workers, or none of them offers what it needs.
        """
        floor = self._opened()
        self.refuse_unoffered(candidate)
        payload = ship(
            candidate,
            what=f"candidate {candidate.name!r}",
            same_files=self._house is not None,
        )
        with floor.changed:
            floor.candidates[candidate.name] = payload

    def submit(self, task: Task) -> None:
        """Queue a task on its worker; returns at once.

        Raises
        ------
        UsageError
            If it names a candidate that was not published.
        """
        self._opened().submit(task)

    def recall(self, task: int) -> None:
        """Ask that tasks up to this number stop at their next block; each is still reported."""
        self._opened().recall(task)

    def close(self) -> None:
        """Stop everything this executor started; a given cluster stays, its workers unhung."""
        with self._closing:
            if self._closed:
                return
            floor = self._floor
            if floor is not None:
                self._finish_given(floor)
                with floor.changed:
                    floor.closed = True
                    floor.changed.notify_all()
            if self._watchdog is not None:
                self._watchdog.join()
            self._let_go(floor)
            self._closed = True

    @property
    def dashboard_link(self) -> str | None:
        """Address of the cluster's dashboard, where there is one."""
        floor = self._floor
        if self._closed or floor is None or floor.connection is None:
            return None
        return floor.connection.dashboard_link

    def usage(self) -> tuple[WorkerUsage, ...]:
        """Return how busy each worker is: the mean of its newest samples (1 s; a GPU's newest).

        Of a worker that has told nothing for 3 s it is what this machine's system tells since
        the last call, or the last heartbeat of a worker elsewhere.
        """
        floor = self._floor
        if self._closed or floor is None or floor.connection is None:
            return ()
        with floor.changed:
            stations = list(floor.stations.values())
            now = now_s()
            told = {s.info.name: floor.samples.of(s.info.name, now) for s in stations}
        limit = self._house.memory_limit_bytes if self._house else None
        found = [
            dataclasses.replace(usage, memory_limit_bytes=limit or usage.memory_limit_bytes)
            for usage in told.values()
            if usage is not None
        ]
        silent = [station for station in stations if told[station.info.name] is None]
        found += self._looked_up(silent, limit, floor.connection)
        return tuple(sorted(found, key=lambda usage: usage.worker))

    def _looked_up(
        self, stations: Sequence[Station], limit: int | None, connection: Connection
    ) -> list[WorkerUsage]:
        """Return what can be seen of workers from here."""
        found = [
            self._processes.look(station.info.name, station.newcomer.pid, limit)
            for station in stations
            if station.info.local
        ]
        if len(found) < len(stations):
            told = connection.workers_told(USAGE_LIMIT_S)
            found += [
                parse_usage(station.info.name, told[station.newcomer.address])
                for station in stations
                if not station.info.local and station.newcomer.address in told
            ]
        return found

    # ------------------------------------------------------------ opening

    def _opened(self) -> Floor:
        if self._floor is None:
            raise UsageError("this executor is not open; call open() first")
        return self._floor

    def _make_floor(self, sink: Callable[[ExecutorReport], None], workload: Workload) -> Floor:
        name = workload_name(workload)
        same_files = self._house is not None
        payload = ship(workload, what=f"workload {name!r}", same_files=same_files)
        if self._house is not None:
            self._house.open()
            self._folder = self._house.folder
        else:
            self._folder = scratch_folder(1)
        assert self._folder is not None  # noqa: S101 - made just now
        self._floor = self.floor_type(
            session=self._session,
            sink=sink,
            workload=payload,
            memory_limit_bytes=self._house.memory_limit_bytes if self._house else None,
            folder=self._folder,
            sample_hz=self._sample_hz,
        )
        return self._floor

    def _connect(self, floor: Floor) -> None:
        assert self._folder is not None  # noqa: S101 - made with the floor
        token = self._folder / "token"
        token.write_text(self._session, encoding="utf-8")
        if self._house is not None:
            address, security = self._house.scheduler.scheduler_address, None
        else:
            assert self._given is not None  # noqa: S101 - one of the two is there
            address, security = self._given
        floor.connection = Connection(
            address,
            security=security,
            session=self._session,
            token_path=str(token),
            ours=self._house is not None,
        )
        if self._house is not None:
            floor.supervisor = self._house.make_supervisor(
                on_exit=floor.on_exit, on_failure=floor.fail
            )
        if self._sample_hz:
            floor.connection.hear_usage(floor.on_usage)
        floor.connection.listen(floor)
        if floor.supervisor is not None:
            floor.supervisor.start()

    def _await_workers(self, floor: Floor) -> None:
        """Wait for the first workers; on a given cluster only for an answer of those there are."""
        ours = self._house is not None
        if not ours and floor.connection is not None:
            floor.connection.await_stock(START_LIMIT_S)
        with floor.changed:
            if ours:
                floor.changed.wait_for(
                    lambda: floor.failure or not self._late_kinds(floor), START_LIMIT_S
                )
            if floor.failure:
                raise ClusterError(floor.failure)
            if late := self._late_kinds(floor):
                raise ClusterError(f"no {late[0]} was ready within {START_LIMIT_S:g} s")
            if not floor.stations and floor.refused:
                raise ClusterError(floor.refused[0])
            floor.reporting_failure = True

    def _late_kinds(self, floor: Floor) -> list[str]:
        """Return the kinds of our own workers of which none is there: a race may need any."""
        there = {bool(station.info.gpu) for station in floor.stations.values()}
        plans = self._house.plans if self._house is not None else ()
        missing = {bool(plan.gpu) for plan in plans} - there
        return ["GPU worker" if is_gpu else "worker" for is_gpu in sorted(missing)]

    # ------------------------------------------------------------ closing

    def _finish_given(self, floor: Floor) -> None:
        """Leave nothing running on workers that are not ours."""
        if self._house is not None or floor.connection is None:
            return
        floor.recall(2**62)
        with floor.changed:
            busy = [station for station in floor.stations.values() if station.tasks]
            floor.changed.wait_for(
                lambda: floor.failure or not any(station.tasks for station in busy), CLOSE_LIMIT_S
            )
            for station in busy:
                if station.tasks and station.cause is None and not floor.failure:
                    floor.condemn(station, Cause(reason="its executor was closed"))

    def _let_go(self, floor: Floor | None) -> None:
        if self._house is not None:
            self._house.end_workers()
        if floor is not None and floor.connection is not None:
            self._forget(floor, floor.connection)
            floor.connection.close()
        if floor is not None:
            for station in floor.stations.values():
                station.close()
        if self._house is not None:
            self._house.close()
        elif self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _forget(self, floor: Floor, connection: Connection) -> None:
        """Let workers that are not ours drop what this executor left in them."""
        if self._house is None and not floor.failure:
            addresses = {s.newcomer.address for s in floor.stations.values() if s.cause is None}
            connection.tell([*addresses, *floor.let_go], remote.forget, self._session, wait=True)
