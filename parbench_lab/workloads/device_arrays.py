"""Arrays on a GPU, for candidates that compute there: brought over, kept there, taken back.

PyTorch and CuPy are no dependencies of this package (with the libraries of CUDA they take about
2 GB); they are imported within a candidate's first call. The code for CUDA was not run on a GPU
while this was written: the tests play both libraries, and PyTorch was run on a CPU.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from parbench_lab.workloads.agreement import read_only

Array = Any
"""Of numpy, PyTorch or CuPy."""

GPU: Mapping[str, float] = {"GPU": 1.0}
"""What a candidate that computes on a GPU needs."""

_Case = TypeVar("_Case")
_TAKE_BACK: Mapping[str, Callable[[Array], Any]] = {
    "torch": lambda tensor: tensor.detach().cpu().numpy(),
    "cupy": lambda array: array.get(),
}


def as_host(result: Any) -> Any:
    """Return an array of PyTorch or CuPy as numpy's, anything else as it is.

    Examples
    --------
    >>> as_host([1, 2])
    [1, 2]
    """
    home = type(result).__module__.partition(".")[0]
    return _TAKE_BACK[home](result) if home in _TAKE_BACK else result


@functools.cache
def torch_library() -> Any:
    """Return the module ``torch``.

    It warns once a process that a read-only array is not to be written to: said here, to nobody.
    """
    import torch  # type: ignore[import-not-found, unused-ignore]  # noqa: PLC0415 - optional; the first call pays

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.from_numpy(read_only(np.zeros(1)))
    return torch


def torch_arrays(*arrays: NDArray[Any]) -> tuple[Array, ...]:
    """Return arrays as tensors in the same main memory, nothing copied."""
    torch = torch_library()
    return tuple(torch.from_numpy(array) for array in arrays)


def torch_cuda_arrays(*arrays: NDArray[Any]) -> tuple[Array, ...]:
    """Return copies of arrays on the GPU, as tensors."""
    return tuple(tensor.to("cuda") for tensor in torch_arrays(*arrays))


def cupy_arrays(*arrays: NDArray[Any]) -> tuple[Array, ...]:
    """Return copies of arrays on the GPU, as CuPy's."""
    import cupy  # type: ignore[import-not-found, unused-ignore]  # noqa: PLC0415 - optional; the first call pays

    return tuple(cupy.asarray(array) for array in arrays)


class Kept(Generic[_Case]):
    """Copies of cases on a GPU: made when first asked for, there as long as the case is.

    Parameters
    ----------
    bring
        Copies what is needed of a case, which must be weakly referable and hashed by identity.

    Examples
    --------
    >>> class Case: ...
    >>> kept, case = Kept(lambda case: (object(),)), Case()
    >>> kept.of(case) is kept.of(case)
    True
    """

    def __init__(self, bring: Callable[[_Case], tuple[Array, ...]]) -> None:
        self._bring = bring
        self._there: WeakKeyDictionary[_Case, tuple[Array, ...]] = WeakKeyDictionary()

    def of(self, case: _Case) -> tuple[Array, ...]:
        """Return the copies of this case."""
        found = self._there.get(case)
        if found is None:
            found = self._there[case] = self._bring(case)
        return found
