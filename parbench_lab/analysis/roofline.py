"""Reading a candidate against the roofs of its machine: how much of them it uses. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from parbench_lab.core.roofline import Bandwidth, Roofline


@dataclass(frozen=True, slots=True, kw_only=True)
class Attained:
    """What a call attains, and how much of the roof above it that is.

    Parameters
    ----------
    flops_per_s, bytes_per_s
        Of one call.
    level
        The level of memory its data come from: the smallest that holds as many bytes as are
        moved, or a nearer one where they move more quickly than that level can.
    compute_share, bandwidth_share
        Of what one core (or `cores` of them) can do; above 1 where the roof was measured on a
        busier machine.
    intensity_flops_per_byte
        Arithmetic for each byte that is moved; 0 where it was not counted.
    roof_flops_per_s
        The lower of the two roofs at that intensity.
    """

    flops_per_s: float
    bytes_per_s: float
    level: str
    compute_share: float
    bandwidth_share: float
    intensity_flops_per_byte: float
    roof_flops_per_s: float

    @property
    def share(self) -> float:
        """How much of the nearer roof is used."""
        return max(self.compute_share, self.bandwidth_share)


def attained(
    roofline: Roofline,
    *,
    wall_time_s: float,
    flop_count: float,
    moved_bytes: float,
    single_flop_count: float = 0.0,
    all_cores: bool = False,
) -> Attained:
    """Return what a call attains under the roofs.

    Parameters
    ----------
    roofline
        Of the machine it ran on.
    wall_time_s
        Of one call.
    flop_count, moved_bytes
        What a call must do at least: operations in double precision, and bytes read and written.
    single_flop_count
        Operations in single precision, beside those in double.
    all_cores
        Whether it uses all cores rather than one.

    Raises
    ------
    ValueError
        If a number is not positive, or the roof in single precision is wanted and not measured.

    References
    ----------
    .. [1] S. Williams, A. Waterman, D. Patterson, "Roofline: an insightful visual performance
       model for multicore architectures", CACM 52 (4), 2009.
    """
    for name, number in (("wall_time_s", wall_time_s), ("moved_bytes", moved_bytes)):
        if not number > 0:
            raise ValueError(f"{name} must be positive but got {number}")
    for name, n in (("flop_count", flop_count), ("single_flop_count", single_flop_count)):
        if not n >= 0:
            raise ValueError(f"{name} must be 0 or more but got {n}")
    n_flops = flop_count + single_flop_count
    at_the_peak_s = _shortest_s(roofline, flop_count, single_flop_count, all_cores=all_cores)
    intensity = n_flops / moved_bytes
    flops_per_s, bytes_per_s = n_flops / wall_time_s, moved_bytes / wall_time_s
    level, stream = _level(roofline, moved_bytes, bytes_per_s, all_cores=all_cores)
    return Attained(
        flops_per_s=flops_per_s,
        bytes_per_s=bytes_per_s,
        level=level.level,
        compute_share=at_the_peak_s / wall_time_s,
        bandwidth_share=bytes_per_s / stream,
        intensity_flops_per_byte=intensity,
        roof_flops_per_s=min(n_flops / at_the_peak_s, intensity * stream) if n_flops else 0.0,
    )


def _shortest_s(
    roofline: Roofline, flop_count: float, single_flop_count: float, *, all_cores: bool
) -> float:
    """Return how long the arithmetic takes at the peaks of both precisions."""
    if all_cores:
        double, single = roofline.all_cores_flops_per_s, roofline.all_cores_single_flops_per_s
    else:
        double, single = roofline.one_core_flops_per_s, roofline.one_core_single_flops_per_s
    if not single_flop_count:
        return flop_count / double
    if single is None:
        raise ValueError("the roof in single precision was not measured")
    return flop_count / double + single_flop_count / single


ABOVE_THE_ROOF = 1.1
"""A rate this far above a level's bandwidth does not come from there."""


def _level(
    roofline: Roofline, moved_bytes: float, bytes_per_s: float, *, all_cores: bool
) -> tuple[Bandwidth, float]:
    def stream(level: Bandwidth) -> float:
        return level.all_cores_bytes_per_s if all_cores else level.one_core_bytes_per_s

    farthest = roofline.bandwidths.index(roofline.bandwidth_at(moved_bytes))
    nearer = list(reversed(roofline.bandwidths[: farthest + 1]))
    for level in nearer:
        if bytes_per_s <= ABOVE_THE_ROOF * stream(level):
            return level, stream(level)
    quickest = max(nearer, key=stream)
    return quickest, stream(quickest)
