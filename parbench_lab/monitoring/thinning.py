"""Samples as rows of the store, thinned, and what the rows of a run come to. Pure."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from parbench_lab.core.runs import UsageRow
from parbench_lab.core.usage import WorkerUsage

EVERY_S = 1.0
THROTTLED = "gpu_throttled"
"""Name of the share of samples in which a GPU was held back; ``gpu_throttled_<why>`` by reason."""

_NO_NUMBERS = ("worker", "gpu_uuid", "gpu_throttle", "not_measured")
_NUMBERS = tuple(
    field.name for field in dataclasses.fields(WorkerUsage) if field.name not in _NO_NUMBERS
)
# how much memory the host has is in the machine's description
_STORED = tuple(name for name in _NUMBERS if name != "host_memory_total_bytes")


def usage_rows(at_s: float, workers: Iterable[WorkerUsage]) -> list[UsageRow]:
    """Return a row for every worker of which anything was measured.

    Parameters
    ----------
    at_s
        Seconds of race time.
    workers
        What each did at that moment.

    Examples
    --------
    >>> hot = WorkerUsage(worker="gpu-0", gpu_percent=80.0, gpu_throttle=("thermal",))
    >>> usage_rows(1.5, [hot, WorkerUsage(worker="cpu-0")])[0].values
    {'gpu_percent': 80.0, 'gpu_throttled': 1.0, 'gpu_throttled_thermal': 1.0}
    """
    rows = []
    for usage in workers:
        found = {name: getattr(usage, name) for name in _STORED}
        values = {
            name: float(value)
            for name, value in found.items()
            if value is not None and math.isfinite(value)
        }
        if usage.gpu_throttle is not None:
            values[THROTTLED] = float(bool(usage.gpu_throttle))
            values |= {f"{THROTTLED}_{why.replace(' ', '_')}": 1.0 for why in usage.gpu_throttle}
        if values:
            rows.append(UsageRow(at_s=at_s, source=usage.worker, values=values))
    return rows


def thin(rows: Iterable[UsageRow], every_s: float = EVERY_S) -> list[UsageRow]:
    """Return at most one row per source and stretch of time: the means of the rows in it.

    The mean of a figure is over the rows that have it; a reason of throttling counts as absent
    where its row has others, so that it stays the share of samples. In order of time.

    Parameters
    ----------
    rows
        In any order.
    every_s
        Length of a stretch; the first one begins at 0.

    Raises
    ------
    ValueError
        If the length is not positive.

    Examples
    --------
    >>> rows = [
    ...     UsageRow(at_s=at_s, source="w", values={"cpu_percent": percent})
    ...     for at_s, percent in ((0.2, 50.0), (0.6, 100.0), (1.2, 10.0))
    ... ]
    >>> [(round(row.at_s, 3), row.values["cpu_percent"]) for row in thin(rows, 1.0)]
    [(0.4, 75.0), (1.2, 10.0)]
    """
    if not every_s > 0:
        raise ValueError(f"every_s must be positive but got {every_s}")
    stretches: dict[tuple[int, str], list[UsageRow]] = {}
    for row in rows:
        stretches.setdefault((int(row.at_s // every_s), row.source), []).append(row)
    return [_mean(found) for _, found in sorted(stretches.items())]


def mean_usage(usages: Sequence[WorkerUsage]) -> WorkerUsage:
    """Return the mean of one worker's samples of a short time; at least one.

    Numbers are means over the samples that have them, reasons of throttling those of any sample;
    what is not measured is as in the last one.

    Examples
    --------
    >>> usages = [WorkerUsage(worker="w", cpu_percent=percent) for percent in (80.0, 100.0)]
    >>> mean_usage([*usages, WorkerUsage(worker="w")]).cpu_percent
    90.0
    """
    last = usages[-1]
    if len(usages) == 1:
        return last
    told = [usage.gpu_throttle for usage in usages if usage.gpu_throttle is not None]
    reasons = tuple(dict.fromkeys(why for found in told for why in found))
    numbers: dict[str, Any] = {
        name: _known_mean([getattr(usage, name) for usage in usages]) for name in _NUMBERS
    }
    return dataclasses.replace(last, gpu_throttle=reasons if told else None, **numbers)


def _known_mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _mean(rows: Sequence[UsageRow]) -> UsageRow:
    names = dict.fromkeys(name for row in rows for name in row.values)
    values = {}
    for name in names:
        # a reason that is not named does not hold, where throttling was looked at
        share = name.startswith(f"{THROTTLED}_")
        among = [row.values for row in rows if (THROTTLED if share else name) in row.values]
        values[name] = sum(found.get(name, 0.0) for found in among) / len(among)
    return UsageRow(
        at_s=sum(row.at_s for row in rows) / len(rows), source=rows[0].source, values=values
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageSummary:
    """Mean and maximum of one worker's figures over a run.

    Parameters
    ----------
    source
        Name of the worker.
    means, maxima
        Name of a figure, as in `UsageRow`, to its value; absent where it was never measured.
    rows
        So many rows it was taken from.
    """

    source: str
    means: dict[str, float]
    maxima: dict[str, float]
    rows: int


def summarize(rows: Iterable[UsageRow]) -> list[UsageSummary]:
    """Return a summary for every source, by name.

    Examples
    --------
    >>> rows = [UsageRow(at_s=t, source="w", values={"cpu_percent": 50.0 * t}) for t in (1, 2)]
    >>> summarize(rows)[0].means, summarize(rows)[0].maxima
    ({'cpu_percent': 75.0}, {'cpu_percent': 100.0})
    """
    by_source: dict[str, list[UsageRow]] = {}
    for row in rows:
        by_source.setdefault(row.source, []).append(row)
    found = []
    for source, own in sorted(by_source.items()):
        names = dict.fromkeys(name for row in own for name in row.values)
        maxima = {n: max(row.values[n] for row in own if n in row.values) for n in names}
        means = dict(_mean(own).values)
        found.append(UsageSummary(source=source, means=means, maxima=maxima, rows=len(own)))
    return found


def stored_usage(row: UsageRow) -> WorkerUsage:
    """Return the usage that a stored row tells of; a reason counts where it held at all.

    Examples
    --------
    >>> usage = WorkerUsage(worker="gpu-0", gpu_power_w=300.0, gpu_throttle=("power cap",))
    >>> stored_usage(usage_rows(0.0, [usage])[0]) == usage
    True
    """
    reasons = tuple(
        name.removeprefix(f"{THROTTLED}_").replace("_", " ")
        for name in row.values
        if name.startswith(f"{THROTTLED}_")
    )
    known: dict[str, Any] = {name: row.values[name] for name in _STORED if name in row.values}
    return WorkerUsage(
        worker=row.source, gpu_throttle=reasons if THROTTLED in row.values else None, **known
    )
