"""The default: out is who is shown, by evidence that holds at any time, to be worse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from parbench_lab.analysis.reasons import Reasons
from parbench_lab.analysis.record import EpochRecord
from parbench_lab.core.standing import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Drop who is shown to be worse than the best by more than the tolerance.

    With several objectives: who is beaten by one survivor in every one of them.

    Examples
    --------
    >>> from parbench_lab.core.metric import WALL_TIME_S
    >>> record = EpochRecord((WALL_TIME_S,), ["quick", "slow"])
    >>> for _ in range(20):
    ...     record.judge({"quick": (0.0,), "slow": (0.4,)})
    >>> [verdict] = Evidence().judge(record, elimination_threshold=1000.0, tolerance=0.02)
    >>> verdict.candidate
    'slow'
    """

    name: str = "evidence"
    guarantee: str = (
        "The best is eliminated with probability at most 1/elimination_threshold, whatever the "
        "number of candidates, whenever one looks and wherever the tolerance moves."
    )

    def judge(
        self, record: EpochRecord, *, elimination_threshold: float, tolerance: float
    ) -> Sequence[Verdict]:
        """Return the candidates whose evidence has reached the threshold."""
        names = record.eliminable(elimination_threshold=elimination_threshold, tolerance=tolerance)
        reasons = Reasons(record, elimination_threshold, tolerance)
        return [
            Verdict(
                candidate=name,
                reason=reasons.beaten(name),
                evidence=record.evidence(name, tolerance),
            )
            for name in names
        ]
