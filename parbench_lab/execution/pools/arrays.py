"""How a worker gets the large arrays of its parts: read-only, mapped or fetched once."""

from __future__ import annotations

import os
from collections import OrderedDict
from typing import Any

import numpy as np

from parbench_lab.execution.pools.shelf import Slip

KEPT_MAPPINGS = 64

_MAPPED: OrderedDict[Slip, Any] = OrderedDict()
"""Mapping a file again would fault in every page again."""
_FETCHED: dict[str, Any] = {}
"""What Dask brought for the parts that are about to be unpickled."""


def open_array(slip: Slip) -> Any:
    """Return the array of a slip, read-only; what a pickled part calls in its worker.

    Raises
    ------
    OSError
        If its file is gone.
    """
    if slip.where in _FETCHED:
        return _FETCHED[slip.where]
    found = _MAPPED.get(slip)
    if found is None:
        found = _MAPPED[slip] = np.memmap(
            slip.where,
            dtype=slip.dtype,
            mode="r",
            offset=slip.offset_bytes,
            shape=slip.shape,
            order="F" if slip.fortran else "C",
        )
    _MAPPED.move_to_end(slip)
    return found


def hand_over(arrays: dict[str, Any]) -> None:
    """Make arrays known that came with a part, instead of those of the part before."""
    _FETCHED.clear()
    for key, array in arrays.items():
        # sums over misaligned memory go another way, and round another way
        view = array.view() if array.flags.aligned else array.copy(order="K")
        view.flags.writeable = False
        _FETCHED[key] = view


def tidy() -> None:
    """Let go of mappings whose file is gone: nobody will ask for them, and they hold memory."""
    for slip in list(_MAPPED):  # least recently used first
        if len(_MAPPED) > KEPT_MAPPINGS or not os.path.exists(slip.where):  # noqa: PTH110
            del _MAPPED[slip]
