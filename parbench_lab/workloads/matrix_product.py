"""Matrix product: a batch of rows through one layer of weights, in single precision.

What a batch costs is mostly arithmetic (512 multiplications for every number of the batch), so a
GPU can win although the batch is sent to it and the result comes back: from which size on is what
a race over batch sizes finds. Candidates called ``..._cuda_...`` and ``cupy_...`` need a GPU:
batch and weights are copied to it and the result is copied back within the time that is measured.
Those called ``..._resident`` find batch and weights on the GPU and leave the result there (the
first call for a case copies; race them with ``prime=True``).

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
class Layer:
    """A batch of rows and the weights they are multiplied by.

    Parameters
    ----------
    rows
        Shape ``(size, 512)``, float32, read-only: independent standard normal numbers.
    weights
        Shape ``(512, 512)``, likewise.
    """

    rows: Single
    weights: Single


class MatrixProduct:
    """Multiply a batch of `size` rows by a matrix of weights: 512 numbers in, 512 out, float32.

    Examples
    --------
    >>> job = MatrixProduct()
    >>> case = job.make_case(10, np.random.default_rng(0))
    >>> job.check(case, numpy_matmul(case))
    {'single_flop_count': 5242880.0, 'moved_bytes': 1089536.0}
    >>> numpy_matmul(case).shape
    (10, 512)
    """

    name = "matrix_product"
    default_batch_size = 256
    metrics = (SINGLE_FLOP_COUNT, MOVED_BYTES)

    @property
    def candidates(self) -> Sequence[Candidate]:
        """The built-in implementations that can run here."""
        return members(
            numpy_matmul,
            blocked_matmul,
            row_by_row_matmul,
            scipy_sgemm,
            torch_matmul,
            torch_cuda_matmul,
            torch_cuda_matmul_resident,
            cupy_matmul,
            cupy_matmul_resident,
            needs={
                torch_matmul: "torch",
                torch_cuda_matmul: "torch",
                torch_cuda_matmul_resident: "torch",
                cupy_matmul: "cupy",
                cupy_matmul_resident: "cupy",
            },
        )

    def make_case(self, size: int, rng: np.random.Generator) -> Layer:
        """Return a batch of `size` rows (at least 1) and weights."""
        return Layer(
            rows=read_only(rng.standard_normal((size, FEATURES), dtype=np.float32)),
            weights=read_only(rng.standard_normal((FEATURES, FEATURES), dtype=np.float32)),
        )

    def check(self, case: Layer, result: Any) -> Mapping[str, float]:
        """Raise unless every number is that of double precision; return the least work.

        Work: a multiplication and an addition for each term of each number, in single precision;
        minimum traffic, the batch and the weights read once and the result written once.

        Allowed is ``sqrt(512) u |row| |column|`` (u = 2**-24, lengths of row and column). Of
        4000 rows, sums in the plainest order came to 0.18 of that at most; inputs rounded to
        half precision or TF32 to 6 times that in the median.

        Raises
        ------
        ValueError
            For another shape or type, or naming the worst number.
        """
        found = as_single(result, (len(case.rows), case.weights.shape[1]))
        weights = case.weights.astype(np.float64)
        columns = np.sqrt(FEATURES) * UNIT_ROUNDOFF * np.linalg.norm(weights, axis=0)
        for first in range(0, len(found), ROWS_AT_ONCE):
            rows = case.rows[first : first + ROWS_AT_ONCE].astype(np.float64)
            require_within(
                found[first : first + ROWS_AT_ONCE],
                rows @ weights,
                np.multiply.outer(np.linalg.norm(rows, axis=1), columns),
                first_row=first,
            )
        n_terms = float(case.rows.size) * case.weights.shape[1]
        return single_work(2.0 * n_terms, case.rows, case.weights, found)


def numpy_matmul(case: Layer) -> Single:
    """Multiply all at once, numpy's BLAS."""
    product: Single = case.rows @ case.weights
    return product


def blocked_matmul(case: Layer) -> Single:
    """Multiply 64 rows at a time into the result, numpy's BLAS."""
    product = np.empty((len(case.rows), case.weights.shape[1]), dtype=np.float32)
    for first in range(0, len(product), _BLOCK_ROWS):
        part = slice(first, first + _BLOCK_ROWS)
        np.matmul(case.rows[part], case.weights, out=product[part])
    return product


def row_by_row_matmul(case: Layer) -> Single:
    """Multiply one row at a time: what batches are there to avoid."""
    product = np.empty((len(case.rows), case.weights.shape[1]), dtype=np.float32)
    for row, target in zip(case.rows, product, strict=True):
        np.matmul(row, case.weights, out=target)
    return product


def scipy_sgemm(case: Layer) -> Single:
    """Call BLAS through `scipy.linalg.blas.sgemm`, which may be another BLAS than numpy's."""
    from scipy.linalg.blas import sgemm  # noqa: PLC0415 - heavy; the first call pays

    # BLAS counts by columns: the transposed views are what it wants, and nothing is copied
    product: Single = sgemm(1.0, case.weights.T, case.rows.T).T
    return product


def torch_matmul(case: Layer) -> Array:
    """Multiply with PyTorch on the CPU."""
    rows, weights = torch_arrays(case.rows, case.weights)
    return (rows @ weights).numpy()


@candidate(resources=GPU)
def torch_cuda_matmul(case: Layer) -> Array:
    """Multiply with PyTorch on the GPU, copies there and back included."""
    rows, weights = torch_cuda_arrays(case.rows, case.weights)
    return (rows @ weights).cpu().numpy()


@candidate(resources=GPU)
def torch_cuda_matmul_resident(case: Layer) -> Array:
    """Multiply with PyTorch what is on the GPU already; the result stays there."""
    rows, weights = _TORCH.of(case)
    return rows @ weights


@candidate(resources=GPU)
def cupy_matmul(case: Layer) -> Array:
    """Multiply with CuPy, copies there and back included."""
    rows, weights = cupy_arrays(case.rows, case.weights)
    return (rows @ weights).get()


@candidate(resources=GPU)
def cupy_matmul_resident(case: Layer) -> Array:
    """Multiply with CuPy what is on the GPU already; the result stays there."""
    rows, weights = _CUPY.of(case)
    return rows @ weights


_TORCH: Kept[Layer] = Kept(lambda case: torch_cuda_arrays(case.rows, case.weights))
_CUPY: Kept[Layer] = Kept(lambda case: cupy_arrays(case.rows, case.weights))
