"""A place in a JSON document that knows its path: whatever is wrong is told with it. Pure."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from parbench_lab.core.wording import printable
from parbench_lab.errors import StoreError


@dataclass(frozen=True, slots=True)
class Node:
    """A value and where it stands.

    Examples
    --------
    >>> node = Node({"times": [1.0, "two"]})
    >>> [one.number() for one in node.get("times").each()]
    Traceback (most recent call last):
    ...
    parbench_lab.errors.StoreError: $.times[1]: must be a finite number
    """

    value: Any
    path: str = "$"

    def get(self, key: str) -> Node:
        """Return what must be there."""
        found = self.find(key)
        if found is None:
            raise self.wrong(f"{key!r} is missing")
        return found

    def find(self, key: str) -> Node | None:
        """Return what may be missing or null: None then."""
        value = self.object().get(key)
        return None if value is None else Node(value, f"{self.path}.{printable(key)}")

    def object(self) -> dict[str, Any]:
        """Return the value, which must be an object."""
        if not isinstance(self.value, dict):
            raise self.wrong("must be an object")
        return self.value

    def each(self) -> Iterator[Node]:
        """Yield the members of a list."""
        if not isinstance(self.value, list):
            raise self.wrong("must be a list")
        for i, value in enumerate(self.value):
            yield Node(value, f"{self.path}[{i}]")

    def members(self) -> Iterator[tuple[str, Node]]:
        """Yield names and values of an object."""
        for key, value in self.object().items():
            yield key, Node(value, f"{self.path}.{printable(key)}")

    def text(self) -> str:
        """Return the value, which must be a text."""
        if not isinstance(self.value, str):
            raise self.wrong("must be a text")
        return self.value

    def number(self) -> float:
        """Return the value, which must be a finite number."""
        found = self.number_or_none()
        if found is None:
            raise self.wrong("must be a finite number")
        return found

    def seconds(self) -> float:
        """Return the value, which must be a finite number of 0 or more.

        0 is taken: it is what tools write of what was too short for their clock.
        """
        found = self.number()
        if found < 0:
            raise self.wrong("must be 0 s or more")
        return found

    def number_or_none(self) -> float | None:
        """Return a number, None for null and NaN: that is how tools tell what is not there."""
        if self.value is None:
            return None
        if isinstance(self.value, bool) or not isinstance(self.value, (int, float)):
            raise self.wrong("must be a finite number")
        try:
            return float(self.value) if math.isfinite(self.value) else None
        except OverflowError:
            raise self.wrong("must be a finite number") from None

    def whole(self) -> int:
        """Return the value, which must be a whole number of 64 bits."""
        if not isinstance(self.value, int) or isinstance(self.value, bool):
            raise self.wrong("must be a whole number")
        if not -(2**63) < self.value < 2**63:
            raise self.wrong("must be a whole number below 2**63")
        return self.value

    def instant(self) -> dt.datetime:
        """Return the instant in ISO 8601; without an offset it is taken for UTC."""
        try:
            found = dt.datetime.fromisoformat(self.text())
            return found if found.tzinfo else found.replace(tzinfo=dt.UTC)
        except ValueError:
            raise self.wrong("must be an instant in ISO 8601") from None

    def wrong(self, words: str) -> StoreError:
        """Return the error to raise."""
        return StoreError(f"{self.path[:200]}: {words}")
