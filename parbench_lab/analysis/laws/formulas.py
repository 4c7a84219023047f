"""The laws of parallel speed as plain functions over numbers and arrays. Pure.

Everything here is a formula of the literature with its source; fitting them to measurements is
`parbench_lab.analysis.laws.fitting`. Arguments are broadcast against each other; numbers give a
number, arrays give an array. What is no number is a `UsageError`, and so are lists of different
lengths.

Coefficients are those of the universal scalability law (USL) throughout: *alpha* is contention
(with beta = 0 Amdahl's serial fraction), *beta* is coherency (the price of each pair of workers
that must agree), *gamma* is the throughput of one worker.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from parbench_lab.analysis.laws.ranges import (
    Floats,
    finite,
    fraction,
    not_negative,
    plain,
    positive,
    refuse_unequal,
    require,
)


def amdahl_speedup(*, serial_fraction: ArrayLike, workers: ArrayLike) -> Floats:
    """Return how much faster the same job is with more workers, by Amdahl's law.

    S = 1 / (s + (1 - s) / N), see G. M. Amdahl, "Validity of the single processor approach to
    achieving large scale computing capabilities", AFIPS 1967.

    Parameters
    ----------
    serial_fraction
        The part s of the one-worker time that does not get shorter, within [0, 1].
    workers
        N, positive.

    Raises
    ------
    UsageError
        If a fraction is outside [0, 1] or a worker count is not positive and finite.

    Examples
    --------
    >>> round(float(amdahl_speedup(serial_fraction=0.05, workers=16)), 3)
    9.143
    """
    s = fraction(serial_fraction, "serial_fraction")
    n = positive(workers, "workers")
    refuse_unequal(serial_fraction=s, workers=n)
    return plain(1.0 / (s + (1.0 - s) / n))


def amdahl_limit(*, serial_fraction: ArrayLike) -> Floats:
    """Return the speedup that no number of workers passes, 1 / s; infinite without serial part.

    Raises
    ------
    UsageError
        If a fraction is outside [0, 1].

    Examples
    --------
    >>> float(amdahl_limit(serial_fraction=0.1)), float(amdahl_limit(serial_fraction=0))
    (10.0, inf)
    """
    s = fraction(serial_fraction, "serial_fraction")
    with np.errstate(divide="ignore"):
        return plain(1.0 / s)


def gustafson_speedup(*, serial_fraction: ArrayLike, workers: ArrayLike) -> Floats:
    """Return the scaled speedup of a job that grows with its workers, by Gustafson's law.

    S = N - s (N - 1), see J. L. Gustafson, "Reevaluating Amdahl's law", CACM 31(5) 1988; s is
    the serial part of the time on N workers.

    Parameters
    ----------
    serial_fraction
        s, within [0, 1].
    workers
        N, positive.

    Raises
    ------
    UsageError
        If a fraction is outside [0, 1] or a worker count is not positive and finite.

    Examples
    --------
    >>> round(float(gustafson_speedup(serial_fraction=0.05, workers=16)), 2)
    15.25
    """
    s = fraction(serial_fraction, "serial_fraction")
    n = positive(workers, "workers")
    refuse_unequal(serial_fraction=s, workers=n)
    return plain(n - s * (n - 1.0))


def usl_speedup(workers: ArrayLike, *, alpha: ArrayLike, beta: ArrayLike) -> Floats:
    """Return the relative capacity C(N) of the universal scalability law.

    C = N / (1 + alpha (N - 1) + beta N (N - 1)), see N. J. Gunther, "Guerrilla Capacity
    Planning", Springer 2007. beta = 0 is Amdahl's law.

    Parameters
    ----------
    workers
        N, positive.
    alpha, beta
        Contention and coherency; negative ones (faster than linear) are taken as long as the
        capacity stays positive.

    Raises
    ------
    UsageError
        If a worker count is not positive, a coefficient is not finite, or the law with these
        coefficients has no positive capacity there.

    Examples
    --------
    >>> usl_speedup([1, 8], alpha=0.05, beta=0.002).round(3).tolist()
    [1.0, 5.472]
    """
    return plain(positive(workers, "workers") / _usl_load(workers, alpha, beta))


def usl_throughput(
    workers: ArrayLike, *, alpha: ArrayLike, beta: ArrayLike, gamma: ArrayLike
) -> Floats:
    """Return the throughput X(N) = gamma C(N) of the universal scalability law.

    Parameters
    ----------
    workers, alpha, beta
        As for `usl_speedup`.
    gamma
        Throughput of one worker, positive, in units of work per second.

    Raises
    ------
    UsageError
        As `usl_speedup`, or if gamma is not positive.

    Examples
    --------
    >>> float(usl_throughput(35, alpha=0.02671591, beta=0.0007690945, gamma=995.6486).round(1))
    12341.7
    """
    g, speedup = positive(gamma, "gamma"), usl_speedup(workers, alpha=alpha, beta=beta)
    refuse_unequal(gamma=g, workers=np.asarray(speedup))
    return plain(g * speedup)


def usl_time(workers: ArrayLike, *, alpha: ArrayLike, beta: ArrayLike, t1_s: ArrayLike) -> Floats:
    """Return the seconds T(N) = T1 [(1 - alpha) / N + (alpha - beta) + beta N] of a fixed job.

    Parameters
    ----------
    workers, alpha, beta
        As for `usl_speedup`.
    t1_s
        Seconds with one worker, positive.

    Raises
    ------
    UsageError
        As `usl_speedup`, or if the time is not positive.

    Examples
    --------
    >>> usl_time([1, 2, 4], alpha=0.1, beta=0, t1_s=10).round(3).tolist()
    [10.0, 5.5, 3.25]
    """
    t, speedup = positive(t1_s, "t1_s"), usl_speedup(workers, alpha=alpha, beta=beta)
    refuse_unequal(t1_s=t, workers=np.asarray(speedup))
    return plain(t / speedup)


def usl_peak_workers(*, alpha: ArrayLike, beta: ArrayLike) -> Floats:
    """Return the worker count of the highest throughput, sqrt((1 - alpha) / beta).

    Infinite with beta = 0 (no peak), 1 where even a second worker makes it slower.

    Raises
    ------
    UsageError
        If alpha is not finite or beta is negative.

    Examples
    --------
    >>> float(usl_peak_workers(alpha=0.02671591, beta=0.0007690945).round(2))
    35.57
    """
    a = finite(alpha, "alpha")
    b = not_negative(beta, "beta")
    refuse_unequal(alpha=a, beta=b)
    with np.errstate(divide="ignore", invalid="ignore"):
        peak = np.where(b > 0, np.sqrt(np.maximum(1.0 - a, 0.0) / b), np.inf)
    return plain(np.where(a < 1, np.maximum(peak, 1.0), np.where(b > 0, 1.0, peak)))


def usl_limit(*, alpha: ArrayLike, gamma: ArrayLike = 1.0) -> Floats:
    """Return the throughput gamma / alpha that contention alone allows; infinite with alpha = 0.

    With the default gamma of 1 it is the largest speedup. A positive beta keeps the curve below
    it: its own highest point is at `usl_peak_workers`.

    Raises
    ------
    UsageError
        If alpha is negative or gamma is not positive.

    Examples
    --------
    >>> float(usl_limit(alpha=0.0277285, gamma=89.995233).round(0))
    3246.0
    """
    a = not_negative(alpha, "alpha")
    g = positive(gamma, "gamma")
    refuse_unequal(alpha=a, gamma=g)
    with np.errstate(divide="ignore"):
        return plain(g / a)


def usl_knee_workers(*, alpha: ArrayLike) -> Floats:
    """Return where linear growth would meet the limit of contention, 1 / alpha workers.

    Beyond it every further worker brings less than half of itself; called "optimal load" in R's
    package usl.

    Raises
    ------
    UsageError
        If alpha is negative.

    Examples
    --------
    >>> float(usl_knee_workers(alpha=0.0277285).round(1))
    36.1
    """
    return usl_limit(alpha=alpha)


def karp_flatt(*, speedup: ArrayLike, workers: ArrayLike) -> Floats:
    """Return the serial fraction that a measured speedup stands for, e = (1/S - 1/N)/(1 - 1/N).

    Flat over N: a serial part. Rising: overhead that grows with the workers. Negative: faster
    than linear. See A. H. Karp and H. P. Flatt, "Measuring parallel processor performance",
    CACM 33(5) 1990. It is a fraction of time without a cause: a falling clock frequency looks
    just like serial code.

    Parameters
    ----------
    speedup
        S, positive.
    workers
        N, above 1 (one worker says nothing about it).

    Raises
    ------
    UsageError
        If a speedup is not positive or a worker count is not above 1.

    Examples
    --------
    >>> karp_flatt(speedup=[1.82, 4.71], workers=[2, 8]).round(4).tolist()
    [0.0989, 0.0998]
    """
    s = positive(speedup, "speedup")
    n = positive(workers, "workers")
    refuse_unequal(speedup=s, workers=n)
    require(n > 1, n, "workers must be above 1: with one there is no parallel part to judge")
    return plain((1.0 / s - 1.0 / n) / (1.0 - 1.0 / n))


def _usl_load(workers: ArrayLike, alpha: ArrayLike, beta: ArrayLike) -> Floats:
    n = positive(workers, "workers")
    a, b = finite(alpha, "alpha"), finite(beta, "beta")
    refuse_unequal(workers=n, alpha=a, beta=b)
    load = 1.0 + a * (n - 1.0) + b * n * (n - 1.0)
    require(load > 0, load, "1 + alpha (N - 1) + beta N (N - 1) must be positive for every N")
    return load
