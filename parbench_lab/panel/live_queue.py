"""What a live figure keeps between two messages: the views on screen and the changes that wait."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


def group_of(source: str) -> str:
    """Return what a source is drawn with: the name of a plot before a colon, or nothing."""
    return source.partition(":")[0] if ":" in source else ""


@dataclass(slots=True)
class View:
    """A view on screen: what it has acknowledged, and when it was last heard (monotonic).

    `busy_s` is how long it is busy with drawing one message, smoothed over the last few.
    """

    acknowledged: int
    heard_s: float
    busy_s: float = 0.0

    def drew(self, seq: int, busy_s: float) -> None:
        """Note that a message was drawn, and how long that took."""
        self.acknowledged = max(self.acknowledged, seq)
        self.busy_s += 0.3 * (max(0.0, busy_s) - self.busy_s)


@dataclass(slots=True)
class Queue:
    """Changes that were made and not sent yet."""

    streams: dict[str, tuple[dict[str, list[Any]], int | None]] = field(default_factory=dict)
    replaced: set[str] = field(default_factory=set)
    attributes: dict[tuple[str, str], Any] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.streams or self.replaced or self.attributes)

    @property
    def groups(self) -> set[str]:
        """The groups of sources that wait."""
        return {group_of(source) for source in (*self.streams, *self.replaced)}

    def take(self, goes: Callable[[str], bool], sets: Callable[[str], bool]) -> Queue:
        """Return and forget the sources that go, and what is set of the models that go."""
        taken = Queue()
        for model, attribute in [known for known in self.attributes if sets(known[0])]:
            taken.attributes[model, attribute] = self.attributes.pop((model, attribute))
        taken.replaced = {source for source in self.replaced if goes(source)}
        self.replaced -= taken.replaced
        for source in [source for source in self.streams if goes(source)]:
            taken.streams[source] = self.streams.pop(source)
        return taken
