"""What the commands reach beyond the shell, as one value: tests put doubles in its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

from parbench_lab.cli.resuming import Source
from parbench_lab.core.candidate import Candidate
from parbench_lab.core.machine import Machine
from parbench_lab.core.ports import RunStore, Workload
from parbench_lab.core.roofline import Roofline
from parbench_lab.core.series import Mode
from parbench_lab.core.standing import Scoreboard
from parbench_lab.core.usage import WorkerUsage
from parbench_lab.racing.settings import Settings

if TYPE_CHECKING:
    from parbench_lab.analysis.regression.report import WatchReport
    from parbench_lab.lab.bisect import BisectReport
    from parbench_lab.lab.change_hints import HintReport
    from parbench_lab.lab.ml.results import ScalabilityBenchmark
    from parbench_lab.scaling.proof import Proof


class Result(Protocol):
    """What the shell needs of a `RaceResult`."""

    @property
    def workload(self) -> str:
        """Name of the workload."""

    @property
    def status(self) -> str:
        """``decided``, ``undecided``, ``stopped`` or ``failed``."""

    @property
    def sentence(self) -> str:
        """Who won, by how much, how sure, and what it cost."""

    @property
    def scoreboard(self) -> Scoreboard:
        """The last snapshot."""

    @property
    def settings(self) -> Settings:
        """The knobs in force at the end."""

    @property
    def resumable(self) -> bool:
        """Whether it failed for want of a cluster, and may go on."""

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""


class Bench(Protocol):
    """What the shell needs of `ParallelBenchmarking`."""

    @property
    def settings(self) -> Settings:
        """The knobs in force."""

    @property
    def scoreboard(self) -> Scoreboard:
        """A snapshot of this moment."""

    @property
    def log(self) -> tuple[str, ...]:
        """The latest sentences."""

    @property
    def run_id(self) -> str:
        """Under which the store keeps the race."""

    @property
    def dashboard_link(self) -> str | None:
        """Address of the Dask dashboard, where there is one."""

    @property
    def no_gpu(self) -> str:
        """Why this machine has no GPU, or that it has some."""

    def usage(self) -> Sequence[WorkerUsage]:
        """Return how busy every worker is."""

    def limit(
        self,
        max_seconds: float | None = None,
        max_measurements: int | None = None,
        *,
        stop_when_decided: bool = False,
    ) -> None:
        """Say when the race ends by itself."""

    def start(self) -> None:
        """Begin in the background."""

    def wait(self, what: str = "finished", timeout_s: float | None = None) -> bool:
        """Wait for a stage of the race; return whether it came."""

    def stop(self, reason: str = "stopped by the user") -> Result:
        """End the race and return its result so far."""

    def result(self) -> Result:
        """Return the result."""

    def plan(self) -> str:
        """Return what would run, in lines."""

    def change(self, **changes: Any) -> Settings:
        """Change settings."""

    def close(self) -> None:
        """Let go of everything."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc_info: object) -> None: ...


def _new_bench(*args: Any, **options: Any) -> Bench:
    from parbench_lab.lab.bench import (  # noqa: PLC0415 - loads the cluster's half
        ParallelBenchmarking,
    )

    return ParallelBenchmarking(*args, **options)


def _resumed_bench(run_id: str, **options: Any) -> Bench:
    from parbench_lab.lab.bench import (  # noqa: PLC0415 - loads the cluster's half
        ParallelBenchmarking,
    )

    return ParallelBenchmarking.resume_run(run_id, **options)


def _open_store(location: str | None) -> RunStore:
    from parbench_lab.store import open_store  # noqa: PLC0415 - loads sqlalchemy

    return open_store(location)


def _targets(name: str) -> tuple[Workload, Sequence[Candidate]]:
    from parbench_lab.workloads.registry import targets  # noqa: PLC0415 - loads numpy

    return targets(name)


def _source(name: str) -> Source | None:
    from parbench_lab.workloads.modules import source_of  # noqa: PLC0415 - loads numpy

    return source_of(name)


def _git(folder: Any) -> Mapping[str, Any] | None:
    from parbench_lab.hardware.provenance import git_state  # noqa: PLC0415 - only a race asks

    state = git_state(folder)
    return None if state is None else {"commit": state.commit, "dirty": state.dirty}


def _watch(target: str, **options: Any) -> WatchReport:
    from parbench_lab.lab.watch import watch  # noqa: PLC0415 - loads the lab

    return watch(target, **options)


def _change_hints(workload: str | None, **options: Any) -> HintReport:
    from parbench_lab.lab.change_hints import change_hints  # noqa: PLC0415 - loads the lab

    return change_hints(workload, **options)


def _bisect(target: str, **options: Any) -> BisectReport:
    from parbench_lab.lab.bisect import bisect  # noqa: PLC0415 - loads the lab

    return bisect(target, **options)


def _prove(**options: Any) -> Proof:
    from parbench_lab.lab.proof import prove_portfolio  # noqa: PLC0415 - loads numpy

    return prove_portfolio(**options)


def _ml_benchmark(**options: Any) -> ScalabilityBenchmark:
    from parbench_lab.lab.ml import scalability_benchmark  # noqa: PLC0415 - loads scikit-learn

    return scalability_benchmark(**options)


def _own_modes() -> Mapping[str, Mode]:
    from parbench_lab.lab.reach import own_modes  # noqa: PLC0415 - loads the lab

    return own_modes()


def _machine() -> Machine:
    from parbench_lab.hardware.detect import detect_machine  # noqa: PLC0415 - loads numpy

    return detect_machine()


def _roofline() -> tuple[Machine, Roofline]:
    from parbench_lab.lab.roofs import measure_roofs  # noqa: PLC0415 - loads the lab

    return measure_roofs()


@dataclass(slots=True, kw_only=True)
class Doors:
    """The way out of the shell; also carries whether ``--debug`` was given.

    The defaults import what they need when they are used.
    """

    new_bench: Callable[..., Bench] = _new_bench
    resumed_bench: Callable[..., Bench] = _resumed_bench
    open_store: Callable[[str | None], RunStore] = _open_store
    targets: Callable[[str], tuple[Workload, Sequence[Candidate]]] = _targets
    source: Callable[[str], Source | None] = _source
    git: Callable[[Any], Mapping[str, Any] | None] = _git
    watch: Callable[..., WatchReport] = _watch
    change_hints: Callable[..., HintReport] = _change_hints
    bisect: Callable[..., BisectReport] = _bisect
    prove: Callable[..., Proof] = _prove
    ml_benchmark: Callable[..., ScalabilityBenchmark] = _ml_benchmark
    modes: Callable[[], Mapping[str, Mode]] = _own_modes
    machine: Callable[[], Machine] = _machine
    roofline: Callable[[], tuple[Machine, Roofline]] = _roofline
    debug: bool = False
