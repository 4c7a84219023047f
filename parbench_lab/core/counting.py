"""Whole numbers that are given: refused in one line unless they are some, and within bounds."""

from __future__ import annotations

from numbers import Integral
from typing import TypeGuard

from parbench_lab.errors import UsageError


def is_whole(given: object) -> TypeGuard[int]:
    """Return whether something is an ``int`` or an integer of numpy; a bool is none.

    Examples
    --------
    >>> is_whole(3), is_whole(3.0), is_whole(True)
    (True, False, False)
    """
    return isinstance(given, Integral) and not isinstance(given, bool)


def whole_number(given: object, what: str, *, least: int, most: int, hint: str = "") -> int:
    """Return a number that was given.

    Parameters
    ----------
    given
        Anything; see `is_whole`.
    what
        Its name, which begins the sentence of a refusal.
    least, most
        It must not be below or above.
    hint
        Ends that sentence.

    Raises
    ------
    UsageError
        If it is no whole number, or out of bounds.

    Examples
    --------
    >>> whole_number(3, "repeats", least=1, most=1000)
    3
    >>> whole_number(1.5, "repeats", least=1, most=1000)
    Traceback (most recent call last):
        ...
    parbench_lab.errors.UsageError: repeats must be a whole number from 1 to 1,000 but got 1.5
    """
    if not is_whole(given) or not least <= given <= most:
        raise UsageError(
            f"{what} must be a whole number from {least:,} to {most:,} but got {given!r}{hint}"
        )
    return int(given)
