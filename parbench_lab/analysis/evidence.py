"""The sign race on its own: blocks of seconds in, eliminations out. No Dask, no clock.

The accounts are in `leader_bets` (against the leader) and `pair_bets` (of every pair), what they
add up to in `record`; this is the door for a loop of one's own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from parbench_lab.analysis.margins import MARGINS, snap_up
from parbench_lab.analysis.record import EpochRecord
from parbench_lab.core.given import checked_count, checked_number, is_list
from parbench_lab.core.metric import WALL_TIME_S
from parbench_lab.core.standing import VerdictKind
from parbench_lab.errors import UnknownNameError, UsageError

__all__ = ["MARGINS", "EvidenceRace"]


class EvidenceRace:
    """Race candidates on paired seconds and eliminate who is shown to be slower.

    The best candidate is eliminated with probability at most ``1 / elimination_threshold``,
    however many candidates there are, however often one looks and wherever the tolerance is
    moved; if the threshold itself is moved, at most ``1 / min_elimination_threshold``.

    Parameters
    ----------
    names
        The candidates.
    elimination_threshold
        Odds (x : 1) at which a candidate is out; at least `min_elimination_threshold`.
    tolerance
        Slower by this fraction still counts as equal, 0 to 9 (0.02 is 2 %).
    min_elimination_threshold
        The lowest threshold that will be set during the race.
    epoch_blocks
        Blocks per bet; more than 1 against autocorrelated noise.

    Raises
    ------
    UsageError
        If a name comes twice or a number is out of range.

    Examples
    --------
    >>> race = EvidenceRace(["quick", "slow"], elimination_threshold=20)
    >>> for block in range(30):
    ...     out = race.update({"quick": 1.00 + 0.001 * (block % 3), "slow": 1.30})
    ...     if out:
    ...         print(block, out)
    5 {'slow'}
    >>> race.leader, race.shown()["slow"]
    ('quick', 0.25)
    """

    def __init__(
        self,
        names: Iterable[str],
        *,
        elimination_threshold: float = 1000.0,
        tolerance: float = 0.02,
        min_elimination_threshold: float = 20.0,
        epoch_blocks: int = 1,
    ) -> None:
        if not is_list(names):
            raise UsageError(f"names must be a list but got {names!r}")
        self._record = EpochRecord(
            (WALL_TIME_S,),
            names,
            min_elimination_threshold=checked_number(
                min_elimination_threshold, "min_elimination_threshold"
            ),
            epoch_blocks=checked_count(epoch_blocks, "epoch_blocks"),
        )
        self.elimination_threshold = elimination_threshold
        self.tolerance = tolerance

    @property
    def tolerance(self) -> float:
        """Slower by this fraction still counts as equal; may be set at any time."""
        return self._tolerance

    @tolerance.setter
    def tolerance(self, value: float) -> None:
        snap_up(checked_number(value, "tolerance"))
        self._tolerance = float(value)

    @property
    def elimination_threshold(self) -> float:
        """Odds at which a candidate is out; may be set at any time, not below the floor."""
        return self._elimination_threshold

    @elimination_threshold.setter
    def elimination_threshold(self, value: float) -> None:
        floor = self._record.min_elimination_threshold
        if not floor <= checked_number(value, "elimination_threshold") < math.inf:
            raise UsageError(
                f"elimination_threshold must be finite and at least {floor:g} but got {value}; "
                "give a lower min_elimination_threshold at the start to go below"
            )
        self._elimination_threshold = float(value)

    @property
    def record(self) -> EpochRecord:
        """The paired blocks and everything that follows from them."""
        return self._record

    @property
    def survivors(self) -> tuple[str, ...]:
        """Those who still race."""
        return self._record.survivors

    @property
    def leader(self) -> str | None:
        """The survivor that loses the fewest duels; None before the first block."""
        return self._record.leader

    def add(self, name: str) -> None:
        """Let a challenger in; it starts without evidence for or against it."""
        self._record.join(name)

    def update(self, seconds: Mapping[str, float]) -> set[str]:
        """Judge a block and eliminate.

        Parameters
        ----------
        seconds
            Positive seconds per candidate, measured in one block in fresh random order;
            ``inf`` is a time-out and loses its duels. Who is missing was not measured; those who
            are out are ignored. A missing one must not be missing because it was slow.

        Returns
        -------
        set of str
            Those eliminated now. The last survivor never is.

        Raises
        ------
        UsageError
            If it is no mapping, or a value is not a positive number.
        UnknownNameError
            If a name never entered the race.
        """
        if not isinstance(seconds, Mapping):
            raise UsageError(f"a block is seconds by candidate but got {seconds!r}")
        self._record.judge({name: (self._cost(name, value),) for name, value in seconds.items()})
        out = self._record.eliminable(
            elimination_threshold=self.elimination_threshold, tolerance=self.tolerance
        )
        for name in out:
            self._record.remove(name)
        return set(out)

    def _cost(self, name: str, seconds: float) -> float:
        if name not in self._record.names:
            known = ", ".join(self._record.names)
            raise UnknownNameError(f"{name!r} is not in the race; known are {known}")
        if not checked_number(seconds, f"{name!r}: seconds") > 0:
            raise UsageError(f"{name!r}: seconds must be positive but got {seconds}")
        return WALL_TIME_S.cost(seconds)

    def shown(self) -> dict[str, float | None]:
        """Return per candidate x: shown to be at least x slower than the best (0.05 is 5 %)."""
        threshold = self.elimination_threshold
        return {name: self._record.shown_slower(name, threshold) for name in self._record.names}

    def verdicts(self) -> dict[str, VerdictKind]:
        """Return where each candidate stands: leader, equal, undecided or eliminated."""
        return {
            name: self._record.verdict(
                name,
                elimination_threshold=self.elimination_threshold,
                tolerance=self.tolerance,
            )
            for name in self._record.names
        }
