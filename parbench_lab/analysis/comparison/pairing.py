"""Two runs, candidate by candidate at the same batch size, epoch by epoch. Pure.

Never across batch sizes, workloads or modes; across machines only beside the calibration of both.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from parbench_lab.analysis.comparison import opportunities
from parbench_lab.analysis.comparison.between import UNKNOWN, RunToRun
from parbench_lab.analysis.comparison.bottleneck import (
    Bottleneck,
    Profile,
    bottleneck,
    out_of_memory,
)
from parbench_lab.analysis.comparison.machines import (
    CALIBRATION,
    UNKNOWN_MACHINE,
    SpeedRatio,
    machine_differences,
    tracked_kernel,
)
from parbench_lab.analysis.comparison.medians import FEWEST, cost_median
from parbench_lab.analysis.comparison.meetings import meetings
from parbench_lab.analysis.comparison.samples import Place, Sample
from parbench_lab.analysis.comparison.values import (
    TIME,
    Comparison,
    Opportunity,
    Pair,
    RunFigures,
    Side,
    SideFigure,
)
from parbench_lab.analysis.comparison.verdicts import (
    Difference,
    Judgement,
    Verdict,
    difference,
    judged,
)
from parbench_lab.core.metric import WALL_TIME_S, Metric
from parbench_lab.core.wording import count, percent
from parbench_lab.errors import UsageError

SHIFT_FROM = 3
"""So many candidates that all go the same way look like the machine rather than the code."""

MOST_WITHOUT_COST = 0.05
"""Share of the measurements of a candidate that may be passed over, and the rest be judged."""

BY_EPOCH = (
    "a run came back to a batch size, or somebody became slower at it: its first epochs there are "
    "compared with the first of the other run, the next with the next, and any beyond with the "
    "other's last"
)


def compare_figures(
    baseline: RunFigures,
    new: RunFigures,
    *,
    metric: Metric = WALL_TIME_S,
    tolerance: float = 0.02,
    speed: SpeedRatio | None = None,
    run_to_run: RunToRun = UNKNOWN,
) -> Comparison:
    """Return what became of every candidate from one run to the other.

    Parameters
    ----------
    baseline, new
        Of one workload and one mode.
    metric
        That is compared.
    tolerance
        Up to this fraction (a difference in its unit on an interval scale) is equal.
    speed
        The calibration of both machines, where they differ and it is known.
    run_to_run
        Goes into the intervals where it is known.

    Raises
    ------
    UsageError
        If the runs cannot be compared, or the tolerance is not a fraction from 0 up.
    """
    _refuse_unlike(baseline, new)
    if not 0 <= tolerance < 10:
        raise UsageError(f"tolerance must be within 0 to 10 but got {tolerance}")
    places = sorted(set(baseline.samples) | set(new.samples), key=lambda p: (p[1], p[0]))
    common = [place for place in places if place in baseline.samples and place in new.samples]
    differing = _differing(baseline, new)
    pairs = _pairs(
        baseline,
        new,
        common,
        metric=metric,
        tolerance=tolerance,
        speed=speed if differing else None,
        between=run_to_run,
    )
    return Comparison(
        workload=baseline.workload,
        metric=metric,
        tolerance=tolerance,
        baseline=_side(baseline),
        new=_side(new),
        pairs=pairs,
        only_baseline=tuple(place for place in places if place not in new.samples),
        only_new=tuple(place for place in places if place not in baseline.samples),
        machine_differences=differing,
        speed=speed if differing else None,
        run_to_run=run_to_run,
        opportunities=_opportunities(
            baseline, new, pairs, same_machine=not differing, metric=metric
        ),
        notes=(
            *_one_sided(baseline, new),
            *_unlike_settings(baseline, new),
            *_without_cost(baseline, common, metric),
            *_without_cost(new, common, metric),
            *_notes(pairs, differing, speed, run_to_run, tolerance=tolerance, metric=metric),
        ),
    )


def _differing(baseline: RunFigures, new: RunFigures) -> tuple[str, ...]:
    if baseline.fingerprint and baseline.fingerprint == new.fingerprint:
        return ()
    before, after = baseline.machine, new.machine
    if before is not None and after is not None and before.is_alike(after):
        return ()
    return machine_differences(before, after) or (UNKNOWN_MACHINE,)


def _one_sided(baseline: RunFigures, new: RunFigures) -> tuple[str, ...]:
    """Say in what machines differ whose figures may be set against each other."""
    before, after = baseline.machine, new.machine
    if before is None or after is None or not before.is_alike(after):
        return ()
    # nearly as much memory is as much: it lies on either side of what it is rounded to
    after = dataclasses.replace(after, memory_bytes=before.memory_bytes)
    return tuple(
        f"one machine, but for {differing}: what both runs measured does not use it"
        for differing in machine_differences(before, after)
    )


def _unlike_settings(baseline: RunFigures, new: RunFigures) -> tuple[str, ...]:
    """Say what the two runs set differently, each setting in a sentence."""
    before, after = baseline.case_settings, new.case_settings
    return tuple(
        f"{name}: {before[name]} and {after[name]}; a ratio is of that as much as of the code"
        for name in before
        if name in after and before[name] != after[name]
    )


def _refuse_unlike(baseline: RunFigures, new: RunFigures) -> None:
    for what in ("workload", "mode"):
        before, after = getattr(baseline, what), getattr(new, what)
        if before != after:
            raise UsageError(
                f"runs {baseline.id} and {new.id} differ in their {what} ({before} and {after}): "
                "their figures are never mixed; choose two runs of one (parbench runs)"
            )
    for side in (baseline, new):
        if not side.samples:
            raise UsageError(
                f"run {side.id} has no judged measurements to compare; parbench show {side.id}"
            )


def _pairs(
    baseline: RunFigures,
    new: RunFigures,
    places: Sequence[Place],
    *,
    metric: Metric,
    tolerance: float,
    speed: SpeedRatio | None,
    between: RunToRun,
) -> tuple[Pair, ...]:
    found: dict[int, Difference] = {}
    met = meetings(baseline.samples, new.samples, places)
    for index, one in enumerate(met):
        sides = [_costs(sample, metric) for sample in (one.baseline, one.new)]
        if min(len(costs) for costs in sides) >= FEWEST:
            medians = [cost_median(costs) for costs in sides]
            found[index] = difference(*medians, between=between)
    told = _judged(found, metric, tolerance)
    relative: Mapping[int, Judgement] = {}
    if speed is not None and metric.name == TIME:
        beyond = {index: one - speed.difference for index, one in found.items()}
        relative = _judged(beyond, metric, tolerance)
    return tuple(
        Pair(
            candidate=one.place[0],
            size=one.place[1],
            epochs=one.epochs,
            baseline=_figure(one.baseline, metric),
            new=_figure(one.new, metric),
            judgement=told.get(index),
            relative=relative.get(index),
            bottleneck=_limit(new, one.place),
            tracks=tracked_kernel(told[index].ratio, speed)
            if index in told and metric.name == TIME
            else None,
        )
        for index, one in enumerate(met)
    )


def _judged(
    found: Mapping[int, Difference], metric: Metric, tolerance: float
) -> dict[int, Judgement]:
    judgements = judged(list(found.values()), metric=metric, tolerance=tolerance)
    return dict(zip(found, judgements, strict=True))


def _costs(sample: Sample, metric: Metric) -> list[float]:
    """Return what is compared: nothing where too much of it has no place on the metric's scale.

    What was too quick for a coarse clock is 0 s; without all those, the rest would not be typical.
    """
    values = sample.values.get(metric.name, ())
    if _are_too_many(_n_without_cost(values, metric), values):
        return []
    return [metric.cost(value) for value in values if metric.can_hold(value)]


def _n_without_cost(values: Sequence[float], metric: Metric) -> int:
    return sum(not metric.can_hold(value) for value in values)


def _are_too_many(n_odd: int, values: Sequence[float]) -> bool:
    return n_odd > MOST_WITHOUT_COST * len(values)


def _without_cost(run: RunFigures, places: Sequence[Place], metric: Metric) -> Iterator[str]:
    """Say whose measurements have no place on the metric's scale, and how many they are."""
    for candidate, size in places:
        values = run.samples[candidate, size].values.get(metric.name, ())
        n_odd = _n_without_cost(values, metric)
        if n_odd:
            judged_anyway = not _are_too_many(n_odd, values)
            yield (
                f"{candidate} at {size} in run {run.id}: "
                f"{count(n_odd, 'measurement')} of {len(values)} "
                f"{'passed over' if judged_anyway else 'too many to judge the others'}, "
                f"{metric.name} must be positive to be compared by ratios"
            )


def _figure(sample: Sample, metric: Metric) -> SideFigure:
    values = sample.values.get(metric.name, ())
    n_odd = _n_without_cost(values, metric)
    return SideFigure(
        median=float(np.median(values)) if values else None,
        n=0 if _are_too_many(n_odd, values) else len(values) - n_odd,
        epochs=sample.epochs,
        faults=dict(sample.faults),
    )


# ---------------------------------------------------------------- limits and opportunities


def _median(sample: Sample, metric: str) -> float | None:
    values = sample.values.get(metric, ())
    return float(np.median(values)) if values else None


def _busiest_share(sample: Sample) -> float | None:
    """Return CPU time over wall time in the busiest tenth of the calls."""
    cpu_s, wall_s = (sample.values.get(name, ()) for name in ("cpu_time_s", TIME))
    if not cpu_s or len(cpu_s) != len(wall_s) or not min(wall_s) > 0:
        return None
    return float(np.quantile(np.asarray(cpu_s) / np.asarray(wall_s), 0.9))


def profile_of(run: RunFigures, place: Place) -> Profile | None:
    """Return the figures of a candidate that can show what limits it, None without times."""
    sample = run.samples[place]
    wall_time_s = _median(sample, TIME)
    if not wall_time_s:
        return None
    elsewhere = {
        size: seconds for (name, size), seconds in run.other_times_s.items() if name == place[0]
    }
    here = {
        size: _median(other, TIME)
        for (name, size), other in run.samples.items()
        if name == place[0]
    }
    times = {**elsewhere, **here}
    return Profile(
        size=place[1],
        wall_time_s=wall_time_s,
        cpu_time_s=_median(sample, "cpu_time_s"),
        busiest_share=_busiest_share(sample),
        peak_rss_bytes=_median(sample, "peak_rss_bytes"),
        flop_count=_median(sample, "flop_count"),
        single_flop_count=_median(sample, "single_flop_count"),
        moved_bytes=_median(sample, "moved_bytes"),
        faults=sample.faults,
        times_s={size: seconds for size, seconds in times.items() if seconds},
        memory_bytes=None if run.machine is None else run.machine.memory_bytes,
        on_gpu=place[0] in run.on_gpu or bool(_median(sample, "peak_gpu_growth_bytes")),
    )


def _limit(run: RunFigures, place: Place) -> Bottleneck | None:
    profile = profile_of(run, place)
    if profile is None:  # it never came to its end
        return out_of_memory(run.samples[place].faults)
    return bottleneck(profile, run.roofline)


def _opportunities(
    baseline: RunFigures,
    new: RunFigures,
    pairs: Sequence[Pair],
    *,
    same_machine: bool,
    metric: Metric,
) -> tuple[Opportunity, ...]:
    if metric.name != TIME:
        return ()
    times_s: dict[int, dict[str, float]] = {}
    wrong = _wrong(new)
    # on one machine a pair recommends nobody: it tells where to look
    doubted = frozenset() if same_machine else wrong | _wrong(baseline)
    trusted = [pair for pair in pairs if pair.candidate not in doubted]
    found = list(opportunities.of_pairs(trusted, same_machine=same_machine))
    for place in sorted(new.samples, key=lambda place: (place[1], place[0])):
        profile, limit = profile_of(new, place), _limit(new, place)
        # what is wrong at one size is not to be trusted at another
        if profile is None or limit is None or place[0] in wrong:
            continue
        if not profile.faults:  # nobody is advised to use what may be wrong, or not end
            times_s.setdefault(place[1], {})[place[0]] = profile.wall_time_s
        where_sound = _without_failing_sizes(profile, new, place[0])
        found += opportunities.of_profile(place[0], where_sound, limit, new.roofline)
    # the kernels of the calibration do different work: there is nothing to choose between
    choice = () if new.workload == CALIBRATION else opportunities.of_choice(times_s)
    return opportunities.ranked([*found, *choice])


def _wrong(run: RunFigures) -> frozenset[str]:
    """Return whose results were wrong, at whatever size."""
    return frozenset(name for (name, _), one in run.samples.items() if "wrong" in one.faults)


def _without_failing_sizes(profile: Profile, run: RunFigures, candidate: str) -> Profile:
    """Return the figures without the times of other sizes at which some calls failed."""
    failing = {
        size for (name, size), one in run.samples.items() if name == candidate and one.faults
    }
    failing.discard(profile.size)
    times_s = {size: one for size, one in profile.times_s.items() if size not in failing}
    return dataclasses.replace(profile, times_s=times_s)


# ---------------------------------------------------------------- words


def _side(run: RunFigures) -> Side:
    return Side(
        id=run.id,
        started_utc=run.started_utc,
        commit=run.commit,
        dirty=run.dirty,
        machine=run.fingerprint,
        cpu_model="" if run.machine is None else run.machine.cpu_model,
    )


def _notes(
    pairs: Sequence[Pair],
    differing: Sequence[str],
    speed: SpeedRatio | None,
    run_to_run: RunToRun,
    *,
    tolerance: float,
    metric: Metric,
) -> tuple[str, ...]:
    notes = []
    if differing:
        notes.append(_on_two_machines(speed))
    if any(pair.epochs for pair in pairs):
        notes.append(BY_EPOCH)
    if run_to_run.runs:
        moved = error_words(run_to_run.error, metric)
        notes.append(
            f"medians of unchanged code moved by {moved} (standard deviation) over "
            f"{run_to_run.runs} earlier runs: the intervals hold that"
        )
    else:
        notes.append(
            "the two runs were minutes or days apart: what a process or the machine's state adds "
            "to all of a run is not in the intervals (parbench watch runs both side by side)"
        )
    one_way = _one_way(pairs, metric)
    if one_way and not differing and tolerance > 0:
        notes.append(one_way)
    return tuple(notes)


def error_words(error: float, metric: Metric) -> str:
    """Return a standard deviation of costs as a person reads it.

    A percentage with one digit, as of logarithms; on an interval scale in the metric's unit.

    Examples
    --------
    >>> error_words(0.0123, WALL_TIME_S)
    '1.2 %'
    >>> error_words(0.0123, Metric(name="score", unit="1", scale="interval"))
    '0.0123'
    """
    if metric.scale == "interval":
        return f"{error:.3g}{metric.unit_suffix}"
    return f"{100 * error:.1f} %"


def _on_two_machines(speed: SpeedRatio | None) -> str:
    begin = "two machines: a ratio is of the machines as much as of the code"
    if speed is None:
        return (
            f"{begin}; to see it less the machines' own speed, run parbench race calibration on "
            "both and keep the runs in this store"
        )
    overall = speed.overall
    return (
        f"{begin}; the calibration takes {overall.point:.3g} times as long on the new one "
        f"({overall.low:.3g}-{overall.high:.3g} over {len(speed.kernels)} kernels), and "
        '"relative" is less that'
    )


def _one_way(pairs: Sequence[Pair], metric: Metric) -> str:
    """Return what to think where everybody went the same way, half of them for certain."""
    told = [pair for pair in pairs if pair.judgement is not None]
    moved = [
        pair.judgement.ratio.point - metric.neutral for pair in told if pair.judgement is not None
    ]
    certain = [pair for pair in told if pair.verdict in (Verdict.SLOWER, Verdict.FASTER)]
    names = {pair.candidate for pair in told}
    one_side = all(by > 0 for by in moved) or all(by < 0 for by in moved)
    if len(names) < SHIFT_FROM or not one_side or 2 * len(certain) < len(told):
        return ""
    least, most = (
        percent(by) if metric.scale == "ratio" else f"{by:.3g}{metric.unit_suffix}"
        for by in (min(map(abs, moved)), max(map(abs, moved)))
    )
    return (
        f"all {len(names)} candidates went the same way (by {least} to {most}): that looks like "
        "the machine rather than the code; see parbench doctor and measure again, or let "
        "parbench watch run both builds"
    )
