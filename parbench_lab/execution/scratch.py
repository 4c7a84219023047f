"""Private folders for what processes share, in memory where there is room."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

import psutil

from parbench_lab.execution.flight import FILE_BYTES

_FOLDER = "parbench-"


def scratch_folder(n_workers: int) -> Path:
    """Make a private folder for recorders, in memory where there is room.

    Its name holds our process number: a process that was killed cannot remove its own folders,
    so the next one does.
    """
    prefix = f"{_FOLDER}{os.getpid()}-"
    memory = Path("/dev/shm")  # noqa: S108 - mkdtemp makes a private folder in it
    for place in (memory, Path(tempfile.gettempdir())):
        _remove_orphans(place)
    with contextlib.suppress(OSError):
        # two generations of every worker, twice
        if shutil.disk_usage(memory).free > 4 * n_workers * FILE_BYTES:
            return Path(tempfile.mkdtemp(prefix=prefix, dir=memory))
    return Path(tempfile.mkdtemp(prefix=prefix))


def _remove_orphans(place: Path) -> None:
    """Remove the folders of processes of ours that are no more."""
    for folder in place.glob(f"{_FOLDER}*-*"):
        number = folder.name.removeprefix(_FOLDER).split("-")[0]
        if number.isdecimal() and not psutil.pid_exists(int(number)):
            shutil.rmtree(folder, ignore_errors=True)  # another user's stays
