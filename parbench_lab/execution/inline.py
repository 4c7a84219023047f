"""The executor without a cluster: one thread of this process, for debugging and for tests."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable

from parbench_lab.core.block import Task
from parbench_lab.core.candidate import Candidate
from parbench_lab.core.ports import (
    ExecutorFailed,
    ExecutorReport,
    TaskEnded,
    WorkerInfo,
    WorkerJoined,
    Workload,
)
from parbench_lab.core.usage import WorkerUsage
from parbench_lab.errors import UsageError
from parbench_lab.execution.measure import Rig
from parbench_lab.execution.program import Program, Silent

NAME = "inline"


class InlineExecutor:
    """Runs tasks in a thread of this process, one after the other.

    Breakpoints and prints of candidates work, and nothing is pickled. What a process of its own
    protects from is missing: a candidate that hangs hangs `close` too, one that crashes takes
    everything along, and other threads of this process disturb the measurements.

    Examples
    --------
    >>> import queue
    >>> from parbench_lab.workloads.registry import workload_by_name
    >>> reports, executor = queue.Queue(), InlineExecutor()
    >>> executor.open(reports.put, workload_by_name("sorting"))
    >>> reports.get().worker.name
    'inline'
    >>> executor.close()
    """

    def __init__(self) -> None:
        self._inbox: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._candidates: dict[str, Candidate] = {}
        self._functions: dict[str, Callable[..., object]] = {}
        self._progress = Silent()
        self._closed = False
        self._thread: threading.Thread | None = None

    def open(self, sink: Callable[[ExecutorReport], None], workload: Workload) -> None:
        """Start the thread and report its worker.

        Raises
        ------
        UsageError
            If this executor was opened before.
        """
        if self._thread is not None or self._closed:
            raise UsageError("this executor was opened before; make a new one")
        worker = WorkerInfo(name=NAME, process=f"{NAME}-{os.getpid()}", local=False)
        sink(WorkerJoined(worker=worker))
        self._thread = threading.Thread(
            target=self._run, args=(sink, workload), name="parbench-inline", daemon=True
        )
        self._thread.start()

    def publish(self, candidate: Candidate) -> None:
        """Make a candidate known before the first task that names it."""
        self._functions.pop(candidate.name, None)
        self._candidates[candidate.name] = candidate

    def submit(self, task: Task) -> None:
        """Queue a task; returns at once.

        Raises
        ------
        UsageError
            If it names a candidate that was not published.
        """
        for block in task.blocks:
            for slot in block.slots:
                if slot.candidate not in self._candidates:
                    raise UsageError(f"candidate {slot.candidate!r} was not published")
        self._inbox.put(task)

    def recall(self, task: int) -> None:
        """Ask that tasks up to this number stop at their next block."""
        self._progress.stop_at = max(task, self._progress.stop_at)

    def close(self) -> None:
        """End the thread after the block that it is at; idempotent."""
        self._closed = True
        self.recall(2**62)
        self._inbox.put(None)
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    @property
    def dashboard_link(self) -> str | None:
        """None: there is no cluster."""
        return None

    def usage(self) -> tuple[WorkerUsage, ...]:
        """Return nothing: there are no workers apart from this process."""
        return ()

    def _run(self, sink: Callable[[ExecutorReport], None], workload: Workload) -> None:
        program = Program(token="inline", workload=workload, resolve=self._resolve)  # noqa: S106 - no password
        rig = Rig(alone=False)
        try:
            while (task := self._inbox.get()) is not None and not self._closed:
                report = rig.run_task(task, program, self._progress)
                if self._closed:
                    return
                sink(
                    TaskEnded(
                        task=task.number,
                        worker=task.worker,
                        results=report.results,
                        unrun=report.unrun,
                    )
                )
                if report.broken:
                    sink(ExecutorFailed(reason=report.broken))
                    return
        finally:
            rig.close()

    def _resolve(self, name: str) -> Callable[..., object]:
        if name not in self._functions:
            self._functions[name] = self._candidates[name].resolve()
        return self._functions[name]
