"""Successive halving: after every rung the worse half goes, significant or not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from parbench_lab.analysis.record import EpochRecord
from parbench_lab.core.standing import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class SuccessiveHalving:
    """Keep the better half after 8 blocks, a quarter after 16, an eighth after 32, ...

    Better by the mean cost over the kept blocks of the first objective. Jamieson and Talwalkar,
    "Non-stochastic best arm identification and hyperparameter optimization" (AISTATS 2016). Ends
    with one candidate whether or not the last two differ; threshold and tolerance play no part.

    Parameters
    ----------
    rung_blocks
        Blocks before the first halving, at least 1.
    """

    rung_blocks: int = 8
    name: str = "successive_halving"
    guarantee: str = (
        "None: it stops early by design, and among equals it drops the best almost always."
    )

    def __post_init__(self) -> None:
        if self.rung_blocks < 1:
            raise ValueError(f"rung_blocks must be at least 1 but got {self.rung_blocks}")

    def judge(
        self,
        record: EpochRecord,
        *,
        elimination_threshold: float,  # noqa: ARG002 - plays no part
        tolerance: float,  # noqa: ARG002 - plays no part
    ) -> Sequence[Verdict]:
        """Return who is beyond the share that may stay after this many blocks."""
        survivors = record.survivors
        met = {name: record.blocks(name) for name in survivors}
        blocks = min(met.values(), default=0)
        if blocks < self.rung_blocks:
            return ()
        rungs = 1 + int(math.log2(blocks / self.rung_blocks))
        allowed = max(1, math.ceil(len(record.names) / 2.0**rungs))
        if len(survivors) <= allowed:
            return ()
        costs = record.costs()[:, :, 0]
        sums = np.where(np.isnan(costs), 0.0, costs).sum(axis=0)
        means = sums / np.maximum((~np.isnan(costs)).sum(axis=0), 1)
        order = record.order()
        ranked = sorted(
            zip(means.tolist(), survivors, strict=True),
            key=lambda entry: (entry[0], order.index(entry[1])),
        )
        reason = f"not among the best {allowed} of {len(record.names)} after {blocks} blocks"
        return [Verdict(candidate=name, reason=reason) for _, name in ranked[allowed:]]
