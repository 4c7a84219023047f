"""The store's part in a watch: every round is kept, and the next night starts from the last."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from parbench_lab.analysis.regression.report import WatchReport
from parbench_lab.analysis.regression.series import Memory
from parbench_lab.core.measurement import Measurement
from parbench_lab.core.ports import EventRecord, MeasurementRow, RunHeader, RunStore, RunSummary
from parbench_lab.core.runs import WATCH
from parbench_lab.errors import ParbenchError, StoreError
from parbench_lab.execution.builds.pairing import Duel
from parbench_lab.racing.result import jsonable

KIND = WATCH
ROUND = "WatchRound"


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchKey:
    """What must be equal for the evidence of two nights to belong together.

    `baseline` is what the baseline is for ever (a commit); a baseline that may change under its
    name has none, and its evidence is not carried over.
    """

    workload: str
    baseline: str
    machine: str
    size: int
    tolerance: float

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return dataclasses.asdict(self)

    @property
    def claim(self) -> str:
        """The name under which one watch at a time holds these series."""
        return f"watch of {json.dumps(self.as_json(), sort_keys=True)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """What earlier nights left.

    Parameters
    ----------
    memories
        By the series' name.
    nights
        How many they are.
    needed
        The most evidence that one of them asked for: a shorter night must not lower it, or what
        was too little yesterday would be an alarm today.
    """

    memories: Mapping[str, Memory] = field(default_factory=dict)
    nights: int = 0
    needed: float = 0.0

    def with_tonight(self, tonight: Mapping[str, Memory]) -> dict[str, Memory]:
        """Return what the next night starts from: tonight's, and what others left before.

        A series that was not watched tonight (another candidate or metric was asked for, or its
        candidate is missing in this build) keeps what it had, or one such night would lose it:
        its evidence, and the alarm of a night that was cut off.
        """
        return {**self.memories, **tonight}


def earlier(store: RunStore, key: WatchKey) -> Earlier:
    """Return what the nights before left.

    The last night that came to its end has it all; what was cut off since is replayed. A series
    that raised its alarm in a night that was cut off still has its evidence: tonight tells of it.

    Raises
    ------
    StoreError
        If the store cannot be read, or what a night left in it.
    """
    if not key.baseline:
        return Earlier()
    cut_off: list[RunSummary] = []
    for summary in reversed(store.runs(kind=KIND, workload=key.workload)):
        if summary.result is None:
            if store.header(summary.id).document.get("watch") == key.as_json():
                cut_off.append(summary)
        elif summary.result.get("watch") == key.as_json():
            return _replayed(store, _left(summary), cut_off)
    return _replayed(store, Earlier(), cut_off)


def _left(summary: RunSummary) -> Earlier:
    result = summary.result or {}
    with _unreadable_is_refused(summary):
        memories = {name: Memory.from_json(told) for name, told in result["memory"].items()}
        return Earlier(
            memories=memories, nights=int(result["nights"]), needed=float(result["needed"])
        )


@contextlib.contextmanager
def _unreadable_is_refused(summary: RunSummary) -> Iterator[None]:
    try:
        yield
    except ParbenchError:
        raise
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise StoreError(
            f"watch {summary.id} cannot be read ({error}); was it written by another version?"
        ) from error


def _replayed(store: RunStore, start: Earlier, cut_off: Sequence[RunSummary]) -> Earlier:
    memories, needed = dict(start.memories), start.needed
    for summary in reversed(cut_off):
        with _unreadable_is_refused(summary):
            needed = max(needed, float(store.header(summary.id).document.get("needed", 0.0)))
            for name, scores in _scores_of(store, summary.id):
                memories[name] = memories.get(name, Memory()).after(*scores)
    return Earlier(memories=memories, nights=start.nights + len(cut_off), needed=needed)


def _scores_of(store: RunStore, run_id: str) -> Iterator[tuple[str, tuple[float, float]]]:
    for event in store.events(run_id):
        if event.kind == ROUND:
            for name, (worse, better) in event.payload["scores"].items():
                yield name, (float(worse), float(better))


class WatchJournal:
    """Writes one night into the store.

    Parameters
    ----------
    store
        Where.
    header
        How the night begins; see `watch_header`.
    size
        Items of a case.
    baseline
        How the baseline's measurements are called: ``candidate @ baseline``.
    """

    def __init__(self, store: RunStore, header: RunHeader, *, size: int, baseline: str) -> None:
        self._store = store
        self._run_id = header.id
        self._size = size
        self._baseline = baseline
        self._seq = 0
        self._start_ns = time.perf_counter_ns()
        store.create_run(header)

    def round(
        self,
        number: int,
        duels: Sequence[Duel],
        scores: Mapping[str, tuple[float, float]],
    ) -> None:
        """Keep a round: its measurements, and what was bet on."""
        payload = {
            "round": number,
            "scores": {name: list(pair) for name, pair in scores.items()},
            "new_first": [duel.new_first for duel in duels],
        }
        record = EventRecord(
            seq=self._seq,
            at_s=(time.perf_counter_ns() - self._start_ns) / 1e9,
            kind=ROUND,
            payload=payload,
            measurements=[row for duel in duels for row in self._rows(duel)],
        )
        self._store.append(self._run_id, [record])
        self._seq += 1

    def finish(self, report: WatchReport, key: WatchKey, memories: Mapping[str, Memory]) -> None:
        """End the run with its verdicts and with what the next night starts from."""
        result = {
            **report_document(report),
            "watch": key.as_json(),
            "needed": max((one.needed for one in report.series), default=0.0),
            "memory": {name: memory.as_json() for name, memory in memories.items()},
        }
        self._store.finish_run(self._run_id, report.status, result)

    def _rows(self, duel: Duel) -> Iterator[MeasurementRow]:
        sides = [
            (duel.candidate, duel.new),
            (f"{duel.candidate} @ {self._baseline}", duel.baseline),
        ]
        for slot, (name, measurement) in enumerate(sides):
            yield _row(name, measurement, duel.block, slot, self._size)


def _row(name: str, measurement: Measurement, block: int, slot: int, size: int) -> MeasurementRow:
    return MeasurementRow(
        block=max(0, block),
        slot=slot,
        epoch=0,
        candidate=name,
        copy=0,
        size=size,
        worker="build",
        outcome=measurement.outcome.value,
        warm_up=block < 0 or measurement.warm_up,
        checked=measurement.checked,
        repeats=measurement.repeats,
        values=measurement.values,
        digest=measurement.digest,
        message=measurement.message,
    )


def report_document(report: WatchReport) -> dict[str, Any]:
    """Return a report as JSON values."""
    document: dict[str, Any] = jsonable(report)
    for told, series in zip(document["series"], report.series, strict=True):
        told.update(
            name=series.name,
            verdict=series.verdict.value,
            blocking=series.blocking,
            sentence=series.sentence,
        )
    document.update(id=report.run_id, passed=report.passed, sentence=report.sentence)
    return document
