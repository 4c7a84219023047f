"""Usage, curves and fits to table rows and back, without loss. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from parbench_lab.core.estimate import Estimate
from parbench_lab.core.runs import CurveRow, FitRow, UsageRow
from parbench_lab.errors import StoreError
from parbench_lab.store.rows import (
    USAGE_COLUMNS,
    Row,
    finite,
    joined_values,
    refuse_texts,
    refuse_wholes,
    split_values,
)

ESTIMATE_COLUMNS = ("point", "low", "high", "confidence", "n")


# ---------------------------------------------------------------- writing


def usage_table_row(run_key: int, position: int, given: UsageRow) -> Row:
    """Return the row of a usage.

    Raises
    ------
    StoreError
        If it could not be read back as it is.
    """
    what = f"usage of {given.source!r}"
    refuse_texts((given.source,), ("source",), what)
    values, further = split_values(given.values, USAGE_COLUMNS, what=what)
    at_s = finite(given.at_s, "at_s", what)
    return run_key, position, at_s, given.source, *values, further


def curve_table_row(run_key: int, position: int, given: CurveRow) -> Row:
    """Return the row of a curve's figure.

    Raises
    ------
    StoreError
        If it could not be read back as it is.
    """
    what = f"{given.metric} of the curve on {given.backend!r}"
    texts, wholes = (given.backend, given.scaling), (given.series_size, given.workers, given.size)
    refuse_texts((*texts, given.metric), ("backend", "scaling", "metric"), what)
    refuse_wholes(wholes, ("series_size", "workers", "size"), what)
    return run_key, position, *texts, *wholes, given.metric, *_estimate(given.estimate, what)


def fit_table_row(run_key: int, position: int, given: FitRow) -> Row:
    """Return the row of a fitted coefficient.

    Raises
    ------
    StoreError
        If it could not be read back as it is.
    """
    what = f"{given.parameter} of the fit on {given.backend!r}"
    names = ("backend", "scaling", "law", "parameter")
    texts = tuple(getattr(given, name) for name in names)
    refuse_texts(texts, names, what)
    refuse_wholes((given.series_size,), ("series_size",), what)
    curve, law = texts[:2], texts[2:]
    return run_key, position, *curve, given.series_size, *law, *_estimate(given.estimate, what)


def _estimate(given: Estimate, what: str) -> Row:
    refuse_wholes((given.n,), ("n",), what)
    names = ESTIMATE_COLUMNS[:-1]
    return *(finite(getattr(given, name), name, what) for name in names), given.n


# ---------------------------------------------------------------- reading


def usage_row(row: Row) -> UsageRow:
    """Return the usage that a table row holds.

    Raises
    ------
    StoreError
        If it is damaged.
    """
    _, position, at_s, source, *values, further = row
    what = f"usage {position}"
    return UsageRow(
        at_s=at_s,
        source=source,
        values=joined_values(USAGE_COLUMNS, values, further, what=what),
    )


def curve_row(row: Mapping[str, Any]) -> CurveRow:
    """Return the figure that a table row holds; see `usage_row`."""
    names = ("backend", "scaling", "series_size", "workers", "size", "metric")
    return CurveRow(**{name: row[name] for name in names}, estimate=estimate_of(row))


def fit_row(row: Mapping[str, Any]) -> FitRow:
    """Return the coefficient that a table row holds; see `usage_row`."""
    names = ("backend", "scaling", "series_size", "law", "parameter")
    return FitRow(**{name: row[name] for name in names}, estimate=estimate_of(row))


def estimate_of(row: Mapping[str, Any]) -> Estimate:
    """Return the estimate among a table row's columns; see `usage_row`."""
    try:
        return Estimate(**{name: row[name] for name in ESTIMATE_COLUMNS})
    except ValueError as error:
        raise StoreError(f"an estimate is damaged in the store: {error}") from error


def positioned(given: Sequence[Any], make_row: Any, run_key: int, begin: int = 0) -> list[Row]:
    """Return the rows of several values, counted from a position on."""
    return [make_row(run_key, begin + i, one) for i, one in enumerate(given)]
