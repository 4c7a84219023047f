"""The loops that numba compiles; imported only where numba is installed (see `compiled`).

Rules that keep them quick, each checked with the benchmark:

* The largest magnitude is found among the bits as integers: without the sign bit they are in the
  order of the magnitudes, infinite and not-a-number above all others, and a maximum of integers
  needs no permission to change its order. So it is vectorised and refuses nonsense for nothing.
* A group is encoded while it is still in the cache from the search for its maximum.
* Adding 1.5 * 2**23 leaves no bits for a fraction: the processor rounds half to even.
* Loops run over slices from 0: with an index that might be negative nothing is vectorised.
"""

from __future__ import annotations

import functools
from typing import Any

import numba
import numpy as np

_MAGNITUDE = np.int32(0x7FFFFFFF)
_INFINITE = np.int32(0x7F800000)
_ROUNDING = np.float32(12_582_912.0)


def encode_rows(weights: Any, width: int, limits: Any, codes: Any, scales: Any) -> int:
    """Encode a matrix into codes of a byte each; see `schemes` for the arithmetic.

    Parameters
    ----------
    weights
        float32 of shape ``(rows, columns)``.
    width
        Columns of a group.
    limits
        float32: largest code, smallest scale, largest scale.
    codes
        int8 of shape ``(rows, columns)`` or wider; takes the codes.
    scales
        float32 of shape ``(rows, groups)``; takes the scales.

    Returns
    -------
    int
        The first row with a weight that is infinite or not a number, or -1.
    """
    bits = weights.view(np.int32)
    for row in range(weights.shape[0]):
        for group in range(scales.shape[1]):
            start = group * width
            stop = min(start + width, weights.shape[1])
            largest = np.int32(0)
            group_bits = bits[row, start:stop]
            for column in range(group_bits.size):
                largest = max(largest, np.int32(group_bits[column] & _MAGNITUDE))
            if largest >= _INFINITE:
                return row
            scale = min(np.int32(largest).view(np.float32) / limits[0], limits[2])
            if scale < limits[1]:
                scale = np.float32(0)
            scales[row, group] = scale
            divisor = scale if scale > 0 else np.float32(np.inf)
            source, target = weights[row, start:stop], codes[row, start:stop]
            for column in range(source.size):
                rounded = (source[column] / divisor + _ROUNDING) - _ROUNDING
                target[column] = np.int8(np.int32(rounded))
    return -1


def pack_pairs(pairs: Any, out: Any) -> None:
    """Put two codes of 4 bits, a little-endian uint16, into each byte."""
    for place in range(out.size):
        pair = pairs[place]
        out[place] = np.uint8((pair & 0xF) | ((pair >> 4) & 0xF0))


def pack_quads(quads: Any, out: Any) -> None:
    """Put four codes of 2 bits, a little-endian uint32, into each byte."""
    for place in range(out.size):
        quad = quads[place]
        low = (quad & 0x3) | ((quad >> 6) & 0xC)
        out[place] = np.uint8(low | ((quad >> 12) & 0x30) | ((quad >> 18) & 0xC0))


def sum_errors(before: Any, after: Any) -> tuple[float, float, float, float]:
    """Return sums of before squared, after squared, their product, and their difference squared.

    Of two float32 vectors of one length, in float64, in an order of the compiler's choice.
    """
    first = second = product = difference = 0.0
    for place in range(before.size):
        one, other = np.float64(before[place]), np.float64(after[place])
        first += one * one
        second += other * other
        product += one * other
        difference += (one - other) * (one - other)
    return first, second, product, difference


def compile_kernels(*, cache: bool) -> tuple[Any, Any, Any, Any]:
    """Return the four functions above, compiled for this processor, without interpreter lock.

    Raises
    ------
    RuntimeError, OSError
        If `cache` is asked for and there is no place to keep it.
    """
    types = numba.types
    number, whole = types.float32, types.int64

    def array(item: Any, axes: int, *, given: bool) -> Any:
        return types.Array(item, axes, "C", readonly=given)

    encode = whole(
        array(number, 2, given=True),
        whole,
        array(number, 1, given=True),
        array(types.int8, 2, given=False),
        array(number, 2, given=False),
    )
    taken = array(types.uint8, 1, given=False)
    pairs = types.void(array(types.uint16, 1, given=True), taken)
    quads = types.void(array(types.uint32, 1, given=True), taken)
    njit: Any = functools.partial(
        numba.njit, nogil=True, error_model="numpy", boundscheck=False, cache=cache
    )
    vector = array(number, 1, given=True)
    four: Any = functools.partial(types.UniTuple, types.float64, 4)
    sums = four()(vector, vector)
    return (
        njit(encode)(encode_rows),
        njit(pairs)(pack_pairs),
        njit(quads)(pack_quads),
        njit(sums, fastmath={"reassoc", "nsz"})(sum_errors),
    )
