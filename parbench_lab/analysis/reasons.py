"""Why a candidate stands where it does, in one sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from parbench_lab.analysis.margins import MARGINS, snap_up
from parbench_lab.analysis.ranking import advantage, margin_words, odds, worse_word
from parbench_lab.core.standing import VerdictKind

if TYPE_CHECKING:
    from parbench_lab.analysis.record import EpochRecord

_LISTED = 3

Differences = tuple[float | None, ...]


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
        advantages, ties = self._compared(name)
        if kind is VerdictKind.FRONT and advantages and not ties:
            return f"no survivor beats it in {self._all()}: {_listed(advantages)}"
        if kind is VerdictKind.EQUAL:
            alike = f"equal to {_listed(ties)} within the tolerance" if ties else "on the front"
            return f"{alike}: {_listed(advantages)}" if advantages else alike
        behind = f"; no better than {_listed(ties)} in any so far" if ties else ""
        return f"{self._evidence(name)} that a survivor beats it in {self._all()}{behind}"

    def _compared(self, name: str) -> tuple[list[str], list[str]]:
        """Return what it does better than each other survivor, and whom it does not beat."""
        advantages, ties = [], []
        for other, differences in self.record.typical_differences(name).items():
            if other == name:
                continue
            best = self._best(differences)
            if best is None:
                ties.append(other)
            else:
                advantages.append(f"{best} than {other}")
        return advantages, ties

    def _best(self, differences: Differences) -> str | None:
        gains = [
            (difference / self._unit(objective), objective)
            for objective, difference in enumerate(differences)
            if difference is not None and difference > 0
        ]
        if not gains:
            return None
        _, objective = max(gains)
        return advantage(self.record.metrics[objective], differences[objective] or 0.0)

    def _unit(self, objective: int) -> float:
        """Return the tolerance on the objective's scale, to weigh gains against each other."""
        return self.record.metrics[objective].margin(max(self.tolerance, MARGINS[1]))

    def _dominated(self, name: str) -> str:
        metrics, best, said = self.record.metrics, 0.0, ""
        for other, differences in self.record.typical_differences(name).items():
            gains = [-difference for difference in differences if difference is not None]
            if other == name or len(gains) < len(metrics):
                continue
            least = min(gain / self._unit(k) for k, gain in enumerate(gains))
            if least > best:
                best = least
                each = [advantage(m, gain) for m, gain in zip(metrics, gains, strict=True)]
                said = f"{other} beats it in {self._all()}: {', '.join(each)}"
        return said or f"a survivor beats it in {self._all()}"

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


def _listed(parts: list[str]) -> str:
    if len(parts) <= _LISTED:
        return ", ".join(parts)
    return f"{', '.join(parts[:_LISTED])} and {len(parts) - _LISTED} more"
