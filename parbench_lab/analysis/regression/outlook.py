"""How much more of the same an undecided series needs: tonight's scores, played over and over."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Literal, TypeVar

import numpy as np

from parbench_lab.analysis.accounts import Accounts
from parbench_lab.analysis.regression.detector import Detector, bet

REACH = 20
"""Times tonight's bets: what is farther away is not foretold from so few."""

Score = TypeVar("Score")
Finding = Literal["regression", "improvement", "equal"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What an undecided series would show first.

    Parameters
    ----------
    finding
        What: ``regression``, ``improvement`` or ``equal``.
    blocks
        After about how many more of them.
    """

    finding: Finding
    blocks: int


def bets_to_alarm(detector: Detector, scores: Sequence[float], run_length: float) -> int | None:
    """Return how many more bets with the scores so far raise the alarm; None where none do.

    A longer night asks for more evidence: the run length grows with the bets.

    Parameters
    ----------
    detector
        As it is now.
    scores
        Of tonight's bets, in their order; they are repeated.
    run_length
        The evidence that is asked for after these.

    Examples
    --------
    >>> detector = Detector()
    >>> for _ in range(6):
    ...     detector = detector.after(1.0)
    >>> bets_to_alarm(detector, [1.0] * 6, 6000.0), bets_to_alarm(detector, [-0.5], 6000.0)
    (12, None)
    """
    if not scores or not sum(scores) > 0:
        return None
    sums = np.asarray(detector.sums)
    for more, score in enumerate(_again(scores), start=1):
        sums = bet(sums, np.asarray(score))
        if float(np.mean(sums)) >= run_length * (1 + more / len(scores)):
            return more
    return None


def bets_to_equal(
    accounts: Accounts, scores: Sequence[tuple[float, float]], odds: float
) -> int | None:
    """Return how many more bets with the scores seen so far show both builds as equal.

    Parameters
    ----------
    accounts
        Two: "not worse by so much" and "not better by so much", as they are now.
    scores
        Of tonight's bets, in their order; they are repeated.
    odds
        At which they count as equal.

    Examples
    --------
    >>> bets_to_equal(Accounts((2,)), [(1.0, 1.0)], 20.0)
    6
    >>> bets_to_equal(Accounts((2,)), [(1.0, -1.0)], 20.0) is None
    True
    """
    if not scores or not min(map(sum, zip(*scores, strict=True))) > 0:
        return None
    played = copy.deepcopy(accounts)
    for more, inside in enumerate(_again(scores), start=1):
        played.settle(np.asarray(inside))
        if float(played.log_peak.min()) >= math.log(odds):
            return more
    return None


def _again(scores: Sequence[Score]) -> Iterator[Score]:
    """Yield the scores over and over, as far as they reach."""
    return islice(cycle(scores), REACH * len(scores))
