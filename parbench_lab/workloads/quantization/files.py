"""Files of weights: where each tensor lies in a ``.safetensors`` file, and how it is read.

The format is an 8-byte little-endian length, a JSON header of that length that maps names to
dtype, shape and offsets, then the tensors, one after the other
(https://github.com/huggingface/safetensors, "Format"). Its own small reader is here because
streaming needs the offsets, not the arrays. ``.npz`` files are rewritten as one first: what is in
a zip archive may be compressed and cannot be read at an offset.
"""

from __future__ import annotations

import errno
import json
import math
import os
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from parbench_lab.core.wording import printable
from parbench_lab.errors import UsageError

FLOATS = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": np.uint16}
"""Types of weights that are quantised, and as what numpy reads them (it has no bfloat16)."""
_SIZES = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "U64": 8, "I32": 4, "U32": 4,
    "I16": 2, "U16": 2, "I8": 1, "U8": 1, "BOOL": 1, "C64": 8,
    "F8_E5M2": 1, "F8_E4M3": 1, "F8_E4M3FN": 1, "F8_E8M0": 1, "F8_E4M3FNUZ": 1, "F8_E5M2FNUZ": 1,
}  # fmt: skip
"""Types of whole bytes: what is not quantised is copied, whatever its bits mean."""
_NUMPY_NAMES = {
    "f4": "F32", "f2": "F16", "f8": "F64", "i8": "I64", "u8": "U64", "i4": "I32", "u4": "U32",
    "i2": "I16", "u2": "U16", "i1": "I8", "u1": "U8", "b1": "BOOL",
}  # fmt: skip
_LENGTH = struct.Struct("<Q")
LARGEST_HEADER_BYTES = 100_000_000
METADATA = "__metadata__"
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError)
"""Of a zip archive; a method that it does not know, or a password, is a RuntimeError there."""
_TOO_SHORT = "it ends too early"
"""For an EOFError, which has no words."""
_CANNOT_RESERVE = (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS)
"""Of file systems that know nothing of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """One tensor of a file.

    Parameters
    ----------
    name, dtype, shape
        As the file says; the dtype in the words of safetensors (``"F32"``).
    offset
        Of its first byte from the beginning of the file; 0 while it has no place yet.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int = 0

    @property
    def n_bytes(self) -> int:
        """Bytes it takes."""
        return math.prod(self.shape) * _SIZES[self.dtype]

    @property
    def item_bytes(self) -> int:
        """Bytes of one number."""
        return _SIZES[self.dtype]

    @property
    def is_weights(self) -> bool:
        """Whether it is quantised: floats in a matrix; vectors and whole numbers are copied."""
        return self.dtype in FLOATS and len(self.shape) >= 2 and math.prod(self.shape) > 0

    @property
    def rows(self) -> int:
        """Output channels: the first axis."""
        return self.shape[0]

    @property
    def columns(self) -> int:
        """Weights of a channel: all other axes."""
        return math.prod(self.shape[1:])


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """A file of weights whose header was read and checked."""

    path: Path
    tensors: tuple[Tensor, ...]
    metadata: Mapping[str, str]

    @property
    def weights(self) -> tuple[Tensor, ...]:
        """The tensors that are quantised."""
        return tuple(one for one in self.tensors if one.is_weights)

    @property
    def n_weights(self) -> int:
        """How many numbers are quantised."""
        return sum(one.rows * one.columns for one in self.weights)

    @property
    def n_bytes(self) -> int:
        """Bytes of all tensors."""
        return sum(one.n_bytes for one in self.tensors)


def read_safetensors(path: Path) -> ModelFile:
    """Return where the tensors of a file lie; no tensor is read.

    Raises
    ------
    UsageError
        If there is no such file, its header is broken, or a tensor is of a type that is not
        known here (of fewer than 8 bits, say); the text says how.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(_LENGTH.size)
            length = _LENGTH.unpack(head)[0] if len(head) == _LENGTH.size else 0
            if not 2 <= length <= min(size - _LENGTH.size, LARGEST_HEADER_BYTES):
                raise _broken(path, f"it names a header of {length} bytes in a file of {size}")
            text = file.read(length)
    except OSError as error:
        raise UsageError(f"model {path}: cannot be read ({error.strerror})") from error
    try:
        header = json.loads(text)
    except ValueError as error:
        raise _broken(path, "its header is no JSON") from error
    return _model_file(path, header, begin=_LENGTH.size + length, size=size)


def _model_file(path: Path, header: Any, *, begin: int, size: int) -> ModelFile:
    if not isinstance(header, dict):
        raise _broken(path, "its header is no mapping of names to tensors")
    told = header.pop(METADATA, {})
    tensors = [_tensor(path, str(name), one, begin, size) for name, one in header.items()]
    return ModelFile(
        path=path,
        tensors=tuple(sorted(tensors, key=lambda one: one.offset)),
        metadata=told if isinstance(told, dict) else {},
    )


def _tensor(path: Path, name: str, told: Any, begin: int, size: int) -> Tensor:
    dtype = told.get("dtype") if isinstance(told, dict) else None
    if isinstance(dtype, str) and dtype not in _SIZES:  # a sound file may have it: F4, F6_E2M3
        unread = f"model {path}: tensor {name!r} is of type {dtype}, which is not read here"
        raise UsageError(printable(unread))
    try:
        first, last = (int(place) for place in told["data_offsets"])
        shape = tuple(int(length) for length in told["shape"])
        tensor = Tensor(name=name, dtype=told["dtype"], shape=shape, offset=begin + first)
        fits = 0 <= first <= last <= size - begin and min(shape, default=0) >= 0
        whole = fits and last - first == tensor.n_bytes
    except (KeyError, TypeError, ValueError) as error:
        raise _broken(path, f"tensor {name!r} is not described as the format asks") from error
    if not whole:
        raise _broken(path, f"tensor {name!r} does not lie where its header says (cut off?)")
    return tensor


def _broken(path: Path, why: str) -> UsageError:
    return UsageError(
        printable(f"model {path}: is no whole safetensors file ({why}); save or fetch it again")
    )


# ---------------------------------------------------------------- to write


def placed(tensors: Iterable[Tensor], metadata: Mapping[str, str]) -> tuple[bytes, list[Tensor]]:
    """Return the header of a file with these tensors, in this order, and their places.

    Raises
    ------
    UsageError
        If two have the same name.
    """
    given = list(tensors)
    header: dict[str, Any] = {METADATA: dict(metadata)}
    end = 0
    for one in given:
        if one.name in header:
            raise UsageError(f"tensor {one.name!r} comes twice: rename one of them")
        header[one.name] = {
            "dtype": one.dtype,
            "shape": list(one.shape),
            "data_offsets": [end, end + one.n_bytes],
        }
        end += one.n_bytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that tensors begin where floats may
    begin = _LENGTH.size + len(text)
    places = [header[one.name]["data_offsets"][0] + begin for one in given]
    moved = [
        Tensor(name=one.name, dtype=one.dtype, shape=one.shape, offset=place)
        for one, place in zip(given, places, strict=True)
    ]
    return _LENGTH.pack(len(text)) + text, moved


def reserve(descriptor: int, n_bytes: int) -> None:
    """Give a new file its length, so that a full disk is seen before any work is done.

    Raises
    ------
    OSError
        If there is no room (``ENOSPC``).
    """
    try:
        if hasattr(os, "posix_fallocate") and n_bytes > 0:
            os.posix_fallocate(descriptor, 0, n_bytes)
            return
    except OSError as error:
        if error.errno not in _CANNOT_RESERVE:
            raise
    os.ftruncate(descriptor, n_bytes)


def write_at(descriptor: int, values: Any, offset: int) -> None:
    """Write a contiguous buffer at an offset, all of it."""
    view = memoryview(values).cast("B")
    while view.nbytes:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


def read_into(descriptor: int, buffer: Any, offset: int) -> None:
    """Fill a contiguous buffer from an offset of a file; nothing is allocated.

    Raises
    ------
    OSError
        If the file ends before.
    """
    view = memoryview(buffer).cast("B")
    while view.nbytes:
        n_read = os.preadv(descriptor, [view], offset)
        if n_read == 0:
            raise OSError(f"the file ends {view.nbytes} bytes too early")
        view, offset = view[n_read:], offset + n_read


# ---------------------------------------------------------------- .npz


def tensors_of_npz(path: Path) -> tuple[Tensor, ...]:
    """Return names, types and shapes of the arrays of an ``.npz`` file; none is read.

    Raises
    ------
    UsageError
        If it is none, or holds what is no array of numbers.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return tuple(_array(path, archive, name) for name in archive.namelist())
    except OSError as error:
        raise UsageError(f"model {path}: cannot be read ({error.strerror})") from error
    except UsageError:  # a ValueError too, but one that says what is wrong
        raise
    except _DAMAGE as error:
        raise UsageError(f"model {path}: is no .npz file ({str(error) or _TOO_SHORT})") from error


def _array(path: Path, archive: zipfile.ZipFile, name: str) -> Tensor:
    with archive.open(name) as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0
        shape, _order, dtype = (read if version == (1, 0) else _later_header)(file)
    word = _NUMPY_NAMES.get(dtype.str[1:])
    if word is None or dtype.str[0] == ">":
        raise UsageError(f"model {path}: array {name!r} is of {dtype}, which is no plain number")
    return Tensor(name=name.removesuffix(".npy"), dtype=word, shape=tuple(shape))


def _later_header(file: Any) -> Any:
    return np.lib.format.read_array_header_2_0(file)


def npz_as_safetensors(source: Path, target: Path) -> None:
    """Write the arrays of an ``.npz`` file as a ``.safetensors`` file, one at a time.

    Column-major arrays are written row by row.

    Raises
    ------
    UsageError
        If it is no such file, or an array of it is damaged.
    """
    tensors = tensors_of_npz(source)
    try:
        with np.load(source, allow_pickle=False) as archive:
            write_tensors(target, tensors, (archive[one.name] for one in tensors))
    except _DAMAGE as error:
        raise UsageError(f"model {source}: is damaged ({str(error) or _TOO_SHORT})") from error


def write_tensors(path: Path, tensors: Sequence[Tensor], arrays: Iterable[Any]) -> None:
    """Write arrays as a ``.safetensors`` file; they are asked for one by one, in order.

    Parameters
    ----------
    path
        Of a new file.
    tensors
        What they are.
    arrays
        Of these shapes and types.

    Raises
    ------
    OSError
        If it cannot be written; the room is asked for at the beginning.
    """
    header, places = placed(tensors, {})
    with path.open("xb") as file:
        reserve(file.fileno(), len(header) + sum(one.n_bytes for one in places))
        write_at(file.fileno(), header, 0)
        for one, array in zip(places, arrays, strict=True):
            if one.n_bytes:  # what is empty cannot be looked at as bytes
                write_at(file.fileno(), np.ascontiguousarray(array), one.offset)
        # on the disk, or writing it back would disturb what is measured next
        os.fsync(file.fileno())
