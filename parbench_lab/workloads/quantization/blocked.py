"""Quantisation in numpy, some rows at a time, so that each step finds its input in the cache."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from parbench_lab.workloads.quantization.definition import scales_of
from parbench_lab.workloads.quantization.packing import pack
from parbench_lab.workloads.quantization.schemes import Codes, Floats, Scheme
from parbench_lab.workloads.quantization.weights import float32_blocks, require_finite


def quantize_blocks(
    matrix: NDArray[np.generic], scheme: Scheme, codes_out: Codes, scales_out: Floats
) -> None:
    """Quantise a matrix into buffers.

    Parameters
    ----------
    matrix
        What `weights.as_matrix` made.
    scheme
        How.
    codes_out, scales_out
        Take the result; see `Quantized`.

    Raises
    ------
    UsageError
        If a weight is infinite or not a number.
    """
    columns = matrix.shape[1]
    width = scheme.group_columns(columns)
    starts = range(0, columns, width)
    scratch: Floats | None = None
    for first, stop, rows in float32_blocks(matrix):
        if scratch is None:
            scratch = np.empty(rows.shape, dtype=np.float32)
        work = scratch[: stop - first]
        np.abs(rows, out=work)
        largest = np.maximum.reduceat(work, starts, axis=1)
        require_finite(largest, rows, first_row=first)
        scales_out[first:stop] = scales = scales_of(largest, scheme)
        _divide(rows, scales, width, work)
        np.rint(work, out=work)
        if scheme.bits == 8:
            np.copyto(codes_out[first:stop], work, casting="unsafe")
        else:
            pack(work.astype(np.int8), scheme.bits, out=codes_out[first:stop])


def _divide(rows: Floats, scales: Floats, width: int, out: Floats) -> None:
    """Divide each group by its scale; what has the scale 0 becomes 0."""
    divisors = np.where(scales == 0, np.float32(np.inf), scales)
    whole = rows.shape[1] // width
    shape = (len(rows), whole, width)
    np.divide(
        rows[:, : whole * width].reshape(shape),
        divisors[:, :whole, np.newaxis],
        out=out[:, : whole * width].reshape(shape),
    )
    if whole < scales.shape[1]:
        np.divide(rows[:, whole * width :], divisors[:, -1:], out=out[:, whole * width :])
