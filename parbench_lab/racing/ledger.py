"""What is known at one batch size: the evidence, and typical times to plan blocks with."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from parbench_lab.analysis.diagnosis import Canary
from parbench_lab.analysis.record import EpochRecord
from parbench_lab.core.estimate import Estimate
from parbench_lab.core.measurement import Measurement
from parbench_lab.core.metric import Metric
from parbench_lab.core.quantiles import median_estimate
from parbench_lab.racing import allocation
from parbench_lab.racing.settings import Settings

KEPT_VALUES = 128
SLOT_OVERHEAD_S = 50e-6
CASE_SHARE = 0.02
MAX_BLOCKS_PER_CASE = 64
FIRST_LIMIT_S = 5.0
PATIENCE_WITH_REPEATS = 20
"""So many times what they typically take, repeated calls may last, whatever one call may."""
LATEST = 8
"""Runs that tell how long a candidate takes now, where it may have changed."""


@dataclass(slots=True)
class Samples:
    """Recent values of one candidate; `repeats` is fixed before an epoch's first judged block.

    Calls in a long loop are quicker than calls that stand alone (warm caches), so measurements
    with different repeats are not compared within an epoch. `practised_s` is the shortest of its
    runs before, in practice or of late in the epoch before: a longer one was held up.
    """

    values: dict[str, deque[float]] = field(default_factory=dict)
    peak_rss_bytes: float | None = None
    repeats: int = 1
    practised_s: float = math.inf
    _medians: dict[str, float] = field(default_factory=dict)
    _intervals: dict[str, Estimate] = field(default_factory=dict)

    def add(self, measurement: Measurement) -> None:
        """Keep a measurement's values."""
        self._medians.clear()
        self._intervals.clear()
        for name, value in measurement.values.items():
            self.values.setdefault(name, deque(maxlen=KEPT_VALUES)).append(value)
        peak = measurement.values.get("peak_rss_bytes")
        if peak is not None:
            self.peak_rss_bytes = max(peak, self.peak_rss_bytes or 0.0)

    def latest_s(self) -> float | None:
        """Return the shortest of the latest runs in seconds, None without any."""
        kept = self.values.get("wall_time_s")
        return min(list(kept)[-LATEST:]) if kept else None

    def median(self, metric: str) -> float | None:
        """Return the median of a metric's kept values, None where there are none."""
        if metric not in self._medians:  # many blocks are planned between two results
            kept = self.values.get(metric)
            if not kept:
                return None
            self._medians[metric] = middle(kept)
        return self._medians[metric]

    def interval(self, metric: str) -> Estimate | None:
        """Return the median of a metric's kept values with its interval, None without any."""
        if metric not in self._intervals:
            kept = self.values.get(metric)
            if not kept:
                return None
            self._intervals[metric] = median_estimate(list(kept))
        return self._intervals[metric]


@dataclass(slots=True)
class Company:
    """Recent costs of the leader while it ran alone, and while others were at work beside it."""

    alone: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT_VALUES))
    together: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT_VALUES))


class Ledger:
    """Evidence and samples of one batch size with one set of objectives."""

    def __init__(
        self, *, batch_size: int, objectives: Sequence[Metric], settings: Settings, serial: int = 0
    ) -> None:
        self.serial = serial
        self.batch_size = batch_size
        self.objectives = tuple(objectives)
        self.record = EpochRecord(
            self.objectives,
            (),
            min_elimination_threshold=settings.min_elimination_threshold,
            epoch_blocks=settings.epoch_blocks,
        )
        self.canary = Canary()
        self.samples: dict[str, Samples] = {}
        self.settled: set[str] = set()
        self.settling: set[str] = set()
        self.wanted_s: float | None = None
        """How long a measurement shall last, fixed with the repeats before the first block."""
        self.patient_until_s: float | None = None
        self.beaten: set[str] = set()
        """Those whom evidence put out here; others in the record may be out for other reasons."""
        self.final_ratios: dict[str, Estimate] = {}
        self.first_limit_s = FIRST_LIMIT_S
        self.judged = 0
        self.race_blocks = 0
        self.company: dict[str, Company] = {}
        self.case_seed = 0
        self.case_left = 0
        self._made_case_s: deque[float] = deque(maxlen=KEPT_VALUES)

    def sample(self, measurement: Measurement) -> None:
        """Keep what an ``ok`` measurement tells about typical values."""
        self.samples.setdefault(measurement.candidate, Samples()).add(measurement)

    def company_on(self, gpu: str) -> Company:
        """Return what is known of one GPU's workers; "": of all, where GPUs do not matter."""
        return self.company.setdefault(gpu, Company())

    def renew(self) -> None:
        """Let repeats be fixed anew, by the latest runs: who raced before may have changed."""
        self.wanted_s = None
        for samples in self.samples.values():
            samples.practised_s = samples.latest_s() or samples.practised_s

    def practised(self, measurement: Measurement) -> None:
        """Keep what a first run tells, which counts for nothing but how long a call takes."""
        self.sample(measurement)
        samples = self.samples[measurement.candidate]
        samples.practised_s = min(samples.practised_s, measurement.values["wall_time_s"])

    def settle(self, name: str, measurement: Measurement, min_time_s: float) -> None:
        """Fix a candidate's repeats by warm runs; it takes part from the next block on.

        A run that was too short to tell is asked for again, with the repeats it suggests.
        """
        if name in self.settled:
            return
        known = self.samples.get(name, Samples())
        tried = known.repeats
        samples = self.samples[name] = Samples(repeats=tried, practised_s=known.practised_s)
        self.practised(measurement)
        wanted = allocation.repeats(min_time_s, samples.practised_s)
        if wanted > 2 * tried:
            samples.repeats = wanted
            return
        if self.wanted_s is not None:
            self._share_repeats(name, beside=sorted(self.settled), min_time_s=self.wanted_s)
        self.settled.add(name)
        self.record.join(name)

    def line_up(self, min_time_s: float) -> None:
        """Fix the repeats of all who are ready, from the quickest on; before the first block."""
        if self.wanted_s is not None:
            return
        self.wanted_s = min_time_s
        ready = sorted(self.settled, key=lambda name: (self.samples[name].practised_s, name))
        for place, name in enumerate(ready):
            self._share_repeats(name, beside=ready[:place], min_time_s=min_time_s)

    def _share_repeats(self, name: str, *, beside: Iterable[str], min_time_s: float) -> None:
        others = {self.samples[other].practised_s: self.samples[other].repeats for other in beside}
        samples = self.samples[name]
        samples.repeats = allocation.repeats_beside(min_time_s, samples.practised_s, others)

    def costs(self, measurement: Measurement) -> tuple[float, ...] | None:
        """Return a measurement's cost per objective, None where one cannot be compared."""
        try:
            values = measurement.values
            return tuple(metric.cost(values[metric.name]) for metric in self.objectives)
        except (KeyError, ValueError):
            return None

    def made_case(self, seconds: float) -> None:
        """Note what making a case cost."""
        if seconds > 0:
            self._made_case_s.append(seconds)

    def typical_s(self, name: str) -> float | None:
        """Return a candidate's median seconds per call, None before its first run."""
        samples = self.samples.get(name)
        return samples.median("wall_time_s") if samples else None

    def repeats(self, name: str) -> int:
        """Return how often the candidate's call is repeated in a measurement."""
        samples = self.samples.get(name)
        return samples.repeats if samples else 1

    def block_s(self, names: Iterable[str]) -> float | None:
        """Return about how long a block of these lasts, None where one never ran."""
        total = 0.0
        for name in names:
            typical = self.typical_s(name)
            if typical is None:
                return None
            total += typical * self.repeats(name) + SLOT_OVERHEAD_S
        return total

    def time_limit_s(self, fit: Iterable[str], settings: Settings) -> float:
        """Return the time limit of a measurement; `slot_limit_s` gives repeats more.

        `timeout_s` where it is set; else `cap_factor` times the leader's typical time, at least
        2 s (30 s where time is not the one objective: slow may be good); before anybody came
        back, a first limit that doubles.
        """
        if settings.timeout_s is not None:
            return settings.timeout_s
        known = [typical for name in fit if (typical := self.typical_s(name)) is not None]
        if not known:
            return self.first_limit_s
        only_time = [metric.name for metric in self.objectives] == ["wall_time_s"]
        best = min(known) if only_time else max(known)
        return max(2.0 if only_time else 30.0, settings.cap_factor * best)

    def slot_limit_s(self, name: str, limit_s: float) -> float:
        """Return the time limit of a candidate's measurement: repeats have time enough."""
        typical_s, repeats = self.typical_s(name), self.repeats(name)
        if typical_s is None or repeats == 1:
            return limit_s
        return max(limit_s, PATIENCE_WITH_REPEATS * repeats * typical_s)

    def blocks_per_case(self, block_s: float | None) -> int:
        """Return how many blocks share a case, so that making cases costs about 2 % at most."""
        if not self._made_case_s or not block_s:
            return 1
        wanted = middle(self._made_case_s) / (CASE_SHARE * block_s)
        return max(1, min(MAX_BLOCKS_PER_CASE, round(wanted)))


def middle(values: Iterable[float]) -> float:
    """Return the upper median."""
    ordered = sorted(values)
    return ordered[len(ordered) // 2]
