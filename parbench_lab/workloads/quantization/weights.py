"""What can be quantised: tensors of float32, float16, bfloat16 and float64, in any layout.

Everything is computed in float32, which holds each float16 and bfloat16 exactly; float64 is
rounded to it first. numpy has no bfloat16: it comes as the uint16 of its bits, or as the type that
the library ml_dtypes brings.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from parbench_lab.errors import UsageError
from parbench_lab.workloads.quantization.schemes import Floats, rows_and_columns

BLOCK_BYTES = 256 * 1024  # of float32: half of a small level-2 cache

_BEYOND_HALF = np.float32(65536)
_KNOWN = ("float32", "float16", "float64", "bfloat16", "uint16")


def as_matrix(weights: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return a tensor as a matrix of rows and columns, without copying where numpy can.

    Raises
    ------
    UsageError
        If its type is none of the known ones, or it has no axis or no elements.
    """
    if weights.dtype.name not in _KNOWN or not weights.dtype.isnative:
        raise UsageError(
            "weights must be float32, float16, float64 or bfloat16 (as uint16) of this machine's "
            f"byte order but are {weights.dtype.str} ({weights.dtype.name}): convert them first"
        )
    return weights.reshape(rows_and_columns(weights.shape))


def as_float32(matrix: NDArray[np.generic]) -> Floats:
    """Return weights as C-contiguous float32: themselves if they are, else a copy.

    Examples
    --------
    >>> as_float32(np.array([[0x3F80, 0xC000]], dtype=np.uint16)).tolist()  # bfloat16
    [[1.0, -2.0]]
    """
    if is_ready(matrix):
        return matrix.view(np.float32)
    made = np.empty(matrix.shape, dtype=np.float32)
    convert(matrix, made)
    return made


def is_ready(matrix: NDArray[np.generic]) -> bool:
    """Return whether weights are float32 as they are worked on: aligned, row after row."""
    flags = matrix.flags
    return matrix.dtype == np.float32 and flags.c_contiguous and flags.aligned


def convert(matrix: NDArray[np.generic], out: Floats) -> None:
    """Write weights as float32; a float64 beyond its range becomes infinite."""
    if matrix.dtype.name in ("bfloat16", "uint16"):
        bits = out.view(np.uint32)
        bits[...] = matrix.view(np.uint16)
        np.left_shift(bits, 16, out=bits)
        return
    if matrix.dtype == np.float16 and _convert_halves(matrix.view(np.uint16), out):
        return
    with np.errstate(over="ignore"):
        np.copyto(out, matrix, casting="unsafe")


def _convert_halves(halves: NDArray[np.uint16], out: Floats) -> bool:
    """Write float16 as float32, unless one is infinite or not a number; return whether it is done.

    Exponent and mantissa go where float32 has them, which makes a number too small by exactly
    2**112, subnormal ones included. More than twice as quick as numpy's own conversion.
    """
    bits = out.view(np.uint32)
    bits[...] = halves
    signs = bits & np.uint32(0x8000)
    np.left_shift(signs, 16, out=signs)
    np.bitwise_and(bits, 0x7FFF, out=bits)
    np.left_shift(bits, 13, out=bits)
    np.multiply(out, np.float32(2.0**112), out=out)
    if out.max() >= _BEYOND_HALF:
        return False
    np.bitwise_or(bits, signs, out=bits)
    return True


def float32_blocks(
    matrix: NDArray[np.generic], *, copied: bool = True
) -> Iterator[tuple[int, int, Floats]]:
    """Yield ``(first, stop, rows)``: some rows after the other as float32.

    Parameters
    ----------
    matrix
        What `as_matrix` made.
    copied
        False: weights that are ready come as one block, for loops that look after caches
        themselves.

    The rows may lie in a buffer that the next step overwrites.
    """
    rows, columns = matrix.shape
    ready = is_ready(matrix)
    if ready and not copied:
        yield 0, rows, matrix.view(np.float32)
        return
    step = max(1, BLOCK_BYTES // (4 * columns))
    buffer = None if ready else np.empty((min(step, rows), columns), dtype=np.float32)
    for first in range(0, rows, step):
        stop = min(first + step, rows)
        if buffer is None:
            yield first, stop, matrix[first:stop].view(np.float32)
        else:
            convert(matrix[first:stop], buffer[: stop - first])
            yield first, stop, buffer[: stop - first]


def require_finite(largest: Floats, matrix: Floats, *, first_row: int = 0) -> None:
    """Raise if a group's largest magnitude is infinite or not a number.

    Raises
    ------
    UsageError
        Naming row and column of the first such weight, and what it is.
    """
    if np.isfinite(largest).all():
        return
    row = int(np.flatnonzero(~np.isfinite(largest).all(axis=1))[0])
    raise not_finite(matrix[row], first_row + row)


def not_finite(row: Floats, number: int) -> UsageError:
    """Return the error for a row that has a weight which is infinite or not a number."""
    column = int(np.flatnonzero(~np.isfinite(row))[0])
    return UsageError(
        f"weights must be finite but row {number}, column {column} is {row[column]} (as float32): "
        "repair or leave out this tensor"
    )
