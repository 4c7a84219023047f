"""How often there are prices, as their times tell: a market may close for nights and weekends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_DAY_US = 86_400_000_000
_MOST_MARGIN_DAYS = 14.0
"""A longer hole within the prices says nothing of how they begin and end.

It is more than one period of every timeframe: the longest is a day.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """How densely prices lie in calendar time.

    Parameters
    ----------
    rows_per_day
        Rows over the calendar days they span: ``(rows - 1) / (last time - first time)``, closed
        days included. Where there are no gaps, the periods of a day.
    rows_of_open_day
        Rows of a day on which there are prices: the median over such days (of UTC), without the
        first and the last, which may be parts. Of two days and fewer `rows_per_day`.
    margin_days
        How far a stretch of time may go beyond its first and last row, both together, and lack
        none: twice the greatest distance of two rows, less the usual one (the median); 14 days at
        most. Where there are no gaps, one period.
    """

    rows_per_day: float
    rows_of_open_day: float
    margin_days: float

    def rows_of(self, days: float, *, there: int) -> int:
        """Return how many of the rows that are there make so many calendar days.

        As many as on average; all, where these are fewer but reach so far: a year of shares may
        begin and end on closed days.

        Parameters
        ----------
        days
            Positive.
        there
            Rows that there are, at least 1.
        """
        wanted = round(days * self.rows_per_day)
        reach_days = (there - 1) / self.rows_per_day + self.margin_days
        return min(wanted, there) if days <= reach_days else wanted


def opening_of(times_us: NDArray[np.int64]) -> Opening | None:
    """Return how densely prices lie, None where a single one tells nothing.

    Parameters
    ----------
    times_us
        Of the rows, ascending, each once; microseconds since 1970 in UTC.

    Examples
    --------
    >>> weeks = [day for day in range(14) if day % 7 < 5]
    >>> opening_of(np.array(weeks) * 86_400_000_000)
    Opening(rows_per_day=0.8181818181818182, rows_of_open_day=1.0, margin_days=5.0)
    """
    if len(times_us) < 2:
        return None
    # of whole numbers: 24.0 where hours have no gap, so that nothing differs from prices
    # without times
    rows_per_day = (len(times_us) - 1) * _DAY_US / int(times_us[-1] - times_us[0])
    steps_us = np.diff(times_us)
    _, rows = np.unique(times_us // _DAY_US, return_counts=True)
    margin_days = float(2 * steps_us.max() - np.median(steps_us)) / _DAY_US
    return Opening(
        rows_per_day=rows_per_day,
        rows_of_open_day=float(np.median(rows[1:-1])) if len(rows) > 2 else rows_per_day,
        margin_days=min(margin_days, _MOST_MARGIN_DAYS),
    )
