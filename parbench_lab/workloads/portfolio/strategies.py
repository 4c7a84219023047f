"""What a configuration of the strategy is, and the grid that configurations are taken from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

from parbench_lab.core.given import checked_count
from parbench_lab.errors import UnknownNameError, UsageError

WEIGHTINGS = ("equal", "inverse_volatility", "trend")
"""How the assets that are held share the portfolio: all alike, by 1 / deviation, or by how far
their trend is above the exit threshold."""

SIZES = MappingProxyType({"quick": 100, "default": 1000, "full": 10_000, "large": 50_000})
"""Named numbers of configurations."""

_REBALANCE = (4, 6, 8, 12, 16, 24, 32, 48, 72, 96)
_LOOKBACK = (8, 10, 12, 14, 16, 20, 24, 28, 32, 36, 42, 48, 54, 60, 68, 76, 84, 96, 108, 120)
_ENTRY = tuple(-0.5 + 0.25 * step for step in range(10))
_GAP = tuple(0.25 * step for step in range(10))

GRID_SIZE = len(_REBALANCE) * len(_LOOKBACK) * len(WEIGHTINGS) * len(_ENTRY) * len(_GAP)
"""How many configurations the grid has: 60 000."""

_STRIDE = 37_081
"""Near the golden section of the grid's size and prime to it: every start of the sequence
``k * stride modulo size`` is spread evenly over the grid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """One parameter set of the strategy.

    Every `rebalance` periods the trend of each asset is looked at: the mean of its last
    `lookback` logarithmic returns over the standard error of that mean. An asset is bought when
    its trend is above `entry`, sold when it is below `exit`, and kept as it is in between; the
    portfolio is shared out anew among the assets held, or is in cash where there are none.

    Parameters
    ----------
    id
        Its number, 0 or more; of the grid, the place there.
    lookback
        Periods that are looked back on, at least 2.
    rebalance
        Periods between two rebalancings, at least 1.
    weighting
        One of `WEIGHTINGS`.
    entry, exit
        Thresholds of the trend, in standard errors; `exit` is not above `entry`.

    Raises
    ------
    UsageError
        If a value is out of its range.
    """

    id: int
    lookback: int
    rebalance: int
    weighting: str
    entry: float
    exit: float

    def __post_init__(self) -> None:
        for name, low in (("id", 0), ("lookback", 2), ("rebalance", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < low:
                raise UsageError(
                    f"{name} of a configuration must be a whole number of at least {low} "
                    f"but got {value!r}"
                )
        if self.weighting not in WEIGHTINGS:
            known = ", ".join(WEIGHTINGS)
            raise UnknownNameError(
                f"weighting {self.weighting!r}: not found; known names are {known}"
            )
        if not (math.isfinite(self.entry) and math.isfinite(self.exit)):
            raise UsageError(f"thresholds must be finite but got {self.entry} and {self.exit}")
        if not self.exit <= self.entry:
            raise UsageError(
                f"exit must not be above entry but got exit={self.exit} and entry={self.entry}"
            )


def grid_configuration(number: int) -> Configuration:
    """Return one configuration of the grid by its place, which is its id.

    The rebalancing period changes slowest, then lookback, weighting, entry and the gap between
    entry and exit: neighbours are alike, so that a chunk of them shares work.

    Raises
    ------
    UsageError
        If the place is not within 0 to 59 999.

    Examples
    --------
    >>> chosen = grid_configuration(31_415)
    >>> chosen.rebalance, chosen.lookback, chosen.weighting, chosen.entry, chosen.exit
    (24, 16, 'trend', -0.25, -1.5)
    """
    if not 0 <= number < GRID_SIZE:
        raise UsageError(f"the grid has the places 0 to {GRID_SIZE - 1} but got {number}")
    rest, gap = divmod(number, len(_GAP))
    rest, entry = divmod(rest, len(_ENTRY))
    rest, weighting = divmod(rest, len(WEIGHTINGS))
    rebalance, lookback = divmod(rest, len(_LOOKBACK))
    return Configuration(
        id=number,
        lookback=_LOOKBACK[lookback],
        rebalance=_REBALANCE[rebalance],
        weighting=WEIGHTINGS[weighting],
        entry=_ENTRY[entry],
        exit=_ENTRY[entry] - _GAP[gap],
    )


def grid(count: int | str = "default") -> tuple[Configuration, ...]:
    """Return configurations spread evenly over the grid, by ascending id.

    A smaller choice is part of every larger one.

    Parameters
    ----------
    count
        How many, 1 to 60 000, or a name of `SIZES`.

    Raises
    ------
    UsageError
        If there are not so many.

    Examples
    --------
    >>> [configuration.id for configuration in grid(4)]
    [0, 14162, 37081, 51243]
    >>> len(grid("quick"))
    100
    """
    number = number_of_configurations(count)
    places = sorted(place * _STRIDE % GRID_SIZE for place in range(number))
    return tuple(grid_configuration(place) for place in places)


def number_of_configurations(count: int | str) -> int:
    """Return how many configurations a number or a name of `SIZES` stands for.

    Raises
    ------
    UsageError
        If the number is not within 1 to 60 000, or the name is unknown.
    """
    if isinstance(count, str):
        if count not in SIZES:
            known = ", ".join(SIZES)
            raise UnknownNameError(
                f"configurations {count!r}: not found; known names are {known}, or give a number"
            )
        return SIZES[count]
    return checked_count(count, "configurations", most=GRID_SIZE)


def refuse_same_ids(configurations: Sequence[Configuration]) -> None:
    """Raise where two configurations have one id.

    Raises
    ------
    UsageError
        Naming the id, or if there is no configuration at all.
    """
    if not configurations:
        raise UsageError("no configurations: give at least one")
    seen: set[int] = set()
    for configuration in configurations:
        if configuration.id in seen:
            raise UsageError(
                f"two configurations have the id {configuration.id}: number them apart"
            )
        seen.add(configuration.id)
