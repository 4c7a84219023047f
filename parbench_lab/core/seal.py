"""A seal on data: whether somebody has changed them since.

For that their content is pickled and hashed, so it takes about as long as copying them, and runs
the pickling code of their classes.
"""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType
from typing import Any

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
        plain = pickled_digest(data, pickle.dumps)
        if plain is not None:
            return cls(plain)
        return cls(pickled_digest(data, _dump_by_names), by_names=True)

    def is_intact(self, data: Any) -> bool:
        """Return whether data are as those that were sealed; True where nobody can know."""
        if self.digest is None:
            return True
        # pickled as they were then: to fail first at what cannot be pickled takes as long again
        return pickled_digest(data, _dump_by_names if self.by_names else pickle.dumps) == (
            self.digest
        )


def pickled_digest(data: Any, dumps: Callable[..., bytes]) -> bytes | None:
    """Return a digest of data's content, `DIGEST_BYTES` long; None where pickling fails.

    Parameters
    ----------
    dumps
        Pickles; takes what `pickle.dumps` takes.
    """
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    buffers: list[pickle.PickleBuffer] = []
    try:
        digest.update(dumps(data, protocol=5, buffer_callback=buffers.append))
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


def _dump_by_names(data: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    _NamingPickler(file, **options).dump(data)
    return file.getvalue()
