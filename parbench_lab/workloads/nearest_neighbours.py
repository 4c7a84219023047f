"""Nearest neighbours: for every point of a cloud, the four nearest other points.

Comparing everything with everything wins for few points, a tree for many: changing the batch
size changes the winner (at about 500 points on the two-core machine it was first measured on).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parbench_lab.core.candidate import Candidate
from parbench_lab.workloads.agreement import read_only
from parbench_lab.workloads.members import members

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

NEIGHBOURS = 4
_CHECKED_PAIRS = 4_000_000
_ROWS_AT_ONCE = 256


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cloud:
    """Points in three dimensions.

    Parameters
    ----------
    points
        Shape ``(size, 3)``, read-only: even in the unit cube.
    neighbours
        How many neighbours are asked for, at most ``size - 1``.
    check_rows
        Points whose neighbours the check looks up itself, ascending; all of them up to 2000
        points, else as many as 4 million distances allow, drawn with the case's generator.
    """

    points: Floats
    neighbours: int
    check_rows: Integers


class NearestNeighbours:
    """Find the nearest neighbours of all `size` points; building a tree is part of the work.

    A result has shape ``(size, neighbours)``: the indices of the other points, nearest first.

    Examples
    --------
    >>> job = NearestNeighbours()
    >>> case = job.make_case(100, np.random.default_rng(0))
    >>> job.check(case, brute_force(case))
    >>> brute_force(case).shape
    (100, 4)
    """

    name = "nearest_neighbours"
    default_batch_size = 1000

    @property
    def candidates(self) -> Sequence[Candidate]:
        """The built-in implementations whose library is installed."""
        return members(
            brute_force,
            brute_force_blas,
            scipy_kd_tree,
            sklearn_ball_tree,
            needs={sklearn_ball_tree: "sklearn"},
        )

    def make_case(self, size: int, rng: np.random.Generator) -> Cloud:
        """Return a cloud of `size` points."""
        points = rng.random((size, 3))
        n_rows = min(size, max(1, _CHECKED_PAIRS // size))
        rows = np.sort(rng.choice(size, n_rows, replace=False))
        return Cloud(
            points=read_only(points),
            neighbours=min(NEIGHBOURS, size - 1),
            check_rows=read_only(rows),
        )

    def check(self, case: Cloud, result: Any) -> None:
        """Raise unless each point's neighbours are its nearest ones, in order.

        Every row must hold different indices of other points by rising distance. For the rows of
        `check_rows`, all distances are computed one coordinate at a time, and no point left out
        may be nearer than the last one named. Distances squared may be confused within 1e-12: the
        form ``a^2 + b^2 - 2ab`` loses about ``10 eps`` of numbers of size 3.

        Raises
        ------
        ValueError
            Naming the first point whose neighbours are wrong.
        """
        found = _as_indices(result, (len(case.points), case.neighbours))
        if not found.size:
            return
        for first in range(0, len(found), 65536):
            _require_rising(case.points, found, slice(first, first + 65536))
        for first in range(0, len(case.check_rows), _ROWS_AT_ONCE):
            _require_nearest(case.points, found, case.check_rows[first : first + _ROWS_AT_ONCE])


def brute_force(case: Cloud) -> Integers:
    """Compare every point with every other, numpy."""
    from_all = np.empty((len(case.points), case.neighbours), dtype=np.int64)
    for first in range(0, len(case.points), _ROWS_AT_ONCE):
        rows = case.points[first : first + _ROWS_AT_ONCE]
        apart = rows[:, np.newaxis, :] - case.points
        squares = np.einsum("ijk,ijk->ij", apart, apart)
        from_all[first : first + len(rows)] = _nearest_others(squares, first, case.neighbours)
    return from_all


def brute_force_blas(case: Cloud) -> Integers:
    """Compare every point with every other by a matrix product, ``a^2 + b^2 - 2ab``."""
    from_all = np.empty((len(case.points), case.neighbours), dtype=np.int64)
    norms = np.einsum("ij,ij->i", case.points, case.points)
    for first in range(0, len(case.points), _ROWS_AT_ONCE):
        rows = case.points[first : first + _ROWS_AT_ONCE]
        squares = norms - 2.0 * (rows @ case.points.T)
        from_all[first : first + len(rows)] = _nearest_others(squares, first, case.neighbours)
    return from_all


def scipy_kd_tree(case: Cloud) -> Integers:
    """Build a k-d tree and ask it, `scipy.spatial.cKDTree`."""
    from scipy.spatial import cKDTree  # noqa: PLC0415 - heavy; the first call pays

    tree = cKDTree(case.points)
    _, found = tree.query(case.points, k=range(1, case.neighbours + 2))
    nearest: Integers = found[:, 1:]
    return nearest


def sklearn_ball_tree(case: Cloud) -> Integers:
    """Build a ball tree and ask it, `sklearn.neighbors.BallTree`."""
    from sklearn.neighbors import BallTree  # noqa: PLC0415 - optional; the first call pays

    tree = BallTree(case.points)
    nearest: Integers = tree.query(case.points, k=case.neighbours + 1, return_distance=False)[
        :, 1:
    ]
    return nearest


def _nearest_others(squares: Floats, first: int, neighbours: int) -> Integers:
    """Return the nearest columns of each row, where row i is the point ``first + i`` itself.

    For so few neighbours, looking for the smallest again and again beats a partition: the search
    is vectorised. `squares` is used up.
    """
    rows = np.arange(len(squares))
    squares[rows, first + rows] = np.inf
    nearest = np.empty((len(squares), neighbours), dtype=np.int64)
    for place in range(neighbours):
        nearest[:, place] = squares.argmin(axis=1)
        squares[rows, nearest[:, place]] = np.inf
    return nearest


def _as_indices(result: Any, shape: tuple[int, int]) -> Integers:
    found = np.asarray(result)
    if found.shape != shape:
        raise ValueError(f"expected indices of shape {shape} but got shape {found.shape}")
    if found.dtype.kind not in "iu" and found.size:
        raise ValueError(f"expected indices but got an array of {found.dtype}")
    if found.size and not (found.min() >= 0 and found.max() < shape[0]):
        raise ValueError(f"an index is not within 0 to {shape[0] - 1}")
    return found.astype(np.int64, copy=False)


_SLACK = 1e-12


def _require_rising(points: Floats, found: Integers, rows: slice) -> None:
    """Raise unless the rows name different other points, by rising distance."""
    names = found[rows]
    numbers = np.arange(rows.start, rows.start + len(names))
    ordered = np.sort(names, axis=1)
    repeated = (ordered[:, 1:] == ordered[:, :-1]).any(axis=1)
    itself = (names == numbers[:, np.newaxis]).any(axis=1)
    squares = ((points[names] - points[rows][:, np.newaxis, :]) ** 2).sum(axis=2)
    falling = (squares[:, 1:] < squares[:, :-1] - _SLACK).any(axis=1)
    for wrong, words in (
        (repeated, "names a neighbour twice"),
        (itself, "names itself"),
        (falling, "does not name the nearest first"),
    ):
        if wrong.any():
            at = int(np.argmax(wrong))
            raise ValueError(f"point {numbers[at]} {words}: {names[at].tolist()}")


def _require_nearest(points: Floats, found: Integers, rows: Integers) -> None:
    """Raise if a point that a row does not name is nearer than the last one it names."""
    squares = np.zeros((len(rows), len(points)))
    for axis in range(points.shape[1]):
        squares += np.subtract.outer(points[rows, axis], points[:, axis]) ** 2
    last = np.take_along_axis(squares, found[rows][:, -1:], axis=1)
    np.put_along_axis(squares, found[rows], np.inf, axis=1)
    squares[np.arange(len(rows)), rows] = np.inf
    nearer = squares < last - _SLACK
    if nearer.any():
        row, other = np.unravel_index(int(np.argmax(nearer)), nearer.shape)
        raise ValueError(
            f"point {rows[row]}: {other} is nearer than {found[rows[row], -1]} but is not named"
        )
