"""Which batch size is best at each worker count, and from which it is told apart. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from parbench_lab.analysis.curve import ScalingCurve
from parbench_lab.analysis.student import t_quantile
from parbench_lab.core.estimate import Estimate
from parbench_lab.core.wording import duration, listed


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLevel:
    """The batch sizes at one worker count.

    Parameters
    ----------
    workers
        How many.
    times_s
        Batch size to the time of a run; those that have none are left out.
    best
        The batch size with the smallest median time.
    slower
        Batch size to how many times as long as the best it takes, for all others that were
        measured in the same repetitions at least twice. The intervals hold together: confidence
        is shared out among them (Bonferroni), because the best was chosen by looking.
    """

    workers: int
    times_s: Mapping[int, Estimate]
    best: int
    slower: Mapping[int, Estimate]

    @property
    def tied(self) -> tuple[int, ...]:
        """Batch sizes that are not told apart from the best, ascending."""
        unknown = self.times_s.keys() - self.slower.keys() - {self.best}
        equal = {size for size, ratio in self.slower.items() if ratio.low <= 1.0}
        return tuple(sorted(unknown | equal))


def compare_batches(curves: Mapping[int, ScalingCurve]) -> tuple[BatchLevel, ...]:
    """Return how batch sizes compare, fewest workers first.

    Parameters
    ----------
    curves
        Batch size to the curve that was measured with it, in the same study.
    """
    counts = sorted({level.workers for curve in curves.values() for level in curve.levels})
    found = (_level(curves, workers) for workers in counts)
    return tuple(level for level in found if level is not None)


def read_batches(levels: Sequence[BatchLevel], *, unit: str = "items") -> tuple[str, ...]:
    """Return what a comparison says, a sentence for each worker count.

    Parameters
    ----------
    unit
        What a batch size counts, in the plural.
    """
    return tuple(_sentence(level, unit) for level in levels)


def read_parts(curves: Mapping[int, ScalingCurve], *, unit: str = "items") -> tuple[str, ...]:
    """Return which batch sizes leave workers without a batch, a sentence each.

    Parameters
    ----------
    curves
        Batch size to the curve that was measured with it, of jobs whose batches are of their
        items.
    unit
        What a batch size counts, in the plural.
    """
    alone, few = [], []
    for batch_size, curve in sorted(curves.items()):
        last = curve.levels[-1] if curve.levels else None
        parts = math.ceil(last.size / batch_size) if last else 0
        if last is None or parts >= last.workers:
            continue
        if parts == 1:
            alone.append(f"{batch_size:,}")
        else:
            few.append(
                f"batches of {batch_size:,} {unit} make {parts} parts: of {last.workers} workers "
                f"{last.workers - parts} had none"
            )
    whole = f"batches of {listed(alone)} {unit} hold the whole case: one worker has it all"
    noise = "what looks like a speedup there is noise"
    same = ", they are the same, and" if len(alone) > 1 else ", and"
    return (*few, *([f"{whole}{same} {noise}"] if alone else []))


def _level(curves: Mapping[int, ScalingCurve], workers: int) -> BatchLevel | None:
    times_s, runs = {}, {}
    for size, curve in sorted(curves.items()):
        for level in curve.levels:
            if level.workers == workers and level.time_s is not None:
                times_s[size] = level.time_s
                runs[size] = curve.times_at(workers)
    if not times_s:
        return None
    best = min(times_s, key=lambda size: times_s[size].point)
    confidence = next(iter(times_s.values())).confidence
    others = [size for size in times_s if size != best]
    each = 1.0 - (1.0 - confidence) / max(1, len(others))
    ratios = {size: _ratio(runs[size], runs[best], each) for size in others}
    slower = {size: ratio for size, ratio in ratios.items() if ratio is not None}
    return BatchLevel(workers=workers, times_s=times_s, best=best, slower=slower)


def _ratio(
    above_s: Mapping[int, float], below_s: Mapping[int, float], confidence: float
) -> Estimate | None:
    """Return the ratio of times of the same repetitions, None where there are not two."""
    common = sorted(above_s.keys() & below_s.keys())
    if len(common) < 2:
        return None
    logs = [math.log(above_s[number] / below_s[number]) for number in common]
    middle = statistics.fmean(logs)
    error = statistics.stdev(logs) / math.sqrt(len(logs))
    reach = t_quantile(0.5 + confidence / 2, len(logs) - 1) * error
    return Estimate(
        point=math.exp(middle),
        low=math.exp(middle - reach),
        high=math.exp(middle + reach),
        confidence=confidence,
        n=len(logs),
    )


def _sentence(level: BatchLevel, unit: str) -> str:
    best_s = level.times_s[level.best]
    who = "1 worker" if level.workers == 1 else f"{level.workers} workers"
    told = (
        f"with {who} batches of {level.best:,} {unit} took least: {duration(best_s.point)} "
        f"[{duration(best_s.low)}, {duration(best_s.high)}]"
    )
    if len(level.times_s) == 1:
        return f"{told}; there is no other to compare with"
    worse = [
        f"{size:,} took {_times(level.slower[size])} times as long"
        for size in sorted(level.slower)
        if size not in level.tied
    ]
    if not worse:
        return f"{told}; none of the others is told apart from it"
    tied = f"; not told apart from {', '.join(f'{size:,}' for size in level.tied)}"
    return f"{told}; {', '.join(worse)}{tied if level.tied else ''}"


def _times(ratio: Estimate) -> str:
    return f"{ratio.point:.2f} [{ratio.low:.2f}, {ratio.high:.2f}]"
