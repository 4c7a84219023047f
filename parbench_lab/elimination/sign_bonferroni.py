"""A sign test against every opponent, corrected for their number: the best of the plain rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from parbench_lab.analysis.margins import MARGINS, snap_up
from parbench_lab.analysis.record import EpochRecord
from parbench_lab.core.standing import Verdict
from parbench_lab.core.wording import odds


@dataclass(frozen=True, slots=True, kw_only=True)
class SignBonferroni:
    """Drop who loses too many duels, by more than the tolerance, with one and the same survivor.

    The test is the mixture of all coins that favour losing (uniform on 1/2 to 1), so it may be
    looked at after every block: with w duels lost and l won its evidence is
    ``2^(w+l+1) B(w+1, l+1) P(Beta(w+1, l+1) > 1/2)``. The threshold is multiplied by the number of
    opponents. Ville, "Etude critique de la notion de collectif" (1939); Robbins, "Statistical
    methods related to the law of the iterated logarithm" (1970).
    """

    name: str = "sign_bonferroni"
    guarantee: str = (
        "The best is eliminated with probability at most 1/elimination_threshold while the "
        "record keeps every block (1000), whenever one looks; afterwards on a sliding window."
    )

    def judge(
        self, record: EpochRecord, *, elimination_threshold: float, tolerance: float
    ) -> Sequence[Verdict]:
        """Return the candidates that one survivor beats too often."""
        survivors = record.survivors
        if len(survivors) < 2 or not record.judged:
            return ()
        margin = record.metrics[0].margin(MARGINS[snap_up(tolerance)])
        evidence = duel_evidence(*duels_beyond(record, margin)) / (len(record.names) - 1)
        np.fill_diagonal(evidence, 0.0)
        strongest, reached = evidence.argmax(axis=-1), evidence.max(axis=-1)
        out = np.flatnonzero(reached >= elimination_threshold).tolist()
        if len(out) == len(survivors):
            out.remove(int(reached.argmin()))
        return [
            Verdict(
                candidate=survivors[row],
                reason=f"loses its duels with {survivors[strongest[row]]} "
                f"(evidence {odds(reached[row])}, corrected for the number of candidates)",
                evidence=float(reached[row]),
            )
            for row in out
        ]


def duels_beyond(
    record: EpochRecord, margin: float
) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.float64]], ...]:
    """Return two matrices: duels lost by the row to the column by more than `margin`, and not.

    `margin` is on the scale of the costs of the first objective; ties count for neither.
    """
    costs = np.clip(record.costs()[:, :, 0], -1e300, 1e300)
    n = costs.shape[1]
    lost, won = np.zeros((n, n)), np.zeros((n, n))
    for row in range(n):
        gap = costs[:, [row]] - margin - costs  # NaN where one was not measured: neither
        lost[row] = (gap > 0).sum(axis=0)
        won[row] = (gap < 0).sum(axis=0)
    return lost, won


def duel_evidence(
    lost: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    won: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return the evidence that losing is more likely than winning, from the two counts."""
    upper = special.betainc(won + 1.0, lost + 1.0, 0.5)  # P(Beta(lost+1, won+1) > 1/2)
    log_evidence = (lost + won + 1.0) * np.log(2.0) + special.betaln(lost + 1.0, won + 1.0)
    evidence = np.exp(np.minimum(log_evidence, 690.0)) * upper
    return np.asarray(evidence, dtype=np.float64)
