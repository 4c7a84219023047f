"""What Dask calls in a worker process for a pool: parcels in, answers out."""

from __future__ import annotations

import contextlib
import os
import pickle
import struct
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from parbench_lab.execution.pools.arrays import hand_over, tidy
from parbench_lab.execution.pools.blas import one_blas_thread
from parbench_lab.execution.pools.peaks import Footprint, restart_peaks, take_footprint
from parbench_lab.execution.pools.workbench import Workbench

KEPT_BENCHES = 4

_TURN = threading.Lock()
"""Parcels take turns in a process, even where the worker has several threads."""
_MARKS: dict[str, Any] = {}
_MARK = struct.Struct("<q")
_BENCHES: OrderedDict[str, Workbench] = OrderedDict()


def run_parcel(data: bytes, *arrays: Any) -> list[tuple[bytes, bytes]]:
    """Compute the parts of a parcel; the function that Dask is given.

    Returns nothing where the map's function did not come with it and is not here: send it too.

    Parameters
    ----------
    data
        Pickled: where to mark what is being worked on ("" for nowhere) and the parcel's number;
        the pool's own text, number of the map, maps that have not ended, the function and the
        items (both pickled), and the names of the arrays.
    arrays
        Large ones that were sent to this worker before.
    """
    (place, number), *rest = pickle.loads(data)  # noqa: S301 - from our client
    session, job, live, order, items, names = rest
    with _TURN, _marked(place, number), one_blas_thread():
        bench = _bench(session)
        if not order and not bench.knows(job):
            return []
        hand_over(dict(zip(names, arrays, strict=True)))
        try:
            done = bench.do(job, live, order, items)
        finally:
            hand_over({})
        return [(one.stamps(), bytes(one.answer)) for one in done]


def _bench(session: str) -> Workbench:
    bench = _BENCHES.setdefault(session, Workbench())
    _BENCHES.move_to_end(session)
    while len(_BENCHES) > KEPT_BENCHES:
        _BENCHES.popitem(last=False)
    return bench


@contextlib.contextmanager
def _marked(place: str, number: int) -> Iterator[None]:
    """Leave word of what is being worked on, for those who find this process dead."""
    if not place:
        yield
        return
    mark = _MARKS.get(place)
    if mark is None:
        mark = _MARKS[place] = Path(place).open("wb", buffering=0)  # noqa: SIM115 - see forget
    mark.write(_MARK.pack(number))
    mark.seek(0)
    yield
    mark.write(_MARK.pack(-1))
    mark.seek(0)


def parse_mark(data: bytes) -> int:
    """Return the number of the parcel that a dead process was working on, -1 for none.

    Examples
    --------
    >>> parse_mark(b""), parse_mark(_MARK.pack(7))
    (-1, 7)
    """
    return int(_MARK.unpack(data)[0]) if len(data) == _MARK.size else -1


def forget(session: str) -> None:
    """Let go of what a pool left in this process."""
    _BENCHES.pop(session, None)
    for place in [place for place in _MARKS if session in place]:
        _MARKS.pop(place).close()
    tidy()


def clock_ns() -> int:
    """Return the time on this machine's monotonic clock."""
    return time.perf_counter_ns()


def take_own_footprint() -> Footprint | None:
    """Return what this process held at most since the last call."""
    found = take_footprint(os.getpid())
    restart_peaks([os.getpid()])
    return found
