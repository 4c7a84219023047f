"""Rounds of duels as a script says them; no processes."""

from __future__ import annotations

from parbench_lab.core.measurement import Measurement, Outcome
from parbench_lab.execution.builds.pairing import Duel

OK = Outcome.OK


def ran(value=1.0, outcome=OK, message=""):
    values = {"wall_time_s": value} if outcome is OK else {}
    return Measurement(candidate="a", outcome=outcome, values=values, message=message)


def duel(new, baseline, *, block=0, candidate="a"):
    return Duel(candidate=candidate, block=block, new=new, baseline=baseline, new_first=True)


def round_of(new=1.0, baseline=1.0, *, candidate="a"):
    """Return ten blocks with these times on the two sides."""
    return [duel(ran(new), ran(baseline), block=block, candidate=candidate) for block in range(10)]
