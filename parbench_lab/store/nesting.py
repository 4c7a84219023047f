"""How deep a document may be nested: what a store keeps, a file can hold. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

MAX_DEPTH = 64
WITHIN_A_FILE = 5
"""Levels of a file above a run's documents: the payload of an event and a machine lie deepest."""

DEEPEST_DOCUMENT = MAX_DEPTH - WITHIN_A_FILE

Link = tuple[Any, Any]  # (link of the parent, key), or () at the top


def walk(document: Any) -> Iterator[tuple[int, Any, Any]]:
    """Yield depth, link and value of everything within, without recursion; the whole is at 0."""
    waiting: list[tuple[int, Any, Any]] = [(0, (), document)]
    while waiting:
        depth, link, value = waiting.pop()
        yield depth, link, value
        if isinstance(value, dict):
            waiting += [(depth + 1, (link, key), inner) for key, inner in value.items()]
        elif isinstance(value, (list, tuple)):
            waiting += [(depth + 1, (link, i), inner) for i, inner in enumerate(value)]


def is_too_deep(document: Any, text: str) -> bool:
    """Return whether a file could not hold a document of a run.

    Parameters
    ----------
    document
        JSON values without a cycle.
    text
        The same as JSON text: with few brackets it need not be walked through.

    Examples
    --------
    >>> is_too_deep({"a": [1]}, '{"a":[1]}')
    False
    """
    if text.count("{") + text.count("[") < DEEPEST_DOCUMENT:
        return False
    return any(depth > DEEPEST_DOCUMENT for depth, _, _ in walk(document))
