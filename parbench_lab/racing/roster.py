"""Who takes part, and what became of them apart from their speed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from parbench_lab.core.measurement import Measurement, Outcome

SUSPICION_ODDS = 1e-4
"""A candidate is blamed for its workers' deaths when chance explains them less often than this."""


@dataclass(slots=True, kw_only=True)
class Entrant:
    """One candidate in the race; `out` is "", "fault" or "hand"."""

    name: str
    resources: Mapping[str, float] = field(default_factory=dict)
    import_string: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    out: str = ""
    reason: str = ""
    outcome: Outcome | None = None
    failures: int = 0
    dispatched: int = 0
    busy_s: float = 0.0
    suspected: bool = False
    suspicions: int = 0
    warning: str = ""

    @property
    def fit(self) -> bool:
        """Whether it may race: neither faulty nor dropped by hand."""
        return not self.out

    def next_check(self, check_every: int, *, always: bool) -> bool:
        """Count a run and return whether its result is checked: the first, then every n-th."""
        due = always or self.dispatched == 0 or (self.dispatched + 1) % check_every == 0
        self.dispatched += 1
        return due


class Roster:
    """The entrants by name, in order of entry."""

    def __init__(self) -> None:
        self._entrants: dict[str, Entrant] = {}
        self._suspicions = 0

    def __getitem__(self, name: str) -> Entrant:
        return self._entrants[name]

    def __contains__(self, name: object) -> bool:
        return name in self._entrants

    def __iter__(self) -> Iterator[Entrant]:
        return iter(self._entrants.values())

    def __len__(self) -> int:
        return len(self._entrants)

    def enter(self, entrant: Entrant) -> None:
        """Add an entrant.

        Raises
        ------
        ValueError
            If the name is taken; callers make names unique beforehand.
        """
        if entrant.name in self._entrants:
            raise ValueError(f"candidate {entrant.name!r} is in the race already")
        self._entrants[entrant.name] = entrant

    def fit(self) -> list[str]:
        """Return the names that may race, in order of entry."""
        return [entrant.name for entrant in self if entrant.fit]

    def credit(self, measurement: Measurement) -> None:
        """Note time spent, a warning, and that an ``ok`` run clears a suspicion."""
        entrant = self[measurement.candidate]
        seconds = measurement.values.get("wall_time_s", 0.0)
        entrant.busy_s += seconds * measurement.repeats
        if measurement.outcome is Outcome.OK:
            entrant.suspected = False
            entrant.outcome = entrant.outcome if entrant.failures else Outcome.OK
            if measurement.message:
                entrant.warning = measurement.message

    def blame(self, name: str) -> bool:
        """Note that a worker died while this candidate ran; return whether it is to blame.

        It is when its very next run died too, or when its share of all such deaths is more than
        its share of the time explains (binomial tail below `SUSPICION_ODDS`).
        """
        entrant = self[name]
        entrant.suspicions += 1
        self._suspicions += 1
        if entrant.suspected:
            return True
        entrant.suspected = True
        total_s = sum(other.busy_s for other in self)
        share = entrant.busy_s / total_s if total_s > 0 else 1.0
        return _binomial_tail(self._suspicions, entrant.suspicions, share) < SUSPICION_ODDS


def _binomial_tail(n: int, k: int, p: float) -> float:
    """Return P(X >= k) for X ~ Binomial(n, p)."""
    terms: Iterable[float] = (math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k, n + 1))
    return sum(terms)
