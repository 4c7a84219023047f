"""`ScalingStudy`: a scaling study put together from names, pools and a store."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import functools
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from parbench_lab.analysis.curve import Mode
from parbench_lab.analysis.trial import Trial
from parbench_lab.core.machine import together
from parbench_lab.core.pool import Pool
from parbench_lab.core.ports import INTERRUPTED, EventRecord, RunHeader, RunStore
from parbench_lab.core.runs import STUDY
from parbench_lab.core.scalable import Scalable
from parbench_lab.hardware.cores import available_physical_cores
from parbench_lab.hardware.detect import detect_machine
from parbench_lab.lab import parts
from parbench_lab.lab.curve_rows import curve_rows, fit_rows
from parbench_lab.lab.provenance import refuse_other_machine
from parbench_lab.lab.study_parts import (
    AUTO,
    Workers,
    adaptive_map,
    checked_backends,
    cluster_machine,
    cluster_workers,
    levels_of,
    merged_words,
    one_blas_thread,
    refuse_idle_cluster,
    study_plan,
    workers_of,
    workers_there,
)
from parbench_lab.lab.study_resume import (
    StoredStudy,
    header_document,
    refuse_another,
    refuse_without_cluster,
    stored_study,
)
from parbench_lab.lab.study_view import StudyView
from parbench_lab.racing.result import jsonable
from parbench_lab.scaling.plan import Cell, Plan
from parbench_lab.scaling.study import Study
from parbench_lab.store.run_id import new_run_id
from parbench_lab.workloads.scalables import as_scalable

if TYPE_CHECKING:
    from parbench_lab.panel.study_page import StudyPage
    from parbench_lab.panel.study_panel import StudyPanel


class ScalingStudy(StudyView):
    """Measures a job over worker counts, and stores what it measures.

    Parameters
    ----------
    scalable
        A built-in job's name, ``"package.module:function"``, a `Scalable`, or a function
        ``fn(case, *, map)`` together with `make_case`.
    workers
        Worker counts, or one number N for 1, 2, 4, ... N; by default that is the physical cores
        that are ours, or for Dask all workers of the `cluster`, which is asked for them then.
        Counts beyond the cores run and are marked. ``"adaptive"``: as many as the load
        of others on this machine leaves room for, changed between parts; that gives a time, and
        neither speedup nor law.
    mode
        ``"strong"``: every count solves the same case; ``"weak"``: the case grows with it.
    backend
        ``"threads"``, ``"processes"``, ``"dask"``, or several of them for curves side by side;
        ``"auto"`` tries serial and all of these on the job, at the largest of `sizes` or a
        quarter of its own size, and says why it took which (Dask where the study lasts as long as
        its workers need to start).
    sizes
        Items of the case (per worker in weak scaling), one curve each; the job's own by default.
    batch_sizes
        How many items go to a worker at once, one curve each; the job's own by default. Parts of
        the job's map where it does not say what its items are (see `Scalable.cut`).
    repeats
        How often each count is measured; all counts are, in random order, in each repetition.
    make_case, tolerance
        As in `Scalable`, over what the job says itself.
    options
        What a built-in job lets be chosen (``{"window_days": 365}`` of portfolio_backtest).
        The store keeps what JSON can hold, paths and NumPy's numbers among it; a study with others
        (prices as an array) goes on only with the job given again, a `Scalable` made with them.
    cluster
        For ``"dask"`` (and ``"auto"``, which then tries it) alone: None for workers on this
        machine; an address, a client or a cluster. Its workers count instead of this machine's
        cores; it is reached when the first level on it begins, unless something must be known
        of it before (`workers` by default, ``"auto"``).
    store
        As for `ParallelBenchmarking`.
    seed
        Of cases and order.
    on_trial
        Called with cell and trial after each run, in the measuring thread.

    Raises
    ------
    UsageError
        If something given cannot be used.
    ClusterError
        If the cluster must be asked for its workers, and cannot be reached or has none.

    Examples
    --------
    >>> with ScalingStudy("prime_count", workers=[1, 2], sizes=[20_000], repeats=2,
    ...                   store=":memory:") as study:
    ...     curve = study.run()
    >>> [level.workers for level in curve.levels], curve.agreement
    ([1, 2], 'all 4 results are identical bit by bit')
    """

    def __init__(
        self,
        scalable: str | Scalable | Callable[..., Any] = "prime_count",
        *,
        workers: Workers = None,
        mode: Mode = "strong",
        backend: str | Sequence[str] = "threads",
        sizes: Sequence[int] | int | None = None,
        batch_sizes: Sequence[int] | int | None = None,
        repeats: int = 5,
        make_case: str | Callable[..., Any] | None = None,
        tolerance: float | None = None,
        options: Mapping[str, Any] | None = None,
        cluster: Any = None,
        store: str | Path | RunStore | None = None,
        seed: int = 0,
        on_trial: Callable[[Cell, Trial], None] = lambda _cell, _trial: None,
        _kept: StoredStudy | None = None,
        _resumed: bool = False,
    ) -> None:
        super().__init__()
        self.on_trial = on_trial
        self.scalable = as_scalable(
            scalable, make_case=make_case, tolerance=tolerance, options=options
        )
        self._options = dict(options or {})
        self._make_case = make_case
        self._job = scalable if isinstance(scalable, str) else self.scalable.name
        self.cores = available_physical_cores()
        self._cluster = cluster
        self.backend_reason = ""
        """Why ``backend="auto"`` took the one it took; "" where it was given."""
        self.batch_reason = ""
        """Which batch sizes are one and the same, so that one is measured; "" where none are."""
        planned = functools.partial(
            study_plan,
            self.scalable,
            workers=workers,
            sizes=sizes,
            mode=mode,
            repeats=repeats,
            seed=parts.checked_seed(seed),
            batch_sizes=batch_sizes,
        )
        plan = planned(backends=checked_backends(backend), cores=self.cores)
        refuse_idle_cluster(cluster, plan, chosen=backend == AUTO)
        if backend == AUTO:
            plan = self._choose_backend(plan, own_sizes=sizes is not None)
        on_workers = None
        if _kept is not None:
            # not the plan that its arguments make: levels may have been changed since it began
            plan, self.backend_reason = _kept.plan, _kept.backend_reason
            on_workers = _kept.cluster_workers
        if cluster is not None and "dask" in plan.backends:
            if workers is None:
                plan = planned(backends=plan.backends, cores=cluster_workers(cluster))
            on_workers = on_workers or 0
        self.on_cluster = on_workers is not None
        """Whether Dask's levels are on a given cluster, whose workers count there."""
        self.batch_reason = merged_words(self.scalable, plan, batch_sizes)
        self.machine = detect_machine(self.scalable.libraries)
        """What is measured on, with the libraries that the job uses; a given cluster says it when
        the study begins."""
        self._store, self._owns_store = parts.store_of(store)
        self._recording = threading.Lock()
        self._began = _resumed
        self._run_id, self._seq = "", 0
        done: Mapping[Cell, Trial] = {}
        if _kept is not None and _resumed:
            self._run_id, self._seq, done = _kept.id, _kept.n_events, _kept.done
        self._study = Study(
            self.scalable,
            plan,
            open_pool=self._open_pool,
            pinned=one_blas_thread,
            adapt=adaptive_map,
            cores=self.cores,
            cluster_workers=on_workers,
            machine=self.machine.fingerprint,
            record=self._record,
            done=done,
            on_trial=self._tell,
            on_begin=self._set_out,
            on_end=self._finish,
        )

    @classmethod
    def resume_run(
        cls,
        run_id: str,
        scalable: str | Scalable | Callable[..., Any] | None = None,
        *,
        store: str | Path | RunStore | None = None,
        **options: Any,
    ) -> ScalingStudy:
        """Return a stored study that goes on where it was: `run` or `start` it.

        Parameters
        ----------
        run_id
            An unambiguous beginning is enough; ``"latest"`` is the newest.
        scalable
            The job again, where it is not a built-in one.
        store
            Where it is kept.
        **options
            As for a new study: `cluster`, `on_trial`, and `make_case` and `tolerance`, which are
            else those that the study began with (a `make_case` if it was given as text).

        Raises
        ------
        StoreError
            If there is no such study, or it is damaged.
        UsageError
            If the run is no study, has measured everything, is of another job, or was begun on
            another machine or with another number of its cores; if it was on a given cluster, and
            `cluster` does not say where that is.
        """
        with contextlib.ExitStack() as refused:
            opened, owns = parts.store_of(store)
            if owns:
                refused.callback(opened.close)
            stored = stored_study(opened, run_id)
            refuse_without_cluster(stored, options.get("cluster"))
            study = cls(
                **stored.arguments(scalable, options),
                store=opened,
                _kept=stored,
                _resumed=True,
            )
            refuse_another(stored, study.scalable, machine=study.machine, cores=study.cores)
            refused.pop_all()
        study._owns_store = owns
        return study

    # ------------------------------------------------------------ to steer

    def run(self) -> Any:
        """Measure everything and return the curve (a mapping of curves where there are several).

        Ctrl-C ends it with what was measured; the store keeps that, and `resume_run` goes on.

        Raises
        ------
        UsageError
            If it was started or stopped before.
        """
        self._study.run()
        return self.curve if len(self.curves) == 1 else self.curves

    def start(self) -> Self:
        """Measure in the background, and store what came of it.

        Returns at once, or, on a given cluster, when that has said what it is.

        Raises
        ------
        UsageError
            If it was started or stopped before.
        """
        self._study.start()
        return self

    def pause(self) -> None:
        """Begin no further run until `resume`."""
        self._study.pause()

    def resume(self) -> None:
        """Go on after a pause."""
        self._study.resume()

    def stop(self) -> None:
        """End after the run that is being made."""
        self._study.stop()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it has ended and is stored; returns whether it has.

        Raises
        ------
        RaceError
            If it could not go on.
        """
        return self._study.wait(timeout_s)

    def change(
        self, *, workers: Sequence[int] | int | None = None, repeats: int | None = None
    ) -> None:
        """Set pending levels and repetitions; what was measured stays.

        Raises
        ------
        UsageError
            If they are out of range, or the study has ended.
        """
        counts = None if workers is None else levels_of(workers)
        self._study.change(workers=counts, repeats=repeats)

    def close(self) -> None:
        """End the study, its workers and its store; idempotent.

        Raises
        ------
        RaceError
            If it could not go on; all is closed then nevertheless.
        """
        if self._closed:
            return
        self._study.stop()
        try:
            self._study.wait()
        finally:
            # not after Ctrl-C while it waits: the run that is being made needs the store
            if self._study.phase == "ended":
                self._put_away()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # ------------------------------------------------------------ to show

    def panel(self, *, headless: bool = False) -> StudyPanel:
        """Return the control panel with its curves; the last line of a cell shows it.

        Asked again, it is the same panel: a second view of it.

        Parameters
        ----------
        headless
            For runs without a front end (papermill): a still table instead of widgets. After
            `close` a panel is always still.

        Raises
        ------
        UsageError
            If the packages of the extra ``lab`` are not installed.
        """
        make = parts.study_panel_type()
        if headless or self._closed:
            return make(self, headless=True)
        if self._panel is None or self._panel.closed:
            self._panel = make(self)
        return self._panel

    def page(self) -> StudyPage:
        """Return plots and table as they are now: no widgets, no network."""
        return self.panel(headless=True).page()

    def _ipython_display_(self) -> None:
        self.panel()._ipython_display_()

    # ------------------------------------------------------------ the parts

    def _choose_backend(self, plan: Plan, *, own_sizes: bool) -> Plan:
        """Return the plan on the backend that runs the job fastest; keep the reason."""
        from parbench_lab.lab.backends import choose_backend  # noqa: PLC0415 - loads pools

        choice = choose_backend(
            self.scalable, plan, own_sizes=own_sizes, cores=self.cores, cluster=self._cluster
        )
        self.backend_reason = choice.reason
        return dataclasses.replace(plan, backends=(choice.backend,))

    def _put_away(self) -> None:
        with contextlib.ExitStack() as ends:
            if self._owns_store:
                ends.callback(self._store.close)
            ends.callback(self._finish)  # of one that was never begun, or could not be kept then
            self._close_panel()

    def _open_pool(self, backend: str, workers: int) -> Pool:
        pool = workers_of(backend, workers, self._cluster)
        if backend == "dask" and self._cluster is not None:
            self._study.met_cluster(workers_there(pool))
        return pool

    def _set_out(self) -> None:
        if self._cluster is not None and self.on_cluster:
            self._meet_machine()
        if not self._began:  # else it is one that is resumed
            self._keep_header()

    def _meet_machine(self) -> None:
        """Ask a given cluster what it is; one that cannot be reached says so at each level."""
        theirs = cluster_machine(self._cluster, self.scalable.libraries)
        alone = self._study.plan.backends == ("dask",) and theirs is not None
        self.machine = together([theirs] if alone else [self.machine, theirs])
        fingerprint = self.machine.fingerprint
        if self._began:
            header = self._store.header(self._run_id)
            what = f"study {header.id}"
            refuse_other_machine(header.document, self.machine, run=what, whole="curve")
            fingerprint = str(header.document.get("fingerprint", fingerprint))
        self._study.met_machine(fingerprint)

    def _keep_header(self) -> None:
        now = dt.datetime.now(dt.UTC)
        self._run_id = new_run_id(now, os.urandom(4))
        self._store.create_run(
            RunHeader(
                id=self._run_id,
                kind=STUDY,
                name=self.scalable.name,
                started_utc=now.isoformat(),
                document=header_document(
                    self.scalable,
                    self._study.plan,
                    self.machine,
                    job=self._job,
                    make_case=self._make_case,
                    options=self._options,
                    cores=self.cores,
                    backend_reason=self.backend_reason,
                ),
            )
        )
        self._began = True

    def _record(self, kind: str, payload: Mapping[str, Any]) -> None:
        with self._recording:
            if not self._began:  # looked up here: an event after the end would undo it
                return
            event = EventRecord(seq=self._seq, at_s=0.0, kind=kind, payload=jsonable(payload))
            self._store.append(self._run_id, [event])
            self._seq += 1

    def _tell(self, cell: Cell, trial: Trial) -> None:
        self.on_trial(cell, trial)  # which may be set at any time
        self._between_runs()

    def _finish(self) -> None:
        with self._recording:
            if not self._began:
                return
            done, planned = self._study.progress
            status = "finished" if done == planned else INTERRUPTED
            curves = self.curves
            self._store.keep_curves(self._run_id, curve_rows(curves), fit_rows(curves))
            self._store.finish_run(self._run_id, status, {"runs": done, "planned": planned})
            self._began = False
