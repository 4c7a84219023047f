"""What a policy is: it proposes, the engine of the race disposes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from parbench_lab.analysis.record import EpochRecord
from parbench_lab.core.standing import Verdict


@runtime_checkable
class EliminationPolicy(Protocol):
    """Proposes who should be eliminated; one verb, no state.

    Promises: `judge` reads the record and changes nothing in it; it proposes survivors only and
    never all of them; the same record gives the same proposals, whatever the candidates are
    called and in whichever order they entered; every verdict's reason is a sentence. It is called
    after every few blocks, so it answers within milliseconds.
    `parbench_lab.testing.check_elimination_policy` checks all that.

    Attributes
    ----------
    name
        How settings and tables call it.
    guarantee
        One sentence: what is guaranteed, or that nothing is.
    """

    @property
    def name(self) -> str:
        """How settings and tables call it."""

    @property
    def guarantee(self) -> str:
        """What is guaranteed, or that nothing is, in one sentence."""

    def judge(
        self, record: EpochRecord, *, elimination_threshold: float, tolerance: float
    ) -> Sequence[Verdict]:
        """Return the candidates to drop now, each with its reason.

        Parameters
        ----------
        record
            The paired blocks of the present epoch.
        elimination_threshold
            Odds (x : 1) that are asked for; policies built on p-values use a level of 1/x.
        tolerance
            Worse by this fraction (on an interval scale: difference) still counts as equal.
        """
