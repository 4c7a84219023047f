"""What is worth doing after a comparison, ranked by what it would gain. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Sequence

from parbench_lab.analysis.comparison.bottleneck import (
    Bottleneck,
    Limit,
    Profile,
    fixed_cost,
    roof_of,
)
from parbench_lab.analysis.comparison.values import Opportunity, Pair
from parbench_lab.analysis.comparison.verdicts import Verdict
from parbench_lab.analysis.roofline import Attained
from parbench_lab.core.roofline import MEMORY, Roofline
from parbench_lab.core.wording import duration, percent
from parbench_lab.core.wording import ratio as ratio_words

WORTH = 0.05
"""Gains below this fraction are not worth a line."""
NEAR_A_ROOF = 0.05
"""Below this share of a roof the hardware is not what a program is up against."""


def ranked(found: Iterable[Opportunity]) -> tuple[Opportunity, ...]:
    """Return what is worth a line: estimates before mere bounds, the largest gain first."""
    worth = [one for one in found if one.gain >= WORTH]
    return tuple(sorted(worth, key=lambda one: (one.at_most, -one.gain, one.size, one.candidate)))


def of_pairs(pairs: Sequence[Pair], *, same_machine: bool) -> Iterator[Opportunity]:
    """Yield what the ratios themselves offer: to undo a loss, or to use the quicker machine."""
    several = len({pair.size for pair in pairs}) > 1
    for pair in pairs:
        told = pair.judgement
        if told is None or told.verdict not in (Verdict.SLOWER, Verdict.FASTER):
            continue
        slower = told.verdict is Verdict.SLOWER
        if same_machine and slower:
            what = f"find what made {pair.candidate} slower since the baseline"
        elif not same_machine:
            quicker = "baseline" if slower else "new"
            if (pair.baseline if slower else pair.new).faults:
                continue  # what fails there is not quicker
            what = f"run {pair.candidate} on the {quicker} machine"
        else:
            continue
        if several:
            what += f", at {pair.size} items"
        factor = told.ratio.point if slower else 1 / told.ratio.point
        yield Opportunity(
            what=what,
            candidate=pair.candidate,
            size=pair.size,
            gain=1 - 1 / factor,
            evidence=f"{_epochs(pair)}ratio {ratio_words(told.ratio)}, q {told.q:.2g}",
        )


def _epochs(pair: Pair) -> str:
    return f"epochs {pair.epochs}, " if pair.epochs else ""


def of_choice(times_s: dict[int, dict[str, float]]) -> Iterator[Opportunity]:
    """Yield for each size what choosing the quickest candidate gains over the typical one.

    Parameters
    ----------
    times_s
        Size to candidate to median seconds.
    """
    for size, by_name in times_s.items():
        if len(by_name) < 2:
            continue
        best = min(by_name, key=lambda name: by_name[name])
        typical_s = statistics.median(s for name, s in by_name.items() if name != best)
        slowest = max(by_name, key=lambda name: by_name[name])
        yield Opportunity(
            what=f"use {best} at {size} items",
            candidate=best,
            size=size,
            gain=max(0.0, 1 - by_name[best] / typical_s),
            evidence=f"{duration(by_name[best])} against {duration(typical_s)} of the others' "
            f"median and {duration(by_name[slowest])} of {slowest}",
        )


def of_profile(
    candidate: str, profile: Profile, limit: Bottleneck, roofline: Roofline | None
) -> Iterator[Opportunity]:
    """Yield what one candidate's own figures offer: other batch sizes, waiting, headroom."""
    yield from _of_sizes(candidate, profile)
    if limit.limit is Limit.TRANSFER and limit.share is not None:
        yield Opportunity(
            what=f"let {candidate} work while it waits (overlap, prefetch, larger requests)",
            candidate=candidate,
            size=profile.size,
            gain=limit.share,
            evidence=limit.evidence,
            at_most=True,
        )
    roof = roof_of(profile, roofline)
    if roof is not None and NEAR_A_ROOF <= roof.share < 1:
        yield Opportunity(
            what=f"bring {candidate} nearer to the roof of {_roof_name(roof)}",
            candidate=candidate,
            size=profile.size,
            gain=1 - roof.share,
            evidence=f"it attains {percent(roof.share)} of it{_intensity(roof)}",
            at_most=True,
        )


def _intensity(roof: Attained) -> str:
    if not roof.intensity_flops_per_byte:
        return ""
    return f", with {roof.intensity_flops_per_byte:.2g} operations for each byte"


def _roof_name(roof: Attained) -> str:
    if roof.compute_share >= roof.bandwidth_share:
        return "arithmetic"
    return "the memory" if roof.level == MEMORY else f"the {roof.level} cache"


def _of_sizes(candidate: str, profile: Profile) -> Iterator[Opportunity]:
    """Yield the size at which an item is cheapest, where that is another one."""
    per_item_s = {size: seconds / size for size, seconds in profile.times_s.items()}
    if len(per_item_s) < 2 or profile.size not in per_item_s:
        return
    best = min(per_item_s, key=lambda size: per_item_s[size])
    if best == profile.size:
        return
    larger = best > profile.size
    fixed_s = fixed_cost(profile.times_s)
    why = f", of which {duration(fixed_s)} a call are fixed" if larger and fixed_s else ""
    yield Opportunity(
        what=f"give {candidate} {'larger batches' if larger else 'its work in parts'} of {best}",
        candidate=candidate,
        size=profile.size,
        gain=1 - per_item_s[best] / per_item_s[profile.size],
        evidence=f"an item takes {duration(per_item_s[best])} at {best} and "
        f"{duration(per_item_s[profile.size])} at {profile.size}{why}",
    )
