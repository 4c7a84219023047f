"""A GPU by formula, and what a controller makes of it: one reading a second, noise and lag."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from parbench_lab.core.ports import GpuSampled
from parbench_lab.racing.concurrency import Controller, Room, steadied
from parbench_lab.racing.utilization import decide

GIGABYTE = 1e9
Decide = Callable[..., Controller]


@dataclass(frozen=True, kw_only=True)
class Device:
    """How busy so many blocks keep it (percent), and what bounds it."""

    percent: Callable[[int], float]
    noise: float = 2.0
    seats: int = 8
    share: int | None = None
    memory_gb: float | None = 80.0
    base_gb: float = 1.0
    seat_gb: float = 1.0

    @property
    def most(self) -> int:
        """The most blocks that fit in every respect, at least 1."""
        fitting = self.seats
        if self.memory_gb is not None:
            fitting = int((self.memory_gb - self.base_gb) / self.seat_gb)
        return max(1, min(self.seats, self.share or self.seats, fitting))


@dataclass(frozen=True, kw_only=True)
class Course:
    """Blocks in flight and reason after each settled reading, and the time until then.

    `seconds` have passed, and blocks that last a second would be done by then: `block_seconds`.
    """

    blocks: tuple[int, ...]
    controllers: tuple[Controller, ...]
    seconds: tuple[float, ...]
    block_seconds: tuple[float, ...]

    def moves(self, since: int) -> int:
        """How often the number changed after so many decisions."""
        kept = self.blocks[since:]
        return sum(a != b for a, b in itertools.pairwise(kept))

    def stray(self, since: int) -> int:
        """How far the numbers lie apart after so many decisions."""
        kept = self.blocks[since:]
        return max(kept) - min(kept)

    @property
    def settled(self) -> int:
        """Number of decisions after which the numbers lie apart by at most one block."""
        return next(since for since in range(len(self.blocks)) if self.stray(since) <= 1)


def drive(
    device: Device,
    target: float | Callable[[int], float],
    *,
    decisions: int = 120,
    seed: int = 0,
    decider: Decide = decide,
    start: int = 1,
) -> Course:
    """Let a controller regulate a device for so many settled readings."""
    rng = np.random.default_rng(seed)
    controller = steadied(Controller(blocks=start), 0.0, steady=True)
    at_s, before, courses = 0.0, start, [controller]
    worked, ends, works = 0.0, [0.0], [0.0]
    while len(courses) <= decisions:
        at_s += 1.0
        blocks = controller.blocks
        worked += blocks
        since_s = controller.steady_since_s
        counts = since_s is not None and at_s - 1.0 >= since_s + 1.0
        true = device.percent(blocks) if counts else device.percent(before)  # a reading lags
        wanted = target(len(courses)) if callable(target) else target
        after = decider(
            controller,
            sample(device, blocks, true + device.noise * float(rng.standard_normal())),
            at_s,
            target_percent=wanted,
            room=Room(seats=device.seats, share=device.share, holding=blocks),
        )
        before = blocks if after.blocks != blocks else before
        controller = steadied(after, at_s, steady=True)
        if counts:
            courses.append(controller)
            ends.append(at_s)
            works.append(worked)
    return Course(
        blocks=tuple(c.blocks for c in courses),
        controllers=tuple(courses),
        seconds=tuple(ends),
        block_seconds=tuple(works),
    )


def sample(device: Device, blocks: int, percent: float | None) -> GpuSampled:
    """Return what is read of a device on which so many blocks are in flight."""
    total = device.memory_gb
    return GpuSampled(
        gpu="GPU-model",
        utilization_percent=None if percent is None else min(100.0, max(0.0, percent)),
        memory_used_bytes=GIGABYTE * (device.base_gb + device.seat_gb * blocks),
        memory_bytes=None if total is None else GIGABYTE * total,
    )


def linear(per_block: float) -> Callable[[int], float]:
    return lambda blocks: min(100.0, per_block * blocks)


def saturating(scale: float, top: float = 100.0) -> Callable[[int], float]:
    return lambda blocks: top * (1 - math.exp(-blocks / scale))


def steps(*percents: float) -> Callable[[int], float]:
    return lambda blocks: percents[min(blocks, len(percents)) - 1] if blocks else 0.0
