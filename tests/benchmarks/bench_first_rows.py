"""What a user waits for: from ``parbench race`` to the first measured rows and the first verdict.

The installed command runs in a process of its own, in a terminal of its own (a pseudo-terminal of
120 columns), with a store of its own; what it draws is read as a person would read it.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

RUNS = 5
TARGET_S = 6.0
PATIENCE_S = 60.0
ROWS_COLUMNS = (40, 120)

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_MEASURED = re.compile(r"^\d+ \S+ .*\d (ns|µs|ms|s)\b", re.MULTILINE)
_VERDICT = re.compile(r"^\d+ \S+ +(eliminated|equal)\b", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """Seconds from the start of the process; infinite for what never came."""

    workers_s: float
    rows_s: float
    verdict_s: float


def command() -> list[str]:
    """Return the installed command, of the environment that runs this benchmark."""
    installed = Path(sys.executable).with_name("parbench")
    found = str(installed) if installed.exists() else shutil.which("parbench")
    if found is None:
        raise SystemExit("first_rows needs the installed command: pip install -e .")
    return [found, "race"]


def one_run() -> Waits:
    """Start a race, read its terminal until the first verdict, then stop it."""
    marks = {"workers_s": re.compile("^run "), "rows_s": _MEASURED, "verdict_s": _VERDICT}
    seen: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder, terminal(Path(folder)) as screen:
        start_s = time.perf_counter()
        for text in screen:
            passed_s = time.perf_counter() - start_s
            for name, pattern in marks.items():
                if name not in seen and pattern.search(text):
                    seen[name] = passed_s
            if "verdict_s" in seen or passed_s > PATIENCE_S:
                break
    return Waits(**{name: seen.get(name, float("inf")) for name in marks})


@contextlib.contextmanager
def terminal(folder: Path) -> Iterator[Iterator[str]]:
    """Run the command in a new terminal; yields what it draws, piece by piece, without colours."""
    import fcntl
    import pty
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", *ROWS_COLUMNS, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "PARBENCH_STORE": str(folder / "r.db")}
    process = subprocess.Popen(
        command(), cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs,
        start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    drawn = pieces(ours)
    try:
        yield drawn
    finally:
        process.send_signal(signal.SIGINT)
        for _ in drawn:  # a terminal that nobody reads would stop it
            pass
        process.wait(timeout=PATIENCE_S)
        os.close(ours)


def pieces(descriptor: int) -> Iterator[str]:
    """Yield what comes out of a terminal, until its last program has left it."""
    while True:
        try:
            data = os.read(descriptor, 1 << 16)
        except OSError:
            return
        if not data:
            return
        yield _ESCAPES.sub("", data.decode(errors="replace")).replace("\r\n", "\n")


def main() -> None:
    if not sys.platform.startswith(("linux", "darwin")):
        print("needs a pseudo-terminal: not measured on this platform")
        return
    found = [one_run() for _ in range(RUNS)]
    for what, name in (
        ("workers are ready", "workers_s"),
        ("first measured rows", "rows_s"),
        ("first verdict", "verdict_s"),
    ):
        waits_s = [getattr(waits, name) for waits in found]
        target = f" (target {TARGET_S:g})" if name == "rows_s" else ""
        print(
            f"{what}: median {statistics.median(waits_s):.2f} s, worst {max(waits_s):.2f} s "
            f"of {RUNS} runs of `parbench race`{target}"
        )


if __name__ == "__main__":
    main()
