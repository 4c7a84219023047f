"""An executor that only pretends: scripted timings and faults, in virtual time."""

from __future__ import annotations

import dataclasses
import heapq
import itertools
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from parbench_lab.core.block import Block, Case, Slot, Task
from parbench_lab.core.candidate import Candidate
from parbench_lab.core.measurement import BlockResult, Measurement, Outcome, Suspicion
from parbench_lab.core.ports import (
    ExecutorFailed,
    ExecutorReport,
    TaskEnded,
    WorkerInfo,
    WorkerJoined,
    WorkerLeft,
    Workload,
)
from parbench_lab.core.usage import WorkerUsage
from parbench_lab.errors import UsageError
from parbench_lab.testing.model_gpu import GpuMeter, ModelGpu


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A scripted misfortune, returned by a timing function instead of seconds.

    Parameters
    ----------
    outcome
        Of the measurement. ``timed_out`` and ``crashed`` take the worker along, which comes back
        at once; None is a death that nobody can explain, a `Suspicion`.
    seconds
        Virtual seconds it took.
    message
        As in `Measurement`.
    """

    outcome: Outcome | None
    seconds: float = 0.001
    message: str = "scripted"


Timing = Callable[[np.random.Generator, Case, int], "float | Mapping[str, float] | Fault"]
"""``fn(rng, case, block)`` returns seconds per call, or values by metric name, or a `Fault`."""


@dataclass(slots=True)
class _Worker:
    info: WorkerInfo
    generation: int = 0
    queue: deque[Task] = field(default_factory=deque)
    runs: dict[tuple[str, int], int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Played:
    """What a task came to: its report, and whether the worker died of it."""

    ended: TaskEnded
    seconds: float
    death: str = ""


class ScriptedExecutor:
    """Pretends to run tasks: no processes, no clock, the same answers every time.

    Parameters
    ----------
    timings
        A `Timing` for every candidate, by name, or one function ``fn(name, rng, case, block)``
        for all of them.
    n_workers
        Workers ``cpu-0``, ``cpu-1``, ... that join when it is opened.
    gpus
        Devices whose seats (``gpu-0``, ``gpu-0.1``, ..., each with ``{"GPU": 1}``) join too. Each
        is read once per virtual second.
    seed
        Of the generator that the timings are given.
    auto
        Whether a task is reported ended as soon as it is submitted, in the order of submission.
        Else `advance` ends them, in the order of their virtual ends.

    Examples
    --------
    >>> executor = ScriptedExecutor({"a": lambda rng, case, block: 0.25}, n_workers=1)
    >>> reports = []
    >>> executor.open(reports.append, None)
    >>> executor.publish(Candidate(name="a", function=abs))
    >>> block = Block(number=0, epoch=0, case=Case(workload="w", size=1, seed=0),
    ...               slots=(Slot(candidate="a"),))
    >>> executor.submit(Task(number=0, worker="cpu-0", blocks=(block,)))
    >>> reports[-1].results[0].measurements[0].values["wall_time_s"], executor.now_s
    (0.25, 0.25)
    """

    dashboard_link: str | None = None

    def __init__(
        self,
        timings: Mapping[str, Timing] | Callable[..., Any],
        *,
        n_workers: int = 2,
        gpus: Sequence[ModelGpu] = (),
        seed: int = 0,
        auto: bool = True,
    ) -> None:
        self._timings = timings
        self._rng = np.random.default_rng(seed)
        self._auto = auto
        self._meters = [GpuMeter(gpu, seed=seed + i) for i, gpu in enumerate(gpus)]
        self._uuids = {name: gpu.uuid for i, gpu in enumerate(gpus) for name in gpu.names(i)}
        self._names = [*(f"cpu-{index}" for index in range(n_workers)), *self._uuids]
        self._workers: dict[str, _Worker] = {}
        self._ends: list[tuple[float, int, str, _Played]] = []
        self._count = itertools.count()
        self._recalled = -1
        self._sink: Callable[[ExecutorReport], None] | None = None
        self._lock = threading.RLock()
        self._closed = False
        self.now_s = 0.0
        """Virtual seconds: the end of the last task that ended."""

    def open(self, sink: Callable[[ExecutorReport], None], workload: Workload | None) -> None:  # noqa: ARG002 - nothing is run
        """Let the workers join."""
        self._sink = sink
        for name in self._names:
            self.join(name)

    def usage(self) -> tuple[WorkerUsage, ...]:
        """Return each worker with the last reading of its GPU; nothing else is measured."""
        with self._lock:
            read = {meter.gpu.uuid: meter.usage() for meter in self._meters}
            names = sorted(self._workers)
        bare = WorkerUsage(worker="")
        return tuple(
            dataclasses.replace(read.get(self._uuids.get(name, ""), bare), worker=name)
            for name in names
        )

    def publish(self, candidate: Candidate) -> None:
        """Check that the candidate is in the script.

        Raises
        ------
        UsageError
            If it is not.
        """
        if not callable(self._timings) and candidate.name not in self._timings:
            raise UsageError(f"candidate {candidate.name!r} is not in the script")

    def submit(self, task: Task) -> None:
        """Queue a task on its worker.

        Raises
        ------
        UsageError
            If it names a candidate that is not in the script.
        """
        self._refuse_unscripted(task)
        with self._lock:
            if self._closed:
                return
            worker = self._workers.get(task.worker)
            if worker is None:
                self._report(_unrun(task))
                return
            worker.queue.append(task)
            if len(worker.queue) == 1:
                self._begin(worker)
                self._look_at_gpus()
            while self._auto and self.advance():
                pass

    def recall(self, task: int) -> None:
        """Do not run tasks up to this number that have not begun."""
        with self._lock:
            self._recalled = max(task, self._recalled)

    def close(self) -> None:
        """Report nothing any more."""
        with self._lock:
            self._closed = True
            self._workers.clear()
            self._ends.clear()

    # ------------------------------------------------------------ the script's side

    def advance(self) -> bool:
        """End the task whose virtual end is next and report it; return whether there was one."""
        with self._lock:
            while self._ends:
                end_s, _, name, played = heapq.heappop(self._ends)
                worker = self._workers.get(name)
                if worker is None or not worker.queue:
                    continue
                if worker.queue[0].number != played.ended.task:
                    continue  # it was lost with its worker
                self._read_gpus(end_s)
                self.now_s = max(self.now_s, end_s)
                worker.queue.popleft()
                self._look_at_gpus()
                self._report(played.ended)
                if played.death:
                    self.leave(name, played.death)
                    self.join(name)
                elif worker.queue:
                    self._begin(worker)
                return True
            return False

    def join(self, name: str) -> None:
        """Let a worker join, or come back as another process."""
        with self._lock:
            generation = next(self._count)
            uuid = self._uuids.get(name, "")
            info = WorkerInfo(
                name=name,
                process=f"{name}.{generation}",
                local=True,
                resources={"GPU": 1.0} if uuid else {},
                gpu=uuid,
            )
            self._workers[name] = _Worker(info=info, generation=generation)
            self._report(WorkerJoined(worker=info))

    def leave(self, name: str, reason: str = "scripted") -> None:
        """Let a worker leave; its tasks end unrun."""
        with self._lock:
            worker = self._workers.pop(name)
            for meter in self._meters:
                meter.freed(name)
            self._look_at_gpus()
            for task in worker.queue:
                self._report(_unrun(task))
            self._report(WorkerLeft(worker=name, reason=reason))

    def fail(self, reason: str) -> None:
        """Let the whole executor fail."""
        self._report(ExecutorFailed(reason=reason))

    # ------------------------------------------------------------ inside

    def _read_gpus(self, until_s: float) -> None:
        due = [reading for meter in self._meters for reading in meter.until(until_s)]
        for at_s, sample in sorted(due, key=lambda reading: reading[0]):
            self.now_s = max(self.now_s, at_s)
            self._report(sample)

    def _look_at_gpus(self) -> None:
        busy = {name for name, worker in self._workers.items() if worker.queue}
        for meter in self._meters:
            uuid = meter.gpu.uuid
            meter.seen(self.now_s, {name for name in busy if self._uuids.get(name) == uuid})

    def _begin(self, worker: _Worker) -> None:
        played = self._play(worker, worker.queue[0])
        end_s = self.now_s + played.seconds
        heapq.heappush(self._ends, (end_s, next(self._count), worker.info.name, played))

    def _play(self, worker: _Worker, task: Task) -> _Played:
        results: list[BlockResult] = []
        seconds = 0.0
        if task.number <= self._recalled:
            return _Played(_unrun(task), 0.0)
        for block in task.blocks:
            measurements: list[Measurement] = []
            for slot in block.slots:
                scripted = self._scripted(slot, block)
                taken_s, measurement = self._measured(worker, task, block, slot, scripted)
                seconds += taken_s
                if measurement is not None:
                    measurements.append(measurement)
                if isinstance(scripted, Fault) and _is_deadly(scripted):
                    results += _block_results(block, task, measurements)
                    return _Played(
                        _cut(task, results, block, slot, scripted), seconds, scripted.message
                    )
            results += _block_results(block, task, measurements)
        ended = TaskEnded(task=task.number, worker=task.worker, results=tuple(results))
        return _Played(ended, seconds)

    def _scripted(self, slot: Slot, block: Block) -> float | Mapping[str, float] | Fault:
        if callable(self._timings):
            found: float | Fault = self._timings(
                slot.candidate, self._rng, block.case, block.number
            )
            return found
        return self._timings[slot.candidate](self._rng, block.case, block.number)

    def _refuse_unscripted(self, task: Task) -> None:
        if callable(self._timings):
            return
        for block in task.blocks:
            for slot in block.slots:
                if slot.candidate not in self._timings:
                    raise UsageError(f"candidate {slot.candidate!r} is not in the script")

    def _measured(
        self,
        worker: _Worker,
        task: Task,
        block: Block,
        slot: Slot,
        scripted: float | Mapping[str, float] | Fault,
    ) -> tuple[float, Measurement | None]:
        key = (slot.candidate, block.case.size)
        runs = worker.runs[key] = worker.runs.get(key, 0) + 1
        if isinstance(scripted, Fault):
            if scripted.outcome is None:
                return scripted.seconds, None
            outcome, message, values = scripted.outcome, scripted.message, {}
            taken_s = scripted.seconds
        else:
            outcome, message = Outcome.OK, ""
            values = dict(scripted) if isinstance(scripted, Mapping) else {"wall_time_s": scripted}
            taken_s = values["wall_time_s"] * slot.repeats
        return taken_s, Measurement(
            candidate=slot.candidate,
            outcome=outcome,
            values=values,
            copy=slot.copy,
            repeats=slot.repeats,
            warm_up=runs <= task.warmup,
            checked=slot.check or runs == 1,
            message=message,
        )

    def _report(self, report: ExecutorReport) -> None:
        if self._sink is not None and not self._closed:
            self._sink(report)


def _is_deadly(fault: Fault) -> bool:
    return fault.outcome in (None, Outcome.TIMED_OUT, Outcome.CRASHED)


def _block_results(
    block: Block, task: Task, measurements: list[Measurement]
) -> tuple[BlockResult, ...]:
    if not measurements:
        return ()
    return (
        BlockResult(number=block.number, worker=task.worker, measurements=tuple(measurements)),
    )


def _cut(
    task: Task, results: list[BlockResult], block: Block, slot: Slot, fault: Fault
) -> TaskEnded:
    done = {result.number for result in results}
    suspicion = None
    if fault.outcome is None:
        suspicion = Suspicion(block=block.number, candidate=slot.candidate, reason=fault.message)
    return TaskEnded(
        task=task.number,
        worker=task.worker,
        results=tuple(results),
        unrun=tuple(b.number for b in task.blocks if b.number not in done),
        suspicion=suspicion,
    )


def _unrun(task: Task) -> TaskEnded:
    unrun = tuple(block.number for block in task.blocks)
    return TaskEnded(task=task.number, worker=task.worker, unrun=unrun)
