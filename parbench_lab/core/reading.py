"""Numbers as people write them."""

from __future__ import annotations

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
