"""Least squares for curves whose time or throughput is linear in the coefficients. Pure.

Every law here is a row of known columns per level times a few coefficients c. The response is
either that product (`inverse=False`: seconds, or throughput under Gustafson) or one over it
(`inverse=True`: throughput under Amdahl and the USL, whose seconds are linear).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from parbench_lab.analysis.laws.ranges import Floats

_STEPS = 200
_HALVINGS = 20
_POLISHINGS = 8
_NEAR = 1e-5  # relative step below which it needs no safeguard


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Problem:
    """What is fitted to what, and what counts as a small residual.

    Parameters
    ----------
    columns
        (levels, coefficients).
    response
        (levels,), positive.
    weights
        (levels,): residuals are multiplied by them before they are squared.
    inverse
        Whether the response is one over the columns times the coefficients.
    first
        The first coefficient where it is given and not fitted.
    """

    columns: Floats
    response: Floats
    weights: Floats
    inverse: bool = False
    first: float | None = None

    @property
    def n_coefficients(self) -> int:
        """How many coefficients there are, given or fitted."""
        return int(self.columns.shape[1])

    @property
    def fitted(self) -> tuple[int, ...]:
        """Which coefficients are fitted."""
        return tuple(range(0 if self.first is None else 1, self.n_coefficients))

    @property
    def given(self) -> Floats:
        """All coefficients with 0 for those that are fitted."""
        c = np.zeros(self.n_coefficients)
        if self.first is not None:
            c[0] = self.first
        return c

    @property
    def degrees_of_freedom(self) -> int:
        """Levels less fitted coefficients."""
        return len(self.response) - len(self.fitted)

    def model(self, c: Floats) -> Floats:
        """Return the responses (..., levels) of coefficients (..., coefficients)."""
        linear: Floats = c @ self.columns.T
        return 1.0 / linear if self.inverse else linear

    def squares(self, c: Floats) -> Floats:
        """Return the weighted sum of squares; infinite where an inverse has no positive time."""
        linear = c @ self.columns.T
        if not self.inverse:
            total: Floats = (((self.response - linear) * self.weights) ** 2).sum(axis=-1)
            return total
        positive = np.asarray((linear > 0).all(axis=-1))
        safe = np.where(positive[..., None], linear, 1.0)
        total = (((self.response - 1.0 / safe) * self.weights) ** 2).sum(axis=-1)
        return np.where(positive, total, np.inf)

    def jacobian(self, c: Floats) -> Floats:
        """Return the weighted derivatives (levels, coefficients) of the model."""
        scale = -1.0 / (c @ self.columns.T) ** 2 if self.inverse else 1.0
        result: Floats = self.columns * (self.weights * scale)[..., None]
        return result

    def covariance(self, c: Floats) -> Floats:
        """Return the inverse of J'J at c, 0 in the row and column of a given coefficient."""
        where = list(self.fitted)
        j = self.jacobian(c)[:, where]
        size = np.linalg.norm(j, axis=0)
        small = np.linalg.pinv(j / size) / size[:, None]
        result = np.zeros((self.n_coefficients, self.n_coefficients))
        result[np.ix_(where, where)] = small @ small.T
        return result


def solve_free(problem: Problem) -> Floats:
    """Return the coefficients with the least sum of squares, whatever their signs."""
    return _solve(problem, problem.fitted)


def solve_bounded(problem: Problem) -> Floats:
    """Return the best coefficients of which the first is positive and no other is negative.

    All sets of coefficients held at 0 are tried (at most 4), which is exact for so few.
    """
    inner = list(range(1, problem.n_coefficients))
    best, least = problem.given, np.inf
    for kept in _subsets(inner):
        where = tuple(i for i in problem.fitted if i == 0 or i in kept)
        c = _solve(problem, where)
        if c[0] > 0 and (c >= 0).all() and problem.squares(c) < least:
            best, least = c, float(problem.squares(c))
        if len(kept) == len(inner) and np.isfinite(least):
            break  # nothing is better than the free optimum
    return best


def _subsets(items: Sequence[int]) -> Iterator[tuple[int, ...]]:
    for size in range(len(items), -1, -1):
        yield from combinations(items, size)


def _solve(problem: Problem, where: tuple[int, ...]) -> Floats:
    """Return the optimum with the coefficients not in `where` held at what is given or 0."""
    if not where:
        return problem.given
    if not problem.inverse:
        return _solve_linear(problem, where)
    basis = np.eye(problem.n_coefficients)[:, list(where)][None]
    c = minimise(problem, start=_safe_start(problem, where)[None], basis=basis)
    best: Floats = _polished(problem, c, basis)[0]
    return best


def _polished(problem: Problem, c: Floats, basis: Floats) -> Floats:
    """Return an optimum to its last digits, which the sum of squares is too flat to show."""
    for _ in range(_POLISHINGS):
        step = _gauss_newton(problem, c, basis)
        if np.abs(step).max() < _NEAR * np.abs(c).max():
            c += step
    return c


def _solve_linear(problem: Problem, where: tuple[int, ...]) -> Floats:
    c: Floats = problem.given
    columns = problem.columns[:, list(where)] * problem.weights[:, None]
    rest = (problem.response - problem.columns @ c) * problem.weights
    size = np.linalg.norm(columns, axis=0)
    c[list(where)] = np.linalg.lstsq(columns / size, rest, rcond=None)[0] / size
    return c


def _safe_start(problem: Problem, where: tuple[int, ...]) -> Floats:
    """Return coefficients with positive times at every level, near the optimum if possible."""
    # a small error of 1/y is an error of y times 1/y**2
    seconds = replace(
        problem,
        response=1.0 / problem.response,
        weights=problem.weights * problem.response**2,
        inverse=False,
    )
    c = _solve_linear(seconds, where)
    if np.isfinite(problem.squares(c)):
        return c
    c = problem.given
    if problem.first is None:
        c[0] = float(np.median(seconds.response / problem.columns[:, 0]))
    return c


def minimise(problem: Problem, *, start: Floats, basis: Floats, settled: float = 1e-13) -> Floats:
    """Return the optima of an inverse problem within several flats at once (Gauss-Newton).

    Parameters
    ----------
    problem
        With ``inverse=True``.
    start
        (m, coefficients): a point of each flat with finite squares; one without stays as it is.
    basis
        (m, coefficients, p): directions in which each may move.
    settled
        Largest relative step at which to stop.
    """
    if basis.shape[-1] == 0:
        return start
    c, squares = start.copy(), problem.squares(start)
    at = np.flatnonzero(np.isfinite(squares))
    for _ in range(_STEPS):
        if not len(at):
            break
        step = _gauss_newton(problem, c[at], basis[at])
        small = np.abs(step).max(axis=-1) < settled * np.abs(c[at]).max(axis=-1)
        last = at[small]
        c[last] += step[small]
        at, step = at[~small], step[~small]
        moved, less = _descend(problem, c[at], squares[at], step)
        helped = less < squares[at]
        c[at], squares[at] = moved, less
        at = at[helped]
    return c


def _gauss_newton(problem: Problem, c: Floats, basis: Floats) -> Floats:
    seconds = c @ problem.columns.T
    residual = (problem.response - 1.0 / seconds) * problem.weights
    slope = (problem.columns @ basis) * (-problem.weights / seconds**2)[..., None]
    size = np.linalg.norm(slope, axis=1, keepdims=True)
    size = np.where(size > 0, size, 1.0)
    z = np.linalg.pinv(slope / size) @ residual[..., None] / size.transpose(0, 2, 1)
    result: Floats = (basis @ z)[..., 0]
    return result


def _descend(problem: Problem, c: Floats, squares: Floats, step: Floats) -> tuple[Floats, Floats]:
    """Return where a step, halved until it helps, leads; the old place where none helps."""
    scale = np.ones(len(c))
    moved, less = c.copy(), squares.copy()
    waiting = np.ones(len(c), dtype=bool)
    for _ in range(_HALVINGS):
        trial = c + scale[:, None] * step
        value = problem.squares(trial)
        helps = waiting & (value < squares)
        moved[helps], less[helps] = trial[helps], value[helps]
        waiting &= ~helps
        if not waiting.any():
            break
        scale[waiting] /= 2.0
    return moved, less
