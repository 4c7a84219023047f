"""How many blocks are in flight on one GPU: the controller that holds a target utilisation. Pure.

Additive increase, multiplicative decrease: while the GPU is less busy than wanted one more block
is sent, and when it is busier the number falls in proportion, at most by half. That is the rule
which D.-M. Chiu and R. Jain showed to converge from anywhere ("Analysis of the increase and
decrease algorithms for congestion avoidance in computer networks", Computer Networks and ISDN
Systems 17 (1989) 1-14). Theirs goes up and down for ever, for the sake of fairness between many
senders; a race has one sender and wants to rest, so three things are added:

* within `Tuning.band_points` of the target nothing moves;
* what each number of blocks came to is remembered, so that a number known to be worse is not
  tried again (with 60 % at one block, 99 % at two and a target of 80 %, the nearest one stays);
* near the edge of the band one sample decides nothing: it takes the mean of several.

A sample counts only if it began after the last change had taken effect. What is remembered is
forgotten when the GPU is suddenly as busy as never before with the same number of blocks.

How soon it settles is a matter of seconds, since one reading covers one: on the model GPUs of the
tests at most 20 s, whatever the blocks, where readings scatter by up to 2 points (26 s by 3). In
blocks that is at most 20 where each lasts 3 s or longer (7 s), and more where they are shorter.
In a race every further seat practises first: a step up takes as long as two blocks or more.
Nothing here knows workers, tasks or clocks: `regulation` puts it into the race.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from parbench_lab.core.ports import GpuSampled
from parbench_lab.racing.concurrency import MOST_SEATS, Controller, Level, Room, Why, held, moved

_SURE_READINGS = 10
_FULL_SHARE = 0.98
_GIGABYTE = 1e9
_UNTOLD_WORDS = "whether more fit is tried: how full the GPU's memory is, is not measured"
_UNUSED_WORDS = "no candidate keeps this GPU busy; add candidates that compute on it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """How the controller behaves; the values shipped are those the tests hold to their promises.

    Parameters
    ----------
    band_points
        Percentage points around the target within which nothing moves.
    near_points
        So near to the edge of the band, or nearer, one sample is not enough.
    readings
        How many are, there.
    nearer_points
        A number of blocks known to miss the target is gone back to if it missed by so much less.
    rise_points
        What two more blocks must bring at least, or they bring nothing.
    shrink
        The number of blocks falls to this share at once, at most.
    settle_s
        Seconds after a change whose samples do not count: NVML itself averages over up to 1 s.
    memory_spare
        Share of the device's memory that stays free.
    """

    band_points: float = 5.0
    near_points: float = 5.0
    readings: int = 3
    nearer_points: float = 3.0
    rise_points: float = 2.0
    shrink: float = 0.5
    settle_s: float = 1.0
    memory_spare: float = 0.1


def decide(
    controller: Controller,
    sample: GpuSampled,
    at_s: float,
    *,
    target_percent: float,
    room: Room,
    tuning: Tuning | None = None,
) -> Controller:
    """Return the controller after one sample that arrived at race time `at_s`.

    Parameters
    ----------
    controller
        As it stands, `steadied` up to now.
    sample
        How busy the GPU was. One without a utilisation is "not measured": everything is held.
    target_percent
        Utilisation to hold, within 1 to 100.
    room
        What bounds the number of blocks now.
    tuning
        Another behaviour than the shipped one.

    Examples
    --------
    >>> from parbench_lab.racing.concurrency import steadied
    >>> idle = steadied(Controller(), 0.0, steady=True)
    >>> memory = {"memory_used_bytes": 2e9, "memory_bytes": 80e9}
    >>> sample = GpuSampled(gpu="GPU-0", utilization_percent=40.0, **memory)
    >>> decided = decide(idle, sample, 3.0, target_percent=80.0, room=Room(seats=4))
    >>> decided.blocks, decided.reason
    (2, 'more fit')
    """
    tuning = tuning or Tuning()
    if controller.target_percent != target_percent:
        controller = replace(controller, target_percent=target_percent, told=frozenset())
    if sample.utilization_percent is None:
        reason = f"utilisation is not measured: {sample.reason or 'no reason was given'}"
        return held(controller, Why.UNMEASURED, reason)
    since_s = controller.steady_since_s
    if since_s is None or at_s - sample.span_s < since_s + tuning.settle_s:
        return controller  # some of it was measured with another number of blocks
    if controller.blocks > room.seats:  # a seat stayed away
        return moved(controller, room.seats, Why.SEATS, f"{_count(room.seats, 'seat')} left")
    learnt = _learnt(controller, sample, sample.utilization_percent, tuning)
    return _judged(learnt, sample, target_percent, room, tuning)


def _learnt(
    controller: Controller, sample: GpuSampled, percent: float, tuning: Tuning
) -> Controller:
    """Take the reading in; what others came to is forgotten where this number is not as usual."""
    blocks = controller.blocks
    before = controller.levels.get(blocks)
    level = Level(percent=percent) if before is None else before.with_reading(percent)
    used, peak = sample.memory_used_bytes, controller.peak_bytes
    taken = replace(
        controller,
        levels={**controller.levels, blocks: level},
        peak_bytes=peak if used is None else max(used, peak or 0.0),
    )
    usual = taken.usual_percent
    if usual is None:
        sure = level.readings >= _SURE_READINGS
        return replace(taken, usual_percent=level.percent) if sure else taken
    if abs(level.percent - usual) <= tuning.band_points:
        return taken
    fresh = {blocks: level}
    return replace(taken, levels=fresh, flat_from=None, usual_percent=None, told=frozenset())


def _judged(
    controller: Controller, sample: GpuSampled, target: float, room: Room, tuning: Tuning
) -> Controller:
    blocks, level = controller.blocks, controller.levels[controller.blocks]
    if _is_full(controller, sample, room):
        reason = _memory_words(controller, sample, room)
        return replace(
            moved(controller, blocks - 1, Why.MEMORY, reason), most_by_memory=blocks - 1
        )
    off = abs(level.percent - target)
    if level.readings < tuning.readings and off <= tuning.band_points + tuning.near_points:
        return replace(controller, why=Why.LEARNING, reason="")
    if off <= tuning.band_points:
        return held(controller, Why.HELD, "")
    if level.percent < target:
        return _raised(controller, sample, target, room, tuning)
    return _lowered(controller, target, tuning)


# ---------------------------------------------------------------- too little


def _raised(
    controller: Controller, sample: GpuSampled, target: float, room: Room, tuning: Tuning
) -> Controller:
    blocks, level = controller.blocks, controller.levels[controller.blocks]
    bound = _bound(controller, sample, room, tuning)
    controller, waits = _flattened(controller, tuning, last=bound is not None)
    if waits:
        return replace(controller, why=Why.LEARNING, reason="")
    if controller.flat_from is not None and blocks >= controller.flat_from:
        return _flat(controller, controller.flat_from, level, tuning)
    if bound is not None:
        return held(controller, *bound)
    above = controller.levels.get(blocks + 1)
    if above is None or above.percent <= target + tuning.band_points:
        fit = "more fit" if _tells_memory(controller, sample) else _UNTOLD_WORDS
        return moved(controller, blocks + 1, Why.RISING, fit)
    if above.percent - target + tuning.nearer_points < target - level.percent:
        return moved(controller, blocks + 1, Why.RISING, "that is nearer")
    return held(controller, Why.BETWEEN, _between(blocks, level, blocks + 1, above))


def _bound(
    controller: Controller, sample: GpuSampled, room: Room, tuning: Tuning
) -> tuple[Why, str] | None:
    """Return why there cannot be one more block, None where there can."""
    blocks = controller.blocks
    if room.share is not None and blocks >= room.share:
        return Why.WORKERS, f"max_concurrent allows no more than {blocks} on this GPU; raise it"
    if blocks >= room.seats:
        used = "the only seat" if room.seats == 1 else f"all {room.seats} seats"
        verb = "is" if room.seats == 1 else "are"
        more = "start with a higher max_concurrent"
        if room.seats >= MOST_SEATS:
            more = f"{MOST_SEATS} is the most; give each block more to do (batch_size)"
        return Why.SEATS, f"{used} of the GPU {verb} used; {more}"
    most = controller.most_by_memory
    if (most is not None and blocks >= most) or not _fits(controller, sample, room, tuning):
        return Why.MEMORY, _memory_words(controller, sample, room)
    return None


def _flattened(controller: Controller, tuning: Tuning, *, last: bool) -> tuple[Controller, bool]:
    """Find out whether the last blocks brought anything; and whether that needs more readings.

    Two steps up are compared, or the one there is where it is the `last` possible.
    """
    blocks, level = controller.blocks, controller.levels[controller.blocks]
    below = [n for n in (blocks - 1, blocks - 2) if n in controller.levels]
    if controller.flat_from is not None or len(below) < (1 if last else 2):
        return controller, False
    before = sum(controller.levels[n].percent for n in below) / len(below)
    if level.percent - before >= tuning.rise_points:
        return controller, False
    if level.readings < tuning.readings:
        return controller, True
    return replace(controller, flat_from=min(below)), False


def _flat(controller: Controller, flat_from: int, level: Level, tuning: Tuning) -> Controller:
    """Hold the fewest blocks that do as much as more would."""
    blocks = controller.blocks
    fewer = "1 block does" if flat_from == 1 else f"{flat_from} blocks do"
    waits = "the GPU waits for what feeds it (CPU, transfers, launches)"
    why, reason = Why.FEEDING, f"{fewer} as much as more would; {waits}"
    if level.percent < 1:
        why, reason = Why.UNUSED, _UNUSED_WORDS
    if blocks == flat_from:
        return held(controller, why, reason)
    return moved(controller, max(flat_from, math.ceil(blocks * tuning.shrink)), why, reason)


# ---------------------------------------------------------------- too much


def _lowered(controller: Controller, target: float, tuning: Tuning) -> Controller:
    blocks, level = controller.blocks, controller.levels[controller.blocks]
    if blocks == 1:
        return held(controller, Why.LEAST, "a single block keeps it so busy")
    fewest = max(math.ceil(blocks * tuning.shrink), math.floor(blocks * target / level.percent))
    known = _largest_not_too_busy(controller, target + tuning.band_points)
    if known is not None:
        below = controller.levels[known]
        if below.percent >= target - tuning.band_points:
            fewest = max(known, math.ceil(blocks * tuning.shrink))
        elif known < blocks - 1:
            fewest = max(fewest, known + 1)
        elif target - below.percent + tuning.nearer_points < level.percent - target:
            fewest = known
        else:
            return held(controller, Why.BETWEEN, _between(known, below, blocks, level))
    return moved(controller, min(blocks - 1, fewest), Why.FALLING, "fewer do")


def _largest_not_too_busy(controller: Controller, most_percent: float) -> int | None:
    fewer = [
        n
        for n, level in controller.levels.items()
        if n < controller.blocks and level.percent <= most_percent
    ]
    return max(fewer, default=None)


# ---------------------------------------------------------------- memory


def _fits(controller: Controller, sample: GpuSampled, room: Room, tuning: Tuning) -> bool:
    """Return whether one more block fits, going by what each of the seats in use holds."""
    used, total = controller.peak_bytes, sample.memory_bytes
    if used is None or total is None:
        return True  # it is tried, and said: running out halves the blocks and blames nobody
    holding = max(room.holding, controller.blocks)
    newcomers = max(0, controller.blocks + 1 - holding)
    return used * (1 + newcomers / holding) <= (1 - tuning.memory_spare) * total


def _tells_memory(controller: Controller, sample: GpuSampled) -> bool:
    return controller.peak_bytes is not None and sample.memory_bytes is not None


def _is_full(controller: Controller, sample: GpuSampled, room: Room) -> bool:
    """Return whether memory is full and one block fewer can help."""
    used, total = sample.memory_used_bytes, sample.memory_bytes
    if used is None or total is None or controller.blocks == 1:
        return False
    return used > _FULL_SHARE * total and room.holding <= controller.blocks


def _memory_words(controller: Controller, sample: GpuSampled, room: Room) -> str:
    used = controller.peak_bytes or 0.0
    total = sample.memory_bytes or 0.0
    return (
        f"another block does not fit: {used / _GIGABYTE:.3g} of {total / _GIGABYTE:.3g} GB used "
        f"by {max(room.holding, controller.blocks)}"
    )


# ---------------------------------------------------------------- what comes of it


def _between(low: int, below: Level, high: int, above: Level) -> str:
    return (
        f"the target lies between {low} at {below.percent:.0f} % and {high} at "
        f"{above.percent:.0f} %; the nearest stays"
    )


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
