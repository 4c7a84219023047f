"""Confidence regions of fitted coefficients, and the intervals of ratios of them. Pure.

A region is the set of coefficients whose sum of squares is at most `budget` above the optimum.
The interval of a ratio (v'c) / (w'c + const) is every value that some coefficients of the region
have: for a linear fit Fieller's interval in closed form, for a curved one the profile of the
likelihood. Both are invariant: the interval of 1/x is the image of that of x.

E. C. Fieller, "Some problems in interval estimation", JRSS B 16 (1954); D. M. Bates and
D. G. Watts, "Nonlinear Regression Analysis and Its Applications", Wiley 1988, chapter 6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from parbench_lab.analysis.laws.least_squares import Problem, minimise
from parbench_lab.analysis.laws.ranges import Bools, Floats

_DOUBLINGS = 60
_HALVINGS = 36
_SETTLED = 1e-7  # the least sum of squares is flat about its place


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ratios:
    """Several quantities (v'c) / (w'c + const) with their ranges.

    Parameters
    ----------
    over, under
        v and w, each (m, coefficients).
    const
        (m,): 1 where the quantity is v'c itself.
    low, high
        (m,): values outside are not possible (a negative time); may be infinite.
    point
        (m,): the estimate, where a search may start; within [low, high].
    """

    over: Floats
    under: Floats
    const: Floats
    low: Floats
    high: Floats
    point: Floats


class Region(Protocol):
    """A set of coefficients that the data cannot exclude."""

    @property
    def budget(self) -> float:
        """Sum of squares that may be lost against the optimum."""

    def interval(self, ratios: Ratios) -> tuple[Floats, Floats]:
        """Return the lowest and highest value (m,) of each ratio within the region."""

    def allows(self, normals: Floats) -> Bools:
        """Return for each row whether some coefficients of the region have row'c = 0."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ellipsoid:
    """The region of a linear fit: (c - center)' V^-1 (c - center) <= budget.

    Parameters
    ----------
    center
        The free optimum.
    covariance
        V, the inverse of J'J.
    budget
        Sum of squares that may be lost.
    """

    center: Floats
    covariance: Floats
    budget: float

    def allows(self, normals: Floats) -> Bools:
        """Return whether each plane row'c = 0 meets the ellipsoid."""
        gap = normals @ self.center
        return np.asarray(gap**2 <= self.budget * _form(normals, self.covariance, normals))

    def interval(self, ratios: Ratios) -> tuple[Floats, Floats]:
        """Return Fieller's intervals: the roots of (v'c - g w'c)^2 = budget * variance(g)."""
        v, w = ratios.over, ratios.under
        top, bottom = v @ self.center, w @ self.center + ratios.const
        a = bottom**2 - self.budget * _form(w, self.covariance, w)
        b = top * bottom - self.budget * _form(v, self.covariance, w)
        c = top**2 - self.budget * _form(v, self.covariance, v)
        root = np.sqrt(np.maximum(b * b - a * c, 0.0))
        with np.errstate(divide="ignore", invalid="ignore"):
            first, second = (b - root) / a, (b + root) / a
        left, right = np.fmin(first, second), np.fmax(first, second)
        low = np.where(a > 0, left, -np.inf)
        high = np.where(a > 0, right, np.inf)
        # a <= 0: the denominator may be 0, so the set is two rays or everything
        rays = (a < 0) & (b * b > a * c) & (left <= ratios.low)
        low = np.where(rays, right, low)
        return np.clip(low, ratios.low, ratios.point), np.clip(high, ratios.point, ratios.high)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Profile:
    """The region of a curved fit, followed numerically from its optimum outwards.

    Parameters
    ----------
    problem
        With ``inverse=True``.
    center
        The free optimum.
    covariance
        The inverse of J'J there, for the first step.
    budget
        Sum of squares that may be lost.
    """

    problem: Problem
    center: Floats
    covariance: Floats
    budget: float

    def allows(self, normals: Floats) -> Bools:
        """Return whether the best coefficients with row'c = 0 are within the budget."""
        m = len(normals)
        c = np.tile(self.center, (m, 1))
        return self._follow(normals, np.zeros(m), c, np.ones(m, dtype=bool))[1]

    def interval(self, ratios: Ratios) -> tuple[Floats, Floats]:
        """Return where the least sum of squares, given the ratio, passes the budget."""
        return self._end(ratios, -1.0), self._end(ratios, 1.0)

    def _end(self, ratios: Ratios, direction: float) -> Floats:
        """Walk outwards in doubling steps until outside, then halve the last step."""
        start = self._value(ratios)
        limit = ratios.high if direction > 0 else ratios.low
        inside, outside = start.copy(), np.full_like(start, np.nan)
        c = np.tile(self.center, (len(start), 1))
        step = self._first_step(ratios)
        moving = step > 0
        for _ in range(_DOUBLINGS):
            trial = start + direction * step
            trial = np.minimum(trial, limit) if direction > 0 else np.maximum(trial, limit)
            c, within = self._follow(*_planes(ratios, trial), c, moving)
            inside = np.where(within, trial, inside)
            outside = np.where(moving & ~within, trial, outside)
            moving = within & (trial != limit)
            step = 2.0 * step
            if not moving.any():
                break
        searching = np.isfinite(outside)
        for _ in range(_HALVINGS if searching.any() else 0):
            middle = np.where(searching, (inside + outside) / 2.0, inside)
            c, within = self._follow(*_planes(ratios, middle), c, searching)
            inside = np.where(within, middle, inside)
            outside = np.where(searching & ~within, middle, outside)
        reached = np.where(moving, direction * np.inf, inside)
        return np.clip(
            np.fmin(reached, ratios.point) if direction < 0 else np.fmax(reached, ratios.point),
            ratios.low,
            ratios.high,
        )

    def _value(self, ratios: Ratios) -> Floats:
        value: Floats = (ratios.over @ self.center) / (ratios.under @ self.center + ratios.const)
        return value

    def _first_step(self, ratios: Ratios) -> Floats:
        """Half the width that the tangent at the optimum gives."""
        value = self._value(ratios)
        slope = ratios.over - value[:, None] * ratios.under
        spread = np.sqrt(self.budget * _form(slope, self.covariance, slope))
        return 0.5 * spread / np.abs(ratios.under @ self.center + ratios.const)

    def _follow(
        self, normals: Floats, targets: Floats, c: Floats, active: Bools
    ) -> tuple[Floats, Bools]:
        """Return the best coefficients on each plane, and which are within the budget.

        Planes that are not active, and those that are left as they are, keep their `c`.
        """
        c, within = c.copy(), np.zeros(len(c), dtype=bool)
        across = normals @ self.covariance
        length = np.einsum("mi,mi->m", normals, across)
        gap = np.einsum("mi,mi->m", normals, c) - targets
        # a plane that the given coefficient alone decides cannot be reached by the others
        at = np.flatnonzero(active & (length > 1e-12 * np.abs(gap) * np.abs(c).max(axis=-1)))
        if not len(at):
            return c, within
        start = c[at] - across[at] * (gap[at] / length[at])[:, None]
        basis = self._basis(normals[at])
        found = minimise(self.problem, start=start, basis=basis, settled=_SETTLED)
        least = float(self.problem.squares(self.center))
        good = self.problem.squares(found) <= least + self.budget
        c[at[good]] = found[good]
        within[at] = good
        return c, within

    def _basis(self, normal: Floats) -> Floats:
        """Return directions (m, coefficients, p) in which the ratio does not change."""
        where = list(self.problem.fitted)
        # orthogonal after scaling: coefficients differ by orders of magnitude
        scale = np.sqrt(np.diag(self.covariance)[where])
        _, _, rows = np.linalg.svd((normal[:, where] * scale)[:, None, :])
        basis = np.zeros((len(normal), normal.shape[1], len(where) - 1))
        basis[:, where, :] = (rows[:, 1:, :] * scale).transpose(0, 2, 1)
        return basis


def _planes(ratios: Ratios, values: Floats) -> tuple[Floats, Floats]:
    """Return the planes normal'c = target on which each ratio has a value."""
    return ratios.over - values[:, None] * ratios.under, values * ratios.const


def _form(left: Floats, matrix: Floats, right: Floats) -> Floats:
    result: Floats = np.einsum("mi,ij,mj->m", left, matrix, right)
    return result
