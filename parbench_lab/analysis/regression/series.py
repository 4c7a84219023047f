"""One watched series: what the rounds of nights say of a new build against the pinned one.

Two detectors, for worse and for better, go on over the nights. Whether both are equal within the
tolerance is asked of tonight's rounds alone: tomorrow's build is another one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

from parbench_lab.analysis.accounts import Accounts, Floats
from parbench_lab.analysis.margins import MARGINS, snap_down, snap_up
from parbench_lab.analysis.regression.detector import Detector, score
from parbench_lab.analysis.regression.intervals import CONFIDENCE, around_median
from parbench_lab.analysis.regression.outlook import (
    Finding,
    Outlook,
    bets_to_alarm,
    bets_to_equal,
)
from parbench_lab.core.estimate import Estimate
from parbench_lab.core.metric import Metric

EQUAL_ODDS = 20.0
"""Evidence at which a build counts as equal: said falsely of at most one in 20."""


class WatchVerdict(StrEnum):
    """What a night says of a series."""

    REGRESSION = "regression"
    IMPROVEMENT = "improvement"
    EQUAL = "equal"
    UNDECIDED = "undecided"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Margins:
    """What counts as a change of a metric, on the scale of its costs.

    Parameters
    ----------
    change
        A change is more than this: the tolerance snapped up to the grid, so that what is called
        a regression is one that can be shown on the grid.
    equal
        Equal is less than this: the tolerance snapped down; 0 for never.
    """

    change: float
    equal: float

    @classmethod
    def of(cls, metric: Metric, tolerance: float) -> Margins:
        """Return the margins of a tolerance (0.02 for 2 %; a difference on an interval scale).

        Raises
        ------
        UsageError
            If the tolerance is beyond the grid.

        Examples
        --------
        >>> margins = Margins.of(Metric(name="wall_time_s", unit="s"), 0.022)
        >>> round(math.expm1(margins.change), 6), round(math.expm1(margins.equal), 6)
        (0.025, 0.02)
        """
        return cls(
            change=metric.margin(MARGINS[snap_up(tolerance)]),
            equal=metric.margin(MARGINS[snap_down(tolerance)]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What a series carries from one night to the next."""

    regression: Detector = field(default_factory=Detector)
    improvement: Detector = field(default_factory=Detector)

    def as_json(self) -> dict[str, Any]:
        """Return both detectors as JSON values."""
        return {
            "regression": self.regression.as_json(),
            "improvement": self.improvement.as_json(),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Memory:
        """Return what `as_json` gave.

        Raises
        ------
        ValueError
            If it is no such thing.
        """
        try:
            return cls(
                regression=Detector.from_json(document["regression"]),
                improvement=Detector.from_json(document["improvement"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"not the memory of a watched series: {error!r}") from error

    def after(self, worse: float, better: float) -> Memory:
        """Return the memory after a bet in each direction."""
        return Memory(
            regression=self.regression.after(worse), improvement=self.improvement.after(better)
        )

    def settled(self, run_length: float) -> Memory:
        """Return what the next night starts from: a detector that raised its alarm starts anew."""
        return Memory(
            regression=_restarted(self.regression, run_length),
            improvement=_restarted(self.improvement, run_length),
        )


class WatchedSeries:
    """One candidate's metric, watched over the rounds of one night.

    Parameters
    ----------
    metric
        Knows its direction: everything here is in costs.
    tolerance
        What counts as a change, 0.02 for 2 %.
    run_length
        Evidence at which an alarm is raised; see `detector.wanted_run_length`.
    memory
        Of the nights before.

    Examples
    --------
    >>> from parbench_lab.core.metric import WALL_TIME_S
    >>> series = WatchedSeries(WALL_TIME_S, tolerance=0.02, run_length=20_000)
    >>> for _ in range(20):
    ...     scores = series.observe([1.10] * 10, [1.00] * 10)
    >>> series.verdict.value, round(series.ratio.point, 3)
    ('regression', 1.1)
    """

    def __init__(
        self,
        metric: Metric,
        *,
        tolerance: float,
        run_length: float,
        memory: Memory | None = None,
    ) -> None:
        self.metric = metric
        self.run_length = run_length
        self.memory = memory or Memory()
        self._margins = Margins.of(metric, tolerance)
        self._equal = Accounts((2,))
        self._effects: list[float] = []
        self._changes: list[tuple[float, float]] = []
        self._insides: list[tuple[float, float]] = []

    def observe(self, new: Sequence[float], baseline: Sequence[float]) -> tuple[float, float]:
        """Take the blocks of one round, one bet; return its scores for worse and for better.

        Parameters
        ----------
        new, baseline
            Values of the metric, block by block; NaN for a run that failed, which has lost.
        """
        there, here = self._costs(new), self._costs(baseline)
        worse = float(score(there, here, self._margins.change))
        better = float(score(here, there, self._margins.change))
        self.memory = self.memory.after(worse, better)
        # equal: what is bet on is "not worse by so much" and "not better by so much"
        inside = np.array(
            [score(here, there, -self._margins.equal), score(there, here, -self._margins.equal)]
        )
        self._equal.settle(inside)
        self._changes.append((worse, better))
        self._insides.append((float(inside[0]), float(inside[1])))
        measured = np.isfinite(there) & np.isfinite(here)
        if measured.any():
            self._effects.append(float(np.median((there - here)[measured])))
        return worse, better

    def _costs(self, values: Sequence[float]) -> Floats:
        return np.array([math.inf if math.isnan(v) else self.metric.cost(v) for v in values])

    @property
    def rounds(self) -> int:
        """How many rounds of tonight were measured on both sides."""
        return len(self._effects)

    @property
    def bets(self) -> int:
        """How many bets were made tonight."""
        return len(self._changes)

    @property
    def verdict(self) -> WatchVerdict:
        """What is known by now."""
        if self.memory.regression.evidence >= self.run_length:
            return WatchVerdict.REGRESSION
        if self.memory.improvement.evidence >= self.run_length:
            return WatchVerdict.IMPROVEMENT
        if self._margins.equal > 0 and self.equal_evidence >= EQUAL_ODDS:
            return WatchVerdict.EQUAL
        return WatchVerdict.UNDECIDED

    @property
    def alarmed(self) -> bool:
        """Whether a change was found: more rounds tonight add nothing."""
        return self.verdict in (WatchVerdict.REGRESSION, WatchVerdict.IMPROVEMENT)

    @property
    def equal_evidence(self) -> float:
        """Odds that both are equal within the tolerance: the weaker of the two directions."""
        return math.exp(min(700.0, float(self._equal.log_peak.min())))

    def outlook(self, blocks_per_bet: float) -> Outlook | None:
        """Return what would be shown first if it went on as tonight; None where nobody can say.

        Parameters
        ----------
        blocks_per_bet
            How many blocks a bet takes, for the answer is in blocks.
        """
        worse, better = ([change[way] for change in self._changes] for way in (0, 1))
        insides = self._insides if self._margins.equal > 0 else []
        found: dict[Finding, int | None] = {
            "regression": bets_to_alarm(self.memory.regression, worse, self.run_length),
            "improvement": bets_to_alarm(self.memory.improvement, better, self.run_length),
            "equal": bets_to_equal(self._equal, insides, EQUAL_ODDS),
        }
        outlooks = [
            Outlook(finding=finding, blocks=math.ceil(bets * blocks_per_bet))
            for finding, bets in found.items()
            if bets is not None
        ]
        return min(outlooks, key=lambda one: one.blocks, default=None)

    @property
    def ratio(self) -> Estimate | None:
        """Times worse than the baseline, over tonight's rounds; None before the first.

        A difference in the metric's unit on an interval scale. A round is one observation; the
        interval is Student's t on the costs.
        """
        if not self._effects:
            return None
        low, point, high = around_median(self._effects)
        values = [self.metric.ratio(cost) for cost in (low, point, high)]
        return Estimate(
            low=values[0],
            point=values[1],
            high=values[2],
            confidence=CONFIDENCE,
            n=len(self._effects),
        )


def _restarted(detector: Detector, run_length: float) -> Detector:
    return Detector() if detector.evidence >= run_length else detector
