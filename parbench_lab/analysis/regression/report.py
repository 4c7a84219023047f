"""What a watch leaves: a verdict per series, and the sentence that says what it means."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from parbench_lab.analysis.regression.outlook import Finding, Outlook
from parbench_lab.analysis.regression.series import WatchVerdict
from parbench_lab.core import wording
from parbench_lab.core.estimate import Estimate
from parbench_lab.core.metric import Scale

SLACK = 1.2
"""A night that is advised has so many times the blocks that are missing: noise varies."""

_GOALS: Mapping[Finding, str] = {
    "regression": "a regression",
    "improvement": "an improvement",
    "equal": "that both are equal",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesReport:
    """One series after a night.

    Parameters
    ----------
    workload, candidate, metric
        What it is.
    verdict
        ``regression``, ``improvement``, ``equal``, ``undecided`` or ``failed``.
    ratio
        Times worse than the baseline tonight, with its interval (a difference on an interval
        scale); None where nothing was measured on both sides.
    evidence
        Of the larger of the two changes, gathered over the nights; an alarm from `needed` on.
    needed
        The wanted run length, in bets.
    blocks
        Measured tonight.
    quarantined
        Why it must not block, "" where it may.
    reason
        What went wrong, "" for nothing.
    outlook
        Of an undecided series: what about how many more blocks would show; None where nobody
        can say, and for a decided one.
    scale
        Of the metric: what `ratio` is.
    """

    workload: str
    candidate: str
    metric: str
    verdict: WatchVerdict
    ratio: Estimate | None = None
    evidence: float = 0.0
    needed: float = 1.0
    blocks: int = 0
    quarantined: str = ""
    reason: str = ""
    outlook: Outlook | None = None
    scale: Scale = "ratio"

    @property
    def name(self) -> str:
        """``workload/candidate/metric``, as a quarantine list names it."""
        return f"{self.workload}/{self.candidate}/{self.metric}"

    @property
    def bad(self) -> bool:
        """Whether it is for the worse, blocking or not."""
        return self.verdict in (WatchVerdict.REGRESSION, WatchVerdict.FAILED)

    @property
    def blocking(self) -> bool:
        """Whether it makes the check fail."""
        return self.bad and not self.quarantined

    @property
    def sentence(self) -> str:
        """The verdict in words, with its evidence."""
        kept = f"; in quarantine: {self.quarantined}" if self.quarantined else ""
        return f"{self.candidate} ({self.metric}): {self._finding}{kept}"

    @property
    def _finding(self) -> str:
        if self.verdict is WatchVerdict.FAILED:
            return f"failed: {self.reason}"
        measured = wording.beside(self.ratio, self.scale, "the baseline's cost")
        evidence = f"evidence {self.evidence:,.3g} of {self.needed:,.3g}"
        if self.verdict is WatchVerdict.UNDECIDED:
            # what went wrong explains why nobody can say; where somebody can, both are told
            missing = self._missing if self.outlook or not self.reason else ""
            told = "; ".join(text for text in (self.reason, missing) if text)
            return f"undecided, {measured}, {evidence}: {told}"
        if self.verdict is WatchVerdict.EQUAL:
            return f"equal within the tolerance, {measured}"
        why = f": {self.reason}" if self.reason else ""
        return f"{self.verdict}, {measured}, {evidence}{why}"

    @property
    def _missing(self) -> str:
        """What an undecided series lacks."""
        shown = "neither a change nor equality is shown by now"
        if self.outlook is None:
            return f"{shown}; how many blocks would show one cannot be told from these"
        more, goal = self.outlook.blocks, _GOALS[self.outlook.finding]
        night = 10 * math.ceil((self.blocks + SLACK * more) / 10)
        told = f"about {more:,} more blocks like these would show {goal}"
        return f"{shown}; {told} (try --blocks {night})"


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchReport:
    """What one run of a watch found.

    Parameters
    ----------
    run_id
        Under which the store keeps it; "" where it is not kept.
    new, baseline
        The two builds, as a person calls them.
    nights
        Runs whose evidence is in this one, itself counted.
    status
        ``finished``, or ``stopped`` where the user or the budget ended it first.
    notes
        What a reader should know beside the verdicts.
    """

    run_id: str
    workload: str
    new: str
    baseline: str
    tolerance: float
    series: tuple[SeriesReport, ...]
    status: str = "finished"
    nights: int = 1
    seconds: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing blocks."""
        return not any(one.blocking for one in self.series)

    def of(self, candidate: str, metric: str = "wall_time_s") -> SeriesReport:
        """Return a series.

        Raises
        ------
        KeyError
            If it was not watched.
        """
        for one in self.series:
            if (one.candidate, one.metric) == (candidate, metric):
                return one
        raise KeyError(f"{candidate}/{metric}")

    @property
    def sentence(self) -> str:
        """What the night says of all series together, undecided ones said plainly."""
        pair = f"{self.new} against {self.baseline}"
        counts = [
            f"{number} {verdict.value}"
            for verdict in WatchVerdict
            if (number := sum(one.verdict is verdict for one in self.series))
        ]
        blocking = [one.sentence for one in self.series if one.blocking]
        found = "; ".join(blocking) if blocking else f"{self._nothing}{self._but}"
        return f"{self.workload}, {pair}: {found} ({', '.join(counts) or 'nothing watched'})"

    @property
    def _nothing(self) -> str:
        """What a check that passed has shown."""
        held = any(one.bad for one in self.series)
        return "no regression that is not in quarantine" if held else "no regression shown"

    @property
    def _but(self) -> str:
        """Say beside a check that passed what it leaves open."""
        undecided = sum(one.verdict is WatchVerdict.UNDECIDED for one in self.series)
        return f", but undecided in {undecided} of {len(self.series)} series" if undecided else ""

    def __str__(self) -> str:
        return self.sentence
