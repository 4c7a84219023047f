"""The flight recorder of a worker: a small mapped file that survives the process's death.

The worker writes what it is doing and every finished measurement; whoever sees the file can tell,
after a crash or under a held GIL, which candidate ran and what had been measured before. The other
way, one word recalls tasks. Measurements are kept as JSON lines, for the last few tasks.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any

from parbench_lab.core.measurement import BlockResult, Measurement
from parbench_lab.execution.wire import measurement_of, measurement_tuple

AREAS = 4
_AREA_BYTES = 256 * 1024
_HEAD_BYTES = 4096
FILE_BYTES = _HEAD_BYTES + AREAS * _AREA_BYTES
_RECALL = struct.Struct("<q")
_MARKER_AT = 64
_MARKER = struct.Struct("<qqqQQ")
_AREA = struct.Struct("<qII")
_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


class Activity(IntEnum):
    """What a worker is doing; starting is running for the first time in the process."""

    RESTING = 0
    MAKING = 1
    RUNNING = 2
    CHECKING = 3
    STARTING = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """What a worker is doing, in which slot of which task, since when (monotonic nanoseconds).

    `task` is -1 before the first one.
    """

    task: int = -1
    block: int = -1
    slot: int = -1
    activity: Activity = Activity.RESTING
    since_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskLog:
    """What was recorded of one task."""

    made_case_s: Mapping[int, float] = field(default_factory=dict)
    measurements: Mapping[int, tuple[Measurement, ...]] = field(default_factory=dict)

    def results(self, worker: str) -> tuple[BlockResult, ...]:
        """Return the blocks that have measurements, in order."""
        return tuple(
            BlockResult(
                number=number,
                worker=worker,
                measurements=measurements,
                made_case_s=self.made_case_s.get(number, 0.0),
            )
            for number, measurements in self.measurements.items()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FlightLog:
    """All that a recorder holds: the last marker, and the last tasks by number."""

    marker: Marker = field(default_factory=Marker)
    tasks: Mapping[int, TaskLog] = field(default_factory=dict)


def create_flight_file(path: Path) -> None:
    """Make an empty recorder; its room is reserved, so that a full disk shows here and not later.

    Raises
    ------
    OSError
        If there is no room.
    """
    with path.open("wb") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, FILE_BYTES)
        file.truncate(FILE_BYTES)
        file.write(_RECALL.pack(-1))
        file.seek(_MARKER_AT)
        file.write(_MARKER.pack(-1, -1, -1, 0, 0))
        for area in range(AREAS):
            file.seek(_area_at(area))
            file.write(_AREA.pack(-1, 0, 0))


class FlightRecorder:
    """The worker's side: keeps `Progress` in the file.

    Parameters
    ----------
    path
        Of a file made by `create_flight_file`.
    """

    def __init__(self, path: Path) -> None:
        self._map = _map(path)
        self.area = 0
        self._task = -1
        self._at = 0
        self._room = 0

    def begin_task(self, task: int) -> None:
        """Begin a task in the area that was set; older marks of the area are gone."""
        self._task = task
        start = _area_at(self.area)
        self._at, self._room = start + _AREA.size, start + _AREA_BYTES
        _AREA.pack_into(self._map, start, task, 0, 0)
        self._mark(-1, -1, Activity.RESTING)

    def making(self, block: int) -> None:
        """Mark that a case is being made."""
        self._mark(block, -1, Activity.MAKING)

    def made(self, block: int, seconds: float) -> None:
        """Keep what making the case took."""
        if seconds:
            self._append([block, seconds])

    def running(self, block: int, slot: int) -> None:
        """Mark that a candidate runs."""
        self._mark(block, slot, Activity.RUNNING)

    def starting(self, block: int, slot: int) -> None:
        """Mark that a candidate runs for the first time in this process."""
        self._mark(block, slot, Activity.STARTING)

    def checking(self, block: int, slot: int) -> None:
        """Mark that a result is being checked."""
        self._mark(block, slot, Activity.CHECKING)

    def resting(self) -> None:
        """Mark that no candidate runs."""
        self._mark(-1, -1, Activity.RESTING)

    def measured(self, block: int, measurement: Measurement) -> None:
        """Keep a measurement."""
        self._append([block, *measurement_tuple(measurement)])

    def end_task(self) -> None:
        """Mark that the task is done."""
        self.resting()

    def recalled(self, task: int) -> bool:
        """Return whether the task was recalled from outside."""
        recalled: int = _RECALL.unpack_from(self._map, 0)[0]
        return task <= recalled

    def close(self) -> None:
        """Close the file."""
        self._map.close()

    def _mark(self, block: int, slot: int, activity: Activity) -> None:
        _MARKER.pack_into(
            self._map, _MARKER_AT, self._task, block, slot, activity, time.monotonic_ns()
        )

    def _append(self, line: list[Any]) -> None:
        data = _encode(line).encode() + b"\n"
        end = self._at + len(data)
        if end > self._room:  # lost only if this process dies: the reply carries all
            return
        self._map[self._at : end] = data
        self._at = end
        start = _area_at(self.area)
        # the length last: a line counts when it is whole
        _AREA.pack_into(self._map, start, self._task, end - start - _AREA.size, 0)


class FlightReader:
    """The other side: reads marker and measurements, recalls tasks."""

    def __init__(self, path: Path) -> None:
        self._map = _map(path)

    def recall(self, task: int) -> None:
        """Ask that tasks up to this number stop at the next block."""
        _RECALL.pack_into(self._map, 0, max(task, _RECALL.unpack_from(self._map, 0)[0]))

    def marker(self) -> Marker:
        """Return what the worker is doing now; may be torn, so look twice before you act."""
        return _marker(self._map)

    def read(self) -> FlightLog:
        """Return all that is recorded."""
        return parse_flight(bytes(self._map))

    def close(self) -> None:
        """Close the file."""
        self._map.close()


def parse_flight(data: bytes) -> FlightLog:
    """Return what a recorder's content says; areas never used or damaged are left out."""
    tasks = {}
    for area in range(AREAS):
        start = _area_at(area)
        task, length, _ = _AREA.unpack_from(data, start)
        if task < 0 or length > _AREA_BYTES - _AREA.size:
            continue
        lines = data[start + _AREA.size : start + _AREA.size + length].splitlines()
        tasks[task] = _task_log(lines)
    return FlightLog(marker=_marker(data), tasks=tasks)


def _task_log(lines: list[bytes]) -> TaskLog:
    made: dict[int, float] = {}
    found: dict[int, dict[tuple[str, int], Measurement]] = {}
    for line in lines:
        try:
            block, *parts = json.loads(line)
            if len(parts) == 1:
                made[block] = float(parts[0])
                continue
            measurement = measurement_of(parts)
        except (ValueError, TypeError):  # a candidate wrote over the file
            continue
        # a later line about the same slot corrects the earlier one
        found.setdefault(block, {})[measurement.candidate, measurement.copy] = measurement
    return TaskLog(
        made_case_s=made,
        measurements={block: tuple(slots.values()) for block, slots in found.items()},
    )


def _marker(data: Any) -> Marker:
    task, block, slot, activity, since_ns = _MARKER.unpack_from(data, _MARKER_AT)
    known = activity in Activity.__members__.values()
    return Marker(
        task=task,
        block=block,
        slot=slot,
        activity=Activity(activity) if known else Activity.RESTING,
        since_ns=since_ns,
    )


def _map(path: Path) -> mmap.mmap:
    with path.open("r+b") as file:
        return mmap.mmap(file.fileno(), FILE_BYTES)


def _area_at(area: int) -> int:
    return _HEAD_BYTES + area * _AREA_BYTES
