"""Why a candidate stands where it does, in one sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from parbench_lab.analysis.accounts import Bools, Floats, Ints
from parbench_lab.analysis.margins import MARGINS, snap_up
from parbench_lab.analysis.ranking import advantage, margin_words, worse_word
from parbench_lab.core.standing import VerdictKind
from parbench_lab.core.wording import odds

if TYPE_CHECKING:
    from parbench_lab.analysis.record import EpochRecord

_LISTED = 3


@dataclass(frozen=True, slots=True)
class Reasons:
    """Sentences about the candidates of a record, at one threshold and tolerance."""

    record: EpochRecord
    elimination_threshold: float
    tolerance: float

    def of(self, name: str) -> str:
        """Return the sentence about one candidate (no full stop: it goes into tables)."""
        record = self.record
        if name in record.survivors and len(record.survivors) == 1:
            return "the only one that still races"
        if name not in record.survivors and not self._reached(name):
            return "no longer races"
        if not record.judged:
            return "not judged yet"
        return self._about_one(name) if len(record.metrics) == 1 else self._about_several(name)

    def beaten(self, name: str) -> str:
        """Return why a candidate is proposed for elimination."""
        record = self.record
        evidence = odds(record.evidence(name, self.tolerance))
        if len(record.metrics) > 1:
            return f"{self._dominated(name)} (evidence {evidence})"
        shown = record.shown_slower(name, self.elimination_threshold)
        index = snap_up(self.tolerance) if shown is None else MARGINS.index(shown)
        return f"{self._at_least(index)} than the best (evidence {evidence})"

    # ------------------------------------------------------------ one objective

    def _about_one(self, name: str) -> str:
        if self._reached(name):
            return self.beaten(name)
        kind = self._verdict(name)
        at_most = self._at_most(name)
        if kind is VerdictKind.LEADER:
            return f"wins most duels; {at_most}" if at_most else "wins most duels so far"
        if kind is VerdictKind.EQUAL:
            return f"{at_most}: equal within the tolerance"
        return f"{self._missing(name)}; {at_most}" if at_most else self._missing(name)

    def _at_least(self, index: int) -> str:
        metric = self.record.metrics[0]
        worse = worse_word(metric)
        if index == 0:
            return worse
        return f"at least {margin_words(metric, index)} {worse}"

    def _at_most(self, name: str) -> str:
        metric = self.record.metrics[0]
        known = self.record.at_most_slower(name, self.elimination_threshold)
        if known is None:
            return ""
        if known == 0:
            return f"not {worse_word(metric)} than any survivor"
        words = margin_words(metric, MARGINS.index(known))
        return f"at most {words} {worse_word(metric)} than every survivor"

    def _missing(self, name: str) -> str:
        metric, index = self.record.metrics[0], snap_up(self.tolerance)
        than = f"more than {margin_words(metric, index)} {worse_word(metric)}"
        claim = f"{than if index else worse_word(metric)} than the best"
        return f"{self._evidence(name)} that it is {claim}"

    def _evidence(self, name: str) -> str:
        evidence = odds(self.record.evidence(name, self.tolerance))
        return f"evidence {evidence} of the {odds(self.elimination_threshold)} needed"

    # ------------------------------------------------------------ several objectives

    def _about_several(self, name: str) -> str:
        if self._reached(name):
            return self.beaten(name)
        kind = self._verdict(name)
        gains = self._gains(name)
        best = gains.max(axis=1)
        rivals = np.array(self.record.survivors) != name
        ties = _listed(self._names(rivals & ~(best > 0)))
        advantages = self._advantages(gains, np.flatnonzero(rivals & (best > 0)))
        if kind is VerdictKind.EQUAL:
            alike = f"equal to {ties} within the tolerance" if ties else "on the front"
            return f"{alike}: {advantages}" if advantages else alike
        if not ties:
            so_far = "" if kind is VerdictKind.FRONT else "so far "
            return f"{so_far}no survivor beats it in {self._all()}: {advantages}"
        beaten = f"that a survivor beats it in {self._all()}"
        return f"{self._evidence(name)} {beaten}; no better than {ties} in any so far"

    def _advantages(self, gains: Floats, rows: Ints) -> str:
        """Return what it does best against each of the rows."""
        said = []
        for row in rows[:_LISTED]:
            objective = int(gains[row].argmax())
            gain = float(gains[row, objective]) * self._unit(objective)
            words = advantage(self.record.metrics[objective], gain)
            said.append(f"{words} than {self.record.survivors[row]}")
        return _listed(said, rows.size)

    def _dominated(self, name: str) -> str:
        losses = -self._gains(name)
        least = losses.min(axis=1)
        row = int(np.nanargmax(least)) if (least > 0).any() else None
        if row is None:
            return f"a survivor beats it in {self._all()}"
        each = [
            advantage(metric, float(loss) * self._unit(k))
            for k, (metric, loss) in enumerate(zip(self.record.metrics, losses[row], strict=True))
        ]
        return f"{self.record.survivors[row]} beats it in {self._all()}: {', '.join(each)}"

    def _names(self, chosen: Bools) -> list[str]:
        return [self.record.survivors[row] for row in np.flatnonzero(chosen)]

    def _gains(self, name: str) -> Floats:
        """Return its typical gains over each survivor, in units of the tolerance."""
        units = [self._unit(objective) for objective in range(len(self.record.metrics))]
        gains: Floats = self.record.typical_gains(name) / np.array(units)
        return gains

    def _unit(self, objective: int) -> float:
        """Return the tolerance on the objective's scale, to weigh gains against each other."""
        return self.record.metrics[objective].margin(max(self.tolerance, MARGINS[1]))

    def _all(self) -> str:
        return "both" if len(self.record.metrics) == 2 else "every objective"

    # ------------------------------------------------------------ both

    def _reached(self, name: str) -> bool:
        return self.record.evidence(name, self.tolerance) >= self.elimination_threshold

    def _verdict(self, name: str) -> VerdictKind:
        return self.record.verdict(
            name,
            elimination_threshold=self.elimination_threshold,
            tolerance=self.tolerance,
        )


def _listed(parts: list[str], count: int | None = None) -> str:
    """Return the first few of `count` parts and how many more there are."""
    more = (len(parts) if count is None else count) - _LISTED
    listed = ", ".join(parts[:_LISTED])
    return f"{listed} and {more} more" if more > 0 else listed
