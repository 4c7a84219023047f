"""The grid of margins on which everything is shown: "at least 5 % slower" is one of these."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from parbench_lab.errors import UsageError

MARGINS: tuple[float, ...] = (
    0.0, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.025,
    0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.125, 0.15, 0.2, 0.25,
    0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 9.0,
)  # fmt: skip
"""Fractions slower (0.02 is 2 %); on an interval scale differences in the metric's own unit."""

_SLACK = 1e-12


def snap_up(tolerance: float, margins: tuple[float, ...] = MARGINS) -> int:
    """Return the index of the smallest margin that is at least `tolerance`.

    Raises
    ------
    UsageError
        If the tolerance is negative, not a number or beyond the grid.

    Examples
    --------
    >>> MARGINS[snap_up(0.022)]
    0.025
    """
    _check(tolerance, margins)
    return bisect_left(margins, tolerance - _SLACK)


def snap_down(tolerance: float, margins: tuple[float, ...] = MARGINS) -> int:
    """Return the index of the largest margin that is at most `tolerance`.

    Raises
    ------
    UsageError
        If the tolerance is negative, not a number or beyond the grid.

    Examples
    --------
    >>> MARGINS[snap_down(0.022)]
    0.02
    """
    _check(tolerance, margins)
    return bisect_right(margins, tolerance + _SLACK) - 1


def _check(tolerance: float, margins: tuple[float, ...]) -> None:
    if not 0 <= tolerance <= margins[-1]:
        raise UsageError(f"tolerance must be within 0 to {margins[-1]:g} but got {tolerance}")
