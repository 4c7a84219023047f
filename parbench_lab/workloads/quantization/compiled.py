"""Quantisation with numba: every weight comes from memory once.

numba is optional and imported when it is first needed. What it compiles is kept beside this
package, or in the user's cache folder where that cannot be written (or ``NUMBA_CACHE_DIR``); where
neither can, each process compiles for itself (about 2 s).
"""

from __future__ import annotations

import functools
import importlib
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parbench_lab.errors import UsageError
from parbench_lab.workloads.members import is_installed
from parbench_lab.workloads.quantization.definition import SMALLEST_SCALE
from parbench_lab.workloads.quantization.schemes import CODES_PER_BYTE, Codes, Floats, Scheme
from parbench_lab.workloads.quantization.weights import float32_blocks, not_finite

PACKED_AT_ONCE = 2**20
"""Codes of a byte each, before they are packed. A quarter, which a level-2 cache holds, is 4 %
slower: between two parts a thread needs the interpreter's lock, and has others wait for it."""

_WIDE: dict[int, Any] = {4: "<u2", 2: "<u4"}
_compiling = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernels:
    """Compiled functions of `kernels`: encode, pack by the number of bits, sum errors."""

    encode: Any
    pack: dict[int, Any]
    sum_errors: Any


def is_available() -> bool:
    """Return whether numba is installed; nothing is imported or compiled to find out."""
    return is_installed("numba")


def compiled_kernels() -> Kernels:
    """Return the compiled functions; the first call in a process imports numba and compiles.

    Raises
    ------
    UsageError
        If numba is not installed, or cannot be imported.
    """
    with _compiling:
        return _compiled()


def quantize_compiled(
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
        If a weight is infinite or not a number, or numba is missing.
    """
    kernels = compiled_kernels()
    fill = _encode if scheme.bits == 8 else _encode_packed
    for first, stop, rows in float32_blocks(matrix, copied=False):
        wrong = fill(kernels, rows, scheme, codes_out[first:stop], scales_out[first:stop])
        if wrong >= 0:
            raise not_finite(rows[wrong], first + wrong)


def _encode(kernels: Kernels, rows: Floats, scheme: Scheme, codes: Codes, scales: Floats) -> int:
    """Encode rows into a byte a code; return the first row that cannot be, or -1."""
    width = scheme.group_columns(rows.shape[1])
    return int(kernels.encode(rows, width, _limits(scheme), codes, scales))


def _encode_packed(
    kernels: Kernels, rows: Floats, scheme: Scheme, codes: Codes, scales: Floats
) -> int:
    """Encode rows into packed codes, as many rows at once as the cache holds."""
    row_codes = codes.shape[1] * CODES_PER_BYTE[scheme.bits]
    step = max(1, PACKED_AT_ONCE // row_codes)
    # a byte per code, with zeros where a row's last byte has room for more
    plain = np.zeros((min(step, len(rows)), row_codes), dtype=np.int8)
    for first in range(0, len(rows), step):
        part = rows[first : first + step]
        target = plain[: len(part)]
        wrong = _encode(kernels, part, scheme, target, scales[first : first + step])
        if wrong >= 0:
            return first + wrong
        wide = target.reshape(-1).view(_WIDE[scheme.bits])
        kernels.pack[scheme.bits](wide, codes[first : first + step].reshape(-1))
    return -1


@functools.cache
def _limits(scheme: Scheme) -> Floats:
    """Return the largest code, the smallest scale and the largest scale."""
    limits = np.array([scheme.largest_code, SMALLEST_SCALE, scheme.largest_scale], np.float32)
    limits.flags.writeable = False
    return limits


@functools.cache
def _compiled() -> Kernels:
    try:
        module = importlib.import_module("parbench_lab.workloads.quantization.kernels")
    except ImportError as error:
        raise UsageError(
            f"the compiled quantiser needs numba, which cannot be imported ({error}): "
            "pip install 'parbench_lab[workloads]'"
        ) from error
    try:
        encode, pairs, quads, sums = module.compile_kernels(cache=True)
    except (RuntimeError, OSError):  # no folder to keep it in, or a full disk
        encode, pairs, quads, sums = module.compile_kernels(cache=False)
    return Kernels(encode=encode, pack={4: pairs, 2: quads}, sum_errors=sums)
