"""Answers that hold until the next block: many ask for the same between two of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

_MOST = 256

Answer = TypeVar("Answer")


class Answers:
    """A small cache that its owner clears whenever something was learned.

    Examples
    --------
    >>> answers = Answers()
    >>> answers.get("sum", lambda: sum(range(10)))
    45
    """

    def __init__(self) -> None:
        self._known: dict[object, object] = {}

    def get(self, key: object, compute: Callable[[], Answer]) -> Answer:
        """Return the answer known under `key`, computing it where it is not."""
        known = self._known.get(key, self)  # itself is never an answer
        if known is self:
            if len(self._known) >= _MOST:
                self._known.clear()
            known = self._known[key] = compute()
        return cast("Answer", known)

    def clear(self) -> None:
        """Forget everything."""
        self._known.clear()
