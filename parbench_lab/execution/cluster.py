"""The local cluster that is ours: a Dask scheduler in this process, workers in their own.

Everything listens on the loopback interface only. GPU workers were not run on a GPU while this
was written; the tests play recorded devices.
"""

from __future__ import annotations

import contextlib
import dataclasses
import operator
import shutil
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import dask
import distributed
import psutil

from parbench_lab.core.given import checked_workers, is_whole
from parbench_lab.errors import ClusterError, UsageError
from parbench_lab.execution import dashboard, plans
from parbench_lab.execution.logs import forgive_timeouts, muted_handlers, quiet_logs
from parbench_lab.execution.plans import worker_plans
from parbench_lab.execution.processes import Supervisor, WorkerPlan, WorkerProcess
from parbench_lab.execution.scratch import scratch_folder
from parbench_lab.hardware.cgroup import memory_room_bytes
from parbench_lab.hardware.cores import available_cores
from parbench_lab.hardware.gpu import GpuInventory, find_gpus

__all__ = [
    "DEFAULT_SEATS",
    "MAX_SEATS",
    "MIN_MEMORY_BYTES",
    "Gpus",
    "HouseCluster",
    "worker_plans",
]

Gpus = int | Literal["auto"]
"""How many GPUs to use; ``"auto"``: all that are visible."""

DEFAULT_SEATS = 4
MAX_SEATS = 8
"""Processes of a GPU: every one holds a CUDA context, some hundred megabytes of its memory."""

MIN_MEMORY_BYTES = 256 * 1024**2
_MEMORY_SHARE = 0.9

_LocalCluster: Any = distributed.LocalCluster  # annotated in part only
_FAR = "3650 days"
_CONFIGURING = threading.Lock()
"""Two that set and put back Dask's configuration at once would put back each other's."""


class HouseCluster:
    """Scheduler and workers, from `open` to `close`.

    Parameters
    ----------
    n_workers
        CPU workers: processes with one thread each; None for one per core that is ours and not
        kept for a GPU.
    memory_limit_bytes
        For each worker; None for an equal share of 90 % of the memory that is free now.
    gpus
        How many GPUs get workers: ``"auto"`` for all that are visible, 0 for none.
    gpu_seats
        Worker processes of each GPU, 1 to `MAX_SEATS`: as many blocks can be in flight on it.
    inventory
        What there is; looked up by default, when it is first needed.

    Raises
    ------
    UsageError
        If a number is out of range, or there are fewer GPUs than asked for; the text says why.
    """

    def __init__(
        self,
        *,
        n_workers: int | None = None,
        memory_limit_bytes: int | None = None,
        gpus: Gpus = 0,
        gpu_seats: int = DEFAULT_SEATS,
        inventory: GpuInventory | None = None,
    ) -> None:
        if n_workers is not None:
            n_workers = checked_workers(n_workers, "n_workers")
        if memory_limit_bytes is not None and not memory_limit_bytes >= MIN_MEMORY_BYTES:
            raise UsageError(
                f"memory_limit_bytes must be at least {MIN_MEMORY_BYTES} (a worker with its "
                f"libraries) but got {memory_limit_bytes}"
            )
        if not 1 <= gpu_seats <= MAX_SEATS:
            raise UsageError(f"gpu_seats must be from 1 to {MAX_SEATS} but got {gpu_seats}")
        self._gpus = checked_gpus(gpus)
        self._gpu_seats = gpu_seats
        self._inventory = inventory
        self._n_workers = n_workers
        self._memory_limit_bytes = memory_limit_bytes
        self._plans: tuple[WorkerPlan, ...] | None = None
        if self._gpus not in (0, "auto"):
            _refuse_absent(self._gpus, self.inventory)
        self.scheduler: Any = None
        self.folder: Path | None = None
        self.supervisor: Supervisor | None = None
        self._quiet = contextlib.ExitStack()

    @property
    def inventory(self) -> GpuInventory:
        """The GPUs that may be used, or why there are none."""
        if self._inventory is None:
            asked_for_none = GpuInventory(reason="gpus=0 was asked for")
            self._inventory = asked_for_none if self._gpus == 0 else find_gpus()
        return self._inventory

    @property
    def plans(self) -> tuple[WorkerPlan, ...]:
        """Every worker, the CPU workers first."""
        if self._plans is None:
            self._plans = self._planned()
        return self._plans

    @property
    def n_workers(self) -> int:
        """How many worker processes there are."""
        return len(self.plans)

    @property
    def memory_limit_bytes(self) -> int:
        """What each worker may hold."""
        if self._memory_limit_bytes is None:
            self._memory_limit_bytes = _memory_share_bytes(self.n_workers)
        return self._memory_limit_bytes

    def offers(self) -> dict[str, Mapping[str, float]]:
        """Return what every worker offers beyond a CPU, by name."""
        return {plan.name: plan.resources for plan in self.plans}

    def _planned(self) -> tuple[WorkerPlan, ...]:
        gpus = self.inventory.gpus if self._gpus != 0 else ()
        if self._gpus != "auto":
            gpus = gpus[: self._gpus]
        ours = plans.own_cores()
        taken = plans.cores_of_gpus([gpu.cores for gpu in gpus], seats=self._gpu_seats, ours=ours)
        cores, left = plans.left_first(ours, taken)
        usable = available_cores()
        n_workers = self._n_workers or (min(usable, left or usable) if gpus else usable)
        return (
            *worker_plans(n_workers, None, cores=cores, beside_gpus=bool(gpus)),
            *plans.gpu_plans(gpus, seats=self._gpu_seats, cores=taken),
        )

    def open(self) -> None:
        """Start the scheduler; `make_supervisor` brings the workers.

        Raises
        ------
        ClusterError
            If there is no room or no port for it.
        """
        self.folder = scratch_folder(self.n_workers)
        self._quiet.enter_context(muted_handlers())
        try:
            with _CONFIGURING, dask.config.set({"distributed.diagnostics.nvml": False}):
                self.scheduler = _LocalCluster(
                    n_workers=0,
                    threads_per_worker=1,
                    processes=True,
                    host="127.0.0.1",
                    dashboard_address="127.0.0.1:0",
                    silence_logs=False,  # see muted_handlers
                    scheduler_kwargs={
                        "allowed_failures": 0,
                        "worker_ttl": _FAR,
                        "local_directory": str(self.folder),
                        "dashboard": not dashboard.can_wait(),
                    },
                )
        except (OSError, RuntimeError) as error:
            self.close()
            raise ClusterError(f"the local scheduler cannot be started: {error}") from error
        if dashboard.can_wait():
            dashboard.load_when_asked(self.scheduler.scheduler)

    def make_supervisor(
        self,
        *,
        on_exit: Callable[[WorkerProcess, int], None],
        on_failure: Callable[[str], None],
    ) -> Supervisor:
        """Return who starts the worker processes; they join by themselves."""
        assert self.folder is not None  # noqa: S101 - open comes first
        self.supervisor = Supervisor(
            plans=[self._limited(plan) for plan in self.plans],
            scheduler=self.scheduler.scheduler_address,
            folder=self.folder,
            on_exit=on_exit,
            on_failure=on_failure,
        )
        return self.supervisor

    def _limited(self, plan: WorkerPlan) -> WorkerPlan:
        limit = None if plan.gpu else self.memory_limit_bytes  # see plans.gpu_plans
        return dataclasses.replace(plan, memory_limit_bytes=limit)

    def end_workers(self) -> None:
        """End the worker processes and wait for it."""
        if self.supervisor is not None:
            self.supervisor.close()

    def close(self) -> None:
        """End everything; idempotent."""
        self.end_workers()
        scheduler, self.scheduler = self.scheduler, None
        if scheduler is not None:
            forgive_timeouts(scheduler.loop.asyncio_loop)
            with quiet_logs():
                scheduler.close()
        self._quiet.close()
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


def checked_gpus(gpus: Any) -> Gpus:
    """Return how many GPUs are asked for.

    Raises
    ------
    UsageError
        If it is neither ``"auto"`` nor a whole number from 0 up.

    Examples
    --------
    >>> checked_gpus("auto"), checked_gpus(2)
    ('auto', 2)
    """
    if isinstance(gpus, str) and gpus == "auto":
        return "auto"
    if not is_whole(gpus) or gpus < 0:
        raise UsageError(f"gpus must be 'auto' or a whole number from 0 up but got {gpus!r}")
    return operator.index(gpus)


def refuse_gpus(gpus: Gpus | None) -> None:
    """Refuse a number of GPUs, 0 included, where the cluster is not ours; None is none given.

    Raises
    ------
    UsageError
        If one was asked for.
    """
    if gpus is not None and checked_gpus(gpus) != "auto":
        raise UsageError(
            f"gpus={gpus} is for the local cluster; a given one is used with the resources that "
            "its workers offer, so leave gpus out"
        )


def _refuse_absent(gpus: Gpus, inventory: GpuInventory) -> None:
    found = len(inventory.gpus)
    if gpus == "auto" or found >= gpus:
        return
    if not found:
        raise UsageError(f"gpus={gpus}: no GPU can be used: {inventory.reason}; leave gpus out")
    names = ", ".join(gpu.name for gpu in inventory.gpus)
    only = f"gpus={gpus}: only {found} can be used ({names}); give at most {found}"
    raise UsageError("; ".join((only, *inventory.troubles[:1])))


def _memory_share_bytes(n_workers: int) -> int:
    free = psutil.virtual_memory().available
    room = memory_room_bytes()
    usable = free if room is None else min(free, room)
    return max(MIN_MEMORY_BYTES, int(_MEMORY_SHARE * usable / n_workers))
