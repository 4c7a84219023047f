"""How many blocks are in flight on one GPU, and what is known about it: values. Pure.

`utilization` decides; here is what it decides upon.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

_REMEMBERED_READINGS = 6
MOST_SEATS = 8
"""Worker processes that a GPU gets at most."""


class Why(StrEnum):
    """Why the number of blocks is what it is."""

    LEARNING = "learning"
    HELD = "held"
    RISING = "rising"
    FALLING = "falling"
    UNMEASURED = "unmeasured"
    SEATS = "seats"
    WORKERS = "workers"
    MEMORY = "memory"
    FEEDING = "feeding"
    UNUSED = "unused"
    BETWEEN = "between"
    LEAST = "least"


MISSED = frozenset(
    {
        Why.UNMEASURED,
        Why.SEATS,
        Why.WORKERS,
        Why.MEMORY,
        Why.FEEDING,
        Why.UNUSED,
        Why.BETWEEN,
        Why.LEAST,
    }
)
"""The target is missed, and this is why no other number of blocks is tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What bounds the number of blocks on one GPU.

    Parameters
    ----------
    seats
        Its workers, at least 1.
    share
        How many of them `max_concurrent` allows; None where it does not bound them.
    holding
        How many of their processes hold device memory already, whether or not they get tasks now.
    """

    seats: int
    share: int | None = None
    holding: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """How busy the GPU was with one number of blocks: a mean that slowly forgets, in percent."""

    percent: float
    readings: int = 1

    def with_reading(self, percent: float) -> Level:
        """Return the level after one more reading."""
        count = self.readings + 1
        weight = 1.0 / min(count, _REMEMBERED_READINGS)
        return Level(percent=self.percent + weight * (percent - self.percent), readings=count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Controller:
    """What is decided and known about one GPU.

    Parameters
    ----------
    blocks
        In flight at once, at least 1.
    levels
        Number of blocks to what it came to.
    flat_from
        More blocks than this bring nothing; None while that is not known.
    most_by_memory
        More blocks than this filled the memory; None while that never happened.
    usual_percent
        What the present number came to when it was well known; None before that.
    peak_bytes
        The most memory that was in use with the present number; None where not measured.
    steady_since_s
        Race time since which just these blocks have been in flight; None while they are not.
    target_percent
        The target of the last decision.
    why, reason
        Of the present number; the reason is part of a sentence.
    told
        Reasons that were told already at this number and target.
    """

    blocks: int = 1
    levels: Mapping[int, Level] = field(default_factory=dict)
    flat_from: int | None = None
    most_by_memory: int | None = None
    usual_percent: float | None = None
    peak_bytes: float | None = None
    steady_since_s: float | None = None
    target_percent: float | None = None
    why: Why = Why.LEARNING
    reason: str = ""
    told: frozenset[Why] = frozenset()

    def __post_init__(self) -> None:
        if not self.blocks >= 1:
            raise ValueError(f"blocks must be at least 1 but got {self.blocks}")

    @property
    def percent(self) -> float | None:
        """How busy the GPU is with this number of blocks; None where it is not known (now)."""
        level = self.levels.get(self.blocks)
        return None if level is None or self.why is Why.UNMEASURED else level.percent

    @property
    def misses(self) -> bool:
        """Whether the target is missed and no other number is tried."""
        return self.why in MISSED


def steadied(controller: Controller, at_s: float, *, steady: bool) -> Controller:
    """Note whether just the decided blocks are in flight at this race time."""
    if steady == (controller.steady_since_s is not None):
        return controller
    return replace(controller, steady_since_s=at_s if steady else None)


def forgetful(controller: Controller) -> Controller:
    """Forget what was learnt (the blocks are others now); the number stays for the time being."""
    return Controller(blocks=controller.blocks, told=controller.told & {Why.UNMEASURED})


def bounded(controller: Controller, room: Room) -> Controller:
    """Return the controller within `max_concurrent`, which holds at once."""
    if room.share is None or controller.blocks <= max(1, room.share):
        return controller
    allowed = max(1, room.share)
    return moved(controller, allowed, Why.WORKERS, f"max_concurrent allows {allowed} on this GPU")


def eased(controller: Controller, reason: str) -> Controller:
    """Return the controller at half of its blocks: memory ran out, never so many again."""
    blocks = controller.blocks
    after = moved(controller, math.ceil(blocks / 2), Why.MEMORY, reason)
    return replace(after, most_by_memory=blocks - 1)


def held(controller: Controller, why: Why, reason: str) -> Controller:
    """Return the controller at the same number, for this reason."""
    return replace(controller, why=why, reason=reason)


def moved(controller: Controller, blocks: int, why: Why, reason: str) -> Controller:
    """Return the controller at another number, of which nothing is known yet but its level."""
    return replace(
        controller,
        blocks=blocks,
        why=why,
        reason=reason,
        usual_percent=None,
        peak_bytes=None,
        steady_since_s=None,
        told=frozenset({why}),
    )
