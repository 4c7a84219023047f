"""A desk in front of an executor: sends blocks, and waits for what comes back."""

import itertools
import threading

from parbench_lab.core.block import Block, Case, Slot, Task
from parbench_lab.core.candidate import Candidate, as_candidate
from parbench_lab.core.ports import ExecutorFailed, TaskEnded, WorkerJoined, WorkerLeft

LIMIT_S = 60.0


class Desk:
    def __init__(self, executor, workload):
        self.executor = executor
        self.workload = workload
        self.reports = []
        self._changed = threading.Condition()
        self._tasks = itertools.count()
        self._blocks = itertools.count()
        executor.open(self._take, workload)

    def _take(self, report):
        with self._changed:
            self.reports.append(report)
            self._changed.notify_all()

    def wait_for(self, predicate, limit_s=LIMIT_S):
        with self._changed:
            found = self._changed.wait_for(predicate, limit_s)
        assert found, f"waited {limit_s} s in vain; last reports: {self.reports[-4:]}"
        return found

    # what came back

    def workers(self):
        """Name to info of the workers that are there."""
        there = {}
        for report in self.reports:
            if isinstance(report, WorkerJoined):
                there[report.worker.name] = report.worker
            elif isinstance(report, WorkerLeft):
                there.pop(report.worker)
        return there

    def of(self, kind):
        return [report for report in self.reports if isinstance(report, kind)]

    def failure(self):
        return self.wait_for(lambda: self.of(ExecutorFailed))[0]

    def worker(self):
        """Wait for a worker and return its name."""
        return min(self.wait_for(self.workers))

    def ended(self, *numbers):
        def found():
            ended = {e.task: e for e in self.of(TaskEnded)}
            return all(n in ended for n in numbers) and [ended[n] for n in numbers]

        return self.wait_for(found)

    # what is sent

    def publish(self, *functions):
        names = []
        for function in functions:
            candidate = as_candidate(function)
            self.executor.publish(candidate)
            names.append(candidate.name)
        return names

    def send(
        self, *names, blocks=1, worker=None, timeout_s=20.0, check=True, size=100, seed=0, **task
    ):
        """Send one task with equal blocks; return its number."""
        number = next(self._tasks)
        slots = tuple(Slot(candidate=n, check=check, timeout_s=timeout_s) for n in names)
        made = tuple(
            Block(
                number=next(self._blocks),
                epoch=0,
                case=Case(workload="summing", size=size, seed=seed),
                slots=slots,
            )
            for _ in range(blocks)
        )
        where = worker or self.worker()
        self.executor.submit(Task(number=number, worker=where, blocks=made, **task))
        return number

    def run(self, *functions, **options):
        """Publish, send one task, wait for its end and return it."""
        names = self.publish(*functions)
        return self.ended(self.send(*names, **options))[0]

    def close(self):
        self.executor.close()


def outcomes(ended):
    """Candidate to (outcome, message) of a task's last measurements."""
    return {
        m.candidate: (m.outcome.value, m.message)
        for result in ended.results
        for m in result.measurements
    }


def named(name, function):
    return Candidate(name=name, function=function)
