"""A scaling curve: what a job takes over the number of workers, each number with its interval.

Pure. Ratios (speedup, efficiency) are taken within each repetition, so a machine that was slow for
a while slows both sides of them.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, cast

from parbench_lab.analysis import laws
from parbench_lab.analysis.repeats import estimate_positive
from parbench_lab.analysis.serial_fraction import serial_fraction
from parbench_lab.analysis.table import trials_of
from parbench_lab.analysis.trial import TimeShares, Trial, are_identical
from parbench_lab.core.estimate import Estimate
from parbench_lab.core.given import checked_confidence, checked_count
from parbench_lab.errors import UsageError

if TYPE_CHECKING:
    from parbench_lab.analysis.laws import Fit, Law

Mode = Literal["strong", "weak"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One worker count of a curve.

    Parameters
    ----------
    workers, size
        How many worked on how many items; the most that might, in an adaptive study.
    mean_workers
        How many of them were in use, averaged over the time of a run, in an adaptive study; None
        in all others.
    time_s
        Of one run; None where none was ok.
    speedup, efficiency
        Against the base level of the curve: over its time (strong), and per worker. In weak
        scaling the speedup is the scaled one (Gustafson's).
    throughput
        Items per second.
    serial_fraction
        From the speedup; None at the base level, and where no fraction explains the speedup. In
        strong scaling Karp and Flatt's (with more than one worker as the base: the fraction with
        which Amdahl's law leads through both levels), a share of the time on one worker. In weak
        scaling the scaled one: by Gustafson's law, a share of the time on these workers. See
        `parbench_lab.analysis.serial_fraction`.
    peak_memory_bytes
        Of this process and the workers together; None where not measured.
    oversubscribed
        More workers than cores that are ours.
    failures
        What went wrong in runs that do not count, one line each.
    shares
        Where the workers' time went, of all runs together; None where not known.
    """

    workers: int
    size: int
    mean_workers: Estimate | None = None
    time_s: Estimate | None = None
    speedup: Estimate | None = None
    efficiency: Estimate | None = None
    throughput: Estimate | None = None
    serial_fraction: Estimate | None = None
    peak_memory_bytes: Estimate | None = None
    oversubscribed: bool = False
    failures: tuple[str, ...] = ()
    shares: TimeShares | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingCurve:
    """What a study measured of one job on one backend.

    Parameters
    ----------
    name, backend, unit
        Of the job; ``"threads"``, ``"processes"``, ``"dask"``; what its items are.
    mode
        ``"strong"``: the same case for all; ``"weak"``: it grows with the workers.
    cores
        How many cores were ours; more workers are marked as oversubscribed. On a given cluster:
        how many workers it has, each of which works on one part at a time.
    on_cluster
        Whether the workers were those of a given cluster.
    adaptive
        How many workers were in use followed the load of the machine: there is a time, and
        neither a speedup nor a law.
    trials
        Every run, in the order in which they were measured.
    tolerance
        Largest relative difference between results that counted as the same; 0: none.
    machine
        Fingerprint of the machine; "" where not known.
    confidence
        Of all intervals.
    """

    name: str
    backend: str
    mode: Mode = "strong"
    unit: str = "items"
    cores: int
    on_cluster: bool = False
    adaptive: bool = False
    trials: tuple[Trial, ...] = ()
    tolerance: float = 0.0
    machine: str = ""
    confidence: float = 0.95
    _levels: dict[str, tuple[Level, ...]] = field(
        default_factory=dict, init=False, repr=False, compare=False, hash=False
    )

    @classmethod
    def from_times(
        cls,
        workers: Sequence[int],
        time_s: Any,
        *,
        name: str = "table",
        unit: str = "items",
        cores: int | None = None,
        backend: str = "recorded",
        mode: Mode = "strong",
        size: int = 1,
        machine: str = "",
        confidence: float = 0.95,
    ) -> ScalingCurve:
        """Return the curve of a table of times, such as one that was published.

        Parameters
        ----------
        workers
            Worker counts; one that comes again is its next repetition.
        time_s
            Seconds, positive: one for each count, or a row of repetitions for each (NaN where a
            run is missing). Ratios are taken within repetitions.
        cores
            How many there were; as many as the most workers by default, so none is marked.
        backend
            What ran the parts, for titles.
        size
            Items of the case, per worker in weak scaling, at least 1; throughput needs it.
        name, unit, mode, machine, confidence
            As for `ScalingCurve`.

        Raises
        ------
        UsageError
            If the table makes no sense; the text says why.

        Examples
        --------
        >>> curve = ScalingCurve.from_times([1, 2, 4], [[8.0, 8.2], [4.1, 4.3], [2.4, 2.2]])
        >>> [round(level.speedup.point, 2) for level in curve.levels]
        [1.0, 1.93, 3.53]
        """
        if mode not in ("strong", "weak"):
            raise UsageError(f"mode must be 'strong' or 'weak' but got {mode!r}")
        checked_confidence(confidence)
        cores = None if cores is None else checked_count(cores, "cores")
        trials = trials_of(workers, time_s, size=size, weak=mode == "weak")
        if not trials:
            raise UsageError("time_s has no time at all")
        return cls(
            name=name,
            backend=backend,
            mode=mode,
            unit=unit,
            cores=max(run.workers for run in trials) if cores is None else cores,
            trials=trials,
            machine=machine,
            confidence=confidence,
        )

    @property
    def levels(self) -> tuple[Level, ...]:
        """The levels with at least one run, fewest workers first."""
        if "levels" not in self._levels:
            counts = sorted({trial.workers for trial in self.trials})
            self._levels["levels"] = tuple(self._level(count) for count in counts)
        return self._levels["levels"]

    @property
    def base(self) -> int | None:
        """The fewest workers that have a time; speedups are against them, as if they scaled."""
        counts = [trial.workers for trial in self.trials if trial.time_s is not None]
        return min(counts, default=None)

    @property
    def case_size(self) -> int:
        """Items of a case, in weak scaling for each worker; 0 before the first run.

        Examples
        --------
        >>> curve = ScalingCurve.from_times([2, 4], [8.0, 8.2], size=500, mode="weak")
        >>> [level.size for level in curve.levels], curve.case_size
        ([1000, 2000], 500)
        """
        first = min(self.trials, key=lambda trial: trial.workers, default=None)
        if first is None:
            return 0
        return first.size // first.workers if self.mode == "weak" else first.size

    def is_beyond(self, workers: int) -> bool:
        """Return whether so many workers share cores; a cluster's never do, as far as is known."""
        return workers > self.cores and not self.on_cluster

    def times_at(self, workers: int) -> Mapping[int, float]:
        """Return repetition to the time of a level's run in seconds, for all runs that count."""
        return {number: run.time_s for number, run in self._runs(workers).items() if run.time_s}

    def _runs(self, workers: int) -> dict[int, Trial]:
        """Return repetition to the run of a level that counts."""
        return {t.repetition: t for t in self.trials if t.workers == workers and t.time_s}

    def _level(self, workers: int) -> Level:
        tried = [trial for trial in self.trials if trial.workers == workers]
        failures = tuple(trial.message for trial in tried if trial.time_s is None)
        about: dict[str, Any] = {
            "workers": workers,
            "size": tried[-1].size,
            "oversubscribed": self.is_beyond(workers),
            "failures": failures,
        }
        runs = self._runs(workers)
        base = self.base
        if not runs or base is None:
            return Level(**about)
        times = [float(run.time_s or 0.0) for run in runs.values()]
        if self.adaptive:
            about["mean_workers"] = self._estimate([run.mean_workers for run in runs.values()])
        speedups = [] if self.adaptive else self._speedups(runs)
        speedup = self._estimate(speedups) if speedups else None
        return Level(
            **about,
            time_s=self._estimate(times),
            speedup=speedup,
            efficiency=_scaled(speedup, 1.0 / workers),
            throughput=self._estimate(
                [run.size / float(run.time_s or 1) for run in runs.values()]
            ),
            serial_fraction=speedup
            and serial_fraction(speedup, workers=workers, base=base, weak=self.mode == "weak"),
            peak_memory_bytes=self._peak(runs.values()),
            shares=_pooled_shares(runs.values()),
        )

    def _speedups(self, runs: Mapping[int, Trial]) -> list[float]:
        base = self.base or 1
        against = self._runs(base)
        found = []
        for repetition, run in runs.items():
            if repetition in against:
                ratio = float(against[repetition].time_s or 0) / float(run.time_s or 1)
                work = run.size / against[repetition].size if self.mode == "weak" else 1.0
                found.append(base * ratio * work)
        return found

    def _peak(self, runs: Any) -> Estimate | None:
        peaks = [float(run.peak_memory_bytes) for run in runs if run.peak_memory_bytes]
        return self._estimate(peaks) if peaks else None

    def _estimate(self, values: Sequence[float]) -> Estimate:
        return estimate_positive(values, confidence=self.confidence)

    # ------------------------------------------------------------ what it says

    @property
    def agreement(self) -> str:
        """Whether all worker counts gave the same result, in one sentence."""
        answered = [trial for trial in self.trials if trial.digest]
        if not answered:
            return "no run gave a result"
        worst = max(trial.difference for trial in answered)
        if any(trial.outcome == "differs" for trial in answered):
            wrong = sorted({t.workers for t in answered if t.outcome == "differs"})
            return f"results differ (by up to {worst:.2g}) at {_listed(wrong)} workers"
        if worst == 0.0:
            # each was compared with the serial one of its session; a study may have had several
            apart = "" if are_identical(answered) else " within each session, not between them"
            return f"all {len(answered)} results are identical bit by bit{apart}"
        return (
            f"all {len(answered)} results agree within {worst:.2g} (allowed: {self.tolerance:.2g})"
        )

    @property
    def agrees(self) -> bool:
        """Whether no run's result differed from the first one's by more than is allowed."""
        return not any(trial.outcome == "differs" for trial in self.trials)

    def fit(
        self,
        *,
        law: str = "usl",
        oversubscribed: Literal["exclude", "include"] = "exclude",
        **options: Any,
    ) -> Fit:
        """Fit a law to the times of the levels; see `parbench_lab.laws.fit`.

        Parameters
        ----------
        law
            ``"usl"``, ``"amdahl"`` or ``"gustafson"`` (for a weak curve).
        oversubscribed
            ``"include"`` fits levels beyond the cores that were ours too.
        **options
            As `parbench_lab.laws.fit` takes them.

        Raises
        ------
        UsageError
            If the levels cannot carry a fit, or the law is not about this mode of scaling; the
            text says why.
        """
        if oversubscribed not in ("exclude", "include"):
            raise UsageError(
                f"oversubscribed must be 'exclude' or 'include' but got {oversubscribed!r}"
            )
        if self.adaptive:
            raise UsageError(
                "the workers of this curve followed the load of the machine, so it has no levels; "
                "measure fixed worker counts, such as workers=[1, 2, 3, 4]"
            )
        if law == "gustafson" and self.mode == "strong" and "mode" not in options:
            raise UsageError(
                "Gustafson's law is about work that grows with the workers, and every level of "
                "this curve did the same: measure with mode='weak', or fit law='amdahl'"
            )
        workers, times, crowded = [], [], []
        for trial in self.trials:
            if trial.time_s is not None:
                workers.append(trial.workers)
                times.append(trial.time_s)
                crowded.append(self.is_beyond(trial.workers))
        options.setdefault("confidence", self.confidence)
        options.setdefault("mode", self.mode)
        options.setdefault("oversubscribed", crowded)
        options.setdefault("include_oversubscribed", oversubscribed == "include")
        return laws.fit(workers, time_s=times, law=cast("Law", law), **options)

    def table(self) -> list[dict[str, Any]]:
        """Return one row per level: numbers with ``_low`` and ``_high`` beside each estimate."""
        rows = []
        for level in self.levels:
            row: dict[str, Any] = {"workers": level.workers, "size": level.size}
            for column in fields(Level):
                value = getattr(level, column.name)
                if isinstance(value, Estimate):
                    row[column.name] = value.point
                    row[f"{column.name}_low"] = value.low
                    row[f"{column.name}_high"] = value.high
                elif column.name not in ("workers", "size", "failures", "shares"):
                    row[column.name] = value
            row["failures"] = "; ".join(level.failures)
            rows.append(row)
        return rows


def _scaled(estimate: Estimate | None, factor: float) -> Estimate | None:
    if estimate is None:
        return None
    return Estimate(
        point=estimate.point * factor,
        low=estimate.low * factor,
        high=estimate.high * factor,
        confidence=estimate.confidence,
        n=estimate.n,
    )


_FACTORS = {"load_balance": "communication", "serialisation": "moving"}
"""A ratio of two times of a run to the share that is its denominator; all others are shares."""


def _pooled_shares(runs: Iterable[Trial]) -> TimeShares | None:
    """Return the shares of the time of all runs together, and the factors that are of it.

    A mean of each run's factors would multiply to another efficiency than the mean of the runs'.
    """
    told = [(run.shares, run.time_s) for run in runs if run.shares is not None and run.time_s]
    if not told:
        return None

    def pooled(name: str) -> float | None:
        weights = [time_s for _, time_s in told]
        if name in _FACTORS:
            of = [getattr(shares, _FACTORS[name]) for shares, _ in told]
            if None in of:
                return None
            weights = [weight * part for weight, part in zip(weights, of, strict=True)]
        values = [getattr(shares, name) for shares, _ in told]
        if None in values:
            return None
        return statistics.fmean(values, weights) if sum(weights) > 0.0 else 0.0

    tellers = {shares.told_by for shares, _ in told}
    names = [column.name for column in fields(TimeShares) if column.name != "told_by"]
    means: dict[str, Any] = {name: pooled(name) for name in names}
    return TimeShares(**means, told_by=tellers.pop() if len(tellers) == 1 else "")


def _listed(counts: Sequence[int]) -> str:
    return ", ".join(map(str, counts))
