"""Which commit to race next, and which ones are left under suspicion."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from parbench_lab.errors import UsageError


class Trial(StrEnum):
    """What a race of a commit against the good one said."""

    GOOD = "good"
    BAD = "bad"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bisection:
    """A search for the first bad commit; a new one after every trial.

    Parameters
    ----------
    commits
        After the good one up to the bad one, which is the last; oldest first.
    trials
        What is known, by the commit's place; the last one is bad, or there was nothing to find.

    Raises
    ------
    UsageError
        If there are no commits.

    Examples
    --------
    >>> search = Bisection(commits=("a", "b", "c", "d"))
    >>> search.next_place, search.after(1, Trial.GOOD).next_place
    (1, 2)
    >>> search.after(1, Trial.GOOD).after(2, Trial.BAD).suspects
    ('c',)
    """

    commits: tuple[str, ...]
    trials: Mapping[int, Trial] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.commits:
            raise UsageError("there is no commit between good and bad: give an older good one")

    def after(self, place: int, trial: Trial) -> Bisection:
        """Return the search with one more result."""
        return dataclasses.replace(self, trials={**self.trials, place: trial})

    @property
    def _bounds(self) -> tuple[int, int]:
        """The place of the newest good commit before the oldest bad one (-1: none), and that."""
        bad = [place for place, trial in self.trials.items() if trial is Trial.BAD]
        first_bad = min([*bad, len(self.commits) - 1])
        good = [
            place
            for place, trial in self.trials.items()
            if trial is Trial.GOOD and place < first_bad
        ]
        return max([*good, -1]), first_bad

    @property
    def suspects(self) -> tuple[str, ...]:
        """Commits any of which may be the first bad one; one: it is found."""
        good, bad = self._bounds
        return self.commits[good + 1 : bad + 1]

    @property
    def next_place(self) -> int | None:
        """Where to look next: the untried commit nearest to the middle; None where none helps."""
        good, bad = self._bounds
        untried = [place for place in range(good + 1, bad) if place not in self.trials]
        middle = (good + bad) // 2
        return min(untried, key=lambda place: abs(place - middle), default=None)
