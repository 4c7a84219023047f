"""Who is in the next block, on which workers, and how many blocks a task carries. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

MAX_BLOCKS_PER_TASK = 64
CALM_SHARE = 0.05
"""A task lasts this share of the time since anybody touched the race..."""

CALM_FACTOR = 4.0
"""... but at most so many times what it lasts at first."""

SHARED_WITHIN = 16.0
"""Measurements of candidates that share their repeats last the wanted time within this factor."""


def members(allocation: str, ranked: Sequence[str], block_index: int) -> list[str]:
    """Return the candidates of a block.

    Parameters
    ----------
    allocation
        ``"all_survivors"``: everyone in every block. ``"leaders_first"``: the better half (the
        leader included) in every block, the others in every second one; who is better is known
        from past blocks only, so the evidence stays valid.
    ranked
        Survivors, best first.
    block_index
        Counts the blocks of the race.
    """
    if allocation == "all_survivors" or block_index % 2 == 1 or len(ranked) <= 2:
        return list(ranked)
    return list(ranked[: math.ceil(len(ranked) / 2)])


def task_time_s(first_s: float, calm_s: float) -> float:
    """Return how long a task shall last when nobody has touched the race for `calm_s` seconds.

    Between two tasks a worker waits some milliseconds, so long tasks waste less; but what is
    measured is seen when its task ends, and who just changed something waits for it.

    Examples
    --------
    >>> [task_time_s(0.1, calm_s) for calm_s in (0.0, 4.0, 60.0)]
    [0.1, 0.2, 0.4]
    """
    return min(max(first_s, CALM_SHARE * calm_s), CALM_FACTOR * first_s)


def blocks_per_task(task_time_s: float, block_s: float | None) -> int:
    """Return how many blocks fill about `task_time_s`; one while a block's time is unknown."""
    if block_s is None or block_s <= 0:
        return 1
    return max(1, min(MAX_BLOCKS_PER_TASK, round(task_time_s / block_s)))


def repeats(min_time_s: float, typical_s: float | None) -> int:
    """Return how often a call is repeated so that a measurement lasts about `min_time_s`.

    A power of two, fixed from earlier blocks: a stop that depends on the timing would bias it.
    """
    if typical_s is None or min_time_s <= 0 or typical_s >= min_time_s:
        return 1
    wanted = min_time_s / max(typical_s, 1e-9)
    return int(2 ** math.ceil(math.log2(min(wanted, 2.0**20))))


def repeats_beside(min_time_s: float, typical_s: float, others: Mapping[float, int]) -> int:
    """Return how often a call is repeated beside others, whose repeats are fixed.

    As often as the one that is nearest in time, where a measurement then lasts `min_time_s` within
    a factor of `SHARED_WITHIN`; else as often as alone. On a machine that does other work too, the
    longer of two measurements is interrupted more often: of two that are nearly equal, the one
    that is repeated more often would lose.

    Parameters
    ----------
    min_time_s, typical_s
        As for `repeats`, in seconds.
    others
        Typical seconds of a call to its repeats.

    Examples
    --------
    >>> repeats(0.003, 0.00152), repeats_beside(0.003, 0.00152, {0.00135: 4})
    (2, 4)
    >>> repeats_beside(0.003, 0.5, {0.00135: 4})
    1
    """
    if not others:
        return repeats(min_time_s, typical_s)
    nearest_s = min(others, key=lambda other_s: max(other_s / typical_s, typical_s / other_s))
    lasts_s = others[nearest_s] * typical_s
    if min_time_s <= SHARED_WITHIN * lasts_s and lasts_s <= SHARED_WITHIN * min_time_s:
        return others[nearest_s]
    return repeats(min_time_s, typical_s)


def usable_workers(
    offers: Mapping[str, Mapping[str, float]],
    needs: Iterable[Mapping[str, float]],
    max_concurrent: int | None,
) -> list[str]:
    """Return the names of workers that may execute: those that offer all that is needed.

    Parameters
    ----------
    offers
        Worker name to resources.
    needs
        Resources of every candidate that may be in a block: they meet on one worker.
    max_concurrent
        At most so many, the first in order of name; None for all.
    """
    return fitting_workers(offers, needs)[:max_concurrent]


def fitting_workers(
    offers: Mapping[str, Mapping[str, float]], needs: Iterable[Mapping[str, float]]
) -> list[str]:
    """Return the names of workers that offer all that is needed, in order."""
    total: dict[str, float] = {}
    for need in needs:
        for resource, amount in need.items():
            total[resource] = max(total.get(resource, 0.0), amount)
    return [
        name
        for name in sorted(offers)
        if all(offers[name].get(resource, 0.0) >= amount for resource, amount in total.items())
    ]


def seats_at_work(
    gpus: Mapping[str, str], blocks: Mapping[str, int], max_concurrent: int | None
) -> list[str]:
    """Return the workers that get blocks where several share a GPU.

    Every GPU's first seat comes before any second one, so that `max_concurrent` is shared fairly.

    Parameters
    ----------
    gpus
        Worker name to the UUID of its GPU.
    blocks
        UUID to how many of its workers get blocks; all of them where a GPU is not named.
    max_concurrent
        At most so many over all GPUs; None for no such bound.

    Examples
    --------
    >>> gpus = {"gpu-0": "A", "gpu-0.1": "A", "gpu-0.2": "A", "gpu-1": "B", "gpu-1.1": "B"}
    >>> seats_at_work(gpus, {"A": 2}, None)
    ['gpu-0', 'gpu-1', 'gpu-0.1', 'gpu-1.1']
    >>> seats_at_work(gpus, {"A": 2}, 3)
    ['gpu-0', 'gpu-1', 'gpu-0.1']
    """
    taken: dict[str, int] = {}
    seats: list[tuple[int, str, str]] = []
    for name in sorted(gpus, key=lambda name: (len(name), name)):
        gpu = gpus[name]
        seat = taken.get(gpu, 0)
        if gpu not in blocks or seat < blocks[gpu]:
            seats.append((seat, gpu, name))
            taken[gpu] = seat + 1
    return [name for _, _, name in sorted(seats)][:max_concurrent]
