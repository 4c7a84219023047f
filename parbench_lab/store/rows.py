"""Events to table rows and back, without loss. Pure.

What could not be read back as it was is refused before anything is written: a number that is not
finite, a payload that JSON would change, text that is not valid Unicode. Rows are tuples in the
order of the table's columns: at 20 columns a dict for each would cost more than the disk.
"""

from __future__ import annotations

import functools
import json
import math
import operator
from collections.abc import Mapping, Sequence
from typing import Any

from parbench_lab.core.ports import EventRecord, MeasurementRow
from parbench_lab.errors import StoreError
from parbench_lab.store.nesting import DEEPEST_DOCUMENT, is_too_deep

Row = Sequence[Any]

WHOLE_COLUMNS = ("block", "slot", "epoch", "copy", "size", "repeats")
TEXT_COLUMNS = ("candidate", "worker", "outcome", "digest")
FLAG_COLUMNS = ("warm_up", "checked")
# what nearly every measurement has is a column, so that SQL can ask for it
VALUE_COLUMNS = ("wall_time_s", "cpu_time_s", "peak_rss_growth_bytes", "peak_rss_bytes")

USAGE_COLUMNS = (
    "cpu_percent", "rss_bytes", "memory_limit_bytes", "gpu_percent", "gpu_memory_bytes",
)  # fmt: skip

MAX_WHOLE = 2**63 - 1
_wholes = operator.attrgetter(*WHOLE_COLUMNS)
_texts = operator.attrgetter(*TEXT_COLUMNS)
_flags = operator.attrgetter(*FLAG_COLUMNS)


# ---------------------------------------------------------------- writing


def document_text(document: Mapping[str, Any], *, what: str) -> str:
    """Return a JSON document as compact text.

    Parameters
    ----------
    document
        JSON values with finite numbers; tuples become lists.
    what
        Names it in the message.

    Raises
    ------
    StoreError
        If it is no JSON, or nested deeper than `DEEPEST_DOCUMENT` levels.
    """
    text = json_text(document, what=what)
    if is_too_deep(document, text):
        raise StoreError(
            f"{what} cannot be stored: it is nested deeper than {DEEPEST_DOCUMENT} levels, which "
            "no import would take; give flatter values"
        )
    return text


def json_text(document: Mapping[str, Any], *, what: str) -> str:
    """Return `document_text` of a part of what is kept already, or of what is flat.

    Its depth is not asked for: an older store may keep a deeper one, which must stay readable.

    Raises
    ------
    StoreError
        If it is no JSON.
    """
    try:
        return json.dumps(dict(document), allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise StoreError(f"{what} cannot be stored: {error}; give JSON values only") from error


def event_row(run_key: int, record: EventRecord) -> Row:
    """Return the row of an event.

    Raises
    ------
    StoreError
        If it could not be read back as it is.
    """
    what = f"event {record.seq} ({record.kind!r})"
    payload = document_text(record.payload, what=what)
    if json.loads(payload) != record.payload:
        raise StoreError(
            f"{what} cannot be stored: JSON would change it (a tuple, or a key that is no text); "
            "give lists and text keys"
        )
    refuse_texts((record.kind,), ("kind",), what)
    refuse_wholes((record.seq,), ("seq",), what)
    return run_key, record.seq, finite(record.at_s, "at_s", what), record.kind, payload


def measurement_rows(run_key: int, record: EventRecord) -> list[Row]:
    """Return the rows of an event's measurements, in their order.

    Raises
    ------
    StoreError
        If one could not be read back as it is.
    """
    return [
        (run_key, record.seq, position, *_columns(measurement))
        for position, measurement in enumerate(record.measurements)
    ]


def _columns(given: MeasurementRow) -> Row:
    what = f"block {given.block}, candidate {given.candidate!r}"
    wholes, texts, flags = _wholes(given), _texts(given), _flags(given)
    refuse_wholes(wholes, WHOLE_COLUMNS, what)
    refuse_texts(texts, TEXT_COLUMNS, what)
    values, further = split_values(given.values, VALUE_COLUMNS, what=what)
    # not JSON: that would join two halves of a surrogate pair
    message = given.message.encode("unicode_escape").decode("ascii")
    return (*wholes, *texts, *flags, *values, further, message)


def split_values(
    given: Mapping[str, float], columns: Sequence[str], *, what: str
) -> tuple[list[float | None], str | None]:
    """Return the values that have columns of their own, and the further ones as JSON.

    Raises
    ------
    StoreError
        If one is not finite, or a name is no valid text.
    """
    values = [finite(given[name], name, what) if name in given else None for name in columns]
    if len(given) + values.count(None) == len(columns):
        return values, None
    further = {name: value for name, value in given.items() if name not in columns}
    refuse_texts(tuple(further), ("a metric's name",) * len(further), what)
    checked = {name: finite(value, name, what) for name, value in further.items()}
    return values, json_text(checked, what=what)


def joined_values(
    columns: Sequence[str], values: Sequence[float | None], further: str | None, *, what: str
) -> dict[str, float]:
    """Return what `split_values` took apart.

    Raises
    ------
    StoreError
        If the JSON is damaged.
    """
    pairs = zip(columns, values, strict=True)
    joined = {name: value for name, value in pairs if value is not None}
    if further is not None:
        joined |= document_of(further, what=what)
    return joined


def finite(value: Any, name: str, what: str) -> float:
    """Return a finite number as a float, or refuse it.

    Raises
    ------
    StoreError
        If it is none.
    """
    try:
        if math.isfinite(value):
            return float(value)
    except (TypeError, OverflowError):
        pass
    raise StoreError(f"{what}: {name} must be a finite number but got {value!r}")


def refuse_wholes(values: Sequence[Any], names: Sequence[str], what: str) -> None:
    """Refuse what a 64-bit column cannot hold; the names are for the message.

    Raises
    ------
    StoreError
        If a value is no whole number below 2**63.
    """
    for value in values:
        if not isinstance(value, int) or not -MAX_WHOLE <= value <= MAX_WHOLE:
            name = names[values.index(value)]
            raise StoreError(f"{what}: {name} must be a whole number below 2**63, not {value!r}")


def refuse_texts(values: Sequence[Any], names: Sequence[str], what: str) -> None:
    """Refuse what a text column cannot hold; the names are for the message.

    Raises
    ------
    StoreError
        If a value is no valid Unicode, or holds NUL.
    """
    for value in values:
        if not isinstance(value, str) or not is_plain(value):
            name = names[values.index(value)]
            raise StoreError(f"{what}: {name} must be valid Unicode without NUL, not {value!r}")


@functools.lru_cache(maxsize=1024)  # the same few names come with every measurement
def is_plain(text: str) -> bool:
    r"""Return whether any database can hold a text: valid Unicode without NUL.

    Examples
    --------
    >>> is_plain("naïve"), is_plain("half a pair: \ud800"), is_plain("\0")
    (True, False, False)
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


# ---------------------------------------------------------------- reading


def document_of(text: str, *, what: str) -> dict[str, Any]:
    """Return the document that a text holds.

    Raises
    ------
    StoreError
        If it is damaged.
    """
    document = _loaded(text, what)
    if not isinstance(document, dict):
        raise StoreError(f"{what} is damaged in the store: it is no JSON object")
    return document


def event_record(row: Row, measurements: Sequence[Row]) -> EventRecord:
    """Return the event that the rows hold.

    Raises
    ------
    StoreError
        If one of them is damaged.
    """
    _, seq, at_s, kind, payload = row
    return EventRecord(
        seq=seq,
        at_s=at_s,
        kind=kind,
        payload=document_of(payload, what=f"event {seq}"),
        measurements=tuple(_measurement(measurement) for measurement in measurements),
    )


def _measurement(row: Row) -> MeasurementRow:
    (
        _, seq, _, block, slot, epoch, copy, size, repeats, candidate, worker, outcome, digest,
        warm_up, checked, *columns, further, message,
    ) = row  # fmt: skip
    what = f"a measurement of event {seq}"
    values = joined_values(VALUE_COLUMNS, columns, further, what=what)
    return MeasurementRow(
        block=block,
        slot=slot,
        epoch=epoch,
        candidate=candidate,
        copy=copy,
        size=size,
        worker=worker,
        outcome=outcome,
        warm_up=bool(warm_up),
        checked=bool(checked),
        repeats=repeats,
        values=values,
        digest=digest,
        message=_unescaped(message, what),
    )


def _loaded(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{what} is damaged in the store: {error}") from error


def _unescaped(text: str, what: str) -> str:
    try:
        return text.encode("ascii").decode("unicode_escape")
    except ValueError as error:
        raise StoreError(f"{what} is damaged in the store: {error}") from error
