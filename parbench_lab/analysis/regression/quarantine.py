"""Series that are known to be noisy: watched and shown, but kept from blocking, until a date."""

from __future__ import annotations

import datetime as dt
import fnmatch
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from parbench_lab.errors import UsageError

_KEYS = {"series", "reason", "until"}
_FORM = 'series = "sorting/*", reason = "why", until = 2026-12-31'


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantine:
    """One entry of the list.

    Parameters
    ----------
    series
        A pattern with ``*`` and ``?`` (nothing else is special) over ``workload/candidate`` or
        ``workload/candidate/metric``.
    reason
        Why it must not block; shown with every verdict.
    until
        The last day on which it counts.
    """

    series: str
    reason: str
    until: dt.date

    def holds(self, series: str, today: dt.date) -> bool:
        """Return whether a series (``workload/candidate/metric``) must not block today."""
        without_metric = series.rpartition("/")[0]
        # fnmatch has [sets] too, and a candidate's own name may have brackets
        pattern = self.series.replace("[", "[[]")
        named = any(
            fnmatch.fnmatchcase(name, pattern) for name in (series, without_metric) if name
        )
        return named and today <= self.until


def quarantined(entries: Sequence[Quarantine], series: str, today: dt.date) -> str:
    """Return why a series must not block today, "" where it may.

    Examples
    --------
    >>> noisy = Quarantine(series="sorting/*", reason="shared disk", until=dt.date(2026, 12, 31))
    >>> quarantined([noisy], "sorting/heap/wall_time_s", dt.date(2026, 12, 31))
    'shared disk (until 2026-12-31)'
    >>> quarantined([noisy], "sorting/heap/wall_time_s", dt.date(2027, 1, 1))
    ''
    """
    for entry in entries:
        if entry.holds(series, today):
            return f"{entry.reason} (until {entry.until})"
    return ""


def parse_quarantine(text: str, *, source: str) -> tuple[Quarantine, ...]:
    """Return the entries of a TOML list of tables ``[[quarantine]]``.

    Parameters
    ----------
    source
        Names the file in errors.

    Raises
    ------
    UsageError
        If it is not TOML, or an entry lacks its series, its reason or its date, or has more.

    Examples
    --------
    >>> parse_quarantine('''
    ... [[quarantine]]
    ... series = "sorting/heap"
    ... reason = "noisy on the shared runner"
    ... until = 2026-12-31
    ... ''', source="quarantine.toml")[0].series
    'sorting/heap'
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{source}: {error}; give TOML") from error
    tables = document.get("quarantine", [])
    if set(document) - {"quarantine"} or not isinstance(tables, list):
        raise UsageError(f"{source}: only [[quarantine]] tables are known, each with {_FORM}")
    return tuple(_entry(table, f"{source}, entry {n}") for n, table in enumerate(tables, 1))


def _entry(table: Any, where: str) -> Quarantine:
    if not isinstance(table, dict) or set(table) != _KEYS:
        raise UsageError(f"{where}: needs exactly {_FORM}")
    series, reason, until = table["series"], table["reason"], table["until"]
    for name, text in (("series", series), ("reason", reason)):
        if not isinstance(text, str) or not text.strip():
            raise UsageError(f"{where}: {name} must be a text that says something")
    if isinstance(until, dt.datetime) or not isinstance(until, dt.date):
        raise UsageError(f"{where}: until must be a date like 2026-12-31 but got {until!r}")
    return Quarantine(series=series, reason=reason, until=until)
