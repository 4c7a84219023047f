"""Numbers that a user gives: refused in one line where they are none, or out of range.

Those of numpy and the like are as good as Python's own; True and False are none.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from numbers import Real
from typing import Any, TypeGuard

from parbench_lab.errors import UsageError

MOST_WORKERS = 4096
"""Far beyond one machine's cores: more is a typing error, and would start threads for minutes."""


def checked_count(value: Any, name: str, *, least: int = 1, most: int | None = None) -> int:
    """Return a whole number within its range, as Python's own.

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
    number = _whole(value)
    if number is None or number < least or (most is not None and number > most):
        within = f"from {least} up" if most is None else f"from {least} to {most:,}"
        raise UsageError(f"{name} must be a whole number {within} but got {value!r}")
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
    try:
        given: tuple[Any, ...] = (values,) if _whole(values) is not None else tuple(values)  # type: ignore[arg-type] # what cannot be iterated is refused here
    except TypeError:
        raise UsageError(f"{rule} but got {values!r}") from None
    if not given:
        raise UsageError(f"{name} must have at least one number")
    counts = []
    for value in given:
        number = _whole(value)
        if number is None or not 1 <= number <= most:
            raise UsageError(f"{rule} but got {value!r}")
        counts.append(number)
    if len(set(counts)) < len(counts):
        raise UsageError(f"{name} must be different numbers but got {counts}")
    return tuple(counts)


def is_number(value: Any) -> TypeGuard[float]:
    """Return whether something is a real number, NaN and infinity included.

    Examples
    --------
    >>> is_number(2), is_number("2"), is_number(None), is_number(True)
    (True, False, False, False)
    """
    return isinstance(value, Real) and not isinstance(value, bool)


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


def _whole(value: Any) -> int | None:
    """Return a whole number as Python's own; None for anything else."""
    if isinstance(value, bool):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None
