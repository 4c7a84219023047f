"""A number that never travels without its interval."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Point, interval, confidence level and the number of observations behind them.

    Raises
    ------
    ValueError
        If the interval does not hold the point, or the confidence is not within (0, 1).
    """

    point: float
    low: float
    high: float
    confidence: float
    n: int

    def __post_init__(self) -> None:
        if not self.low <= self.point <= self.high:
            raise ValueError(f"{self.point} is not within [{self.low}, {self.high}]")
        if not 0 < self.confidence < 1:
            raise ValueError(f"confidence must be within (0, 1) but got {self.confidence}")

    def __str__(self) -> str:
        return f"{self.point:.4g} [{self.low:.4g}, {self.high:.4g}]"
