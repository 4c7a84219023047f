"""How one candidate fared in one block. A crash is a measurement too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Outcome(StrEnum):
    """What became of one run of a candidate."""

    OK = "ok"
    WRONG = "wrong"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CRASHED = "crashed"
    OUT_OF_MEMORY = "out_of_memory"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One slot of a block, after it was run.

    Parameters
    ----------
    candidate, copy
        As in the slot.
    outcome
        Anything but ``ok`` has no judged values.
    values
        Metric name to value *per call* (repeats are already divided out); ``wall_time_s`` is
        there whenever the outcome is ``ok``.
    repeats
        Calls inside the measurement.
    warm_up
        Recorded, but not judged.
    checked
        Whether the workload's check ran (and, where the outcome is ``ok``, passed).
    digest
        Short digest of the result where it was checked.
    message
        Why it failed, or a warning beside an ``ok`` ("changed os.environ['X']; put back"); one
        line that a user can act on.
    """

    candidate: str
    outcome: Outcome
    values: Mapping[str, float] = field(default_factory=dict)
    copy: int = 0
    repeats: int = 1
    warm_up: bool = False
    checked: bool = False
    digest: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockResult:
    """What came back of one block; slots that were not reached are simply missing.

    `measurements` stand in the order in which they were run. `made_case_s` is the time spent
    making the case, 0.0 where the worker had it already. `throttled` says why the worker's GPU
    was slowed down meanwhile (``"thermal"``, ``"power cap"``), empty where it was not.
    """

    number: int
    worker: str
    measurements: tuple[Measurement, ...]
    made_case_s: float = 0.0
    throttled: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion:
    """A worker died for a reason nobody could name while this candidate ran."""

    block: int
    candidate: str
    reason: str
