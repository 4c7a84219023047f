"""What a call must do at least: the metrics by which a candidate is read against a roofline.

A workload whose job has such a count lets its check return it, and declares the metrics. The
count is of the job, not of the candidate: what every right answer needs. Bytes are the minimum
traffic, each input read once and each output written once; a candidate that reads twice moves
more than is counted, so that its share of the bandwidth is shown too low, never too high.
Operations are those of the job's definition (a matrix product: a multiplication and an addition
for each term); leave them out where candidates may do with fewer.

>>> class Doubling:
...     metrics = (FLOP_COUNT, MOVED_BYTES)
...
...     def make_case(self, size, rng):
...         return rng.random(size)
...
...     def check(self, case, result):
...         np.testing.assert_array_equal(result, case + case)
...         return {"flop_count": len(case), "moved_bytes": case.nbytes + result.nbytes}
>>> job = Doubling()
>>> case = job.make_case(1000, np.random.default_rng(0))
>>> job.check(case, 2 * case)
{'flop_count': 1000, 'moved_bytes': 16000}
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from parbench_lab.core.metric import Metric

FLOP_COUNT = Metric(name="flop_count", unit="1", floor=1.0)
"""Operations in double precision."""
SINGLE_FLOP_COUNT = Metric(name="single_flop_count", unit="1", floor=1.0)
"""Operations in single precision, whose roof is another one."""
MOVED_BYTES = Metric(name="moved_bytes", unit="B", floor=1.0)
"""Bytes that are read and written at least."""


def single_work(
    flop_count: float, *arrays: NDArray[np.float32] | NDArray[np.float64]
) -> dict[str, float]:
    """Return the work of a call in single precision that meets each of these arrays once.

    Parameters
    ----------
    flop_count
        Operations.
    arrays
        Inputs and outputs.

    Examples
    --------
    >>> single_work(100.0, np.zeros(100, dtype=np.float32))
    {'single_flop_count': 100.0, 'moved_bytes': 400.0}
    """
    moved_bytes = float(sum(array.nbytes for array in arrays))
    return {SINGLE_FLOP_COUNT.name: float(flop_count), MOVED_BYTES.name: moved_bytes}
