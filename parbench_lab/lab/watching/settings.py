"""How a watch measures and judges: its settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from parbench_lab.analysis.margins import snap_up
from parbench_lab.core.given import checked_count, checked_number
from parbench_lab.errors import UsageError
from parbench_lab.execution.builds.pairing import BLOCKS_PER_ROUND
from parbench_lab.lab import parts

BLOCKS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchSettings:
    """How a watch measures and judges.

    Parameters
    ----------
    blocks
        Of a night, at most; rounded up to whole rounds of 10.
    seconds
        After which no new block is begun; None: no limit.
    batch_size
        Items of a case; None: the workload's own.
    tolerance
        What counts as a change, 0.02 for 2 %.
    metrics
        Which are watched; empty: the workload's objectives.
    timeout_s
        For one measurement.
    seed
        Of everything that is drawn; None: a new one.

    Raises
    ------
    UsageError
        If a number is none or out of range, or the metrics are no list.
    """

    blocks: int = BLOCKS
    seconds: float | None = None
    batch_size: int | None = None
    tolerance: float = 0.02
    metrics: tuple[str, ...] = ()
    timeout_s: float = 60.0
    seed: int | None = None

    def __post_init__(self) -> None:
        checked_count(self.blocks, "blocks")
        if self.batch_size is not None:
            checked_count(self.batch_size, "batch_size")
        for name in ("seconds", "timeout_s"):
            value = getattr(self, name)
            if value is None and name == "seconds":
                continue
            checked_number(value, name)
            if not value > 0:
                raise UsageError(f"{name} must be positive but got {value}")
        if self.seed is not None:
            parts.checked_seed(self.seed)
        checked_number(self.tolerance, "tolerance")
        snap_up(self.tolerance)
        if isinstance(self.metrics, str):
            raise UsageError(f"metrics must be a list: give [{self.metrics!r}]")
        if not isinstance(self.metrics, Sequence):
            raise UsageError(f"metrics must be a list but got {self.metrics!r}")

    @property
    def rounds(self) -> int:
        """Rounds of a night: bets, pairs of processes."""
        return -(-self.blocks // BLOCKS_PER_ROUND)


def settings_of(given: Mapping[str, Any]) -> WatchSettings:
    """Return the settings that were given by name.

    Raises
    ------
    UsageError
        If one has no such name, or as `WatchSettings` does.
    """
    known = WatchSettings.__dataclass_fields__
    for name in given:
        if name not in known:
            raise UsageError(f"watch has no setting {name!r}; there are {', '.join(known)}")
    return WatchSettings(**given)
