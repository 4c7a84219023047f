"""When a worker has to be stopped: a pure function of what it is seen doing. Times in seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from parbench_lab.core.block import Task
from parbench_lab.execution.faults import Cause, overrun, slot_at
from parbench_lab.execution.flight import Activity, Marker

GRACE_S = 0.05
CHECK_LIMIT_S = 30.0
START_EXTRA_S = 2.0
"""For a candidate's first run in a process, which may import its libraries."""

CASE_LIMIT_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What to do about a worker: look again at `look_at_s`, or stop it for a `cause` now.

    `broken` says that the workload itself is at fault.
    """

    look_at_s: float
    cause: Cause | None = None
    broken: str = ""


def watch(
    marker: Marker,
    tasks: Sequence[Task],
    *,
    now_s: float,
    held_since_s: float,
    stall_limit_s: float,
) -> Watch:
    """Return when to look again, or why the worker must be stopped.

    Parameters
    ----------
    marker
        What the worker says it is doing.
    tasks
        The tasks it holds, in order; not empty.
    now_s
        On the marker's clock.
    held_since_s
        Since when the worker could have been at its first task.
    stall_limit_s
        How long it may rest with tasks in hand.
    """
    current = next((task for task in tasks if task.number == marker.task), None)
    since_s = marker.since_ns / 1e9
    if current is None or marker.activity is Activity.RESTING:
        idle_s = now_s - max(since_s, held_since_s)
        return _watch_resting(tasks[0], now_s, idle_s, stall_limit_s)
    if marker.activity is Activity.MAKING:
        return _watch_making(since_s, now_s)
    found = slot_at(current, marker.block, marker.slot)
    if found is None:  # torn: look again at once, but not in a rush
        return Watch(look_at_s=now_s + GRACE_S)
    # priming is a second call within the same slot
    limit_s = found[1].timeout_s * (2 if current.prime else 1)
    if marker.activity is Activity.CHECKING:
        limit_s = max(limit_s, CHECK_LIMIT_S)
    extra_s = START_EXTRA_S if marker.activity is Activity.STARTING else 0.0
    end_s = since_s + limit_s + extra_s + GRACE_S
    if now_s < end_s:
        # what waits behind it may have a shorter limit, and begins unseen
        return Watch(look_at_s=min(end_s, now_s + max(GRACE_S, _shortest_s(tasks))))
    return Watch(look_at_s=now_s, cause=overrun(limit_s, marker.activity))


def _watch_resting(task: Task, now_s: float, idle_s: float, stall_limit_s: float) -> Watch:
    shortest_s = _shortest_s([task])
    if idle_s >= stall_limit_s:
        reason = f"the worker did nothing for {stall_limit_s:g} s"
        return Watch(look_at_s=now_s, cause=Cause(reason=reason))
    return Watch(look_at_s=now_s + max(GRACE_S, min(shortest_s, stall_limit_s - idle_s)))


def _shortest_s(tasks: Sequence[Task]) -> float:
    return min(slot.timeout_s for task in tasks for block in task.blocks for slot in block.slots)


def _watch_making(since_s: float, now_s: float) -> Watch:
    if now_s < since_s + CASE_LIMIT_S:
        return Watch(look_at_s=min(since_s + CASE_LIMIT_S, now_s + CASE_LIMIT_S))
    words = f"the workload's make_case did not come back within {CASE_LIMIT_S:g} s"
    return Watch(look_at_s=now_s, cause=Cause(reason=words), broken=words)
