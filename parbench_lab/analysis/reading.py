"""A scaling curve read aloud: how far, what bounds it, what to believe, what to do next. Pure.

Every sentence follows from an interval; where intervals do not tell, the sentence says so.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from parbench_lab.analysis.curve import Level, ScalingCurve
from parbench_lab.analysis.trial import TimeShares
from parbench_lab.core.estimate import Estimate
from parbench_lab.core.wording import count, listed

USEFUL_EFFICIENCY = 0.5
_VISIBLE = 0.005
"""A smaller difference from 1 is not seen in three digits."""


def is_any_share(fraction: Estimate) -> bool:
    """Return whether an interval holds all from 0 to 1: then the fraction may be anything.

    Examples
    --------
    >>> about = {"point": 0.7, "confidence": 0.95, "n": 5}
    >>> is_any_share(Estimate(low=-0.43, high=1.87, **about))
    True
    >>> is_any_share(Estimate(low=0.5, high=1.87, **about))
    False
    """
    return fraction.low <= 0.0 and fraction.high >= 1.0


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
        _kept(levels) if weak else _usefulness(levels),
        _loss(ours) if weak else _bound(ours),
        _belief(ours[-1]),
        _decomposition(levels[-1]),
        _oversubscription(timed, curve.cores),
        _next(ours, curve),
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
    if len(levels) == 1:
        return "one level alone says nothing about scaling"
    useful = [level for level in levels if level.efficiency and _is_useful(level.efficiency)]
    last = useful[-1] if useful else levels[0]
    for level in levels[1:]:
        if level.efficiency and _holds_half(level.efficiency):
            return (
                f"whether {level.workers} workers are worth it is not certain: efficiency "
                f"{_percent(level.efficiency)}; at 50 % half of each worker's time is lost"
            )
    told = f"efficiency {_percent(last.efficiency)}" if last.efficiency else "no efficiency"
    if last is levels[-1]:
        return f"scaling is useful over the whole range: {told} at {last.workers} workers"
    if last is levels[0]:
        return (
            f"more workers are not worth it here: already at {levels[1].workers} more than half "
            "of each one's time is lost"
        )
    return (
        f"scaling is useful up to {last.workers} workers ({told}); beyond that more than half of "
        "each worker's time is lost"
    )


def _kept(levels: Sequence[Level]) -> str:
    """Return how much of its speed a worker keeps in weak scaling."""
    last = levels[-1]
    if len(levels) == 1 or last.efficiency is None:
        return "one level alone says nothing about scaling"
    slower = 1.0 / last.efficiency.point
    growth = last.size / levels[0].size
    return (
        f"{growth:.3g} times the work on {last.workers} workers takes {slower:.3g} times as long "
        f"as on {count(levels[0].workers, 'worker')}: each keeps {_percent(last.efficiency)} of "
        "its speed"
    )


def _loss(levels: Sequence[Level]) -> str:
    """Return whether weak scaling loses speed, and from where on."""
    # one loss before a level that may have none is of that level, not "from there on"
    losing = list(itertools.takewhile(_is_losing, reversed(levels)))
    last = levels[-1]
    if len(levels) < 2 or last.efficiency is None:
        return ""
    if last.efficiency.low > 1.0:
        return (
            "the larger work is done faster for each item: usually more cache, or a first level "
            "that was held up"
        )
    if last not in losing:
        return (
            f"up to {last.workers} workers no loss is certain: the interval of their efficiency, "
            f"{_range(last.efficiency)} %, holds 100 %"
        )
    first = losing[-1].workers
    worst = min(levels, key=lambda level: level.efficiency.point if level.efficiency else 1.0)
    growing = worst is last and len(losing) > 1
    return (
        f"a loss is certain from {first} workers on"
        f"{', and it grows with them' if growing else ''}: what workers cost each other, or cores "
        "that are slower together (clock, memory bandwidth)"
    )


def _is_losing(level: Level) -> bool:
    return level.efficiency is not None and level.efficiency.high < 1.0


def _is_useful(efficiency: Estimate) -> bool:
    return efficiency.point > USEFUL_EFFICIENCY


def _holds_half(efficiency: Estimate) -> bool:
    return efficiency.low < USEFUL_EFFICIENCY < efficiency.high


def _bound(levels: Sequence[Level]) -> str:
    if len(levels) < 2:
        return ""
    last = levels[-1]
    turned = _turned(levels)
    if last.efficiency and last.efficiency.low > 1.0:
        return (
            f"superlinear: {last.workers} workers are more than {last.workers} times as fast; "
            "usually more cache, or a first level that was held up"
        )
    if turned is not None:
        return (
            f"retrograde: {last.workers} workers take longer than {turned.workers}; coordination "
            "costs more than the added workers bring"
        )
    if _flat(levels[-2], last):
        return _plateau(levels[-2], last)
    return _serial_or_overhead(levels)


def _plateau(before: Level, last: Level) -> str:
    flat = f"{last.workers} workers are not measurably faster than {before.workers}"
    if before.speedup is None or last.speedup is None:
        return flat
    perfect = before.speedup.point * last.workers / before.workers
    if last.speedup.high < perfect:
        return f"plateau: {flat}"
    return (
        f"{flat}, nor measurably worse than perfect: the intervals are too wide to tell; measure "
        "more repetitions, or when the machine is quiet"
    )


def _serial_or_overhead(levels: Sequence[Level]) -> str:
    told = [level for level in levels if level.serial_fraction is not None]
    fractions = [level.serial_fraction for level in told if level.serial_fraction is not None]
    if not fractions or is_any_share(fractions[-1]):
        return "what bounds it cannot be told from this curve"
    if fractions[-1].low > fractions[0].high:
        return (
            "what bounds it is overhead that grows with the workers: the serial fraction rises "
            f"from {_percent(fractions[0])} at {told[0].workers} to {_percent(fractions[-1])} "
            f"at {told[-1].workers} workers"
        )
    if fractions[-1].low <= 0.0:
        return f"nothing is seen to bound it up to {told[-1].workers} workers"
    flat = " and does not rise measurably" if len(fractions) > 1 else ""
    return f"what bounds it looks like a serial fraction of {_percent(fractions[-1])}{flat}"


def _turned(levels: Sequence[Level]) -> Level | None:
    """Return an earlier level whose speedup was certainly larger than the last one's."""
    last = levels[-1].speedup
    for level in levels[:-1]:
        if last is not None and level.speedup is not None and level.speedup.low > last.high:
            return level
    return None


def _flat(before: Level, last: Level) -> bool:
    if before.speedup is None or last.speedup is None:
        return False
    return last.speedup.low <= before.speedup.high


def _belief(last: Level) -> str:
    fraction = last.serial_fraction
    if fraction is None or fraction.low > 1.0:
        return ""
    if is_any_share(fraction):
        return "a serial fraction is not certain: its interval holds all from 0 to 100 %"
    if fraction.low <= 0.0:
        return (
            f"a serial fraction is not told apart from none: its interval is {_range(fraction)} %"
        )
    if last.shares is None or last.time_s is None or last.speedup is None:
        return ""
    # of the time on one worker, as far as the spans of this level tell
    seen = last.shares.serial / last.speedup.point
    if seen < 0.5 * fraction.low:
        return (
            f"do not take it for code that cannot run in parallel: only {100 * seen:.2g} % of the "
            "time on one worker was outside of the map; the rest is overhead, imbalance, or cores "
            "that are slower together (clock, memory bandwidth)"
        )
    return f"it is believable: {100 * seen:.2g} % of the time on one worker was outside of the map"


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
        f"{', '.join(beyond)} workers share {cores} cores: these levels are marked, and fitted "
        "only where that is asked for"
    )


def _next(levels: Sequence[Level], curve: ScalingCurve) -> str:
    last = levels[-1]
    tried = {level.workers for level in curve.levels}
    if last.efficiency is not None and not _is_useful(last.efficiency):
        between = _where_half_is_lost(levels)
        if between is not None and between not in tried:
            return (
                f"worth measuring next: {between} workers, where efficiency falls below one half"
            )
        return "no further level of these is worth measuring here"
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


def _where_half_is_lost(levels: Sequence[Level]) -> int | None:
    """Return workers between the last useful level and the one after it; None where none are."""
    useful = [i for i, lv in enumerate(levels) if lv.efficiency and _is_useful(lv.efficiency)]
    if not useful or useful[-1] + 1 == len(levels):
        return None
    above, below = levels[useful[-1]].workers, levels[useful[-1] + 1].workers
    return (above + below) // 2 if below - above > 1 else None


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


def _percent(estimate: Estimate) -> str:
    return f"{100 * estimate.point:.3g} % {_range(estimate)}"


def _range(estimate: Estimate) -> str:
    return f"[{100 * estimate.low:.3g}, {100 * estimate.high:.3g}]"
