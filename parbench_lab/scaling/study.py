"""A study: measures the cells of its plan, one after the other, while plan and pauses change.

One thread measures (the caller's in `run`, one of its own after `start`); every other thread may
look, pause, change the plan and stop. What was measured is recorded before the next run begins.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from parbench_lab.analysis.curve import ScalingCurve
from parbench_lab.analysis.trial import Trial
from parbench_lab.core.scalable import Scalable
from parbench_lab.errors import RaceError, UsageError
from parbench_lab.scaling import journal
from parbench_lab.scaling.plan import Cell, Plan, Series
from parbench_lab.scaling.workbench import Adapt, OpenPool, Pinned, Workbench, no_adapting

Phase = Literal["new", "measuring", "paused", "ended"]
Record = Callable[[str, Mapping[str, Any]], None]
"""Keeps an event: its kind, and JSON values."""


class Study:
    """Measures a plan.

    Parameters
    ----------
    scalable
        The job.
    plan
        What to measure.
    open_pool
        Opens warm workers: backend, how many.
    pinned
        What holds while the job runs; see `Workbench`.
    adapt
        Makes a pool's adaptive map, for a plan that wants one.
    cores
        Cores that are ours; more workers are marked as oversubscribed.
    cluster_workers
        As for `journal.curves`; `met_cluster` says it once it is known.
    machine
        Fingerprint of the machine; see `met_machine`.
    record
        Keeps what happens.
    done
        Runs of an earlier session of this study, which are not made again.
    on_trial
        Called after each run, in the measuring thread.
    on_begin
        Called once, by whoever begins the study, before anything is measured; nobody else begins
        or stops it meanwhile. What it raises leaves the study new.
    on_end
        Called once, in the measuring thread, when nothing is measured or changed any more; whoever
        waits is told of the end after it. What it raises counts as what the study could not do.
    """

    def __init__(
        self,
        scalable: Scalable,
        plan: Plan,
        *,
        open_pool: OpenPool,
        pinned: Pinned = contextlib.nullcontext,
        adapt: Adapt = no_adapting,
        cores: int,
        cluster_workers: int | None = None,
        machine: str = "",
        record: Record = lambda _kind, _payload: None,
        done: Mapping[Cell, Trial] | None = None,
        on_trial: Callable[[Cell, Trial], None] = lambda _cell, _trial: None,
        on_begin: Callable[[], None] = lambda: None,
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        self.scalable = scalable
        self.cores = cores
        self._cluster_workers = cluster_workers
        self._cluster_told: int | None = None
        self._machine = machine
        self._open_pool = open_pool
        self._pinned = pinned
        self._adapt = adapt
        self._record = record
        self._on_trial = on_trial
        self._on_begin = on_begin
        self._on_end = on_end
        # both are taken before `_changed`, and held while the store writes: looking never waits
        self._beginning = threading.Lock()
        self._planning = threading.Lock()
        self._changed = threading.Condition()
        self._plan = plan
        self._done: dict[Cell, Trial] = dict(done or {})
        self._now: Cell | None = None
        self._paused = self._stopping = self._started = self._ending = self._ended = False
        self._failure: BaseException | None = None
        self._thread: threading.Thread | None = None

    # ------------------------------------------------------------ to look at

    @property
    def plan(self) -> Plan:
        """What is to be measured, as of now."""
        with self._changed:
            return self._plan

    @property
    def phase(self) -> Phase:
        """Where the study is."""
        with self._changed:
            if self._ended:
                return "ended"
            if not self._started:
                return "new"
            return "paused" if self._paused else "measuring"

    @property
    def now(self) -> Cell | None:
        """The run that is being made."""
        with self._changed:
            return self._now

    @property
    def progress(self) -> tuple[int, int]:
        """How many runs of the plan are done, of how many."""
        with self._changed:
            plan = self._plan
            series = set(plan.series)
            done = sum(
                cell.series in series
                and cell.workers in plan.workers
                and cell.repetition < plan.repeats
                for cell in self._done
            )
            return done, plan.n_cells

    @property
    def curves(self) -> Mapping[Series, ScalingCurve]:
        """A curve for each series, of what was measured so far."""
        with self._changed:
            done = dict(self._done)
            plan, cluster_workers = self._plan, self._cluster_workers
        return journal.curves(
            plan,
            done,
            name=self.scalable.name,
            unit=self.scalable.unit,
            cores=self.cores,
            cluster_workers=cluster_workers,
            tolerance=self.scalable.tolerance,
            machine=self._machine,
        )

    # ------------------------------------------------------------ to steer

    def change(self, *, workers: Sequence[int] | None = None, repeats: int | None = None) -> None:
        """Set pending levels and repetitions; what was measured stays.

        Raises
        ------
        UsageError
            If they are out of range, or the study has ended.
        """
        # in one step: the last plan that is kept must be the one that is in force
        with self._planning:
            with self._changed:
                if self._ending:
                    raise UsageError(
                        "this study has ended; make a new one, or resume it from the store"
                    )
                self._plan = self._plan.changed(workers=workers, repeats=repeats)
                plan = self._plan
                self._changed.notify_all()
            self._record(journal.PLANNED, journal.planned(plan))

    def met_cluster(self, n_workers: int) -> None:
        """Take note of how many workers the given cluster has; the most that it had counts.

        It is recorded with the run that its pool was opened for: a record that cannot be kept is
        no failure of that pool.
        """
        with self._changed:
            self._cluster_workers = max(n_workers, self._cluster_workers or 0)

    def met_machine(self, fingerprint: str) -> None:
        """Take note of the machine that a given cluster says it is, before the first run."""
        with self._changed:
            self._machine = fingerprint

    def pause(self) -> None:
        """Begin no further run until `resume`; the one that is being made ends."""
        with self._changed:
            self._paused = True

    def resume(self) -> None:
        """Go on after a pause."""
        with self._changed:
            self._paused = False
            self._changed.notify_all()

    def stop(self) -> None:
        """Begin no further run at all; waits only for a start that is under way."""
        with self._beginning, self._changed:
            self._stopping = True
            if not self._started:
                self._ending = self._ended = True
            self._changed.notify_all()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the study has ended; returns whether it has.

        Raises
        ------
        RaceError
            If it ended because it could not go on.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._ended, timeout_s):
                return False
            failure = self._failure
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        if failure is not None:
            raise RaceError(f"the study could not go on: {failure}") from failure
        return True

    # ------------------------------------------------------------ to measure

    def run(self) -> None:
        """Measure in this thread until the plan is done, or `stop`; Ctrl-C stops too."""
        self._begin()
        with contextlib.suppress(KeyboardInterrupt):
            self._measure()

    def start(self) -> None:
        """Measure in a thread; returns once a given cluster has said what it is."""
        self._begin()
        self._thread = threading.Thread(target=self._quietly, name="parbench-study", daemon=True)
        self._thread.start()

    def _begin(self) -> None:
        with self._beginning:
            # before anything is kept: a second run would be kept under the figures of the first
            if self.phase != "new":
                raise UsageError(
                    "this study was started or stopped before; make a new one, or resume it from "
                    "the store"
                )
            self._on_begin()
            with self._changed:
                self._started = True

    def _quietly(self) -> None:
        with contextlib.suppress(BaseException):  # kept in `_failure`, raised by `wait`
            self._measure()

    def _measure(self) -> None:
        try:
            # in a stack each step is taken even where the one before it raises
            with contextlib.ExitStack() as ends:
                ends.callback(self._on_end)
                ends.callback(self._freeze)
                bench = Workbench(self.scalable, self._open_pool, self._pinned, self._adapt)
                ends.callback(bench.close)
                self._measure_all(bench)
        except BaseException as error:
            with self._changed:
                self._failure = None if isinstance(error, KeyboardInterrupt) else error
            raise
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _measure_all(self, bench: Workbench) -> None:
        with self._planning:
            self._record(journal.PLANNED, journal.planned(self.plan))
        self._tell_cluster()
        while (cell := self._next()) is not None:
            trial = bench.run(cell, self.plan)
            self._tell_cluster()
            for change in journal.adapted(cell, trial):
                self._record(journal.ADAPTED, change)
            self._record(journal.MEASURED, journal.measured(cell, trial))
            with self._changed:
                self._done[cell] = trial
                self._now = None
                self._changed.notify_all()
            self._on_trial(cell, trial)

    def _tell_cluster(self) -> None:
        """Record how many workers the given cluster has, where that is news."""
        if self._cluster_workers != self._cluster_told:
            self._record(journal.CLUSTER, {"workers": self._cluster_workers})
            self._cluster_told = self._cluster_workers

    def _freeze(self) -> None:
        """Take no change any more: what is kept of the end is of this plan."""
        with self._planning, self._changed:
            self._now, self._ending = None, True

    def _next(self) -> Cell | None:
        """Wait while it is paused; return the next run, None where there is none."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or not self._paused)
            if not self._stopping:
                self._now = next(self._plan.missing(self._done), None)
            if self._now is None:  # what is planned while the workers end would not be measured
                self._ending = True
            return self._now
