"""A comparison of two runs as a value: pairs, verdicts, limits, opportunities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from parbench_lab.analysis.comparison.between import UNKNOWN, RunToRun
from parbench_lab.analysis.comparison.bottleneck import Bottleneck
from parbench_lab.analysis.comparison.machines import SpeedRatio
from parbench_lab.analysis.comparison.samples import Place, Sample
from parbench_lab.analysis.comparison.verdicts import Judgement, Verdict
from parbench_lab.core.machine import Machine
from parbench_lab.core.metric import WALL_TIME_S, Metric
from parbench_lab.core.roofline import Roofline
from parbench_lab.core.wording import count, percent

ONLY_BASELINE, ONLY_NEW = "only in the baseline", "only in the new run"
"""Words for what the other side does not have."""
RELATIVE = "the ratio less the calibration"
UNCALIBRATED = "two machines, and no calibration of both"
"""Words for what a verdict across machines is of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFigures:
    """One side of a comparison.

    Parameters
    ----------
    id, workload, started_utc, mode
        Of the run; `started_utc` in ISO format.
    commit, dirty
        Of the working tree it began in.
    fingerprint
        Of its machine; ``""`` where not known.
    machine
        None where the run does not describe it.
    samples
        By candidate and batch size.
    roofline
        The newest of its machine, None where there is none.
    other_times_s
        Median times of a call that runs of the same clean commit, machine and mode had at other
        sizes, and those of this run.
    on_gpu
        Names of the candidates that asked for a GPU.
    case_settings
        Name to value of what a case or its measuring was set to, as far as it changes the time.
    """

    id: str
    workload: str
    started_utc: str
    mode: str
    samples: Mapping[Place, Sample]
    commit: str = ""
    dirty: bool = False
    fingerprint: str = ""
    machine: Machine | None = None
    roofline: Roofline | None = None
    other_times_s: Mapping[Place, float] = field(default_factory=dict)
    case_settings: Mapping[str, str] = field(default_factory=dict)
    on_gpu: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A run as a comparison names it; see `RunFigures`."""

    id: str
    started_utc: str
    commit: str
    dirty: bool
    machine: str
    cpu_model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SideFigure:
    """What one side has of a pair.

    Parameters
    ----------
    median
        In the metric's unit; None without measurements.
    n
        Measurements that can be compared; 0 where too many of them cannot.
    epochs
        Numbers of the epochs they are from.
    faults
        Outcome to how often it came.
    """

    median: float | None
    n: int
    epochs: tuple[int, ...] = ()
    faults: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One candidate at one batch size, on both sides.

    Parameters
    ----------
    epochs
        Where a run came back to the batch size or somebody became slower: the epochs that meet
        here, those of the baseline and those of the new run; else ``""``.
    judgement
        New over baseline; None where one side has too few measurements.
    relative
        The same less what the calibration differs by; None on one machine, and where a machine
        was not calibrated.
    bottleneck
        Of the new side.
    tracks
        The calibration kernel, the only one, whose time differs between the machines as this
        candidate's does.
    """

    candidate: str
    size: int
    baseline: SideFigure
    new: SideFigure
    judgement: Judgement | None
    relative: Judgement | None = None
    bottleneck: Bottleneck | None = None
    tracks: str | None = None
    epochs: str = ""

    @property
    def label(self) -> str:
        """Candidate and batch size in words, and the epochs where there are several."""
        return f"{self.candidate} at {self.size}{self._epochs}"

    @property
    def _epochs(self) -> str:
        return f" (epochs {self.epochs})" if self.epochs else ""

    @property
    def verdict(self) -> Verdict:
        """Of the plain ratio; undecided where there is none."""
        return Verdict.UNDECIDED if self.judgement is None else self.judgement.verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Opportunity:
    """Something worth doing, with what it would gain.

    Parameters
    ----------
    what
        To do, in words.
    candidate, size
        What it is about.
    gain
        Fraction of that time that would be saved, 0 to 1.
    at_most
        Whether the gain is a bound rather than an estimate.
    evidence
        The figures behind it.
    """

    what: str
    candidate: str
    size: int
    gain: float
    evidence: str
    at_most: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What became of every candidate between two runs.

    Parameters
    ----------
    pairs
        By batch size, then by candidate.
    only_baseline, only_new
        Candidate and size that the other side does not have.
    machine_differences
        A phrase for each field in which the machines differ; empty on one machine.
    speed
        The calibration of both machines; None on one machine, and where it is missing.
    run_to_run
        How far medians of unchanged code moved between earlier runs; it is in the intervals.
    opportunities
        Largest gain first.
    notes
        Sentences on how far to trust this.
    """

    workload: str
    metric: Metric
    tolerance: float
    baseline: Side
    new: Side
    pairs: tuple[Pair, ...]
    only_baseline: tuple[Place, ...] = ()
    only_new: tuple[Place, ...] = ()
    machine_differences: tuple[str, ...] = ()
    speed: SpeedRatio | None = None
    run_to_run: RunToRun = UNKNOWN
    opportunities: tuple[Opportunity, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def same_machine(self) -> bool:
        """Whether both runs were measured on machines that are one value."""
        return not self.machine_differences

    @property
    def worse(self) -> tuple[Pair, ...]:
        """The pairs that are slower for certain, or failed only on the new side.

        On two machines those count that are slower beyond what the calibration explains.
        """
        return tuple(pair for pair in self.pairs if self._is_worse(pair))

    @property
    def sentence(self) -> str:
        """How many candidates are equal, faster, slower or undecided, in one sentence.

        On two machines it counts what is so beyond what the calibration explains.
        """
        one_sided = "".join(
            f"; {len(places)} {words}"
            for words, places in ((ONLY_BASELINE, self.only_baseline), (ONLY_NEW, self.only_new))
            if places
        )
        if not self.pairs:
            return f"{self.workload}: undecided, {self._nothing_in_common}{one_sided}"
        counts = dict.fromkeys(Verdict, 0)
        for pair in self.pairs:
            counts[self.verdict_of(pair)] += 1
        said = ", ".join(f"{n} {v.of(self.metric)}" for v, n in counts.items() if n)
        what = "candidate, batch size and epoch" if self.by_epoch else "candidate and batch size"
        of = f"of {count(len(self.pairs), 'pair')} of {what}"
        against = f"({self._machines}against {self.baseline.id}, tolerance {_tolerance(self)})"
        return f"{self.workload}: {said} {of} {against}{one_sided}"

    def __str__(self) -> str:
        return self.sentence

    @property
    def by_epoch(self) -> bool:
        """Whether a run came back to a batch size or changed there: it has several epochs."""
        return any(pair.epochs for pair in self.pairs)

    def told(self, pair: Pair) -> Judgement | None:
        """Return the judgement that counts: on two machines the one less the calibration.

        None where there is none: too few measurements, or two machines without a calibration.
        """
        return pair.judgement if self.same_machine else pair.relative

    def verdict_of(self, pair: Pair) -> Verdict:
        """Return the verdict that counts; undecided where there is none."""
        told = self.told(pair)
        return Verdict.UNDECIDED if told is None else told.verdict

    def basis(self, pair: Pair) -> str:
        """Return in words what `verdict_of` is of."""
        if self.told(pair) is not None:
            return f"the {self.metric.change}" if self.same_machine else RELATIVE
        if pair.judgement is None:
            return "too few measurements"
        return UNCALIBRATED if self.speed is None else "the calibration tells of times only"

    @property
    def _nothing_in_common(self) -> str:
        before, after = ({size for _, size in places} for places in self._one_sided)
        if before & after:
            return "the runs have no candidate at the same batch size in common"
        sizes = [", ".join(map(str, sorted(one))) for one in (before, after)]
        return (
            f"the runs have no batch size in common (baseline {sizes[0]}, new {sizes[1]}): race "
            "one at the other's"
        )

    @property
    def _one_sided(self) -> tuple[tuple[Place, ...], tuple[Place, ...]]:
        return self.only_baseline, self.only_new

    @property
    def _machines(self) -> str:
        if self.same_machine:
            return ""
        calibrated = any(pair.relative is not None for pair in self.pairs)
        less = "less the calibration" if calibrated else "which is not allowed for"
        return f"another machine, {less}, "

    def _is_worse(self, pair: Pair) -> bool:
        failed = bool(pair.new.faults) and not pair.baseline.faults
        return failed or self.verdict_of(pair) is Verdict.SLOWER


def _tolerance(comparison: Comparison) -> str:
    if comparison.metric.scale == "interval":
        return f"{comparison.tolerance:g}{comparison.metric.unit_suffix}"
    return percent(comparison.tolerance)


TIME = WALL_TIME_S.name
