"""Calibration: a few fixed kernels whose times tell machines apart by their speed.

The kernels are not rivals: each stands for what one kind of program lives on (the interpreter, a
vector unit, memory traffic, branches, hashing). Comparisons across machines divide by how long
these take. What a kernel does never changes under its name: a new version has new names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parbench_lab.core.candidate import Candidate
from parbench_lab.core.series import Mode
from parbench_lab.workloads.agreement import read_only, require_close
from parbench_lab.workloads.least_work import FLOP_COUNT, MOVED_BYTES
from parbench_lab.workloads.members import members

Floats = NDArray[np.float64]

VERSION = 1
TRIADS_PER_ITEM = 10
"""Numbers in each array of the triad for each item: more than a core's own caches by default."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Work:
    """What the kernels work on, all of it read-only.

    Parameters
    ----------
    numbers
        Shape ``(size,)``, uniform in [0, 1).
    keys
        Shape ``(size,)``: whole numbers below `size`.
    left, right
        Square, with about ``64 size`` multiplications in their product.
    added, scaled
        Shape ``(10 size,)``, for the triad.
    """

    numbers: Floats
    keys: NDArray[np.int64]
    left: Floats
    right: Floats
    added: Floats
    scaled: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Kernel:
    """What a kernel returns.

    Parameters
    ----------
    name
        Its own.
    value
        A number, an array or a dict.
    """

    name: str
    value: Any


class Calibration:
    """Run fixed kernels; each is a candidate.

    Its check returns `flop_count` and `moved_bytes`, what the kernel had to do at least, so that
    it can be read against a roofline.

    Examples
    --------
    >>> job = Calibration()
    >>> case = job.make_case(1000, np.random.default_rng(0))
    >>> job.check(case, matmul_v1(case))["flop_count"]
    128000.0
    >>> [candidate.name for candidate in job.candidates]
    ['python_loop_v1', 'matmul_v1', 'triad_v1', 'sort_v1', 'hash_count_v1']
    """

    name = "calibration"
    version = VERSION
    mode = Mode.MICRO
    default_batch_size = 50_000
    metrics = (FLOP_COUNT, MOVED_BYTES)

    @property
    def candidates(self) -> Sequence[Candidate]:
        """The kernels of this version."""
        return members(python_loop_v1, matmul_v1, triad_v1, sort_v1, hash_count_v1)

    def make_case(self, size: int, rng: np.random.Generator) -> Work:
        """Return the work of `size` items (at least 1)."""
        side = _side(size)
        return Work(
            numbers=read_only(rng.random(size)),
            keys=read_only(rng.integers(0, size, size)),
            left=read_only(rng.random((side, side))),
            right=read_only(rng.random((side, side))),
            added=read_only(rng.random(TRIADS_PER_ITEM * size)),
            scaled=read_only(rng.random(TRIADS_PER_ITEM * size)),
        )

    def check(self, case: Work, result: Any) -> Mapping[str, float]:
        """Raise on a wrong result; return the work that was done.

        A product is checked with a vector (R. Freivalds, 1977), everything else by another way
        to the same numbers.

        Raises
        ------
        ValueError
            Saying what is wrong.
        """
        if not isinstance(result, Kernel) or result.name not in _CHECKS:
            known = ", ".join(_CHECKS)
            raise ValueError(f"expected the result of one of {known} but got {type(result)}")
        flop_count, moved_bytes = _CHECKS[result.name](case, result.value)
        return {FLOP_COUNT.name: flop_count, MOVED_BYTES.name: moved_bytes}


def python_loop_v1(case: Work) -> Kernel:
    """Add up numbers in a Python loop: the interpreter."""
    total = 0.0
    for number in case.numbers.tolist():
        total += 0.5 * number
    return Kernel(name="python_loop_v1", value=total)


def matmul_v1(case: Work) -> Kernel:
    """Multiply two matrices: arithmetic."""
    return Kernel(name="matmul_v1", value=case.left @ case.right)


def triad_v1(case: Work) -> Kernel:
    """Scale and add long arrays: memory traffic."""
    out = np.multiply(case.scaled, 3.0)
    np.add(out, case.added, out=out)
    return Kernel(name="triad_v1", value=out)


def sort_v1(case: Work) -> Kernel:
    """Sort numbers: comparisons and branches."""
    return Kernel(name="sort_v1", value=np.sort(case.numbers, kind="stable"))


def hash_count_v1(case: Work) -> Kernel:
    """Count keys in a dict: hashing and scattered memory."""
    counts: dict[int, int] = {}
    for key in case.keys.tolist():
        counts[key] = counts.get(key, 0) + 1
    return Kernel(name="hash_count_v1", value=counts)


# ---------------------------------------------------------------- checks: operations and bytes


def _check_sum(case: Work, value: Any) -> tuple[float, float]:
    expected = 0.5 * float(case.numbers.sum())
    allowed = 1e-12 * len(case.numbers)
    if not abs(value - expected) <= allowed:
        raise ValueError(f"the sum should be {expected} but is {value}")
    return 2.0 * len(case.numbers), 8.0 * len(case.numbers)


def _check_product(case: Work, value: Any) -> tuple[float, float]:
    side = len(case.left)
    if getattr(value, "shape", None) != (side, side):
        raise ValueError(f"the product should have shape {(side, side)}")
    weights = np.cos(np.arange(side))
    require_close(value @ weights, case.left @ (case.right @ weights), atol=1e-12 * side**2)
    return 2.0 * side**3, 3 * 8.0 * side**2


def _check_triad(case: Work, value: Any) -> tuple[float, float]:
    if getattr(value, "shape", None) != case.added.shape:
        raise ValueError(f"the triad should have shape {case.added.shape}")
    require_close(value, case.added + 3.0 * case.scaled, atol=1e-14)
    return 2.0 * len(value), 5 * 8.0 * len(value)


def _check_sorted(case: Work, value: Any) -> tuple[float, float]:
    n = len(case.numbers)
    if getattr(value, "shape", None) != (n,) or bool((value[1:] < value[:-1]).any()):
        raise ValueError("the numbers are not in order")
    # the same numbers: their counts below a few hundred limits agree, and so does their sum
    limits = np.linspace(0, 1, 257)
    before, after = (np.histogram(side, limits)[0] for side in (case.numbers, value))
    if not np.array_equal(before, after) or abs(value.sum() - case.numbers.sum()) > 1e-9 * n:
        raise ValueError("these are not the numbers that were to be sorted")
    return 0.0, 16.0 * n


def _check_counts(case: Work, value: Any) -> tuple[float, float]:
    keys, counts = np.unique(case.keys, return_counts=True)
    if value != dict(zip(keys.tolist(), counts.tolist(), strict=True)):
        raise ValueError("the counts of the keys are wrong")
    return 0.0, 8.0 * len(case.keys)


_CHECKS: Mapping[str, Callable[[Work, Any], tuple[float, float]]] = {
    "python_loop_v1": _check_sum,
    "matmul_v1": _check_product,
    "triad_v1": _check_triad,
    "sort_v1": _check_sorted,
    "hash_count_v1": _check_counts,
}


def _side(size: int) -> int:
    """Return the side of matrices whose product takes 64 multiplications for each item."""
    return max(1, int(np.rint(np.cbrt(64 * size))))
