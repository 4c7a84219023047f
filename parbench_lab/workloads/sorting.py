"""Sorting: whole numbers in random order, with repetitions."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parbench_lab.core.candidate import Candidate
from parbench_lab.workloads.agreement import as_vector, read_only
from parbench_lab.workloads.members import members

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Numbers:
    """What to sort: shape ``(size,)``, read-only, each value from 0 to ``size - 1``."""

    values: Integers


class Sorting:
    """Sort `size` whole numbers into ascending order; a list or an array may come back.

    The numbers arrive as an array, so that candidates working on lists pay for the conversion.

    Examples
    --------
    >>> job = Sorting()
    >>> case = job.make_case(100, np.random.default_rng(0))
    >>> job.check(case, merge_sort(case))
    >>> job.check(case, merge_sort(case)[::-1])
    Traceback (most recent call last):
    ...
    ValueError: not ascending: item 1 is 98 after 99
    """

    name = "sorting"
    default_batch_size = 1000

    @property
    def candidates(self) -> Sequence[Candidate]:
        """The built-in implementations."""
        return members(
            list_sort,
            heap_sort,
            merge_sort,
            numpy_quicksort,
            numpy_stable,
            numpy_heapsort,
            pandas_sort_values,
        )

    def make_case(self, size: int, rng: np.random.Generator) -> Numbers:
        """Return `size` numbers drawn evenly from 0 to ``size - 1``: about a third are repeats."""
        return Numbers(values=read_only(rng.integers(0, size, size)))

    def check(self, case: Numbers, result: Any) -> None:
        """Raise unless the result ascends and holds every number as often as the case does.

        Both are checked without sorting anything: neighbours are compared, and numbers counted.
        There is no tolerance.

        Raises
        ------
        ValueError
            Naming the first item out of order, or a number that is missing or too many.
        """
        found = as_vector(result, len(case.values), "iu").astype(np.int64, copy=False)
        falls = np.flatnonzero(found[1:] < found[:-1])
        if falls.size:
            at = int(falls[0]) + 1
            raise ValueError(f"not ascending: item {at} is {found[at]} after {found[at - 1]}")
        _require_same_counts(found, case.values)


def list_sort(case: Numbers) -> list[int]:
    """Sort as a list, `list.sort`."""
    values: list[int] = case.values.tolist()
    values.sort()
    return values


def heap_sort(case: Numbers) -> list[int]:
    """Build a heap and pop the smallest until it is empty, `heapq`."""
    heap: list[int] = case.values.tolist()
    heapq.heapify(heap)
    return [heapq.heappop(heap) for _ in range(len(heap))]


def merge_sort(case: Numbers) -> list[int]:
    """Merge ever longer sorted runs, in plain Python."""
    runs = [[value] for value in case.values.tolist()]
    while len(runs) > 1:
        merged = [_merged(*pair) for pair in zip(runs[::2], runs[1::2], strict=False)]
        if len(runs) % 2:
            merged.append(runs[-1])
        runs = merged
    return runs[0] if runs else []


def numpy_quicksort(case: Numbers) -> Integers:
    """Sort with numpy's default, an introsort (vectorised where the processor allows)."""
    return np.sort(case.values, kind="quicksort")


def numpy_stable(case: Numbers) -> Integers:
    """Sort with numpy's stable kind."""
    return np.sort(case.values, kind="stable")


def numpy_heapsort(case: Numbers) -> Integers:
    """Sort with numpy's heapsort."""
    return np.sort(case.values, kind="heapsort")


def pandas_sort_values(case: Numbers) -> Integers:
    """Sort as a pandas Series."""
    import pandas as pd  # noqa: PLC0415 - heavy; the first call pays

    ordered: Integers = pd.Series(case.values).sort_values(ignore_index=True).to_numpy()
    return ordered


def _merged(left: list[int], right: list[int]) -> list[int]:
    """Return two sorted lists as one."""
    merged = []
    i = j = 0
    while i < len(left) and j < len(right):
        if left[i] <= right[j]:
            merged.append(left[i])
            i += 1
        else:
            merged.append(right[j])
            j += 1
    merged += left[i:]
    merged += right[j:]
    return merged


def _require_same_counts(found: Integers, values: Integers) -> None:
    if not found.size:
        return
    low, high = int(found[0]), int(found[-1])
    if low < 0 or high >= len(values):
        raise ValueError(f"holds {low if low < 0 else high}, which is not in the case")
    surplus = np.bincount(found, minlength=len(values)) - np.bincount(
        values, minlength=len(values)
    )
    wrong = np.flatnonzero(surplus)
    if wrong.size:
        value = int(wrong[0])
        words = "too often" if surplus[value] > 0 else "too seldom"
        raise ValueError(f"holds {value} {words}, by {abs(int(surplus[value]))}")
