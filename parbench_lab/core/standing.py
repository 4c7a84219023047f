"""One candidate's evidence, and the immutable snapshot that policies, plots and panel see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from parbench_lab.core.estimate import Estimate
from parbench_lab.core.measurement import Outcome
from parbench_lab.core.metric import Scale


class VerdictKind(StrEnum):
    """Where a candidate stands."""

    LEADER = "leader"
    FRONT = "front"
    EQUAL = "equal"
    UNDECIDED = "undecided"
    ELIMINATED = "eliminated"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A policy's proposal to drop a candidate, with its reason in one sentence.

    `evidence` is the odds (x : 1) behind it where the policy has odds, else None.
    """

    candidate: str
    reason: str
    evidence: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is known about one candidate in the present epoch.

    Parameters
    ----------
    ratio
        Median over the paired blocks of its cost to the leader's ("1.30" is 30 % slower), None
        before it met the leader.
    evidence
        Odds against "it is within the tolerance of the best"; 1 is no evidence.
    shown_slower
        "At least this fraction slower than the best", on the margin grid; None before any.
    at_most_slower
        "At most this fraction slower than every survivor"; None while nothing is shown.
    median_s, throughput, peak_rss_bytes
        Seconds per call, items per second, bytes; None where not measured.
    values
        Median of every further metric of the workload.
    outcome
        The last outcome, or the one that put it out.
    """

    candidate: str
    rank: int
    verdict: VerdictKind
    ratio: Estimate | None = None
    evidence: float = 1.0
    shown_slower: float | None = None
    at_most_slower: float | None = None
    blocks: int = 0
    median_s: float | None = None
    throughput: float | None = None
    peak_rss_bytes: float | None = None
    values: Mapping[str, float] = field(default_factory=dict)
    outcome: Outcome | None = None
    failures: int = 0
    reason: str = ""
    warning: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """How far to trust this machine.

    Parameters
    ----------
    canary_blocks, canary_evidence
        Blocks with the leader against itself, and the odds that identical code was told apart.
    suspended
        Why verdicts are suspended, or the empty string.
    interference
        How much slower the leader runs while all workers are busy than alone (0.1 is 10 %); of
        several GPUs, on the one where it matters most.
    variance_ratio
        Variance of 10-block means of duel outcomes over what independence predicts; above 1.5
        the blocks are autocorrelated.
    worker_residuals
        Worker name to how much slower it is than the typical worker (0.05 is 5 %).
    throttled_blocks
        Blocks of the whole race that ran while their worker's GPU was slowed down by heat or
        power.
    warnings
        Sentences for the user, most important first.
    """

    canary_blocks: int = 0
    canary_evidence: float = 1.0
    suspended: str = ""
    interference: Estimate | None = None
    variance_ratio: float | None = None
    worker_residuals: Mapping[str, float] = field(default_factory=dict)
    throttled_blocks: int = 0
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuLoad:
    """How busy a GPU is kept.

    Parameters
    ----------
    gpu
        Its UUID.
    blocks, seats
        Blocks in flight, of how many there could be.
    utilization_percent, target_percent
        Measured with this number of blocks (None where it is not), and wanted.
    reason
        Why the target is missed and no other number is tried; empty where it is held or sought.
    """

    gpu: str
    blocks: int
    seats: int
    utilization_percent: float | None
    target_percent: float
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoreboard:
    """An immutable snapshot of a race.

    `standings` are in rank order; eliminated candidates come last. `measurements` and `blocks`
    count the whole race, `standings` speak of the present epoch. `workers` are there now,
    `measured_on` are all that ever measured. `time_left_s` is an estimate, None where there is
    nothing to extrapolate. `duty_cycle` is time inside candidates over
    workers times wall time. `gpus` are those whose utilisation is regulated. `scale` is the first
    objective's: on ``"interval"`` the standings' `ratio` is a difference.
    """

    epoch: int
    batch_size: int
    standings: tuple[Standing, ...]
    phase: str
    blocks: int
    measurements: int
    elapsed_s: float
    blocks_per_s: float
    workers: tuple[str, ...] = ()
    duty_cycle: float | None = None
    time_left_s: float | None = None
    trust: Trust = field(default_factory=Trust)
    measured_on: tuple[str, ...] = ()
    gpus: tuple[GpuLoad, ...] = ()
    scale: Scale = "ratio"

    @property
    def leader(self) -> str | None:
        """Name of the candidate in front, None before any block was judged."""
        for standing in self.standings:
            if standing.verdict in (VerdictKind.LEADER, VerdictKind.FRONT):
                return standing.candidate
        return None

    def of(self, candidate: str) -> Standing:
        """Return one candidate's standing.

        Raises
        ------
        KeyError
            If no such candidate is in the race.
        """
        for standing in self.standings:
            if standing.candidate == candidate:
                return standing
        raise KeyError(candidate)
