"""The worker processes of our own cluster: started, waited for, started again.

One supervisor thread starts every process and outlives them all (Linux ends a child with the
thread that started it), and a waiter thread per process blocks until it ends. Nothing polls.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from parbench_lab.execution.faults import Cause, explain_exit
from parbench_lab.execution.flight import create_flight_file
from parbench_lab.execution.worker import BOOT, WorkerSettings

MAX_STILLBIRTHS = 3
"""Deaths in a row before a worker was ready; one by SIGKILL counts a tenth."""

_KILL = getattr(signal, "SIGKILL", signal.SIGTERM)
ONE_THREAD = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "MKL_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "NUMEXPR_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
    ),
    "1",
)
"""Environment of a worker: libraries loaded in it start no threads of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPlan:
    """What a worker is, whatever process embodies it at the moment.

    `env` is set in its environment over ours; `gpu` is the UUID of the device it is for, empty
    for none.
    """

    name: str
    cores: tuple[int, ...] = ()
    resources: Mapping[str, float] = field(default_factory=dict)
    memory_limit_bytes: int | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    gpu: str = ""


class WorkerProcess:
    """One process that embodies a worker; `generation` counts them per worker from 0."""

    def __init__(self, plan: WorkerPlan, generation: int, folder: Path) -> None:
        stem = f"{plan.name}.{generation}"
        self.plan = plan
        self.generation = generation
        self.dask_name = stem
        self.flight_path = folder / f"{stem}.flight"
        self.trace_path = folder / f"{stem}.trace"
        self.birth_path = folder / f"{stem}.birth"
        self.ready = False
        """Set when it has joined the cluster; a process that ends before is stillborn."""
        self._lock = threading.Lock()
        self._popen: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process id, -1 before it was started."""
        return self._popen.pid if self._popen is not None else -1

    def start(self, scheduler: str, folder: Path) -> None:
        """Start it; returns at once.

        Raises
        ------
        OSError
            If the system has no room for it.
        """
        create_flight_file(self.flight_path)
        settings = WorkerSettings(
            scheduler=scheduler,
            name=self.dask_name,
            folder=str(folder),
            trace=str(self.trace_path),
            memory_limit_bytes=self.plan.memory_limit_bytes,
            cores=self.plan.cores,
            resources=dict(self.plan.resources),
            parent=os.getpid(),
        )
        told = json.dumps({**asdict(settings), "path": [p or os.getcwd() for p in sys.path]})  # noqa: PTH109
        with self.birth_path.open("wb") as birth:
            self._popen = subprocess.Popen(  # noqa: S603 - this interpreter and a constant
                [sys.executable, "-c", BOOT, self.dask_name],
                stdin=subprocess.PIPE,
                stdout=birth,
                stderr=birth,
                env={**os.environ, **ONE_THREAD, **self.plan.env},
                start_new_session=True,  # its children can be ended with it; Ctrl-C stays here
            )
        assert self._popen.stdin is not None  # noqa: S101 - asked for above
        with contextlib.suppress(BrokenPipeError):  # it died already; the waiter will tell
            self._popen.stdin.write(told.encode() + b"\n")
            self._popen.stdin.flush()

    def wait(self) -> int:
        """Wait until it ended and return its exit code; its children are ended too."""
        assert self._popen is not None  # noqa: S101 - waited for only after the start
        if hasattr(os, "waitid"):  # look without reaping, so that its number stays its own
            os.waitid(os.P_PID, self._popen.pid, os.WEXITED | os.WNOWAIT)
            with self._lock:
                self._end_group()
                returncode = self._popen.wait()
        else:
            returncode = self._popen.wait()
        if self._popen.stdin is not None:
            with contextlib.suppress(OSError):
                self._popen.stdin.close()
        return returncode

    def kill(self) -> None:
        """End it and its children at once; does nothing when it has ended."""
        with self._lock:
            if self._popen is not None and self._popen.returncode is None:
                self._end_group()
                # not Popen.kill: it reaps one that is dead, and the waiter would never see its end
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._popen.pid, _KILL)

    def cause(self, returncode: int) -> Cause:
        """Return why it ended, by its exit code and what it wrote in its last moment."""
        return explain_exit(returncode, _text(self.trace_path))

    def last_words(self) -> str:
        """Return the last line it wrote before it was ready."""
        lines = [line for line in _text(self.birth_path).splitlines() if line.strip()]
        return " ".join(lines[-1:])[:300]

    def discard(self) -> None:
        """Remove its files."""
        for path in (self.flight_path, self.trace_path, self.birth_path):
            path.unlink(missing_ok=True)

    def _end_group(self) -> None:
        if self._popen is not None and hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._popen.pid, signal.SIGKILL)


class Supervisor:
    """Keeps a process running for each worker.

    Parameters
    ----------
    plans
        The workers.
    scheduler
        Address of the scheduler they join.
    folder
        For their files; removed by its owner.
    on_exit
        Called with a process and its exit code, before its files are removed and the next one is
        started. Not called for those that `close` ends.
    on_failure
        Called with one line when a worker was stillborn again and again (`MAX_STILLBIRTHS`).
    """

    def __init__(
        self,
        *,
        plans: Sequence[WorkerPlan],
        scheduler: str,
        folder: Path,
        on_exit: Callable[[WorkerProcess, int], None],
        on_failure: Callable[[str], None],
    ) -> None:
        self._plans = tuple(plans)
        self._scheduler = scheduler
        self._folder = folder
        self._on_exit = on_exit
        self._on_failure = on_failure
        self._messages: queue.SimpleQueue[tuple[WorkerProcess, int] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._alive: dict[str, WorkerProcess] = {}
        self._stillbirths: dict[str, float] = {}
        self._waiters: set[threading.Thread] = set()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="parbench-supervisor", daemon=True)

    def start(self) -> None:
        """Start all workers; returns at once."""
        self._thread.start()

    def by_dask_name(self, dask_name: str) -> WorkerProcess | None:
        """Return the living process that joined Dask under this name."""
        with self._lock:
            found = [p for p in self._alive.values() if p.dask_name == dask_name]
        return found[0] if found else None

    def close(self) -> None:
        """End all processes and threads; returns when they are gone. Idempotent."""
        with self._lock:
            closed, self._closed = self._closed, True
        if not closed:
            self._messages.put(None)
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join()

    # ------------------------------------------------------------ the supervisor's thread

    def _run(self) -> None:
        for plan in self._plans:
            self._spawn(plan, 0)
        while (message := self._messages.get()) is not None:
            self._ended(*message)
        with self._lock:
            alive, waiters = list(self._alive.values()), list(self._waiters)
        for process in alive:
            process.kill()
        for waiter in waiters:
            waiter.join()
        for process in alive:
            process.discard()

    def _spawn(self, plan: WorkerPlan, generation: int) -> None:
        process = WorkerProcess(plan, generation, self._folder)
        try:
            process.start(self._scheduler, self._folder)
        except OSError as error:
            process.discard()
            self._on_failure(f"worker {plan.name} cannot be started: {error}")
            return
        waiter = threading.Thread(
            target=self._wait, args=(process,), name=f"parbench-wait-{plan.name}", daemon=True
        )
        with self._lock:
            self._alive[plan.name] = process
            self._waiters.add(waiter)
        waiter.start()

    def _wait(self, process: WorkerProcess) -> None:
        returncode = process.wait()
        with self._lock:
            self._waiters.discard(threading.current_thread())
        self._messages.put((process, returncode))

    def _ended(self, process: WorkerProcess, returncode: int) -> None:
        name = process.plan.name
        with self._lock:
            closed = self._closed
            self._alive.pop(name, None)
        if closed:
            process.discard()
            return
        self._on_exit(process, returncode)
        # killed from outside says little about the next one, but not nothing
        weight = 0.1 if returncode == -_KILL else 1.0
        count = 0.0 if process.ready else self._stillbirths.get(name, 0.0) + weight
        self._stillbirths[name] = count
        words = process.last_words()
        process.discard()
        if count >= MAX_STILLBIRTHS:
            self._on_failure(
                f"worker {name} ended again and again before it was ready "
                f"(exit code {returncode}): {words or 'it said nothing'}"
            )
            return
        self._spawn(process.plan, process.generation + 1)


def _text(path: Path) -> Any:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
