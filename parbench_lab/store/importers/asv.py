"""What airspeed velocity keeps: https://asv.readthedocs.io (``results/MACHINE/COMMIT-ENV.json``).

Version 2 of its files. A benchmark with parameters is a candidate for each combination of them.
Which unit a figure has is in another file (``benchmarks.json``); its name tells as much:
``time_x`` or ``TimeX`` is seconds, so is ``timeraw``, ``mem`` and ``peakmem`` are bytes, the rest
plain values. A run's time is that of its commit, by which asv orders its history, too.
"""

from __future__ import annotations

import datetime as dt
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from parbench_lab.store.importers.foreign import (
    PEAK,
    TIME,
    About,
    ForeignBenchmark,
    ForeignRun,
    Sample,
    summarised,
    told,
)
from parbench_lab.store.importers.node import Node

NAME = "asv"
VERSION = 2
MOST_COMBINATIONS = 100_000
_METRICS = {"time": TIME, "timeraw": TIME, "mem": "object_bytes", "peakmem": PEAK}
_CAMEL = {
    kind: re.compile(rf"^{words}[A-Z_]")
    for kind, words in (
        ("time", "Time"), ("timeraw", "Timeraw"), ("mem", "Mem"), ("peakmem", "PeakMem"),
    )
}  # fmt: skip
_MACHINE = ("arch", "cpu", "num_cpu", "os", "ram", "python")
_SETS = ("requirements", "env_vars")


def matches(document: Any) -> bool:
    """Return whether the tool wrote a JSON document."""
    return isinstance(document, dict) and "commit_hash" in document and "results" in document


def parse(document: Node, about: About) -> Sequence[ForeignRun]:
    """Return a run for each class or module of benchmarks.

    Raises
    ------
    StoreError
        With the JSON path of what is malformed, or if the file is of another version.
    """
    version = document.find("version")
    if version is None or version.value != VERSION:
        raise document.wrong(f"version {VERSION} of asv's results is read; try `asv update`")
    columns = {one.text(): i for i, one in enumerate(document.get("result_columns").each())}
    params = document.find("params")
    by_suite: dict[str, list[ForeignBenchmark]] = {}
    for full_name, node in document.get("results").members():
        suite, _, name = full_name.rpartition(".")
        made = _benchmarks(name, node, columns)
        by_suite.setdefault(suite or about.name, []).extend(made)
    return [
        ForeignRun(
            workload=suite,
            benchmarks=tuple(benchmarks),
            started=_date(document),
            machine=told(params, _MACHINE) if params else {},
            environment=_environment(document),
            commit=document.get("commit_hash").text(),
        )
        for suite, benchmarks in by_suite.items()
    ]


def _environment(document: Node) -> dict[str, Any]:
    """Return what the file tells of its environment: one commit is measured in each."""
    sets = {name: document.find(name) for name in _SETS}
    return {
        **told(document, ("env_name",)),
        **{name: node.object() for name, node in sets.items() if node and node.value},
    }


def _benchmarks(name: str, node: Node, columns: Mapping[str, int]) -> Iterator[ForeignBenchmark]:
    row = list(node.each())
    result = _column(row, columns, "result")
    if result is None:
        return  # it failed as a whole
    figures = list(result.each()) if isinstance(result.value, list) else [result]
    samples = _column(row, columns, "samples")
    single = list(samples.each()) if samples else []
    metric = _metric(name)
    calls = _column(row, columns, "stats_number")
    numbers = list(calls.each()) if calls and isinstance(calls.value, list) else []
    names = _names(name, _column(row, columns, "params"))
    for i, (one, called) in enumerate(zip(figures, names, strict=False)):
        value = _value(one, metric)
        if value is None:
            continue
        each = single[i] if i < len(single) and isinstance(single[i].value, list) else None
        found = [_value(s, metric) for s in each.each()] if each else []
        repeats = numbers[i].whole() if i < len(numbers) and numbers[i].value is not None else 1
        kept = tuple(Sample(values={metric: s}, repeats=repeats) for s in found if s is not None)
        yield ForeignBenchmark(name=called, samples=kept or summarised(value, metric))


def _metric(name: str) -> str:
    """Return the metric that a benchmark's name tells of."""
    return next((found for kind, found in _METRICS.items() if _is_of_kind(name, kind)), "value")


def _is_of_kind(name: str, kind: str) -> bool:
    return name.startswith(f"{kind}_") or bool(_CAMEL[kind].match(name))


def _value(node: Node, metric: str) -> float | None:
    """Return a figure; null and NaN say that there is none."""
    value = node.number_or_none()
    return value if value is None or metric != TIME else node.seconds()


def _names(name: str, params: Node | None) -> Iterator[str]:
    """Yield the candidates' names: the product of the parameters, the last varying fastest."""
    if params is None or not params.value:
        yield name
        return
    axes = [[one.text() for one in axis.each()] for axis in params.each()]
    for values in itertools.islice(itertools.product(*axes), MOST_COMBINATIONS):
        yield f"{name}({', '.join(values)})"


def _column(row: Sequence[Node], columns: Mapping[str, int], name: str) -> Node | None:
    """Return a column of a result; the last ones are left out where they are empty."""
    place = columns.get(name)
    if place is None or place >= len(row) or row[place].value is None:
        return None
    return row[place]


def _date(document: Node) -> dt.datetime | None:
    found = document.find("date")
    if found is None:
        return None
    try:
        return dt.datetime.fromtimestamp(found.number() / 1000, dt.UTC)
    except (OverflowError, ValueError, OSError):
        raise found.wrong("must be milliseconds since 1970") from None
