"""Memory that runs out is told from other failures, also on a device."""

from __future__ import annotations

import pytest

from parbench_lab.core.measurement import Outcome
from parbench_lab.execution.calls import failed


class OutOfMemoryError(RuntimeError):
    """PyTorch's is a RuntimeError of this name; CuPy's is a MemoryError."""


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        pytest.param(MemoryError("no room"), Outcome.OUT_OF_MEMORY, id="the host's"),
        pytest.param(
            OutOfMemoryError("CUDA out of memory."), Outcome.OUT_OF_MEMORY, id="PyTorch's"
        ),
        pytest.param(
            RuntimeError("[2] Call to cuMemAlloc results in CUDA_ERROR_OUT_OF_MEMORY"),
            Outcome.OUT_OF_MEMORY,
            id="Numba's",
        ),
        pytest.param(
            RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate"),
            Outcome.OUT_OF_MEMORY,
            id="JAX's",
        ),
        pytest.param(RuntimeError("a bad kernel"), Outcome.FAILED, id="another failure"),
    ],
)
def test_memory_that_runs_out_is_told_from_other_failures(error, outcome):
    assert failed(error).outcome is outcome
