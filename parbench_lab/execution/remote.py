"""What Dask calls in a worker process: orders in, replies out, and the rig kept between them."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import sys
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from parbench_lab.core.candidate import Candidate
from parbench_lab.execution.flight import FlightRecorder, create_flight_file
from parbench_lab.execution.measure import Rig
from parbench_lab.execution.plans import GPU, VISIBLE
from parbench_lab.execution.program import Program, TaskReport
from parbench_lab.execution.shipping import load
from parbench_lab.execution.wire import Order, Reply, dump_reply, load_order
from parbench_lab.monitoring.events import at_work, end_sampling

KEPT_PAYLOADS = 1024
KEPT_SESSIONS = 4
FORGET_LIMIT_S = 1.0

_TURN = threading.Lock()
"""Tasks take turns in a process, even where the worker has several threads."""


@dataclass(slots=True)
class _Session:
    """What one executor's tasks share in this process."""

    rig: Rig
    recorder: FlightRecorder
    objects: OrderedDict[str, Any] = field(default_factory=OrderedDict)
    functions: dict[str, Callable[[Any], Any]] = field(default_factory=dict)


_SESSIONS: OrderedDict[str, _Session] = OrderedDict()


def run_order(data: bytes) -> bytes:
    """Run the task of an order and return the reply; the function that Dask is given."""
    order = load_order(data)
    with _TURN, at_work(order.session):
        return dump_reply(_run(order))


def describe(session: str, token_path: str, dask_worker: Any = None) -> dict[str, Any]:
    """Return what an executor must know about this process.

    Parameters
    ----------
    session
        The executor's own.
    token_path
        A file of the executor; a process that can read `session` in it shares its machine.
    dask_worker
        The worker itself: Dask gives it to a function that has a parameter of this name.
    """
    manager = getattr(dask_worker, "memory_manager", None)
    state = getattr(dask_worker, "state", None)
    offered = getattr(state, "total_resources", {})
    return {
        "pid": os.getpid(),
        "host": platform.node(),
        "python": tuple(sys.version_info[:2]),
        "sees_token": _reads(token_path) == session,
        "started": process_start(os.getpid()),
        "threads": int(getattr(state, "nthreads", 1)),
        "memory_limit_bytes": int(getattr(manager, "memory_limit", None) or 0),
        "paused": getattr(getattr(dask_worker, "status", None), "name", "") == "paused",
        "gpu": first_gpu(os.environ.get(VISIBLE), offered=GPU in offered),
    }


def machine_here(libraries: Sequence[str]) -> dict[str, Any]:
    """Return hardware and software of this worker's machine as JSON values.

    As JSON, because a worker's own package may be an older one. See `detect_machine`.
    """
    from parbench_lab.hardware.detect import detect_machine  # noqa: PLC0415 - asked once a run

    return detect_machine(libraries).as_json()


def first_gpu(visible: str | None, *, offered: bool) -> str:
    """Return the UUID of the GPU that candidates here use, empty for none.

    It is the first visible one. A worker that was given no GPU, neither by the variable nor as
    a resource, is asked no further: whatever the machine has is not meant for it.

    Parameters
    ----------
    visible
        ``CUDA_VISIBLE_DEVICES`` of this process.
    offered
        Whether the worker offers the resource ``GPU``.
    """
    if visible is None and not offered:
        return ""
    if visible is not None and visible.strip() in ("", "-1"):
        return ""
    from parbench_lab.hardware.gpu import find_gpus  # noqa: PLC0415 - for GPU workers only

    found = find_gpus(visible=visible).gpus
    if found:
        return found[0].uuid
    # without NVML a UUID in the variable is still a name to tell devices by
    named = (visible or "").split(",")[0].strip()
    return named if named.startswith(("GPU-", "MIG-")) else ""


def recall(session: str, task: int) -> None:
    """Ask that the session's tasks up to this number stop; for executors on other machines."""
    path = own_flight_path(session, os.getpid())
    if path.exists():
        from parbench_lab.execution.flight import FlightReader  # noqa: PLC0415 - rarely needed

        reader = FlightReader(path)
        reader.recall(task)
        reader.close()


def look(session: str, pid: int) -> tuple[bytes, float]:
    """Return the recorder of a process of this machine (b"" for none) and the time on its clock.

    Runs in the worker itself or in its nanny, which answers even while the worker cannot.
    """
    try:
        data = own_flight_path(session, pid).read_bytes()
    except OSError:
        data = b""
    return data, time.monotonic_ns() / 1e9


def forget(session: str, dask_worker: Any = None) -> None:
    """Let go of everything a session left in this process and on this machine."""
    end_sampling(session, dask_worker)
    if _TURN.acquire(timeout=FORGET_LIMIT_S):  # this is the worker's event loop: no long wait
        try:
            kept = _SESSIONS.pop(session, None)
            if kept is not None:
                kept.rig.close()
                kept.recorder.close()
        finally:
            _TURN.release()
    shutil.rmtree(own_flight_path(session, 0).parent, ignore_errors=True)


def own_flight_path(session: str, pid: int) -> Path:
    """Return where a process keeps its recorder when the executor is on another machine."""
    return Path(tempfile.gettempdir()) / f"parbench-{session}" / f"{pid}.flight"


_ENDED = ("Z", "X")
"""States in ``/proc`` of a process that nobody has reaped, and of one that is being reaped."""


def process_start(pid: int) -> int:
    """Return when a living process started, in clock ticks since boot.

    0 where that cannot be read, and of one that has ended, be it reaped or not.
    """
    fields = _stat(f"/proc/{pid}")
    return int(fields[19]) if len(fields) > 19 and fields[0] not in _ENDED else 0


def ready_cpu_s(pid: int) -> float | None:
    """Return the CPU time in seconds of a process that could run now; None of any other.

    That of threads that have ended is in it, that of processes it started is not. None too where
    the system does not tell it.
    """
    fields = _stat(f"/proc/{pid}")
    if len(fields) <= 12 or not _is_ready(pid):
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _is_ready(pid: int) -> bool:
    """Return whether some thread of a process runs, or would if it were given a core."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - a glob may raise as one ends
    except OSError:
        return False
    return any(_stat(f"/proc/{pid}/task/{thread}")[:1] == ["R"] for thread in threads)


def _stat(path: str) -> list[str]:
    """Return the fields of a process's or a thread's ``stat`` from its state on, or nothing."""
    # the name in parentheses before them may hold anything, even parentheses
    return _reads(f"{path}/stat").rpartition(")")[2].split()


def _reads(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _run(order: Order) -> Reply:
    session = _session(order)
    for digest, data in order.payloads.items():
        session.objects[digest] = data
    needed = {order.workload, *order.candidates.values()}
    missing = tuple(sorted(needed - session.objects.keys()))
    if missing:
        return Reply(report=TaskReport(), missing=missing)
    _touch(session, needed)
    if order.may_retire and session.rig.retired:
        unrun = tuple(block.number for block in order.task.blocks)
        return Reply(report=TaskReport(unrun=unrun, retire=session.rig.retired))
    session.recorder.area = order.area
    try:
        workload = _workload(session, order.workload)
    except Exception as error:  # noqa: BLE001 - unpickling runs the workload's own code
        words = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        return Reply(report=TaskReport(broken=f"a worker cannot load the workload: {words}"))
    program = Program(
        token=order.workload,
        workload=workload,
        resolve=lambda name: _function(session, order.candidates[name]),
    )
    return Reply(report=session.rig.run_task(order.task, program, session.recorder))


def _session(order: Order) -> _Session:
    session = _SESSIONS.get(order.session)
    if session is None:
        path = Path(order.flight) if order.flight else own_flight_path(order.session, os.getpid())
        if not order.flight:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            create_flight_file(path)
        session = _Session(
            rig=Rig(
                memory_limit_bytes=order.memory_limit_bytes if order.may_retire else None,
                alone=order.alone,
                ours=order.ours,
                resources=_offered(),
            ),
            recorder=FlightRecorder(path),
        )
        _SESSIONS[order.session] = session
        while len(_SESSIONS) > KEPT_SESSIONS:
            _, old = _SESSIONS.popitem(last=False)
            old.rig.close()
            old.recorder.close()
    _SESSIONS.move_to_end(order.session)
    return session


def _offered() -> Mapping[str, float]:
    """Return the resources that the worker of this thread's task offers; none outside a task."""
    from distributed import get_worker  # noqa: PLC0415 - loaded already where there is a worker

    try:
        resources: Mapping[str, float] = get_worker().state.total_resources
    except ValueError:
        return {}
    return resources


def _touch(session: _Session, digests: set[str]) -> None:
    for digest in digests:
        session.objects.move_to_end(digest)
    while len(session.objects) > max(KEPT_PAYLOADS, len(digests)):
        digest, _ = session.objects.popitem(last=False)
        session.functions.pop(digest, None)


def _workload(session: _Session, digest: str) -> Any:
    """Return the workload, unpickled at its first use."""
    if isinstance(session.objects[digest], bytes):
        session.objects[digest] = load(session.objects[digest])
    return session.objects[digest]


def _function(session: _Session, digest: str) -> Callable[[Any], Any]:
    """Return a candidate's callable, unpickled and imported at its first use, in its own slot."""
    function = session.functions.get(digest)
    if function is None:
        candidate: Candidate = load(session.objects[digest])
        function = session.functions[digest] = candidate.resolve()
    return function


def quiet_threads() -> None:
    """Hold the BLAS and OpenMP threads of this process to one."""
    with contextlib.suppress(ImportError):
        from threadpoolctl import threadpool_limits  # noqa: PLC0415 - only in workers of our own

        threadpool_limits(limits=1)
