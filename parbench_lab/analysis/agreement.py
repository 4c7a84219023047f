"""Whether two results are the same: bit by bit, or how far apart they are. Pure.

A result may hold numbers, text, arrays, sets, series and frames of data, dataclasses and nestings
of them; whatever else is in it counts by its pickled bytes.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import pickle
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

DIGEST_BYTES = 8
_SURELY_WRITTEN_BITS = 2048
"""Integers as long as this are written in decimals whatever limit the interpreter was given."""


def digest(result: Any) -> str:
    """Return a short digest of a result; equal digests mean equal bit by bit.

    Examples
    --------
    >>> digest([1, 2.0]) == digest([1, 2.0]), digest(0.0) == digest(-0.0)
    (True, False)
    """
    hashed = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for kind, content in _leaves(result):
        hashed.update(kind.encode())
        hashed.update(_bytes_of(content))
    return hashed.hexdigest()


def largest_difference(reference: Any, result: Any) -> float:
    """Return the largest relative difference between two results.

    Returns
    -------
    float
        0.0 where they are identical bit by bit; for each number ``|a - b| / max(|a|, |b|)``, for
        arrays the differences over the array's largest absolute value; inf where something
        other than a number differs, or the shapes do, or an infinity or NaN is not met by the
        same one, in a complex number both of its parts. Zeros of another sign and NaNs of other
        bits are 2.2e-16 apart: the same number, but not bit by bit. Sets have no order in which
        their numbers could be compared: like the keys of a mapping they are the same or not. What
        a mask hides is nothing.

    Examples
    --------
    >>> largest_difference([1.0, "a"], [1.0, "a"]), largest_difference(2.0, 1.0)
    (0.0, 0.5)
    >>> largest_difference([1.0], [1.0, 2.0])
    inf
    """
    worst = 0.0
    ours, theirs = list(_leaves(reference)), list(_leaves(result))
    if len(ours) != len(theirs):
        return math.inf
    for (kind, a), (other_kind, b) in zip(ours, theirs, strict=True):
        if kind != other_kind:
            return math.inf
        worst = max(worst, _difference(a, b))
    return worst


def _leaves(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a value consists of: kind, then bytes, an integer or an array of numbers."""
    if isinstance(value, np.ndarray):
        yield from _leaves_of_array(value)
    elif type(value) is int:  # no member of an enumeration: that is a name
        yield "int", value
    elif isinstance(value, (bool, int, str, bytes, type(None))):
        yield type(value).__name__, repr(value).encode()
    elif isinstance(value, (float, complex, np.number, np.bool_)):
        yield f"number {type(value).__name__}", np.asarray(value)
    elif isinstance(value, (list, tuple)):
        yield f"{type(value).__name__} {len(value)}", b""
        for part in value:
            yield from _leaves(part)
    elif isinstance(value, Mapping):
        yield f"mapping {len(value)}", b""
        for key, part in value.items():
            # looked up by equality: a key that is nearly another one is another one
            yield from ((kind, _bytes_of(content)) for kind, content in _leaves(key))
            yield from _leaves(part)
    elif isinstance(value, (set, frozenset)):
        # equal sets are iterated, and so pickled, in another order in another process
        yield f"{type(value).__name__} {len(value)}", " ".join(sorted(map(digest, value))).encode()
    else:
        yield from _leaves_of_object(value)


def _leaves_of_array(value: np.ndarray[Any, Any]) -> Iterator[tuple[str, Any]]:
    if isinstance(value, np.ma.MaskedArray):
        yield f"masked {value.shape}", np.ma.getmaskarray(value).tobytes()
        # what is hidden is whatever was there before, not a part of the result
        nothing: Any = np.zeros((), value.dtype)
        value = value.filled(nothing)
    if value.dtype.kind in "biufc":
        yield f"array {value.dtype.str} {value.shape}", value
    elif value.dtype.kind in "mM":
        yield f"array {value.dtype.str} {value.shape}", value.tobytes()
    elif value.dtype.names is not None:
        yield f"records {value.dtype} {value.shape}", b""
        for name in value.dtype.names:
            yield from _leaves_of_array(value[name])
    else:
        yield f"objects {value.dtype} {value.shape}", b""
        yield from _leaves(value.ravel().tolist())


def _leaves_of_object(value: Any) -> Iterator[tuple[str, Any]]:
    name = type(value).__qualname__
    if hasattr(value, "to_dict") and hasattr(value, "index") and hasattr(value, "columns"):
        yield f"frame {name}", b""
        yield from _leaves(np.asarray(value.index))
        for column in value.columns:
            yield from _leaves(str(column))
            yield from _leaves(value[column].to_numpy())
    elif hasattr(value, "to_dict") and hasattr(value, "index") and hasattr(value, "to_numpy"):
        yield f"series {name}", b""
        yield from _leaves(np.asarray(value.index))
        yield from _leaves(str(value.name))
        yield from _leaves(value.to_numpy())
    elif dataclasses.is_dataclass(value):
        yield f"dataclass {name}", b""
        for field in dataclasses.fields(value):
            yield from _leaves(getattr(value, field.name))
    else:
        yield f"object {name}", pickle.dumps(value, protocol=5)


def _bytes_of(content: Any) -> bytes:
    if isinstance(content, bytes):
        return content
    if isinstance(content, int):
        short = content.bit_length() <= _SURELY_WRITTEN_BITS
        return (repr(content) if short else hex(content)).encode()
    return np.ascontiguousarray(content).tobytes()


def _difference(a: Any, b: Any) -> float:
    if isinstance(a, bytes):
        return 0.0 if a == b else math.inf
    if isinstance(a, int):
        return _apart(a, b)
    if _bytes_of(a) == _bytes_of(b):
        return 0.0
    finite = np.isfinite(a)
    if not np.array_equal(finite, np.isfinite(b)) or not _alike(a[~finite], b[~finite]):
        return math.inf
    first, second = a[finite].astype(complex), b[finite].astype(complex)
    scale = max(np.abs(first).max(initial=0.0), np.abs(second).max(initial=0.0))
    if scale == 0.0:
        return float(np.finfo(float).eps)  # zeros of another sign: not the same bits
    with np.errstate(over="ignore"):  # the largest numbers of both signs are further apart
        apart = float(np.abs(first - second).max(initial=0.0) / scale)
    return apart if apart > 0 else float(np.finfo(float).eps)


def _apart(a: int, b: int) -> float:
    """Return how far apart two integers are; they may be larger than any float."""
    if a == b:
        return 0.0
    return abs(a - b) / max(abs(a), abs(b)) or math.ulp(0.0)


def _alike(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> bool:
    """Return whether numbers that are not finite are the same ones, of whatever NaN."""
    return all(
        np.array_equal(part, other, equal_nan=True)
        for part, other in ((a.real, b.real), (a.imag, b.imag))
    )
