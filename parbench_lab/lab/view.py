"""What can be seen of a race, by a person or by a panel; nothing here changes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from parbench_lab.core.candidate import Candidate
from parbench_lab.core.metric import DEVICE_METRICS, MEASURED_METRICS, Metric
from parbench_lab.core.ports import Executor, RunStore, Workload, workload_metrics, workload_name
from parbench_lab.core.runs import UsageRow
from parbench_lab.core.standing import Scoreboard
from parbench_lab.core.usage import WorkerUsage
from parbench_lab.core.wording import odds, printable
from parbench_lab.elimination.policy import EliminationPolicy
from parbench_lab.elimination.registry import POLICIES
from parbench_lab.errors import UsageError
from parbench_lab.hardware.cores import available_cores
from parbench_lab.lab import live, parts
from parbench_lab.lab.usage_keeping import UsageKeeper, no_gpu_here
from parbench_lab.monitoring.wording import gpu_not_measured
from parbench_lab.racing import narration
from parbench_lab.racing.control import Challengers
from parbench_lab.racing.engine import RaceEngine
from parbench_lab.racing.history import (
    LogLine,
    RaceHistory,
    SizeSummary,
    TimedMeasurement,
)
from parbench_lab.racing.result import RaceResult, ranking_frame, winner_of
from parbench_lab.racing.scoreboard import sizes
from parbench_lab.racing.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

    from parbench_lab.panel.race_panel import RacePanel


class RaceView:
    """The looking half of `ParallelBenchmarking`; every answer is of this moment.

    Safe to ask from any thread; nothing here takes more than a few milliseconds but `usage`.
    """

    _workload: Workload
    _candidates: list[Candidate]
    _own_policies: dict[str, EliminationPolicy]
    _executor: Executor
    _engine: RaceEngine
    _store: RunStore
    _run_id: str
    _started: bool
    _closed: bool
    _n_workers: int | None
    _on_local_workers: bool

    def __init__(self) -> None:
        self._panel: RacePanel | None = None
        self._result: RaceResult | None = None
        # asked through this object: a race that is taken up again has another engine
        self._keeper = UsageKeeper(
            look=self._asked_usage, keep=self._store_usage, clock=self._race_time_s
        )

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._engine.settings

    @property
    def run_id(self) -> str:
        """Under which the store keeps this race; empty before it starts."""
        return self._run_id

    @property
    def workload_name(self) -> str:
        """What the candidates compete at."""
        return workload_name(self._workload)

    @property
    def started(self) -> bool:
        """Whether the race was started."""
        return self._started

    @property
    def running(self) -> bool:
        """Whether the race goes on: it was started (it may be paused) and has not ended."""
        return self._started and not self._engine.has_ended and self._engine.error is None

    @property
    def failure(self) -> str:
        """What broke the race, in words: the message that `result` raises; "" for nothing."""
        error = self._engine.error
        return "" if error is None else str(error)

    @property
    def on_local_workers(self) -> bool:
        """Whether it runs on worker processes of its own on this machine."""
        return self._on_local_workers

    @property
    def scoreboard(self) -> Scoreboard:
        """An immutable snapshot of this moment."""
        return self._engine.scoreboard

    @property
    def log(self) -> tuple[str, ...]:
        """The latest verdicts, refusals and changes in plain sentences."""
        return tuple(line.sentence for line in self._engine.log)

    @property
    def log_lines(self) -> tuple[LogLine, ...]:
        """The latest sentences with their race times, oldest first."""
        return self._engine.log

    @property
    def most_workers(self) -> int:
        """How many workers could execute at once: the upper end of `max_concurrent`."""
        wanted = self._n_workers or available_cores()
        return max(wanted, len(self.scoreboard.workers), self.settings.max_concurrent or 1)

    @property
    def dashboard_link(self) -> str | None:
        """Address of the Dask dashboard, where there is one."""
        return self._executor.dashboard_link

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """All who are or were in the race, in the order in which they entered."""
        return tuple(self._candidates)

    @property
    def not_measured(self) -> Mapping[str, str]:
        """What is not measured here, and why."""
        seen = self._keeper.seen
        if not seen and any(candidate.resources.get("GPU") for candidate in self._candidates):
            return {}  # they run on GPU workers or not at all; nobody has looked yet
        why = gpu_not_measured(seen[-1].workers if seen else (), self.no_gpu)
        return {"gpu_utilization": f"GPU utilisation is not measured: {why}"} if why else {}

    @property
    def no_gpu(self) -> str:
        """Why this machine has no GPU, or that it has some."""
        return no_gpu_here()

    @property
    def objective(self) -> Metric:
        """The first metric the race is about: what ratios compare."""
        return self._objectives()[0]

    @property
    def objectives(self) -> tuple[str, ...]:
        """Names of the metrics the race is about now, the workload's own by default."""
        return tuple(self._objective_names())

    @property
    def metric_names(self) -> tuple[str, ...]:
        """Metrics that may be objectives; those of devices once they have been measured."""
        boards = (standing.values for standing in self.scoreboard.standings)  # noqa: PD011 - ours
        seen = {name for values in boards for name in values}
        offered = seen | set(self._objective_names()) | self._metrics().keys() - DEVICE_METRICS
        return tuple(name for name in self._metrics() if name in offered)

    @property
    def policy_names(self) -> tuple[str, ...]:
        """Elimination policies that may be chosen by name."""
        return tuple(dict.fromkeys([*self._own_policies, *POLICIES]))

    def available(self) -> dict[str, Candidate]:
        """Return who could be added: label to candidate.

        The workload's candidates that are not in the race, and every ``@candidate`` function of
        the notebook; one that was written anew since it entered is there again.
        """
        return dict(self.challengers().available)

    def challengers(self) -> Challengers:
        """Return who is `available`, and whose mark keeps them out: the notebook is read once."""
        return live.challengers(self._workload, self._candidates)

    def measured_since(self, seq: int) -> tuple[TimedMeasurement, ...]:
        """Return the kept measurements from number `seq` on, oldest first."""
        return self._engine.measured_since(seq)

    def sizes(self) -> tuple[SizeSummary, ...]:
        """Return what every batch size of this race has shown, smallest first."""
        found: tuple[SizeSummary, ...] = self._engine.look(sizes)
        return found

    def usage(self) -> tuple[WorkerUsage, ...]:
        """Return how busy every worker is; what was asked is kept for `history`."""
        return self._keeper.look()

    def history(self) -> RaceHistory:
        """Return the race over time: what the plots are drawn from."""
        settings = self.settings
        return RaceHistory(
            candidates=tuple(candidate.name for candidate in self._candidates),
            objectives=self._objectives(),
            elimination_threshold=settings.elimination_threshold,
            tolerance=settings.tolerance,
            measurements=self.measured_since(0),
            boards=(*self._engine.boards, self.scoreboard),
            sizes=self.sizes(),
            log=self.log_lines,
            usage=self._keeper.seen,
        )

    def ranking(self) -> pd.DataFrame:
        """Return the standings of this moment as a table (`racing.result.ranking_frame`)."""
        return ranking_frame(self.scoreboard)

    def plan(self) -> str:
        """Return what would run, in lines for a person."""
        settings = self.settings
        names = ", ".join(candidate.name for candidate in self._candidates)
        return "\n".join(
            [
                f"workload   {self.workload_name}, {settings.batch_size} items a case",
                f"candidates {len(self._candidates)}: {names}",
                f"objectives {', '.join(metric.name for metric in self._objectives())}",
                f"policy     {settings.policy}: {odds(settings.elimination_threshold)}",
                f"tolerance  {settings.tolerance:g}",
                f"time limit of a measurement {parts.time_limit(settings)}",
            ]
        )

    def result(self) -> RaceResult:
        """Return the result: final once the race has ended, else as it stands.

        Raises
        ------
        RaceError, StoreError
            If the engine broke.
        """
        self._refuse_unstarted()
        if self._engine.error is not None:
            raise self._engine.error
        ended = self._engine.ended
        if ended is None:
            return self._make_result("running", "the race goes on")
        if self._result is None:
            self._result = self._make_result(ended.status, ended.reason)
        return self._result

    def __repr__(self) -> str:
        phase = self.scoreboard.phase if self._started else "not started"
        run = f", run {self._run_id}" if self._run_id else ""
        names = ", ".join(printable(candidate.name) for candidate in self._candidates)
        return f"ParallelBenchmarking: {self.workload_name} ({phase}{run}), candidates {names}"

    def _refuse_unstarted(self) -> None:
        if not self._started:
            raise UsageError("the race has not started; call start()")

    def _make_result(self, status: str, reason: str) -> RaceResult:
        board = self.scoreboard
        objectives = self._objectives()
        winner, front = winner_of(board, n_objectives=len(objectives), decided=status == "decided")
        return RaceResult(
            run_id=self._run_id,
            workload=workload_name(self._workload),
            status=status,
            reason=reason,
            winner=None if status == "failed" else winner,
            front=front,
            sentence=narration.conclusion(
                board, status, reason, objectives, settings=self.settings
            ),
            scoreboard=board,
            settings=self.settings,
            log=self.log,
            not_measured=self.not_measured,
            resumable=status == "failed" and self._engine.resumable,
        )

    def _asked_usage(self) -> Sequence[WorkerUsage]:
        return self._executor.usage()

    def _store_usage(self, rows: Sequence[UsageRow]) -> None:
        self._store.append_usage(self._run_id, rows)

    def _race_time_s(self) -> float:
        return self._engine.now_s()

    def _metrics(self) -> dict[str, Metric]:
        return {**MEASURED_METRICS, **{m.name: m for m in workload_metrics(self._workload)}}

    def _objective_names(self) -> Sequence[str]:
        return self.settings.objectives or parts.default_objectives(self._workload)

    def _objectives(self) -> tuple[Metric, ...]:
        known = self._metrics()
        return tuple(known[name] for name in self._objective_names())
