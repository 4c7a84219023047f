"""A scaling curve read aloud: how far, what bounds it, what to believe, what to do next. Pure.

Every sentence follows from an interval; where intervals do not tell, the sentence says so.
"""

from __future__ import annotations

from collections.abc import Sequence

from parbench_lab.analysis.bounds import belief, bound, loss, percent
from parbench_lab.analysis.curve import Level, ScalingCurve
from parbench_lab.analysis.next_level import USEFUL_EFFICIENCY, next_level
from parbench_lab.analysis.trial import TimeShares
from parbench_lab.core.wording import count, listed

_NO_SCALING = "one level alone says nothing about scaling"
_VISIBLE = 0.005
"""A smaller difference from 1 is not seen in three digits."""


def read_curve(curve: ScalingCurve) -> tuple[str, ...]:
    """Return what a curve says, a sentence each; the most important first.

    Levels without an interval (fewer than two repetitions that compare them) are named, not read.

    Parameters
    ----------
    curve
        At least one level with a time, or the only sentence says that there is none.
    """
    timed = [level for level in curve.levels if level.time_s is not None]
    if not timed:
        return (*read_failures(curve), "no level has a time: nothing can be read from this curve")
    if curve.adaptive:
        return (*read_failures(curve), *_adaptive(timed[0], curve))
    levels = [level for level in timed if level.speedup is not None and level.speedup.n > 1]
    if not levels:
        nothing = (
            f"one run alone counts at {count(timed[0].workers, 'worker')}, which all are compared "
            "with, so no level has an interval: nothing certain can be read; measure more "
            "repetitions"
        )
        return (*read_failures(curve), nothing)
    ours = [level for level in levels if not level.oversubscribed] or levels
    weak = curve.mode == "weak"
    sentences = (
        "" if curve.agrees else f"{curve.agreement}: those runs do not count",
        *read_failures(curve),
        _left_out([level for level in timed if level not in levels], levels[0]),
        *((_kept(levels), loss(ours)) if weak and len(levels) > 1 else ()),
        _usefulness(levels),
        "" if weak else bound(ours),
        belief(ours, weak=weak, backend=curve.backend),
        _decomposition(levels[-1]),
        _oversubscription(timed, curve.cores),
        next_level(ours, curve),
        "" if weak else _two_medians(levels),
    )
    return tuple(sentence for sentence in sentences if sentence)


def read_failures(curve: ScalingCurve) -> tuple[str, ...]:
    """Return which levels had runs that failed, and why the last one did, a sentence each."""
    return tuple(
        f"at {count(level.workers, 'worker')} {count(len(level.failures), 'run')} failed, "
        f"the last: {level.failures[-1]}"
        for level in curve.levels
        if level.failures
    )


def _left_out(levels: Sequence[Level], base: Level) -> str:
    if not levels:
        return ""
    one = len(levels) == 1
    return (
        f"{listed([str(level.workers) for level in levels])} workers: fewer than two repetitions "
        f"compare {'this level' if one else 'these levels'} with {count(base.workers, 'worker')}, "
        f"so {'it has' if one else 'they have'} no interval and nothing below is about "
        f"{'it' if one else 'them'}; measure more repetitions"
    )


def _adaptive(level: Level, curve: ScalingCurve) -> Sequence[str]:
    trials = [trial for trial in curve.trials if trial.time_s is not None]
    used = [count for trial in trials for count in trial.workers_used] or [level.workers]
    changes = [use for trial in trials for use in trial.uses if use.is_change]
    if min(used) == max(used):
        told = f"{max(used)} of {count(level.workers, 'worker')} in use all the time"
    else:
        mean = "" if level.mean_workers is None else f", {level.mean_workers.point:.3g} on average"
        told = f"{min(used)} to {max(used)} of {level.workers} workers in use{mean}"
    if changes:
        last = f"the last because {changes[-1].reason}"
        inside = any(change.at_s > 0.0 for change in changes)
        where = f"in {count(len(trials), 'run')}" if inside else "before or between the runs"
        told += f"; {count(len(changes), 'change')} {where}, {last}"
    meant = (
        "these times hold for the load that the machine had: there is no speedup and no law in "
        "them; measure fixed worker counts for that"
    )
    return told, meant


def _usefulness(levels: Sequence[Level]) -> str:
    """Return up to where more than half of each worker's time is of use, and where it is not."""
    if len(levels) == 1:
        return _NO_SCALING
    last = max((i for i, level in enumerate(levels) if _is_useful(level)), default=0)
    unsure = next((i for i in range(last + 1, len(levels)) if _is_unsure(levels[i])), None)
    told = _how_far(levels, last, None if unsure is None else levels[unsure])
    before = levels[1 : last if unsure is None else unsure]
    return told + _on_the_way(before)


def _how_far(levels: Sequence[Level], last: int, unsure: Level | None) -> str:
    up_to = f"useful up to {levels[last].workers} workers ({_efficiency(levels[last])})"
    if unsure is not None:
        doubt = (
            f"whether {unsure.workers} workers are worth it is not certain: {_efficiency(unsure)};"
            " at 50 % half of each worker's time is lost"
        )
        return f"scaling is {up_to}; {doubt}" if last else doubt
    if levels[last] is levels[-1]:
        return (
            f"scaling is useful over the whole range: {_efficiency(levels[last])} at "
            f"{levels[last].workers} workers"
        )
    if last == 0:
        return (
            f"more workers are not worth it here: already at {levels[1].workers} more than half "
            "of each one's time is lost"
        )
    return f"scaling is {up_to}; beyond that more than half of each worker's time is lost"


def _on_the_way(levels: Sequence[Level]) -> str:
    """Return which levels are not useful although one with more workers is, or may be."""
    lost = [_with_efficiency(level) for level in levels if _is_wasteful(level)]
    unsure = [_with_efficiency(level) for level in levels if _is_unsure(level)]
    told = f"; but at {listed(lost)} more than half of each one's time is lost" if lost else ""
    return told + (f"; at {listed(unsure)} that is not certain" if unsure else "")


def _with_efficiency(level: Level) -> str:
    return f"{level.workers} workers ({_efficiency(level)})"


def _efficiency(level: Level) -> str:
    return f"efficiency {percent(level.efficiency)}" if level.efficiency else "no efficiency"


def _is_useful(level: Level) -> bool:
    return level.efficiency is not None and level.efficiency.low > USEFUL_EFFICIENCY


def _is_wasteful(level: Level) -> bool:
    return level.efficiency is not None and level.efficiency.high < USEFUL_EFFICIENCY


def _is_unsure(level: Level) -> bool:
    return not (_is_useful(level) or _is_wasteful(level))


def _kept(levels: Sequence[Level]) -> str:
    """Return how much of its speed a worker keeps in weak scaling."""
    last = levels[-1]
    if last.efficiency is None:
        return ""
    slower = 1.0 / last.efficiency.point
    growth = last.size / levels[0].size
    return (
        f"{growth:.3g} times the work on {last.workers} workers takes {slower:.3g} times as long "
        f"as on {count(levels[0].workers, 'worker')}: each keeps {percent(last.efficiency)} of "
        "its speed"
    )


def _decomposition(level: Level) -> str:
    shares = level.shares
    if shares is None:
        return ""
    parts = {
        "computing": shares.compute,
        "sending parts to and fro": shares.transfer,
        "unpacking them": shares.unpack,
        "serial code": shares.serial,
        "waiting for the slowest": shares.imbalance,
        "handing out": shares.scheduling,
    }
    told = ", ".join(f"{name} {100 * share:.0f} %" for name, share in parts.items())
    source = ", by Dask's own timings" if shares.told_by == "dask" else ""
    return (
        f"at {count(level.workers, 'worker')} their time went into{source}: {told} "
        f"({_factors(shares)})"
    )


def _factors(shares: TimeShares) -> str:
    """Return the parallel efficiency as the product that POP makes of it."""
    if shares.moving is None or shares.serialisation is None:  # a study of an older version
        factors = f"communication {shares.communication:.2f}"
    else:
        factors = f"serialisation {shares.serialisation:.2f} x communication {shares.moving:.2f}"
    efficiency = shares.load_balance * shares.communication
    balance = f"load balance {shares.load_balance:.2f}"
    return f"{balance} x {factors} = parallel efficiency {efficiency:.2f}"


def _oversubscription(levels: Sequence[Level], cores: int) -> str:
    beyond = [str(level.workers) for level in levels if level.oversubscribed]
    if not beyond:
        return ""
    return (
        f"{', '.join(beyond)} workers share {count(cores, 'core')}: these levels are marked, and "
        "fitted only where that is asked for"
    )


def _two_medians(levels: Sequence[Level]) -> str:
    """Return why a level may be both faster and slower than the first, where one is."""
    first = levels[0]
    apart = [str(level.workers) for level in levels[1:] if _contradicts(level, first)]
    if not apart:
        return ""
    return (
        f"at {listed(apart)} workers speedup and time point different ways: a speedup is the "
        "median of the ratios within each repetition, a time a median of its own"
    )


def _contradicts(level: Level, first: Level) -> bool:
    if not (level.speedup and level.time_s and first.speedup and first.time_s):
        return False
    by_ratios = level.speedup.point / first.speedup.point - 1.0
    by_times = first.time_s.point / level.time_s.point - 1.0
    return by_ratios * by_times < 0 and min(abs(by_ratios), abs(by_times)) > _VISIBLE
