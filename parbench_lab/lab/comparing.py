"""Comparing stored runs: what the pure half (`analysis.comparison`) needs, fetched by id."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from parbench_lab.analysis.comparison.between import RunToRun, run_to_run
from parbench_lab.analysis.comparison.machines import CALIBRATION, SpeedRatio, speed_ratio
from parbench_lab.analysis.comparison.pairing import compare_figures
from parbench_lab.analysis.comparison.samples import samples_of
from parbench_lab.analysis.comparison.values import TIME, Comparison, RunFigures
from parbench_lab.core.given import checked_number
from parbench_lab.core.machine import Machine
from parbench_lab.core.metric import Metric, described_metrics
from parbench_lab.core.ports import RunStore
from parbench_lab.core.reading import as_object
from parbench_lab.core.runs import ROOFLINE, STUDY, WATCH, RunSummary
from parbench_lab.core.series import Mode, SeriesPoint
from parbench_lab.errors import UnknownNameError, UsageError
from parbench_lab.lab import parts
from parbench_lab.lab.roofs import alike, described_machine, latest_roofline
from parbench_lab.racing.result import RaceResult

LATEST = "latest"
_NOT_COMPARED = (ROOFLINE, STUDY, WATCH)
EARLIER_RUNS = 20
"""Of each series, for how far unchanged code moves from run to run."""


def compare(
    baseline: str | RaceResult,
    new: str | RaceResult,
    *,
    tolerance: float = 0.02,
    metric: str = TIME,
    store: str | Path | RunStore | None = None,
) -> Comparison:
    """Return what became of every candidate between two stored runs.

    Per candidate, batch size and epoch: the ratio of the medians (new over baseline) with an
    interval that asks for no distribution, and whether that is equal within the tolerance,
    faster, slower or undecided; q is the false discovery rate over all pairs at once. Runs of
    two machines are also compared less what the workload ``calibration`` differs by, where the
    store has it of both, and that is what counts. No code of a candidate is run.

    Parameters
    ----------
    baseline, new
        Ids (an unambiguous beginning is enough), ``"latest"``, or results of races. The nights
        of a watch are no such runs: ``"latest"`` passes over them.
    tolerance
        Slower or faster by up to this fraction is equal; 0: nothing is.
    metric
        That is compared.
    store
        As for `ParallelBenchmarking`.

    Raises
    ------
    StoreError
        If there is no such run.
    UsageError
        If the runs are of different workloads or modes, or have no measurements; if one of them
        is a night of a watch or is given as something else, the tolerance is no fraction, or the
        metric no name.
    UnknownNameError
        If there is no such metric.

    References
    ----------
    .. [1] D. G. Price, D. R. Bonett, "Distribution-free confidence intervals for difference and
       ratio of medians", J. Stat. Comput. Simul. 72 (2002) 119-124.
    .. [2] Y. Benjamini, Y. Hochberg, "Controlling the false discovery rate", JRSS B 57 (1995).
    """
    ids = [_run_id(run) for run in (baseline, new)]
    checked_number(tolerance, "tolerance")
    if not isinstance(metric, str):
        raise UsageError(f"metric must be the name of one but got {metric!r}")
    opened, owns = parts.store_of(store)
    try:
        sides = [run_figures(opened, _meant(opened, run_id)) for run_id in ids]
        if sides[0].id == sides[1].id:
            raise UsageError(f"run {sides[0].id} cannot be compared with itself: give two runs")
        chosen = _metric(opened, sides[0].id, metric)
        return compare_figures(
            *sides,
            metric=chosen,
            tolerance=tolerance,
            speed=machine_speed(opened, sides[0].machine, sides[1].machine),
            run_to_run=_earlier(opened, sides[0], sides[1], chosen),
        )
    finally:
        if owns:
            opened.close()


def run_figures(store: RunStore, run_id: str) -> RunFigures:
    """Return one side of a comparison from its journal.

    Raises
    ------
    StoreError
        If there is no such run, or it is damaged.
    UsageError
        If it is a night of a watch: its seconds are of one thread alone, of two builds in turn.
    """
    header = store.header(run_id)
    summary = store.summary(header.id)
    if summary.kind == WATCH:
        raise UsageError(
            f"run {summary.id} is a night of a watch, which has verdicts of its own and no "
            f"figures to compare: parbench show {summary.id}, or choose two races (parbench runs)"
        )
    machine = described_machine(header)
    return RunFigures(
        id=header.id,
        workload=header.name,
        started_utc=header.started_utc,
        mode=summary.mode,
        samples=samples_of(store.events(header.id)),
        commit=summary.commit,
        dirty=summary.dirty,
        fingerprint=summary.machine,
        machine=machine,
        roofline=latest_roofline(store, machine),
        other_times_s=_other_times(store, header.name, summary),
        case_settings=_case_settings(header.document),
        on_gpu=_on_gpu(header.document),
    )


CASE_SETTINGS = ("prime", "min_time_s", "max_concurrent")
"""Settings that change what a call takes; the batch size is a matter of pairs."""


def _case_settings(document: Mapping[str, Any]) -> dict[str, str]:
    """Return what the race set that changes its times, and its candidates' parameters."""
    settings = document.get("settings")
    known = settings if isinstance(settings, Mapping) else {}
    found = {name: str(known[name]) for name in CASE_SETTINGS if name in known}
    for candidate in _described(document):
        if "parameters" in candidate:
            parameters = json.dumps(candidate["parameters"], sort_keys=True, default=str)
            found[f"parameters of {candidate['name']}"] = parameters
    return found


def _on_gpu(document: Mapping[str, Any]) -> frozenset[str]:
    """Return who asked for a GPU when the race began."""
    asked = (one for one in _described(document) if "GPU" in as_object(one.get("resources")))
    return frozenset(str(one["name"]) for one in asked)


def _described(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    given = document.get("candidates")
    candidates = given if isinstance(given, list) else []
    return [one for one in candidates if isinstance(one, Mapping) and "name" in one]


def _other_times(
    store: RunStore, workload: str, summary: RunSummary
) -> dict[tuple[str, int], float]:
    """Return the newest times by candidate and size of runs of the same code, this one's too.

    A commit names the code only where the tree had no changes.
    """
    points = store.series(
        workload=workload, machine=summary.machine, mode=summary.mode, last=EARLIER_RUNS
    )
    # a store from before sizes were checked may hold one of 0, of which nothing can be told
    alike_ones = [p for p in points if _is_of(p, summary) and p.key.size >= 1]
    return {(one.key.candidate, one.key.size): one.median.point for one in alike_ones}


def _is_of(point: SeriesPoint, summary: RunSummary) -> bool:
    if point.run_id == summary.id:
        return True
    changed = point.dirty or summary.dirty
    return bool(point.commit) and not changed and point.commit == summary.commit


def machine_speed(
    store: RunStore, baseline: Machine | None, new: Machine | None
) -> SpeedRatio | None:
    """Return how two machines differ in the calibration; None where the store cannot tell."""
    if baseline is None or new is None or baseline == new:
        return None
    return speed_ratio(*(_calibration(store, machine) for machine in (baseline, new)))


def _calibration(store: RunStore, machine: Machine) -> list[SeriesPoint]:
    """Return a machine's calibration: its own, else one of a machine like it."""
    each = (
        store.series(
            workload=CALIBRATION, machine=fingerprint, mode=Mode.MICRO.value, last=EARLIER_RUNS
        )
        for fingerprint in alike(store, machine, workload=CALIBRATION)
    )
    return next((points for points in each if points), [])


def _meant(store: RunStore, run_id: str) -> str:
    """Return the id that is given, or that of the newest run that may be compared."""
    if run_id != LATEST:
        return run_id
    skip = 0
    while page := store.runs(last=1, skip=skip):
        if page[0].kind not in _NOT_COMPARED:
            return page[0].id
        skip += 1
    return run_id  # the store or `run_figures` says what is the matter


def _run_id(run: str | RaceResult) -> str:
    found: object = run.run_id if isinstance(run, RaceResult) else run
    if not isinstance(found, str):
        raise UsageError(f"a run is its id, 'latest' or the result of a race but got {found!r}")
    return found


def _metric(store: RunStore, run_id: str, name: str) -> Metric:
    known = described_metrics(store.header(run_id).document)
    if name not in known:
        raise UnknownNameError(f"metric {name!r}: not found; known names are {', '.join(known)}")
    return known[name]


def _earlier(store: RunStore, baseline: RunFigures, new: RunFigures, metric: Metric) -> RunToRun:
    """Return how far unchanged code moved between other runs on these machines."""
    points = store.series(
        workload=baseline.workload, metric=metric.name, mode=baseline.mode, last=EARLIER_RUNS
    )
    machines = {baseline.fingerprint, new.fingerprint}
    return run_to_run(
        (
            point
            for point in points
            if point.key.machine in machines and point.run_id not in {baseline.id, new.id}
        ),
        metric,
    )
