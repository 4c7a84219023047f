"""Commits raced against the good one, each in fresh processes: who got worse, and where."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from parbench_lab.analysis.accounts import Accounts
from parbench_lab.analysis.margins import MARGINS, snap_up
from parbench_lab.analysis.regression.bisection import Bisection, Trial
from parbench_lab.analysis.regression.detector import score
from parbench_lab.analysis.regression.intervals import CONFIDENCE, around_median
from parbench_lab.core import wording
from parbench_lab.core.estimate import Estimate
from parbench_lab.core.measurement import Measurement, Outcome
from parbench_lab.core.metric import MEASURED_METRICS, Metric, Scale
from parbench_lab.errors import ParbenchError, UnknownNameError, UsageError
from parbench_lab.execution.builds import git
from parbench_lab.execution.builds.build import Build, Order
from parbench_lab.execution.builds.pairing import Duel, Pair, Plan
from parbench_lab.lab.watching.baselines import ref_build

MAX_FAILURES = 3
"""Failures of the good commit before a candidate none of whose rounds counted is given up."""

Progress = Callable[["CommitTrial"], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitTrial:
    """One commit's race against the good one.

    Parameters
    ----------
    ratio
        Times the good commit's cost, of the candidate that is about; None where not measured.
    reason
        Why it is so, where it is not the ratio.
    scale
        Of the metric: on ``"interval"`` `ratio` is a difference.
    """

    commit: str
    subject: str
    trial: Trial
    ratio: Estimate | None = None
    rounds: int = 0
    reason: str = ""
    scale: Scale = "ratio"

    @property
    def sentence(self) -> str:
        """The commit and what was found."""
        about = self.reason or wording.beside(self.ratio, self.scale, "the good one's cost")
        return f"{self.commit[: git.SHORT]} {self.trial}: {about} ({self.subject})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What counts as worse, and when it is decided; parameters as for `bisect`."""

    metric: str
    tolerance: float
    evidence: float
    rounds: int


@dataclass(slots=True)
class _Suspect:
    """A candidate's race of one commit against the good one: two accounts, bad and good."""

    metric: Metric
    margin: float
    accounts: Accounts = field(default_factory=lambda: Accounts((2,)))
    effects: list[float] = field(default_factory=list)
    failed: str = ""
    good_failures: int = 0
    good_failed: str = ""
    seen: bool = False
    measured: bool = False

    @property
    def spoilt(self) -> bool:
        """Whether no round counted because the good commit itself failed."""
        return self.good_failures > 0 and not (self.seen or self.failed)

    @property
    def given_up(self) -> bool:
        """Whether more rounds would end like the first ones."""
        return self.spoilt and self.good_failures >= MAX_FAILURES

    @property
    def unmeasured(self) -> bool:
        """Whether blocks came and went without the metric; none at all say nothing of it."""
        return self.seen and not (self.measured or self.failed)

    def take(self, duels: Sequence[Duel]) -> None:
        """Bet on one round."""
        fatal = [d for d in duels if d.new.outcome is not Outcome.OK]
        spoiling = [d for d in duels if d.baseline.outcome is not Outcome.OK]
        if spoiling:
            self.good_failures += 1
            self.good_failed = _words(spoiling[0].baseline)
            return
        if fatal:
            self.failed = _words(fatal[0].new)
            return
        name = self.metric.name
        # of a metric of the check only the first block of a round tells: the others say nothing
        told = [
            (d.new.values[name], d.baseline.values[name])
            for d in duels
            if d.block >= 0 and name in d.new.values and name in d.baseline.values
        ]
        self.seen |= any(d.block >= 0 for d in duels)
        self.measured |= bool(told)
        if not told:
            return
        new, base = (
            np.array([self.metric.cost(value) for value in side])
            for side in zip(*told, strict=True)
        )
        outcome = [score(new, base, self.margin), score(base, new, -self.margin)]
        self.accounts.settle(np.array(outcome))
        self.effects.append(float(np.median(new - base)))

    def verdict(self, evidence: float) -> Trial:
        """Return what is known by now."""
        if self.failed:
            return Trial.BAD
        bad, good = self.accounts.log_peak
        if max(bad, good) < math.log(evidence):
            return Trial.UNDECIDED
        return Trial.BAD if bad >= good else Trial.GOOD

    @property
    def ratio(self) -> Estimate | None:
        """Times the good commit's cost."""
        if not self.effects:
            return None
        low, point, high = (self.metric.ratio(cost) for cost in around_median(self.effects))
        return Estimate(
            low=low, point=point, high=high, confidence=CONFIDENCE, n=len(self.effects)
        )


@dataclass(slots=True, kw_only=True)
class CommitRaces:
    """Races of commits against the good one; follows the candidate that got worst.

    Parameters
    ----------
    root, here
        The repository, and the folder in it from which the target is named.
    base, order
        The good commit's build, and what both builds of a race are asked for.
    folder
        For the builds' own files; its owner deletes it.
    plan, rule, stop
        Of one round, of all, and what ends them early.
    workload, candidate, left_out
        Found by `first`: the target's workload, the candidate that is followed (``""``: none got
        worse), and who was not judged, with the reason.
    """

    root: Path
    here: Path
    base: Build
    order: Order
    folder: Path
    plan: Plan
    rule: Rule
    stop: Callable[[], bool]
    workload: str = ""
    candidate: str = ""
    left_out: tuple[str, ...] = ()
    _metric: Metric | None = None
    _margin: float = 0.0
    _fails: bool = False

    def searched(
        self, search: Bisection, progress: Progress
    ) -> tuple[Bisection, tuple[CommitTrial, ...]]:
        """Race commit after commit until one is left, or none helps; tell of each."""
        told = [self.first(search.commits[-1])]
        progress(told[0])
        while self.candidate and len(search.suspects) > 1 and not self.stop():
            place = search.next_place
            if place is None:
                break
            found = self.trial(search.commits[place])
            search = search.after(place, found.trial)
            told.append(found)
            progress(found)
        return search, tuple(told)

    def first(self, commit: str) -> CommitTrial:
        """Race good against bad: which candidate got worse, and by how much."""
        with ExitStack() as stack:
            pair = self._pair(commit, stack)
            meeting = pair.meet()
            known = {**MEASURED_METRICS, **{m.name: m for m in meeting.new.metrics}}
            if self.rule.metric not in known:
                raise UnknownNameError(
                    f"unknown metric {self.rule.metric!r}; there are {', '.join(sorted(known))}"
                )
            self._metric = known[self.rule.metric]
            self.workload = meeting.new.workload
            self.plan = Plan(
                size=self.plan.size or meeting.new.default_batch_size,
                seed=self.plan.seed,
                blocks=self.plan.blocks,
                timeout_s=self.plan.timeout_s,
                memory="rss" in self._metric.name,
                check=self._metric.name not in MEASURED_METRICS,
            )
            self._margin = self._metric.margin(MARGINS[snap_up(self.rule.tolerance)])
            suspects, rounds = self._raced(pair, meeting.shared)
        sound = [name for name, suspect in suspects.items() if not suspect.spoilt]
        if not sound:
            failed = next(iter(suspects.values())).good_failed
            raise UsageError(f"{self.base.label} itself fails, give another good one: {failed}")
        if all(suspects[name].unmeasured for name in sound):
            raise UsageError(f"metric {self.rule.metric!r} was not measured in any round")
        self.left_out = tuple(
            f"{name}: the good commit itself fails: {suspect.good_failed}"
            for name, suspect in suspects.items()
            if suspect.spoilt
        )
        worst = max(sound, key=lambda name: _badness(suspects[name], self.rule.evidence))
        suspect = suspects[worst]
        trial = suspect.verdict(self.rule.evidence)
        if trial is Trial.BAD:
            self.candidate = worst
            self._fails = bool(suspect.failed)
            if suspect.effects and not suspect.failed:
                # halfway: a commit is good or bad by which of the two it is nearer to
                self._margin = max(self._margin, 0.5 * float(np.median(suspect.effects)))
        return self._told(commit, suspect, trial, rounds)

    def trial(self, commit: str) -> CommitTrial:
        """Race a commit between; one that cannot be raced is undecided."""
        try:
            with ExitStack() as stack:
                suspects, rounds = self._raced(self._pair(commit, stack), (self.candidate,))
        except ParbenchError as error:
            return CommitTrial(
                commit=commit,
                subject=git.subject_of(self.root, commit),
                trial=Trial.UNDECIDED,
                reason=f"cannot be raced: {error}",
            )
        suspect = suspects[self.candidate]
        trial = suspect.verdict(self.rule.evidence)
        if self._fails and not suspect.failed and suspect.effects:
            trial = Trial.GOOD
        elif suspect.failed and not self._fails:
            trial = Trial.UNDECIDED  # it fails for another reason than being slow
        return self._told(commit, suspect, trial, rounds)

    def _raced(self, pair: Pair, names: Sequence[str]) -> tuple[dict[str, _Suspect], int]:
        """Race until all candidates are decided, or the rounds are used up."""
        assert self._metric is not None  # noqa: S101 - `first` comes first
        suspects = {name: _Suspect(self._metric, self._margin) for name in names}
        for number in range(self.rule.rounds):
            open_ones = [
                name
                for name, suspect in suspects.items()
                if suspect.verdict(self.rule.evidence) is Trial.UNDECIDED and not suspect.given_up
            ]
            if not open_ones or self.stop() or (self._fails and number):
                return suspects, number
            duels = pair.round(number, open_ones, self.plan, self.stop)
            for name in open_ones:
                suspects[name].take([duel for duel in duels if duel.candidate == name])
        return suspects, self.rule.rounds

    def _pair(self, commit: str, stack: ExitStack) -> Pair:
        build = ref_build(commit, commit, root=self.root, here=self.here, stack=stack)
        return Pair(build, self.base, self.order, folder=self.folder, here=self.here)

    def _told(self, commit: str, suspect: _Suspect, trial: Trial, rounds: int) -> CommitTrial:
        return CommitTrial(
            commit=commit,
            subject=git.subject_of(self.root, commit),
            trial=trial,
            ratio=suspect.ratio,
            rounds=rounds,
            reason=f"the good one failed: {suspect.good_failed}"
            if suspect.spoilt
            else suspect.failed,
            scale=suspect.metric.scale,
        )


def _badness(suspect: _Suspect, evidence: float) -> tuple[bool, bool, float]:
    """Return what sorts candidates: shown to be bad, then failing, then how much worse."""
    worse = float(np.median(suspect.effects)) if suspect.effects else 0.0
    return suspect.verdict(evidence) is Trial.BAD, bool(suspect.failed), worse


def _words(measurement: Measurement) -> str:
    return f"{measurement.outcome.value}: {measurement.message}"
