"""Measuring the roofs of this machine: a matrix product, a triad per cache level, empty calls.

What is measured is what numpy attains, call overhead included: that is the roof for code on numpy
(in the smallest cache the calls weigh more than the data). S. Williams, A. Waterman, D. Patterson,
"Roofline: an insightful visual performance model for multicore architectures", CACM 52 (4), 2009;
the triad is STREAM's (J. McCalpin, 1995).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np

from parbench_lab.core.machine import Cache, Machine
from parbench_lab.core.roofline import MEMORY, Bandwidth, Roofline
from parbench_lab.hardware.cores import available_cores

_MIB = 2**20
N_ARRAYS = 3
PASSES = 5
"""Arrays that one triad reads or writes: ``a = 3 * c`` moves two, ``a += b`` three."""
MATRIX_SIDE = 768
LARGEST_SHARE = 16
"""All cores together move no more than this fraction (1 over it) of the memory."""
LEAST_MEMORY_BYTES, MOST_MEMORY_BYTES = 32 * _MIB, 256 * _MIB
N_CALLS = 20_000
LEAST_REPEATS = 3
SECONDS_EACH = 0.12


def measure_roofline(
    machine: Machine,
    *,
    cores: int | None = None,
    seconds_each: float = SECONDS_EACH,
    clock_ns: Callable[[], int] = time.perf_counter_ns,
) -> Roofline:
    """Return what this machine attains now; takes some 14 times `seconds_each`, and more.

    Every figure is the best of its repeats: what disturbs can only slow down.

    Parameters
    ----------
    machine
        Its caches give the sizes of the triads.
    cores
        For "all"; by default as many as this process may use.
    seconds_each
        How long every figure is tried.
    clock_ns
        For tests.
    """
    n_cores = cores or available_cores()
    levels = working_sets(machine.caches, machine.memory_bytes, cores=n_cores)
    bandwidths = []
    for level, size_bytes in levels:
        one, together = _one_and_all(
            partial(_triad, size_bytes, seconds=seconds_each, clock_ns=clock_ns), n_cores
        )
        bandwidths.append(
            Bandwidth(
                level=level,
                working_set_bytes=size_bytes,
                one_core_bytes_per_s=one,
                all_cores_bytes_per_s=together,
            )
        )
    one, together = _products(n_cores, seconds_each, clock_ns, np.float64)
    one_single, together_single = _products(n_cores, seconds_each, clock_ns, np.float32)
    return Roofline(
        cores=n_cores,
        one_core_flops_per_s=one,
        all_cores_flops_per_s=together,
        one_core_single_flops_per_s=one_single,
        all_cores_single_flops_per_s=together_single,
        bandwidths=tuple(bandwidths),
        call_overhead_s=_overhead(_nothing, clock_ns),
        array_call_overhead_s=_overhead(_array_call(), clock_ns),
    )


def working_sets(
    caches: Sequence[Cache], memory_bytes: int, *, cores: int = 1
) -> list[tuple[str, int]]:
    """Return which sizes a core works on, half of its share of every data cache, then memory.

    Parameters
    ----------
    caches
        Of the machine; those for instructions are passed over.
    memory_bytes
        Of the machine: all cores together take no more than a sixteenth of it.
    cores
        That work at once; a cache of fewer instances is shared.

    Examples
    --------
    >>> l2, l3 = Cache(name="L2", size_bytes=2**20), Cache(name="L3", size_bytes=2**24)
    >>> working_sets([l2, l3], 2**33, cores=2)
    [('L2', 262144), ('L3', 4194304), ('memory', 67108864)]
    """
    sets = []
    for cache in caches:
        if cache.name.endswith("i"):
            continue
        sharing = -(-cores // cache.instances)
        sets.append((cache.name, cache.size_bytes // sharing // 2))
    largest = max((cache.size_bytes for cache in caches), default=0)
    wanted = min(max(4 * largest, LEAST_MEMORY_BYTES), MOST_MEMORY_BYTES)
    room = memory_bytes // LARGEST_SHARE // cores
    below = max((size for _, size in sets), default=0)
    return [*sets, (MEMORY, max(min(wanted, room), 2 * below, _MIB))]


def _one_and_all(rate: Callable[[int], float], n_cores: int) -> tuple[float, float]:
    """Return the rate of one core and of all: those can do what one does, the others idle."""
    one = rate(1)
    return one, max(one, rate(n_cores)) if n_cores > 1 else one


def _products(
    n_cores: int, seconds: float, clock_ns: Callable[[], int], dtype: type[np.floating[Any]]
) -> tuple[float, float]:
    """Return operations per second of one core and of all, in one precision."""
    return _one_and_all(lambda n: _product(n, seconds, clock_ns, dtype), n_cores)


def _product(
    n_threads: int, seconds: float, clock_ns: Callable[[], int], dtype: type[np.floating[Any]]
) -> float:
    import threadpoolctl  # noqa: PLC0415 - looks at the loaded libraries

    rng = np.random.default_rng(0)
    a, b = (rng.random((MATRIX_SIDE, MATRIX_SIDE)).astype(dtype) for _ in range(2))
    out = np.empty_like(a)
    with threadpoolctl.threadpool_limits(limits=n_threads, user_api="blas"):
        best_s = min(_laps_s(lambda: np.matmul(a, b, out=out), seconds, clock_ns))
    return 2.0 * MATRIX_SIDE**3 / best_s


def _triad(
    working_set_bytes: int, n_threads: int, *, seconds: float, clock_ns: Callable[[], int]
) -> float:
    """Return bytes per second of all threads together, each on arrays of its own."""
    length = max(working_set_bytes // (8 * N_ARRAYS), 16)
    rounds = max(1, int(2e6) // length)  # a thread's turn is long beside what starting it costs
    works = [_triad_of(length, rounds) for _ in range(n_threads)]
    with ThreadPoolExecutor(n_threads) as threads:

        def lap() -> None:
            if n_threads == 1:
                works[0]()
            else:
                list(threads.map(lambda work: work(), works))

        best_s = min(_laps_s(lap, seconds, clock_ns))
    return 8.0 * PASSES * length * rounds * n_threads / best_s


def _triad_of(length: int, rounds: int) -> Callable[[], None]:
    a, b, c = np.zeros(length), np.ones(length), np.full(length, 2.0)

    def work() -> None:
        for _ in range(rounds):
            np.multiply(c, 3.0, out=a)
            np.add(a, b, out=a)

    return work


def _laps_s(
    work: Callable[[], Any], seconds: float, clock_ns: Callable[[], int]
) -> Iterator[float]:
    """Yield how long each lap took, after one that warms up."""
    work()
    begin_ns, n_laps = clock_ns(), 0
    while n_laps < LEAST_REPEATS or clock_ns() - begin_ns < 1e9 * seconds:
        start_ns = clock_ns()
        work()
        yield max(clock_ns() - start_ns, 1) / 1e9
        n_laps += 1


def _overhead(function: Callable[[], Any], clock_ns: Callable[[], int]) -> float:
    """Return what one call costs beyond the loop around it."""
    called_ns, empty_ns = [], []
    for _ in range(5):
        start_ns = clock_ns()
        for _ in range(N_CALLS):
            function()
        middle_ns = clock_ns()
        for _ in range(N_CALLS):
            pass
        called_ns.append(middle_ns - start_ns)
        empty_ns.append(clock_ns() - middle_ns)
    # the best of each on its own: a pause in one loop must not count for the other
    return max(min(called_ns) - min(empty_ns), 1) / N_CALLS / 1e9


def _nothing() -> None:
    return None


def _array_call() -> Callable[[], Any]:
    one = np.zeros(1)
    return lambda: np.add(one, one, out=one)
