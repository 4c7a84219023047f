"""Large arrays as files that every worker on this machine maps, read-only: written once.

An array stays on its shelf as long as somebody may ask for it: while it lives in this process, or
a part that holds it is being worked on. A shelf is in memory (``/dev/shm``) where there is room.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import tempfile
import threading
import weakref
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

LARGE_BYTES = 1_000_000
"""Smaller arrays travel with their part: a file and its mapping cost more than a copy."""
_COMPARED_BYTES = 1 << 18
_SAMPLES = 64
_SAMPLED_BYTES = 256
_MEMORY = Path("/dev/shm")  # noqa: S108 - only compared with


@dataclass(frozen=True, slots=True, kw_only=True)
class Slip:
    """What a worker must know to find an array."""

    where: Any
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran: bool = False
    offset_bytes: int = 0
    inode: int = 0
    """Of somebody's file, which may be replaced by another under the same name."""


class Hold(Protocol):
    """A promise that an array stays where its slip says until it is let go."""

    def release(self) -> None:
        """Let go; once."""


class Shelf(Protocol):
    """Takes large arrays out of what is pickled."""

    def place(self, array: np.ndarray[Any, Any], job: int) -> tuple[Slip, Hold] | None:
        """Return where workers find an array; None to send it with its part.

        Parameters
        ----------
        array
            Of at least `LARGE_BYTES`, of a dtype without Python objects.
        job
            Number of the map. Within one map an array is taken not to change.
        """

    def close(self) -> None:
        """Remove everything; idempotent."""


class _File:
    """One array's file and how many hold it."""

    def __init__(self, slip: Slip, path: Path, memory_bytes: int) -> None:
        self.slip = slip
        self.path = path
        self.memory_bytes = memory_bytes
        """0 on a disk."""
        self.holds = 0
        self.orphan = False
        """Nobody here can ask for it again: it goes with its last hold."""
        self.gone = False
        self.job = -1
        self.owner: weakref.ref[Any] | None = None


class _FileHold:
    def __init__(self, shelf: FileShelf, file: _File) -> None:
        self._shelf = shelf
        self._file = file

    def release(self) -> None:
        self._shelf.release(self._file)


class _NoHold:
    def release(self) -> None:
        """Do nothing: the file is somebody else's."""


class FileShelf:
    """Arrays in files of a private folder; see the module.

    Parameters
    ----------
    n_workers
        How many will read; only for the folder's room.
    """

    def __init__(self, n_workers: int) -> None:
        from parbench_lab.execution.scratch import (  # noqa: PLC0415 - workers only need slips
            scratch_folder,
        )

        self._lock = threading.RLock()
        self._numbers = itertools.count()
        self._files: dict[int, _File] = {}
        self._dead: deque[int] = deque()
        self._folder = scratch_folder(n_workers)
        self._spare: Path | None = None
        self._held_bytes = 0
        self.peak_bytes = 0
        """The most memory that the files held together since the last `restart_peak`."""

    @property
    def folder(self) -> Path:
        """Where the files are, as long as there is room."""
        return self._folder

    def place(self, array: np.ndarray[Any, Any], job: int) -> tuple[Slip, Hold] | None:
        """Return where workers find an array, writing it unless it is there as it is now."""
        own = _own_file(array)
        if own is not None:
            return own, _NoHold()
        with self._lock:
            self._sweep()
            file = self._files.get(id(array))
            if file is not None and file.job != job and not _same(file, array):
                self._orphan(id(array))
                file = None
            if file is None:
                file = self._write(array)
            file.job = job
            file.holds += 1
            return file.slip, _FileHold(self, file)

    def release(self, file: _File) -> None:
        """Let go of one hold; the file goes with the last one, if nobody can ask for it again."""
        with self._lock:
            file.holds -= 1
            self._sweep()
            self._drop(file)

    def close(self) -> None:
        """Remove all files and folders; idempotent."""
        with self._lock:
            self._files.clear()
            for folder in (self._folder, self._spare):
                if folder is not None:
                    shutil.rmtree(folder, ignore_errors=True)

    def restart_peak(self) -> int:
        """Return `peak_bytes` and begin again from what is held now."""
        with self._lock:
            peak, self.peak_bytes = self.peak_bytes, self._held_bytes
        return peak

    # ------------------------------------------------------------ under the lock

    def _write(self, array: np.ndarray[Any, Any]) -> _File:
        fortran = array.flags.f_contiguous and not array.flags.c_contiguous
        whole = array.T if fortran else np.ascontiguousarray(array)
        path = self._store(_bytes_of(whole))
        slip = Slip(where=str(path), dtype=array.dtype, shape=array.shape, fortran=fortran)
        file = _File(slip, path, array.nbytes if path.is_relative_to(_MEMORY) else 0)
        self._held_bytes += file.memory_bytes
        self.peak_bytes = max(self.peak_bytes, self._held_bytes)
        if array.flags.forc:  # a copy could not be compared with what it was made of
            key = id(array)
            file.owner = weakref.ref(array, lambda _: self._dead.append(key))
            self._files[key] = file
        else:
            file.orphan = True
        return file

    def _store(self, data: memoryview) -> Path:
        name = f"{next(self._numbers)}.array"
        path = self._folder / name
        with contextlib.suppress(OSError):
            if shutil.disk_usage(self._folder).free > 2 * data.nbytes:
                return _written(path, data)
        path.unlink(missing_ok=True)  # no room after all
        if self._spare is None:
            prefix = f"{self._folder.name.rpartition('-')[0]}-"
            self._spare = Path(tempfile.mkdtemp(prefix=prefix))
        return _written(self._spare / name, data)

    def _sweep(self) -> None:
        """Orphan the files of arrays that are no more."""
        while self._dead:
            key = self._dead.popleft()
            file = self._files.get(key)
            # the number may be another array's by now
            if file is not None and (file.owner is None or file.owner() is None):
                self._orphan(key)

    def _orphan(self, key: int) -> None:
        file = self._files.pop(key)
        file.orphan = True
        self._drop(file)

    def _drop(self, file: _File) -> None:
        if file.orphan and file.holds == 0 and not file.gone:
            file.gone = True
            self._held_bytes -= file.memory_bytes
            file.path.unlink(missing_ok=True)


def _written(path: Path, data: memoryview) -> Path:
    with path.open("wb", buffering=0) as file:
        done = 0
        while done < data.nbytes:
            done += file.write(data[done:])
    return path


def _bytes_of(array: np.ndarray[Any, Any]) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def _same(file: _File, array: np.ndarray[Any, Any]) -> bool:
    """Return whether a file holds an array as it is now; byte by byte, in little memory."""
    fortran = array.flags.f_contiguous and not array.flags.c_contiguous
    slip = file.slip
    if (slip.dtype, slip.shape, slip.fortran) != (array.dtype, array.shape, fortran):
        return False
    now = _bytes_of(array.T if fortran else array)
    return _agree(file.path, 0, now, range(0, now.nbytes, _COMPARED_BYTES), _COMPARED_BYTES)


def _own_file(array: np.ndarray[Any, Any]) -> Slip | None:
    """Return the slip of an array that is mapped from a file already; None if it is not.

    A private mapping (mode "c") may differ from its file, and so does one whose file was replaced:
    that is looked for in a sample of it.
    """
    root = array
    while isinstance(root.base, np.ndarray):
        root = root.base
    path = getattr(root, "filename", None)
    if not isinstance(root, np.memmap) or path is None or not array.flags.forc:
        return None
    if root.mode == "c":
        return None
    inside = array.__array_interface__["data"][0] - root.__array_interface__["data"][0]
    fortran = array.flags.f_contiguous and not array.flags.c_contiguous
    offset = int(root.offset + inside)
    now = _bytes_of(array.T if fortran else array)
    steps = range(0, now.nbytes, max(1, now.nbytes // _SAMPLES))
    try:
        inode = os.stat(path).st_ino  # noqa: PTH116 - may be text
        if not _agree(Path(path), offset, now, steps, _SAMPLED_BYTES):
            return None
    except OSError:
        return None
    return Slip(
        where=str(path),
        dtype=array.dtype,
        shape=array.shape,
        fortran=fortran,
        offset_bytes=offset,
        inode=inode,
    )


def _agree(path: Path, offset: int, now: memoryview, steps: range, size_bytes: int) -> bool:
    """Return whether a file has these bytes where the steps begin; mapped pages would count."""
    buffer = np.empty(min(size_bytes, now.nbytes), dtype=np.uint8)  # one: fresh pages are slow
    with path.open("rb", buffering=0) as file:
        for at in steps:
            file.seek(offset + at)
            wanted = np.frombuffer(now[at : at + size_bytes], dtype=np.uint8)
            got = file.readinto(buffer.data) or 0
            if got < wanted.size or not np.array_equal(buffer[: wanted.size], wanted):
                return False
    return True
