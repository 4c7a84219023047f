"""What the benchmark of the operations found, as values, and how it is judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from parbench_lab.core.estimate import Estimate

LINEAR_TO_WORKERS = 8
WANTED_SPEEDUP = 3.0
WANTED_IDLE_SHARE = 0.15
GOOD_EFFICIENCY = 0.85
FAIR_EFFICIENCY = 0.70


class Grade(StrEnum):
    """An efficiency in a word."""

    GOOD = "good"
    """Above 85 %."""
    FAIR = "fair"
    """70 to 85 %."""
    POOR = "poor"
    """Below 70 %."""
    NOT_CERTAIN = "not certain"
    """The interval holds both good and poor."""


class TargetVerdict(StrEnum):
    """Whether a target is reached."""

    MET = "met"
    MISSED = "missed"
    UNDECIDED = "undecided"
    """The intervals hold both."""
    NOT_MEASURABLE = "not measurable here"
    """There are too few cores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationRow:
    """One operation, in turn and in parallel.

    Parameters
    ----------
    name, unit, size
        Of the job: `size` items, which are `unit`.
    workers
        Of the parallel runs.
    sequential_s, parallel_s
        Seconds, geometric means of the repetitions.
    speedup
        Sequential over parallel time, paired by repetition.
    efficiency
        Speedup per worker.
    idle_share
        The synchronisation overhead: the share of the workers' time in which they had no part to
        work on (waiting for the others, for the serial part, for the next part). Waiting for the
        interpreter's lock inside a part is not in it; that shows in the efficiency. None where
        the backend does not tell.
    identical
        Whether both gave the same bits every time.
    oversubscribed
        Whether there were more workers than physical cores.
    """

    name: str
    unit: str
    size: int
    workers: int
    sequential_s: Estimate
    parallel_s: Estimate
    speedup: Estimate
    efficiency: Estimate
    idle_share: Estimate | None
    identical: bool
    oversubscribed: bool

    @property
    def grade(self) -> Grade:
        """The efficiency in a word."""
        return graded(self.efficiency)


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelRow:
    """One operation at one worker count; fields as in `OperationRow`."""

    workers: int
    parallel_s: Estimate
    speedup: Estimate
    efficiency: Estimate
    identical: bool
    oversubscribed: bool

    @property
    def grade(self) -> Grade:
        """The efficiency in a word."""
        return graded(self.efficiency)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRow:
    """One operation at one batch size: items per second in turn and in parallel."""

    batch_size: int
    sequential_per_s: Estimate
    parallel_per_s: Estimate
    speedup: Estimate
    identical: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What was hoped for, whether it holds, and the figures in a sentence."""

    name: str
    verdict: TargetVerdict
    found: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalabilityBenchmark:
    """All tables of one benchmark.

    Parameters
    ----------
    operations
        A row per operation.
    curve_operation, curve_unit
        What the two other tables are about.
    levels
        A row per worker count, ascending.
    batch_sizes
        A row per batch size, ascending.
    backend, workers, cores
        Where it ran: `cores` are the physical ones this process may use, or on a given cluster
        its workers.
    repeats
        Paired repetitions behind each figure.
    """

    operations: tuple[OperationRow, ...]
    curve_operation: str
    curve_unit: str
    levels: tuple[LevelRow, ...]
    batch_sizes: tuple[BatchRow, ...]
    backend: str
    workers: int
    cores: int
    repeats: int

    @property
    def identical(self) -> bool:
        """Whether every parallel result had the bits of the sequential one."""
        tables: tuple[Iterable[OperationRow | LevelRow | BatchRow], ...] = (
            self.operations,
            self.levels,
            self.batch_sizes,
        )
        return all(row.identical for table in tables for row in table)

    @property
    def targets(self) -> tuple[Target, ...]:
        """The three targets: speedup, linearity, synchronisation."""
        return (speedup_target(self), linearity_target(self), synchronisation_target(self))


def grade_of(efficiency: float) -> Grade:
    """Return the grade of an efficiency (a share, 1 is perfect).

    Examples
    --------
    >>> [str(grade_of(share)) for share in (0.9, 0.85, 0.7, 0.5)]
    ['good', 'fair', 'fair', 'poor']
    """
    if efficiency > GOOD_EFFICIENCY:
        return Grade.GOOD
    return Grade.FAIR if efficiency >= FAIR_EFFICIENCY else Grade.POOR


def graded(efficiency: Estimate) -> Grade:
    """Return the grade of a measured efficiency: none where it may be good and poor alike.

    Examples
    --------
    >>> about = {"point": 0.9, "confidence": 0.95, "n": 5}
    >>> str(graded(Estimate(low=0.8, high=0.95, **about)))
    'good'
    >>> str(graded(Estimate(low=0.6, high=1.3, **about)))
    'not certain'
    """
    if grade_of(efficiency.low) is Grade.POOR and grade_of(efficiency.high) is Grade.GOOD:
        return Grade.NOT_CERTAIN
    return grade_of(efficiency.point)


def speedup_target(benchmark: ScalabilityBenchmark) -> Target:
    """Judge "3 to 8 times as fast": every operation is at 3 or more.

    More than 8 is no fault. Needs 4 workers on as many cores: with 3, a speedup of 3 would have to
    be perfect.
    """
    name = "speedup 3-8x"
    if min(benchmark.workers, benchmark.cores) < WANTED_SPEEDUP + 1 or _crowded(benchmark):
        return _not_measurable(name, benchmark, needed=4)
    if not benchmark.operations:
        return _nothing_measured(name)
    return _judged(
        name,
        [(row.name, row.speedup) for row in benchmark.operations],
        met=lambda speedup: speedup.low >= WANTED_SPEEDUP,
        missed=lambda speedup: speedup.high < WANTED_SPEEDUP,
        words=lambda speedup: f"{speedup.point:.2f}x",
    )


def linearity_target(benchmark: ScalabilityBenchmark) -> Target:
    """Judge "linear to 8 workers": the efficiency is above 85 % at every level up to 8."""
    name = f"linear to {LINEAR_TO_WORKERS} workers"
    levels = [row for row in benchmark.levels if 1 < row.workers <= LINEAR_TO_WORKERS]
    reached = max((row.workers for row in levels if not row.oversubscribed), default=1)
    if reached < LINEAR_TO_WORKERS:
        so_far = [row for row in levels if not row.oversubscribed]
        found = "; ".join(f"{row.workers} workers {row.efficiency.point:.0%}" for row in so_far)
        return _not_measurable(name, benchmark, needed=LINEAR_TO_WORKERS, found=found)
    return _judged(
        name,
        [(f"{row.workers} workers", row.efficiency) for row in levels],
        met=lambda efficiency: efficiency.low > GOOD_EFFICIENCY,
        missed=lambda efficiency: efficiency.high <= GOOD_EFFICIENCY,
        words=lambda efficiency: f"{efficiency.point:.0%}",
    )


def synchronisation_target(benchmark: ScalabilityBenchmark) -> Target:
    """Judge "synchronisation overhead below 15 %": workers rarely wait, in every operation."""
    name = "synchronisation overhead < 15 %"
    told = [
        (row.name, row.idle_share) for row in benchmark.operations if row.idle_share is not None
    ]
    if benchmark.workers < 2 or _crowded(benchmark):
        return _not_measurable(name, benchmark, needed=2)
    if not benchmark.operations:
        return _nothing_measured(name)
    if not told:
        found = f"the backend {benchmark.backend} does not tell when its workers work"
        return Target(name=name, verdict=TargetVerdict.NOT_MEASURABLE, found=found)
    return _judged(
        name,
        told,
        met=lambda share: share.high < WANTED_IDLE_SHARE,
        missed=lambda share: share.low >= WANTED_IDLE_SHARE,
        words=lambda share: f"{share.point:.0%}",
    )


def _crowded(benchmark: ScalabilityBenchmark) -> bool:
    return benchmark.workers > benchmark.cores


def _not_measurable(
    name: str, benchmark: ScalabilityBenchmark, *, needed: int, found: str = ""
) -> Target:
    if benchmark.cores < needed:
        why = (
            f"needs {needed} workers on {needed} cores; this was {benchmark.workers} on "
            f"{benchmark.cores}"
        )
    elif _crowded(benchmark):
        why = (
            f"{benchmark.workers} workers shared {benchmark.cores} cores: measure with {needed} "
            f"to {benchmark.cores}"
        )
    else:
        why = f"nothing was measured with {needed} workers, for which there are cores: ask for it"
    words = f"{why}; so far: {found}" if found else why
    return Target(name=name, verdict=TargetVerdict.NOT_MEASURABLE, found=words)


def _nothing_measured(name: str) -> Target:
    return Target(
        name=name, verdict=TargetVerdict.NOT_MEASURABLE, found="no operation was measured"
    )


def _judged(
    name: str,
    figures: Sequence[tuple[str, Estimate]],
    *,
    met: Callable[[Estimate], bool],
    missed: Callable[[Estimate], bool],
    words: Callable[[Estimate], str],
) -> Target:
    """Return met if every figure meets the target, missed if one misses it for certain."""
    failing = [(what, figure) for what, figure in figures if missed(figure)]
    open_ones = [(what, figure) for what, figure in figures if not met(figure)]
    if failing:
        verdict, shown = TargetVerdict.MISSED, failing
    elif open_ones:
        verdict, shown = TargetVerdict.UNDECIDED, open_ones
    else:
        verdict, shown = TargetVerdict.MET, list(figures)
    listing = ", ".join(f"{what} {words(figure)}" for what, figure in shown)
    return Target(name=name, verdict=verdict, found=listing)
