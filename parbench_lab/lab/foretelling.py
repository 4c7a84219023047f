"""How long a scaling study takes, told before it runs from one serial run of its job."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from parbench_lab.core.wording import count, span
from parbench_lab.lab import parts
from parbench_lab.lab.backends import serial_time_s
from parbench_lab.lab.scaling_study import ScalingStudy
from parbench_lab.lab.study_resume import (
    StoredStudy,
    refuse_another,
    stored_study,
)
from parbench_lab.scaling.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a study would do.

    Parameters
    ----------
    n_runs, done
        Runs that are planned, and how many of them are stored already.
    serial_s
        One serial run of the smallest case, in seconds, measured just now.
    shortest_s, longest_s
        Of what is left: if every core were gained, and if none but the first were. The start of
        workers and the warm-ups come on top.
    """

    n_runs: int
    done: int
    serial_s: float
    shortest_s: float
    longest_s: float

    @property
    def runs(self) -> str:
        """The number of runs, in words."""
        stored = f", {self.done} of them stored" if self.done else ""
        return f"{count(self.n_runs, 'run')}{stored}"

    @property
    def takes(self) -> str:
        """About how long, in words."""
        most, least = span(self.longest_s), span(self.shortest_s)
        about = f"about {most}" if most == least else f"about {least} to {most}"
        return (
            f"{about}, and the start of the workers; the smallest case took "
            f"{self.serial_s:.2g} s serially"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptStudy:
    """A stored study as it would go on; nothing is written into it."""

    stored: StoredStudy

    @property
    def done(self) -> int:
        """How many runs are stored."""
        return len(self.stored.done)

    def again(self, job: Any, given: Mapping[str, Any]) -> ScalingStudy:
        """Return the same study, kept in memory only; parameters as for `StoredStudy`.

        Raises
        ------
        UsageError
            If it is of another job, or was begun on another machine or with other cores.
        """
        study = ScalingStudy(
            **self.stored.arguments(job, given),
            store=":memory:",
            _kept=self.stored,
        )
        refuse_another(self.stored, study.scalable, machine=study.machine, cores=study.cores)
        return study


def kept_of(run_id: str, store: Any) -> KeptStudy:
    """Return a study that was cut off.

    Raises
    ------
    StoreError, UsageError
        If there is none, or nothing of it is left to measure.
    """
    opened, owns = parts.store_of(store)
    with contextlib.ExitStack() as stack:
        if owns:
            stack.callback(opened.close)
        return KeptStudy(stored=stored_study(opened, run_id))


def foretell(study: ScalingStudy, *, done: int = 0) -> Forecast:
    """Run a study's smallest case once, serially, and return how long the whole would take.

    The time is taken to grow with the number of items, as that of most jobs does.

    Raises
    ------
    UsageError
        If the job fails.
    """
    plan = study.plan
    smallest = min(plan.sizes)
    serial_s = serial_time_s(study.scalable, smallest, seed=plan.seed)
    left = max(0, plan.n_cells - done) / plan.n_cells
    work = _serial_cases(plan, smallest, cores=study.cores, on_cluster=study.on_cluster)
    longest_s, shortest_s = (left * serial_s * cases for cases in work)
    return Forecast(
        n_runs=plan.n_cells,
        done=done,
        serial_s=serial_s,
        shortest_s=shortest_s,
        longest_s=longest_s,
    )


def _serial_cases(
    plan: Plan, smallest: int, *, cores: int, on_cluster: bool
) -> tuple[float, float]:
    """Return how many smallest cases a plan's runs are: in turn, and over the cores that are.

    A cluster is not asked: its levels are taken to have the workers that they want.
    """
    in_turn = shared = 0.0
    for series in plan.series:
        for workers in plan.workers:
            cases = plan.repeats * plan.size_at(series, workers) / smallest
            in_turn += cases
            at_once = min(workers, cores)
            if series.backend == "serial":
                at_once = 1
            elif series.backend == "dask" and on_cluster:
                at_once = workers
            shared += cases / at_once
    return in_turn, shared
