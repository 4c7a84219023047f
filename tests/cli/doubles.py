"""A race, a store and a workload that do what a script says; no processes, no clock."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from parbench_lab.cli.doors import Doors
from parbench_lab.core.candidate import Candidate
from parbench_lab.core.estimate import Estimate
from parbench_lab.core.machine import Machine
from parbench_lab.core.ports import EventRecord, RunHeader, RunSummary
from parbench_lab.core.runs import UsageRow
from parbench_lab.core.series import Mode
from parbench_lab.core.standing import Scoreboard, Standing, VerdictKind
from parbench_lab.core.usage import WorkerUsage
from parbench_lab.errors import RaceError, StoreError, UnknownNameError, UnknownRunError
from parbench_lab.racing.result import RaceResult
from parbench_lab.racing.settings import Settings, knobs
from tests.analysis.comparison.figures import HERE, ROOFS


def standing(name: str, rank: int = 1, verdict: str = "undecided", **fields: Any) -> Standing:
    return Standing(candidate=name, rank=rank, verdict=VerdictKind(verdict), **fields)


def board(*standings: Standing, **fields: Any) -> Scoreboard:
    known = {
        "epoch": 0,
        "batch_size": 1000,
        "phase": "racing",
        "blocks": 40,
        "measurements": 120,
        "elapsed_s": 3.0,
        "blocks_per_s": 13.0,
        "workers": ("cpu-0", "cpu-1"),
        "duty_cycle": 0.95,
    }
    return Scoreboard(standings=standings, **{**known, **fields})


def measured(name: str, rank: int, verdict: str, ratio: float = 1.5, **fields: Any) -> Standing:
    """Return a standing with every field filled."""
    known = {
        "ratio": Estimate(point=ratio, low=0.9 * ratio, high=1.1 * ratio, confidence=0.95, n=40),
        "evidence": 1234.5,
        "blocks": 40,
        "median_s": 0.00123 * ratio,
        "throughput": 812_345.0 / ratio,
        "peak_rss_bytes": 3.0 * 2**20,
    }
    return standing(name, rank, verdict, **{**known, **fields})


def crowd(n: int, survivors: int) -> Scoreboard:
    """Return a race of `n` candidates of which the first few survive."""
    return board(
        measured("candidate_000", 1, "leader", 1.0),
        *(
            measured(
                f"candidate_{k:03d}",
                k + 1,
                "undecided" if k < survivors else "eliminated",
                reason="" if k < survivors else "shown at least 20 % slower than the best",
            )
            for k in range(1, n)
        ),
    )


FINAL = board(
    measured("quick", 1, "leader", 1.0),
    measured("slow", 2, "eliminated", 2.0, reason="shown at least 50 % slower than the best"),
    phase="ended",
)
LOG = ("worker cpu-0 is ready", "slow is eliminated: shown at least 50 % slower than the best")


@dataclass
class ScriptedBench:
    """Races through its scoreboards, one at each wait; then ends, or goes on until stopped."""

    boards: Sequence[Scoreboard] = (board(standing("quick"), standing("slow")), FINAL)
    log: tuple[str, ...] = LOG
    status: str = "decided"
    endless: bool = False
    resumable: bool = False
    breaks: bool = False
    settings: Settings = field(default_factory=Settings)
    run_id: str = "20260102-abcd"
    dashboard_link: str | None = None
    no_gpu: str = "no NVIDIA driver is installed"
    busy: tuple[WorkerUsage, ...] = ()
    calls: list[tuple[str, Any]] = field(default_factory=list)
    turn: int = -1

    @property
    def scoreboard(self) -> Scoreboard:
        return self.boards[min(max(self.turn, 0), len(self.boards) - 1)]

    def usage(self):
        return self.busy

    def limit(self, max_seconds=None, max_measurements=None, *, stop_when_decided=False):
        self.calls.append(("limit", (max_seconds, max_measurements, stop_when_decided)))

    def start(self):
        self.calls.append(("start", None))

    def wait(self, what="finished", timeout_s=None):
        if self.breaks:
            raise RaceError("the scheduler's connection was lost; start a new race")
        self.turn += 1
        if self.endless:
            threading.Event().wait(timeout_s)
            return False
        return self.turn >= len(self.boards)

    def stop(self, reason="stopped by the user"):
        self.calls.append(("stop", reason))
        self.status = "stopped"
        return self.result()

    def change(self, **changes):
        self.calls.append(("change", changes))
        self.settings = self.settings.replace(**changes)
        return self.settings

    def plan(self):
        return "workload   moving_average, 1000 items a case"

    def result(self):
        return RaceResult(
            run_id=self.run_id,
            workload="moving_average",
            status=self.status,
            reason="",
            winner="quick",
            front=("quick",),
            sentence=f"quick wins ({self.status}).",
            scoreboard=self.boards[-1],
            settings=self.settings,
            log=self.log,
            resumable=self.resumable,
        )

    def close(self):
        self.calls.append(("close", None))

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()


class ListStore:
    """A store in a list."""

    def __init__(
        self,
        summaries: Sequence[RunSummary] = (),
        events: Sequence[EventRecord] = (),
        usage: Sequence[UsageRow] = (),
    ):
        self._summaries = list(summaries)
        self._usage = list(usage)
        self._events = list(events)

    def runs(self, *, kind=None):
        return self._summaries

    def usage(self, run_id):
        return self._usage

    def summary(self, run_id):
        if run_id == "latest" and self._summaries:
            return self._summaries[-1]
        for summary in self._summaries:
            if summary.id.startswith(run_id):
                return summary
        raise UnknownRunError(f"no run {run_id!r}; parbench runs lists them")

    def header(self, run_id):
        found = self.summary(run_id)
        return RunHeader(
            id=found.id,
            kind=found.kind,
            name=found.name,
            started_utc=found.started_utc,
            document={"seed": 7, "workload": "nothing"},
        )

    def events(self, run_id):
        return iter(self._events)

    def create_run(self, header):
        raise StoreError("this list is read-only; give --store another path")

    def close(self):
        pass


class Nothing:
    """A workload that asks for nothing."""

    name = "nothing"

    def make_case(self, size, rng):
        return size

    def check(self, case, result):
        return None


@dataclass
class Visitors:
    """Doors that open on doubles, and what went through them."""

    bench: ScriptedBench = field(default_factory=ScriptedBench)
    store: ListStore = field(default_factory=ListStore)
    new: list[tuple[tuple[Any, ...], dict[str, Any]]] = field(default_factory=list)
    resumed: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    stores: list[str | None] = field(default_factory=list)
    modes: dict[str, Mode] = field(default_factory=dict)
    machine: Machine = HERE

    def doors(self) -> Doors:
        return Doors(
            new_bench=self._new,
            resumed_bench=self._resume,
            open_store=self._open,
            targets=self._targets,
            git=lambda folder: {"commit": "1a2b", "dirty": True},
            modes=lambda: self.modes,
            machine=lambda: self.machine,
            roofline=lambda: (HERE, ROOFS),
        )

    def _new(self, *args, **options):
        self.new.append((args, options))
        wanted = {name: value for name, value in options.items() if name in knobs()}
        self.bench.settings = self.bench.settings.replace(**wanted)
        return self.bench

    def _resume(self, run_id, **options):
        self.resumed.append((run_id, options))
        return self.bench

    def _open(self, location):
        self.stores.append(location)
        return self.store

    def _targets(self, name):
        if name != "nothing":
            raise UnknownNameError(f"no workload {name!r}; did you mean nothing?")
        return Nothing(), [Candidate(name=n, function=len) for n in ("quick", "slow")]
