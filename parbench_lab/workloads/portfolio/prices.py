"""A user's own prices: an array, a DataFrame, a CSV or a parquet file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from parbench_lab.errors import UsageError
from parbench_lab.workloads.agreement import read_only
from parbench_lab.workloads.portfolio.market import Market, periods_per_day
from parbench_lab.workloads.portfolio.opening import opening_of

if TYPE_CHECKING:
    import pandas as pd

_SECONDS_PER_DAY = 86_400
_NAMES_OF_TIMES = ("time", "timestamp", "date", "datetime")


def as_market(prices: Any, *, timeframe: str = "1h", days_per_year: float | None = None) -> Market:
    """Return what a user gives as prices as a `Market`.

    Parameters
    ----------
    prices
        A `Market` (whose own timeframe must be the one given, and whose own days count); an array
        or a DataFrame of shape ``(periods, assets)``, of pandas or what has ``to_pandas()``, such
        as a table of polars or pyarrow; or the path of a file, see `read_prices`. The times of a
        frame are its index, or its first column, as in a file.
    timeframe
        Length of a period.
    days_per_year
        Days on which there are prices; None: 365, or as their times tell, see `Market`.

    Raises
    ------
    UsageError
        If it is none of these, or the prices cannot be used.

    Examples
    --------
    >>> as_market([[1.0, 2.0], [1.1, 1.9]], timeframe="1d").names
    ('asset 1', 'asset 2')
    """
    if isinstance(prices, Market):
        if prices.timeframe != timeframe:
            raise UsageError(
                f"the market has periods of {prices.timeframe} but timeframe is {timeframe!r}: "
                f"give timeframe={prices.timeframe!r}"
            )
        return prices
    if isinstance(prices, (str, Path)):
        return read_prices(prices, timeframe=timeframe, days_per_year=days_per_year)
    if hasattr(prices, "columns") and hasattr(prices, "iloc"):
        return _from_frame(prices, "the DataFrame", timeframe, days_per_year)
    if hasattr(prices, "columns") and hasattr(prices, "to_pandas"):
        return _from_frame(_in_pandas(prices), "the DataFrame", timeframe, days_per_year)
    try:
        values = np.array(prices, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise UsageError(
            "prices must be numbers of shape (periods, assets), a DataFrame or a file's path "
            f"but got {type(prices).__name__} ({error})"
        ) from error
    return Market(prices=read_only(values), timeframe=timeframe, days_per_year=days_per_year)


def read_prices(
    path: str | Path, *, timeframe: str = "1h", days_per_year: float | None = None
) -> Market:
    """Read a CSV or parquet file of prices.

    A column of times (ISO 8601, 2026-01-31 15:00; UTC unless it says otherwise), if there is one,
    comes first (or is the parquet index, which may hold numbers of rows instead, nothing else): it
    must ascend, at the distance of the timeframe as a rule (gaps are allowed). All other columns
    are assets.

    Parameters
    ----------
    path
        Ends in ``.csv`` or ``.parquet``.
    timeframe
        Length of a period.
    days_per_year
        Days on which there are prices; None: 365, or as their times tell, see `Market`.

    Raises
    ------
    UsageError
        If the file cannot be read, a column is no number, a price is missing or not positive, or
        the times do not fit the timeframe.
    """
    import pandas as pd  # noqa: PLC0415 - heavy; who brings no file does not pay

    file = Path(path)
    readers = {".csv": pd.read_csv, ".parquet": pd.read_parquet}
    reader = readers.get(file.suffix.lower())
    if reader is None:
        raise UsageError(f"prices file {str(path)!r} must end in .csv or .parquet")
    try:
        frame: pd.DataFrame = reader(file)  # type: ignore[operator]  # a union of two readers
    except ImportError as error:
        raise UsageError(
            f"prices file {str(path)!r}: reading parquet needs the library pyarrow, which is not "
            "installed; pip install pyarrow, or save the prices as CSV"
        ) from error
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(f"prices file {str(path)!r} cannot be read ({reason})") from error
    return _from_frame(frame, f"prices file {str(path)!r}", timeframe, days_per_year)


def _in_pandas(table: Any) -> pd.DataFrame:
    try:
        frame: pd.DataFrame = table.to_pandas()
    except ImportError as error:
        raise UsageError(
            f"prices are a {type(table).__name__}, which cannot become a DataFrame of pandas "
            f"({error}): install what is missing, or give an array"
        ) from error
    return frame


def _from_frame(
    frame: pd.DataFrame, source: str, timeframe: str, days_per_year: float | None
) -> Market:
    import pandas as pd  # noqa: PLC0415 - there already: this is a DataFrame

    table = _with_times(frame, source)
    opening = None
    if isinstance(table.index, pd.DatetimeIndex):
        _refuse_bad_times(table.index, source, timeframe)
        opening = opening_of(_times_us(table.index))
    bad = [name for name in table if not pd.api.types.is_numeric_dtype(table[name])]
    if bad:
        raise UsageError(f"{source}: column {str(bad[0])!r} does not hold numbers: drop it first")
    return Market(
        prices=read_only(table.to_numpy(dtype=np.float64, na_value=np.nan, copy=True)),
        timeframe=timeframe,
        names=tuple(map(str, table.columns)),
        days_per_year=days_per_year,
        opening=opening,
    )


def _with_times(frame: pd.DataFrame, source: str) -> pd.DataFrame:
    """Return the frame with its times, if it has any, as the index: that or the first column."""
    import pandas as pd  # noqa: PLC0415 - there already: this is a DataFrame

    if not len(frame.columns):
        raise UsageError(f"{source} has no columns: give one for each asset")
    first = frame.iloc[:, 0]
    what = f"{source}: its first column, {str(first.name)!r},"
    if not pd.api.types.is_numeric_dtype(first):
        return frame.iloc[:, 1:].set_axis(_as_times(first, what), axis="index")
    if _is_named_as_times(first.name):
        raise UsageError(
            f"{what} holds numbers: write times as 2026-01-31 15:00, or leave the column out"
        )
    index = frame.index
    if isinstance(index, pd.DatetimeIndex):
        return frame
    if isinstance(index, pd.PeriodIndex):
        return frame.set_axis(index.to_timestamp(), axis="index")
    if not pd.api.types.is_numeric_dtype(index):
        return frame.set_axis(_as_times(index, f"{source}: its index"), axis="index")
    if _is_named_as_times(index.name):
        raise UsageError(
            f"{source}: its index, {str(index.name)!r}, holds numbers: give times such as "
            "2026-01-31 15:00, or reset_index(drop=True)"
        )
    return frame


def _is_named_as_times(name: Any) -> bool:
    return str(name).strip().lower() in _NAMES_OF_TIMES


def _as_times(values: Any, what: str) -> pd.DatetimeIndex:
    import pandas as pd  # noqa: PLC0415 - there already: these are of a DataFrame

    try:
        return pd.DatetimeIndex(pd.to_datetime(values, utc=True, format="ISO8601"))
    except (ValueError, TypeError) as error:
        raise UsageError(
            f"{what} holds neither numbers nor times such as 2026-01-31 15:00"
        ) from error


def _times_us(times: pd.DatetimeIndex) -> NDArray[np.int64]:
    """Return microseconds since 1970: of UTC, so that no hour comes twice when clocks go back."""
    universal = times if times.tz is None else times.tz_convert(None)
    return universal.to_numpy().astype("datetime64[us]").astype(np.int64)


def _refuse_bad_times(times: pd.DatetimeIndex, source: str, timeframe: str) -> None:
    steps_s = np.diff(_times_us(times)) / 1e6
    if not steps_s.size:
        return
    if times.hasnans or not steps_s.min() > 0:
        row = int(np.argmin(steps_s > 0)) + 1
        raise UsageError(f"{source}: times must ascend, each once, but row {row} does not")
    usual_s, wanted_s = float(np.median(steps_s)), _SECONDS_PER_DAY / periods_per_day(timeframe)
    if not 0.99 <= usual_s / wanted_s <= 1.01:
        raise UsageError(
            f"{source}: rows are {usual_s / 3600:g} h apart but timeframe is {timeframe!r}, "
            f"{wanted_s / 3600:g} h: give the timeframe of the prices"
        )
