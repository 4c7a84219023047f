"""When two results say the same, and the words for when they do not.

The checks of workloads are built from these; nothing here knows a candidate.
"""

from __future__ import annotations

import dataclasses
import math
import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def agree(result: Any, expected: Any, *, rtol: float = 0.0, atol: float = 0.0) -> bool:
    """Return whether `result` says the same as `expected`, looking inside containers.

    Numbers may differ by ``atol + rtol * |expected|``; NaN agrees with NaN only. A list and a
    tuple may stand for each other, and both for an array of one or more dimensions; dicts agree
    in any order of their keys; dataclasses field by field. Text never agrees with numbers and a
    truth value only with a truth value.

    Parameters
    ----------
    result, expected
        Anything.
    rtol, atol
        Relative and absolute tolerance, both 0 (equal) by default.

    Examples
    --------
    >>> agree([1.0, 2.0], (1.0, 2.0 + 1e-12), rtol=1e-9)
    True
    >>> agree([1, 2, 3], [1, 2])
    False
    >>> agree({"a": float("nan")}, {"a": float("nan")})
    True
    """
    if isinstance(result, np.ndarray) or isinstance(expected, np.ndarray):
        return _arrays_agree(result, expected, rtol, atol)
    if _is_number(expected) or _is_number(result):
        return _numbers_agree(result, expected, rtol, atol)
    if dataclasses.is_dataclass(expected) and not isinstance(expected, type):
        return type(result) is type(expected) and all(
            agree(getattr(result, f.name), getattr(expected, f.name), rtol=rtol, atol=atol)
            for f in dataclasses.fields(expected)
        )
    if isinstance(expected, Mapping):
        return _mappings_agree(result, expected, rtol, atol)
    if _is_sequence(expected):
        return (
            _is_sequence(result)
            and len(result) == len(expected)
            and all(
                agree(*pair, rtol=rtol, atol=atol) for pair in zip(result, expected, strict=True)
            )
        )
    return bool(np.all(result == expected))


def as_vector(result: Any, length: int, kinds: str) -> NDArray[Any]:
    """Return a result as a one-dimensional array, refusing every other shape and type.

    Parameters
    ----------
    result
        An array, or a sequence of numbers.
    length
        How many items it must have.
    kinds
        Accepted numpy kinds, e.g. ``"f"`` for floating point or ``"iu"`` for whole numbers.

    Raises
    ------
    ValueError
        If it is anything else; the text says what was expected.

    Examples
    --------
    >>> as_vector([1, 2], 2, "iu")
    array([1, 2])
    >>> as_vector([1, 2], 3, "iu")
    Traceback (most recent call last):
    ...
    ValueError: expected an array of shape (3,) but got shape (2,)
    """
    try:
        array = np.asarray(result)
    except (TypeError, ValueError) as error:
        raise ValueError(f"expected numbers but got {_shortly(result)}") from error
    if array.shape != (length,):
        raise ValueError(f"expected an array of shape ({length},) but got shape {array.shape}")
    if array.dtype.kind not in kinds:
        words = {"f": "floating point numbers", "iu": "whole numbers"}.get(kinds, kinds)
        raise ValueError(f"expected {words} but got an array of {array.dtype}")
    return array


def require_close(result: NDArray[Any], expected: NDArray[Any], *, atol: float) -> None:
    """Raise where two vectors of one shape differ by more than `atol` anywhere.

    Raises
    ------
    ValueError
        Naming the worst item, what it should be and what it is. NaN is never close.

    Examples
    --------
    >>> require_close(np.array([1.0, 2.5]), np.array([1.0, 2.0]), atol=1e-9)
    Traceback (most recent call last):
    ...
    ValueError: item 1 should be 2.0 but is 2.5 (off by 0.5; allowed is 1e-09)
    """
    if not result.size:
        return
    with np.errstate(invalid="ignore"):
        off = np.abs(result - expected)
    off = np.where(np.isnan(off), np.inf, off)
    worst = int(np.argmax(off))
    if not off[worst] <= atol:
        raise ValueError(
            f"item {worst} should be {float(expected[worst])!r} but is "
            f"{float(result[worst])!r} (off by {off[worst]:.3g}; allowed is {atol:.3g})"
        )


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """Return the array after forbidding writes: a candidate that changes its input fails."""
    array.setflags(write=False)
    return array


def _arrays_agree(result: Any, expected: Any, rtol: float, atol: float) -> bool:
    try:
        left, right = np.asarray(result), np.asarray(expected)
    except (TypeError, ValueError):
        return False
    if left.shape != right.shape:
        return False
    if left.dtype.kind == "O" or right.dtype.kind == "O":
        pairs = zip(left.ravel().tolist(), right.ravel().tolist(), strict=True)
        return all(agree(*pair, rtol=rtol, atol=atol) for pair in pairs)
    kinds = {left.dtype.kind, right.dtype.kind}
    if kinds <= set("iufc") and (kinds & set("fc") or rtol or atol):
        return bool(np.allclose(left, right, rtol=rtol, atol=atol, equal_nan=True))
    alike = len(kinds) == 1 or kinds <= set("iu")
    return alike and bool(np.array_equal(left, right))


def _mappings_agree(result: Any, expected: Mapping[Any, Any], rtol: float, atol: float) -> bool:
    return (
        isinstance(result, Mapping)
        and result.keys() == expected.keys()
        and all(agree(result[key], expected[key], rtol=rtol, atol=atol) for key in expected)
    )


def _numbers_agree(result: Any, expected: Any, rtol: float, atol: float) -> bool:
    if not (_is_number(result) and _is_number(expected)):
        return False
    if isinstance(result, numbers.Real) and isinstance(expected, numbers.Real):
        if math.isnan(result) or math.isnan(expected):
            return math.isnan(result) and math.isnan(expected)
        if math.isinf(result) or math.isinf(expected):
            return bool(result == expected)
    return bool(abs(result - expected) <= atol + rtol * abs(expected))


def _is_number(thing: Any) -> bool:
    return isinstance(thing, numbers.Number) and not isinstance(thing, (bool, np.bool_))


def _is_sequence(thing: Any) -> bool:
    return isinstance(thing, Sequence) and not isinstance(thing, (str, bytes, bytearray))


def _shortly(thing: Any) -> str:
    text = repr(thing)
    return text if len(text) <= 60 else f"{text[:57]}..."
