"""The process of a build: finds the workload, measures what it is asked to, until its end.

It is started with a line of code by the build's own interpreter, and never imports the user's
main script. It ends when its parent closes the channel, or is gone.
"""

from __future__ import annotations

import dataclasses
import faulthandler
import gc
import importlib
import pickle
import platform
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from parbench_lab.core.block import Block, Case, Slot, Task
from parbench_lab.core.candidate import Candidate, import_function
from parbench_lab.core.libraries import libraries_of
from parbench_lab.core.measurement import Measurement, Outcome
from parbench_lab.core.ports import Workload, workload_metrics, workload_name
from parbench_lab.errors import UnknownNameError, UsageError
from parbench_lab.execution import cases
from parbench_lab.execution.builds.messages import READY, Hello, Request, packed, unpacked
from parbench_lab.execution.calls import one_line
from parbench_lab.execution.measure import Rig
from parbench_lab.execution.parent import end_with_parent
from parbench_lab.execution.pools.channel import Channel, boot_code, own_channel
from parbench_lab.execution.program import Program, Silent

BOOT = boot_code(__name__, 'sys.path[:0] = told.pop("before"); sys.path += told.pop("after")')
"""Started with this; what it cannot import is told as the one piece of its first message."""

_NO_TIMEOUT_S = 1e9


def main(*, parent: int, trace: str) -> None:
    """Serve the parent until it closes the channel, or is gone.

    Parameters
    ----------
    parent
        Process id of who started this one.
    trace
        File for the traceback of a crash.
    """
    channel = own_channel()
    end_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    with Path(trace).open("w", encoding="utf-8") as crash:
        faulthandler.enable(crash, all_threads=False)
        try:
            channel.send(READY)
            _serve(channel)
        except (EOFError, OSError):
            return  # the parent is gone, or done with this process
        finally:
            faulthandler.disable()


def _serve(channel: Channel) -> None:
    head, payload, stand_in = channel.receive()
    try:
        desk = _Desk(*_found(unpacked(head), payload, stand_in))
    except Exception as error:  # noqa: BLE001 - the user's modules run here; the parent tells the words
        usage = isinstance(error, UsageError)
        words = str(error) if usage else one_line(error)
        channel.send(packed({"error": words, "usage": usage}))
        return
    gc.collect()
    gc.freeze()  # the libraries' objects are never garbage
    channel.send(packed(desk.hello().as_json()))
    while True:
        asked = unpacked(channel.receive()[0])
        answer = desk.fingerprint(**asked["case"]) if "case" in asked else desk.measure(asked)
        channel.send(packed(answer))


def _found(
    told: dict[str, Any], payload: bytearray, stand_in: bytearray
) -> tuple[Workload, Sequence[Candidate], Callable[..., Any] | None]:
    """Return the workload, the candidates, and who runs in their place."""
    if payload:
        workload, candidates = pickle.loads(payload)  # noqa: S301 - from the process that started this one
    else:
        registry = importlib.import_module(told["registry"])
        workload, candidates = registry.targets(told["target"])
    if told["algorithms"]:
        candidates = _chosen(told, workload, candidates)
    replacement = None
    if stand_in:
        replacement = pickle.loads(stand_in)  # noqa: S301 - from the process that started this one
    elif told["stand_in"]:
        replacement = import_function(told["stand_in"])
    return workload, candidates, replacement


def _chosen(
    told: dict[str, Any], workload: Workload, candidates: Sequence[Candidate]
) -> list[Candidate]:
    """Return the candidates that were asked for and are here; the parent sees who is missing."""
    known = {candidate.name: candidate for candidate in candidates}
    chosen: list[Candidate] = []
    for name in told["algorithms"]:
        if name in known:
            chosen.append(known[name])
        elif ":" in name:
            registry = importlib.import_module(told["registry"])
            chosen += registry.resolve([name], workload)[1]
    if not chosen:
        raise UnknownNameError(
            f"there is no candidate {', '.join(map(repr, told['algorithms']))}; "
            f"known ones are {', '.join(known)}"
        )
    return chosen


class _Desk:
    """Measures candidates in this process."""

    def __init__(
        self,
        workload: Workload,
        candidates: Sequence[Candidate],
        stand_in: Callable[..., Any] | None,
    ) -> None:
        self._workload = workload
        self._candidates = {candidate.name: candidate for candidate in candidates}
        self._stand_in = stand_in
        self._resolved: dict[str, Callable[[Any], Any]] = {}
        self._rig = Rig()
        self._program = Program(token="build", workload=workload, resolve=self._resolve)  # noqa: S106 - no password

    def _resolve(self, name: str) -> Callable[[Any], Any]:
        if name not in self._resolved:
            self._resolved[name] = self._stand_in or self._candidates[name].resolve()
        return self._resolved[name]

    def hello(self) -> Hello:
        job = self._workload
        return Hello(
            workload=workload_name(job),
            candidates=tuple(self._candidates),
            metrics=workload_metrics(job),
            objectives=tuple(getattr(job, "objectives", ("wall_time_s",))),
            default_batch_size=int(getattr(job, "default_batch_size", 1000)),
            software=f"Python {platform.python_version()}, numpy {np.__version__}",
            mode=str(getattr(job, "mode", "batch")),
            libraries=libraries_of(job, self._candidates),
        )

    def fingerprint(self, *, size: int, seed: int) -> dict[str, Any]:
        """Return a digest of a case's data, None where it has none."""
        try:
            kept = cases.make_case(self._workload, self._case(size, seed))
        except Exception as error:  # noqa: BLE001 - the workload's own code
            return {"error": f"make_case(size={size}) failed: {one_line(error)}", "usage": True}
        return {"case": kept.fingerprint.hex() if kept.fingerprint is not None else None}

    def measure(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Run one candidate once, as `execution.measure` does it for a race."""
        request = Request(**asked)
        slot = Slot(
            candidate=request.candidate,
            repeats=request.repeats,
            check=request.check,
            timeout_s=_NO_TIMEOUT_S,  # the parent has the clock
        )
        block = Block(
            number=request.number,
            epoch=0,
            case=self._case(request.size, request.seed),
            slots=(slot,),
        )
        task = Task(number=request.number, worker="build", blocks=(block,), memory=request.memory)
        report = self._rig.run_task(task, self._program, Silent())
        if report.broken:
            return {"error": report.broken, "usage": True}
        found = [m for result in report.results for m in result.measurements]
        answer = found[0] if found else _unmeasured(request, report.retire)
        return dataclasses.asdict(answer)

    def _case(self, size: int, seed: int) -> Case:
        return Case(workload=workload_name(self._workload), size=size, seed=seed)


def _unmeasured(request: Request, why: str) -> Measurement:
    return Measurement(
        candidate=request.candidate,
        outcome=Outcome.FAILED,
        message=why or "was not run: another candidate changed its input",
    )
