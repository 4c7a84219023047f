"""A scaling study in the store: what its header says, and what it goes on with."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from parbench_lab.analysis.trial import Trial
from parbench_lab.core.machine import Machine
from parbench_lab.core.ports import RunStore
from parbench_lab.core.runs import STUDY, refuse_taken_in
from parbench_lab.core.scalable import Scalable
from parbench_lab.core.wording import count, listed
from parbench_lab.errors import UsageError
from parbench_lab.lab.provenance import provenance, refuse_other_machine
from parbench_lab.racing.result import jsonable
from parbench_lab.scaling import journal
from parbench_lab.scaling.plan import Cell, Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredStudy:
    """A study that was cut off.

    Parameters
    ----------
    id
        Of the run.
    name
        Of its job.
    document
        What its header says, see `header_document`.
    plan, done
        What it was going to measure, and what it has measured.
    cluster_workers
        Of the cluster that was given; see `parbench_lab.scaling.journal.read_cluster`.
    n_events
        How many the store keeps of it.
    """

    id: str
    name: str
    document: Mapping[str, Any]
    plan: Plan
    done: Mapping[Cell, Trial]
    cluster_workers: int | None
    n_events: int

    @property
    def backend_reason(self) -> str:
        """Why ``backend="auto"`` took the one it took; "" where it was given."""
        return str(self.document.get("backend_reason", ""))  # headers before it was kept have none

    def arguments(self, job: Any, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a `ScalingStudy` is called with to go on; of its plan, `plan` holds.

        Parameters
        ----------
        job
            The job again; None for the one that the study was asked for by name.
        given
            What the user says himself; None is not said.

        Raises
        ------
        UsageError
            If he says again what is in the plan, or gives a cluster to levels of Dask that were
            measured on this machine; if the job was asked for by name with options that could not
            be kept, and is not given itself.
        """
        said = {name: value for name, value in given.items() if value is not None}
        plan, kept = self.plan, self.document
        named = kept.get("job", self.name)
        as_named = job is None or (isinstance(job, str) and job == named)
        if as_named and (lost := kept.get("options_not_kept")):
            raise UsageError(
                f"study {self.id}: its options {listed(lost)} could not be kept: give the job "
                "again, a Scalable made with them"
            )
        as_it_began = {
            "workers": "adaptive" if plan.adaptive else plan.workers,
            "mode": plan.mode,
            "backend": plan.backends,
            "sizes": plan.sizes,
            "batch_sizes": plan.batch_sizes or None,
            "repeats": plan.repeats,
            "seed": plan.seed,
            "options": kept.get("options") if as_named else None,
        }
        if changed := [name for name in as_it_began if name in said]:
            raise UsageError(f"a study goes on as it began: leave {', '.join(changed)} out")
        here = any(cell.series.backend == "dask" for cell in self.done)
        if "cluster" in said and self.cluster_workers is None and here:
            raise UsageError(
                f"study {self.id} was on workers of this machine, and a cluster's figures are not "
                "of its curve: leave cluster= (--cluster) out, or begin a new study there"
            )
        return {
            "scalable": named if job is None else job,
            **as_it_began,
            **{name: kept.get(name) for name in ("make_case", "tolerance")},
            **said,
        }


def header_document(
    scalable: Scalable,
    plan: Plan,
    machine: Machine,
    *,
    job: str,
    make_case: Any,
    options: Mapping[str, Any],
    cores: int,
    backend_reason: str = "",
) -> dict[str, Any]:
    """Return what the store keeps of a study besides its runs.

    Parameters
    ----------
    scalable, plan, machine, cores
        Of the study.
    job, make_case, options
        What it was asked for with; a `make_case` that is no import string cannot be kept, nor
        can options that are no JSON: these are named in ``options_not_kept``.
    backend_reason
        Why ``backend="auto"`` took the one it took; "" is not kept.
    """
    texts = {name: _option_text(value) for name, value in options.items()}
    return {
        "job": job,
        "make_case": make_case if isinstance(make_case, str) else None,
        "plan": jsonable(journal.planned(plan)),
        "unit": scalable.unit,
        "batch_unit": scalable.batch_unit,
        "tolerance": scalable.tolerance,
        "options": {name: json.loads(text) for name, text in texts.items() if text},
        "options_not_kept": [name for name, text in texts.items() if not text],
        "cores": cores,
        "seed": plan.seed,
        **({"backend_reason": backend_reason} if backend_reason else {}),
        "fingerprint": machine.fingerprint,
        **provenance(machine),
    }


def _option_text(value: Any) -> str:
    """Return an option as JSON from which the same job is made, "" where there is none."""
    try:
        return json.dumps(value, default=_plain, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return ""


def _plain(value: Any) -> Any:
    """Return a path as text and a number of NumPy as Python's.

    Raises
    ------
    TypeError
        If it is neither. No dataclass becomes a mapping: the job would not know it again.
    """
    return value.item() if isinstance(value, np.generic) else os.fspath(value)


def stored_study(store: RunStore, run_id: str) -> StoredStudy:
    """Return a study that has something left to measure.

    Raises
    ------
    StoreError
        If there is no such study, or it is damaged.
    UsageError
        If the run is no study, came from a file, or has measured everything.
    """
    header = store.header(run_id)
    if header.kind != STUDY:
        raise UsageError(f"run {header.id} is no scaling study but a {header.kind}")
    refuse_taken_in(header)
    events = list(store.events(header.id))
    plan, done = journal.read_back(events)
    plan = plan or journal.read_plan(header.document["plan"])
    if not any(True for _ in plan.missing(done)):
        raise UsageError(f"study {header.id} has measured all that it planned")
    return StoredStudy(
        id=header.id,
        name=header.name,
        document=header.document,
        plan=plan,
        done=done,
        cluster_workers=journal.read_cluster(events),
        n_events=len(events),
    )


def refuse_without_cluster(stored: StoredStudy, cluster: Any) -> None:
    """Refuse to go on here with a study that was on a given cluster.

    Raises
    ------
    UsageError
        If it was, and `cluster` is None: its address is not kept.
    """
    if stored.cluster_workers is not None and cluster is None:
        raise UsageError(
            f"study {stored.id} was on a cluster, and figures of this machine are not of its "
            "curve: give cluster= (--cluster ADDRESS) again, or begin a new study here"
        )


def refuse_another(
    stored: StoredStudy, scalable: Scalable, *, machine: Machine, cores: int
) -> None:
    """Refuse to go on with a study where what would be measured is not of its curve.

    A given cluster says only when the study begins what it is, and is looked at then.

    Parameters
    ----------
    scalable, machine, cores
        The job, and where it would run: the machine, and how many of its cores are ours.

    Raises
    ------
    UsageError
        If the job, the machine or the number of cores is another one than the study began with.
    """
    _refuse_other_job(stored, scalable)
    if stored.cluster_workers is None:
        refuse_other_machine(stored.document, machine, run=f"study {stored.id}", whole="curve")
    _refuse_other_cores(stored, cores)


def _refuse_other_job(stored: StoredStudy, scalable: Scalable) -> None:
    """Refuse to go on with a study by measuring another job.

    Raises
    ------
    UsageError
        If the names differ; ``"module:function"`` is the job that was given as a function.
    """
    names = {stored.name, scalable.name}
    if len(names) > 1 and not names & {name.rpartition(":")[2] for name in names if ":" in name}:
        raise UsageError(
            f"study {stored.id} is of {stored.name}, and figures of {scalable.name} are not of "
            "its curve: give its own job, or begin a new study"
        )


def _refuse_other_cores(stored: StoredStudy, cores: int) -> None:
    """Refuse to go on where this process has more or fewer cores than the study began with.

    Raises
    ------
    UsageError
        If levels of this machine ran with another number: they would share cores in one part of
        the curve and not in the other.
    """
    began = stored.document.get("cores")
    here = stored.cluster_workers is None or set(stored.plan.backends) != {"dask"}
    if here and began is not None and began != cores:
        raise UsageError(
            f"study {stored.id} was begun with {count(began, 'core')} of its machine, and here "
            f"are {cores}: go on with as many (taskset, a container's quota), or begin a new study"
        )
