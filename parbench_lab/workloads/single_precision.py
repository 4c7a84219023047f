"""When results in single precision are right: compared with double precision, item by item.

A sum of n products in floating point is off by at most about ``n u`` times the sum of their
magnitudes (u: unit roundoff) in the worst order and with the worst signs; the roundings of real
data cancel, so that ``sqrt(n) u`` holds with a probability close to 1: N. J. Higham and T. Mary,
"A new approach to probabilistic rounding error analysis", SIAM J. Sci. Comput. 41 (2019)
A2815-A2835. The bound of the worst case would let half precision pass, the other one does not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from parbench_lab.workloads.device_arrays import as_host

Single = NDArray[np.float32]
Double = NDArray[np.float64]

UNIT_ROUNDOFF = 2.0**-24
ROWS_AT_ONCE = 1024
"""Rows that are checked at once: their double precision must not fill the memory."""


def as_single(result: Any, shape: tuple[int, ...]) -> Single:
    """Return a result, wherever it is, as numpy's float32, refusing every other type and shape.

    Raises
    ------
    ValueError
        If it is anything else; the text says what was expected.

    Examples
    --------
    >>> as_single(np.zeros(2), (2,))
    Traceback (most recent call last):
    ...
    ValueError: expected an array of float32 of shape (2,) but got float64 of shape (2,)
    """
    found = as_host(result)
    wanted = f"expected an array of float32 of shape {shape}"
    if not isinstance(found, np.ndarray):
        raise ValueError(f"{wanted} but got {type(found).__name__}")  # noqa: TRY004 - a wrong result, not misuse
    if found.dtype != np.float32 or found.shape != shape:
        raise ValueError(f"{wanted} but got {found.dtype} of shape {found.shape}")
    return found


def require_within(found: Single, expected: Double, allowed: Double, *, first_row: int) -> None:
    """Raise where two arrays of one shape differ by more than is allowed there.

    Parameters
    ----------
    found, expected
        Rows `first_row` and up of the result.
    allowed
        Of the same shape; absolute.

    Raises
    ------
    ValueError
        Naming the item that is off the most for what is allowed. NaN is never right.

    Examples
    --------
    >>> require_within(np.float32([1, 3]), np.float64([1, 2]), np.full(2, 0.1), first_row=8)
    Traceback (most recent call last):
    ...
    ValueError: item 9 should be 2.0 but is 3.0 (off by 1; allowed is 0.1)
    """
    if not found.size:
        return
    with np.errstate(invalid="ignore"):
        excess = np.abs(found - expected) - allowed
    excess = np.where(np.isnan(excess), np.inf, excess)
    worst = np.unravel_index(int(np.argmax(excess)), excess.shape)
    if not excess[worst] <= 0:
        place = (first_row + int(worst[0]), *map(int, worst[1:]))
        off = abs(float(found[worst]) - float(expected[worst]))
        raise ValueError(
            f"item {place[0] if len(place) == 1 else place} should be {float(expected[worst])!r} "
            f"but is {float(found[worst])!r} (off by {off:.3g}; allowed is {allowed[worst]:.3g})"
        )
