"""The process of a local worker: a Dask worker with one thread, prepared for measuring.

It never imports the user's main script: it is started with a line of code, is told everything
else through its standard input, and ends when that is closed (the parent is gone).
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import gc
import logging
import os
import signal
import sys
import threading
from dataclasses import dataclass
from typing import Any

from parbench_lab.execution.faults import CLOSED_BY_CLUSTER
from parbench_lab.execution.parent import end_with_parent

BOOT = (
    "import json, sys; c = json.loads(sys.stdin.buffer.readline()); sys.path[:] = c.pop('path'); "
    "from parbench_lab.execution.worker import main; main(c)"
)

# a measuring process wants no profiler, no monitors, and no thread that wakes it often
_CALM = {
    "distributed.worker.profile.enabled": False,
    "distributed.admin.system-monitor.interval": "60s",
    "distributed.admin.system-monitor.gil.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.tick.limit": "1h",
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    "distributed.worker.use-file-locking": False,
    "distributed.diagnostics.nvml": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """What a worker process is told when it starts.

    Parameters
    ----------
    scheduler
        Address of the scheduler.
    name
        Its name towards Dask; new for every process.
    folder
        Where it may write.
    trace
        File for the traceback of a crash.
    memory_limit_bytes
        Of data; a greedier allocation is a `MemoryError`.
    cores
        Cores to stay on; empty for all.
    resources
        What it offers beyond a CPU.
    """

    scheduler: str
    name: str
    folder: str
    trace: str
    memory_limit_bytes: int | None
    cores: tuple[int, ...]
    resources: dict[str, float]
    parent: int


def main(told: dict[str, Any]) -> None:
    """Run the worker until its parent or the cluster ends it."""
    settings = WorkerSettings(**told)
    _die_with_parent(settings.parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    if settings.cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, settings.cores)
    trace = open(settings.trace, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - for life
    faulthandler.enable(trace, all_threads=False)
    import dask  # noqa: PLC0415 - after the affinity is set, so that every thread inherits it

    dask.config.set(_CALM)
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    asyncio.run(_serve(settings))
    os._exit(CLOSED_BY_CLUSTER)  # threads of candidates must not keep the process


async def _serve(settings: WorkerSettings) -> None:
    from distributed import Worker  # noqa: PLC0415 - after the configuration is set

    worker = Worker(
        settings.scheduler,
        nthreads=1,
        name=settings.name,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        local_directory=settings.folder,
        resources=settings.resources,
        memory_limit=0,
        death_timeout=60,
        heartbeat_interval="5s",
    )
    _prepare(settings)
    async with worker:
        _silence()
        await worker.finished()  # type: ignore[no-untyped-call]


def _prepare(settings: WorkerSettings) -> None:
    """Load what the first task needs, then set limits and tidy up."""
    from parbench_lab.execution import remote  # noqa: PLC0415 - loads numpy

    remote.quiet_threads()
    _limit_memory(settings.memory_limit_bytes)
    gc.collect()
    gc.freeze()  # the libraries' objects are never garbage


def _limit_memory(limit_bytes: int | None) -> None:
    try:
        import resource  # noqa: PLC0415 - not on every platform
    except ImportError:
        return
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash writes nowhere
    if limit_bytes is not None:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_DATA, (limit_bytes, limit_bytes))


def _silence() -> None:
    """Send what is printed from here on nowhere; the log of the birth ends here."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def _die_with_parent(parent: int) -> None:
    """End with the parent, even when it is killed and even while a candidate holds the GIL."""
    end_with_parent(parent)
    lifeline = os.dup(0)
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)  # a candidate that reads its input finds the end of it
    os.close(nowhere)
    threading.Thread(target=_follow, args=(lifeline,), name="Dask-lifeline", daemon=True).start()


def _follow(lifeline: int) -> None:
    os.read(lifeline, 1)
    os._exit(1)
