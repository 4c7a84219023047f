"""What pyperf writes: https://pyperf.readthedocs.io (``-o bench.json``), also several suites.

Every value of every worker process is a measurement, its warm-ups too (marked as such).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from parbench_lab.store.importers.foreign import (
    PEAK,
    TIME,
    About,
    ForeignBenchmark,
    ForeignRun,
    Sample,
    told,
)
from parbench_lab.store.importers.node import Node

NAME = "pyperf"
_METRICS = {"second": TIME, "byte": "value_bytes", "integer": "value"}
"""Bytes are what Python allocated (``--tracemalloc``), what only the process had
(``--track-memory``) or a size: the file does not tell which. None is the resident set, which
stands beside the times."""

_MACHINE = (
    "cpu_model_name", "cpu_count", "platform", "python_implementation", "python_version",
    "python_compiler", "aslr",
)  # fmt: skip


def matches(document: Any) -> bool:
    """Return whether the tool wrote a JSON document."""
    benchmarks = document.get("benchmarks") if isinstance(document, dict) else None
    return isinstance(benchmarks, list) and any(
        isinstance(one, dict) and isinstance(one.get("runs"), list) for one in benchmarks
    )


def parse(document: Node, about: About) -> Sequence[ForeignRun]:
    """Return the one run.

    Raises
    ------
    StoreError
        With the JSON path of what is malformed.
    """
    shared = document.find("metadata")
    benchmarks = []
    machine: dict[str, Any] = {}
    dates = []
    for node in document.get("benchmarks").each():
        layers = [layer for layer in (node.find("metadata"), shared) if layer]
        runs = list(node.get("runs").each())
        metric = _metric(layers)
        samples = tuple(s for i, run in enumerate(runs) for s in _samples(run, i, metric, layers))
        name = _first(layers, "name")
        benchmarks.append(
            ForeignBenchmark(name=name.text() if name else about.name, samples=samples)
        )
        described = [*layers, *(m for run in runs if (m := run.find("metadata")))]
        for layer in reversed(described):
            machine |= told(layer, _MACHINE)
        dates += [date.instant() for layer in described if (date := layer.find("date"))]
    return [
        ForeignRun(
            workload=about.name,
            benchmarks=tuple(one for one in benchmarks if one.samples),
            started=min(dates, default=None),
            machine=machine,
        )
    ]


def _metric(layers: Sequence[Node]) -> str:
    unit = _first(layers, "unit")
    if unit is None:
        return TIME
    metric = _METRICS.get(unit.text())
    if metric is None:
        raise unit.wrong(f"must be one of {', '.join(_METRICS)}")
    return metric


def _samples(run: Node, number: int, metric: str, shared: Sequence[Node]) -> Iterator[Sample]:
    """Yield the values of a process; what all of them have in common stands in `shared`."""
    worker = f"process {number}"
    warmups, values = run.find("warmups"), run.find("values")
    about = run.find("metadata")
    layers = [about, *shared] if about else shared
    inner = _times(_first(layers, "inner_loops"))
    repeats = inner * _times(_first(layers, "loops"))
    peak = _first(layers, "mem_max_rss")
    further = {PEAK: peak.number()} if peak and metric == TIME else {}
    for pair in warmups.each() if warmups else ():
        loops, *value = pair.each()
        if value:
            yield Sample(
                values={metric: _value(value[0], metric)},
                worker=worker,
                warm_up=True,
                repeats=inner * _times(loops),
            )
    for one in values.each() if values else ():
        yield Sample(
            values={metric: _value(one, metric)} | further, worker=worker, repeats=repeats
        )


def _times(loops: Node | None) -> int:
    return 1 if loops is None else loops.whole()


def _value(node: Node, metric: str) -> float:
    return node.seconds() if metric == TIME else node.number()


def _first(layers: Sequence[Node], key: str) -> Node | None:
    return next((found for layer in layers if (found := layer.find(key))), None)
