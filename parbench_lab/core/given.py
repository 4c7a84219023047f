"""Numbers that a user gives: refused in one line where they are none, or out of range.

Those of numpy and the like are as good as Python's own; True and False are none.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any, TypeGuard

from parbench_lab.errors import UsageError

MOST_WORKERS = 4096
"""Far beyond one machine's cores: more is a typing error, and would start threads for minutes."""


def checked_count(
    value: Any, name: str, *, least: int = 1, most: int | None = None, hint: str = ""
) -> int:
    """Return a whole number within its range, as Python's own; `hint` ends a refusal.

    Raises
    ------
    UsageError
        With its name, the range and what was given.

    Examples
    --------
    >>> checked_count(3, "repeats", most=9)
    3
    >>> checked_count(2.5, "seed", least=0)
    Traceback (most recent call last):
    ...
    parbench_lab.errors.UsageError: seed must be a whole number from 0 up but got 2.5
    """
    number = operator.index(value) if is_whole(value) else None
    if number is None or number < least or (most is not None and number > most):
        within = f"from {least} up" if most is None else f"from {least} to {most:,}"
        raise UsageError(f"{name} must be a whole number {within} but got {value!r}{hint}")
    return number


def checked_workers(value: Any, name: str = "workers", *, least: int = 1) -> int:
    """Return a number of workers, at most `MOST_WORKERS`; errors as of `checked_count`."""
    return checked_count(value, name, least=least, most=MOST_WORKERS)


def checked_counts(values: int | Iterable[int], name: str, *, most: int) -> tuple[int, ...]:
    """Return one or more different whole numbers from 1 to `most`, in the order they came in.

    Raises
    ------
    UsageError
        If there is none, one comes twice, or one is out of range.

    Examples
    --------
    >>> checked_counts(4, "sizes", most=9), checked_counts([2, 1], "sizes", most=9)
    ((4,), (2, 1))
    """
    rule = f"{name} must be whole numbers from 1 to {most:,}"
    given = tuple(values) if is_several(values) else (values,)
    if not given:
        raise UsageError(f"{name} must have at least one number")
    counts = []
    for value in given:
        if not is_whole(value) or not 1 <= value <= most:
            raise UsageError(f"{rule} but got {value!r}")
        counts.append(operator.index(value))
    if len(set(counts)) < len(counts):
        raise UsageError(f"{name} must be different numbers but got {counts}")
    return tuple(counts)


def is_several(value: Any) -> TypeGuard[Iterable[Any]]:
    """Return whether something can be gone through, an array without axes not.

    Examples
    --------
    >>> is_several([3]), is_several(3)
    (True, False)
    """
    try:
        iter(value)
    except TypeError:  # an array without axes has __iter__ too, and is an Iterable to isinstance
        return False
    return True


def is_list(value: Any) -> TypeGuard[Iterable[Any]]:
    """Return whether something is several things, and not a text, which is several letters.

    Examples
    --------
    >>> is_list([3]), is_list("ab"), is_list(3)
    (True, False, False)
    """
    return is_several(value) and not isinstance(value, str)


def is_number(value: Any) -> TypeGuard[float]:
    """Return whether something is a real number, NaN and infinity included.

    Examples
    --------
    >>> is_number(2), is_number("2"), is_number(None), is_number(True)
    (True, False, False, False)
    """
    return isinstance(value, Real) and not isinstance(value, bool)


def checked_number(value: Any, name: str) -> float:
    """Return a real number; its range is another matter.

    Raises
    ------
    UsageError
        If it is none.
    """
    try:
        number = float(value) if is_number(value) else None
    except OverflowError:  # a whole number beyond every float
        number = None
    if number is None:
        raise UsageError(f"{name} must be a number but got {value!r}")
    return number


def checked_confidence(confidence: Any) -> float:
    """Return the confidence of an interval.

    Raises
    ------
    UsageError
        If it is no number within (0, 1).
    """
    if not (is_number(confidence) and 0 < confidence < 1):
        raise UsageError(f"confidence must be within (0, 1) but got {confidence!r}")
    return confidence


def is_whole(value: Any) -> TypeGuard[int]:
    """Return whether something is a whole number.

    Examples
    --------
    >>> is_whole(3), is_whole(3.0), is_whole(True)
    (True, False, False)
    """
    return isinstance(value, Integral) and not isinstance(value, bool)
