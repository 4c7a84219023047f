"""What limits a candidate, where its figures show it; "not shown" is an answer. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from parbench_lab.analysis.roofline import ABOVE_THE_ROOF, Attained, attained
from parbench_lab.core.roofline import MEMORY, Roofline
from parbench_lab.core.wording import amount, duration, memory, percent

SHOWN_FROM = 0.5
"""A limit is named where it accounts for half of the time at least."""
NO_TRANSFER = "transfer is not measured here"
FULL_MEMORY = 0.8
WORST_FIT = 0.25
FEWEST_SIZES = 3
WIDEST_FIT = 4.0
"""The largest size over the smallest that a line through the times needs at least."""


class Limit(StrEnum):
    """What the time (or the failure) of a candidate is due to."""

    COMPUTE = "compute"
    MEMORY_BANDWIDTH = "memory bandwidth"
    MEMORY_CAPACITY = "memory capacity"
    OVERHEAD = "launch or scheduling overhead"
    TRANSFER = "transfer or waiting"
    NOT_SHOWN = "not shown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bottleneck:
    """A limit with its evidence.

    Parameters
    ----------
    share
        How much of the roof, the memory or the time it accounts for, 0 to about 1; None where
        nothing is shown.
    evidence
        In words, with the figures; where nothing is shown: what is missing.
    """

    limit: Limit
    share: float | None
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The figures of one candidate at one size that can show a limit.

    Parameters
    ----------
    size
        Batch size in items.
    wall_time_s
        Median of a call.
    cpu_time_s
        Median processor time of a call, of all its threads; None where not measured.
    busiest_share
        CPU time over wall time in the busiest tenth of the calls; None: as in the typical one.
        Other processes take the core from some calls, a candidate that waits does so in all.
    peak_rss_bytes
        Of the process.
    flop_count, single_flop_count, moved_bytes
        What a call must do at least, where the workload's check returns metrics of these names:
        operations in double and in single precision, and bytes read and written.
    faults
        Outcome to how often it came.
    times_s
        Size to the median time of a call, of all sizes that were measured.
    memory_bytes
        Main memory of the machine.
    on_gpu
        Whether it works on a GPU, whose roofs are not measured.
    """

    size: int
    wall_time_s: float
    cpu_time_s: float | None = None
    busiest_share: float | None = None
    peak_rss_bytes: float | None = None
    flop_count: float | None = None
    moved_bytes: float | None = None
    faults: Mapping[str, int] = field(default_factory=dict)
    times_s: Mapping[int, float] = field(default_factory=dict)
    memory_bytes: int | None = None
    single_flop_count: float | None = None
    on_gpu: bool = False

    @property
    def work_is_known(self) -> bool:
        """Whether the check of its workload tells what a call must do at least."""
        counted = self.flop_count is not None or self.single_flop_count is not None
        return bool(self.moved_bytes) and counted


def bottleneck(profile: Profile, roofline: Roofline | None = None) -> Bottleneck:
    """Return what limits a candidate most, of what the figures show.

    Shown are: memory that ran out (or is four fifths full), a roof that is used by half, a fixed
    cost that is half of a call's time (a line through the times over at least three sizes, a
    call that does nothing, or one array operation where the roofs are far above), and a processor
    that rests half of the time, in the busiest calls too. What a transfer takes is not measured:
    a call is timed where its data are, so the way to a worker is not in its time, and a copy to
    a GPU is not told apart.

    Parameters
    ----------
    profile
        Its figures.
    roofline
        Of the machine they were measured on; None where it was not measured.

    Examples
    --------
    >>> waits = Profile(size=10, wall_time_s=0.1, cpu_time_s=0.02)
    >>> bottleneck(waits).limit
    <Limit.TRANSFER: 'transfer or waiting'>
    >>> bottleneck(Profile(size=10, wall_time_s=0.1)).limit
    <Limit.NOT_SHOWN: 'not shown'>
    """
    found = [one for one in _shown(profile, roofline) if (one.share or 0.0) >= SHOWN_FROM]
    if found:
        return max(found, key=lambda one: one.share or 0.0)
    return Bottleneck(
        limit=Limit.NOT_SHOWN, share=None, evidence=_what_is_missing(profile, roofline)
    )


def fixed_cost(times_s: Mapping[int, float]) -> float | None:
    """Return the seconds of a call that do not depend on its size, None where times do not tell.

    A line through the times over the sizes, by least squares of the relative errors (timing noise
    is proportional). None for fewer than three sizes, sizes within a factor of four, and where
    the line misses a time by more than a quarter.

    Examples
    --------
    >>> round(fixed_cost({100: 0.0011, 1000: 0.002, 10_000: 0.011}), 6)
    0.001
    """
    sizes = np.array(sorted(times_s), dtype=float)
    if len(sizes) < FEWEST_SIZES or sizes[-1] < WIDEST_FIT * sizes[0]:
        return None
    times = np.array([times_s[int(size)] for size in sizes])
    columns = np.column_stack([1 / times, sizes / times])
    (fixed, slope), *_ = np.linalg.lstsq(columns, np.ones(len(sizes)), rcond=None)
    misses = np.abs(columns @ np.array([fixed, slope]) - 1)
    if slope < 0 or float(misses.max()) > WORST_FIT:
        return None
    return max(float(fixed), 0.0)


def roof_of(profile: Profile, roofline: Roofline | None) -> Attained | None:
    """Return what a candidate attains under the roofs, None where its work is not known."""
    if roofline is None or profile.on_gpu or not profile.moved_bytes:
        return None
    if not profile.work_is_known or _lacks_single(profile, roofline):
        return None
    threads = (profile.cpu_time_s or 0.0) / profile.wall_time_s
    return attained(
        roofline,
        wall_time_s=profile.wall_time_s,
        flop_count=profile.flop_count or 0.0,
        single_flop_count=profile.single_flop_count or 0.0,
        moved_bytes=profile.moved_bytes,
        all_cores=threads > 1.5,
    )


def _lacks_single(profile: Profile, roofline: Roofline) -> bool:
    return bool(profile.single_flop_count) and None in (
        roofline.one_core_single_flops_per_s,
        roofline.all_cores_single_flops_per_s,
    )


def _shown(profile: Profile, roofline: Roofline | None) -> Iterator[Bottleneck]:
    yield from _capacity(profile)
    yield from _roofs(roof_of(profile, roofline))
    yield from _calls(profile, roofline)
    fixed_s = fixed_cost(profile.times_s)
    if fixed_s is not None:
        yield Bottleneck(
            limit=Limit.OVERHEAD,
            share=min(1.0, fixed_s / profile.wall_time_s),
            evidence=f"{duration(fixed_s)} of the {duration(profile.wall_time_s)} of a call do "
            f"not depend on its size ({len(profile.times_s)} sizes)",
        )
    if profile.cpu_time_s is not None:
        busy = max(profile.cpu_time_s / profile.wall_time_s, profile.busiest_share or 0.0)
        yield Bottleneck(
            limit=Limit.TRANSFER,
            share=max(0.0, 1.0 - busy),
            evidence=f"the processor works in {percent(min(busy, 1.0))} of the time"
            f"{'' if profile.busiest_share is None else ' of its busiest calls'}: the rest is "
            f"waiting for {_waits_for(profile)}; how much of it is transfer is not measured here",
        )


def _waits_for(profile: Profile) -> str:
    return "the GPU" if profile.on_gpu else "data, a disk, a lock or another process"


def _calls(profile: Profile, roofline: Roofline | None) -> Iterator[Bottleneck]:
    if roofline is None:
        return
    found = roof_of(profile, roofline)
    if found is not None and found.share < SHOWN_FROM:
        array_s = roofline.array_call_overhead_s
        yield Bottleneck(
            limit=Limit.OVERHEAD,
            share=min(1.0, array_s / profile.wall_time_s),
            evidence=f"a call takes {duration(profile.wall_time_s)}, one operation on an array of "
            f"a single number {duration(array_s)} here, and its work uses "
            f"{percent(found.share)} of the nearer roof",
        )
    empty_s = roofline.call_overhead_s
    yield Bottleneck(
        limit=Limit.OVERHEAD,
        share=min(1.0, empty_s / profile.wall_time_s),
        evidence=f"a call takes {duration(profile.wall_time_s)}, one that does nothing "
        f"{duration(empty_s)} here",
    )


def out_of_memory(faults: Mapping[str, int]) -> Bottleneck | None:
    """Return the limit of a candidate that ran out of memory, None for one that never did.

    Parameters
    ----------
    faults
        Outcome to how often it came.
    """
    ran_out = faults.get("out_of_memory", 0)
    if not ran_out:
        return None
    times = "once" if ran_out == 1 else f"{ran_out} times"
    return Bottleneck(
        limit=Limit.MEMORY_CAPACITY, share=1.0, evidence=f"ran out of memory {times}"
    )


def _capacity(profile: Profile) -> Iterator[Bottleneck]:
    ran_out = out_of_memory(profile.faults)
    if ran_out is not None:
        yield ran_out
    if profile.peak_rss_bytes and profile.memory_bytes:
        share = profile.peak_rss_bytes / profile.memory_bytes
        if share >= FULL_MEMORY:
            yield Bottleneck(
                limit=Limit.MEMORY_CAPACITY,
                share=share,
                evidence=f"its process holds {memory(profile.peak_rss_bytes)} of "
                f"{memory(profile.memory_bytes)}",
            )


def _roofs(found: Attained | None) -> Iterator[Bottleneck]:
    if found is None:
        return
    yield Bottleneck(
        limit=Limit.COMPUTE,
        share=found.compute_share,
        evidence=f"{amount(found.flops_per_s)}flop/s, {percent(found.compute_share)} of what a "
        f"matrix product attains here{_too_low(found.compute_share)}",
    )
    where = "memory" if found.level == MEMORY else f"the {found.level} cache"
    yield Bottleneck(
        limit=Limit.MEMORY_BANDWIDTH,
        share=found.bandwidth_share,
        evidence=f"{amount(found.bytes_per_s)}B/s, {percent(found.bandwidth_share)} of what a "
        f"triad moves from and to {where} here{_too_low(found.bandwidth_share)}",
    )


def _too_low(share: float) -> str:
    if share <= ABOVE_THE_ROOF:
        return ""
    return " (that roof was measured on a busier machine: parbench doctor again)"


def _what_is_missing(profile: Profile, roofline: Roofline | None) -> str:
    lacking = []
    if profile.on_gpu:
        lacking.append("the roofs of a GPU, which are not measured")
    elif roofline is None:
        lacking.append("the roofs of its machine (parbench doctor there)")
    elif _lacks_single(profile, roofline):
        lacking.append("its machine's roof in single precision (parbench doctor there again)")
    if not profile.work_is_known and not profile.on_gpu:
        lacking.append(
            "its work: let the workload's check return the metrics flop_count and moved_bytes"
        )
    if len(profile.times_s) < FEWEST_SIZES:
        lacking.append(f"times at {FEWEST_SIZES} batch sizes or more")
    if not lacking:
        return f"no limit accounts for half of its time; {NO_TRANSFER}"
    return f"the figures show none; wanted: {'; '.join(lacking)}; {NO_TRANSFER}"
