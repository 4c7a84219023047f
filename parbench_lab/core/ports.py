"""Where the rooms of the house meet: Protocols, each with its promises in prose.

Siblings do not import each other; whoever needs a cluster, a store or a policy takes one of these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np

    from parbench_lab.core.block import Task
    from parbench_lab.core.candidate import Candidate
    from parbench_lab.core.measurement import BlockResult, Suspicion
    from parbench_lab.core.metric import Metric
    from parbench_lab.core.usage import WorkerUsage


@runtime_checkable
class Workload(Protocol):
    """A job that implementations compete at.

    May also have: ``name`` (str; the class name by default), ``candidates`` (a sequence of
    `Candidate`), ``metrics`` (a sequence of `Metric` for what `check` returns), ``objectives``
    (metric names, ``("wall_time_s",)`` by default) and ``default_batch_size`` (int, 1000).
    """

    def make_case(self, size: int, rng: np.random.Generator) -> Any:
        """Return a problem of `size` items; the same generator state gives the same problem."""

    def check(self, case: Any, result: Any) -> Mapping[str, float] | None:
        """Raise on a wrong result; may return further metrics, ``{"abs_error": 1e-9}``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerInfo:
    """One worker that can take tasks.

    `name` stays when the process is replaced; `process` changes then. `local` says that this
    machine can see and kill the process. `resources` are what it offers beyond a CPU.
    """

    name: str
    process: str
    local: bool
    host: str = ""
    resources: Mapping[str, float] = field(default_factory=dict)


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


ExecutorReport = WorkerJoined | WorkerLeft | TaskEnded | ExecutorFailed


class Executor(Protocol):
    """Runs tasks on workers, one at a time on each, in the order of submission per worker.

    (Their reports may overtake each other on the way back; blocks have numbers for that.)

    Promises: `submit`, `recall` and `publish` never block on a worker; every submitted task is
    reported ended exactly once (unless the executor failed or was closed); reports reach `sink`
    one at a time, from any thread; `close` is idempotent and leaves no thread, process, file or
    socket behind. A candidate that overruns its slot's `timeout_s` is stopped by killing its
    worker where that is possible.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHeader:
    """How a run began. `document` is JSON: workload, candidates, settings, configuration, seed."""

    id: str
    kind: str
    name: str
    started_utc: str
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """One line of the list of runs. `status`: running, finished, stopped, failed."""

    id: str
    kind: str
    name: str
    started_utc: str
    status: str
    result: Mapping[str, Any] | None = None

    @property
    def status_in_words(self) -> str:
        """The status as a user should read it: who was killed could not write that it ended."""
        return "running or interrupted" if self.status == "running" else self.status


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementRow:
    """A measurement as it is stored: flat, numbers and text only."""

    block: int
    slot: int
    epoch: int
    candidate: str
    copy: int
    size: int
    worker: str
    outcome: str
    warm_up: bool
    checked: bool
    repeats: int
    values: Mapping[str, float]
    digest: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRecord:
    """One event of a run as it is stored.

    `seq` counts from 0 without gaps; `at_s` is seconds of race time; `payload` is JSON (finite
    numbers, text, lists, dicts with text keys). Measurements belong to the event that brought
    them.
    """

    seq: int
    at_s: float
    kind: str
    payload: Mapping[str, Any]
    measurements: Sequence[MeasurementRow] = ()


INTERRUPTED = "interrupted"
"""Status of a run that stopped before its end (its cluster was lost) and may go on."""


class RunStore(Protocol):
    """Keeps runs, append only.

    Promises: what `append` was given is on disk (survives ``kill -9``) when it returns; several
    processes may write at once; reading runs no code. All methods raise `StoreError` with one line
    that says what to do. Safe to call from any thread.
    """

    def create_run(self, header: RunHeader) -> None:
        """Begin a run."""

    def append(self, run_id: str, events: Sequence[EventRecord]) -> None:
        """Append events (with their measurements) in one transaction."""

    def finish_run(self, run_id: str, status: str, result: Mapping[str, Any]) -> None:
        """Set the run's status and its result (JSON).

        A run ends once. After the status `INTERRUPTED` it may go on: the next `append` makes it
        a running one again, without a result.
        """

    def header(self, run_id: str) -> RunHeader:
        """Return how a run began; an unambiguous beginning of the id is enough."""

    def events(self, run_id: str) -> Iterator[EventRecord]:
        """Yield the run's events in order, with their measurements in slot order."""

    def runs(self, *, kind: str | None = None) -> Sequence[RunSummary]:
        """Return all runs, oldest first."""

    def summary(self, run_id: str) -> RunSummary:
        """Return one run's line; an unambiguous beginning of the id is enough."""

    def close(self) -> None:
        """Close files; idempotent."""


def workload_name(workload: Workload) -> str:
    """Return the workload's own name, or its class's."""
    return str(getattr(workload, "name", None) or type(workload).__name__)


def workload_metrics(workload: Workload) -> tuple[Metric, ...]:
    """Return the further metrics that the workload's check returns."""
    return tuple(getattr(workload, "metrics", ()))
