"""The scheme in plain numpy, one layer at a time: the definition that everything faster must meet.

Bit by bit, codes and scales: tests hold every other implementation against this one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from parbench_lab.workloads.quantization.packing import pack
from parbench_lab.workloads.quantization.schemes import Floats, Quantized, Scheme
from parbench_lab.workloads.quantization.weights import as_float32, as_matrix, require_finite

SMALLEST_SCALE = np.finfo(np.float32).smallest_normal


def quantize_layer(weights: NDArray[np.generic], scheme: Scheme) -> Quantized:
    """Return a tensor quantised with a numpy operation for every step, each over the whole tensor.

    Parameters
    ----------
    weights
        See `quantizer.quantize`.
    scheme
        How.

    Raises
    ------
    UsageError
        If it cannot be quantised; see `quantizer.quantize`.

    Examples
    --------
    >>> made = quantize_layer(np.array([[0.5, -1.27, 0.0]], dtype=np.float32), Scheme())
    >>> made.codes.tolist(), made.scales.tolist() == [[np.float32(0.01)]]
    ([[50, -127, 0]], True)
    """
    matrix = as_float32(as_matrix(weights))
    rows, columns = matrix.shape
    width, groups = scheme.group_columns(columns), scheme.groups(columns)
    padded = np.zeros((rows, groups * width), dtype=np.float32)  # a zero moves no maximum
    padded[:, :columns] = matrix
    grouped = padded.reshape(rows, groups, width)

    largest = np.abs(grouped).max(axis=2)
    require_finite(largest, matrix)
    scales = scales_of(largest, scheme)
    divisors = np.where(scales == 0, np.float32(np.inf), scales)  # finite / infinity is 0
    codes = np.rint(grouped / divisors[:, :, np.newaxis])
    codes = np.clip(codes, -scheme.largest_code, scheme.largest_code).astype(np.int8)

    flat = codes.reshape(rows, groups * width)[:, :columns]
    packed = pack(np.ascontiguousarray(flat), scheme.bits)
    return Quantized(codes=packed, scales=scales, shape=weights.shape, scheme=scheme)


def scales_of(largest: Floats, scheme: Scheme) -> Floats:
    """Return the scales of groups with these largest magnitudes, 0 for what counts as all zero."""
    scales: Floats = np.minimum(largest / np.float32(scheme.largest_code), scheme.largest_scale)
    scales[scales < SMALLEST_SCALE] = 0
    return scales
