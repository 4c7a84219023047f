"""What people and files write, read with some patience: numbers, JSON objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def whole_number(text: Any) -> int:
    """Return a whole number; ``1e6`` is one too.

    Raises
    ------
    ValueError
        If it is none.

    Examples
    --------
    >>> whole_number("1e6"), whole_number(" 7 ")
    (1000000, 7)
    """
    try:
        return int(text)
    except ValueError:
        number = float(text)
        if not number.is_integer():
            raise
        return int(number)


def as_object(given: object) -> Mapping[str, Any]:
    """Return a JSON object, empty where there is something else: a run may be from anywhere.

    Examples
    --------
    >>> as_object({"a": 1}), as_object([1])
    ({'a': 1}, {})
    """
    return given if isinstance(given, Mapping) else {}
