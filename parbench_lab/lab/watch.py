"""``pb.watch``: the new build beside a pinned one, and a verdict for every series."""

from __future__ import annotations

import datetime as dt
import os
import platform
import re
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import Any

from parbench_lab.analysis.regression.detector import wanted_run_length
from parbench_lab.analysis.regression.quarantine import Quarantine, quarantined
from parbench_lab.analysis.regression.report import WatchReport
from parbench_lab.core.candidate import Candidate
from parbench_lab.core.metric import MEASURED_METRICS, Metric
from parbench_lab.core.ports import RunHeader, RunStore
from parbench_lab.errors import UnknownNameError
from parbench_lab.execution.builds.build import Build, Order
from parbench_lab.execution.builds.git import SHORT
from parbench_lab.execution.builds.messages import Hello
from parbench_lab.execution.builds.pairing import BLOCKS_PER_ROUND, Duel, Pair, Plan
from parbench_lab.execution.builds.trees import owned_folder
from parbench_lab.execution.shipping import ship
from parbench_lab.hardware.detect import detect_machine
from parbench_lab.lab import parts
from parbench_lab.lab.provenance import provenance
from parbench_lab.lab.quarantine_list import quarantine_entries
from parbench_lab.lab.watching.baselines import (
    Baseline,
    Pinned,
    copies_note,
    new_build,
    pinned,
    refuse_no_baseline,
)
from parbench_lab.lab.watching.journal import KIND, WatchJournal, WatchKey, earlier
from parbench_lab.lab.watching.lock import claim, lock_file, only_one
from parbench_lab.lab.watching.night import Night, Scores
from parbench_lab.lab.watching.settings import WatchSettings, settings_of
from parbench_lab.store import new_run_id
from parbench_lab.workloads.registry import listed_algorithms, resolve

REGISTRY = "parbench_lab.workloads.registry"
_LOOSE = (
    "the baseline may change under its name, so this night stands alone: nights add up where it "
    "is a commit or PACKAGE==VERSION"
)
_COMMIT = re.compile(r"^[0-9a-f]{40}$")

Algorithm = str | Callable[..., Any] | Candidate


def watch(
    target: Any,
    *,
    algorithms: Sequence[Algorithm] | None = None,
    baseline: Baseline = None,
    build: str = "auto",
    python: str | None = None,
    quarantine: str | Path | Sequence[Quarantine] = (),
    store: str | Path | RunStore | None = None,
    stop: Callable[[], bool] = lambda: False,
    progress: Callable[[int, int, WatchReport], None] | None = None,
    **settings: Any,
) -> WatchReport:
    """Watch a workload for regressions: this build beside a pinned one, for one night.

    Both run in child processes that are replaced every 10 blocks, in random order within each
    block, and every replacement is one bet (`analysis.regression.detector`). What is learnt is
    kept in the store: nights with the same baseline add up, where it is a commit or one version
    of a package. Any other may change under its name, and every night stands alone.

    Parameters
    ----------
    target
        Name of a workload or a module, a file (``"bench.py"``), or a workload itself.
    algorithms
        Candidates; None for all.
    baseline
        A git ref, ``"package==1.2"``, the path of a python, a callable or ``"module:function"``
        that stands in for every candidate. None: the commit at which this branch left the
        default branch; on that branch itself the last commit, where there are changes.
    build
        How a git ref is run: ``"venv"`` installs it into an environment of its own,
        ``"source"`` runs its tree as it is, ``"auto"`` installs what can be installed. Anything
        but ``"auto"`` is refused beside another baseline.
    python
        The interpreter for a git ref's tree, which is not installed then; refused beside another
        baseline.
    quarantine
        Entries, or a TOML file of them: series that do not block.
    store
        As for `ParallelBenchmarking`.
    stop
        Asked before every block whether to end.
    progress
        Called after every round as ``progress(round, rounds, report)``.
    **settings
        Of `WatchSettings`.

    Returns
    -------
    WatchReport
        `passed` is False where a regression or a failure blocks.

    Raises
    ------
    UsageError
        If something given makes no sense, the builds do not compare, or another watch runs: with
        the same store on this host, or (PostgreSQL) of the same series on a machine like it.
    RaceError
        If a build's processes do not come up.
    StoreError
        If the store cannot be used.
    """
    chosen = settings_of(settings)
    refuse_no_baseline(baseline)
    entries = quarantine_entries(quarantine)
    here = Path.cwd()
    lock = lock_file(store, environment=os.environ, folder=here)
    with ExitStack() as stack:
        order = _order(target, algorithms)
        stack.enter_context(only_one(lock))
        opened, owns = parts.store_of(store)
        if owns:
            stack.callback(opened.close)
        stack.enter_context(_alone_on_this_host(opened))
        base = stack.enter_context(pinned(baseline, here=here, python=python, how=build))
        folder = stack.enter_context(owned_folder())
        pair = Pair(new_build(here), base.build, _with(order, base), folder=folder, here=here)
        course = _Course(
            pair, base, chosen, entries, opened, held=stack, new_note=copies_note(here)
        )
        return course.run(stop, progress)


class _Course:
    """A night from the first meeting of the builds to the report."""

    def __init__(
        self,
        pair: Pair,
        base: Pinned,
        settings: WatchSettings,
        quarantine: Sequence[Quarantine],
        store: RunStore,
        *,
        held: ExitStack,
        new_note: str,
    ) -> None:
        self._start_ns = time.perf_counter_ns()
        self._pair = pair
        self._settings = settings
        self._quarantine = quarantine
        self._store = store
        meeting = pair.meet()
        self._hello = meeting.new
        loose = "" if base.build.revision else _LOOSE
        told = (new_note, base.note, loose)
        self._notes = (*meeting.notes, *(note for note in told if note))
        self._metrics = _metrics(self._hello, settings.metrics)
        self._machine = detect_machine(self._hello.libraries)
        self._plan = Plan(
            size=settings.batch_size or self._hello.default_batch_size,
            seed=secrets.randbits(32) if settings.seed is None else settings.seed,
            timeout_s=settings.timeout_s,
            memory=any("rss" in metric.name for metric in self._metrics),
            check=any(metric.name not in MEASURED_METRICS for metric in self._metrics),
        )
        self._key = WatchKey(
            workload=self._hello.workload,
            baseline=base.build.revision,
            machine=self._machine.fingerprint,
            size=self._plan.size,
            tolerance=settings.tolerance,
        )
        held.enter_context(_alone_with(store, self._key))
        self._before = before = earlier(store, self._key)
        self._nights = before.nights + 1
        n_series = len(meeting.shared) * len(self._metrics)
        self._needed = max(before.needed, wanted_run_length(n_series, settings.rounds))
        self._night = Night(
            self._hello.workload,
            meeting.shared,
            self._metrics,
            tolerance=settings.tolerance,
            run_length=self._needed,
            memories=before.memories,
        )
        self._header = self._make_header(meeting.shared)

    def run(
        self,
        stop: Callable[[], bool],
        progress: Callable[[int, int, WatchReport], None] | None,
    ) -> WatchReport:
        """Measure, keep and judge."""
        journal = WatchJournal(
            self._store, self._header, size=self._plan.size, baseline=_called(self._pair.baseline)
        )

        def on_round(number: int, duels: Sequence[Duel], scores: Scores) -> None:
            journal.round(number, duels, scores)
            if progress is not None:
                progress(number + 1, self._settings.rounds, self._report("running"))

        status = "failed"
        try:
            finished = self._night.run(
                self._pair,
                self._plan,
                self._settings.rounds,
                stop=lambda: stop() or self._out_of_time(),
                on_round=on_round,
            )
            status = "finished" if finished else "stopped"
        finally:
            report = self._report(status)
            left = self._before.with_tonight(self._night.memories())
            journal.finish(report, self._key, left)
        return report

    def _out_of_time(self) -> bool:
        limit_s = self._settings.seconds
        return limit_s is not None and self._seconds() >= limit_s

    def _seconds(self) -> float:
        return (time.perf_counter_ns() - self._start_ns) / 1e9

    def _report(self, status: str) -> WatchReport:
        today = dt.datetime.now(dt.UTC).date()
        return WatchReport(
            run_id=self._header.id,
            workload=self._hello.workload,
            new=self._pair.new.label,
            baseline=self._pair.baseline.label,
            tolerance=self._settings.tolerance,
            series=self._night.reports(
                lambda name: quarantined(self._quarantine, name, today),
                running=status == "running",
            ),
            status=status,
            nights=self._nights,
            seconds=self._seconds(),
            notes=self._notes,
        )

    def _make_header(self, candidates: Sequence[str]) -> RunHeader:
        now = dt.datetime.now(dt.UTC)
        return RunHeader(
            id=new_run_id(now, os.urandom(4)),
            kind=KIND,
            name=self._hello.workload,
            started_utc=now.isoformat(),
            document={
                "watch": self._key.as_json(),
                "new": self._pair.new.label,
                "baseline": self._pair.baseline.label,
                "candidates": [{"name": name} for name in candidates],
                "metrics": [metric.name for metric in self._metrics],
                "blocks": self._settings.rounds * BLOCKS_PER_ROUND,
                "needed": self._needed,
                "seed": self._plan.seed,
                **provenance(self._machine, mode=self._hello.mode),
            },
        )


# ---------------------------------------------------------------- one at a time


def _alone_on_this_host(store: RunStore) -> AbstractContextManager[None]:
    """Keep watches of other folders off this host, where they share a store on a server."""
    host = platform.node()
    return claim(
        store,
        f"watch on {host}",  # not its fingerprint: another environment has another Python
        taken=f"another watch is running on this machine ({host}, same store): two at once would "
        "measure each other; wait for it",
    )


def _alone_with(store: RunStore, key: WatchKey) -> AbstractContextManager[None]:
    """Keep watches of the same series off, from machines that count as this one."""
    if not key.baseline:  # there is no account that two of them could share
        return nullcontext()
    return claim(
        store,
        key.claim,
        taken=f"another watch of {key.workload} against the same baseline is running on a machine "
        f"like this one ({key.machine}, same store): the evidence of both is one account; wait "
        "for it, or give another store",
    )


# ---------------------------------------------------------------- what was asked for


def _order(target: Any, algorithms: Sequence[Algorithm] | None) -> Order:
    """Return what both builds run; names are looked up by each of them, objects are sent."""
    wanted = listed_algorithms(algorithms) or []
    names = [name for name in wanted if isinstance(name, str)]
    if isinstance(target, str) and len(names) == len(wanted):
        return Order(target=target, registry=REGISTRY, algorithms=tuple(names))
    workload, candidates = resolve(algorithms, target)
    payload = ship(
        (workload, candidates), what=f"workload {type(workload).__name__!r}", same_files=True
    )
    return Order(registry=REGISTRY, payload=payload.data)


def _with(order: Order, base: Pinned) -> Order:
    return Order(
        target=order.target,
        registry=order.registry,
        algorithms=order.algorithms,
        payload=order.payload,
        stand_in=base.stand_in,
    )


def _metrics(hello: Hello, wanted: Sequence[str]) -> tuple[Metric, ...]:
    known = {**MEASURED_METRICS, **{metric.name: metric for metric in hello.metrics}}
    names = wanted or hello.objectives
    for name in names:
        if name not in known:
            raise UnknownNameError(
                f"unknown metric {name!r}; {hello.workload} has {', '.join(sorted(known))}"
            )
    return tuple(known[name] for name in dict.fromkeys(names))


def _called(build: Build) -> str:
    """Return how a baseline's measurements are called in the store."""
    revision = build.revision or build.label
    return revision[:SHORT] if _COMMIT.match(revision) else revision
