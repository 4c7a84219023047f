"""What the end of a worker process means for the candidate that ran in it. Pure."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass

from parbench_lab.core.block import Block, Slot, Task
from parbench_lab.core.measurement import BlockResult, Measurement, Outcome, Suspicion
from parbench_lab.core.ports import TaskEnded
from parbench_lab.execution.flight import Activity, FlightLog

CLOSED_BY_CLUSTER = 77
"""Exit code of a worker that Dask asked to end."""

_OWN_FAULT = {
    "SIGSEGV": "segmentation fault",
    "SIGABRT": "abort",
    "SIGBUS": "bus error",
    "SIGFPE": "arithmetic error in native code",
    "SIGILL": "illegal instruction",
    "SIGSYS": "forbidden system call",
    "SIGTRAP": "trap",
}
_FRAME = re.compile(r'^  File "(?P<file>.*)", line (?P<line>\d+) in (?P<function>.*)$')


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why a worker process ended.

    `outcome` is what the candidate that ran is charged with; None where it cannot be told whether
    it was the candidate's doing.
    """

    reason: str
    outcome: Outcome | None = None


def explain_exit(returncode: int | None, trace: str = "") -> Cause:
    """Return what a process's exit says about the candidate that ran in it.

    Parameters
    ----------
    returncode
        As `subprocess` gives it: negative for a signal. None where nobody could read it.
    trace
        What `faulthandler` wrote.

    Examples
    --------
    >>> explain_exit(3).reason
    'ended its process with exit code 3'
    >>> explain_exit(-9).outcome is None
    True
    """
    if returncode is None:
        return Cause(reason="its worker's process is gone")
    if returncode == CLOSED_BY_CLUSTER:
        return Cause(reason="the cluster closed the worker")
    if returncode >= 0:
        return Cause(
            outcome=Outcome.CRASHED, reason=f"ended its process with exit code {returncode}"
        )
    name = _signal_name(-returncode)
    if name in _OWN_FAULT:
        reason = f"{_OWN_FAULT[name]} ({name}){_last_place(trace)}"
        return Cause(outcome=Outcome.CRASHED, reason=reason)
    extra = " (somebody's, or the system was out of memory)" if name == "SIGKILL" else ""
    return Cause(reason=f"its worker was killed by {name}{extra}")


def overrun(timeout_s: float, activity: Activity) -> Cause:
    """Return the cause for a slot that lasted too long."""
    if activity is Activity.CHECKING:
        reason = f"its result could not be checked within {timeout_s:g} s"
    elif activity is Activity.STARTING:
        reason = f"did not come back within {timeout_s:g} s, nor soon after (its first run)"
    else:
        reason = f"did not come back within {timeout_s:g} s"
    return Cause(outcome=Outcome.TIMED_OUT, reason=reason)


def autopsy(
    worker: str, tasks: tuple[Task, ...], log: FlightLog, cause: Cause
) -> tuple[TaskEnded, ...]:
    """Return how each task ended that a dead worker held, in their order.

    Whoever ran is charged with the cause or suspected; what had been measured is kept; the rest
    is unrun and nobody's fault.
    """
    return tuple(_ended(worker, task, log, cause) for task in tasks)


def _ended(worker: str, task: Task, log: FlightLog, cause: Cause) -> TaskEnded:
    recorded = log.tasks.get(task.number)
    if recorded is None:
        return TaskEnded(
            task=task.number, worker=worker, unrun=tuple(block.number for block in task.blocks)
        )
    results = {result.number: result for result in recorded.results(worker)}
    suspicion = None
    culprit = _culprit(task, log)
    if culprit is not None:
        block, slot = culprit
        if cause.outcome is None:
            suspicion = Suspicion(
                block=block.number, candidate=slot.candidate, reason=cause.reason
            )
        else:
            results[block.number] = _charged(worker, block, slot, cause, results)
    return TaskEnded(
        task=task.number,
        worker=worker,
        results=tuple(results[b.number] for b in task.blocks if b.number in results),
        unrun=tuple(b.number for b in task.blocks if b.number not in results),
        suspicion=suspicion,
    )


def _charged(
    worker: str, block: Block, slot: Slot, cause: Cause, results: dict[int, BlockResult]
) -> BlockResult:
    before = results.get(block.number)
    charge = Measurement(
        candidate=slot.candidate,
        outcome=cause.outcome or Outcome.CRASHED,
        copy=slot.copy,
        repeats=slot.repeats,
        message=cause.reason,
    )
    return BlockResult(
        number=block.number,
        worker=worker,
        measurements=(*(before.measurements if before else ()), charge),
        made_case_s=before.made_case_s if before else 0.0,
    )


def _culprit(task: Task, log: FlightLog) -> tuple[Block, Slot] | None:
    marker = log.marker
    if marker.task != task.number or marker.activity not in (
        Activity.RUNNING,
        Activity.CHECKING,
        Activity.STARTING,
    ):
        return None
    return slot_at(task, marker.block, marker.slot)


def slot_at(task: Task, block_number: int, index: int) -> tuple[Block, Slot] | None:
    """Return the block and slot that a marker names, None where the task has no such."""
    for block in task.blocks:
        if block.number == block_number and 0 <= index < len(block.slots):
            return block, block.slots[index]
    return None


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _last_place(trace: str) -> str:
    """Return where it happened, as far as `faulthandler` could tell."""
    for line in trace.splitlines():
        found = _FRAME.match(line)
        if found:
            file = found["file"].rpartition("/")[2]
            return f" in {found['function']} ({file}:{found['line']})"
    return ""
