"""`QuantizationStudy`: whole models quantised over threads, sizes and modes, kept in the store."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from parbench_lab.analysis.quantization.results import QuantizationResults
from parbench_lab.analysis.quantization.runs import ModelError, QuantizationRun
from parbench_lab.analysis.quantization.targets import sentence
from parbench_lab.core.ports import EventRecord, RunHeader, RunStore
from parbench_lab.errors import StoreError, UsageError
from parbench_lab.hardware.cores import available_physical_cores
from parbench_lab.hardware.detect import detect_machine
from parbench_lab.lab import parts
from parbench_lab.lab.curve_rows import curve_rows, fit_rows
from parbench_lab.lab.provenance import provenance
from parbench_lab.lab.quantization import journal
from parbench_lab.lab.quantization.bench import ModelBench, free_memory_bytes
from parbench_lab.lab.quantization.fresh import Measure, run_fresh
from parbench_lab.lab.quantization.plan import Mode, Model, checked_sizes, make_plan
from parbench_lab.lab.quantization.scratch import require_disk, scratch_folder
from parbench_lab.lab.study_parts import default_workers
from parbench_lab.racing.result import jsonable
from parbench_lab.scaling.plan import Series
from parbench_lab.store.run_id import new_run_id
from parbench_lab.workloads.quantization import Scheme
from parbench_lab.workloads.quantization.models import COMPARISON, ModelShape


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a study is: what it does now, and how many runs are done of how many."""

    what: str
    done: int
    planned: int


class QuantizationStudy:
    """Quantises whole models and measures time and memory, each run in a fresh process.

    Parameters
    ----------
    model
        A ``.safetensors`` or ``.npz`` file in place of the synthetic models of core scaling and
        streaming comparison.
    cores
        Numbers of threads of the core scaling; () for none of it; by default powers of two up to
        the physical cores, where nothing else is asked for or a model is given that nothing else
        would measure. More than these run and are marked.
    model_size
        The synthetic model of the core scaling: ``"100M"``, ``"600M"``, ``"7B"`` (which holds 3.36
        billion parameters), ``"7B-true"`` or ``LAYERSxROWSxCOLUMNS``; ``"100M"`` by default. Not
        together with `model`.
    model_sizes
        Models that are measured with `threads` threads.
    threads
        Of the sweep over sizes and of the streaming comparison.
    streaming_comparison
        Whether batch and streaming are compared, on 100 layers of (1024, 4096).
    bits, group_size
        As in `Scheme`.
    mode
        ``"batch"`` (the whole model in memory), ``"streaming"``, or ``"auto"``: batch wherever it
        fits into memory.
    repeats
        How often each configuration is measured; in each repetition all of one model are, in
        random order.
    seed
        Of weights and order, from 0 up.
    store
        As for `ParallelBenchmarking`.
    scratch
        Where weights and results are kept meanwhile; the system's temporary folder by default.
    on_progress
        Called before each step.
    comparison
        Another model to compare the modes on.
    measure
        Runs a request; in a fresh process by default.
    count_cores
        Says how many cores there are: the physical ones that this process may use by default.

    Raises
    ------
    UsageError
        If something given cannot be used, or disk or memory are too small.

    Examples
    --------
    >>> with QuantizationStudy(model_size="2x64x256", cores=[1], repeats=1,
    ...                        store=":memory:") as study:
    ...     results = study.run()
    >>> results.complete, results.points[0].configuration.title
    (True, '2x64x256 (32.8 k parameters)')
    """

    def __init__(
        self,
        *,
        model: str | Path | None = None,
        cores: Sequence[int] | None = None,
        model_size: str | None = None,
        model_sizes: Sequence[str] = (),
        threads: int = 8,
        streaming_comparison: bool = False,
        bits: int = 8,
        group_size: int | None = None,
        mode: Mode = "auto",
        repeats: int = 5,
        seed: int = 0,
        store: str | Path | RunStore | None = None,
        scratch: str | Path | None = None,
        on_progress: Callable[[Progress], None] = lambda _progress: None,
        comparison: ModelShape = COMPARISON,
        measure: Measure = run_fresh,
        count_cores: Callable[[], int] = available_physical_cores,
    ) -> None:
        self.cores = count_cores()
        model_sizes = checked_sizes(model_sizes)
        if cores is None:
            asked = bool(model_sizes) or streaming_comparison
            compared = model is not None and streaming_comparison
            given = model_size is not None or model is not None
            scaled = not asked or (given and not compared)
            cores = default_workers(self.cores) if scaled else ()
        self.plan = make_plan(
            model=_path_of(model, "model"),
            model_size=model_size,
            cores=cores,
            model_sizes=model_sizes,
            streaming_comparison=streaming_comparison,
            threads=threads,
            scheme=Scheme(bits=bits, group_size=group_size),
            repeats=repeats,
            seed=parts.checked_seed(seed),
            mode=mode,
            memory_bytes=free_memory_bytes(),
            comparison=comparison,
        )
        self.on_progress = on_progress
        self._scratch = _path_of(scratch, "scratch")
        self._measure = measure
        self._machine = detect_machine(["numba"])  # it quantises where it is installed
        self._store, self._owns_store = parts.store_of(store)
        self.run_id = ""
        """Under which the store keeps it; "" before it began."""
        self._seq = 0
        self._runs: list[QuantizationRun] = []
        self._errors: list[ModelError] = []
        self._notes: list[str] = []
        self._hints: tuple[str, ...] = ()

    @property
    def results(self) -> QuantizationResults:
        """What was measured so far."""
        return QuantizationResults(
            asked=self.plan.asked,
            planned=self.plan.configurations,
            repeats=self.plan.repeats,
            runs=tuple(self._runs),
            errors=tuple(self._errors),
            cores=self.cores,
            machine=self._machine.fingerprint,
            notes=(*self.plan.notes, *self._notes),
            hints=self._hints,
        )

    def run(self) -> QuantizationResults:
        """Measure everything; Ctrl-C ends it with what was measured, which the store keeps.

        Raises
        ------
        UsageError
            If a model cannot be quantised, or the disk is full. What was measured before is kept.
        """
        if self.run_id:
            raise UsageError("this study was run before; make a new one")
        with scratch_folder(self._scratch) as folder:
            for model in self.plan.models:
                require_disk(folder, model.disk_bytes, what=f"model {model.title}")
            self._begin()
            status = "failed"
            try:
                for number, model in enumerate(self.plan.models):
                    self._measure_model(model, folder / f"model-{number}", number)
                status = "finished"
            except KeyboardInterrupt:
                status = "stopped"
            finally:
                self._finish(status)
        return self.results

    def close(self) -> None:
        """Close the store; idempotent."""
        if self._owns_store:
            self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()

    # ------------------------------------------------------------ a model

    def _measure_model(self, model: Model, folder: Path, number: int) -> None:
        folder.mkdir()
        try:
            bench = ModelBench(
                model,
                folder,
                scheme=self.plan.scheme,
                seed=self.plan.seed,
                measure=self._measure,
                tell=self._tell,
            )
            self._notes.append(bench.note)
            for repetition in range(self.plan.repeats):
                rng = np.random.default_rng([self.plan.seed, number, repetition])
                chosen = self.plan.of_model(model)
                for slot, place in enumerate(rng.permutation(len(chosen))):
                    run = bench.run(chosen[place], repetition)
                    self._keep(run, slot=slot, epoch=number)
                    self._keep_loss(bench.loss)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    # ------------------------------------------------------------ the store

    def _begin(self) -> None:
        now = dt.datetime.now(dt.UTC)
        self.run_id = new_run_id(now, os.urandom(4))
        told = journal.document(self.plan, cores=self.cores, fingerprint=self._machine.fingerprint)
        self._store.create_run(
            RunHeader(
                id=self.run_id,
                kind=journal.KIND,
                name=journal.NAME,
                started_utc=now.isoformat(),
                document={**told, **provenance(self._machine, mode="batch")},
            )
        )

    def _keep(self, run: QuantizationRun, *, slot: int, epoch: int) -> None:
        self._store.append(self.run_id, [journal.measured(self._seq, run, slot=slot, epoch=epoch)])
        self._seq += 1
        self._runs.append(run)

    def _keep_loss(self, loss: ModelError | None) -> None:
        if loss is not None and loss not in self._errors:
            self._errors.append(loss)
            self._record(journal.LOST, jsonable(loss))

    def _record(self, kind: str, payload: Mapping[str, object]) -> None:
        event = EventRecord(seq=self._seq, at_s=0.0, kind=kind, payload=payload)
        self._store.append(self.run_id, [event])
        self._seq += 1

    def _finish(self, status: str) -> None:
        with contextlib.suppress(StoreError):  # an older study that cannot be read is no reason
            self._hints = journal.changes(self._store, self.results, run_id=self.run_id)
        self._record(journal.NOTED, {"notes": self._notes, "hints": list(self._hints)})
        found = self.results
        self._tell(status)
        if found.curve is not None:
            size = found.curve.levels[0].size
            curves = {Series(backend="threads", size=size): found.curve}
            self._store.keep_curves(self.run_id, curve_rows(curves), fit_rows(curves))
        told = {"sentence": sentence(found), "runs": len(found.runs)}
        self._store.finish_run(self.run_id, status, told)

    def _tell(self, what: str) -> None:
        planned = len(self.plan.configurations) * self.plan.repeats
        self.on_progress(Progress(what=what, done=len(self._runs), planned=planned))


def _path_of(given: str | Path | None, name: str) -> Path | None:
    if given is None:
        return None
    if not isinstance(given, (str, os.PathLike)):
        raise UsageError(f"{name} must be a path but got {given!r}")
    return Path(given)


def load_quantization(
    run_id: str = "latest", store: str | Path | RunStore | None = None
) -> QuantizationResults:
    """Return the results of a stored quantisation study.

    Parameters
    ----------
    run_id
        An unambiguous beginning is enough; ``"latest"`` is the newest run.
    store
        As for `QuantizationStudy`.

    Raises
    ------
    StoreError
        If there is no such run, it is no such study, or it is damaged.
    """
    opened, owns = parts.store_of(store)
    try:
        header = opened.header(run_id)
        return journal.read_results(header, opened.events(header.id))
    finally:
        if owns:
            opened.close()
