"""Row norms: a batch of rows, the length of each, in single precision.

A reduction: two operations for every number that comes from memory, so that memory decides, and
for a GPU the way to it. Candidates called ``..._cuda_...`` and ``cupy_...`` need a GPU: the batch
is copied to it within the time that is measured. Those called ``..._resident`` find it there and
leave the result there (the first call for a case copies; race them with ``prime=True``).

PyTorch and CuPy are not installed with this package: ``pip install torch``, ``pip install
cupy-cuda12x`` (or the one for your driver).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from parbench_lab.core.candidate import Candidate, candidate
from parbench_lab.workloads.agreement import read_only
from parbench_lab.workloads.device_arrays import (
    GPU,
    Array,
    Kept,
    cupy_arrays,
    torch_arrays,
    torch_cuda_arrays,
)
from parbench_lab.workloads.least_work import MOVED_BYTES, SINGLE_FLOP_COUNT, single_work
from parbench_lab.workloads.members import members
from parbench_lab.workloads.single_precision import (
    ROWS_AT_ONCE,
    UNIT_ROUNDOFF,
    Single,
    as_single,
    require_within,
)

FEATURES = 512
_BLOCK_ROWS = 64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, weakref_slot=True)
class Rows:
    """A batch of rows.

    Parameters
    ----------
    rows
        Shape ``(size, 512)``, float32, read-only: independent standard normal numbers.
    """

    rows: Single


class RowNorms:
    """Measure the Euclidean length of each of `size` rows of 512 numbers, float32.

    Examples
    --------
    >>> job = RowNorms()
    >>> case = job.make_case(10, np.random.default_rng(0))
    >>> job.check(case, numpy_norm(case))
    {'single_flop_count': 10240.0, 'moved_bytes': 20520.0}
    >>> numpy_norm(case).shape
    (10,)
    """

    name = "row_norms"
    default_batch_size = 1000
    metrics = (SINGLE_FLOP_COUNT, MOVED_BYTES)

    @property
    def candidates(self) -> Sequence[Candidate]:
        """The built-in implementations that can run here."""
        return members(
            numpy_norm,
            einsum_norm,
            blocked_norm,
            product_norm,
            torch_norm,
            torch_cuda_norm,
            torch_cuda_norm_resident,
            cupy_norm,
            cupy_norm_resident,
            needs={
                torch_norm: "torch",
                torch_cuda_norm: "torch",
                torch_cuda_norm_resident: "torch",
                cupy_norm: "cupy",
                cupy_norm_resident: "cupy",
            },
        )

    def make_case(self, size: int, rng: np.random.Generator) -> Rows:
        """Return a batch of `size` rows (at least 1)."""
        return Rows(rows=read_only(rng.standard_normal((size, FEATURES), dtype=np.float32)))

    def check(self, case: Rows, result: Any) -> Mapping[str, float]:
        """Raise unless every length is that of double precision; return the least work.

        Work: a multiplication and an addition for each number, in single precision (the roots are
        not counted); minimum traffic, the batch read once and the lengths written once.

        Allowed is ``sqrt(512) u`` of the length (u = 2**-24). Of 100,000 rows, sums in the
        plainest order came to 0.54 of that at most; rows rounded to half precision to 8 times
        that in the median.

        Raises
        ------
        ValueError
            For another shape or type, or naming the worst length.
        """
        found = as_single(result, (len(case.rows),))
        for first in range(0, len(found), ROWS_AT_ONCE):
            rows = case.rows[first : first + ROWS_AT_ONCE].astype(np.float64)
            expected = np.linalg.norm(rows, axis=1)
            allowed = np.sqrt(FEATURES) * UNIT_ROUNDOFF * expected
            part = found[first : first + ROWS_AT_ONCE]
            require_within(part, expected, allowed, first_row=first)
        return single_work(2.0 * case.rows.size, case.rows, found)


def numpy_norm(case: Rows) -> Single:
    """Ask `numpy.linalg.norm`, which writes all squares down before it adds them."""
    lengths: Single = np.linalg.norm(case.rows, axis=1)
    return lengths


def einsum_norm(case: Rows) -> Single:
    """Multiply and add in one pass, `numpy.einsum`."""
    lengths: Single = np.sqrt(np.einsum("ij,ij->i", case.rows, case.rows))
    return lengths


def blocked_norm(case: Rows) -> Single:
    """Square 64 rows at a time: the squares never leave the cache."""
    lengths = np.empty(len(case.rows), dtype=np.float32)
    squares = np.empty((_BLOCK_ROWS, case.rows.shape[1]), dtype=np.float32)
    for first in range(0, len(lengths), _BLOCK_ROWS):
        part = case.rows[first : first + _BLOCK_ROWS]
        np.square(part, out=squares[: len(part)])
        np.sum(squares[: len(part)], axis=1, out=lengths[first : first + _BLOCK_ROWS])
    return np.sqrt(lengths, out=lengths)


def product_norm(case: Rows) -> Single:
    """Multiply each row by itself, as products of a row and a column."""
    squares = case.rows[:, np.newaxis, :] @ case.rows[:, :, np.newaxis]
    lengths: Single = np.sqrt(squares[:, 0, 0])
    return lengths


def torch_norm(case: Rows) -> Array:
    """Ask PyTorch on the CPU."""
    (rows,) = torch_arrays(case.rows)
    return rows.norm(dim=1).numpy()


@candidate(resources=GPU)
def torch_cuda_norm(case: Rows) -> Array:
    """Ask PyTorch on the GPU, copies there and back included."""
    (rows,) = torch_cuda_arrays(case.rows)
    return rows.norm(dim=1).cpu().numpy()


@candidate(resources=GPU)
def torch_cuda_norm_resident(case: Rows) -> Array:
    """Ask PyTorch for what is on the GPU already; the result stays there."""
    (rows,) = _TORCH.of(case)
    return rows.norm(dim=1)


@candidate(resources=GPU)
def cupy_norm(case: Rows) -> Array:
    """Ask CuPy, copies there and back included."""
    (rows,) = cupy_arrays(case.rows)
    return _cupy_length(rows).get()


@candidate(resources=GPU)
def cupy_norm_resident(case: Rows) -> Array:
    """Ask CuPy for what is on the GPU already; the result stays there."""
    (rows,) = _CUPY.of(case)
    return _cupy_length(rows)


def _cupy_length(rows: Array) -> Array:
    import cupy  # type: ignore[import-not-found, unused-ignore]  # noqa: PLC0415 - optional; the first call pays

    return cupy.linalg.norm(rows, axis=1)


_TORCH: Kept[Rows] = Kept(lambda case: torch_cuda_arrays(case.rows))
_CUPY: Kept[Rows] = Kept(lambda case: cupy_arrays(case.rows))
