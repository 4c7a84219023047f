"""Quantise and restore tensors, the fastest way that is installed."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from parbench_lab.errors import UsageError
from parbench_lab.workloads.quantization.blocked import quantize_blocks
from parbench_lab.workloads.quantization.compiled import (
    compiled_kernels,
    is_available,
    quantize_compiled,
)
from parbench_lab.workloads.quantization.packing import unpack
from parbench_lab.workloads.quantization.schemes import (
    Codes,
    Floats,
    Quantized,
    Scheme,
    empty,
    require_buffers,
)
from parbench_lab.workloads.quantization.weights import BLOCK_BYTES, as_matrix

CHANNEL = Scheme()


def quantize(
    weights: NDArray[np.generic], scheme: Scheme = CHANNEL, *, out: Quantized | None = None
) -> Quantized:
    """Return a tensor quantised as `scheme` says, the fastest way that is installed.

    Holds no interpreter lock, so threads may quantise tensors at the same time.

    Parameters
    ----------
    weights
        float32, float16, float64 (rounded to float32 first) or bfloat16 (as the uint16 of its
        bits); any layout. Its first axis are the rows; a tensor of one axis is one row, that is,
        quantised per tensor.
    scheme
        How; int8 per output channel by default.
    out
        Buffers of the same shape and scheme that take the result (see `schemes.empty`); new ones
        by default.

    Raises
    ------
    UsageError
        If a weight is infinite or not a number (the buffers may hold part of the result then),
        the tensor is of another type or empty, or the buffers do not fit.

    Examples
    --------
    >>> made = quantize(np.array([[0.5, -1.27, 0.0]], dtype=np.float32))
    >>> made.codes.tolist(), made.nbytes
    ([[50, -127, 0]], 7)
    """
    if out is None:
        out = empty(weights.shape, scheme)
    elif out.shape != weights.shape or out.scheme != scheme:
        raise UsageError(
            f"out must be for shape {weights.shape} and {scheme.name} but is for shape "
            f"{out.shape} and {out.scheme.name}"
        )
    quantize_rows(as_matrix(weights), scheme, out.codes, out.scales)
    return out


def quantize_rows(
    weights: NDArray[np.generic], scheme: Scheme, codes_out: Codes, scales_out: Floats
) -> None:
    """Quantise a matrix into given buffers; for threads and streams.

    Allocates nothing of the matrix's size: 256 KiB where weights must be converted first, 1 MiB
    where codes are packed, or one row where that is more.

    Parameters
    ----------
    weights
        A tensor; see `quantize`.
    scheme
        How.
    codes_out, scales_out
        Take the result; see `Quantized`.

    Raises
    ------
    UsageError
        As `quantize`.
    """
    matrix = as_matrix(weights)
    rows, columns = matrix.shape
    require_buffers(codes_out, scales_out, rows, columns, scheme)
    fill = quantize_compiled if is_compiled() else quantize_blocks
    fill(matrix, scheme, codes_out, scales_out)


@functools.cache
def is_compiled() -> bool:
    """Return whether `quantize` is compiled; False: it is numpy, some rows at a time.

    The first call in a process imports numba and compiles or loads what was compiled before:
    what times `quantize` calls this first.
    """
    if not is_available():
        return False
    try:
        compiled_kernels()
    except UsageError:  # installed, but not for this numpy or this Python
        return False
    return True


def dequantize(quantized: Quantized, *, out: Floats | None = None) -> Floats:
    """Return the float32 weights that codes and scales stand for: code times scale.

    Parameters
    ----------
    quantized
        What `quantize` made.
    out
        C-contiguous float32 of its shape that takes the result; a new array by default.

    Raises
    ------
    UsageError
        If `out` does not fit.

    Examples
    --------
    >>> dequantize(quantize(np.array([[2.0, -1.0, 0.25]], dtype=np.float32), Scheme(bits=2)))
    array([[2., 0., 0.]], dtype=float32)
    """
    if out is None:
        out = np.empty(quantized.shape, dtype=np.float32)
    elif out.shape != quantized.shape or out.dtype != np.float32 or not out.flags.c_contiguous:
        raise UsageError(
            f"out must be a C-contiguous float32 of shape {quantized.shape} but got {out.dtype} "
            f"of shape {out.shape}"
        )
    matrix = as_matrix(out)
    rows, columns = matrix.shape
    step = max(1, BLOCK_BYTES // (4 * columns))
    for first in range(0, rows, step):
        stop = min(first + step, rows)
        dequantize_rows(quantized, first, stop, out=out.reshape(rows, columns)[first:stop])
    return out


def dequantize_rows(
    quantized: Quantized, first: int, stop: int, *, out: Floats | None = None
) -> Floats:
    """Return some rows of a tensor, restored.

    Parameters
    ----------
    quantized
        What `quantize` made.
    first, stop
        Rows from `first` up to, but not with, `stop`.
    out
        float32 of shape ``(stop - first, columns)`` that takes the result; a new one by default.
    """
    scheme = quantized.scheme
    columns = int(np.prod(quantized.shape)) // len(quantized.codes)
    if out is None:
        out = np.empty((stop - first, columns), dtype=np.float32)
    codes = quantized.codes[first:stop]
    plain = codes if scheme.bits == 8 else unpack(codes, scheme.bits, columns)
    np.copyto(out, plain)
    scales = quantized.scales[first:stop]
    width = scheme.group_columns(columns)
    count = columns // width  # the last group may be shorter
    groups = out[:, : count * width].reshape(stop - first, count, width)
    np.multiply(groups, scales[:, :count, np.newaxis], out=groups)
    if count < scales.shape[1]:
        out[:, count * width :] *= scales[:, -1:]
    return out
