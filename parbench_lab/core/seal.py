"""A seal on data: whether somebody has changed them since.

For that their content is pickled and hashed, so it takes about as long as copying them, and runs
the pickling code of their classes. The pickle itself is kept nowhere.
"""

from __future__ import annotations

import copyreg
import hashlib
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import numpy as np

DIGEST_BYTES = 8


@dataclass(frozen=True, slots=True)
class Seal:
    """What data were like when they were sealed.

    Parameters
    ----------
    digest
        Of their content, `DIGEST_BYTES` long; None where they cannot be pickled.
    by_names
        Whether classes and functions count by their names alone, for pickling them failed.

    Examples
    --------
    >>> data = [3, 1, 2]
    >>> seal = Seal.of(data)
    >>> data.sort()
    >>> seal.is_intact(data), seal.is_intact([3, 1, 2])
    (False, True)
    """

    digest: bytes | None
    by_names: bool = False

    @classmethod
    def of(cls, data: Any) -> Seal:
        """Seal data.

        Those of a class that was written in a notebook, which no import finds, are sealed too.
        """
        plain = pickled_digest(data)
        if plain is not None:
            return cls(plain)
        return cls(pickled_digest(data, _dump_by_names), by_names=True)

    def is_intact(self, data: Any) -> bool:
        """Return whether data are as those that were sealed; True where nobody can know."""
        if self.digest is None:
            return True
        # pickled as they were then: to fail first at what cannot be pickled takes as long again
        dump = _dump_by_names if self.by_names else _dump_plainly
        return pickled_digest(data, dump) == self.digest


class _Hashing:
    """A file that keeps nothing: what is written is hashed."""

    def __init__(self, digest: hashlib.blake2b) -> None:
        self._digest = digest

    def write(self, chunk: Any) -> int:
        """Hash a chunk."""
        self._digest.update(chunk)
        return memoryview(chunk).nbytes


def _as_plain(mapped: np.memmap[Any, Any]) -> Any:
    """Reduce a mapped array as a plain one: out of band, for as it is it would be copied."""
    return np.asarray(mapped).__reduce_ex__(5)


def _dump_plainly(
    data: Any, file: Any, *, pickler: type[pickle.Pickler] = pickle.Pickler, **options: Any
) -> None:
    made = pickler(file, **options)
    made.dispatch_table = {**copyreg.dispatch_table, np.memmap: _as_plain}
    made.dump(data)


def pickled_digest(data: Any, dump: Callable[..., object] = _dump_plainly) -> bytes | None:
    """Return a digest of data's content, `DIGEST_BYTES` long; None where pickling fails.

    Parameters
    ----------
    dump
        Pickles into a file; takes what `pickle.dump` takes.
    """
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    buffers: list[pickle.PickleBuffer] = []
    try:
        dump(data, _Hashing(digest), protocol=5, buffer_callback=buffers.append)
        for buffer in buffers:
            digest.update(buffer.raw())
    except Exception:  # noqa: BLE001 - pickling runs the object's own code; no digest then
        return None
    return digest.digest()


class _NamingPickler(pickle.Pickler):
    """Writes what nobody reads back: of classes and functions their names, found or not."""

    def reducer_override(self, thing: Any) -> Any:
        if thing is str or not isinstance(thing, (type, FunctionType)):
            return NotImplemented  # `str` stands in the stream where a name does
        return str, (f"{thing.__module__}.{thing.__qualname__}",)


def _dump_by_names(data: Any, file: Any, **options: Any) -> None:
    _dump_plainly(data, file, pickler=_NamingPickler, **options)
