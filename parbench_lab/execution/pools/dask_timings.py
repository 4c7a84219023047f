"""What Dask itself noted of its tasks: how long each was computed and its inputs were fetched.

The scheduler keeps these times of every finished task for its dashboard (the task stream); they
are asked for after a run, never during one.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from parbench_lab.core.pool import Span

KEPT_PARCELS = 200_000
TOLD_BY = "dask"

_COMPUTING = "compute"
_UNPACKING = "deserialize"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskTimes:
    """Where a task's time went, in seconds.

    Parameters
    ----------
    compute_s
        In the worker's thread: unpickling, the parts themselves, pickling.
    unpack_s
        Unpacking the task before that.
    fetch_s
        Getting its inputs from other workers or from disk.
    """

    compute_s: float
    unpack_s: float
    fetch_s: float


def parse_task_stream(records: Iterable[Mapping[str, Any]]) -> dict[str, TaskTimes]:
    """Return key to times of the tasks that the scheduler tells of; what it does not, is left out.

    Examples
    --------
    >>> steps = [{"action": "transfer", "start": 1.0, "stop": 1.5},
    ...          {"action": "compute", "start": 2.0, "stop": 4.0}]
    >>> parse_task_stream([{"key": "a", "startstops": steps}])["a"]
    TaskTimes(compute_s=2.0, unpack_s=0.0, fetch_s=0.5)
    """
    found = {}
    for record in records:
        spent: dict[str, float] = {}
        for step in record.get("startstops", ()):
            lasted_s = max(0.0, float(step["stop"]) - float(step["start"]))
            spent[step["action"]] = spent.get(step["action"], 0.0) + lasted_s
        if _COMPUTING in spent:
            compute_s, unpack_s = spent.pop(_COMPUTING), spent.pop(_UNPACKING, 0.0)
            found[str(record["key"])] = TaskTimes(
                compute_s=compute_s, unpack_s=unpack_s, fetch_s=sum(spent.values())
            )
    return found


class ParcelLog:
    """Spans by the Dask task that they were worked on in; any thread may add, one asks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._parcels: deque[tuple[str, Sequence[Span]]] = deque(maxlen=KEPT_PARCELS)

    def add(self, key: str, spans: Sequence[Span]) -> None:
        """Keep the spans of a task, in the order in which its parts were worked on."""
        with self._lock:
            self._parcels.append((key, spans))

    def take(self) -> Sequence[tuple[str, Sequence[Span]]]:
        """Return what was kept since the last call, and forget it."""
        with self._lock:
            taken = tuple(self._parcels)
            self._parcels.clear()
        return taken


def told_spans(
    parcels: Iterable[tuple[str, Sequence[Span]]], times: Mapping[str, TaskTimes]
) -> tuple[Span, ...]:
    """Return the spans with what Dask tells of moving and unpacking, as far as it does.

    What a task took besides its parts counts for the first of them.
    """
    found: list[Span] = []
    for key, spans in parcels:
        told = times.get(key)
        if told is None or not spans:
            found.extend(spans)
            continue
        parts_s = sum(span.end_ns - span.start_ns for span in spans) / 1e9
        unpack_s = told.unpack_s + max(0.0, told.compute_s - parts_s)
        first = replace(spans[0], transfer_s=told.fetch_s, unpack_s=unpack_s, told_by=TOLD_BY)
        rest = (replace(span, transfer_s=0.0, unpack_s=0.0, told_by=TOLD_BY) for span in spans[1:])
        found += [first, *rest]
    return tuple(found)
