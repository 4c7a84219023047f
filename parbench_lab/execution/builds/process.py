"""One process of a build, seen from its parent: started, asked, ended."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from parbench_lab.core.measurement import Measurement, Outcome
from parbench_lab.errors import RaceError, UsageError
from parbench_lab.execution.builds.build import Build, Order
from parbench_lab.execution.builds.child import BOOT
from parbench_lab.execution.builds.messages import (
    READY,
    Hello,
    Request,
    measurement_from_json,
    packed,
    unpacked,
)
from parbench_lab.execution.faults import explain_exit
from parbench_lab.execution.pools.channel import Channel
from parbench_lab.execution.processes import ONE_THREAD

START_LIMIT_S = 120.0
"""For the first import of everything, on a loaded machine."""

_NOT_THEIRS = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What differs from process to process by chance, drawn alike for both builds.

    A process's memory layout depends on the size of its environment and on its hash seed
    (Mytkowicz and others, "Producing wrong data without doing anything obviously wrong", 2009).
    """

    padding_bytes: int = 0
    hash_seed: int = 0

    def environment(self) -> dict[str, str]:
        """Return the variables of the process."""
        return {
            "PARBENCH_PADDING": "x" * self.padding_bytes,
            "PYTHONHASHSEED": str(self.hash_seed),
        }


class BuildProcess:
    """A child process in a session of its own, which dies with this one.

    Parameters
    ----------
    build, order
        Who it is and what it runs.
    target
        The order's target as this build finds it.
    folder
        For its files.
    name
        Unique in the folder.
    conditions
        Of this process.
    """

    def __init__(
        self,
        build: Build,
        order: Order,
        *,
        target: str,
        folder: Path,
        name: str,
        conditions: Conditions,
    ) -> None:
        self.build = build
        self._order = order
        self._target = target
        self._trace = folder / f"{name}.trace"
        self._words = folder / f"{name}.words"
        self._conditions = conditions
        self._popen: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self._lock = threading.Lock()

    @property
    def alive(self) -> bool:
        """Whether it was started and not ended."""
        return self._channel is not None

    @property
    def pid(self) -> int:
        """Its process id, -1 when it is not running."""
        return self._popen.pid if self._popen is not None and self.alive else -1

    def start(self) -> None:
        """Start it; returns at once.

        Raises
        ------
        RaceError
            If its interpreter cannot be started.
        """
        ours = {key: v for key, v in os.environ.items() if key not in _NOT_THEIRS}
        with self._words.open("wb") as words:
            try:
                self._popen = subprocess.Popen(  # noqa: S603 - the build's interpreter and a constant
                    [self.build.interpreter, "-P", "-c", BOOT, "parbench-build"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=words,
                    bufsize=0,
                    cwd=self.build.folder,
                    env={**ours, **ONE_THREAD, **self._conditions.environment()},
                    start_new_session=True,  # its children end with it; Ctrl-C stays here
                )
            except OSError as error:
                raise RaceError(
                    f"{self.build.label}: cannot start {self.build.interpreter} "
                    f"({error.strerror or error})"
                ) from error
        assert self._popen.stdin and self._popen.stdout  # noqa: S101, PT018 - asked for above
        self._channel = Channel(self._popen.stdout, self._popen.stdin)  # type: ignore[arg-type]
        told = {
            "before": self.build.before,
            "after": self.build.after,
            "parent": os.getpid(),
            "trace": str(self._trace),
        }
        with contextlib.suppress(OSError):  # it died already; `greet` will tell
            self._popen.stdin.write(json.dumps(told).encode() + b"\n")

    def greet(self, limit_s: float = START_LIMIT_S) -> Hello:
        """Wait until it is ready, give the order and return what it found.

        Raises
        ------
        UsageError
            If the build does not have what is asked for.
        RaceError
            If it does not come up.
        """
        first = self._asked(None, limit_s)
        if first != READY:
            raise RaceError(
                f"{self.build.label}: its Python cannot run parbench_lab ({_text(first)}); "
                "install parbench_lab into that environment"
            )
        head = {
            "target": self._target,
            "registry": self._order.registry,
            "algorithms": list(self._order.algorithms),
            "stand_in": self.build.stand_in,
        }
        answer = self._asked((packed(head), self._order.payload, self._order.stand_in), limit_s)
        return Hello.from_json(self._understood(answer))

    def fingerprint(self, *, size: int, seed: int, limit_s: float = START_LIMIT_S) -> str | None:
        """Return a digest of a case as this build makes it, None where it has none.

        Raises
        ------
        UsageError
            If the case cannot be made.
        """
        asked = packed({"case": {"size": size, "seed": seed}})
        digest = self._understood(self._asked((asked,), limit_s))["case"]
        return None if digest is None else str(digest)

    def measure(self, request: Request, limit_s: float) -> Measurement:
        """Measure one candidate; its crash or its overrun are measurements too, and end this.

        Raises
        ------
        UsageError
            If the workload itself cannot make its case.
        """
        asked = packed(dataclasses.asdict(request))
        try:
            answer = self._asked((asked,), limit_s)
        except _OverrunError:
            words = f"did not come back within {limit_s:g} s"
            return _ended(request, Outcome.TIMED_OUT, words)
        except _LostError as lost:
            return _ended(request, lost.outcome, str(lost))
        return measurement_from_json(self._understood(answer))

    def close(self) -> None:
        """End it and whatever it started, at once; idempotent."""
        self._kill()
        if self._popen is not None:
            self._popen.wait()
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        for path in (self._trace, self._words):
            path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # ------------------------------------------------------------ talking

    def _asked(self, pieces: tuple[bytes, ...] | None, limit_s: float) -> bytearray:
        """Send, and wait for one answer of one piece; a process that has no answer is ended."""
        assert self._channel is not None  # noqa: S101 - started
        with self._time_limit(limit_s) as passed:
            try:
                if pieces is not None:
                    self._channel.send(*pieces)
                return self._channel.receive()[0]
            except (OSError, EOFError):
                raise self._mourned(passed.is_set()) from None

    @contextlib.contextmanager
    def _time_limit(self, limit_s: float) -> Iterator[threading.Event]:
        """Kill the process when the limit has passed; yields what tells of it."""
        passed = threading.Event()

        def end() -> None:
            passed.set()
            self._kill()

        timer = threading.Timer(limit_s, end)
        timer.daemon = True
        timer.start()
        try:
            yield passed
        finally:
            timer.cancel()

    def _understood(self, answer: bytearray) -> dict[str, Any]:
        document: Mapping[str, Any] = unpacked(answer)
        if "error" in document:
            words = f"{self.build.label}: {document['error']}"
            raise UsageError(words) if document["usage"] else RaceError(words)
        return dict(document)

    def _mourned(self, overrun: bool) -> _LostError:  # noqa: FBT001 - private, one caller
        """Return why it ended; nothing of it is left then."""
        self._kill()
        returncode = self._popen.wait() if self._popen is not None else None
        trace, words = _read(self._trace), _read(self._words)
        self.close()
        if overrun:
            return _OverrunError(f"{self.build.label}: did not answer in time", Outcome.TIMED_OUT)
        cause = explain_exit(returncode, trace)
        said = " ".join(words.split("\n")[-2:]).strip()[:200]
        reason = f"{cause.reason}: {said}" if said else cause.reason
        return _LostError(reason, cause.outcome or Outcome.CRASHED)

    def _kill(self) -> None:
        # before it is waited for, its number cannot belong to anybody else
        with self._lock:
            if self._popen is None or self._popen.returncode is not None:
                return
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if hasattr(os, "killpg"):
                    os.killpg(self._popen.pid, signal.SIGKILL)
                else:
                    self._popen.kill()


class _LostError(RaceError):
    """The process ended before it answered."""

    def __init__(self, words: str, outcome: Outcome) -> None:
        super().__init__(words)
        self.outcome = outcome


class _OverrunError(_LostError):
    """It was ended because it did not answer in time."""


def _ended(request: Request, outcome: Outcome, words: str) -> Measurement:
    return Measurement(
        candidate=request.candidate, outcome=outcome, repeats=request.repeats, message=words
    )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _text(piece: bytes | bytearray) -> str:
    return " ".join(bytes(piece).decode(errors="replace").split())[:300]
