"""Nobody goes: a plain benchmark of all against all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from parbench_lab.analysis.record import EpochRecord
from parbench_lab.core.standing import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Never:
    """Never eliminate; the evidence is shown all the same."""

    name: str = "never"
    guarantee: str = "Nobody is ever eliminated, so nobody is eliminated wrongly."

    def judge(
        self,
        record: EpochRecord,  # noqa: ARG002 - the Protocol's
        *,
        elimination_threshold: float,  # noqa: ARG002 - the Protocol's
        tolerance: float,  # noqa: ARG002 - the Protocol's
    ) -> Sequence[Verdict]:
        """Return nothing."""
        return ()
