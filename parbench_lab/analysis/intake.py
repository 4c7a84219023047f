"""Blocks as they are told, made into rows of costs; those that may share a bet together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np

from parbench_lab.analysis.accounts import Bools, Floats
from parbench_lab.analysis.entries import Entries
from parbench_lab.errors import UsageError

STALE_SHARE = 0.1
"""Blocks judged together are at most this share of those judged before."""


def parsed(
    costs: Mapping[str, tuple[float, ...]], entries: Entries, n_objectives: int
) -> tuple[Floats, Bools]:
    """Return a block as costs, ``(candidates, objectives)``, and who was measured in it.

    Parameters
    ----------
    costs
        By name; who does not race is left out.
    entries
        Who is known, and in which row.
    n_objectives
        How many costs everyone has.

    Raises
    ------
    UsageError
        If a cost is not a number or there is not one per objective.
    """
    block: Floats = np.zeros((len(entries), n_objectives))
    measured: Bools = np.zeros(len(entries), np.bool_)
    for name, cost in costs.items():
        row = entries.racing_row(name)
        if row is None:
            continue
        if len(cost) != n_objectives:
            raise UsageError(f"{name!r}: {n_objectives} costs are due, got {len(cost)}")
        block[row] = cost
        measured[row] = True
    if np.isnan(block).any():
        raise UsageError("a cost is not a number; leave out who was not measured")
    return block, measured


def alike(
    blocks: Iterable[tuple[Floats, Bools]], judged: Callable[[], int]
) -> Iterator[tuple[list[Floats], Bools]]:
    """Yield, in order, blocks that may share a bet, and who was measured in them.

    The same candidates were measured in all of them, and they are few beside those before.

    Parameters
    ----------
    blocks
        As `parsed` gives them; where nobody was measured they are left out.
    judged
        Returns how many blocks were judged by now: it is asked between two that are yielded.

    Examples
    --------
    >>> one, two = np.array([True, False]), np.array([True, True])
    >>> blocks = [(np.zeros((2, 1)), who) for who in (one, one, two)]
    >>> [(len(some), who.tolist()) for some, who in alike(blocks, lambda: 100)]
    [(2, [True, False]), (1, [True, True])]
    """
    waiting: list[Floats] = []
    present_in: Bools = np.zeros(0, np.bool_)
    for block, measured in blocks:
        same = np.array_equal(measured, present_in)
        if waiting and (not same or len(waiting) >= 1 + int(judged() * STALE_SHARE)):
            yield waiting, present_in
            waiting = []
        if measured.any():
            waiting.append(block)
            present_in = measured
    if waiting:
        yield waiting, present_in
