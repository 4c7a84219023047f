"""Where the rooms of the house meet: Protocols, each with its promises in prose.

Siblings do not import each other; whoever needs a cluster, a store or a policy takes one of these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from parbench_lab.core.runs import INTERRUPTED, EventRecord, MeasurementRow, RunHeader, RunSummary

if TYPE_CHECKING:
    import datetime as dt

    import numpy as np

    from parbench_lab.core.block import Task
    from parbench_lab.core.candidate import Candidate
    from parbench_lab.core.measurement import BlockResult, Suspicion
    from parbench_lab.core.metric import Metric
    from parbench_lab.core.runs import CurveRow, FitRow, RunRecord, TakenIn, UsageRow
    from parbench_lab.core.series import Coverage, SeriesPoint
    from parbench_lab.core.usage import WorkerUsage


__all__ = [
    "INTERRUPTED",
    "EventRecord",
    "Executor",
    "ExecutorFailed",
    "ExecutorReport",
    "GpuSampled",
    "MeasurementRow",
    "RunHeader",
    "RunStore",
    "RunSummary",
    "TaskEnded",
    "WorkerInfo",
    "WorkerJoined",
    "WorkerLeft",
    "Workload",
    "workload_metrics",
    "workload_name",
]


@runtime_checkable
class Workload(Protocol):
    """A job that implementations compete at.

    May also have: ``name`` (str; the class name by default), ``candidates`` (a sequence of
    `Candidate`), ``metrics`` (a sequence of `Metric` for what `check` returns), ``objectives``
    (metric names, ``("wall_time_s",)`` by default), ``default_batch_size`` (int, 1000), ``mode``
    (`Mode`, ``"batch"``) and ``libraries`` (names of packages whose versions tell machines apart).
    """

    def make_case(self, size: int, rng: np.random.Generator) -> Any:
        """Return a problem of `size` items; the same generator state gives the same problem."""

    def check(self, case: Any, result: Any) -> Mapping[str, float] | None:
        """Raise on a wrong result; may return further metrics, ``{"abs_error": 1e-9}``.

        Metrics called ``flop_count`` and ``moved_bytes``, what a right answer needs at least, let
        comparisons read a candidate against a roofline (`parbench_lab.workloads.least_work`).
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerInfo:
    """One worker that can take tasks.

    `name` stays when the process is replaced; `process` changes then. `local` says that this
    machine can see and kill the process. `resources` are what it offers beyond a CPU. `gpu` is the
    UUID of its GPU, empty without one: workers with the same one share the device.
    """

    name: str
    process: str
    local: bool
    host: str = ""
    resources: Mapping[str, float] = field(default_factory=dict)
    gpu: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerJoined:
    """A worker can take tasks now."""

    worker: WorkerInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLeft:
    """A worker is gone; its tasks are reported ended before this."""

    worker: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEnded:
    """A task came to its end, one way or another; exactly one for every submitted task.

    Parameters
    ----------
    task
        Its number.
    results
        Blocks that were run, in order; the last one may be cut short, with the measurement of
        the candidate that cut it last.
    unrun
        Numbers of the blocks that were never begun (recalled, or lost with their worker): send
        them again, nobody is to blame.
    suspicion
        Set where the worker died for no known reason while a candidate ran: no outcome was
        recorded for it.
    """

    task: int
    worker: str
    results: tuple[BlockResult, ...] = ()
    unrun: tuple[int, ...] = ()
    suspicion: Suspicion | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorFailed:
    """No more work can be done (the scheduler's connection was lost); the reason is one line."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuSampled:
    """How busy one GPU was of late; at most one report a second and device.

    Parameters
    ----------
    gpu
        UUID of the device, as in `WorkerInfo`.
    utilization_percent
        Mean over the last `span_s`, within 0 to 100; None is "not measured", never zero.
    memory_used_bytes, memory_bytes
        The most that was in use in that time, and all there is; None where not measured.
    reason
        Why something was not measured, in words.
    span_s
        How far the report reaches back, in seconds.
    """

    gpu: str
    utilization_percent: float | None
    memory_used_bytes: float | None = None
    memory_bytes: float | None = None
    reason: str = ""
    span_s: float = 1.0


ExecutorReport = WorkerJoined | WorkerLeft | TaskEnded | GpuSampled | ExecutorFailed


class Executor(Protocol):
    """Runs tasks on workers, one at a time on each, in the order of submission per worker.

    (Their reports may overtake each other on the way back; blocks have numbers for that.)

    Promises: `submit`, `recall` and `publish` never block on a worker; every submitted task is
    reported ended exactly once (unless the executor failed or was closed); reports reach `sink`
    one at a time, from any thread; `close` is idempotent and leaves no thread, process, file or
    socket behind. A candidate that overruns its slot's `timeout_s` is stopped by killing its
    worker where that is possible. One that can read GPUs reports `GpuSampled` at most once a
    second and device.
    """

    def open(self, sink: Callable[[ExecutorReport], None], workload: Workload) -> None:
        """Start; each worker that is ready is reported with `WorkerJoined`."""

    def publish(self, candidate: Candidate) -> None:
        """Make a candidate known before the first task that names it.

        Raises
        ------
        UsageError
            If it cannot be shipped to the workers.
        """

    def submit(self, task: Task) -> None:
        """Queue a task on its worker; returns at once."""

    def recall(self, task: int) -> None:
        """Ask that tasks up to this number stop: not begun ones are not run, running ones stop
        at the next block where the executor can tell them; each is still reported ended.
        """  # noqa: D205

    def close(self) -> None:
        """Stop everything this executor started."""

    @property
    def dashboard_link(self) -> str | None:
        """Address of the cluster's dashboard, where there is one."""

    def usage(self) -> Sequence[WorkerUsage]:
        """Return how busy each worker is, empty where that is not known; from any thread.

        May take as long as a question to the scheduler (some 10 ms; 1 s at most).
        """


class RunStore(Protocol):
    """Keeps runs, append only.

    Promises: what `append` was given is on disk (survives ``kill -9``) when it returns; several
    processes may write at once; reading runs no code. All methods raise `StoreError` with one line
    that says what to do. Safe to call from any thread.
    """

    def check_writable(self) -> None:
        """Raise where nothing can be written now, and change nothing but what writing needs."""

    def create_run(self, header: RunHeader) -> None:
        """Begin a run."""

    def append(self, run_id: str, events: Sequence[EventRecord]) -> None:
        """Append events (with their measurements) in one transaction."""

    def append_usage(self, run_id: str, rows: Sequence[UsageRow]) -> None:
        """Append how busy workers were, in one transaction; also after the run has ended."""

    def keep_curves(
        self, run_id: str, curves: Sequence[CurveRow], fits: Sequence[FitRow] = ()
    ) -> None:
        """Keep what follows from a study's runs, in place of what was kept of it before."""

    def finish_run(self, run_id: str, status: str, result: Mapping[str, Any]) -> None:
        """Set the run's status and its result (JSON).

        A run ends once. After the status `INTERRUPTED` it may go on: the next `append` makes it
        a running one again, without a result.
        """

    def pin(self, run_id: str, *, pinned: bool = True) -> None:
        """Say whether `prune` leaves the run alone."""

    def prune(
        self, *, keep: int | None = None, before: dt.datetime | None = None, dry_run: bool = False
    ) -> Sequence[RunSummary]:
        """Remove old runs and return them, oldest first.

        A run goes with all that is kept of it, if it goes in *every* series it is part of (the
        same workload, candidate, size, machine and mode); pinned ones stay.

        Parameters
        ----------
        keep
            So many of the newest ended runs of each series stay; runs that have not ended stay.
        before
            Instead: ended runs that began earlier than this aware instant go, even the newest of
            a series, but for what machines are told apart by: the newest roofline of each
            machine, and the newest of every series of the workload ``calibration``. Runs that
            have not ended stay: they are being written, or can be resumed.
        dry_run
            Only return what would go.
        """

    def take_in(self, records: Sequence[RunRecord]) -> TakenIn:
        """Add whole runs, all of them or none.

        A run that is there already is passed over where all that is given is there, and refused
        where not; but one that was taken in before it had ended gives way to what it has become.
        The header of one that was added is `RunHeader.taken_in` from then on.
        """

    def header(self, run_id: str) -> RunHeader:
        """Return how a run began; an unambiguous beginning of the id is enough."""

    def events(self, run_id: str) -> Iterator[EventRecord]:
        """Yield the run's events in order, with their measurements in slot order."""

    def usage(self, run_id: str) -> Sequence[UsageRow]:
        """Return what `append_usage` was given, in order."""

    def curves(self, run_id: str) -> tuple[Sequence[CurveRow], Sequence[FitRow]]:
        """Return what `keep_curves` was given last."""

    def record(self, run_id: str) -> RunRecord:
        """Return the whole run, to be carried elsewhere."""

    def runs(
        self,
        *,
        kind: str | None = None,
        workload: str | None = None,
        machine: str | None = None,
        mode: str | None = None,
        commit: str | None = None,
        last: int | None = None,
        skip: int = 0,
    ) -> Sequence[RunSummary]:
        """Return runs, oldest first.

        Parameters
        ----------
        kind, workload, machine, mode
            Only runs of this kind, name, fingerprint or mode.
        commit
            Only runs of a commit; its beginning is enough.
        last
            At most so many, the newest; None: all.
        skip
            First pass over so many of the newest (the pages before the last one).
        """

    def summary(self, run_id: str) -> RunSummary:
        """Return one run's line; an unambiguous beginning of the id is enough."""

    def series(
        self,
        *,
        kind: str | None = None,
        workload: str | None = None,
        candidate: str | None = None,
        size: int | None = None,
        metric: str | None = "wall_time_s",
        machine: str | None = None,
        mode: str | None = None,
        commit: str | None = None,
        last: int | None = None,
        skip: int = 0,
    ) -> list[SeriesPoint]:
        """Return figures of candidates run after run, oldest first.

        Read from summaries, which are made when a run ends. A run that never ended (its process
        was killed, or still works) is caught up with here.

        Parameters
        ----------
        kind
            Only figures of runs of this kind; None: of all but watches, whose seconds are those
            of one thread in a process of its own, alone, and of two builds.
        workload, candidate, size, machine, mode, commit
            Only figures of these; see `runs`.
        metric
            One metric's name; None: of all metrics.
        last, skip
            As in `runs`, for each series on its own.
        """

    def matrix(self) -> list[Coverage]:
        """Return which workload, candidate, machine, mode and commit have figures, sorted.

        Of all runs but watches, as `series`. Without the candidates or the commits:
        `parbench_lab.core.series.covered`.
        """

    def close(self) -> None:
        """Close files; idempotent."""


def workload_name(workload: Workload) -> str:
    """Return the workload's own name, or its class's."""
    return str(getattr(workload, "name", None) or type(workload).__name__)


def workload_metrics(workload: Workload) -> tuple[Metric, ...]:
    """Return the further metrics that the workload's check returns."""
    return tuple(getattr(workload, "metrics", ()))
