"""What hyperfine exports: https://github.com/sharkdp/hyperfine (``--export-json``).

Every run's time is there, in seconds, and with newer versions its memory. Neither date nor machine
is: the file's own time is taken, and the user may name the machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from parbench_lab.store.importers.foreign import (
    PEAK,
    TIME,
    About,
    ForeignBenchmark,
    ForeignRun,
    Sample,
    summarised,
)
from parbench_lab.store.importers.node import Node

NAME = "hyperfine"


def matches(document: Any) -> bool:
    """Return whether the tool wrote a JSON document."""
    results = document.get("results") if isinstance(document, dict) else None
    return isinstance(results, list) and any(
        isinstance(one, dict) and "command" in one for one in results
    )


def parse(document: Node, about: About) -> Sequence[ForeignRun]:
    """Return the one run, with a benchmark for each command.

    Raises
    ------
    StoreError
        With the JSON path of what is malformed.
    """
    benchmarks = tuple(
        ForeignBenchmark(name=node.get("command").text(), samples=_samples(node))
        for node in document.get("results").each()
    )
    return [ForeignRun(workload=about.name, benchmarks=benchmarks)]


def _samples(node: Node) -> tuple[Sample, ...]:
    times = node.find("times")
    if times is None or not times.value:
        return summarised((node.find("median") or node.get("mean")).seconds())
    memory, codes = node.find("memory_usage_byte"), node.find("exit_codes")
    peaks = [one.number_or_none() for one in memory.each()] if memory else []
    exits = [one.value for one in codes.each()] if codes else []
    return tuple(
        Sample(
            values={TIME: one.seconds()} | _peak(peaks[i : i + 1]),
            # it was told to go on whatever the exit code: the time counts
            message="" if exits[i : i + 1] in ([], [0]) else f"exit code {exits[i]!r}",
        )
        for i, one in enumerate(times.each())
    )


def _peak(found: Sequence[float | None]) -> dict[str, float]:
    return {PEAK: found[0]} if found and found[0] is not None else {}
