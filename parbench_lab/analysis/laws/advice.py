"""Where to stop and what to measure next. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from parbench_lab.analysis.laws.conventions import rows
from parbench_lab.analysis.laws.curve import FittedCurve
from parbench_lab.analysis.laws.judgement import peak_workers
from parbench_lab.analysis.laws.projection import TRUSTED_RANGES
from parbench_lab.analysis.laws.ranges import Bools, Floats
from parbench_lab.core.estimate import Estimate
from parbench_lab.core.given import is_number
from parbench_lab.errors import UsageError

_MOST_WORKERS = 1e6
_GRID = 33
_ZOOMS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class NextLevel:
    """A worker count worth measuring, and why in one sentence."""

    workers: int
    reason: str


def useful_workers(curve: FittedCurve, efficiency: float) -> Estimate:
    """Return up to how many workers the efficiency of the curve stays at least this.

    Infinite where it stays so up to a million workers.

    Raises
    ------
    UsageError
        If the efficiency is not within (0, 1].
    """
    if not (is_number(efficiency) and 0 < efficiency <= 1):
        raise UsageError(f"efficiency must be within (0, 1] but got {efficiency!r}")

    def is_possible(n: Floats) -> Bools:
        """Whether the data allow just this efficiency at n workers."""
        columns, first = rows(curve.method.law, n), np.eye(len(curve.c))[:1]
        rate = n[:, None] * efficiency
        return curve.region.allows(
            first - rate * columns if curve.in_time else columns - rate * first
        )

    point = _reach(lambda n: curve.point(n, "efficiency") >= efficiency, 1.0, _MOST_WORKERS)
    return Estimate(
        point=point,
        low=min(point, _reach(is_possible, min(point, _MOST_WORKERS), 1.0)),
        high=max(point, _reach(is_possible, min(point, _MOST_WORKERS), _MOST_WORKERS)),
        confidence=curve.method.confidence,
        n=curve.seen.n_levels,
    )


def next_level(curve: FittedCurve, *, max_workers: float | None = None) -> NextLevel | None:
    """Return the worker count whose measurement would teach most; None where none would.

    One worker first; the peak once it was passed; else, of twice the largest level and the gaps
    between levels, the one that narrows the projection at twice the measured range most.

    Raises
    ------
    UsageError
        If `max_workers` is not at least 1.
    """
    most = math.inf if max_workers is None else max_workers
    if not (is_number(most) and most >= 1):
        raise UsageError(f"max_workers must be at least 1 but got {max_workers!r}")
    measured = {round(n) for n in curve.seen.workers.tolist()}
    if 1 not in measured:
        return NextLevel(workers=1, reason="every speedup is relative to one worker")
    peak = peak_workers(curve)
    if peak is not None and 2.0 * peak.point <= curve.seen.largest:
        at = round(peak.point)
        reason = "the throughput is highest about here, and the levels beyond are slower"
        return None if at in measured or at > most else NextLevel(workers=at, reason=reason)
    candidates = [n for n in _candidates(curve.seen.workers) if n not in measured and n <= most]
    if not candidates:
        return None
    horizon = TRUSTED_RANGES * curve.seen.largest
    left = _variance_left(curve, np.array(candidates, dtype=float), horizon)
    best = int(np.argmin(left))
    narrower = 100.0 * (1.0 - math.sqrt(float(left[best])))
    return NextLevel(
        workers=candidates[best],
        reason=f"it narrows the projection to {horizon:g} workers most, by about {narrower:.0f} %",
    )


def _reach(holds: Callable[[Floats], Bools], start: float, end: float) -> float:
    """Return how far from the start towards the end something holds without a gap.

    Infinite where it holds up to the most workers that are looked at.
    """
    near, far = start, end
    for _ in range(_ZOOMS):
        n = np.geomspace(near, far, _GRID)
        broken = np.flatnonzero(~holds(n[1:]))
        if not len(broken):
            return math.inf if far == _MOST_WORKERS else far
        near, far = float(n[broken[0]]), float(n[broken[0] + 1])
    return near


def _candidates(workers: Floats) -> list[int]:
    gaps = np.sqrt(workers[:-1] * workers[1:]).round().astype(int).tolist()
    return [round(2 * float(workers[-1])), *gaps]


def _variance_left(curve: FittedCurve, candidates: Floats, horizon: float) -> Floats:
    """Return the share of the projection's variance that each further level would leave.

    For one more level of the same relative noise: V - V x x' V / (1 + x' V x).
    """
    law = curve.method.law

    def relative(n: Floats) -> Floats:
        columns = rows(law, n)
        result: Floats = columns / (columns @ curve.c)[:, None]
        return result

    j = relative(curve.seen.workers)
    v = np.linalg.pinv(j.T @ j, rcond=1e-15)
    x, target = relative(candidates), relative(np.array([horizon]))[0]
    before = float(target @ v @ target)
    shared = x @ v @ target
    own = np.einsum("mi,ij,mj->m", x, v, x)
    result: Floats = 1.0 - shared**2 / ((1.0 + own) * before)
    return result
