"""One night: rounds of two builds, fed to the series, until all is said or the budget ends."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from parbench_lab.analysis.regression.outlook import Outlook
from parbench_lab.analysis.regression.report import SeriesReport
from parbench_lab.analysis.regression.series import Memory, WatchedSeries, WatchVerdict
from parbench_lab.core import wording
from parbench_lab.core.measurement import Measurement, Outcome
from parbench_lab.core.metric import Metric
from parbench_lab.execution.builds.pairing import Duel, Pair, Plan

MAX_FAILURES = 3
"""Failures of a build before its candidate is given up; a wrong result is enough at once."""

FOUND_BEFORE = "found by a night that was cut off before it could tell; the next one starts anew"

Scores = Mapping[str, tuple[float, float]]


@dataclass(slots=True)
class _Entrant:
    """A candidate's series by metric, and what went wrong with it.

    `failed` is the new build's fault, `aside` the baseline's; `fault` and `baseline_fault` are
    the last failures that were not yet too many, `alone` the last one beside a baseline that ran.
    """

    series: dict[str, WatchedSeries]
    blocks: int = 0
    failures: int = 0
    baseline_failures: int = 0
    fault: str = ""
    baseline_fault: str = ""
    alone: str = ""
    failed: str = ""
    aside: str = ""

    @property
    def done(self) -> bool:
        """Whether more rounds tonight are of no use."""
        if self.failed or self.aside:
            return True
        # with an alarm of an earlier night, too, tonight's build is run: it may be at fault itself
        return self.blocks > 0 and all(s.alarmed for s in self.series.values())

    def left(self, series: WatchedSeries, run_length: float) -> Memory:
        """Return what the next night starts from; an alarm that a failure hid is not told yet."""
        unheard = self.failed and series.alarmed and not series.bets
        return series.memory if unheard else series.memory.settled(run_length)

    @property
    def faults(self) -> str:
        """What went wrong now and then, "" for nothing."""
        sides = [
            (self.failures, "the new build", self.fault),
            (self.baseline_failures, "the baseline", self.baseline_fault),
        ]
        return "; ".join(
            f"{wording.count(number, 'failure')} of {whose}, the last one {words}"
            for number, whose, words in sides
            if number
        )


class Night:
    """The watched series, and the rounds that feed them.

    Parameters
    ----------
    workload
        Its name.
    candidates, metrics
        What is watched: each pair is a series.
    tolerance, run_length
        As for `WatchedSeries`.
    memories
        Of the nights before, by the series' name.
    """

    def __init__(
        self,
        workload: str,
        candidates: Sequence[str],
        metrics: Sequence[Metric],
        *,
        tolerance: float,
        run_length: float,
        memories: Mapping[str, Memory],
    ) -> None:
        self._workload = workload
        self._run_length = run_length
        self._entrants = {
            name: _Entrant(
                series={
                    metric.name: WatchedSeries(
                        metric,
                        tolerance=tolerance,
                        run_length=run_length,
                        # with the alarm of a night that was killed: nobody has heard of it yet
                        memory=memories.get(self._name(name, metric.name)),
                    )
                    for metric in metrics
                }
            )
            for name in candidates
        }

    def run(
        self,
        pair: Pair,
        plan: Plan,
        n_rounds: int,
        *,
        stop: Callable[[], bool],
        on_round: Callable[[int, Sequence[Duel], Scores], None],
    ) -> bool:
        """Measure round after round; return whether it came to its own end.

        Parameters
        ----------
        n_rounds
            How many at most.
        stop
            Asked before every block.
        on_round
            Told what a round brought, before the next one begins.
        """
        for number in range(n_rounds):
            racing = [name for name, entrant in self._entrants.items() if not entrant.done]
            if not racing:
                return True
            if stop():
                return False
            duels = pair.round(number, racing, plan, stop)
            on_round(number, duels, self.take(duels))
        return True

    def take(self, duels: Sequence[Duel]) -> Scores:
        """Feed a round; return the scores that were bet on, by the series' name."""
        scores: dict[str, tuple[float, float]] = {}
        for name, entrant in self._entrants.items():
            own = [duel for duel in duels if duel.candidate == name]
            for duel in own:
                _charge(entrant, duel)
            judged = [duel for duel in own if duel.block >= 0]
            if entrant.failed or entrant.aside or not judged:
                continue
            entrant.blocks += len(judged)
            for metric, series in entrant.series.items():
                pairs = _values(judged, metric)
                # evidence may fall again: rounds that others still need take back no alarm
                if pairs and not series.alarmed:
                    new, baseline = zip(*pairs, strict=True)
                    scores[self._name(name, metric)] = series.observe(new, baseline)
        return scores

    def memories(self) -> dict[str, Memory]:
        """Return what the next night starts from, by the series' name."""
        return {
            self._name(name, metric): entrant.left(series, self._run_length)
            for name, entrant in self._entrants.items()
            for metric, series in entrant.series.items()
        }

    def reports(
        self, why_not: Callable[[str], str], *, running: bool = False
    ) -> tuple[SeriesReport, ...]:
        """Return the verdicts by now.

        Parameters
        ----------
        why_not
            Returns why a series (by its name) must not block, "" where it may.
        running
            Whether more rounds may come: what did nothing but fail may run yet.
        """
        return tuple(
            self._report(name, metric, entrant, why_not, running=running)
            for name, entrant in self._entrants.items()
            for metric in entrant.series
        )

    def _report(
        self,
        name: str,
        metric: str,
        entrant: _Entrant,
        why_not: Callable[[str], str],
        *,
        running: bool,
    ) -> SeriesReport:
        series = entrant.series[metric]
        verdict, reason = _judged(entrant, series, running=running)
        memory = series.memory
        return SeriesReport(
            workload=self._workload,
            candidate=name,
            metric=metric,
            verdict=verdict,
            ratio=series.ratio,
            evidence=max(memory.regression.evidence, memory.improvement.evidence),
            needed=self._run_length,
            blocks=entrant.blocks,
            quarantined=why_not(self._name(name, metric)),
            reason=reason,
            scale=series.metric.scale,
            outlook=_outlook(series, entrant) if verdict is WatchVerdict.UNDECIDED else None,
        )

    def _name(self, candidate: str, metric: str) -> str:
        return f"{self._workload}/{candidate}/{metric}"


def _judged(
    entrant: _Entrant, series: WatchedSeries, *, running: bool
) -> tuple[WatchVerdict, str]:
    """Return a series' verdict, and what went wrong."""
    if entrant.failed:
        return WatchVerdict.FAILED, entrant.failed
    if series.alarmed:  # what was found before the baseline broke down stays found
        found_before = "" if series.bets else FOUND_BEFORE
        return series.verdict, entrant.aside or found_before
    if entrant.aside:
        return WatchVerdict.UNDECIDED, entrant.aside
    if entrant.alone and not entrant.blocks and not running:
        # too few failures for a long night are all that a short one has seen
        return WatchVerdict.FAILED, entrant.alone
    undecided = series.verdict is WatchVerdict.UNDECIDED
    return series.verdict, entrant.faults if undecided else ""


def _outlook(series: WatchedSeries, entrant: _Entrant) -> Outlook | None:
    if entrant.aside or not series.bets:
        return None
    return series.outlook(entrant.blocks / series.bets)


def _charge(entrant: _Entrant, duel: Duel) -> None:
    """Count what went wrong in a duel, and give the candidate up where it is too much."""
    new, baseline = duel.new, duel.baseline
    if new.outcome is not Outcome.OK:
        entrant.failures += 1
        entrant.fault = _words(new)
    if baseline.outcome is not Outcome.OK:
        entrant.baseline_failures += 1
        entrant.baseline_fault = _words(baseline)
    elif new.outcome is not Outcome.OK:
        entrant.alone = _words(new)
    if baseline.outcome is Outcome.WRONG or entrant.baseline_failures >= MAX_FAILURES:
        entrant.aside = entrant.aside or f"the baseline itself is at fault: {_words(baseline)}"
    elif new.outcome is Outcome.WRONG or entrant.failures >= MAX_FAILURES:
        entrant.failed = entrant.failed or _words(new)


def _words(measurement: Measurement) -> str:
    return f"{measurement.outcome.value}: {measurement.message}"


def _values(duels: Sequence[Duel], metric: str) -> list[tuple[float, float]]:
    """Return a metric's values on both sides; NaN for a run that failed.

    Blocks in which it was not measured (memory is metered now and then) say nothing of it.
    """
    pairs = []
    for duel in duels:
        sides = [_value(duel.new, metric), _value(duel.baseline, metric)]
        if None not in sides:
            pairs.append((sides[0], sides[1]))
    return pairs  # type: ignore[return-value] # None was sorted out above


def _value(measurement: Measurement, metric: str) -> float | None:
    if measurement.outcome is not Outcome.OK:
        return math.nan
    return measurement.values.get(metric)
