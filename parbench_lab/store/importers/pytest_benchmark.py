"""What pytest-benchmark saves: https://pytest-benchmark.readthedocs.io (``--benchmark-json``).

Single rounds are in ``stats.data`` (with ``--benchmark-save-data`` or ``--benchmark-json``); else
the median counts as the one measurement. Times are seconds: of the CPU, where the timer was
``time.process_time``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from parbench_lab.store.importers.foreign import (
    CPU_TIME,
    TIME,
    About,
    ForeignBenchmark,
    ForeignRun,
    Sample,
    summarised,
    told,
)
from parbench_lab.store.importers.node import Node

NAME = "pytest-benchmark"
_MACHINE = ("processor", "machine", "system", "release")
_PYTHON = ("python_implementation", "python_version")
_NO_COMMIT = ("unversioned", "unknown")
"""What the tool writes where there is no repository, or it could not be asked."""
_CPU = ("brand_raw", "brand", "count", "arch")


def matches(document: Any) -> bool:
    """Return whether the tool wrote a JSON document."""
    return (
        isinstance(document, dict)
        and isinstance(document.get("benchmarks"), list)
        and "machine_info" in document
    )


def parse(document: Node, about: About) -> Sequence[ForeignRun]:
    """Return a run for each file of tests.

    Raises
    ------
    StoreError
        With the JSON path of what is malformed.
    """
    by_file: dict[str, list[ForeignBenchmark]] = {}
    for node in document.get("benchmarks").each():
        file, _, own_name = node.get("fullname").text().partition("::")
        benchmark = ForeignBenchmark(name=own_name or file, samples=_samples(node))
        by_file.setdefault(file if own_name else about.name, []).append(benchmark)
    commit = document.find("commit_info")
    told_commit = commit.find("id") if commit else None
    commit_id = told_commit.text() if told_commit else ""
    date = document.find("datetime")
    return [
        ForeignRun(
            workload=file,
            benchmarks=tuple(benchmarks),
            started=date.instant() if date else None,
            machine=_machine(document.get("machine_info")),
            commit="" if commit_id in _NO_COMMIT else commit_id,
            dirty=commit is not None and commit.object().get("dirty") is True,
        )
        for file, benchmarks in by_file.items()
    ]


def _samples(benchmark: Node) -> tuple[Sample, ...]:
    stats, options = benchmark.get("stats"), benchmark.find("options")
    timer = options.find("timer") if options else None
    metric = CPU_TIME if timer is not None and "process_time" in timer.text() else TIME
    data = stats.find("data")
    if data is None or not data.value:
        return summarised((stats.find("median") or stats.get("mean")).seconds(), metric)
    iterations = stats.find("iterations")
    repeats = 1 if iterations is None else iterations.whole()
    return tuple(Sample(values={metric: one.seconds()}, repeats=repeats) for one in data.each())


def _machine(node: Node) -> dict[str, Any]:
    cpu = node.find("cpu")
    return told(node, (*_MACHINE, *_PYTHON)) | (told(cpu, _CPU) if cpu else {})
