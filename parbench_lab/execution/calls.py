"""One timed call of a candidate, and what it says when it fails."""

from __future__ import annotations

import gc
import itertools
import os
import sysconfig
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import perf_counter_ns, process_time_ns
from typing import Any

from parbench_lab.core.measurement import Outcome
from parbench_lab.execution.devices import Devices
from parbench_lab.execution.energy import RunEnergy
from parbench_lab.execution.meters import PeakMeter

MAX_MESSAGE = 300
_LIBRARIES = tuple(sysconfig.get_paths()[name] for name in ("stdlib", "purelib", "platlib"))
"""Where a failed line is seldom the user's own."""

_HERE = os.path.dirname(__file__)  # noqa: PTH120 - compared with the texts of tracebacks


@dataclass(slots=True, kw_only=True)
class Called:
    """What one measurement of a candidate gave: a result and its values, or a failure."""

    outcome: Outcome
    message: str = ""
    result: Any = None
    values: dict[str, float] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Wall time per call, 0.0 after a failure."""
        return self.values.get("wall_time_s", 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruments:
    """What stands beside the clock in a process that measures."""

    devices: Devices
    energy: RunEnergy


def call(
    resolve: Callable[[], Callable[[Any], Any]],
    case: Any,
    *,
    repeats: int,
    prime: bool,
    meter: PeakMeter,
    resident_bytes: int,
    thorough: bool,
    expected_s: float,
    instruments: Instruments,
) -> Called:
    """Run a candidate and return what came of it; never raises.

    Parameters
    ----------
    resolve
        Returns the callable; its failure is the candidate's.
    repeats
        Calls between the two readings of the clock; times are divided by it.
    prime
        Call once before the clock is read.
    resident_bytes
        What the process holds before.
    thorough
        Whether the time of this call does not count, so that the meter may slow it.
    expected_s
        How long all calls together probably last.
    instruments
        What waits for GPUs and reads energy.
    """
    collecting = gc.isenabled()
    try:
        function = resolve()
        if prime:
            function(case)
        meter.begin(resident_bytes, thorough=thorough)
        gc.disable()
        instruments.energy.begin(expected_s=expected_s)
        result, wall_s, cpu_s = timed(function, case, repeats, devices=instruments.devices)
    except BaseException as error:  # noqa: BLE001 - a candidate may raise anything, even SystemExit
        meter.end()
        return failed(error)
    finally:
        (gc.enable if collecting else gc.disable)()
    values = {"wall_time_s": wall_s, "cpu_time_s": cpu_s, **meter.end()}
    values.update(instruments.energy.end(run_s=wall_s * repeats, repeats=repeats))
    return Called(outcome=Outcome.OK, result=result, values=values)


def timed(
    function: Callable[[Any], Any], case: Any, repeats: int, *, devices: Devices
) -> tuple[Any, float, float]:
    """Return the last result, and wall and CPU seconds per call.

    CPU time is the process's: a candidate's own threads count, and so does the worker's sampling
    of itself, about half a percent of a core; nothing else of it is busy meanwhile. Before each
    reading of the clock the GPUs that are in use are waited for.
    """
    wait = devices.waiter()
    devices.synchronise()
    cpu_ns = process_time_ns()
    wall_ns = perf_counter_ns()
    if wait is None:
        for _ in itertools.repeat(None, repeats):
            result = function(case)
    else:
        for _ in itertools.repeat(None, repeats):
            result = wait(function(case))
    devices.synchronise()
    wall_ns = perf_counter_ns() - wall_ns
    cpu_ns = process_time_ns() - cpu_ns
    # a clock that stood still is at most its resolution away
    return result, max(wall_ns, 1) / repeats * 1e-9, cpu_ns / repeats * 1e-9


def checked(
    check: Callable[[Any, Any], Mapping[str, float] | None], case: Any, result: Any
) -> tuple[Outcome, str, dict[str, float]]:
    """Return the verdict on a result: ``ok`` with further metrics, or ``wrong`` with the words."""
    try:
        further: Any = check(case, result)
        if further is False:
            return Outcome.WRONG, "the check returned False", {}
        values = {str(name): float(value) for name, value in dict(further or {}).items()}
    except MemoryError as error:
        return Outcome.OUT_OF_MEMORY, f"its result could not be checked: {one_line(error)}", {}
    except BaseException as error:  # noqa: BLE001 - whatever a check raises means "wrong"
        return Outcome.WRONG, one_line(error), {}
    return Outcome.OK, "", values


def failed(error: BaseException) -> Called:
    """Return what a raised exception amounts to."""
    message = one_line(error)
    if _is_out_of_memory(error, message):
        return Called(outcome=Outcome.OUT_OF_MEMORY, message=message)
    if isinstance(error, ValueError) and "read-only" in message:
        message = f"{message}: it changes its input in place; copy it first"[:MAX_MESSAGE]
    return Called(outcome=Outcome.FAILED, message=message)


def _is_out_of_memory(error: BaseException, message: str) -> bool:
    """Return whether memory ran out; PyTorch, CUDA and XLA say so in words of theirs."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return "CUDA_ERROR_OUT_OF_MEMORY" in message or "RESOURCE_EXHAUSTED" in message


def one_line(error: BaseException) -> str:
    r"""Return an exception as one line of at most `MAX_MESSAGE` characters, with its place.

    Examples
    --------
    >>> one_line(ValueError("two\nlines"))
    'ValueError: two lines'
    """
    try:
        text = " ".join(str(error).split())
    except BaseException:  # noqa: BLE001 - the exception is the candidate's own class
        text = "(its text cannot be shown)"
    name = type(error).__name__
    if not text or name == "AssertionError":
        text = f"{_failed_line(error)} {text}".strip()
    place = _place(error)
    line = f"{name}: {text}" if text else name
    return f"{_cut(line, MAX_MESSAGE - len(place))}{place}"


def _cut(text: str, most: int) -> str:
    """Return the text, cut between words where it is too long and has any."""
    if len(text) <= most:
        return text
    kept = text[: most - 4]
    words, _, _ = kept.rpartition(" ")
    return f"{words if len(words) > most // 2 else kept} ..."


def _place(error: BaseException) -> str:
    frame = _last_frame(error)
    if frame is None:
        return ""
    return f" ({os.path.basename(frame.filename)[-80:]}:{frame.lineno})"  # noqa: PTH119 - may be <cell>


def _failed_line(error: BaseException) -> str:
    frame = _last_frame(error)
    return (frame.line or "")[:200] if frame is not None else ""


def _last_frame(error: BaseException) -> traceback.FrameSummary | None:
    """Return where it was raised, None where that is not in anybody's file but ours."""
    frames = traceback.extract_tb(error.__traceback__)
    outside = [frame for frame in frames if not frame.filename.startswith(_HERE)]
    theirs = [frame for frame in outside if not frame.filename.startswith(_LIBRARIES)]
    best = theirs or outside
    return best[-1] if best else None
