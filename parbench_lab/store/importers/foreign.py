"""What all importers have in common: another tool's run as a value, and as a record. Pure.

Figures of another tool are of mode "micro" unless said otherwise, of 1 item a run, and of a
foreign machine: its fingerprint says so, and never equals one that was detected here. Where a file
does not describe its machine and the user does not name it, the run is alone in its series, for
nothing says what it may be compared with.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from parbench_lab.core.machine import FOREIGN
from parbench_lab.core.runs import EventRecord, MeasurementRow, RunHeader, RunRecord
from parbench_lab.core.series import Mode
from parbench_lab.core.wording import count

TIME, CPU_TIME, PEAK = "wall_time_s", "cpu_time_s", "peak_rss_bytes"
SUMMARY_ONLY = "the file holds this summary only"
DIGITS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a file does not say, or what the user wants instead.

    Parameters
    ----------
    name
        Of the workload, where the tool does not name what it measured.
    named
        Whether the user chose the name: what has it is then another run than under the file's own.
    started
        When it was measured, where the tool does not say; aware.
    mode
        What the figures stand for.
    machine
        The user's name of the machine; ``""``: what the file says.
    """

    name: str
    started: dt.datetime
    named: bool = False
    mode: Mode = Mode.MICRO
    machine: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One measured run; see `MeasurementRow`."""

    values: Mapping[str, float]
    worker: str = ""
    warm_up: bool = False
    repeats: int = 1
    outcome: str = "ok"
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignBenchmark:
    """A benchmark of another tool: here a candidate with its measurements."""

    name: str
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignRun:
    """One run of another tool.

    Parameters
    ----------
    workload
        What was measured.
    benchmarks
        Of it.
    started
        None where the file does not say.
    machine
        What the file tells of it; neither its name in the network nor its load.
    environment
        What the file tells of the packages and variables it was measured with. It tells series of
        one machine apart, whoever names the machine, and describes none.
    commit, dirty
        Git; ``""`` where the file does not say.
    """

    workload: str
    benchmarks: tuple[ForeignBenchmark, ...]
    started: dt.datetime | None = None
    machine: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    commit: str = ""
    dirty: bool = False


def as_records(
    runs: Sequence[ForeignRun], *, tool: str, document: Any, about: About
) -> tuple[RunRecord, ...]:
    """Return the runs as records; those without a benchmark are left out.

    Parameters
    ----------
    runs
        In the file's order.
    tool
        Its name.
    document
        The whole file: ids follow from it, so that the same file is recognised.
    about
        What the file does not say.
    """
    said = [document, about.mode.value, about.machine]
    content, renamed = _digest(said), _digest([*said, about.name])

    def run_id(number: int, run: ForeignRun) -> str:
        # what the file names itself stays one run, whichever name was given for the rest
        by_name = about.named and run.workload == about.name
        return f"{tool}-{renamed if by_name else content}-{number}"

    return tuple(
        _record(run, run_id=run_id(number, run), tool=tool, about=about)
        for number, run in enumerate(runs)
        if run.benchmarks
    )


def _record(run: ForeignRun, *, run_id: str, tool: str, about: About) -> RunRecord:
    events = tuple(_events(run, tool))
    n = sum(len(event.measurements) for event in events)
    said = f"{count(len(events), 'benchmark')}, {count(n, 'measurement')} of {tool}"
    return RunRecord(
        header=RunHeader(
            id=run_id,
            kind="imported",
            name=run.workload,
            started_utc=(run.started or about.started).isoformat(),
            document={
                "tool": tool,
                "mode": about.mode.value,
                "machine": _machine(run, run_id, about),
                "git": {"commit": run.commit, "dirty": run.dirty} if run.commit else None,
                "candidates": [{"name": benchmark.name} for benchmark in run.benchmarks],
            },
        ),
        status="finished",
        result={"sentence": said},
        events=events,
    )


def _events(run: ForeignRun, tool: str) -> Iterator[EventRecord]:
    for seq, benchmark in enumerate(run.benchmarks):
        yield EventRecord(
            seq=seq,
            at_s=0.0,
            kind="Imported",
            payload={"tool": tool, "benchmark": benchmark.name},
            measurements=tuple(
                _row(benchmark.name, block, sample)
                for block, sample in enumerate(benchmark.samples)
            ),
        )


def _row(candidate: str, block: int, sample: Sample) -> MeasurementRow:
    return MeasurementRow(
        block=block,
        slot=0,
        epoch=0,
        candidate=candidate,
        copy=0,
        size=1,
        worker=sample.worker,
        outcome=sample.outcome,
        warm_up=sample.warm_up,
        checked=False,
        repeats=sample.repeats,
        values=sample.values,
        message=sample.message,
    )


def _machine(run: ForeignRun, run_id: str, about: About) -> dict[str, Any]:
    called = {"called": about.machine} if about.machine else {}
    known = {**(called or run.machine or {"run": run_id}), **run.environment}
    fingerprint = f"{FOREIGN}{_digest(known)}"
    return {"fingerprint": fingerprint, **run.machine, **called, **run.environment}


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def summarised(value: float, metric: str = TIME) -> tuple[Sample, ...]:
    """Return the one sample there is where a file holds no single ones but their median."""
    return (Sample(values={metric: value}, message=SUMMARY_ONLY),)


def told(node: Any, names: Sequence[str]) -> dict[str, Any]:
    """Return the plain values among an object's members of these names, a machine's say."""
    found = node.object()
    return {
        name: found[name] for name in names if isinstance(found.get(name), (str, int, float, bool))
    }
