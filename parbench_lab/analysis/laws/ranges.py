"""What the formulas take: numbers within their ranges, or one line that says which is not. Pure.

Each function returns its argument as floats and raises `UsageError` with its name otherwise.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from parbench_lab.core.wording import listed, printable
from parbench_lab.errors import UsageError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def plain(values: Floats) -> Floats:
    """Return a number for a number."""
    result: Floats = np.asarray(values, dtype=float)[()]
    return result


def finite(values: ArrayLike, name: str) -> Floats:
    """Return numbers that are all finite."""
    try:
        numbers = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise UsageError(f"{name} must be numbers but got {printable(repr(values))}") from None
    require(np.isfinite(numbers), numbers, f"{name} must be finite")
    return numbers


def positive(values: ArrayLike, name: str) -> Floats:
    """Return finite numbers that are all above 0."""
    numbers = finite(values, name)
    require(numbers > 0, numbers, f"{name} must be positive")
    return numbers


def not_negative(values: ArrayLike, name: str) -> Floats:
    """Return finite numbers of which none is below 0."""
    numbers = finite(values, name)
    require(numbers >= 0, numbers, f"{name} must not be negative")
    return numbers


def fraction(values: ArrayLike, name: str) -> Floats:
    """Return finite numbers within [0, 1]."""
    numbers = finite(values, name)
    require((numbers >= 0) & (numbers <= 1), numbers, f"{name} must be within [0, 1]")
    return numbers


def refuse_unequal(**numbers: Floats) -> None:
    """Raise where lists have different lengths; a single number goes with any list."""
    try:
        np.broadcast_shapes(*(given.shape for given in numbers.values()))
    except ValueError:
        sizes = listed([str(given.size) for given in numbers.values() if given.shape])
        raise UsageError(
            f"{listed(list(numbers))} must be single numbers or lists of one length but have "
            f"{sizes} entries"
        ) from None


def require(holds: Bools, numbers: Floats, rule: str) -> None:
    """Raise with the first number that breaks the rule."""
    broken = ~np.atleast_1d(holds)
    if broken.any():
        raise UsageError(f"{rule} but got {np.atleast_1d(numbers)[broken][0]:g}")
