"""What Google Benchmark writes: https://google.github.io/benchmark (``--benchmark_format=json``).

Each repetition is a measurement: the mean time over its iterations. Where only aggregates are
reported, the median (else the mean) counts as the one measurement.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import PurePath, PureWindowsPath
from typing import Any

from parbench_lab.store.importers.foreign import (
    CPU_TIME,
    SUMMARY_ONLY,
    TIME,
    About,
    ForeignBenchmark,
    ForeignRun,
    Sample,
    told,
)
from parbench_lab.store.importers.node import Node

NAME = "google-benchmark"
_SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}
_OLD_DATE = "%Y/%m/%d-%H:%M:%S"
_AGGREGATES = ("median", "mean")
_MACHINE = ("num_cpus", "library_build_type")
"""Not ``mhz_per_cpu``: without a fixed clock it is the one of the moment, of the same machine."""
_OLD_AGGREGATE = re.compile(r"^(?P<name>.+)_(?P<kind>mean|median|stddev|BigO|RMS)$")
_OF_A_FIT = ("BigO", "RMS")


def matches(document: Any) -> bool:
    """Return whether the tool wrote a JSON document."""
    return (
        isinstance(document, dict)
        and isinstance(document.get("benchmarks"), list)
        and isinstance(document.get("context"), dict)
    )


def parse(document: Node, about: About) -> Sequence[ForeignRun]:
    """Return the one run.

    Raises
    ------
    StoreError
        With the JSON path of what is malformed.
    """
    found: dict[str, list[Sample]] = {}
    aggregates: dict[str, dict[str, Sample]] = {}
    for node, name, kind in _entries(document.get("benchmarks")):
        if not kind:
            found.setdefault(name, []).append(_sample(node))
        elif kind in _AGGREGATES:
            # its iterations are how many repetitions it is of
            summary = dataclasses.replace(_sample(node), repeats=1, message=SUMMARY_ONLY)
            aggregates.setdefault(name, {})[kind] = summary
    for name, by_kind in aggregates.items():
        best = next(kind for kind in _AGGREGATES if kind in by_kind)
        found.setdefault(name, [by_kind[best]])
    context = document.get("context")
    return [
        ForeignRun(
            workload=_program(context) or about.name,
            benchmarks=tuple(
                ForeignBenchmark(name=name, samples=tuple(samples))
                for name, samples in found.items()
            ),
            started=_date(context),
            machine=_machine(context),
        )
    ]


def _entries(benchmarks: Node) -> Iterator[tuple[Node, str, str]]:
    """Yield each entry with the name of its benchmark and which aggregate it is; "": none.

    Old versions tell aggregates by the ends of their names alone.
    """
    nodes = list(benchmarks.each())
    names = [(node.find("run_name") or node.get("name")).text() for node in nodes]
    old = not any("run_type" in node.object() for node in nodes)
    known = set(names)
    for node, name in zip(nodes, names, strict=True):
        kind = node.find("aggregate_name")
        if old and kind is None:
            yield node, *_by_its_end(name, known)
        else:
            yield node, name, kind.text() if kind else ""


def _by_its_end(name: str, known: AbstractSet[str]) -> tuple[str, str]:
    """Return an old entry's benchmark and which aggregate it is, by the names of the file."""
    end = _OLD_AGGREGATE.match(name)
    # a spread stands beside every mean: without one the end is part of the benchmark's own name
    if end and (
        end["kind"] in _OF_A_FIT or {f"{end['name']}_mean", f"{end['name']}_stddev"} <= known
    ):
        return end["name"], end["kind"]
    return name, ""


def _sample(node: Node) -> Sample:
    if node.object().get("error_occurred") is True or node.find("skipped"):
        message = node.find("error_message") or node.find("skip_message")
        return Sample(values={}, outcome="failed", message=message.text() if message else "")
    scale = _scale(node.find("time_unit"))
    iterations = node.find("iterations")
    return Sample(
        values={
            TIME: node.get("real_time").seconds() * scale,
            CPU_TIME: node.get("cpu_time").seconds() * scale,
        },
        repeats=1 if iterations is None else iterations.whole(),
    )


def _scale(unit: Node | None) -> float:
    """Return seconds in a unit of time; nanoseconds where none is told."""
    if unit is None:
        return _SECONDS["ns"]
    if unit.text() not in _SECONDS:
        raise unit.wrong(f"must be one of {', '.join(_SECONDS)}")
    return _SECONDS[unit.text()]


def _program(context: Node) -> str:
    """Return the name of the program without its folders."""
    found = context.find("executable")
    if found is None:
        return ""
    return PureWindowsPath(PurePath(found.text()).name).name


def _date(context: Node) -> dt.datetime | None:
    found = context.find("date")
    if found is None:
        return None
    try:
        return dt.datetime.strptime(found.text(), _OLD_DATE).replace(tzinfo=dt.UTC)
    except ValueError:
        return found.instant()


def _machine(context: Node) -> dict[str, Any]:
    caches = context.find("caches")
    described: dict[str, Any] = told(context, _MACHINE)
    if caches is not None:
        names = ("type", "level", "size", "num_sharing")
        described["caches"] = [told(one, names) for one in caches.each()]
    return described
