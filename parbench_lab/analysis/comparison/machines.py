"""Two machines: in what they differ, and how quick they are beside each other. Pure."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from parbench_lab.analysis.comparison.verdicts import CONFIDENCE, Difference
from parbench_lab.analysis.student import t_quantile
from parbench_lab.core import runs
from parbench_lab.core.estimate import Estimate
from parbench_lab.core.machine import Machine
from parbench_lab.core.series import SeriesPoint
from parbench_lab.core.wording import memory

CALIBRATION = runs.CALIBRATION
"""Name of the workload that tells machines apart by their speed."""
FEWEST_KERNELS = 3
UNKNOWN_MACHINE = "a run does not describe its machine"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedRatio:
    """How long the calibration takes on one machine, as a multiple of another.

    Parameters
    ----------
    kernels
        Ratio of each kernel's time, with its interval.
    overall
        Geometric mean over the kernels; its interval (Student's t over them) is as wide as the
        kernels disagree: speed is not one number.
    baseline_run, new_run
        Where the newest of the figures are from.
    """

    kernels: Mapping[str, Estimate]
    overall: Estimate
    baseline_run: str
    new_run: str

    @property
    def difference(self) -> Difference:
        """The overall ratio on the scale of costs, with a standard error."""
        low, high = math.log(self.overall.low), math.log(self.overall.high)
        # half of the interval, as if it were two standard errors of a normal value
        error = (high - low) / 2 / 1.96
        return Difference(point=math.log(self.overall.point), error=error, n=self.overall.n)


def machine_differences(baseline: Machine | None, new: Machine | None) -> tuple[str, ...]:
    """Return in what two machines differ, a phrase for each field; empty for equal ones.

    Examples
    --------
    >>> machine_differences(None, None)
    ('a run does not describe its machine',)
    """
    if baseline is None or new is None:
        return (UNKNOWN_MACHINE,)
    return tuple(
        f"{name}: {before} and {after}" for name, before, after in _differing(baseline, new)
    )


def beside(machine: Machine, other: Machine, *, called: str) -> str:
    """Return in what a machine differs from another one that is called so, in words.

    Examples
    --------
    >>> here = Machine(
    ...     cpu_model="Abacus 3", physical_cores=2, logical_cores=2, smt=False,
    ...     memory_bytes=2**30, os="Debian", kernel="Linux 6.1", python="CPython 3.11.7",
    ... )
    >>> there = dataclasses.replace(here, libraries={"scikit-learn": "1.9.1"})
    >>> beside(there, here, called="here")
    'as here but for scikit-learn 1.9.1 (here: not there)'
    >>> beside(dataclasses.replace(here, logical_cores=4, smt=True), here, called="here")
    'as here but for logical cores 4 (here: 2), smt True (here: False)'
    """
    told = [
        f"{name.replace('_', ' ')} {mine} ({called}: {theirs})"
        for name, mine, theirs in _differing(machine, other)
    ]
    return f"as {called} but for {', '.join(told)}" if told else f"as {called}"


def _differing(one: Machine, other: Machine) -> list[tuple[str, str, str]]:
    """Return name, value and other value of whatever differs, the libraries one by one."""
    names = [field.name for field in dataclasses.fields(Machine) if field.name != "libraries"]
    pairs = [(name, _shown(one, name), _shown(other, name)) for name in names]
    for name in sorted({*one.libraries, *other.libraries}):
        mine, theirs = (machine.libraries.get(name, "not there") for machine in (one, other))
        pairs.append((name, mine, theirs))
    return [pair for pair in pairs if pair[1] != pair[2]]


def speed_ratio(baseline: Iterable[SeriesPoint], new: Iterable[SeriesPoint]) -> SpeedRatio | None:
    """Return how long the calibration takes on the new machine as a multiple of the baseline.

    Parameters
    ----------
    baseline, new
        Figures of the workload `CALIBRATION` on either machine; of a kernel at a size the newest
        count, and of its sizes the one that was measured last on both.

    Returns
    -------
    SpeedRatio or None
        None where fewer than `FEWEST_KERNELS` kernels can be compared.
    """
    before, after = _newest(baseline), _newest(new)
    common = [(before[place], after[place]) for place in before if place in after]
    common.sort(key=lambda pair: min(point.started for point in pair))
    chosen = {pair[0].key.candidate: pair for pair in common}
    if len(chosen) < FEWEST_KERNELS:
        return None
    ratios = {name: _ratio(*pair) for name, pair in chosen.items()}
    sides = zip(*chosen.values(), strict=True)
    before_run, after_run = (max(side, key=lambda one: one.started).run_id for side in sides)
    return SpeedRatio(
        kernels=ratios,
        overall=_overall([ratio.point for ratio in ratios.values()]),
        baseline_run=before_run,
        new_run=after_run,
    )


def tracked_kernel(ratio: Estimate, speed: SpeedRatio | None) -> str | None:
    """Return the only kernel that differs between the machines as a candidate does, if any.

    Examples
    --------
    >>> def about(x):
    ...     return Estimate(point=x, low=0.98 * x, high=1.02 * x, confidence=0.95, n=30)
    >>> kernels = {"triad": about(1.5), "matmul": about(1.1), "sort": about(1.2)}
    >>> speed = SpeedRatio(kernels=kernels, overall=about(1.25), baseline_run="a", new_run="b")
    >>> tracked_kernel(about(1.51), speed), tracked_kernel(about(1.15), speed)
    ('triad', None)
    """
    if speed is None:
        return None
    alike = [
        name
        for name, kernel in speed.kernels.items()
        if ratio.low <= kernel.high and kernel.low <= ratio.high
    ]
    return alike[0] if len(alike) == 1 else None


def _newest(points: Iterable[SeriesPoint]) -> dict[tuple[str, int], SeriesPoint]:
    """Return the newest figures of each kernel at each size: one run may be of some of them."""
    found = [p for p in points if p.key.metric == "wall_time_s" and p.median.point > 0]
    found.sort(key=lambda point: point.started)
    return {(p.key.candidate, p.key.size): p for p in found}


def _ratio(baseline: SeriesPoint, new: SeriesPoint) -> Estimate:
    """Return the ratio of two medians; the ends add up as independent errors do."""
    point = math.log(new.median.point / baseline.median.point)
    down = math.hypot(_down(new.median), _up(baseline.median))
    up = math.hypot(_up(new.median), _down(baseline.median))
    return Estimate(
        point=math.exp(point),
        low=math.exp(point - down),
        high=math.exp(point + up),
        confidence=min(baseline.median.confidence, new.median.confidence),
        n=min(baseline.median.n, new.median.n),
    )


def _down(median: Estimate) -> float:
    return math.log(median.point / median.low) if median.low > 0 else math.inf


def _up(median: Estimate) -> float:
    return math.log(median.high / median.point)


def _overall(ratios: Sequence[float]) -> Estimate:
    logs = np.log(ratios)
    n, point = len(logs), float(logs.mean())
    error = float(logs.std(ddof=1)) / math.sqrt(n)
    reach = t_quantile(0.5 + CONFIDENCE / 2, n - 1) * error
    low, high = point - reach, point + reach
    return Estimate(
        point=math.exp(point),
        low=math.exp(low),
        high=math.exp(high),
        confidence=CONFIDENCE,
        n=n,
    )


def _shown(machine: Machine, name: str) -> str:
    value = getattr(machine, name)
    if name == "caches":
        told = (f"{c.instances} x {c.name} of {memory(c.size_bytes)}" for c in machine.caches)
        return ", ".join(told) or "not known"
    if name == "memory_bytes":
        return memory(machine.counted_memory_bytes)
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "nothing"
    return "not known" if value in (None, "") else str(value)
