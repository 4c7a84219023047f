"""The e-SR detector: sums of bets that something changed, started anew at every moment.

A Shiryaev-Roberts sum of e-processes: each bet could be the first one after the change, so one
more account of 1 joins before every bet. While nothing is worse than the margin, the sum grows by
at most 1 per bet on average; so the mean time to an alarm at A is at least A bets, and A bets
after the start it has been raised at most so often as ``bets / A`` (Shin, Ramdas and Rinaldo,
"E-detectors: a nonparametric framework for sequential change detection", 2024, theorem 2.4).

One bet is made on all the blocks of one pair of processes: what is particular to a process (its
memory layout) is the same in all of them, so they are one observation and not ten.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from parbench_lab.analysis.accounts import Floats, bounded

STAKES: Floats = np.array([0.1, 0.2, 0.4, 0.8])
"""The shares that the four accounts stake: small ones find small changes, large ones soon."""

NIGHTS = 50
"""For how many nights a watch is meant to raise no false alarm."""

RUN_LENGTH_FACTOR = 20
"""Bets of a mean false alarm, in bets of the whole watch: at most one watch in 20 has one."""

_CEILING = 1e290


@dataclass(frozen=True, slots=True, kw_only=True)
class Detector:
    """What is known so far in one direction; a new one after every bet.

    Parameters
    ----------
    sums
        One for each of `STAKES`, from 0 up.
    bets
        How many were made.

    Raises
    ------
    ValueError
        If a sum is negative or no number, or there are not four of them.

    Examples
    --------
    >>> detector = Detector()
    >>> for _ in range(20):
    ...     detector = detector.after(0.9)
    >>> detector.bets, detector.evidence > 20_000
    (20, True)
    """

    sums: tuple[float, ...] = (0.0,) * len(STAKES)
    bets: int = 0

    def __post_init__(self) -> None:
        if len(self.sums) != len(STAKES) or not all(value >= 0 for value in self.sums):
            raise ValueError(f"need {len(STAKES)} sums from 0 up but got {self.sums}")
        if not self.bets >= 0:
            raise ValueError(f"bets must be 0 or more but got {self.bets}")

    def after(self, score: float) -> Detector:
        """Return the detector after one more bet.

        Parameters
        ----------
        score
            The mean of the signs of one pair of processes, within [-1, 1].
        """
        sums = bet(np.asarray(self.sums), np.asarray(score))
        return Detector(sums=tuple(float(value) for value in sums), bets=self.bets + 1)

    @property
    def evidence(self) -> float:
        """The mean of the sums, in bets: an alarm where it reaches the wanted run length."""
        return float(np.mean(self.sums))

    def as_json(self) -> dict[str, Any]:
        """Return the state as JSON values."""
        return {"sums": list(self.sums), "bets": self.bets}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Detector:
        """Return the detector that `as_json` gave.

        Raises
        ------
        ValueError
            If it is none.
        """
        try:
            sums = tuple(float(value) for value in document["sums"])
            return cls(sums=sums, bets=int(document["bets"]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"not the state of a detector: {error!r}") from error


def bet(sums: Floats, scores: Floats) -> Floats:
    """Return the sums after a bet: ``(sums + 1) * (1 + stake * score)``.

    Parameters
    ----------
    sums
        Shape ``(..., 4)``; leading axes are detectors side by side.
    scores
        Shape ``(...)``, within [-1, 1].

    Raises
    ------
    ValueError
        If a score is outside, or no number: a stake of 0.8 could then lose more than there is.
    """
    if not np.all(np.abs(scores) <= 1.0):
        raise ValueError(f"a score must be within -1 to 1 but got {scores}")
    grown: Floats = np.minimum((sums + 1.0) * (1.0 + STAKES * scores[..., None]), _CEILING)
    return grown


def score(worse: Floats, better: Floats, margin: float) -> Floats:
    """Return the mean sign of "worse by more than the margin" over the blocks of a round.

    Parameters
    ----------
    worse, better
        Costs, shape ``(..., blocks)``; lower is better, +inf for a run that failed.
    margin
        On the scale of costs (`core.metric.Metric.margin`).

    Examples
    --------
    >>> float(score(np.array([3.0, 1.0]), np.array([1.0, 1.0]), 0.5))
    0.0
    """
    signs: Floats = np.sign(bounded(worse) - bounded(better) - margin)
    mean: Floats = signs.mean(axis=-1)
    return mean


def wanted_run_length(n_series: int, bets_per_night: int, *, nights: int = NIGHTS) -> float:
    """Return the evidence at which to raise an alarm: 20 times the bets of the whole watch.

    By Markov's inequality at most one watch of so many nights in 20 has a false alarm in a
    direction, in any of its series; no further correction for many series is needed.

    Parameters
    ----------
    n_series
        How many are watched.
    bets_per_night
        Pairs of processes in a night, per series.
    nights
        How long the watch is meant to be quiet.

    Raises
    ------
    ValueError
        If one of them is not positive.

    Examples
    --------
    >>> wanted_run_length(1, 20)
    20000.0
    """
    numbers: Sequence[int] = (n_series, bets_per_night, nights)
    if not all(number > 0 for number in numbers):
        raise ValueError(f"series, bets and nights must be positive but got {numbers}")
    return float(RUN_LENGTH_FACTOR * math.prod(numbers))
