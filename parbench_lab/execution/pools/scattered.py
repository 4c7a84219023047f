"""Large arrays for workers on other machines: each goes there once, through Dask."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from parbench_lab.execution.connection import Connection
from parbench_lab.execution.pools.shelf import Slip


class _Scattered:
    """One array's future for one map, and how many hold it."""

    def __init__(self, future: Any, job: int, array: np.ndarray[Any, Any]) -> None:
        self.future = future
        self.job = job
        self.owner = weakref.ref(array)
        self.holds = 0

    @property
    def is_idle(self) -> bool:
        """Whether nobody has it in hand, and nobody can ask for it again."""
        return self.holds == 0 and self.owner() is None


class _Hold:
    def __init__(self, shelf: ScatteredShelf, entry: _Scattered) -> None:
        self._shelf = shelf
        self._entry = entry

    def release(self) -> None:
        self._shelf.release(self._entry)


class ScatteredShelf:
    """Arrays as Dask's data, at the longest until the end of their map.

    Parameters
    ----------
    connection
        To the cluster.
    addresses
        Returns those of the pool's workers.
    """

    def __init__(self, connection: Connection, addresses: Callable[[], Sequence[str]]) -> None:
        self._connection = connection
        self._addresses = addresses
        self._lock = threading.RLock()
        self._entries: dict[str, _Scattered] = {}
        self._keys: dict[tuple[int, int], str] = {}

    def place(self, array: np.ndarray[Any, Any], job: int) -> tuple[Slip, _Hold]:
        """Return an array's slip, sending it to a worker unless its map did so before.

        Other workers get it from there when they need it, once.
        """
        with self._lock:
            entry = self._entries.get(self._keys.get((job, id(array)), ""))
            if entry is None or entry.owner() is not array:
                self._drop([key for key, old in self._entries.items() if old.is_idle])
                entry = self._send(array, job)
            entry.holds += 1
            key = str(entry.future.key)
        return Slip(where=key, dtype=array.dtype, shape=array.shape), _Hold(self, entry)

    def release(self, entry: _Scattered) -> None:
        """Let go of one hold."""
        with self._lock:
            entry.holds -= 1

    def futures(self, keys: Sequence[str]) -> Sequence[Any]:
        """Return the futures of arrays that are held, as Dask takes them beside a parcel."""
        with self._lock:
            return [self._entries[key].future for key in keys if key in self._entries]

    def end(self, job: int) -> None:
        """Let go of a map's arrays."""
        with self._lock:
            self._drop([key for key, entry in self._entries.items() if entry.job == job])

    def close(self) -> None:
        """Let go of everything."""
        with self._lock:
            self._drop(list(self._entries))

    # ------------------------------------------------------------ under the lock

    def _send(self, array: np.ndarray[Any, Any], job: int) -> _Scattered:
        future = self._connection.scatter(np.asarray(array), self._addresses(), broadcast=False)
        entry = self._entries[str(future.key)] = _Scattered(future, job, array)
        self._keys[job, id(array)] = str(future.key)
        return entry

    def _drop(self, keys: Sequence[str]) -> None:
        gone = [self._entries.pop(key).future for key in keys]
        dropped = set(keys)
        for number in [number for number, key in self._keys.items() if key in dropped]:
            del self._keys[number]
        self._connection.release(gone)
