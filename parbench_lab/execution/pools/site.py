"""The cluster behind a Dask pool: our own, or one that is given and stays."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from parbench_lab.core.machine import Machine
from parbench_lab.execution.address import address_and_security
from parbench_lab.execution.cluster import HouseCluster, worker_plans
from parbench_lab.execution.connection import Connection
from parbench_lab.execution.pools import dask_tasks
from parbench_lab.execution.pools.seats import START_LIMIT_S, Seats
from parbench_lab.execution.scratch import scratch_folder


class Site:
    """Scheduler, connection and seats, from `open` to `close`.

    Parameters
    ----------
    n_workers
        None for one per core, or all of a given cluster.
    cluster
        None for our own; an address, a Dask client or a cluster object.

    Raises
    ------
    UsageError
        If `cluster` is none of these.
    """

    def __init__(self, n_workers: int | None, cluster: Any) -> None:
        self.session = secrets.token_hex(8)
        self._n_workers = n_workers
        self._house: HouseCluster | None = None
        self._given: tuple[str, Any] = ("", None)
        names: list[str] = []
        if cluster is None:
            self._house = HouseCluster(n_workers=n_workers)
            names = [plan.name for plan in worker_plans(self._house.n_workers, None)]
        else:
            self._given = address_and_security(cluster, None)
        self.seats = Seats(names, session=self.session, ours=self._house is not None)
        self._folder: Path | None = None
        self._connection: Connection | None = None

    @property
    def is_ours(self) -> bool:
        """Whether the workers are ours, on this machine and with its files."""
        return self._house is not None

    @property
    def connection(self) -> Connection:
        """The client's connection; there once it is open."""
        assert self._connection is not None  # noqa: S101 - open comes first
        return self._connection

    def open(self) -> None:
        """Start or reach the cluster; returns when its workers are ready.

        Raises
        ------
        ClusterError
            If there is none, or it has too few usable workers.
        """
        self._connect()
        if self._house is not None:
            supervisor = self._house.make_supervisor(
                on_exit=self.seats.on_exit, on_failure=self.seats.fail
            )
            self.connection.listen(self.seats)
            supervisor.start()
            self.seats.await_all()
        else:
            self.connection.listen(self.seats)
            self.connection.await_stock(START_LIMIT_S)
            self.seats.settle(self._n_workers)

    def is_far(self) -> bool:
        """Return whether a worker does not see this machine's files."""
        there = [seat.newcomer for seat in self.seats.seats]
        return not all(one is not None and one.sees_token for one in there)

    def ask(self, address: str, function: Callable[[], Any], limit_s: float) -> Any:
        """Return what a function returns on a worker; None where it does not answer in time."""
        return self.connection.answers([address], function, limit_s=limit_s)[0]

    def ask_all(self, function: Callable[[], Any], limit_s: float) -> list[Any]:
        """Return what a function returns on each worker, None for one that does not answer."""
        return self.connection.answers(self.seats.addresses(), function, limit_s=limit_s)

    def machine(self, libraries: Sequence[str]) -> Machine:
        """Return what all usable workers' machines are together, see `Connection.machine`."""
        return self.connection.machine(self.seats.newcomers(), libraries)

    def close(self) -> None:
        """End what is ours, and leave what is not as it was; idempotent."""
        self.seats.close()
        if self._house is not None:
            self._house.end_workers()
        connection, self._connection = self._connection, None
        if connection is not None:
            if self._house is None and not self.seats.failure:
                addresses = self.seats.addresses()
                connection.tell(addresses, dask_tasks.forget, self.session, wait=True)
            connection.close()
        if self._house is not None:
            self._house.close()
        elif self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _connect(self) -> None:
        if self._house is not None:
            self._house.open()
            self._folder = self._house.folder
            address, security = self._house.scheduler.scheduler_address, None
        else:
            self._folder = scratch_folder(1)
            address, security = self._given
        assert self._folder is not None  # noqa: S101 - made just now
        self.seats.folder = self._folder
        token = self._folder / "token"
        token.write_text(self.session, encoding="utf-8")
        self._connection = self.seats.connection = Connection(
            address,
            security=security,
            session=self.session,
            token_path=str(token),
            ours=self._house is not None,
        )
