"""The alarms of watches, as marks on the series that races have of the same candidates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from parbench_lab.core.reading import as_object
from parbench_lab.core.runs import RunSummary
from parbench_lab.core.series import Mode, SeriesKey
from parbench_lab.core.wording import printable
from parbench_lab.plots.history import Mark
from parbench_lab.store.provenance import instant

_ALARMS = {"regression": True, "failed": True, "improvement": False}


def alarm_marks(nights: Iterable[RunSummary]) -> Iterator[Mark]:
    """Yield the alarms of nights, each at the series of its candidate.

    Parameters
    ----------
    nights
        Runs of kind `WATCH`; what has no verdict yet, or no size, raises none, and neither does
        what has a verdict that no watch gives.
    """
    for summary in nights:
        result = summary.result or {}
        size = as_object(result.get("watch")).get("size")
        told = result.get("series")
        if isinstance(size, int) and isinstance(told, list):
            for one in map(as_object, told):
                verdict = one.get("verdict")
                if isinstance(verdict, str) and verdict in _ALARMS:
                    yield _mark(summary, size, one)


def _mark(summary: RunSummary, size: int, told: Mapping[str, Any]) -> Mark:
    verdict = told["verdict"]
    return Mark(
        key=SeriesKey(
            workload=summary.name,
            candidate=str(told.get("candidate", "")),
            size=size,
            machine=summary.machine,
            mode=Mode(summary.mode),
            metric=str(told.get("metric", "")),
        ),
        run_id=summary.id,
        started=instant(summary.started_utc),
        worse=_ALARMS[verdict],
        kind="alarm",
        told=printable(str(told.get("sentence", verdict))),
    )
