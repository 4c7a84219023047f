"""``backend="auto"``: a job is tried on the backends, and the choice has its reason."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from parbench_lab.core.scalable import Map, Scalable
from parbench_lab.core.seal import Seal
from parbench_lab.errors import ParbenchError, UsageError
from parbench_lab.execution.pools import (
    BACKENDS,
    BackendChoice,
    Probe,
    choose,
    one_blas_thread,
    probe_job,
)
from parbench_lab.scaling.plan import Plan

SAMPLE_SHARE = 0.25
"""Of the job's own size that is tried, where the user gives no size."""
LONG_S = 2.0
"""A job that lasts as long is run once on each backend, a shorter one twice: the best counts."""
DASK_START_S = 2.0
"""What Dask workers on this machine take to start; a shorter study is not worth it."""


def choose_backend(
    scalable: Scalable, plan: Plan, *, own_sizes: bool, cores: int, cluster: Any = None
) -> BackendChoice:
    """Return the parallel backend that runs a job fastest, why it is taken, and all figures.

    Serial, threads, processes and Dask are tried, with as many workers as the study will have
    but no more than there are cores. Whoever is nearly as fast and simpler goes before. A study
    over workers needs workers: where serial is the fastest, the best of the others is taken and
    the reason says so. Dask is tried where a cluster is given or where the study lasts longer
    than the start of Dask's workers; it cannot be adaptive.

    Parameters
    ----------
    scalable
        The job.
    plan
        What is going to be measured, whatever its backends are.
    own_sizes
        Whether the user gave the plan's sizes: the largest is tried, else a quarter of the job's
        own size.
    cores
        That this process may use.
    cluster
        As for `ScalingStudy`.

    Raises
    ------
    UsageError
        If the job fails.
    """
    size = max(plan.sizes) if own_sizes else max(1, int(SAMPLE_SHARE * scalable.default_size))
    what = _what(scalable, size)
    job = _Job(scalable, size, seed=plan.seed)
    serial, rounds = _in_turn(job)
    dask = _dask_is_affordable(plan, _study_s(plan, size, serial), cluster)
    n_workers = min(max(plan.workers), cores)
    shared = probe_job(
        job,
        n_workers=n_workers,
        cluster=cluster,
        backends=BACKENDS[1:] if dask else BACKENDS[1:-1],
        rounds=rounds,
        what=what,
        before=job.make_ready,
    )
    overall = choose((serial, *shared.probes), what=what)
    chosen = shared if overall.backend == "serial" else overall
    reason = chosen.reason
    if overall.backend == "serial":
        reason += _nothing_gained(serial, shared)
    if not dask:
        reason += f"; dask was not tried: {_why_no_dask(plan)}"
    return BackendChoice(
        backend=chosen.backend,
        n_workers=chosen.n_workers,
        reason=reason,
        probes=(serial, *shared.probes),
    )


def serial_time_s(scalable: Scalable, size: int, *, seed: int = 0) -> float:
    """Return how long a job lasts serially, in seconds, by one run of it.

    Raises
    ------
    UsageError
        If the job fails.
    """
    serial = _serially(_Job(scalable, size, seed=seed), rounds=1)
    return serial.time_s or 0.0


def _what(scalable: Scalable, size: int) -> str:
    return f"{size:,} {scalable.unit} of {scalable.name}"


class _Job:
    """A job on its case, waiting for a map; the case is made at once."""

    def __init__(self, scalable: Scalable, size: int, *, seed: int) -> None:
        self._scalable = scalable
        self._size = size
        self._seed = seed
        self.what = _what(scalable, size)
        self._make_case()

    def __call__(self, spread: Map) -> object:
        with one_blas_thread():  # as the study runs it: serial must not be parallel in secret
            return self._scalable.run(self._case, map=spread)

    def make_ready(self) -> None:
        """Make the case anew if a run has changed it: drained, it would be solved in no time."""
        if not self._seal.is_intact(self._case):
            self._make_case()

    def _make_case(self) -> None:
        with _in_one_line(self.what):
            self._case = self._scalable.make_case(self._size, np.random.default_rng(self._seed))
            self._seal = Seal.of(self._case)


def _serially(job: _Job, *, rounds: int) -> Probe:
    """Return how serial fares; the job's own failure is refused: it would fail everywhere."""

    def told(spread: Map) -> object:
        with _in_one_line(job.what):
            return job(spread)

    (serial,) = probe_job(told, backends=("serial",), rounds=rounds, before=job.make_ready).probes
    return serial


@contextlib.contextmanager
def _in_one_line(what: str) -> Iterator[None]:
    """Refuse in one line what the user's own code raises; stands around nothing else."""
    try:
        yield
    except (ParbenchError, KeyboardInterrupt):
        raise
    except BaseException as error:
        told = " ".join(f"{type(error).__name__}: {error}".split())
        raise UsageError(f"no backend can run {what}: {told}") from error


def _in_turn(job: _Job) -> tuple[Probe, int]:
    """Return how serial fares, and how often each of the others is to be run."""
    serial = _serially(job, rounds=1)
    if serial.time_s is not None and serial.time_s >= LONG_S:
        return serial, 1
    return _serially(job, rounds=2), 2


def _study_s(plan: Plan, size: int, serial: Probe) -> float:
    """Return how long the study lasts if no worker gains anything, in seconds."""
    a_repetition = sum(
        plan.size_at(series, workers) for series in plan.series for workers in plan.workers
    )
    return (serial.time_s or 0.0) * plan.repeats * a_repetition / size


def _dask_is_affordable(plan: Plan, study_s: float, cluster: Any) -> bool:
    if plan.adaptive:  # its workers cannot rest between two parts
        return False
    return cluster is not None or study_s >= DASK_START_S


def _why_no_dask(plan: Plan) -> str:
    if plan.adaptive:
        return "its workers cannot be adaptive"
    return f"its workers start in about {DASK_START_S:g} s, longer than this study lasts"


def _nothing_gained(serial: Probe, shared: BackendChoice) -> str:
    """Return what serial's time says of the others, in words."""
    best = next(probe for probe in shared.probes if probe.backend == shared.backend)
    assert serial.time_s is not None  # noqa: S101 - it ran
    assert best.time_s is not None  # noqa: S101 - it was chosen
    if best.n_workers == 1:
        return f"; serial {serial.time_s:.2g} s: one worker has nothing to share out"
    if serial.time_s <= best.time_s:
        return f"; serial was faster ({serial.time_s:.2g} s): sharing so little out brings nothing"
    return f"; serial {serial.time_s:.2g} s: {best.n_workers} workers gain too little over it"
