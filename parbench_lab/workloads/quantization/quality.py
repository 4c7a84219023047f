"""How much a tensor lost: cosine and relative distance between it and what its codes stand for."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parbench_lab.errors import UsageError
from parbench_lab.workloads.quantization.compiled import compiled_kernels
from parbench_lab.workloads.quantization.quantizer import dequantize_rows, is_compiled
from parbench_lab.workloads.quantization.schemes import Floats, Quantized
from parbench_lab.workloads.quantization.weights import as_matrix, float32_blocks


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizationError:
    """What a tensor lost.

    Parameters
    ----------
    cosine
        Of the angle between weights and restored weights, from -1 to 1, 1 for no loss.
    relative_l2
        Euclidean length of their difference over that of the weights; 0 for no loss.
    """

    cosine: float
    relative_l2: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorSums:
    """Sums in float64 from which errors follow; those of several tensors may be added.

    Parameters
    ----------
    weights_squared, restored_squared
        Sum of squares before and after.
    product
        Sum of weight times restored weight.
    difference_squared
        Sum of the squares of their differences.
    """

    weights_squared: float = 0.0
    restored_squared: float = 0.0
    product: float = 0.0
    difference_squared: float = 0.0

    def __add__(self, other: ErrorSums) -> ErrorSums:
        return ErrorSums(
            weights_squared=self.weights_squared + other.weights_squared,
            restored_squared=self.restored_squared + other.restored_squared,
            product=self.product + other.product,
            difference_squared=self.difference_squared + other.difference_squared,
        )

    @property
    def error(self) -> QuantizationError:
        """The errors; of nothing but zeros there is none, and zero keeps no direction."""
        if self.difference_squared == 0:
            return QuantizationError(cosine=1.0, relative_l2=0.0)
        lengths = math.sqrt(self.weights_squared) * math.sqrt(self.restored_squared)
        cosine = self.product / lengths if lengths else 0.0
        # weights of zeros cannot be lost: their codes are zero
        length = math.sqrt(self.weights_squared)
        relative = math.sqrt(self.difference_squared) / length if length else math.inf
        return QuantizationError(cosine=max(-1.0, min(1.0, cosine)), relative_l2=relative)


def quantization_error(weights: NDArray[np.generic], quantized: Quantized) -> QuantizationError:
    """Return what a tensor lost.

    Parameters
    ----------
    weights
        The tensor.
    quantized
        What was made of it.

    Raises
    ------
    UsageError
        If they are of different shapes.

    Examples
    --------
    >>> from parbench_lab.workloads.quantization import Scheme, quantize
    >>> weights = np.random.default_rng(0).standard_normal((64, 256), dtype=np.float32)
    >>> [round(quantization_error(weights, quantize(weights, Scheme(bits=bits))).relative_l2, 3)
    ...  for bits in (8, 4, 2)]
    [0.007, 0.124, 0.803]
    """
    return error_sums(weights, quantized).error


def error_sums(weights: NDArray[np.generic], quantized: Quantized) -> ErrorSums:
    """Return the sums behind `quantization_error`, for a model of several tensors.

    Computed in float64, some rows at a time (so a tensor of one axis: at once). The order of
    summation, and with it the last digits, depends on whether numba is installed.

    Raises
    ------
    UsageError
        If they are of different shapes.
    """
    if weights.shape != quantized.shape:
        raise UsageError(
            f"quantized must be of the weights' shape {weights.shape} but is of {quantized.shape}"
        )
    sums = compiled_kernels().sum_errors if is_compiled() else _sums
    total = ErrorSums()
    for first, stop, rows in float32_blocks(as_matrix(weights)):
        restored = dequantize_rows(quantized, first, stop)
        found = sums(rows.reshape(-1), restored.reshape(-1))
        total += ErrorSums(
            weights_squared=found[0],
            restored_squared=found[1],
            product=found[2],
            difference_squared=found[3],
        )
    return total


def _sums(before: Floats, after: Floats) -> tuple[float, float, float, float]:
    """Do what `kernels.sum_errors` does, in numpy.

    Not with `numpy.dot`, whose threads wait for each other where the cores are busy.
    """
    one, other = before.astype(np.float64), after.astype(np.float64)
    apart = one - other
    return _dot(one, one), _dot(other, other), _dot(one, other), _dot(apart, apart)


def _dot(left: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    return float(np.einsum("i,i->", left, right))
