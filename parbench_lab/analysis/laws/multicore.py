"""Amdahl's law for chips that can spend their room on few big or many small cores. Pure.

M. D. Hill and M. R. Marty, "Amdahl's law in the multicore era", IEEE Computer 41(7) 2008.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from parbench_lab.analysis.laws.ranges import (
    Floats,
    fraction,
    plain,
    positive,
    refuse_unequal,
    require,
)

Performance = Callable[[Floats], Floats]
"""Speed of one core built from r base cores, relative to a base core."""


def hill_marty_symmetric(
    *,
    parallel_fraction: ArrayLike,
    base_cores: ArrayLike,
    core_size: ArrayLike,
    performance: Performance = np.sqrt,
) -> Floats:
    """Return the speedup of a chip of equal cores that share its resources.

    S = 1 / ((1 - f) / perf(r) + f r / (perf(r) n)), see M. D. Hill and M. R. Marty, "Amdahl's
    law in the multicore era", IEEE Computer 41(7) 2008.

    Parameters
    ----------
    parallel_fraction
        f, within [0, 1].
    base_cores
        n: how many of the smallest cores the chip has room for, positive.
    core_size
        r: how many of them each core is built from, within (0, n].
    performance
        perf(r), the square root (Pollack's rule) by default.

    Raises
    ------
    UsageError
        If a value is outside its range.

    Examples
    --------
    >>> float(hill_marty_symmetric(parallel_fraction=0.99, base_cores=256, core_size=1).round(2))
    72.11
    """
    f, n, r = _chip(parallel_fraction, base_cores, core_size)
    speed = performance(r)
    return plain(1.0 / ((1.0 - f) / speed + f * r / (speed * n)))


def hill_marty_asymmetric(
    *,
    parallel_fraction: ArrayLike,
    base_cores: ArrayLike,
    core_size: ArrayLike,
    performance: Performance = np.sqrt,
) -> Floats:
    """Return the speedup of a chip with one big core and the rest small ones.

    S = 1 / ((1 - f) / perf(r) + f / (perf(r) + n - r)); parameters, errors and source as for
    `hill_marty_symmetric`, r being the size of the big core.

    Examples
    --------
    >>> float(hill_marty_asymmetric(parallel_fraction=0.9, base_cores=16, core_size=4).round(2))
    8.75
    """
    f, n, r = _chip(parallel_fraction, base_cores, core_size)
    speed = performance(r)
    return plain(1.0 / ((1.0 - f) / speed + f / (speed + n - r)))


def hill_marty_dynamic(
    *,
    parallel_fraction: ArrayLike,
    base_cores: ArrayLike,
    core_size: ArrayLike,
    performance: Performance = np.sqrt,
) -> Floats:
    """Return the speedup of a chip that is one big core in serial parts and n small ones else.

    S = 1 / ((1 - f) / perf(r) + f / n); parameters, errors and source as for
    `hill_marty_symmetric`, r being how many base cores the serial parts can use together.

    Examples
    --------
    >>> float(hill_marty_dynamic(parallel_fraction=0.9, base_cores=16, core_size=16).round(2))
    12.31
    """
    f, n, r = _chip(parallel_fraction, base_cores, core_size)
    return plain(1.0 / ((1.0 - f) / performance(r) + f / n))


def _chip(
    parallel_fraction: ArrayLike, base_cores: ArrayLike, core_size: ArrayLike
) -> tuple[Floats, Floats, Floats]:
    f = fraction(parallel_fraction, "parallel_fraction")
    n = positive(base_cores, "base_cores")
    r = positive(core_size, "core_size")
    refuse_unequal(parallel_fraction=f, base_cores=n, core_size=r)
    require(r <= n, r, "core_size must not be above base_cores")
    return f, n, r
