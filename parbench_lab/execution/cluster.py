"""The local cluster that is ours: a Dask scheduler in this process, workers in their own.

Everything listens on the loopback interface only.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask
import distributed
import psutil

from parbench_lab.errors import ClusterError, UsageError
from parbench_lab.execution import dashboard
from parbench_lab.execution.logs import forgive_timeouts, muted_handlers, quiet_logs
from parbench_lab.execution.processes import Supervisor, WorkerPlan, WorkerProcess
from parbench_lab.execution.scratch import scratch_folder
from parbench_lab.hardware.cgroup import memory_room_bytes
from parbench_lab.hardware.cores import available_cores

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
        Processes with one thread each; None for one per core that is ours.
    memory_limit_bytes
        For each worker; None for an equal share of 90 % of the memory that is free now.

    Raises
    ------
    UsageError
        If a number is out of range.
    """

    def __init__(
        self, *, n_workers: int | None = None, memory_limit_bytes: int | None = None
    ) -> None:
        if n_workers is not None and not n_workers >= 1:
            raise UsageError(f"n_workers must be at least 1 but got {n_workers}")
        if memory_limit_bytes is not None and not memory_limit_bytes >= MIN_MEMORY_BYTES:
            raise UsageError(
                f"memory_limit_bytes must be at least {MIN_MEMORY_BYTES} (a worker with its "
                f"libraries) but got {memory_limit_bytes}"
            )
        self.n_workers = n_workers if n_workers is not None else available_cores()
        self.memory_limit_bytes = memory_limit_bytes or _memory_share_bytes(self.n_workers)
        self.scheduler: Any = None
        self.folder: Path | None = None
        self.supervisor: Supervisor | None = None
        self._quiet = contextlib.ExitStack()

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
            plans=worker_plans(self.n_workers, self.memory_limit_bytes),
            scheduler=self.scheduler.scheduler_address,
            folder=self.folder,
            on_exit=on_exit,
            on_failure=on_failure,
        )
        return self.supervisor

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


def worker_plans(n_workers: int, memory_limit_bytes: int | None) -> tuple[WorkerPlan, ...]:
    """Return the workers ``cpu-0, cpu-1, ...``, each on a core of its own where there are enough.

    Examples
    --------
    >>> [plan.name for plan in worker_plans(2, None)]
    ['cpu-0', 'cpu-1']
    """
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    pinned = n_workers <= len(cores)
    return tuple(
        WorkerPlan(
            name=f"cpu-{index}",
            cores=(cores[index],) if pinned else (),
            memory_limit_bytes=memory_limit_bytes,
        )
        for index in range(n_workers)
    )


def _memory_share_bytes(n_workers: int) -> int:
    free = psutil.virtual_memory().available
    room = memory_room_bytes()
    usable = free if room is None else min(free, room)
    return max(MIN_MEMORY_BYTES, int(_MEMORY_SHARE * usable / n_workers))
