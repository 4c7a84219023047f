"""Runs, machines and points to compare, with seeds."""

from __future__ import annotations

import datetime as dt
from array import array
from dataclasses import replace

import numpy as np

from parbench_lab.analysis.comparison.samples import Sample
from parbench_lab.analysis.comparison.values import RunFigures
from parbench_lab.core.estimate import Estimate
from parbench_lab.core.machine import Cache, Machine
from parbench_lab.core.roofline import Bandwidth, Roofline
from parbench_lab.core.series import Mode, SeriesKey, SeriesPoint

DAY = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
HERE = Machine(
    cpu_model="Abacus 3",
    physical_cores=2,
    logical_cores=2,
    smt=False,
    memory_bytes=8 * 2**30,
    os="Debian 13",
    kernel="Linux 6.12",
    python="CPython 3.11.9",
    caches=(Cache(name="L2", size_bytes=2**20, instances=2),),
)
THERE = replace(HERE, cpu_model="Abacus 4", memory_bytes=16 * 2**30)
ROOFS = Roofline(
    cores=2,
    one_core_flops_per_s=1e10,
    all_cores_flops_per_s=2e10,
    bandwidths=(
        Bandwidth(
            level="L2",
            working_set_bytes=2**19,
            one_core_bytes_per_s=5e10,
            all_cores_bytes_per_s=1e11,
        ),
        Bandwidth(
            level="memory",
            working_set_bytes=2**28,
            one_core_bytes_per_s=1e10,
            all_cores_bytes_per_s=1.5e10,
        ),
    ),
    call_overhead_s=5e-8,
    array_call_overhead_s=4e-7,
    one_core_single_flops_per_s=2e10,
    all_cores_single_flops_per_s=4e10,
)


def times_s(median_s, n=200, seed=0, noise=0.02):
    rng = np.random.default_rng(seed)
    return array("d", median_s * np.exp(rng.normal(0, noise, n)))


def sample(median_s, n=200, seed=0, noise=0.02, faults=None, **further):
    values = {"wall_time_s": times_s(median_s, n, seed, noise)}
    values |= {name: array("d", [value] * n) for name, value in further.items()}
    return Sample(values=values, epochs=(0,), faults=faults or {})


def run(name, medians, machine=HERE, **fields):
    """Return a side of a comparison: candidate or (candidate, size) to median seconds."""
    seed = sum(map(ord, name))
    samples = {
        (place if isinstance(place, tuple) else (place, 1000)): (
            median if isinstance(median, Sample) else sample(median, seed=seed + index)
        )
        for index, (place, median) in enumerate(medians.items())
    }
    known = {"workload": "sorting", "started_utc": DAY.isoformat(), "mode": "batch"}
    return RunFigures(
        id=name,
        samples=samples,
        machine=machine,
        fingerprint=machine.fingerprint if machine else "",
        **{**known, **fields},
    )


def point(candidate, median_s, *, size=1000, machine="here", day=0, width=0.02, **fields):
    key = {
        "workload": "sorting",
        "mode": Mode.BATCH,
        **{name: fields.pop(name) for name in ("workload", "mode", "metric") if name in fields},
    }
    return SeriesPoint(
        run_id=fields.pop("run_id", f"run-{day}"),
        started=DAY + dt.timedelta(days=day),
        key=SeriesKey(candidate=candidate, size=size, machine=machine, **key),
        median=Estimate(
            point=median_s,
            low=median_s * (1 - width),
            high=median_s * (1 + width),
            confidence=0.95,
            n=50,
        ),
        **fields,
    )


def calibration(machine, factors, day=0):
    """Return figures of the calibration: kernel to its time in milliseconds."""
    return [
        point(f"{name}_v1", ms / 1e3, size=50_000, machine=machine, day=day, width=0.005,
              workload="calibration", mode=Mode.MICRO)
        for name, ms in factors.items()
    ]  # fmt: skip
