"""A policy of a user's own, importable by scripts too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from parbench_lab.core.standing import Verdict


@dataclass(frozen=True)
class Tidy:
    """A policy of one's own: who comes first by name stays."""

    patience: int = 5
    name: str = "tidy"
    guarantee: str = "None."
    reason: ClassVar[str] = "it does not come first by name"

    def judge(self, record, *, elimination_threshold, tolerance):
        names = sorted(record.survivors)[1:] if record.judged >= self.patience else ()
        return [Verdict(candidate=name, reason=self.reason) for name in names]
