"""Is a file from elsewhere what it must be? Told with the JSON path where it is not. Pure.

A file is data only, and bounded: its size before it is read, its depth before anything walks
through it, its numbers before they reach a database.
"""

from __future__ import annotations

import functools
import importlib.resources
import json
import math
from collections.abc import Mapping
from typing import Any

from parbench_lab.core.machine import FOREIGN, Machine
from parbench_lab.core.metric import Metric
from parbench_lab.core.runs import TAKEN_IN
from parbench_lab.core.wording import printable
from parbench_lab.errors import StoreError
from parbench_lab.store.exchange.writing import MEASUREMENT_KEYS, VERSION
from parbench_lab.store.nesting import MAX_DEPTH, Link, walk

LONGEST_WORDS = 200
SCHEMA_FILE = f"runs-{VERSION}.schema.json"
_WHOLES = ("block", "slot", "epoch", "copy", "size", "repeats")
_TEXTS = ("candidate", "worker", "outcome", "digest", "message")
_FLAGS = ("warm_up", "checked")
_SECONDS = ("wall_time_s", "cpu_time_s")
_KEYS = frozenset(MEASUREMENT_KEYS)


def parsed(data: bytes, *, source: str) -> Any:
    """Return the JSON document that bytes hold, nested no deeper than `MAX_DEPTH`.

    Raises
    ------
    StoreError
        If they hold none.
    """
    try:
        document = json.loads(data)
    except RecursionError:
        raise StoreError(f"{source}: is nested deeper than {MAX_DEPTH} levels") from None
    except ValueError as error:  # no JSON, no Unicode, or a number of thousands of digits
        raise StoreError(f"{source}: is no JSON ({_short(str(error))})") from None
    for depth, link, _ in walk(document):
        if depth > MAX_DEPTH:
            where = _short(path_of(link))
            raise StoreError(f"{source}: {where} is nested deeper than {MAX_DEPTH} levels")
    return document


def refuse_malformed(document: Mapping[str, Any], *, source: str) -> None:
    """Refuse what is not a document of this program's runs.

    Parameters
    ----------
    document
        Whose ``format`` is ours.
    source
        Names the file.

    Raises
    ------
    StoreError
        With the JSON path of the first thing that is wrong.
    """
    version = document.get("version")
    if isinstance(version, int) and version > VERSION:
        raise StoreError(
            f"{source}: is of version {version} of the format, this program knows {VERSION}: "
            "upgrade parbench_lab"
        )
    for _, link, value in walk(document):
        if isinstance(value, float) and not math.isfinite(value):
            raise StoreError(f"{source}: {path_of(link)} must be a finite number")
    _refuse_by_schema(document, source)
    for number, run in enumerate(document["runs"]):
        where = f"{source}: $.runs[{number}].header.document"
        if TAKEN_IN in run["header"]["document"]:
            raise StoreError(f"{where}.{TAKEN_IN} is what a store keeps of a run: leave it out")
        _refuse_false_fingerprint(run, f"{where}.machine")
        _refuse_odd_metrics(run, f"{where}.metrics")


@functools.cache
def schema() -> Mapping[str, Any]:
    """Return the JSON Schema of the format."""
    file = importlib.resources.files("parbench_lab.store.exchange") / SCHEMA_FILE
    loaded: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return loaded


def is_plainly_right(measurement: object) -> bool:
    """Return whether a measurement is right at a glance: 100 times as quick as its schema.

    False says nothing: then the schema is asked.
    """
    if type(measurement) is not dict or measurement.keys() != _KEYS:
        return False
    get = measurement.__getitem__
    return (
        all(type(get(key)) is int and -(2**63) < get(key) < 2**63 for key in _WHOLES)
        and get("size") >= 1
        and all(type(get(key)) is str for key in _TEXTS)
        and all(type(get(key)) is bool for key in _FLAGS)
        and type(get("values")) is dict
        and all(type(value) in (int, float) for value in get("values").values())
        and all(get("values").get(name, 0) >= 0 for name in _SECONDS)
    )


def path_of(link: Link | tuple[()]) -> str:
    """Return where a value stands, like ``$.runs[0].status``."""
    keys = []
    while link:
        link, key = link
        keys.append(f"[{key}]" if isinstance(key, int) else f".{key}")
    return printable("$" + "".join(reversed(keys)))


def _refuse_by_schema(document: Mapping[str, Any], source: str) -> None:
    """Ask the schema, but not about the measurements that are plainly right: they are millions."""
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - slow to import
    from jsonschema.exceptions import best_match  # noqa: PLC0415

    error = best_match(Draft202012Validator(schema()).iter_errors(_lean(document)))
    if error is not None:
        where = _short(error.json_path)
        raise StoreError(f"{source}: {where}: {_short(error.message)}")


def _lean(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the document with an empty list where all measurements are plainly right."""
    runs = document.get("runs")
    if not isinstance(runs, list):
        return document
    return {**document, "runs": [_lean_run(run) for run in runs]}


def _lean_run(run: Any) -> Any:
    if not isinstance(run, dict) or not isinstance(run.get("events"), list):
        return run
    return {**run, "events": [_lean_event(event) for event in run["events"]]}


def _lean_event(event: Any) -> Any:
    if not isinstance(event, dict) or not isinstance(event.get("measurements"), list):
        return event
    right = all(map(is_plainly_right, event["measurements"]))
    return {**event, "measurements": []} if right else event


def _refuse_false_fingerprint(run: Mapping[str, Any], where: str) -> None:
    """Refuse a machine under the fingerprint of another: their figures would be mixed."""
    machine = run["header"]["document"].get("machine")
    if machine is None or "fingerprint" not in machine:
        return
    given = _short(machine["fingerprint"])
    try:
        found = Machine.from_json(machine).fingerprint
    except ValueError as error:
        if machine["fingerprint"].startswith(FOREIGN):
            return  # of another tool's run: never that of a machine that was detected
        raise StoreError(
            f"{where}.fingerprint is {given} but nothing says that it is this machine's "
            f"({_short(str(error))}): leave it out"
        ) from None
    if machine["fingerprint"] != found:
        raise StoreError(f"{where}.fingerprint is {given} but the machine described has {found}")


def _refuse_odd_metrics(run: Mapping[str, Any], where: str) -> None:
    """Refuse metrics that are neither named nor described: a margin would be of who knows what."""
    for number, described in enumerate(run["header"]["document"].get("metrics", ())):
        if isinstance(described, dict):
            try:
                Metric.from_json(described)
            except ValueError as error:
                raise StoreError(f"{where}[{number}]: {_short(str(error))}") from None


def _short(words: str) -> str:
    line = printable(" ".join(words.split()))
    return line if len(line) <= LONGEST_WORDS else f"{line[:LONGEST_WORDS]}..."
