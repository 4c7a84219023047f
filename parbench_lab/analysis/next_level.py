"""Which level of a curve is worth measuring next, in words. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from parbench_lab.analysis.bounds import turned
from parbench_lab.analysis.curve import Level, ScalingCurve
from parbench_lab.core.wording import count

USEFUL_EFFICIENCY = 0.5


def next_level(levels: Sequence[Level], curve: ScalingCurve) -> str:
    """Return which level to measure next, or why none is worth it.

    Parameters
    ----------
    levels
        Those that are read, fewest workers first; at least one.
    curve
        Theirs; a level of it that was tried is not proposed again.
    """
    last = levels[-1]
    tried = {level.workers for level in curve.levels}
    # where workers share cores it is those that turn the curve, not the program
    if turned(levels) is not None and not last.oversubscribed:
        return _around_the_best(levels, tried)
    if last.efficiency is not None and not last.efficiency.point > USEFUL_EFFICIENCY:
        return _where_half_is_lost(levels, tried)
    doubled = 2 * last.workers
    while doubled in tried:
        doubled *= 2
    if doubled <= curve.cores:
        return f"worth measuring next: {doubled} workers"
    if last.workers < curve.cores and curve.cores not in tried:
        all_of_it = "all of the cluster" if curve.on_cluster else "all cores of this machine"
        return f"worth measuring next: {curve.cores} workers, {all_of_it}"
    if last.workers < curve.cores:
        return (
            f"beyond {count(last.workers, 'worker')} levels were tried that have no interval; "
            "they are worth measuring before any others"
        )
    within = curve.on_cluster or last.workers == curve.cores
    return _all_measured(curve) if within else _all_share(curve)


def _around_the_best(levels: Sequence[Level], tried: Collection[int]) -> str:
    """Return where the peak of a curve that falls again may be: beside the best level.

    On the side of its faster neighbour first: of a curve with one peak it is rather there.
    """
    speedups = [level.speedup.point if level.speedup else 0.0 for level in levels]
    best = max(range(len(levels)), key=speedups.__getitem__)
    beside = [index for index in (best - 1, best + 1) if 0 <= index < len(levels)]
    peak = levels[best].workers
    for index in sorted(beside, key=speedups.__getitem__, reverse=True):
        between = (peak + levels[index].workers) // 2
        if between not in tried:
            return f"worth measuring next: {between} workers, near the best so far, {peak}"
    return (
        "no further level of these is worth measuring here: the best so far is at "
        f"{count(peak, 'worker')}, and those beside it were tried"
    )


def _all_measured(curve: ScalingCurve) -> str:
    if curve.on_cluster:
        all_of_it = count(curve.cores, "worker")
        return f"all of the cluster, {all_of_it}, is measured; more needs a larger one"
    cores = "the only core" if curve.cores == 1 else f"all {curve.cores} cores"
    verb = "is" if curve.cores == 1 else "are"
    return f"{cores} of this machine {verb} measured; more needs another machine or a cluster"


def _all_share(curve: ScalingCurve) -> str:
    """Return what to do where no level that can be read has a core for each worker."""
    if any(level.workers <= curve.cores for level in curve.levels):
        return (
            "no level with a core for each worker has an interval; they are worth measuring "
            "before any others"
        )
    return (
        "no level has a core for each worker: worth measuring next: "
        f"{count(curve.cores, 'worker')}"
    )


def _where_half_is_lost(levels: Sequence[Level], tried: Collection[int]) -> str:
    between = _between_useful_and_not(levels)
    if between is None or between in tried:
        return "no further level of these is worth measuring here"
    return f"worth measuring next: {between} workers, where efficiency falls below one half"


def _between_useful_and_not(levels: Sequence[Level]) -> int | None:
    """Return workers between the last useful level and the one after it; None where none are."""
    useful = [
        index
        for index, level in enumerate(levels)
        if level.efficiency and level.efficiency.point > USEFUL_EFFICIENCY
    ]
    if not useful or useful[-1] + 1 == len(levels):
        return None
    above, below = levels[useful[-1]].workers, levels[useful[-1] + 1].workers
    return (above + below) // 2 if below - above > 1 else None
