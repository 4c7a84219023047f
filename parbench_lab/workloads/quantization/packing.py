"""Codes of 4 and 2 bits in bytes.

A row starts on a byte of its own. Columns go into a byte from its lowest bits up, each code in
two's complement:

    4 bits    byte k of a row = column 2k in bits 0-3, column 2k+1 in bits 4-7
    2 bits    byte k of a row = column 4k in bits 0-1, then 4k+1, 4k+2, and 4k+3 in bits 6-7

Bits that belong to no column are 0. Codes of 8 bits stay as they are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from parbench_lab.workloads.quantization.schemes import CODES_PER_BYTE, Codes


def pack(codes: NDArray[np.int8], bits: int, *, out: Codes | None = None) -> Codes:
    """Return codes packed into bytes.

    Parameters
    ----------
    codes
        Of shape ``(rows, columns)``, each from ``-2**(bits - 1) + 1`` to ``2**(bits - 1) - 1``.
    bits
        Of a code: 8, 4 or 2.
    out
        Takes the bytes, shape ``(rows, ceil(columns * bits / 8))``; a new array by default.

    Examples
    --------
    >>> pack(np.array([[1, -1, 7]], dtype=np.int8), 4).tolist()
    [[241, 7]]
    """
    if bits == 8:
        if out is None:
            return codes.copy()
        out[...] = codes
        return out
    per_byte = CODES_PER_BYTE[bits]
    rows, columns = codes.shape
    if out is None:
        out = np.empty((rows, -(-columns // per_byte)), dtype=np.uint8)
    lowest = codes.view(np.uint8) & np.uint8(2**bits - 1)
    out[...] = lowest[:, ::per_byte]
    for place in range(1, per_byte):
        part = lowest[:, place::per_byte]
        out[:, : part.shape[1]] |= part << np.uint8(place * bits)
    return out


def unpack(
    packed: Codes, bits: int, columns: int, *, out: NDArray[np.int8] | None = None
) -> NDArray[np.int8]:
    """Return the codes that bytes hold.

    Parameters
    ----------
    packed
        What `pack` made.
    bits
        Of a code: 8, 4 or 2.
    columns
        How many codes a row has.
    out
        Takes the codes, int8 of shape ``(rows, columns)``; a new array by default.

    Examples
    --------
    >>> unpack(np.array([[241, 7]], dtype=np.uint8), 4, 3).tolist()
    [[1, -1, 7]]
    """
    if out is None:
        out = np.empty((len(packed), columns), dtype=np.int8)
    if bits == 8:
        out[...] = packed
        return out
    per_byte = CODES_PER_BYTE[bits]
    for place in range(per_byte):
        part = out[:, place::per_byte]
        # up to the sign bit, then down again with the sign: the type does the two's complement
        moved = (packed[:, : part.shape[1]] << np.uint8(8 - bits * (place + 1))).view(np.int8)
        part[...] = moved >> np.int8(8 - bits)
    return out
