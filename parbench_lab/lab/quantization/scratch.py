"""The private folder of a study, for gigabytes of weights: asked for, and always cleaned up."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil

from parbench_lab.core.wording import memory
from parbench_lab.errors import UsageError

_NAME = "parbench-quantize-"
SPARE_BYTES = 256 << 20
"""Left to others."""


@contextlib.contextmanager
def scratch_folder(parent: Path | None) -> Iterator[Path]:
    """Make a folder that is removed at the end, whatever the end is.

    Its name holds our process number: a process that was killed cannot remove its own folder, so
    the next study does.

    Parameters
    ----------
    parent
        Where; the system's folder for temporary files by default.

    Raises
    ------
    UsageError
        If it cannot be made there.
    """
    place = Path(tempfile.gettempdir()) if parent is None else parent
    _remove_orphans(place)
    try:
        folder = Path(tempfile.mkdtemp(prefix=f"{_NAME}{os.getpid()}-", dir=place)).absolute()
    except OSError as error:
        raise UsageError(
            f"scratch folder {place}: cannot be written ({error.strerror}); give --scratch FOLDER"
        ) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_orphans(place: Path) -> None:
    for folder in place.glob(f"{_NAME}*-*"):
        number = folder.name.removeprefix(_NAME).split("-")[0]
        if number.isdecimal() and not psutil.pid_exists(int(number)):
            shutil.rmtree(folder, ignore_errors=True)  # another user's stays


def require_disk(folder: Path, n_bytes: int, *, what: str) -> None:
    """Raise unless so many bytes are free, and some to spare.

    Raises
    ------
    UsageError
        Naming how many are needed and how many there are.
    """
    free = shutil.disk_usage(folder).free
    if free < n_bytes + SPARE_BYTES:
        raise no_room(folder, n_bytes, free, what=what)


def no_room(folder: Path, n_bytes: int, free: int, *, what: str) -> UsageError:
    """Return the error of a disk that is too small."""
    return UsageError(
        f"{what} needs {memory(n_bytes)} of disk but {memory(free)} are free in {folder.parent}: "
        "give --scratch FOLDER on a larger disk, or a smaller model"
    )
