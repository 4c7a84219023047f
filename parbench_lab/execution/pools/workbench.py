"""What a worker process does with a parcel: unpickle it, compute, pickle what came of it."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from parbench_lab.errors import UsageError
from parbench_lab.execution.pools.arrays import tidy
from parbench_lab.execution.pools.blas import PIN
from parbench_lab.execution.pools.jobs import Answer
from parbench_lab.execution.pools.parcels import dump_answer, unpack

_STAMPS = struct.Struct("<qqq")


@dataclass(frozen=True, slots=True, kw_only=True)
class Worked:
    """One part's answer, pickled, and when it was computed, on the worker's monotonic clock.

    `packing_ns` is what pickling and unpickling took here.
    """

    start_ns: int
    end_ns: int
    packing_ns: int
    answer: bytes | bytearray | memoryview

    def stamps(self) -> bytes:
        """Return the times as bytes; see `worked`."""
        return _STAMPS.pack(self.start_ns, self.end_ns, self.packing_ns)


def worked(stamps: bytes | bytearray, answer: bytes | bytearray | memoryview) -> Worked:
    """Return what `Worked.stamps` was made of.

    Examples
    --------
    >>> once = Worked(start_ns=1, end_ns=5, packing_ns=2, answer=b"v")
    >>> worked(once.stamps(), b"v") == once
    True
    """
    start_ns, end_ns, packing_ns = _STAMPS.unpack(stamps)
    return Worked(start_ns=start_ns, end_ns=end_ns, packing_ns=packing_ns, answer=answer)


def evaluate(function: Callable[..., Any], args: Sequence[Any]) -> Answer:
    """Return what became of one call; whatever it raises is its answer."""
    try:
        return Answer(value=function(*args))
    except BaseException as error:  # noqa: BLE001 - raised again where the result is waited for
        return Answer(error=error)


class Workbench:
    """Functions of the maps that are going on, and the parts of the parcel in hand."""

    def __init__(self) -> None:
        self._functions: dict[Any, Any] = {}

    def knows(self, job: Any) -> bool:
        """Return whether a map's function is here."""
        return job in self._functions

    def do(
        self, job: Any, live: Collection[Any], order: bytes | bytearray, items: bytes | bytearray
    ) -> list[Worked]:
        """Compute the parts of a parcel, up to the first that raises.

        Parameters
        ----------
        job
            Names the map.
        live
            The maps that have not ended; the functions of others are let go.
        order
            The map's function, pickled; empty where it came with an earlier parcel.
        items
            The arguments of each part, pickled.
        """
        for ended in self._functions.keys() - set(live):
            del self._functions[ended]
        tidy()
        began_ns = time.perf_counter_ns()
        try:
            if order:
                self._functions[job] = unpack(order)
            function, parts = self._functions[job], unpack(items)
        except Exception as error:  # noqa: BLE001 - unpickling runs the objects' own code
            return [_unloadable(error, began_ns)]
        done: list[Worked] = []
        for args in parts:
            done.append(_one(function, args, began_ns))
            if done[-1].answer[:1] == b"e":
                break
            began_ns = time.perf_counter_ns()
        return done


def _one(function: Callable[..., Any], args: Sequence[Any], began_ns: int) -> Worked:
    PIN.keep()
    start_ns = time.perf_counter_ns()
    answer = evaluate(function, args)
    end_ns = time.perf_counter_ns()
    data = dump_answer(answer)
    packing_ns = time.perf_counter_ns() - end_ns + start_ns - began_ns
    return Worked(start_ns=start_ns, end_ns=end_ns, packing_ns=packing_ns, answer=data)


def _unloadable(error: Exception, began_ns: int) -> Worked:
    words = " ".join(str(error).split())[:300]
    told = UsageError(
        f"a worker cannot load a function or its items ({type(error).__name__}: {words}); "
        "import inside the function, or define it where the workers can import it"
    )
    now_ns = time.perf_counter_ns()
    answer = dump_answer(Answer(error=told))
    return Worked(start_ns=now_ns, end_ns=now_ns, packing_ns=now_ns - began_ns, answer=answer)
