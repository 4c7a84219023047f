"""What hyperfine exports: https://github.com/sharkdp/hyperfine (``--export-json``).

Every run's time is there, in seconds, and with newer versions its memory. Neither date nor machine
is: the file's own time is taken, and the user may name the machine.

A command that comes again was run under other parameters (its preparation uses them, say): each of
them is a candidate of its own.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
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
    """Return the one run, with a benchmark for each result.

    Raises
    ------
    StoreError
        With the JSON path of what is malformed.
    """
    results = tuple(document.get("results").each())
    benchmarks = tuple(
        ForeignBenchmark(name=name, samples=_samples(node))
        for name, node in zip(_names(results), results, strict=True)
    )
    return [ForeignRun(workload=about.name, benchmarks=benchmarks)]


def _names(results: Sequence[Node]) -> Iterator[str]:
    """Yield a name for each result, none of them twice."""
    commands = [node.get("command").text() for node in results]
    often = Counter(commands)
    # a command that comes once keeps its name, and with it its series in earlier files
    names = [
        command + _parameters(node) if often[command] > 1 else command
        for command, node in zip(commands, results, strict=True)
    ]
    taken, given = set(names), set[str]()
    for name in names:
        numbered = (f"{name} #{number}" for number in itertools.count(2))
        free = name if name not in given else next(one for one in numbered if one not in taken)
        taken.add(free)
        given.add(free)
        yield free


def _parameters(node: Node) -> str:
    found = node.find("parameters")
    said = [f"{name}={of.value}" for name, of in found.members()] if found else []
    return f" ({', '.join(said)})" if said else ""


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
