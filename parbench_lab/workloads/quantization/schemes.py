"""How weights become small whole numbers, as values: the scheme, and what it makes of a tensor.

Symmetric absmax quantisation. A tensor is seen as rows (its first axis: the output channels) of
columns (all other axes together), a row as groups of columns. For every group, in float32:

    scale = max |w| / qmax          qmax = 127, 7 or 1 for 8, 4 or 2 bits
    code  = w / scale, rounded half to even, from -qmax to qmax

At the ends of float32 two things are settled so that the round trip is exact for every finite
tensor (quantising what was dequantised gives the same codes and scales, bit by bit): a group
whose scale would be under the smallest normal float32 (1.2e-38) counts as all zero, its scale is 0
and so are its codes; and no scale is so large that qmax times it were infinite, see
`Scheme.largest_scale`.
"""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parbench_lab.core.given import is_whole
from parbench_lab.errors import UsageError

CODES_PER_BYTE = {8: 1, 4: 2, 2: 4}

Codes = NDArray[np.int8 | np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """How to quantise.

    Parameters
    ----------
    bits
        Of a code: 8, 4 or 2. Codes of 4 and 2 bits are packed (see `packing`).
    group_size
        So many consecutive columns of a row share a scale; the last group of a row is shorter
        where they do not divide it. None: a row is one group (per output channel).

    Raises
    ------
    UsageError
        If there is no such number of bits, or the group has no columns.

    Examples
    --------
    >>> Scheme().name, Scheme(bits=4, group_size=128).name
    ('int8 per channel', 'int4 per 128')
    >>> Scheme(bits=4).largest_code, Scheme(bits=4, group_size=128).groups(300)
    (7, 3)
    """

    bits: int = 8
    group_size: int | None = None

    def __post_init__(self) -> None:
        if not is_whole(self.bits) or self.bits not in CODES_PER_BYTE:
            raise UsageError(f"bits must be 8, 4 or 2 but got {self.bits!r}")
        size = self.group_size
        if size is not None and not (is_whole(size) and size >= 1):
            raise UsageError(
                "group_size must be a whole number of columns from 1 on, or None for whole rows, "
                f"but got {size!r}"
            )
        # numpy's whole numbers are as good, but JSON knows none of them
        object.__setattr__(self, "bits", operator.index(self.bits))
        object.__setattr__(self, "group_size", None if size is None else operator.index(size))

    @property
    def name(self) -> str:
        """As in tables and reports."""
        return f"int{self.bits} per {self.group_size or 'channel'}"

    @property
    def largest_code(self) -> int:
        """127, 7 or 1; the smallest is minus that."""
        return (1 << (self.bits - 1)) - 1

    @property
    def largest_scale(self) -> np.float32:
        """The largest float32 that times the largest code is finite; larger scales become this.

        The largest float32 over 127 is rounded up, so that 127 times it would overflow.
        """
        scale = np.finfo(np.float32).max / np.float32(self.largest_code)
        if float(scale) * self.largest_code > float(np.finfo(np.float32).max):
            scale = np.nextafter(scale, np.float32(0))
        return np.float32(scale)

    @property
    def code_type(self) -> type[np.int8 | np.uint8]:
        """Of the array of codes: int8, and uint8 where codes are packed."""
        return np.int8 if self.bits == 8 else np.uint8

    def groups(self, columns: int) -> int:
        """Return how many scales a row of so many columns has."""
        return 1 if self.group_size is None else -(-columns // self.group_size)

    def row_bytes(self, columns: int) -> int:
        """Return how many bytes the codes of a row take; the last one may be partly used."""
        return -(-columns // CODES_PER_BYTE[self.bits])

    def group_columns(self, columns: int) -> int:
        """Return how many columns a group has that is not the last one of a row."""
        return columns if self.group_size is None else min(self.group_size, columns)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Quantized:
    """A quantised tensor.

    Parameters
    ----------
    codes
        C-contiguous; int8 of shape ``(rows, columns)`` for 8 bits; for fewer, packed uint8 of
        shape ``(rows, ceil(columns * bits / 8))``, see `packing`.
    scales
        float32 of shape ``(rows, groups)``.
    shape
        Of the tensor that was quantised.
    scheme
        That made it.

    Raises
    ------
    UsageError
        If shapes or types do not fit together.
    """

    codes: Codes
    scales: Floats
    shape: tuple[int, ...]
    scheme: Scheme

    def __post_init__(self) -> None:
        rows, columns = rows_and_columns(self.shape)
        require_buffers(self.codes, self.scales, rows, columns, self.scheme)

    @property
    def nbytes(self) -> int:
        """Bytes of codes and scales together."""
        return self.codes.nbytes + self.scales.nbytes

    def equals(self, other: Quantized) -> bool:
        """Return whether another one has the same scheme, shape, codes and scales, bit by bit."""
        return (
            self.scheme == other.scheme
            and self.shape == other.shape
            and np.array_equal(self.codes, other.codes)
            and np.array_equal(self.scales.view(np.uint32), other.scales.view(np.uint32))
        )


def empty(shape: tuple[int, ...], scheme: Scheme) -> Quantized:
    """Return buffers for a tensor of this shape, their contents undefined.

    Examples
    --------
    >>> made = empty((10, 300), Scheme(bits=4, group_size=128))
    >>> made.codes.shape, made.scales.shape, made.nbytes
    ((10, 150), (10, 3), 1620)
    """
    rows, columns = rows_and_columns(shape)
    return Quantized(
        codes=np.empty((rows, scheme.row_bytes(columns)), dtype=scheme.code_type),
        scales=np.empty((rows, scheme.groups(columns)), dtype=np.float32),
        shape=shape,
        scheme=scheme,
    )


def rows_and_columns(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return a tensor's shape as a matrix; a tensor of one axis is one row.

    Raises
    ------
    UsageError
        If it has no axis or no elements.

    Examples
    --------
    >>> rows_and_columns((64, 3, 7, 7)), rows_and_columns((4096,))
    ((64, 147), (1, 4096))
    """
    if not shape or 0 in shape:
        raise UsageError(f"weights must have at least one axis and element but got shape {shape}")
    rows = shape[0] if len(shape) > 1 else 1
    return rows, math.prod(shape) // rows


def require_buffers(codes: Codes, scales: Floats, rows: int, columns: int, scheme: Scheme) -> None:
    """Raise unless codes and scales are of a matrix of this shape in this scheme.

    Raises
    ------
    UsageError
        Saying which is wrong, and what it should be.
    """
    wanted_codes = (rows, scheme.row_bytes(columns)), np.dtype(scheme.code_type)
    wanted_scales = (rows, scheme.groups(columns)), np.dtype(np.float32)
    for name, buffer, wanted in (
        ("codes", codes, wanted_codes),
        ("scales", scales, wanted_scales),
    ):
        if (buffer.shape, buffer.dtype) != wanted or not buffer.flags.c_contiguous:
            raise UsageError(
                f"{name} of ({rows} x {columns}) weights, {scheme.name}, must be a C-contiguous "
                f"{wanted[1]} of shape {wanted[0]} but got {buffer.dtype} of shape {buffer.shape}"
            )
