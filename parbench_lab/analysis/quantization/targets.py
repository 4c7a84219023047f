"""What was hoped for of the quantisation, and what a study says of it. Pure.

A target is passed or failed by the whole interval, never by its middle; what needs more cores
than there are is "not measurable here", whatever was measured with them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from parbench_lab.analysis.quantization.results import Point, QuantizationResults
from parbench_lab.core.estimate import Estimate
from parbench_lab.core.wording import count, span

CORES = 8
"""That the targets of speedup and efficiency are about."""
SPEEDUP = 4.0
EFFICIENCY = 0.5
LIMITS_S = {"100M": 120.0, "600M": 600.0, "7B": 1800.0}
MEMORY_RATIO = 0.5
TIME_RATIO = 1.15


class TargetVerdict(StrEnum):
    """Whether a target is reached."""

    PASSED = "passed"
    FAILED = "failed"
    UNDECIDED = "undecided"
    """The interval holds both."""
    NOT_MEASURED = "not measured"
    NOT_MEASURABLE = "not measurable here"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What was hoped for, whether it holds, and the figures behind that."""

    name: str
    verdict: TargetVerdict
    found: str

    def __str__(self) -> str:
        return f"{self.name}: {self.verdict}" + (f" ({self.found})" if self.found else "")


def targets(results: QuantizationResults) -> tuple[Target, ...]:
    """Return every target, judged."""
    return (
        _cores_target(results, f"{SPEEDUP:g}-8x at {CORES} cores", "speedup"),
        _cores_target(results, f"efficiency above 50 % at {CORES} cores", "efficiency"),
        *_time_targets(results),
        *_streaming_targets(results),
    )


def failed(results: QuantizationResults) -> tuple[Target, ...]:
    """Return the targets that could be measured and were missed."""
    return tuple(one for one in targets(results) if one.verdict is TargetVerdict.FAILED)


def sentence(results: QuantizationResults) -> str:
    """Return what was measured, and how many targets are passed and failed."""
    judged = targets(results)
    tally = ", ".join(
        f"{n} {verdict}"
        for verdict in TargetVerdict
        if (n := sum(one.verdict is verdict for one in judged))
    )
    failures = f"{count(len(results.failures), 'run')} failed; " if results.failures else ""
    return (
        f"{count(len(results.points), 'configuration')} in {count(len(results.runs), 'run')}; "
        f"{failures}targets: {tally}"
    )


def _cores_target(results: QuantizationResults, name: str, figure: str) -> Target:
    curve = results.curve
    levels = {level.workers: level for level in curve.levels} if curve else {}
    most = max(
        (n for n, level in levels.items() if level.speedup and n <= results.cores), default=1
    )
    seen = f"; {_figure(getattr(levels[most], figure), figure)} at {most}" if most > 1 else ""
    if results.cores < CORES:
        return Target(
            name=name,
            verdict=TargetVerdict.NOT_MEASURABLE,
            found=f"{count(results.cores, 'core')}{seen}",
        )
    there = getattr(levels[CORES], figure) if CORES in levels else None
    if there is None:
        found = f"no level of {CORES} threads beside one of 1{seen}"
        return Target(name=name, verdict=TargetVerdict.NOT_MEASURED, found=found)
    wanted = SPEEDUP if figure == "speedup" else EFFICIENCY
    verdict = _at_least(there, wanted)
    return Target(name=name, verdict=verdict, found=_figure(there, figure))


def _time_targets(results: QuantizationResults) -> Iterator[Target]:
    for model, limit_s in LIMITS_S.items():
        point = _timed(results, model)
        title = point.configuration.title if point else _TITLES[model]
        name = f"{title} under {limit_s / 60:g} min"
        if point is None or point.time_s is None:
            yield Target(name=name, verdict=TargetVerdict.NOT_MEASURED, found="")
            continue
        verdict = _below(point.time_s, limit_s)
        if verdict is TargetVerdict.FAILED and point.oversubscribed:
            # the limit was set for as many cores as threads
            verdict = TargetVerdict.NOT_MEASURABLE
        one = point.configuration
        shared = f" on {count(results.cores, 'core')}" if point.oversubscribed else ""
        took = (
            f"{point.time_s.point:.3g} s" if point.time_s.point < 60 else span(point.time_s.point)
        )
        threads = f"{one.mode}, {count(one.threads, 'thread')}{shared}"
        yield Target(name=name, verdict=verdict, found=f"{took}, {threads}")


_TITLES = {
    "100M": "100M (104.9 M parameters)",
    "600M": "600M (629 M parameters)",
    "7B": "7B (3.36 B parameters, not 7 B)",
}


def _timed(results: QuantizationResults, model: str) -> Point | None:
    """Return the sweep's point of a model; else the one with the most threads."""
    point = results.of_model(model, threads=results.asked.threads)
    if point is not None and point.time_s is not None:
        return point
    measured = [one for one in results.points if one.configuration.model == model and one.time_s]
    return max(measured, key=lambda one: one.configuration.threads, default=None)


def _streaming_targets(results: QuantizationResults) -> Iterator[Target]:
    found = results.comparison
    ratios = (found.memory_ratio, found.time_ratio) if found else (None, None)
    names = ("streaming memory under 50 % of batch", "streaming time at most 15 % over batch")
    for name, ratio, limit in zip(names, ratios, (MEMORY_RATIO, TIME_RATIO), strict=True):
        if ratio is None:
            yield Target(name=name, verdict=TargetVerdict.NOT_MEASURED, found="")
            continue
        low, high = f"{100 * ratio.low:.3g}", f"{100 * ratio.high:.3g}"
        told = f"{100 * ratio.point:.3g} % of batch" + (f" [{low}, {high}]" if low != high else "")
        yield Target(name=name, verdict=_below(ratio, limit), found=told)


def _at_least(found: Estimate, wanted: float) -> TargetVerdict:
    if found.low >= wanted:
        return TargetVerdict.PASSED
    return TargetVerdict.FAILED if found.high < wanted else TargetVerdict.UNDECIDED


def _below(found: Estimate, limit: float) -> TargetVerdict:
    if found.high < limit:
        return TargetVerdict.PASSED
    return TargetVerdict.FAILED if found.low >= limit else TargetVerdict.UNDECIDED


def _figure(found: Estimate, figure: str) -> str:
    factor, unit, form = (1.0, "x", ".2f") if figure == "speedup" else (100.0, " %", ".0f")
    point, low, high = (
        format(factor * value, form) for value in (found.point, found.low, found.high)
    )
    return f"{point}{unit}" + (f" [{low}, {high}]" if low != high else "")
