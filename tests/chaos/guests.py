"""Workers that somebody else starts against a race's scheduler, and stops when he likes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Self

import psutil

from tests.lab.commands import WORKER

ROOT = Path(__file__).parents[2]


class Guests:
    """At most one worker process from outside at a time; a context that leaves none."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._folder = tempfile.TemporaryDirectory(prefix="chaos-guests-")
        self._process: subprocess.Popen[bytes] | None = None
        self._count = 0

    def come_or_go(self, draw: float) -> None:
        """Start a guest; where there is one, end it, by its leave or without."""
        if self._process is not None and self._process.poll() is None:
            self._end(by_its_leave=draw < 0.5)
        else:
            self._start(nanny=draw < 0.5)

    def _start(self, *, nanny: bool) -> None:
        self._count += 1
        # sorted before the race's own workers: with max_concurrent=1 it is the one that runs
        name = f"a-guest-{self._count}"
        self._process = subprocess.Popen(
            [
                *WORKER, self._address, "--host", "127.0.0.1", "--no-dashboard", "--nthreads", "1",
                "--memory-limit", "1 GiB", "--local-directory", self._folder.name,
                "--name", name, "--nanny" if nanny else "--no-nanny",
            ],
            cwd=self._folder.name,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip

    def _end(self, *, by_its_leave: bool) -> None:
        assert self._process is not None
        if by_its_leave:
            self._process.terminate()
            return
        family = [self._process.pid]
        with contextlib.suppress(psutil.NoSuchProcess):
            family += [p.pid for p in psutil.Process(family[0]).children(recursive=True)]
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._process is not None:
            self._end(by_its_leave=False)
        self._folder.cleanup()
