"""F-race: Friedman's test on ranks within blocks, then post-hoc comparisons with the best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from parbench_lab.analysis.record import EpochRecord
from parbench_lab.core.standing import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class FRace:
    """Drop who is behind the best rank sum, once Friedman's test says that ranks differ.

    After every block on the kept complete blocks of the first objective, at level 1/threshold,
    with Conover's post-hoc test; two candidates are compared by the same test. Birattari, Yuan,
    Balaprakash and Stuetzle, "F-Race and iterated F-Race: an overview" (2010); Conover,
    "Practical nonparametric statistics" (1999), section 5.8. The tolerance plays no part.

    Parameters
    ----------
    min_blocks
        Blocks before the first test (irace's 5), at least 2.
    """

    min_blocks: int = 5
    name: str = "f_race"
    guarantee: str = (
        "None: each test alone has its level, but it is repeated after every block; among equals "
        "it loses the best in about a quarter of the races."
    )

    def __post_init__(self) -> None:
        if self.min_blocks < 2:
            raise ValueError(f"min_blocks must be at least 2 but got {self.min_blocks}")

    def judge(
        self,
        record: EpochRecord,
        *,
        elimination_threshold: float,
        tolerance: float,  # noqa: ARG002 - ranks know no margin
    ) -> Sequence[Verdict]:
        """Return the candidates that are behind the best."""
        names = record.survivors
        if len(names) < 2:
            return ()
        costs = record.costs()[:, :, 0]
        costs = costs[~np.isnan(costs).any(axis=1)]
        if len(costs) < self.min_blocks:
            return ()
        level = 1.0 / elimination_threshold
        ranks = stats.rankdata(np.clip(costs, -1e300, 1e300), axis=1)
        p_overall, p_pairs = conover(ranks)
        if p_overall > level:
            return ()
        best = int(np.argmin(ranks.sum(axis=0)))
        return [
            Verdict(
                candidate=name,
                reason=f"ranks behind {names[best]} (Friedman and Conover, p = {p:.2g})",
                evidence=float(1.0 / max(p, 1e-300)),
            )
            for name, p in zip(names, p_pairs.tolist(), strict=True)
            if p <= level and name != names[best]
        ]


def conover(
    ranks: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> tuple[float, np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
    """Return the p-value of Friedman's test (in F form), and of each column against the best.

    Parameters
    ----------
    ranks
        Shape ``(blocks, candidates)``, ranks within each block.
    """
    blocks, n = ranks.shape
    sums = ranks.sum(axis=0)
    squares = float((ranks**2).sum())
    correction = blocks * n * (n + 1) ** 2 / 4.0
    between = float((sums**2).sum()) / blocks - correction
    residual = max(squares - correction - between, 1e-12)
    freedom = (blocks - 1) * (n - 1)
    statistic = (blocks - 1) * between / residual
    p_overall = float(special.fdtrc(n - 1, freedom, statistic))
    scale = np.sqrt(2.0 * blocks * residual / freedom)
    p_pairs = 2.0 * special.stdtr(freedom, -np.abs(sums - sums.min()) / scale)
    return p_overall, np.asarray(p_pairs, dtype=np.float64)
