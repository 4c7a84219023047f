"""What bounds a scaling curve, and whether a serial fraction is believable, in words. Pure."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

from parbench_lab.analysis.curve import Level
from parbench_lab.analysis.serial_fraction import is_any_share
from parbench_lab.core.estimate import Estimate
from parbench_lab.core.wording import count, listed

_CACHE = "usually more cache, or a first level that was held up"
_LOCK = "threads that wait for the interpreter's lock (GIL), which counts as computing"
# two threads that hand one lock to and fro have an efficiency of 50 %, more have less
_NEARLY_ALL, _LITTLE = 0.8, 0.75
_TOO_WIDE = 0.5
"""An interval of a serial fraction that is half of all that there are says nothing to believe."""


class _Fraction(NamedTuple):
    """The serial fraction of a level that has one."""

    level: Level
    value: Estimate


def percent(estimate: Estimate) -> str:
    """Return a share in percent with its interval.

    Examples
    --------
    >>> percent(Estimate(point=0.5, low=0.45, high=0.52, confidence=0.95, n=5))
    '50 % [45, 52]'
    """
    return f"{100 * estimate.point:.3g} % {_range(estimate)}"


def _range(estimate: Estimate) -> str:
    return f"[{_end(estimate.low)}, {_end(estimate.high)}]"


def _end(share: float) -> str:
    return f"{100 * share:.3g}" if math.isfinite(share) else "no bound"


# ---------------------------------------------------------------- what bounds it


def bound(levels: Sequence[Level]) -> str:
    """Return what bounds a curve of strong scaling; "" with fewer than two levels.

    Parameters
    ----------
    levels
        With a speedup, fewest workers first.
    """
    if len(levels) < 2:
        return ""
    base, last = levels[0].workers, levels[-1]
    if (before := turned(levels)) is not None:
        told = (
            f"retrograde: {last.workers} workers take longer than {before.workers}; coordination "
            "costs more than the added workers bring"
        )
        return told + _faster_than_linear(levels)
    if _is_superlinear(last):
        than = "" if base == 1 else f" as {base}"
        return (
            f"superlinear: {last.workers} workers are more than {last.workers / base:.3g} times "
            f"as fast{than}; {_CACHE}"
        )
    flat = _flat(levels[-2], last)
    told = _plateau(levels[-2], last) if flat else _serial_or_overhead(levels)
    return told + _faster_than_linear(levels)


def loss(levels: Sequence[Level]) -> str:
    """Return whether weak scaling loses speed, and from where on; as for `bound`."""
    # one loss before a level that may have none is of that level, not "from there on"
    losing = list(itertools.takewhile(_is_losing, reversed(levels)))
    last = levels[-1]
    if len(levels) < 2 or last.efficiency is None:
        return ""
    if _is_superlinear(last):
        return f"the larger work is done faster for each item: {_CACHE}"
    if last not in losing:
        told = (
            f"up to {last.workers} workers no loss is certain: the interval of their efficiency, "
            f"{_range(last.efficiency)} %, holds 100 %"
        )
        return told + _faster_than_linear(levels)
    first = losing[-1].workers
    worst = min(levels, key=lambda level: level.efficiency.point if level.efficiency else 1.0)
    growing = worst is last and len(losing) > 1
    told = (
        f"a loss is certain from {first} workers on"
        f"{', and it grows with them' if growing else ''}: what workers cost each other, or cores "
        "that are slower together (clock, memory bandwidth)"
    )
    return told + _faster_than_linear(levels)


def _is_superlinear(level: Level) -> bool:
    return level.efficiency is not None and level.efficiency.low > 1.0


def _is_losing(level: Level) -> bool:
    return level.efficiency is not None and level.efficiency.high < 1.0


def _faster_than_linear(levels: Sequence[Level]) -> str:
    """Return that some levels were superlinear, beside what bounds the curve at its end."""
    found = [str(level.workers) for level in levels if _is_superlinear(level)]
    return f"; superlinear at {listed(found)} workers: {_CACHE}" if found else ""


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
    fractions = _fractions(levels)
    if not fractions or is_any_share(fractions[-1].value):
        return "what bounds it cannot be told from this curve"
    last = fractions[-1]
    if _rises(fractions):
        return (
            "what bounds it is overhead that grows with the workers: the serial fraction "
            f"{_rise(fractions)}"
        )
    if last.value.low <= 0.0:
        return f"nothing is seen to bound it up to {last.level.workers} workers"
    flat = " and does not rise measurably" if len(fractions) > 1 else ""
    return f"what bounds it looks like a serial fraction of {percent(last.value)}{flat}"


def turned(levels: Sequence[Level]) -> Level | None:
    """Return the first level whose speedup was certainly larger than the last one's, or None.

    Parameters
    ----------
    levels
        Fewest workers first; at least one.
    """
    last = levels[-1].speedup
    for level in levels[:-1]:
        if last is not None and level.speedup is not None and level.speedup.low > last.high:
            return level
    return None


def _flat(before: Level, last: Level) -> bool:
    if before.speedup is None or last.speedup is None:
        return False
    return last.speedup.low <= before.speedup.high


# ---------------------------------------------------------------- what to believe


def belief(levels: Sequence[Level], *, weak: bool, backend: str = "") -> str:
    """Return whether a serial fraction is believable; "" with fewer than two levels.

    Parameters
    ----------
    levels
        As for `bound`. What the last one spent outside of the map decides where it is known;
        where only times are, whether the fraction rises with the workers.
    weak
        Whether the fractions are scaled ones, by Gustafson's law.
    backend
        What ran the parts: threads may have waited for the interpreter inside of them.
    """
    if len(levels) < 2:
        return ""
    name = "a scaled serial fraction (Gustafson's)" if weak else "a serial fraction"
    fraction = levels[-1].serial_fraction
    if fraction is None or fraction.low > 1.0 or fraction.high < 0.0:
        return _unexplained(levels[-1], name, weak=weak, backend=backend)
    if doubt := _doubt(fraction):
        return f"{name} is not {doubt}"
    seen = _seen(levels[-1], fraction, weak=weak)
    if seen is None:
        return _by_times(levels, name, weak=weak)
    return _by_shares(levels, name, seen, weak=weak, backend=backend)


def _doubt(fraction: Estimate) -> str:
    """Return what an interval leaves open, "" where it leaves little."""
    if is_any_share(fraction):
        return "certain: its interval holds all from 0 to 100 %"
    if fraction.low <= 0.0:
        return f"told apart from none: its interval is {_range(fraction)} %"
    if min(fraction.high, 1.0) - fraction.low > _TOO_WIDE:
        return f"certain: its interval is {_range(fraction)} %"
    return ""


def _unexplained(last: Level, name: str, *, weak: bool, backend: str) -> str:
    fraction = last.serial_fraction
    is_slow = not weak if fraction is None else fraction.low > 1.0
    told = "take longer" if is_slow else "are faster"
    cause = f"; a possible cause: {_LOCK}" if _may_wait_inside(last, backend) else ""
    return (
        f"{name} is not believable: {count(last.workers, 'worker')} {told} than with any share "
        f"from 0 to 100 %{cause}"
    )


def _may_wait_inside(level: Level, backend: str) -> bool:
    """Return whether threads seem to compute nearly all the time, and gain little by it."""
    if backend != "threads" or level.shares is None or level.efficiency is None:
        return False
    return level.shares.compute > _NEARLY_ALL and level.efficiency.point < _LITTLE


def _seen(last: Level, fraction: Estimate, *, weak: bool) -> float | None:
    """Return what was spent outside of the map, as a share of the time the fraction is of."""
    if last.shares is None:
        return None
    # the time on one worker is 1, and that of this level what Amdahl's law makes of the fraction
    time = 1.0 if weak else fraction.point + (1.0 - fraction.point) / last.workers
    return last.shares.serial * time


def _by_shares(
    levels: Sequence[Level], name: str, seen: float, *, weak: bool, backend: str
) -> str:
    fractions = _fractions(levels)
    whose = f"the time on {count(levels[-1].workers if weak else 1, 'worker')}"
    last = fractions[-1].value
    # of that time, as far as the spans of this level tell
    if seen < 0.5 * last.low:
        slower = "cores that are slower together (clock, memory bandwidth)"
        causes = f"or {slower}"
        if _may_wait_inside(levels[-1], backend):
            causes = f"{slower}, or {_LOCK}"
        return (
            f"do not take {name} of {percent(last)} for code that cannot run in parallel: only "
            f"{100 * seen:.2g} % of {whose} was outside of the map; the rest is overhead, "
            f"imbalance, {causes}"
        )
    outside = f"{100 * seen:.2g} % of {whose} was outside of the map"
    if _rises(fractions):
        return f"{name} is believable in part: {outside}, but it {_rise(fractions)}"
    return f"{name} of {percent(last)} is believable: {outside}"


def _by_times(levels: Sequence[Level], name: str, *, weak: bool) -> str:
    fractions = _fractions(levels)
    last = fractions[-1]
    if _rises(fractions) and weak:
        return (
            f"{name} is not believable as a constant one: it {_rise(fractions)}, as overhead "
            "does, or serial code whose work grows too"
        )
    if _rises(fractions):
        return f"{name} is not believable: it rises with the workers, as overhead does"
    told = (
        f"whether {name} of {percent(last.value)} is code that cannot run in parallel is not told "
        "by times alone"
    )
    if len(fractions) == 1:
        return f"{told}: measure more worker counts, overhead rises with them"
    return (
        f"{told}: it does not rise measurably, so it may be; cores that are slower together look "
        "the same"
    )


def _fractions(levels: Sequence[Level]) -> Sequence[_Fraction]:
    return [
        _Fraction(level, level.serial_fraction)
        for level in levels
        if level.serial_fraction is not None
    ]


def _rises(fractions: Sequence[_Fraction]) -> bool:
    return fractions[-1].value.low > fractions[0].value.high


def _rise(fractions: Sequence[_Fraction]) -> str:
    first, last = fractions[0], fractions[-1]
    return (
        f"rises from {percent(first.value)} at {first.level.workers} to {percent(last.value)} at "
        f"{last.level.workers} workers"
    )
