"""What a law is fitted to: one value per worker count, checked. Pure.

Repetitions of a level become one value, their median: they tell how noisy the timing is, but a
law that misses a level misses it in every repetition, so they are not further points.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from parbench_lab.analysis.laws.ranges import Bools, Floats
from parbench_lab.core.given import is_several
from parbench_lab.core.wording import printable
from parbench_lab.errors import UsageError

Mode = Literal["strong", "weak"]
Repetitions = Literal["median", "points"]
Quantity = Literal["time_s", "throughput"]

MIN_LEVELS = 4
MAX_FIRST_LEVEL = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class TimingNoise:
    """How far the value of a level would move if it were measured again.

    Parameters
    ----------
    sd
        Relative standard deviation of a level's median (0.01 is one percent).
    df
        Degrees of freedom: repetitions less levels.
    """

    sd: float
    df: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Observations:
    """One value per level, in rising order of workers.

    Parameters
    ----------
    quantity
        What was measured: seconds of a run, or units of work per second.
    mode
        "strong": every level does the same work. "weak": N workers do N times the work of one.
    workers, values
        (levels,): worker counts and the median value of each.
    repeats
        (levels,): how many repetitions are behind each value.
    noise
        None where no level was repeated.
    left_out
        Levels with more workers than cores that are not fitted.
    oversubscribed
        Levels with more workers than cores that are fitted because that was asked for.
    """

    quantity: Quantity
    mode: Mode
    workers: Floats
    values: Floats
    repeats: tuple[int, ...]
    noise: TimingNoise | None = None
    left_out: tuple[float, ...] = ()
    oversubscribed: tuple[float, ...] = ()

    @property
    def work(self) -> Floats:
        """Units of work of a run at each level: 1, or the worker count in weak scaling."""
        return work_of(self.workers, self.mode)

    @property
    def throughput(self) -> Floats:
        """Units of work per second at each level."""
        return self.values if self.quantity == "throughput" else self.work / self.values

    @property
    def seconds_per_unit(self) -> Floats:
        """Seconds per unit of work at each level."""
        return 1.0 / self.throughput

    @property
    def n_levels(self) -> int:
        """How many levels there are."""
        return len(self.workers)

    @property
    def largest(self) -> float:
        """The largest worker count measured."""
        return float(self.workers[-1])

    def without_last(self) -> Observations:
        """Return the same with the last level hidden."""
        kept = int((self.workers < self.largest).sum())
        return Observations(
            quantity=self.quantity,
            mode=self.mode,
            workers=self.workers[:kept],
            values=self.values[:kept],
            repeats=self.repeats[:kept],
            noise=self.noise,
        )

    def last_value(self) -> float:
        """Return the median value of the last level."""
        return float(np.median(self.values[self.workers == self.largest]))


def work_of(workers: Floats, mode: Mode) -> Floats:
    """Return the units of work of a run: 1, or the worker count in weak scaling."""
    return workers if mode == "weak" else np.ones_like(workers)


def observe(
    workers: ArrayLike,
    *,
    time_s: ArrayLike | None = None,
    throughput: ArrayLike | None = None,
    mode: Mode = "strong",
    repetitions: Repetitions = "median",
    machines: Sequence[str] | str | None = None,
    oversubscribed: Sequence[bool] | None = None,
    include_oversubscribed: bool = False,
) -> Observations:
    """Return the checked observations of a scaling curve, one value per worker count.

    Parameters are those of `parbench_lab.analysis.laws.fitting.fit`.

    Raises
    ------
    UsageError
        If not exactly one of time and throughput is given, sizes differ, a worker count or value
        is not positive and finite, or the points come from more than one machine.

    Examples
    --------
    >>> seen = observe([1, 1, 1, 2], time_s=[4.0, 4.2, 9.0, 2.0])
    >>> seen.values.tolist(), seen.repeats
    ([4.2, 2.0], (3, 1))
    """
    quantity, given = _one_of(time_s, throughput)
    if mode not in get_args(Mode):
        raise UsageError(f"mode must be one of {', '.join(get_args(Mode))} but got {mode!r}")
    if repetitions not in get_args(Repetitions):
        raise UsageError(f"repetitions must be 'median' or 'points' but got {repetitions!r}")
    if not isinstance(include_oversubscribed, bool | np.bool_):
        raise UsageError(
            f"include_oversubscribed must be True or False but got {include_oversubscribed!r}"
        )
    n, values = _numbers(workers, "workers"), _numbers(given, quantity)
    if len(n) != len(values):
        raise UsageError(
            f"workers and {quantity} must have one entry per measurement but got "
            f"{len(n)} and {len(values)}"
        )
    _refuse_mixed(machines, len(n))
    crowded = _flags(oversubscribed, len(n))
    kept = np.ones(len(n), dtype=bool) if include_oversubscribed else ~crowded
    groups = _groups(n[kept], values[kept], repetitions)
    return Observations(
        quantity=quantity,
        mode=mode,
        workers=np.array([level for level, _ in groups]),
        values=np.array([float(np.median(group)) for _, group in groups]),
        repeats=tuple(len(group) for _, group in groups),
        noise=_timing_noise([group for _, group in groups]),
        left_out=tuple(np.unique(n[~kept]).tolist()),
        oversubscribed=tuple(np.unique(n[kept & crowded]).tolist()),
    )


def refuse_too_few(seen: Observations, *, must_start_low: bool) -> None:
    """Raise if the levels cannot carry a law.

    Raises
    ------
    UsageError
        If there are fewer than 4 levels, or (`must_start_low`) none has 1 or 2 workers: what one
        worker takes would then be a guess, and every speedup with it.
    """
    levels = len(np.unique(seen.workers))
    if levels < MIN_LEVELS:
        why = (
            f"; {len(seen.left_out)} with more workers than cores are left out (give "
            'oversubscribed="include" to fit them)'
            if seen.left_out
            else ""
        )
        raise UsageError(
            f"a scaling law needs at least {MIN_LEVELS} different worker counts but got "
            f"{levels}{why}: measure more levels"
        )
    if must_start_low and seen.workers[0] > MAX_FIRST_LEVEL:
        raise UsageError(
            f"a scaling law needs a level with 1 or 2 workers but the smallest is "
            f"{seen.workers[0]:g}: measure one worker as well"
        )


def _one_of(time_s: ArrayLike | None, throughput: ArrayLike | None) -> tuple[Quantity, ArrayLike]:
    if time_s is not None and throughput is None:
        return "time_s", time_s
    if throughput is not None and time_s is None:
        return "throughput", throughput
    got = "neither" if time_s is None else "both"
    raise UsageError(f"give either time_s or throughput but got {got}")


def _numbers(values: ArrayLike, name: str) -> Floats:
    try:
        numbers = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise UsageError(
            f"{name} must be a list of numbers but got {printable(repr(values))}"
        ) from None
    if numbers.ndim != 1:
        raise UsageError(f"{name} must be a flat list of numbers but has {numbers.ndim} axes")
    broken = ~(np.isfinite(numbers) & (numbers > 0))
    if broken.any():
        raise UsageError(f"{name} must be positive and finite but got {numbers[broken][0]:g}")
    return numbers


def _flags(flags: Sequence[bool] | None, n: int) -> Bools:
    if flags is None:
        return np.zeros(n, dtype=bool)
    if isinstance(flags, str) or np.shape(flags) != (n,):
        raise UsageError(
            f"oversubscribed must be one True or False for each of the {n} measurements "
            f"but got {printable(repr(flags))}"
        )
    return np.asarray(flags, dtype=bool)


def _refuse_mixed(machines: Sequence[str] | str | None, n: int) -> None:
    if machines is None or isinstance(machines, str):
        return
    if not is_several(machines):
        raise UsageError(
            "machines must be a name or one for each measurement but got "
            f"{printable(repr(machines))}"
        )
    named = list(map(str, machines))
    if len(named) != n:
        raise UsageError(
            f"machines must name one for each of the {n} measurements but got {len(named)}"
        )
    names = sorted(set(named))
    if len(names) > 1:
        raise UsageError(
            "all points of a fit must come from one machine but got "
            f"{printable(', '.join(names))}: fit each machine by itself"
        )


def _groups(n: Floats, values: Floats, repetitions: Repetitions) -> list[tuple[float, Floats]]:
    if repetitions == "points":
        order = np.argsort(n, kind="stable")
        return [(float(n[i]), values[i : i + 1]) for i in order]
    return [(float(level), values[n == level]) for level in np.unique(n)]


def _timing_noise(groups: Sequence[Floats]) -> TimingNoise | None:
    df = sum(len(group) - 1 for group in groups)
    if df == 0:
        return None
    # noise of timings is proportional, so one relative spread is pooled over the levels
    spread = sum(float(((np.log(g) - np.log(g).mean()) ** 2).sum()) for g in groups) / df
    share = [math.pi / (2.0 * (len(g) + math.pi / 2.0 - 1.0)) for g in groups]
    return TimingNoise(sd=math.sqrt(spread * sum(share) / len(share)), df=df)
