"""The founding class: a race put together from names, callables and addresses.

`ParallelBenchmarking` takes names, callables and addresses, and puts together the workload, the
executor, the store and the race's engine; the parts themselves take objects.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from parbench_lab.core.candidate import Candidate
from parbench_lab.core.machine import Machine
from parbench_lab.core.ports import (
    INTERRUPTED,
    Executor,
    RunHeader,
    RunStore,
    Workload,
    workload_name,
)
from parbench_lab.core.runs import refuse_taken_in
from parbench_lab.core.series import Mode
from parbench_lab.elimination.policy import EliminationPolicy
from parbench_lab.errors import RaceError, UsageError
from parbench_lab.lab import parts, running
from parbench_lab.lab.provenance import checked_mode, other_commit, refuse_other_machine
from parbench_lab.lab.verbs import RaceVerbs
from parbench_lab.racing import events, journal
from parbench_lab.racing.engine import RaceEngine
from parbench_lab.racing.result import RaceResult
from parbench_lab.racing.settings import Settings, knobs, refuse_unmeant
from parbench_lab.racing.state import RaceState
from parbench_lab.store import new_run_id
from parbench_lab.workloads.registry import resolve

if TYPE_CHECKING:
    from parbench_lab.execution.cluster import Gpus
    from parbench_lab.panel.race_panel import RacePanel
    from parbench_lab.panel.static_page import RacePage


class ParallelBenchmarking(RaceVerbs):
    """A race of implementations on a Dask cluster, judged while it runs.

    Parameters
    ----------
    algorithms
        Names of built-in candidates, callables ``fn(case)``, `Candidate` values or import strings
        ``"package.module:function"``; None for all candidates of the workload.
    workload
        What they compete at: a name, any object with ``make_case(size, rng)`` and
        ``check(case, result)``, or None for the one workload that has all the names.
    batch_size, max_concurrent, elimination_threshold, target_gpu_utilization, tolerance, \
    objectives
        The knobs used most; the others (``timeout_s``, ``check_every``, ...) are keywords too.
        See `Settings` for all, with their ranges.
    policy
        Name or instance of an elimination policy.
    settings
        A whole `Settings` value to start from, instead of the defaults.
    cluster
        None for local worker processes, the address of a Dask scheduler, a Dask client or a
        Dask cluster object.
    n_workers, memory_limit_bytes
        Of the local cluster: one worker process per core, and the memory shared, by default.
    gpus
        Of the local cluster: how many GPUs get worker processes beside the CPU workers; all that
        are visible (``"auto"``) by default, 0 for none. Left out beside a given `cluster`.
    security
        Dask's ``Security`` for an address that speaks TLS.
    store
        Where runs are kept: None for ``PARBENCH_STORE`` or ``.parbench/runs.db``; a path, a
        database URL, ``":memory:"``, or a store object.
    seed
        Of the orders, cases and coins; the same seed gives the same ones. How many blocks share a
        case, and who is still in a block, follows from what is measured.
    executor
        Anything that keeps the `Executor` port, instead of a cluster (for tests and plugins).
    configuration
        Stored with the run as it is (the shell puts its effective configuration here).
    mode
        What its figures stand for: ``"inference"``, ``"training"``, ``"batch"``, ``"micro"``; the
        workload's own by default. Figures of different modes are never mixed.

    Raises
    ------
    UsageError, UnknownNameError, SettingError
        For input that cannot be used; nothing has been started then.

    Examples
    --------
    >>> import parbench_lab as pb
    >>> bench = pb.ParallelBenchmarking(["cumsum", "convolve"], batch_size=500, store=":memory:")
    >>> bench.settings.batch_size
    500
    >>> bench.close()
    """

    def __init__(
        self,
        algorithms: Sequence[str | Callable[..., Any] | Candidate] | None = None,
        workload: str | Workload | None = None,
        *,
        batch_size: int | None = None,
        max_concurrent: int | None = None,
        elimination_threshold: float | None = None,
        target_gpu_utilization: float | None = None,
        tolerance: float | None = None,
        objectives: Sequence[str] | None = None,
        policy: str | EliminationPolicy | None = None,
        settings: Settings | None = None,
        cluster: Any = None,
        n_workers: int | None = None,
        memory_limit_bytes: int | None = None,
        gpus: Gpus = "auto",
        security: Any = None,
        store: str | Path | RunStore | None = None,
        seed: int = 0,
        executor: Executor | None = None,
        configuration: Mapping[str, Any] | None = None,
        mode: str | None = None,
        **knobs: Any,
    ) -> None:
        super().__init__()
        self._workload, self._candidates = resolve(algorithms, workload)
        self._own_policies = parts.named_policy(policy)
        given = {
            "batch_size": batch_size,
            "max_concurrent": max_concurrent,
            "elimination_threshold": elimination_threshold,
            "target_gpu_utilization": target_gpu_utilization,
            "tolerance": tolerance,
            "objectives": objectives,
            "policy": policy if policy is None or isinstance(policy, str) else policy.name,
            **knobs,
        }
        if not (settings is None or isinstance(settings, Settings)):
            raise UsageError(f"settings must be Settings but got {settings!r}: give Settings(...)")
        start = settings or Settings(batch_size=parts.default_batch_size(self._workload))
        start = start.replace(**{k: v for k, v in given.items() if v is not None})
        refuse_unmeant(start, start.as_json())
        self._check_settings(start.as_json())
        self._seed = parts.checked_seed(seed)
        self._mode = checked_mode(str(mode or getattr(self._workload, "mode", Mode.BATCH)))
        self._configuration = parts.checked_configuration(configuration)
        self._store, self._owns_store = parts.store_of(store)
        self._executor = executor or parts.dask_executor(
            cluster,
            start,
            self._candidates,
            n_workers=n_workers,
            memory_limit_bytes=memory_limit_bytes,
            gpus=gpus,
            security=security,
        )
        self._on_local_workers = cluster is None and executor is None
        self._asks_when_open = not self._on_local_workers and hasattr(self._executor, "machine")
        self._settings_at_start = start
        self._n_workers = n_workers
        self._run_id = ""
        self._started = False
        self._closed = False
        self._beginning = threading.Lock()
        self._engine = self._new_engine(self.fresh_state())
        for candidate in self._candidates:
            self._engine.enter(candidate)

    # ------------------------------------------------------------ running

    def run_continuous_optimization(
        self, max_seconds: float | None = None, max_measurements: int | None = None
    ) -> RaceResult:
        """Race until decided, until a budget is spent or until stopped; return the result.

        Parameters
        ----------
        max_seconds
            Budget of race time from now; None for no limit.
        max_measurements
            Budget of measurements, counted from the start of the race.

        Raises
        ------
        ClusterError
            If there is no cluster.
        RaceError, StoreError
            If the engine broke; what was measured is in the store.
        """
        self.limit(max_seconds, max_measurements, stop_when_decided=True)
        self.start()
        try:
            self._engine.join()
        except KeyboardInterrupt:
            self.stop()
        return self.result()

    def start(self) -> None:
        """Begin in the background; returns when the cluster answers. Again: does nothing.

        Raises
        ------
        ClusterError
            If there is no cluster.
        StoreError
            If the store cannot be written; no worker was started then.
        UsageError
            If the race is closed.
        """
        with self._beginning:
            self._begin()

    def _begin(self) -> None:
        if self._started:
            return
        if self._closed:
            raise UsageError("this race is closed; make a new ParallelBenchmarking")
        self._store.check_writable()
        kept = bool(self._run_id)
        if not kept:
            self._run_id = new_run_id(dt.datetime.now(dt.UTC), os.urandom(4))

        def keep() -> None:  # a race that never begins leaves no run behind
            nonlocal kept
            if kept and not self._asks_when_open:  # else its machine is known only now
                return
            machine = parts.machine_of(self._executor, self._workload, self._candidates)
            if kept:
                self._refuse_another(machine, self._store.header(self._run_id))
            else:
                self._store.create_run(
                    parts.race_header(
                        self._run_id,
                        self._workload,
                        self._candidates,
                        settings=self._settings_at_start,
                        seed=self._seed,
                        configuration=self._configuration,
                        mode=self._mode,
                        machine=machine,
                    )
                )
            kept = True

        try:
            self._engine.start(self._run_id, self._workload, self._candidates, opened=keep)
        except BaseException:  # Ctrl-C, too: it names no run that does not exist
            if not kept:
                self._run_id = ""
            raise
        self._started = True
        running.remember(self)
        if company := running.company_words(self):
            self._engine.post(events.NotePinned(text=company))
        self._keeper.start()

    def play(
        self,
        schedule: Sequence[tuple[float, Mapping[str, Any]]] = (),
        max_seconds: float | None = None,
    ) -> RaceResult:
        """Run a race with changes of settings at given times: a slider's moves without a hand.

        Parameters
        ----------
        schedule
            Pairs of race time in seconds and changes, ``(4.0, {"batch_size": 3000})``; each goes
            the same way as `change`.
        max_seconds
            Budget of race time from now; None: until it is decided after the last change.

        Raises
        ------
        UsageError
            If the schedule is no list of times from 0 s on with changes.
        SettingError, UnknownNameError
            For a change that is refused; the race goes on.
        """
        planned = parts.checked_schedule(schedule)
        for _, changes in planned:
            self._check_settings(changes)
        self.limit(max_seconds, stop_when_decided=max_seconds is None and not planned)
        self.start()
        for at_s, changes in planned:
            if not self.wait("finished", timeout_s=max(0.0, at_s - self._engine.now_s())):
                self._if_it_runs(functools.partial(self.change, **changes))
        if max_seconds is None and planned:
            self._if_it_runs(functools.partial(self.limit, stop_when_decided=True))
        self.wait("finished")
        return self.result()

    def _if_it_runs(self, act: Callable[[], object]) -> None:
        """Do something to the race, and nothing where it has ended meanwhile."""
        try:
            act()
        except UsageError:
            if self._engine.ended is None:
                raise

    def stop(self, reason: str = "stopped by the user", *, wait: bool = True) -> RaceResult:
        """End the race and return its result so far; ``wait=False`` returns at once.

        Raises
        ------
        UsageError
            If it has not started.
        """
        self._refuse_unstarted()
        self._engine.post(events.Stopped(reason=reason))
        if wait:
            self._engine.join()
        return self.result()

    def close(self) -> None:
        """Stop the race if it runs, and let go of everything this object started. Idempotent.

        A start that is under way in another thread, as of the panel, is waited for and stopped.
        Interrupted, it may be called again, and goes on.
        """
        self._closed = True
        with self._beginning:  # or what comes up meanwhile would be stopped by nobody
            self._engine.post(events.Stopped(reason="closed"))
        self._engine.join()  # also where Ctrl-C met a start that had just begun the race
        if self._panel is not None:
            self._panel.close()
        self._executor.close()
        if self._owns_store:
            self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    # ------------------------------------------------------------ showing

    def panel(self, *, headless: bool = False) -> RacePanel:
        """Return the control panel with its plots; the last line of a cell shows it.

        Asked again, it is the same panel, a second view of it; a new one where it was closed.

        Parameters
        ----------
        headless
            For runs without a front end (papermill): a still page instead of widgets. After
            `close` a panel is always still.

        Raises
        ------
        UsageError
            If the packages of the extra ``lab`` are not installed.
        """
        make = parts.panel_type()
        if headless or self._closed:
            return make(self, headless=True)
        if self._panel is None or self._panel.closed:
            self._panel = make(self)
        return self._panel

    def page(self) -> RacePage:
        """Return plots and table as they are now: a rich display that needs no kernel to be read.

        ``page().save("race.html")`` writes it into a file that opens without a network.

        Raises
        ------
        UsageError
            If the packages of the extra ``lab`` are not installed.
        """
        return self.panel(headless=True).page()

    def _ipython_display_(self) -> None:
        self.panel()._ipython_display_()

    # ------------------------------------------------------------ coming back to a run

    @classmethod
    def resume_run(
        cls,
        run_id: str = "latest",
        *,
        algorithms: Sequence[str | Callable[..., Any] | Candidate] | None = None,
        workload: str | Workload | None = None,
        policy: EliminationPolicy | Sequence[EliminationPolicy] = (),
        store: str | Path | RunStore | None = None,
        **environment: Any,
    ) -> ParallelBenchmarking:
        """Take up a race from its journal; `start` or `run_...` goes on.

        It was interrupted, or its cluster was lost.

        Parameters
        ----------
        run_id
            An unambiguous beginning is enough; ``"latest"`` is the newest.
        algorithms, workload
            Needed only for what cannot be imported again (functions of a notebook cell), or not
            with its parameters: JSON keeps no classes, tuples, infinities and numbers of numpy.
        policy
            The instance of your own that judged the race, from its start or by `change`; a list
            if there were several. The journal keeps only their names.
        store
            As in the constructor; `environment` are its ``cluster, n_workers, ...``.

        Raises
        ------
        StoreError
            If there is no such run, or its journal is damaged.
        UsageError
            If the race came from a file, had ended of itself or was begun on another machine
            (the message says in what that differs), or a candidate or a policy cannot be found
            again (it says what to give), or a setting is given: it keeps its own.
        RaceError
            If the replay does not give the verdicts of the journal.
        """
        for name in sorted({"settings", *knobs()} & environment.keys()):
            may_change = knobs().get(name, {"live": True})["live"]
            advice = "change() it then" if may_change else "start a new one for another value"
            raise UsageError(f"a resumed race keeps its {name}; leave it out, and {advice}")
        opened, owns = parts.store_of(store)
        header = opened.header(run_id)
        refuse_taken_in(header)
        document = header.document
        if workload is None:
            workload = document["workload"]
        if workload is None:
            raise UsageError(
                f"run {header.id}: give workload=, {header.name!r} cannot be imported"
            )
        own = parts.named_policies(policy)
        stored = Settings.from_json(document["settings"])
        parts.policies_again(header.id, own)(stored.policy)
        known = {} if algorithms is None else {c.name: c for c in resolve(algorithms, workload)[1]}
        entered = [parts.found_again(c, known) for c in document["candidates"]]
        bench = cls(
            entered,
            workload,
            max_concurrent=stored.max_concurrent,
            store=opened,
            seed=document["seed"],
            configuration=document["configuration"],
            mode=document.get("mode"),
            policy=own.get(stored.policy),
            **environment,
        )
        bench._owns_store = owns
        bench._own_policies.update(own)
        bench._check_settings(stored.as_json())
        bench._settings_at_start = stored  # it goes on with them, also with what is refused today
        bench._take_up(header, known)
        return bench

    def _take_up(self, header: RunHeader, known: Mapping[str, Candidate]) -> None:
        state = self.fresh_state(parts.policies_again(header.id, self._own_policies))
        found = journal.replay(self._store.events(header.id), state)
        if found.mismatches:
            raise RaceError(
                f"run {header.id} cannot be resumed: its journal does not replay "
                f"({found.mismatches[0]}); was it written by another version, or judged by a "
                "policy of your own that is another one now?"
            )
        if state.ended is not None and not state.resumable:
            raise UsageError(
                f"run {header.id} has ended ({state.ended.reason}); parbench show {header.id}"
            )
        if not self._asks_when_open:
            here = parts.machine_of(self._executor, self._workload, self._candidates)
            self._refuse_another(here, header)
        self._candidates = [
            parts.found_again(dataclasses.asdict(entrant), known) for entrant in state.roster
        ]
        self._seed = header.document["seed"]
        self._run_id = header.id
        self._engine = self._new_engine(state, found)
        if state.suspended or "paused" in (state.phase, state.lost_in):
            self._engine.post(events.Resumed())  # who takes a race up wants it to go on
        if told := other_commit(header.document):
            self._engine.post(events.NotePinned(text=told))
        for document in header.document["candidates"]:
            if document["name"] not in state.roster:  # interrupted before it had entered
                candidate = parts.found_again(document, known)
                self._candidates.append(candidate)
                self._engine.enter(candidate)

    # ------------------------------------------------------------ inside

    def _refuse_another(self, machine: Machine, header: RunHeader) -> None:
        refuse_other_machine(header.document, machine, run=f"race {header.id}", whole="race")

    def fresh_state(self, policies: Callable[[str], EliminationPolicy] | None = None) -> RaceState:
        """Return the race as it was before its first event: what a replay starts from.

        Parameters
        ----------
        policies
            Returns the policy of a name; by default those that are known now.
        """
        return RaceState(
            workload=workload_name(self._workload),
            metrics=self._metrics(),
            default_objectives=parts.default_objectives(self._workload),
            policies=policies or self._policy_of,
            settings=self._settings_at_start,
            seed=self._seed,
        )

    def _new_engine(self, state: RaceState, found: journal.Replay | None = None) -> RaceEngine:
        return RaceEngine(
            state=state,
            executor=self._executor,
            store=self._store,
            clock=time.perf_counter,
            on_end=self._keep_result,
            next_seq=found.next_seq if found else 0,
            started_at_s=found.at_s if found else 0.0,
        )

    def _keep_result(self) -> None:
        self._keeper.close()
        error = self._engine.error
        ended = self._engine.ended or events.Ended(status="failed", reason=str(error))
        self._result = self._make_result(ended.status, ended.reason)
        status = INTERRUPTED if self._result.resumable else ended.status
        self._store.finish_run(self._run_id, status, self._result.to_dict())
