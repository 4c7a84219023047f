"""The port through which a control panel meets a race."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from parbench_lab.core.candidate import Candidate
from parbench_lab.core.metric import Metric
from parbench_lab.core.standing import Scoreboard
from parbench_lab.core.usage import WorkerUsage
from parbench_lab.racing.history import LogLine, RaceHistory, SizeSummary, TimedMeasurement
from parbench_lab.racing.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Challengers:
    """Who could enter a race, of one look at the notebook.

    Parameters
    ----------
    available
        Label to candidate.
    unusable
        The ``@candidate`` functions whose mark no candidate can have: name to why.
    """

    available: Mapping[str, Candidate]
    unusable: Mapping[str, str]


class RaceControl(Protocol):
    """A race as its controls see it.

    Promises: looking costs a few milliseconds and may be done from any thread; `pause`, `resume`,
    `change`, `drop`, `bring_back`, `note` and ``stop(wait=False)`` return at once; `start` and
    `add` may take seconds (a cluster starts, a function is shipped) and belong into a thread.
    Whatever is refused raises a `ParbenchError` with one line, and nothing has changed then.
    """

    @property
    def settings(self) -> Settings:
        """The settings in force."""

    @property
    def scoreboard(self) -> Scoreboard:
        """An immutable snapshot of this moment; its `phase` is ``racing`` before the start too."""

    @property
    def run_id(self) -> str:
        """Under which the store keeps this race; empty before it starts."""

    @property
    def workload_name(self) -> str:
        """What the candidates compete at."""

    @property
    def started(self) -> bool:
        """Whether the race was started."""

    @property
    def failure(self) -> str:
        """What broke the race, in words, where the phase is ``ended`` for that; else ""."""

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """All who are or were in the race, in the order in which they entered."""

    @property
    def most_workers(self) -> int:
        """How many workers could execute at once: the upper end of `max_concurrent`."""

    @property
    def dashboard_link(self) -> str | None:
        """Address of the Dask dashboard, where there is one."""

    @property
    def not_measured(self) -> Mapping[str, str]:
        """What is not measured here (``gpu_utilization``) and why."""

    @property
    def log_lines(self) -> tuple[LogLine, ...]:
        """The latest sentences with their race times, oldest first."""

    @property
    def objective(self) -> Metric:
        """The first metric the race is about: what ratios compare."""

    @property
    def objectives(self) -> tuple[str, ...]:
        """Names of the metrics the race is about now, the workload's own by default."""

    @property
    def metric_names(self) -> tuple[str, ...]:
        """Metrics that may be objectives."""

    @property
    def policy_names(self) -> tuple[str, ...]:
        """Elimination policies that may be chosen."""

    def available(self) -> Mapping[str, Candidate]:
        """Return who could be added: label to candidate.

        The workload's candidates that are not in the race, and every ``@candidate`` function of
        the notebook; one that was written anew since it entered is there again.
        """

    def challengers(self) -> Challengers:
        """Return who is `available`, and whose mark keeps them out: the notebook is read once."""

    def measured_since(self, seq: int) -> tuple[TimedMeasurement, ...]:
        """Return the kept measurements from number `seq` on, oldest first."""

    def sizes(self) -> tuple[SizeSummary, ...]:
        """Return what every batch size of this race has shown, smallest first."""

    def usage(self) -> tuple[WorkerUsage, ...]:
        """Return the usage of every worker (up to 50 ms; empty where nothing is measured)."""

    def history(self) -> RaceHistory:
        """Return the race over time, as far as it is kept."""

    def start(self) -> None:
        """Begin in the background; returns when the cluster answers."""

    def pause(self) -> None:
        """Send no further blocks until `resume`."""

    def resume(self) -> None:
        """Go on after `pause`, or after a suspension of verdicts."""

    def stop(self, reason: str = ..., *, wait: bool = ...) -> Any:
        """End the race."""

    def add(self, candidate: str | Callable[..., Any] | Candidate) -> str:
        """Let a challenger enter; return the name it races under."""

    def drop(self, name: str) -> None:
        """Drop a candidate by hand."""

    def bring_back(self, name: str) -> None:
        """Bring a candidate back that was eliminated or dropped."""

    def change(self, **changes: Any) -> Settings:
        """Change settings from the next block on."""

    def note(self, text: str) -> None:
        """Pin a note to the run: it is kept in the journal and the log."""
