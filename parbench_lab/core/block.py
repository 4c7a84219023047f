"""The unit of scheduling: one case, measured once for each candidate in it, on one worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Purpose = Literal["race", "challenge", "alone", "scout"]
"""Why a block was sent: to race; to retest an eliminated candidate; to race on one worker while
every other idles (interference); one candidate's first run at a size, by itself, never judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One concrete problem, named rather than carried: the pairing key of all comparisons.

    Workers make its data with ``workload.make_case(size, numpy.random.default_rng(seed))``.
    """

    workload: str
    size: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One place in a block.

    Parameters
    ----------
    candidate
        Name of the candidate that runs here.
    copy
        0, or 1 for the leader's second slot (the A/A canary).
    repeats
        How often the call is repeated inside one measurement; fixed before it starts.
    check
        Whether the result is checked against the workload after the clock has stopped.
    timeout_s
        The worker is killed when this call (with its repeats) lasts longer.
    """

    candidate: str
    copy: int = 0
    repeats: int = 1
    check: bool = False
    timeout_s: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One case and who meets it, in which order.

    `number` is the place in the order of dispatch; `slots` are already in their random order.
    """

    number: int
    epoch: int
    case: Case
    slots: tuple[Slot, ...]
    purpose: Purpose = "race"

    def __post_init__(self) -> None:
        if not self.slots:
            raise ValueError(f"block {self.number} has no slots")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What one Dask task carries: blocks with consecutive numbers, for one worker.

    `warmup` is how many first runs of a candidate (at a case size) in a worker process are marked
    as warm-up; `prime` asks for an untimed call before each timed one. `memory`
    asks for the peak memory of every run: somebody is judged by it; else that of very short runs
    is taken now and then.
    """

    number: int
    worker: str
    blocks: tuple[Block, ...]
    warmup: int = 1
    prime: bool = False
    memory: bool = False
