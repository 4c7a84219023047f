"""Workers that are processes of their own, over pipes: no lock is shared, and large arrays are.

Not a library's pool: those that we tried (joblib's loky) keep two tracker processes after the
pool is closed, and lose all workers when one dies, without a word which one.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parbench_lab.core.pool import Span
from parbench_lab.errors import ClusterError, UsageError
from parbench_lab.execution.faults import explain_exit
from parbench_lab.execution.pools.channel import Channel
from parbench_lab.execution.pools.crew import LanePool
from parbench_lab.execution.pools.jobs import Answer, Exchange, Parcel
from parbench_lab.execution.pools.parcels import Order, Packed, load_answer, name_of, pack
from parbench_lab.execution.pools.peaks import take_peak_bytes
from parbench_lab.execution.pools.process_worker import BOOT, READY
from parbench_lab.execution.pools.shelf import FileShelf
from parbench_lab.execution.pools.spans import SpanLog
from parbench_lab.execution.pools.workbench import Worked, worked
from parbench_lab.execution.processes import ONE_THREAD

_KILL = getattr(signal, "SIGKILL", signal.SIGTERM)


class ProcessPool(LanePool):
    """Processes on this machine; see `parbench_lab.core.pool.Pool`.

    What they print appears on the error stream. One that dies is replaced; its part raises
    `ClusterError`.

    Raises
    ------
    ClusterError
        If they cannot be started.
    """

    def __init__(self, n_workers: int) -> None:
        exchange, spans = Exchange(), SpanLog()
        super().__init__("processes", n_workers, exchange, spans)
        self._shelf = FileShelf(n_workers)
        self._lanes = [
            _ProcessLane(index, exchange, spans, self._shelf) for index in range(n_workers)
        ]
        self._open(self._lanes, self._shelf.close)
        self._shelf.restart_peak()

    def peak_memory_bytes(self) -> int | None:
        """Return the peak of this process and the workers together; see `LanePool`."""
        return take_peak_bytes(self.process_ids(), self._shelf.restart_peak())

    def _order(self, function: Callable[..., Any], number: int) -> tuple[Any, Callable[[], None]]:
        name = name_of(function)
        packed = pack(function, self._shelf, job=number, what=name, same_files=True)
        return Order(name=name, packed=packed), packed.release

    def process_ids(self) -> Sequence[int]:
        """Return this process and those of the workers."""
        return (os.getpid(), *(lane.pid for lane in self._lanes if lane.pid > 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sent:
    """A parcel in the worker's hands, since when, and the arrays that must stay meanwhile."""

    parcel: Parcel
    began_ns: int
    packed: Packed


@dataclass(frozen=True, slots=True, kw_only=True)
class _Returned:
    """What a worker sent back, not unpickled yet."""

    sent: _Sent
    worked: Worked
    received_ns: int


class _ProcessLane:
    """One worker process and its pipes; all but `stop` in the lane's own thread."""

    def __init__(self, worker: int, exchange: Exchange, spans: SpanLog, shelf: FileShelf) -> None:
        self.name = f"process-{worker}"
        self.worker = worker
        self.pid = -1
        self._exchange = exchange
        self._spans = spans
        self._shelf = shelf
        self._lock = threading.Lock()
        self._stopped = False
        self._popen: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self._known: set[int] = set()

    @property
    def _trace(self) -> Path:
        return self._shelf.folder / f"{self.name}.trace"

    def start(self) -> None:
        """Start the process and wait until it is ready."""
        self._known = set()
        told = {"path": [p or os.getcwd() for p in sys.path], "parent": os.getpid()}  # noqa: PTH109
        told["trace"] = str(self._trace)
        try:
            self._spawn()
            channel = self._channel
            assert channel is not None and self._popen is not None  # noqa: S101, PT018 - spawned
            self._popen.stdin.write(json.dumps(told).encode() + b"\n")  # type: ignore[union-attr]
            (words,) = channel.receive()
        except (OSError, EOFError) as error:
            reason = str(error) if self._popen is None else self._bury()
            raise ClusterError(f"worker {self.name} cannot be started: {reason}") from error
        if words != READY:
            self._bury()
            raise ClusterError(
                f"worker {self.name} cannot be started: {words.decode(errors='replace')}"
            )

    def run(self) -> None:
        returned: _Returned | None = None
        while True:
            # the worker gets its next parcel before this thread unpickles what it brought
            parcel = self._exchange.take(worker=self.worker, wait=returned is None)
            if parcel is None and returned is None:
                return
            sent = self._send(parcel) if parcel is not None else None
            if returned is not None:
                self._bring(returned)
            returned = self._receive(sent) if sent is not None else None
            if returned is not None and returned.worked.answer[:1] == b"e":
                self._bring(returned)  # before anything more of its map is taken
                returned = None
            del parcel, sent

    def stop(self) -> None:
        """End the process and whatever it started."""
        with self._lock:
            self._stopped = True
            self._kill()

    def finish(self) -> None:
        """End the process and wait for it."""
        self.stop()
        self._bury()

    # ------------------------------------------------------------ parcels

    def _send(self, parcel: Parcel) -> _Sent | None:
        """Send a parcel; None where it was answered at once, because it cannot be sent."""
        began_ns = time.perf_counter_ns()
        job = parcel.job
        try:
            packed = pack(
                parcel.items,
                self._shelf,
                job=job.number,
                what=f"item {parcel.first} for {job.order.name}",
                same_files=True,
            )
        except (UsageError, OSError) as error:
            self._exchange.bring(parcel, [Answer(error=error)])
            return None
        live = self._exchange.live()
        self._known &= live
        order = b"" if job.number in self._known else job.order.packed.data
        self._known.add(job.number)
        with contextlib.suppress(OSError):  # it died: seen at once when its answer is awaited
            assert self._channel is not None  # noqa: S101 - started
            self._channel.send(pickle.dumps((job.number, live)), order, packed.data)
        return _Sent(parcel=parcel, began_ns=began_ns, packed=packed)

    def _receive(self, sent: _Sent) -> _Returned | None:
        """Wait for a parcel's answer; None where the worker died over it, which was answered."""
        assert self._channel is not None  # noqa: S101 - started
        try:
            stamps, answer = self._channel.receive()
        except (OSError, EOFError):
            self._mourn(sent)
            return None
        finally:
            sent.packed.release()
        return _Returned(
            sent=sent, worked=worked(stamps, answer), received_ns=time.perf_counter_ns()
        )

    def _bring(self, returned: _Returned) -> None:
        began_ns = time.perf_counter_ns()
        answer = load_answer(returned.worked.answer)
        start_ns, end_ns = returned.worked.start_ns, returned.worked.end_ns
        elsewhere_ns = returned.received_ns - returned.sent.began_ns - (end_ns - start_ns)
        packing_ns = returned.worked.packing_ns
        transfer_ns = elsewhere_ns - packing_ns + time.perf_counter_ns() - began_ns
        self._spans.add(
            Span(
                worker=self.name,
                start_ns=start_ns,
                end_ns=end_ns,
                transfer_s=max(0, transfer_ns) / 1e9,
                unpack_s=packing_ns / 1e9,
            )
        )
        self._exchange.bring(returned.sent.parcel, [answer])

    def _mourn(self, sent: _Sent) -> None:
        """Answer for a worker that died over a part, and start the next one."""
        pid, reason = self.pid, self._bury()
        if self._stopped:
            return  # it was ended by us; who waits is told that the pool was closed
        parcel = sent.parcel
        words = (
            f"worker {self.name} (process {pid}) was lost over item {parcel.first} for "
            f"{parcel.job.order.name}: {reason}"
        )
        self._exchange.bring(parcel, [Answer(error=ClusterError(words))])
        self.start()

    # ------------------------------------------------------------ the process

    def _spawn(self) -> None:
        with self._lock:
            if self._stopped:
                raise OSError("the pool is closing")
            self._popen = subprocess.Popen(  # noqa: S603 - this interpreter and a constant
                [sys.executable, "-c", BOOT, f"parbench-{self.name}"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                env={**os.environ, **ONE_THREAD},
                start_new_session=True,  # its children can be ended with it; Ctrl-C stays here
            )
            self.pid = self._popen.pid
            assert self._popen.stdin and self._popen.stdout  # noqa: S101, PT018 - asked for above
            self._channel = Channel(self._popen.stdout, self._popen.stdin)  # type: ignore[arg-type]

    def _kill(self) -> None:
        popen = self._popen
        if popen is None or popen.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(popen.pid, _KILL)
            else:
                popen.kill()

    def _bury(self) -> str:
        """Take leave of a process whose pipe is at its end; return why it ended."""
        if self._popen is None:
            return "there is none"
        with self._lock:
            # its exit code is set before its pipe is closed, so this only ends who it started, or
            # one that closed its pipe and lives on
            self._kill()
            returncode = self._popen.wait()
        if self._channel is not None:
            self._channel.close()
        self.pid = -1
        trace = self._trace.read_text(errors="replace") if self._trace.exists() else ""
        return explain_exit(returncode, trace).reason
