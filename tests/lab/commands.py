"""Dask clusters as an administrator starts them: by the command line, each part a process."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading

import psutil

SCHEDULER = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
WORKER = [sys.executable, "-m", "distributed.cli.dask_worker"]
LOOPBACK = ["--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0"]
ONE_THREAD = ["--nthreads", "1", "--local-directory", "."]


class Command:
    """A command that runs until it is ended; what it writes is kept in `lines`."""

    def __init__(self, command, *, folder, until, env=None):
        self.lines = []
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        if not self._read_until(until):
            self.end()
            raise AssertionError(f"{command} ended: {self.lines}")
        self._reader = threading.Thread(target=self._read_until, args=(None,), daemon=True)
        self._reader.start()

    def last_word_of(self, text):
        """Return the last word of the first line with the text."""
        return next(line for line in self.lines if text in line).split()[-1]

    def terminate(self):
        """Ask it to end, as Ctrl-C of an administrator does, and wait for it."""
        self.process.terminate()
        self.process.wait(timeout=120)

    def end(self):
        """End it with all its children, whatever they do."""
        with contextlib.suppress(psutil.NoSuchProcess):
            left = psutil.Process(self.process.pid).children(recursive=True)
            for child in left:
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=120)
        if hasattr(self, "_reader"):
            self._reader.join(30)
        self.process.stdout.close()

    def _read_until(self, text):
        for line in self.process.stdout:
            self.lines.append(line)
            if text is not None and text in line:
                return True
        return False


@contextlib.contextmanager
def scheduler(folder, *options):
    """Run ``dask scheduler`` on a free port; yields the command with its `address`."""
    command = Command(
        [*SCHEDULER, *LOOPBACK, "--port", "0", *options], folder=folder, until="Scheduler at:"
    )
    command.address = command.last_word_of("Scheduler at:")
    try:
        yield command
    finally:
        command.end()


@contextlib.contextmanager
def worker(address, folder, *options, name, env=None):
    """Run ``dask worker`` with one thread; yields it once it has joined."""
    command = Command(
        [*WORKER, address, *LOOPBACK, *ONE_THREAD, "--name", name, *options],
        folder=folder,
        until="Starting established connection",
        env=env,
    )
    try:
        yield command
    finally:
        command.end()
