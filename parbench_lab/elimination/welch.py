"""Welch's t test after every block: what many benchmark scripts do, and why they should not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from parbench_lab.analysis.margins import MARGINS, snap_up
from parbench_lab.analysis.record import EpochRecord
from parbench_lab.core.standing import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Welch:
    """Drop who differs from the lowest mean by Welch's one-sided t test at level 1/threshold.

    On the kept costs of the first objective, unpaired. Welch, "The generalization of Student's
    problem when several different population variances are involved" (Biometrika, 1947).

    Parameters
    ----------
    min_blocks
        Blocks before the first test, at least 2.
    """

    min_blocks: int = 5
    name: str = "welch"
    guarantee: str = (
        "None: each test alone has its level, but it is repeated after every block and against "
        "every candidate; among equals it loses the best in about half of the races."
    )

    def __post_init__(self) -> None:
        if self.min_blocks < 2:
            raise ValueError(f"min_blocks must be at least 2 but got {self.min_blocks}")

    def judge(
        self, record: EpochRecord, *, elimination_threshold: float, tolerance: float
    ) -> Sequence[Verdict]:
        """Return the candidates whose mean is significantly above the lowest."""
        if len(record.survivors) < 2:
            return ()
        costs = record.costs()[:, :, 0]
        costs = np.where(np.isfinite(costs), costs, np.nan)
        counts = (~np.isnan(costs)).sum(axis=0)
        if counts.min() < self.min_blocks:
            return ()
        means = np.nanmean(costs, axis=0)
        errors = np.nanvar(costs, axis=0, ddof=1) / counts
        best = int(np.argmin(means))
        margin = record.metrics[0].margin(MARGINS[snap_up(tolerance)])
        spread = np.maximum(errors + errors[best], 1e-300)
        statistic = (means - means[best] - margin) / np.sqrt(spread)
        weights = errors**2 / (counts - 1) + errors[best] ** 2 / (counts[best] - 1)
        freedom = spread**2 / np.maximum(weights, 1e-300)
        p_values = special.stdtr(np.maximum(freedom, 1.0), -statistic)
        names = record.survivors
        return [
            Verdict(
                candidate=name,
                reason=f"its mean is above that of {names[best]} (Welch's t, p = {p:.2g})",
                evidence=float(1.0 / max(p, 1e-300)),
            )
            for name, p in zip(names, p_values.tolist(), strict=True)
            if p <= 1.0 / elimination_threshold and name != names[best]
        ]
