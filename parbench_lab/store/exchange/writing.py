"""Runs as JSON text: the same runs are the same bytes, whichever store they come from. Pure."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from parbench_lab.core.runs import EventRecord, MeasurementRow, RunHeader, RunRecord

FORMAT = "parbench-runs"
VERSION = 1
HEADER_KEYS = tuple(field.name for field in dataclasses.fields(RunHeader) if field.compare)
MEASUREMENT_KEYS = tuple(field.name for field in dataclasses.fields(MeasurementRow))


def chunks(records: Iterable[RunRecord]) -> Iterator[str]:
    """Yield the text of a file, an event a line; runs are taken one at a time.

    Parameters
    ----------
    records
        In the order in which they shall stand.

    Examples
    --------
    >>> print("".join(chunks([])), end="")
    {"format":"parbench-runs","version":1,"runs":[
    ]}
    """
    yield f'{{"format":"{FORMAT}","version":{VERSION},"runs":[\n'
    for number, record in enumerate(records):
        yield ",\n" if number else ""
        yield from _run(record)
    yield "]}\n"


def _run(record: RunRecord) -> Iterator[str]:
    about = {
        "header": {key: getattr(record.header, key) for key in HEADER_KEYS},
        "status": record.status,
        "result": record.result,
        "usage": [dataclasses.asdict(row) for row in record.usage],
        "curves": [dataclasses.asdict(row) for row in record.curves],
        "fits": [dataclasses.asdict(row) for row in record.fits],
    }
    yield f'{_text(about)[:-1]},"events":[\n'
    for number, event in enumerate(record.events):
        yield (",\n" if number else "") + _text(_event(event))
    yield "]}\n"


def _event(event: EventRecord) -> dict[str, Any]:
    # not asdict: it copies every payload and every measurement deeply
    return {
        "seq": event.seq,
        "at_s": event.at_s,
        "kind": event.kind,
        "payload": event.payload,
        "measurements": [
            {key: getattr(row, key) for key in MEASUREMENT_KEYS} for row in event.measurements
        ],
    }


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, allow_nan=False, sort_keys=True, separators=(",", ":"))
