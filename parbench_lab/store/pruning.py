"""Which old runs may go: pure, on what the database tells of the series of each run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from parbench_lab.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What pruning looks at in a run.

    Parameters
    ----------
    run_key
        In the database.
    started_us
        Microseconds since 1970 in UTC.
    ended, pinned
        As `RunSummary`.
    """

    run_key: int
    started_us: int
    ended: bool
    pinned: bool


def refuse_nonsense(*, keep: int | None, before: object) -> None:
    """Refuse a wish that says nothing, two things, or to keep nothing.

    Raises
    ------
    UsageError
        Unless it is one of the two.
    """
    if (keep is None) == (before is None):
        raise UsageError("prune: say how many runs to keep, or up to which age: one of the two")
    if keep is not None and keep < 1:
        raise UsageError(f"prune: keep must be at least 1 but got {keep}")


def beyond(
    runs: Sequence[Kept], series: Mapping[int, Iterable[Hashable]], *, keep: int
) -> list[int]:
    """Return the keys of the runs that are among the newest of none of their series.

    Parameters
    ----------
    runs
        Oldest first.
    series
        Of each run by its key, at least one.
    keep
        How many ended runs of each series stay.

    Examples
    --------
    >>> runs = [Kept(run_key=i, started_us=i, ended=True, pinned=False) for i in (1, 2, 3)]
    >>> beyond(runs, {1: ["slow", "quick"], 2: ["quick"], 3: ["quick"]}, keep=1)
    [2]
    """
    newer: Counter[Hashable] = Counter()
    gone = []
    for run in reversed(runs):
        if not run.ended:
            continue  # it may still be written
        of_run = set(series[run.run_key])
        if not run.pinned and all(newer[one] >= keep for one in of_run):
            gone.append(run.run_key)
        newer.update(of_run)
    return gone[::-1]


def older(
    runs: Sequence[Kept], yardsticks: Mapping[int, Iterable[Hashable]], *, before_us: int
) -> list[int]:
    """Return the keys of the ended runs that began before an instant, but for pinned ones.

    Parameters
    ----------
    runs
        Oldest first.
    yardsticks
        Of each run that others are compared by, by its key: what it is the yardstick of. The
        newest of each stays, whatever its age.
    before_us
        Microseconds since 1970 in UTC.

    Examples
    --------
    >>> runs = [Kept(run_key=i, started_us=i, ended=True, pinned=False) for i in (1, 2, 3)]
    >>> older(runs, {1: ["machine"], 2: ["machine"]}, before_us=9)
    [1, 3]
    """
    measuring = [run for run in runs if run.run_key in yardsticks]
    replaced = beyond(measuring, yardsticks, keep=1)
    spared = yardsticks.keys() - set(replaced)
    return [
        run.run_key
        for run in runs
        if run.started_us < before_us
        and run.ended
        and not run.pinned
        and run.run_key not in spared
    ]
