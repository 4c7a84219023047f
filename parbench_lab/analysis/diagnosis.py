"""How far to trust a machine: A/A canary, autocorrelation, slow workers, interference.

Everything here is incremental and keeps a bounded number of measurements.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from functools import lru_cache
from statistics import NormalDist

import numpy as np

from parbench_lab.analysis.accounts import Accounts, Bools, Floats, grown
from parbench_lab.analysis.answers import Answers
from parbench_lab.analysis.window import order_statistic
from parbench_lab.core.estimate import Estimate

GROUP_BLOCKS = 10
MIN_GROUPS = 30
"""Fewer groups would cry wolf: with one pair the ratio then strays above 1.5 too often."""

KEPT_RESIDUALS = 200
MIN_RESIDUALS = 40
RESIDUAL_CONFIDENCE = 0.999

KEPT_INTERFERENCE = 64
MIN_INTERFERENCE = 5


class Canary:
    """An A/A test inside the race: the leader against its own copy in the same block.

    Two accounts bet on identical code being told apart, one per direction; their average is an
    e-process, so it reaches x with probability at most 1/x on a machine that can be trusted.

    Examples
    --------
    >>> canary = Canary()
    >>> for _ in range(20):
    ...     canary.update(0.10, 0.05)
    >>> canary.blocks, canary.evidence > 1000
    (20, True)
    """

    def __init__(self) -> None:
        self.blocks = 0
        self._accounts = Accounts((2,))
        self._log_peak = 0.0

    def update(self, cost_counted: float, cost_copy: float) -> None:
        """Add a canary block: the cost of the copy that counts (drawn beforehand) and the other.

        Two infinite costs are a tie.
        """
        self.blocks += 1
        duel = float(cost_counted > cost_copy) - float(cost_counted < cost_copy)
        self._accounts.settle(np.array([duel, -duel]))
        wealth = self._accounts.log_wealth
        average = float(np.logaddexp(wealth[0], wealth[1])) - math.log(2.0)
        self._log_peak = max(self._log_peak, average)

    @property
    def evidence(self) -> float:
        """Odds (x : 1) reached so far that identical code was told apart; 1 is no evidence."""
        return math.exp(min(self._log_peak, 700.0))


class VarianceRatio:
    """Whether the outcomes of neighbouring blocks are alike.

    The variance of 10-block means of duel outcomes over what independence predicts, pooled over
    the pairs. Above 1.5 the blocks are autocorrelated, which no rule of this kind survives at
    exact ties; `epoch_blocks` is the remedy.
    """

    def __init__(self, n: int) -> None:
        self._in_group = 0
        self._sums: Floats = np.zeros((n, n))
        self._counts: Floats = np.zeros((n, n))
        self._groups: Floats = np.zeros((n, n))
        # single outcomes, their squares, and squares of group sums, of complete groups
        self._total: Floats = np.zeros((n, n))
        self._group_squares: Floats = np.zeros((n, n))
        self._decisive: Floats = np.zeros((n, n))
        self._squares: Floats = np.zeros((n, n))
        self._known = Answers()

    def grow(self, n: int) -> None:
        """Make room for newcomers."""
        shape = (n, n)
        self._sums, self._counts = grown(self._sums, shape), grown(self._counts, shape)
        self._groups, self._total = grown(self._groups, shape), grown(self._total, shape)
        self._group_squares = grown(self._group_squares, shape)
        self._decisive = grown(self._decisive, shape)
        self._squares = grown(self._squares, shape)

    def update(self, duels: Floats, rows: slice | np.ndarray) -> None:
        """Add a block's duels (1 lost, -1 won) among the rows that were measured in it."""
        at = (rows, rows) if isinstance(rows, slice) else (rows[:, None], rows)
        self._sums[at] += duels
        self._counts[at] += 1.0
        self._squares[at] += np.abs(duels)
        self._in_group += 1
        if self._in_group < GROUP_BLOCKS:
            return
        complete = self._counts == GROUP_BLOCKS
        self._groups += complete
        self._total += self._sums * complete
        self._group_squares += self._sums**2 * complete
        self._decisive += self._squares * complete
        for array in (self._sums, self._counts, self._squares):
            array[:] = 0.0
        self._in_group = 0
        self._known.clear()

    def ratio(self, alive: Bools) -> float | None:
        """Return the ratio over the pairs of survivors; None under 30 groups of 10 blocks."""
        return self._known.get(alive.tobytes(), lambda: self._ratio(alive))

    def _ratio(self, alive: Bools) -> float | None:
        pairs = np.triu(alive[:, None] & alive[None, :], 1) & (self._groups >= MIN_GROUPS)
        if not pairs.any():
            return None
        groups, total = self._groups[pairs], self._total[pairs]
        blocks = GROUP_BLOCKS * groups
        of_means = (self._group_squares[pairs] - total**2 / groups) / (groups - 1) / GROUP_BLOCKS
        of_blocks = (self._decisive[pairs] - total**2 / blocks) / (blocks - 1)
        expected = float(of_blocks.sum())
        return float(of_means.sum()) / expected if expected > 0 else None


class WorkerResiduals:
    """How much slower each worker is than the others, on the same candidates.

    Two successive measurements of a candidate on different workers make a pair, and each
    measurement is in one pair at most, so the differences are independent of each other and a
    drift of the whole machine cancels. A worker's figure is the median of its last 200
    differences.
    """

    def __init__(self) -> None:
        self._single: dict[str, tuple[str, float]] = {}
        self._differences: dict[str, deque[float]] = {}
        self._known = Answers()

    def update(self, worker: str, name: str, cost: float) -> None:
        """Add a measurement of candidate `name`: its cost in log seconds (or on any scale)."""
        if not math.isfinite(cost):
            return
        other, before = self._single.pop(name, (worker, cost))
        if other == worker:
            self._single[name] = (worker, cost)
            return
        self._of(worker).append(cost - before)
        self._of(other).append(before - cost)
        self._known.clear()

    def _of(self, worker: str) -> deque[float]:
        return self._differences.setdefault(worker, deque(maxlen=KEPT_RESIDUALS))

    def residuals(self) -> Mapping[str, float]:
        """Return the workers that differ: name to the fraction slower (0.05 is 5 %).

        Only workers with at least 40 pairs whose median differs from 0 with 99.9 % confidence;
        a faster worker is negative.
        """
        return dict(self._known.get("residuals", self._significant))

    def _significant(self) -> dict[str, float]:
        shifts = {worker: _shift(sorted(kept)) for worker, kept in self._differences.items()}
        return {worker: shift for worker, shift in shifts.items() if shift is not None}


def _shift(ordered: Sequence[float]) -> float | None:
    if len(ordered) < MIN_RESIDUALS:
        return None
    rank, _ = order_statistic(len(ordered), RESIDUAL_CONFIDENCE)
    if ordered[rank] <= 0 <= ordered[-1 - rank]:
        return None
    return math.expm1(ordered[len(ordered) // 2])


def interference(
    alone_costs: Sequence[float], together_costs: Sequence[float], *, confidence: float = 0.95
) -> Estimate | None:
    """Return how much slower a candidate runs while all workers are busy than alone.

    Parameters
    ----------
    alone_costs, together_costs
        Log seconds; the last 64 finite ones of each are used.
    confidence
        Level of the interval.

    Returns
    -------
    Estimate or None
        Fraction slower (0.1 is 10 %): the Hodges-Lehmann shift with the interval of the
        Mann-Whitney test (normal approximation; Hollander, Wolfe and Chicken, "Nonparametric
        statistical methods", 2014, section 4.3). None with fewer than 5 on a side.
    """
    alone = [cost for cost in alone_costs if math.isfinite(cost)][-KEPT_INTERFERENCE:]
    together = [cost for cost in together_costs if math.isfinite(cost)][-KEPT_INTERFERENCE:]
    m, n = len(alone), len(together)
    if min(m, n) < MIN_INTERFERENCE:
        return None
    shifts = np.sort(np.subtract.outer(np.array(together), np.array(alone)), axis=None)
    rank = _mann_whitney_rank(m, n, confidence)
    return Estimate(
        point=math.expm1(float(np.median(shifts))),
        low=math.expm1(float(shifts[rank])),
        high=math.expm1(float(shifts[-1 - rank])),
        confidence=confidence,
        n=m + n,
    )


@lru_cache(maxsize=1024)
def _mann_whitney_rank(m: int, n: int, confidence: float) -> int:
    z = NormalDist().inv_cdf(0.5 + confidence / 2.0)
    return max(0, math.floor(m * n / 2.0 - z * math.sqrt(m * n * (m + n + 1) / 12.0)))
