"""What every executor must keep, as a check that can be run on any of them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from parbench_lab.core.block import Block, Case, Slot, Task
from parbench_lab.core.candidate import Candidate
from parbench_lab.core.measurement import Outcome
from parbench_lab.core.ports import Executor, ExecutorReport, TaskEnded, WorkerJoined
from parbench_lab.core.usage import WorkerUsage

CHECKED_CANDIDATES = ("steady", "other")
"""Names that an executor given to `check_executor` must be able to run."""

CHECK_LIMIT_S = 60.0
_BLOCKS_PER_TASK = 3
_TASKS = 6


class Adding:
    """The workload of the check: add up numbers."""

    name = "adding"

    def make_case(self, size: int, rng: np.random.Generator) -> Any:
        """Return `size` whole numbers."""
        return [int(number) for number in rng.integers(0, 100, size=size)]

    def check(self, case: Any, result: Any) -> None:
        """Compare with the sum.

        Raises
        ------
        ValueError
            If it is another number.
        """
        if result != sum(case):
            raise ValueError(f"the sum is {sum(case)} but got {result}")


def add(case: Any) -> int:
    """Return the sum of the numbers."""
    return sum(case)


class _Reports:
    """Keeps reports, and notices two at a time."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._busy = threading.Lock()
        self.kept: list[ExecutorReport] = []
        self.overlaps = 0

    def __call__(self, report: ExecutorReport) -> None:
        alone = self._busy.acquire(blocking=False)
        with self._changed:
            self.overlaps += not alone
            self.kept.append(report)
            self._changed.notify_all()
        if alone:
            self._busy.release()

    def wait_for(self, predicate: Callable[[], bool]) -> bool:
        with self._changed:
            return self._changed.wait_for(predicate, CHECK_LIMIT_S)

    @property
    def workers(self) -> list[str]:
        """Names of workers that joined, in order."""
        return [report.worker.name for report in self.kept if isinstance(report, WorkerJoined)]

    @property
    def ended(self) -> list[TaskEnded]:
        """Tasks that ended, in order."""
        return [report for report in self.kept if isinstance(report, TaskEnded)]


def check_executor(make_executor: Callable[[], Executor]) -> None:
    """Check that an executor keeps the promises of its port.

    Parameters
    ----------
    make_executor
        Returns a fresh executor each time, able to run `CHECKED_CANDIDATES` (a scripted one must
        have them in its script, without faults).

    Raises
    ------
    AssertionError
        With the promise that was broken.

    Examples
    --------
    >>> from parbench_lab.execution.inline import InlineExecutor
    >>> check_executor(InlineExecutor)
    """
    executor = make_executor()
    try:
        reports = _Reports()
        executor.open(reports, Adding())
        _promise(reports.wait_for(lambda: bool(reports.workers)), "a worker joins after open")
        for name in CHECKED_CANDIDATES:
            executor.publish(Candidate(name=name, function=add))
        worker = reports.workers[0]
        _check_results(executor, reports, _tasks(worker, first=0))
        _check_recall(executor, reports, _tasks(worker, first=_TASKS))
        _check_strange_worker(executor, reports)
        link = executor.dashboard_link
        _promise(link is None or isinstance(link, str), "dashboard_link is a text or None")
        busy = executor.usage()
        _promise(all(isinstance(u, WorkerUsage) for u in busy), "usage tells of each worker")
    finally:
        executor.close()
    count = len(reports.kept)
    executor.close()
    _promise(len(reports.kept) == count, "nothing is reported after close")
    _promise(reports.overlaps == 0, "reports come one at a time")


def _check_results(executor: Executor, reports: _Reports, tasks: Sequence[Task]) -> None:
    for task in tasks:
        executor.submit(task)
    _check_each_ended_once(reports, tasks)
    # tasks are run in the order of submission, but two replies may overtake each other
    in_order = sorted(reports.ended, key=lambda ended: ended.task)
    for task, ended in zip(tasks, in_order, strict=True):
        _promise(ended.worker == task.worker, "a task ends on the worker it was sent to")
        numbers = [result.number for result in ended.results]
        wanted = [block.number for block in task.blocks]
        _promise(numbers == wanted, f"blocks come back in order: {numbers} instead of {wanted}")
        for block, result in zip(task.blocks, ended.results, strict=True):
            ran = [(m.candidate, m.copy) for m in result.measurements]
            slots = [(slot.candidate, slot.copy) for slot in block.slots]
            _promise(ran == slots, f"slots are run in their order: {ran} instead of {slots}")
            for found in result.measurements:
                fine = found.outcome is Outcome.OK and found.values["wall_time_s"] > 0
                _promise(fine, f"a candidate that works is measured: {found}")
    first = in_order[0].results[0].measurements[0]
    _promise(first.warm_up, "the first run in a worker is marked as warm-up")
    last = in_order[-1].results[-1].measurements[-1]
    _promise(not last.warm_up, "a later run is not marked as warm-up")


def _check_recall(executor: Executor, reports: _Reports, tasks: Sequence[Task]) -> None:
    for task in tasks:
        executor.submit(task)
    executor.recall(tasks[-1].number)
    _check_each_ended_once(reports, tasks)
    ended = {report.task: report for report in reports.ended}
    for task in tasks:
        report = ended[task.number]
        back = Counter([*(result.number for result in report.results), *report.unrun])
        wanted = Counter(block.number for block in task.blocks)
        _promise(back == wanted, f"each block of a recalled task comes back once: {report}")


def _check_strange_worker(executor: Executor, reports: _Reports) -> None:
    task = _task(number=10_000, worker="nobody")
    try:
        executor.submit(task)
    except ValueError:  # refused is as good as reported
        return
    ended = reports.wait_for(lambda: reports.ended[-1].task == task.number)
    _promise(ended, "a task for a worker that is gone is reported ended")


def _check_each_ended_once(reports: _Reports, tasks: Sequence[Task]) -> None:
    wanted = {task.number for task in tasks}
    done = reports.wait_for(lambda: wanted <= {ended.task for ended in reports.ended})
    counts = Counter(ended.task for ended in reports.ended)
    missing = sorted(wanted - counts.keys())
    _promise(done, f"every task is reported ended; missing after {CHECK_LIMIT_S:g} s: {missing}")
    twice = sorted(number for number in wanted if counts[number] > 1)
    _promise(not twice, f"every task is reported ended once, but not {twice}")


def _tasks(worker: str, *, first: int) -> list[Task]:
    return [_task(number=first + index, worker=worker) for index in range(_TASKS)]


def _task(*, number: int, worker: str) -> Task:
    start = number * _BLOCKS_PER_TASK
    return Task(
        number=number,
        worker=worker,
        blocks=tuple(_block(start + index) for index in range(_BLOCKS_PER_TASK)),
    )


def _block(number: int) -> Block:
    names = CHECKED_CANDIDATES if number % 2 else tuple(reversed(CHECKED_CANDIDATES))
    slots = [Slot(candidate=name, repeats=2, check=number % 3 == 0) for name in names]
    return Block(
        number=number,
        epoch=0,
        case=Case(workload="adding", size=20, seed=number),
        slots=(*slots, Slot(candidate=names[0], copy=1)),
    )


def _promise(kept: bool, promise: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not kept:
        raise AssertionError(f"broken promise: {promise}")
