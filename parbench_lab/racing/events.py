"""What happens to a race, and what the shell must then do.

Three families, all frozen values:

* **inputs** come from outside (the executor's reports of `core.ports` are inputs too); the journal
  of the inputs alone, with their times, replays a race to the same verdicts;
* **facts** are what the state machine concluded from an input; they are journalled beside it, for
  people to read and for a replay to be compared with;
* **commands** are what the shell must carry out, after the journal is on disk.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from parbench_lab.core.block import Task
from parbench_lab.core.ports import (
    ExecutorFailed,
    GpuSampled,
    TaskEnded,
    WorkerJoined,
    WorkerLeft,
)
from parbench_lab.errors import UsageError

# ---------------------------------------------------------------- inputs


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsChanged:
    """A user (or a schedule) moved knobs; the values were checked before."""

    changes: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateAdded:
    """A challenger enters."""

    candidate: str
    resources: Mapping[str, float] = field(default_factory=dict)
    import_string: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateDropped:
    """Dropped by hand: outside the guarantee, and logged as such."""

    candidate: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateBroughtBack:
    """Brought back by hand; its account was only paused."""

    candidate: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """No further blocks until resumed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """Go on; also lifts a suspension by the canary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsSet:
    """When to end by itself: race seconds, measurements, or the decision (None: never).

    Raises
    ------
    UsageError
        If a limit is not finite: it could neither be waited for nor be journalled.
    """

    until_s: float | None = None
    until_measurements: int | None = None
    stop_when_decided: bool = False

    def __post_init__(self) -> None:
        for what, limit in (("seconds", self.until_s), ("measurements", self.until_measurements)):
            if limit is not None and not math.isfinite(limit):
                raise UsageError(f"a budget of {what} must be finite but got {limit}; None: none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """The user (or the shell) ends the race."""

    reason: str = "stopped by the user"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotePinned:
    """A user's own words, kept with the run; they change nothing."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenUp:
    """A race that had ended because its cluster was lost goes on, on new workers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticked:
    """Time has passed."""


Input = (
    WorkerJoined
    | WorkerLeft
    | TaskEnded
    | GpuSampled
    | ExecutorFailed
    | SettingsChanged
    | CandidateAdded
    | CandidateDropped
    | CandidateBroughtBack
    | Paused
    | Resumed
    | LimitsSet
    | Stopped
    | NotePinned
    | TakenUp
    | Ticked
)

# ---------------------------------------------------------------- facts


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSent:
    """These blocks went to this worker, their orders drawn beforehand."""

    task: Task


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochOpened:
    """Evidence starts afresh (or, `resumed`, goes on where this batch size was left)."""

    epoch: int
    batch_size: int
    why: str
    resumed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Eliminated:
    """A candidate is out. `cause`: evidence, fault or hand; `evidence` in odds where there are."""

    candidate: str
    cause: str
    reason: str
    block: int
    evidence: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictRefused:
    """A proposed elimination was not carried out, and why."""

    candidate: str
    reason: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """An eliminated candidate is back."""

    candidate: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadChanged:
    """Another candidate is in front, of this epoch or, in its first blocks, of the one before."""

    candidate: str
    before: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """Nobody is undecided any more."""

    leader: str
    reason: str
    block: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reopened:
    """A decided race is open again."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictsSuspended:
    """The canary told identical code apart."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcurrencyChanged:
    """From now on so many blocks are in flight on a GPU (a UUID), and why.

    `utilization_percent` is what the number before came to, None where it is not known.
    """

    gpu: str
    blocks: int
    utilization_percent: float | None
    target_percent: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcurrencyHeld:
    """A GPU's utilisation misses the target, and why no other number of blocks is tried."""

    gpu: str
    blocks: int
    utilization_percent: float | None
    target_percent: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """Anything else a reader of the journal wants to know, in one sentence."""

    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The race is over. `status`: decided, undecided, stopped or failed."""

    status: str
    reason: str


Fact = (
    TaskSent
    | EpochOpened
    | Eliminated
    | VerdictRefused
    | Returned
    | LeadChanged
    | Decided
    | Reopened
    | VerdictsSuspended
    | ConcurrencyChanged
    | ConcurrencyHeld
    | Noted
    | Ended
)

# ---------------------------------------------------------------- commands


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Submit the task."""

    task: Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """Ask for the return of the tasks up to this number."""

    task: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """Stop the executor and close the run."""

    status: str
    reason: str


Command = Send | Recall | Finish
