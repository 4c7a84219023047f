"""Wanted speedups, and what a curve says of them. Pure."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import StrEnum

from parbench_lab.analysis.curve import Level, ScalingCurve
from parbench_lab.core.estimate import Estimate
from parbench_lab.core.wording import count, percent
from parbench_lab.errors import UsageError

_FORM = re.compile(
    r"\s*(?P<low>\d+(?:\.\d+)?)\s*x?(?:\s*-\s*(?P<high>\d+(?:\.\d+)?)\s*x?)?"
    r"\s+on\s+(?P<cores>\d+)\s+cores?\s*",
    re.IGNORECASE,
)


class TargetVerdict(StrEnum):
    """Whether a target is reached."""

    MET = "met"
    MISSED = "missed"
    UNDECIDED = "undecided"
    NOT_MEASURED = "not measured"
    NOT_MEASURABLE = "not measurable here"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedupTarget:
    """A speedup that is wanted on so many cores.

    Parameters
    ----------
    low, high
        Times as fast as one worker; more than `high` is no fault. Infinite where only `low` is
        named.
    cores
        Workers, each on a core of its own; at least 1.

    Raises
    ------
    UsageError
        If they make no sense.
    """

    low: float
    high: float = math.inf
    cores: int

    def __post_init__(self) -> None:
        if not 0 < self.low <= self.high or not self.cores >= 1:
            raise UsageError(
                f"a target needs 0 < low <= high and a core but got {self.low:g}, {self.high:g} "
                f"on {self.cores}"
            )

    def __str__(self) -> str:
        wanted = f"{self.low:g}" if math.isinf(self.high) else f"{self.low:g}-{self.high:g}"
        return f"{wanted}x on {self.cores} cores"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFinding:
    """What a curve says of a target; `words` is everything after the target's name."""

    target: SpeedupTarget
    verdict: TargetVerdict
    words: str
    speedup: Estimate | None = None

    def __str__(self) -> str:
        return f"{self.target}: {self.words}"


def parse_target(text: str) -> SpeedupTarget:
    """Return the target that a text names.

    Raises
    ------
    UsageError
        If it is not of the form ``4-8x on 8 cores`` (or ``4x on 8 cores``).

    Examples
    --------
    >>> parse_target("4-8x on 8 cores")
    SpeedupTarget(low=4.0, high=8.0, cores=8)
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise UsageError(f"a target is written as '4-8x on 8 cores' but got {text!r}")
    return SpeedupTarget(
        low=float(found["low"]),
        high=float(found["high"]) if found["high"] else math.inf,
        cores=int(found["cores"]),
    )


def judged(target: SpeedupTarget, curve: ScalingCurve) -> TargetFinding:
    """Return what a curve says of a target, by the interval of its speedup there.

    Met: the whole interval is at `low` or more. Missed: the whole interval is below. Of a weak
    or an adaptive curve no target is judged.
    """
    level = next((one for one in curve.levels if one.workers == target.cores), None)
    if curve.cores < target.cores:
        there = count(curve.cores, "worker" if curve.on_cluster else "core")
        return TargetFinding(
            target=target,
            verdict=TargetVerdict.NOT_MEASURABLE,
            words=f"not measurable here: {there}",
        )
    unlike = _unlike(curve)
    if unlike or level is None or level.speedup is None:
        return TargetFinding(
            target=target,
            verdict=TargetVerdict.NOT_MEASURED,
            words=f"not measured: {unlike or _missing(level, target)}",
        )
    return _judged(target, level.speedup)


def _unlike(curve: ScalingCurve) -> str:
    """Return why a curve's speedups are not what targets are about, "" where they are.

    A target is about one and the same case, and about so many workers all the time.
    """
    if curve.mode == "weak":
        return "a weak curve, whose case grows with the workers"
    if curve.adaptive:
        return "an adaptive curve, whose workers come and go"
    return ""


def _missing(level: Level | None, target: SpeedupTarget) -> str:
    if level is None:
        return f"the curve has no level of {target.cores} workers"
    return level.failures[0] if level.failures else "this level has no speedup"


def _judged(target: SpeedupTarget, speedup: Estimate) -> TargetFinding:
    if speedup.low >= target.low:
        verdict = TargetVerdict.MET
    elif speedup.high < target.low:
        verdict = TargetVerdict.MISSED
    else:
        verdict = TargetVerdict.UNDECIDED
    low, high = f"{speedup.low:.2f}", f"{speedup.high:.2f}"
    interval = f" ({percent(speedup.confidence)} interval {low} to {high})" if low != high else ""
    return TargetFinding(
        target=target,
        verdict=verdict,
        words=f"{speedup.point:.2f}x, {verdict}{interval}",
        speedup=speedup,
    )


def target_line(target: SpeedupTarget | str, curve: ScalingCurve) -> str:
    """Return a target and what a curve says of it, in one line.

    Examples
    --------
    >>> curve = ScalingCurve.from_times([1, 8], [[8.0, 8.0], [1.256, 1.256]])
    >>> target_line("4-8x on 8 cores", curve)
    '4-8x on 8 cores: 6.37x, met'
    >>> target_line("4-8x on 8 cores", ScalingCurve.from_times([1, 2], [2.0, 1.1]))
    '4-8x on 8 cores: not measurable here: 2 cores'
    """
    wanted = parse_target(target) if isinstance(target, str) else target
    return str(judged(wanted, curve))
