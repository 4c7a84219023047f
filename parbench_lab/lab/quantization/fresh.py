"""Running a configuration in a fresh process, from the outside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import parbench_lab
from parbench_lab.lab.quantization.child import FAILED, FULL, REFUSED, answered

__all__ = ["FAILED", "FULL", "REFUSED", "Answer", "Measure", "Request", "run_fresh", "run_here"]

CHILD = "parbench_lab.lab.quantization.child"
_ROOT = str(Path(parbench_lab.__file__).parents[1])
_PATH = os.environ.get("PYTHONPATH")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a process is to do; see `job.quantize_file`."""

    model: Path
    target: Path
    bits: int
    group_size: int | None
    threads: int
    streaming: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of it.

    Parameters
    ----------
    outcome
        ``"ok"``, ``"failed"``, ``"killed"``, or, where trying again is of no use, ``"refused"``
        (the model cannot be quantised) and ``"full"`` (the disk).
    message
        Why, in one line, unless ok.
    time_s, read_s, compute_s, write_s, baseline_memory_bytes, peak_memory_bytes
        As in `QuantizationRun`.
    """

    outcome: str = "ok"
    message: str = ""
    time_s: float | None = None
    read_s: float | None = None
    compute_s: float | None = None
    write_s: float | None = None
    baseline_memory_bytes: int | None = None
    peak_memory_bytes: int | None = None


class Measure(Protocol):
    """Runs a request and says what it took; a double in tests."""

    def __call__(self, request: Request) -> Answer:
        """Return the answer; Ctrl-C ends what was started."""


def run_fresh(request: Request) -> Answer:
    """Run a request in a process of its own, which ends with this one."""
    asked = {**asdict(request), "parent": os.getpid()}
    child = subprocess.Popen(  # noqa: S603 - this interpreter, with a module of ours
        [sys.executable, "-m", CHILD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=request.target.parent,  # what a user keeps beside himself must not be imported
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [_ROOT, _PATH]))},
    )
    try:
        told, errors = child.communicate(json.dumps(asked, default=str))
    except BaseException:
        child.kill()
        child.communicate()
        raise
    return read_answer(child.returncode, told, errors)


def run_here(request: Request) -> Answer:
    """Run a request in this process: quick, for tests; its memory is not that of the run alone."""
    return read_answer(0, json.dumps(answered(asdict(request))), "")


def read_answer(returncode: int, told: str, errors: str) -> Answer:
    """Return what a process said before it ended.

    Examples
    --------
    >>> read_answer(-9, "", "").message
    'its process was killed by SIGKILL; out of memory?'
    """
    if returncode < 0:
        why = "; out of memory?" if returncode == -signal.SIGKILL else ""
        name = signal.Signals(-returncode).name
        return Answer(outcome="killed", message=f"its process was killed by {name}{why}")
    try:
        found: Any = json.loads(told)
    except ValueError:
        last = (errors.strip().splitlines() or ["it said nothing"])[-1]
        return Answer(outcome=FAILED, message=f"its process ended with {returncode}: {last}")
    for outcome in (REFUSED, FULL, FAILED):
        if outcome in found:
            return Answer(outcome=outcome, message=str(found[outcome]))
    return Answer(**found)
