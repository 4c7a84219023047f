"""Counting primes: parts of very different cost, no shared data, a result that is one number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from parbench_lab.core.scalable import Map, Scalable

BLOCK = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Count the primes below `stop`."""

    stop: int


def count_primes(start: int, stop: int) -> int:
    """Return how many primes there are from `start` up to, but not with, `stop`.

    By a sieve over the block with the primes up to the square root of its end.

    Examples
    --------
    >>> count_primes(0, 100), count_primes(100, 200)
    (25, 21)
    """
    if stop <= 2 or stop <= start:
        return 0
    start = max(start, 2)
    is_prime = np.ones(stop - start, dtype=bool)
    for divisor in range(2, int(stop**0.5) + 1):
        first = max(divisor * divisor, -(-start // divisor) * divisor)
        is_prime[first - start :: divisor] = False
    return int(is_prime.sum())


def run(case: Range, *, map: Map) -> int:
    """Return the number of primes, counted block by block."""
    starts = list(range(0, case.stop, BLOCK))
    stops = [min(start + BLOCK, case.stop) for start in starts]
    return sum(map(count_primes, starts, stops))


def make_case(size: int, rng: np.random.Generator) -> Range:
    """Return the numbers below `size`; there is nothing random in it."""
    del rng
    return Range(stop=size)


def scalable() -> Scalable:
    """Return the job; its items are the numbers that are looked at."""
    return Scalable(
        name="prime_count", run=run, make_case=make_case, default_size=5_000_000, unit="numbers"
    )
