"""The record of one epoch: paired blocks in, evidence out. What policies judge.

Rule 1: everything here follows from the blocks in the order of their dispatch; no clock, no
randomness. Rule 2: memory does not grow with the number of blocks: accounts and counts are
running sums, and only the last `keep` blocks are kept for medians and for the policies that want
the costs themselves.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from parbench_lab.analysis import forecast
from parbench_lab.analysis.accounts import Bools, Floats, Ints, grown, present
from parbench_lab.analysis.answers import Answer, Answers
from parbench_lab.analysis.contest import Claims, contest
from parbench_lab.analysis.diagnosis import VarianceRatio
from parbench_lab.analysis.entries import Entries
from parbench_lab.analysis.intake import alike, parsed
from parbench_lab.analysis.leader_bets import shown
from parbench_lab.analysis.margins import MARGINS, snap_down, snap_up
from parbench_lab.analysis.ranking import disagreement
from parbench_lab.analysis.reasons import Reasons
from parbench_lab.analysis.window import Window, median_estimates
from parbench_lab.core.estimate import Estimate
from parbench_lab.core.metric import Metric
from parbench_lab.core.standing import VerdictKind
from parbench_lab.errors import UsageError

MOST_LOG_ODDS = 700.0
MEAN_BLOCKS = 128


class EpochRecord:
    """The paired blocks of one epoch and the evidence in them.

    Parameters
    ----------
    metrics
        The objectives; costs come in their order. With one, everyone bets against the leader;
        with several, only who is beaten in all of them by one survivor is out.
    names
        Candidates at the start; more can `join`.
    min_elimination_threshold
        The lowest threshold that the bound on errors is stated for. Lower thresholds count as
        this one, so the bound holds wherever a slider moves.
    epoch_blocks
        Blocks per bet, against autocorrelated noise.
    keep
        Blocks whose costs are kept.

    Raises
    ------
    UsageError
        If there is no objective, a name comes twice or a number is out of range.

    Notes
    -----
    Every method that takes an `elimination_threshold` wants odds (1000.0 is 1000 : 1, positive)
    and every `tolerance` is a fraction within 0 to 9 (0.02 is 2 %; on an interval scale a
    difference); they raise `UsageError` otherwise, and `UnknownNameError` for unknown names.
    """

    def __init__(
        self,
        metrics: tuple[Metric, ...],
        names: Iterable[str],
        *,
        min_elimination_threshold: float = 20.0,
        epoch_blocks: int = 1,
        keep: int = 1000,
    ) -> None:
        if not metrics:
            raise UsageError("a record needs at least one objective")
        if not 1 <= min_elimination_threshold < math.inf:
            raise UsageError(f"min_elimination_threshold below 1: {min_elimination_threshold}")
        if epoch_blocks < 1 or keep < 1:
            raise UsageError(f"epoch_blocks and keep must be positive: {epoch_blocks}, {keep}")
        self.metrics = tuple(metrics)
        self.min_elimination_threshold = float(min_elimination_threshold)
        self.keep = keep
        self._entries = Entries()
        self._contest = contest(self.metrics, 0, epoch_blocks=epoch_blocks)
        self._window = Window(0, len(metrics), keep)
        self._variance = VarianceRatio(0)
        self._blocks: Ints = np.zeros(0, np.intp)
        self._answers = Answers()
        for name in names:
            self.join(name)

    @property
    def names(self) -> tuple[str, ...]:
        """All candidates in order of entry."""
        return self._entries.names

    @property
    def survivors(self) -> tuple[str, ...]:
        """Those who still race, in order of entry."""
        return self._entries.survivors

    def join(self, name: str) -> None:
        """Let a candidate in, with fresh accounts; `UsageError` if the name is there already."""
        self._entries.add(name)
        self._answers.clear()

    def remove(self, name: str) -> None:
        """Take a survivor out; its accounts are paused."""
        if self._entries.remove(name):
            self._make_room()
            self._contest.alive[self._entries.row(name)] = False
            self._answers.clear()

    def bring_back(self, name: str) -> None:
        """Let a removed candidate race again; its accounts go on where they were paused."""
        if self._entries.bring_back(name):
            self._make_room()
            self._contest.alive[self._entries.row(name)] = True
            self._answers.clear()

    def _make_room(self) -> None:
        """Resize for all who joined since: once for many."""
        old, n = self._blocks.size, len(self._entries)
        if old == n:
            return
        self._contest.grow(n)
        self._contest.alive[old:] = True
        self._window.grow(n)
        self._variance.grow(n)
        self._blocks = grown(self._blocks, (n,))

    def judge(self, *blocks: Mapping[str, tuple[float, ...]]) -> None:
        """Judge a block, or several: one cost per objective of each measured survivor.

        Blocks that are given together may share a bet (`intake.alike`), which is fixed before the
        first of them: as valid, hardly less powerful, and most of the time is saved.

        Parameters
        ----------
        blocks
            From `Metric.cost`: lower is better, +inf lost to everything measured. Names that
            are missing were not measured; names that do not race are ignored.

        Raises
        ------
        UsageError
            If a cost is not a number or there is not one per objective.
        """
        self._make_room()
        told = (parsed(block, self._entries, len(self.metrics)) for block in blocks)
        for together, measured in alike(told, lambda: self.judged):
            self._judge_alike(together, measured)

    def _judge_alike(self, blocks: Sequence[Floats], measured: Bools) -> None:
        """Judge blocks in which the same candidates were measured."""
        if len(blocks) == 1:
            duels = [self._contest.observe(blocks[0], measured)]
        else:
            duels = self._contest.observe_together(np.stack(blocks), measured)
        rows = present(measured)
        for block, told in zip(blocks, duels, strict=True):
            self._variance.update(told, rows)
            self._window.add(block, measured)
        self._blocks += len(blocks) * measured
        self._answers.clear()

    @property
    def judged(self) -> int:
        """How many blocks were judged."""
        return self._window.seen

    def blocks(self, name: str) -> int:
        """Return how many judged blocks a candidate was measured in."""
        row = self._entries.row(name)
        return int(self._blocks[row]) if row < self._blocks.size else 0

    def costs(self) -> Floats:
        """Return the kept costs, oldest first, ``(blocks, survivors, objectives)``.

        Columns in the order of `survivors`; NaN was not measured, +inf lost.
        """
        self._make_room()
        return self._window.costs(self._entries.living)

    def typical_gains(self, name: str) -> Floats:
        """Return how much lower the median costs of `name` are than each survivor's.

        Shape ``(survivors, objectives)``, over the kept finite costs; NaN where there are none.
        """
        medians = self._answers.get("medians", self._window.medians)
        gains: Floats = medians[self._entries.living] - medians[self._entries.row(name)]
        return gains

    @property
    def leader(self) -> str | None:
        """The survivor that loses the fewest duels; None before any block was judged."""
        return self._answers.get("leader", self._find_leader)

    def _find_leader(self) -> str | None:
        self._make_room()
        if not self.judged or not self.survivors:
            return None
        return self.names[self._contest.leader(self._keys())]

    def _keys(self) -> Floats:
        return self._answers.get("keys", self._contest.keys)

    def order(self) -> list[str]:
        """Return all names, best first; removed ones last, the last removed of them first."""
        return list(self._answers.get("order", self._sort))

    def _sort(self) -> tuple[str, ...]:
        self._make_room()
        keys, lead = self._keys()[self._entries.living].tolist(), self.leader
        survivors = sorted(
            zip(self.survivors, keys, strict=True),
            key=lambda entry: (entry[0] != lead, entry[1]),
        )
        return (*(name for name, _ in survivors), *self._entries.gone())

    def evidence(self, name: str, tolerance: float) -> float:
        """Return the odds (x : 1) reached against "it is within the tolerance of the best".

        They reach the threshold exactly when `shown_slower` reaches the tolerance.
        """
        key = ("evidence", tolerance)
        return self._of(name, self._answers.get(key, lambda: self._odds(tolerance)))

    def _odds(self, tolerance: float) -> dict[str, float]:
        odds = np.exp(np.minimum(self._log_odds(tolerance), MOST_LOG_ODDS))
        return dict(zip(self.names, odds.tolist(), strict=True))

    def _log_odds(self, tolerance: float) -> Floats:
        self._make_room()
        peaks: Floats = self._contest.worse_peak[:, : snap_up(tolerance) + 1].min(axis=-1)
        return peaks

    def shown_slower(self, name: str, elimination_threshold: float) -> float | None:
        """Return x: shown to be at least x worse than the best; None before any is shown."""
        key = ("shown", elimination_threshold)
        return self._of(name, self._answers.get(key, lambda: self._shown(elimination_threshold)))

    def _shown(self, elimination_threshold: float) -> dict[str, float | None]:
        self._make_room()
        counts = shown(self._contest.worse_peak, self._bar(elimination_threshold)).tolist()
        margins = (None, *MARGINS)
        return dict(zip(self.names, (margins[count] for count in counts), strict=True))

    def eliminable(self, *, elimination_threshold: float, tolerance: float) -> list[str]:
        """Return the survivors shown to be worse than the best by more than the tolerance.

        Never all of them: the leader stays.
        """
        bar = self._bar(elimination_threshold)
        over = (self._log_odds(tolerance) >= bar) & self._contest.alive
        names = [self.names[row] for row in np.flatnonzero(over)]
        spared = self.leader if len(names) == len(self.survivors) else None
        return [name for name in names if name != spared]

    def at_most_slower(self, name: str, elimination_threshold: float) -> float | None:
        """Return U: shown to be at most U worse than every other survivor; None before that.

        With several objectives: no survivor is better by more than U in all of them. None for
        who is out, and where nobody else races.
        """
        key = ("at most", elimination_threshold)
        known = self._answers.get(key, lambda: self._at_most(elimination_threshold))
        return self._of(name, known)

    def _at_most(self, elimination_threshold: float) -> dict[str, float | None]:
        self._make_room()
        known: dict[str, float | None] = dict.fromkeys(self.names)
        if len(self.survivors) > 1:
            bar = self._bar(elimination_threshold)
            worst = self._contest.at_most(self._entries.living, bar).tolist()
            margins = (*MARGINS, None)
            known.update(zip(self.survivors, (margins[k] for k in worst), strict=True))
        return known

    def _of(self, name: str, answers: Mapping[str, Answer]) -> Answer:
        """Return one candidate's answer; the row's error names who is known."""
        if name not in answers:
            self._entries.row(name)
        return answers[name]

    def verdict(self, name: str, *, elimination_threshold: float, tolerance: float) -> VerdictKind:
        """Return where a candidate stands.

        *leader* wins most duels; *front* (several objectives) is shown to be better than each
        other survivor in some objective, or leads; *equal* is shown to be within the tolerance
        of every survivor (never at tolerance 0); *eliminated* was removed; else *undecided*.
        """
        key = ("kinds", elimination_threshold, tolerance)
        kinds = self._answers.get(key, lambda: self._kinds(elimination_threshold, tolerance))
        return self._of(name, kinds)

    def _kinds(self, elimination_threshold: float, tolerance: float) -> dict[str, VerdictKind]:
        bar, several = self._bar(elimination_threshold), len(self.metrics) > 1
        known = dict.fromkeys(self.names, VerdictKind.ELIMINATED)
        kinds = self._claims(tolerance).kinds(bar, several=several)
        known.update(zip(self.survivors, kinds, strict=True))
        if self.leader is not None:
            known[self.leader] = VerdictKind.FRONT if several else VerdictKind.LEADER
        return known

    def decided(self, *, elimination_threshold: float, tolerance: float) -> bool:
        """Return whether every pair of survivors is settled.

        A pair is settled when the two are shown to be equal, when one is shown to be worse than
        the best by more than the tolerance, or when each is shown better in some objective.
        False before any block was judged.
        """
        if not self.judged:
            return False
        bar = self._bar(elimination_threshold)
        unsettled = self._settled(tolerance) < bar
        np.fill_diagonal(unsettled, val=False)
        return not unsettled.any()

    def _claims(self, tolerance: float) -> Claims:
        return self._answers.get(
            ("claims", tolerance), lambda: self._collect(tolerance, peak=True)
        )

    def _collect(self, tolerance: float, *, peak: bool) -> Claims:
        self._make_room()
        up, down = snap_up(tolerance), snap_down(tolerance)
        return self._contest.claims(self._entries.living, up, down, peak=peak)

    def _settled(self, tolerance: float) -> Floats:
        return self._answers.get(("settled", tolerance), lambda: self._claims(tolerance).settled())

    def progress(self, *, elimination_threshold: float, tolerance: float) -> float:
        """Return how far the race is from its decision, 0 to 1 (1 is decided)."""
        if self.decided(elimination_threshold=elimination_threshold, tolerance=tolerance):
            return 1.0
        if not self.judged or not self.survivors:
            return 0.0
        bar = self._bar(elimination_threshold)
        gone = len(self._entries) - len(self.survivors)
        return forecast.progress(self._settled(tolerance), bar, gone)

    def blocks_left(self, *, elimination_threshold: float, tolerance: float) -> float | None:
        """Return about how many blocks are missing to the decision, None where nobody can say."""
        if self.decided(elimination_threshold=elimination_threshold, tolerance=tolerance):
            return 0.0
        settled = self._settled(tolerance)
        wealth = self._collect(tolerance, peak=False).settled()
        blocks = self._blocks[self._entries.living]
        return forecast.blocks_left(settled, wealth, blocks, self._bar(elimination_threshold))

    def ratios(self, confidence: float = 0.95) -> dict[str, Estimate | None]:
        """Return every candidate's median cost relative to the leader, with its interval.

        "1.30" is 30 % worse in the first objective (a difference on an interval scale), over the
        kept blocks in which both have finite costs. None under two of them.
        """
        return dict(self._answers.get(("ratios", confidence), lambda: self._ratios(confidence)))

    def _ratios(self, confidence: float) -> dict[str, Estimate | None]:
        lead = self.leader
        if lead is None:
            return dict.fromkeys(self.names)
        rows = np.arange(len(self._entries))
        samples = self._window.differences(rows, self._entries.row(lead))
        estimates = median_estimates(samples, self.metrics[0], confidence=confidence)
        return dict(zip(self.names, estimates, strict=True))

    def ratio(self, name: str, confidence: float = 0.95) -> Estimate | None:
        """Return one candidate's entry of `ratios`."""
        return self._of(name, self.ratios(confidence))

    def variance_ratio(self) -> float | None:
        """Return the variance ratio of 10-block means of duel outcomes; above 1.5 warns."""
        self._make_room()
        return self._answers.get("variance", lambda: self._variance.ratio(self._contest.alive))

    def mean_disagrees(self) -> str:
        """Return a sentence where the mean ranks another one first than the duels do, or ""."""
        return self._answers.get("mean", self._disagreement)

    def _disagreement(self) -> str:
        lead, names = self.leader, self.survivors
        if lead is None or len(self.metrics) > 1:
            return ""
        costs = self._window.costs(self._entries.living, last=MEAN_BLOCKS)[:, :, 0]
        return disagreement(self.metrics[0], names, names.index(lead), costs)

    def explain(self, name: str, *, elimination_threshold: float, tolerance: float) -> str:
        """Return in one sentence why a candidate stands where it does."""
        threshold = max(elimination_threshold, self.min_elimination_threshold)
        return Reasons(self, elimination_threshold=threshold, tolerance=tolerance).of(name)

    def _bar(self, elimination_threshold: float) -> float:
        """Return the log odds that a threshold asks for."""
        if 0 < elimination_threshold < math.inf:
            return math.log(max(elimination_threshold, self.min_elimination_threshold))
        raise UsageError(f"elimination_threshold must be positive, not {elimination_threshold}")
