"""Rooflines in the store: a run of their own kind, with the machine they were measured on."""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
import statistics
import time

from parbench_lab.core.machine import Machine
from parbench_lab.core.ports import RunHeader, RunStore
from parbench_lab.core.roofline import Roofline
from parbench_lab.core.runs import ROOFLINE
from parbench_lab.core.wording import amount
from parbench_lab.errors import ClusterError, UsageError
from parbench_lab.execution.pools import open_pool
from parbench_lab.hardware.detect import detect_machine
from parbench_lab.hardware.roofline import SECONDS_EACH, measure_roofline
from parbench_lab.lab.provenance import provenance
from parbench_lab.racing.result import jsonable
from parbench_lab.store import new_run_id

N_TASKS = 50
LOOKED_AT = 50
"""So many of the newest runs are looked through."""


def measure_roofs(*, seconds_each: float = SECONDS_EACH) -> tuple[Machine, Roofline]:
    """Return this machine and its roofs, the cost of an empty Dask task among them.

    Takes some 5 s, half of them to start a worker for that task.

    Parameters
    ----------
    seconds_each
        How long every figure is tried; 0: as often as it must be.
    """
    machine = detect_machine()
    measured = measure_roofline(machine, seconds_each=seconds_each)
    return machine, dataclasses.replace(measured, task_overhead_s=_task_overhead_s())


def _task_overhead_s() -> float | None:
    """Return the median time of a task that does nothing, there and back; None without workers."""
    try:
        pool = open_pool("dask", 1)
    except ClusterError:
        return None
    try:
        laps_s = []
        for _ in range(N_TASKS):
            start_ns = time.perf_counter_ns()
            list(pool.map(abs, [-1]))
            laps_s.append((time.perf_counter_ns() - start_ns) / 1e9)
        return statistics.median(laps_s)
    finally:
        pool.close()


def keep_roofline(store: RunStore, roofline: Roofline, machine: Machine) -> str:
    """Keep a roofline with its machine; return the id of the run that it is kept as.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    now = dt.datetime.now(dt.UTC)
    header = RunHeader(
        id=new_run_id(now, os.urandom(4)),
        kind=ROOFLINE,
        name=ROOFLINE,
        started_utc=now.isoformat(),
        document=provenance(machine),
    )
    store.create_run(header)
    result = {"sentence": roofline_sentence(roofline), "roofline": jsonable(roofline)}
    store.finish_run(header.id, "finished", result)
    return header.id


def latest_roofline(store: RunStore, machine: Machine | None) -> Roofline | None:
    """Return the newest roofline of a machine, None where there is none that can be read."""
    if machine is None:
        return None
    for fingerprint in alike(store, machine, kind=ROOFLINE):
        for summary in reversed(store.runs(kind=ROOFLINE, machine=fingerprint, last=LOOKED_AT)):
            try:
                return Roofline.from_json((summary.result or {}).get("roofline") or {})
            except UsageError:
                continue
    return None


def alike(
    store: RunStore, machine: Machine, *, kind: str | None = None, workload: str | None = None
) -> list[str]:
    """Return the fingerprints of stored runs on this machine, its own first.

    A workload may name libraries whose versions are in the fingerprint of its runs; one that only
    one side names changes neither the roofs nor the calibration, another version of one does.
    """
    found = {machine.fingerprint: None}
    for summary in reversed(store.runs(kind=kind, workload=workload, last=LOOKED_AT)):
        if summary.machine and summary.machine not in found:
            other = described_machine(store.header(summary.id))
            if other and machine.is_alike(other):
                found[summary.machine] = None
    return list(found)


def described_machine(header: RunHeader) -> Machine | None:
    """Return the machine a run describes, None where it does not (or not wholly)."""
    try:
        return Machine.from_json(header.document["machine"])
    except (KeyError, ValueError):
        return None


def roofline_sentence(roofline: Roofline) -> str:
    """Return the roofs in one sentence."""
    memory = roofline.bandwidths[-1]
    return (
        f"one core attains {amount(roofline.one_core_flops_per_s)}flop/s and "
        f"{amount(memory.one_core_bytes_per_s)}B/s from {memory.level}, {roofline.cores} of them "
        f"{amount(roofline.all_cores_flops_per_s)}flop/s and "
        f"{amount(memory.all_cores_bytes_per_s)}B/s"
    )
