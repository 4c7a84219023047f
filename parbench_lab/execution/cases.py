"""The cases of this process: made once, read-only where that is cheap, and watched for changes."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import pickle
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from types import FunctionType
from typing import Any

import cloudpickle
import numpy as np

from parbench_lab.core.block import Case
from parbench_lab.core.ports import Workload

KEPT_CASES = 4
_FREEZE_DEPTH = 4
_MADE_TWICE_S = 5.0
"""A case that takes longer to make is not made again to see whether it is the same."""


@dataclasses.dataclass(slots=True)
class KeptCase:
    """A case's data with what is needed to see whether somebody changed it.

    `fingerprint` is None where the data cannot be fingerprinted; `fingerprint_s` is what one
    costs in seconds. `unverified` are candidates that ran on it since it was last seen unchanged.
    """

    data: Any
    made_s: float
    fingerprint: bytes | None
    fingerprint_s: float
    unverified: set[str] = dataclasses.field(default_factory=set)

    def changed(self) -> bool:
        """Return whether the data differ from what was made, False where that is unknown."""
        return self.fingerprint is not None and fingerprint(self.data) != self.fingerprint


class CaseShelf:
    """Keeps the few cases used last.

    Parameters
    ----------
    capacity
        Cases kept at most.
    """

    def __init__(self, capacity: int = KEPT_CASES) -> None:
        self._capacity = capacity
        self._kept: OrderedDict[tuple[str, Case], KeptCase] = OrderedDict()

    def get(self, token: str, workload: Workload, case: Case) -> tuple[KeptCase, float]:
        """Return the case and the seconds spent making it now, 0.0 where it was there.

        Parameters
        ----------
        token
            Stands for the workload: equal tokens, equal workloads.

        Raises
        ------
        Exception
            Whatever `make_case` raises.
        """
        key = (token, case)
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
            return kept, 0.0
        kept = make_case(workload, case)
        self._kept[key] = kept
        while len(self._kept) > self._capacity:
            self._kept.popitem(last=False)
        return kept, kept.made_s

    def renew(self, token: str, workload: Workload, case: Case) -> KeptCase:
        """Make the case anew and return it."""
        self._kept.pop((token, case), None)
        return self.get(token, workload, case)[0]


def make_case(workload: Workload, case: Case) -> KeptCase:
    """Make a case's data, its arrays read-only, and fingerprint it."""
    start_ns = time.perf_counter_ns()
    data = workload.make_case(case.size, np.random.default_rng(case.seed))
    freeze(data)
    made_ns = time.perf_counter_ns()
    mark = fingerprint(data)
    print_s = (time.perf_counter_ns() - made_ns) / 1e9
    return KeptCase(
        data=data, made_s=(made_ns - start_ns) / 1e9, fingerprint=mark, fingerprint_s=print_s
    )


def by_chance(workload: Workload, case: Case, kept: KeptCase, drawn: Sequence[str]) -> str:
    """Return what is wrong where one seed makes two cases, "" where it does not.

    Parameters
    ----------
    kept
        The case, made a moment ago.
    drawn
        Global random generators that were drawn from meanwhile, in words; they have not been put
        back, so that another case gets other draws. None: the case is not made again.

    Raises
    ------
    Exception
        Whatever `make_case` raises.
    """
    if not drawn or kept.fingerprint is None or kept.made_s > _MADE_TWICE_S:
        return ""
    if make_case(workload, case).fingerprint == kept.fingerprint:
        return ""
    return (
        f"make_case(size={case.size}) of workload {case.workload!r} makes different cases of one "
        f"seed: it draws from {' and '.join(drawn)}; take all chance from its rng"
    )


def freeze(data: Any, depth: int = _FREEZE_DEPTH) -> None:
    """Make the numpy arrays in (nested) containers and dataclasses read-only.

    Examples
    --------
    >>> import numpy as np
    >>> case = {"x": [np.zeros(2)]}
    >>> freeze(case)
    >>> case["x"][0].flags.writeable
    False
    """
    if isinstance(data, np.ndarray):
        data.flags.writeable = False
    elif depth > 0:
        for part in _parts(data):
            freeze(part, depth - 1)


def fingerprint(data: Any) -> bytes | None:
    """Return a digest of the data's content, None where it cannot be pickled.

    A case of a class that was written in a notebook, which no import finds, has one too: where
    pickling fails, classes and functions count by their names alone.
    """
    plain = _digest(data, pickle.dumps)
    return _digest(data, _dump_by_names) if plain is None else plain


def digest_of(result: Any) -> str:
    """Return a short digest of a result (16 hexadecimal digits), "" where it has none."""
    mark = _digest(result, cloudpickle.dumps)
    return "" if mark is None else mark.hex()


def _digest(data: Any, dumps: Any) -> bytes | None:
    digest = hashlib.blake2b(digest_size=8)
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


def _parts(data: Any) -> Iterable[Any]:
    if isinstance(data, (list, tuple)):
        # long lists hold numbers, not arrays; looking at each would cost more than it protects
        return data[:64]
    if isinstance(data, dict):
        return list(data.values())[:64]
    if dataclasses.is_dataclass(data) and not isinstance(data, type):
        return [getattr(data, field.name, None) for field in dataclasses.fields(data)]
    return ()
