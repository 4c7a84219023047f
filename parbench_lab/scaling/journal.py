"""Runs of a study as JSON and back: what a store keeps of it. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar, get_args, get_type_hints

from parbench_lab.analysis.curve import ScalingCurve
from parbench_lab.analysis.trial import TimeShares, Trial, Use
from parbench_lab.core.given import is_number, is_whole
from parbench_lab.core.machine import LARGEST
from parbench_lab.core.ports import EventRecord, RunHeader
from parbench_lab.core.runs import STUDY
from parbench_lab.errors import StoreError, UsageError
from parbench_lab.scaling.plan import Cell, Plan, Series

MEASURED, PLANNED, ADAPTED = "StudyMeasured", "StudyPlanned", "StudyAdapted"
CLUSTER = "StudyCluster"

_T = TypeVar("_T")
_FITS: Mapping[Any, Callable[[Any], bool]] = {
    int: lambda value: is_whole(value) and abs(value) < LARGEST,
    float: lambda value: is_number(value) and (isinstance(value, float) or abs(value) < LARGEST),
    str: lambda value: isinstance(value, str),
    type(None): lambda value: value is None,
}
_FIELDS: Mapping[type, Mapping[str, tuple[Callable[[Any], bool], ...]]] = {
    kind: {
        name: tuple(_FITS.get(one, lambda _value: True) for one in get_args(hint) or (hint,))
        for name, hint in get_type_hints(kind).items()
    }
    for kind in (Trial, TimeShares, Use)
}
"""Class to its fields, each with what tells the types that it may have, where they are plain."""


def measured(cell: Cell, trial: Trial) -> Mapping[str, Any]:
    """Return a run as JSON values."""
    return {
        "backend": cell.series.backend,
        "series_size": cell.series.size,
        "batch_size": cell.series.batch_size,
        "repetition": cell.repetition,
        "workers": cell.workers,
        "trial": {
            **dataclasses.asdict(trial),
            "difference": None if trial.difference == float("inf") else trial.difference,
        },
    }


def adapted(cell: Cell, trial: Trial) -> Iterator[Mapping[str, Any]]:
    """Yield every change of the number of workers in use during a run, as JSON values.

    `at_s` is since the run began; 0 for what changed before: between two runs, or while this one
    warmed up.
    """
    for use in trial.uses:
        if use.is_change:
            yield {
                "at_s": use.at_s,
                "from": use.before,
                "to": use.workers,
                "reason": use.reason,
                "backend": cell.series.backend,
                "repetition": cell.repetition,
            }


def planned(plan: Plan) -> Mapping[str, Any]:
    """Return a plan as JSON values."""
    return dataclasses.asdict(plan)


def read_plan(payload: Mapping[str, Any]) -> Plan:
    """Return the plan that `planned` gave.

    Raises
    ------
    StoreError
        If it is damaged.
    """
    try:
        return Plan(
            workers=tuple(payload["workers"]),
            sizes=tuple(payload["sizes"]),
            mode=payload["mode"],
            backends=tuple(payload["backends"]),
            repeats=payload["repeats"],
            seed=payload["seed"],
            batch_sizes=tuple(payload.get("batch_sizes", ())),  # journals before these had none
            adaptive=bool(payload.get("adaptive", False)),
        )
    except (KeyError, TypeError, UsageError) as error:
        raise StoreError(f"the plan of this study is damaged: {error}") from error


def read_back(events: Iterable[EventRecord]) -> tuple[Plan | None, dict[Cell, Trial]]:
    """Return the last plan and every run of a stored study, in the order of measurement.

    Raises
    ------
    StoreError
        If an event is damaged.
    """
    plan: Plan | None = None
    done: dict[Cell, Trial] = {}
    for event in events:
        if event.kind == PLANNED:
            plan = read_plan(event.payload)
        elif event.kind == MEASURED:
            cell, trial = _run(event)
            done[cell] = trial
    return plan, done


def read_cluster(events: Iterable[EventRecord]) -> int | None:
    """Return how many workers the given cluster of a stored study has.

    0 where it was not known yet, None where no cluster was given.

    Raises
    ------
    StoreError
        If an event is damaged.
    """
    found: int | None = None
    for event in events:
        if event.kind == CLUSTER:
            found = event.payload.get("workers")
            if not (is_whole(found) and 0 <= found < LARGEST):
                raise StoreError(
                    f"event {event.seq} of this study is damaged: workers is {found!r:.60}"
                )
    return found


def read_curves(header: RunHeader, events: Iterable[EventRecord]) -> Mapping[Series, ScalingCurve]:
    """Return the curves of a stored study.

    Raises
    ------
    StoreError
        If the run is no study, or it is damaged.
    """
    if header.kind != STUDY:
        raise StoreError(f"run {header.id} is no scaling study but a {header.kind}")
    events = list(events)
    plan, done = read_back(events)
    told = header.document
    try:
        plan = plan or read_plan(told["plan"])
        return curves(
            plan,
            done,
            name=header.name,
            unit=str(told["unit"]),
            cores=int(told["cores"]),
            cluster_workers=read_cluster(events),
            tolerance=float(told["tolerance"]),
            machine=str(told.get("fingerprint", "")),
        )
    except (KeyError, OverflowError, TypeError, ValueError) as error:
        raise StoreError(f"study {header.id} is damaged: {error}") from error


def curves(
    plan: Plan,
    done: Mapping[Cell, Trial],
    *,
    cores: int,
    cluster_workers: int | None = None,
    **about: Any,
) -> Mapping[Series, ScalingCurve]:
    """Return a curve for each series of a plan, of the runs that are done.

    Parameters
    ----------
    plan, done
        What is to be measured, and what was.
    cores
        Of this machine.
    cluster_workers
        Of the given cluster, which Dask's series are of; 0 where that is not known yet, None
        where no cluster was given.
    **about
        What a `ScalingCurve` needs besides: name, unit, tolerance, machine.
    """
    there = cores
    if cluster_workers is not None:  # as long as it is not known, no level is beyond it
        there = cluster_workers or max(plan.workers)
    series = dict.fromkeys([*plan.series, *(cell.series for cell in done)])
    return {
        one: ScalingCurve(
            backend=one.backend,
            mode=plan.mode,
            adaptive=plan.adaptive,
            cores=there if one.backend == "dask" else cores,
            on_cluster=cluster_workers is not None and one.backend == "dask",
            trials=tuple(trial for cell, trial in done.items() if cell.series == one),
            **about,
        )
        for one in series
    }


def _run(event: EventRecord) -> tuple[Cell, Trial]:
    payload = event.payload
    try:
        batch_size = payload.get("batch_size")
        series = Series(
            backend=str(payload["backend"]),
            size=int(payload["series_size"]),
            batch_size=None if batch_size is None else int(batch_size),
        )
        cell = Cell(
            series=series,
            repetition=int(payload["repetition"]),
            workers=int(payload["workers"]),
        )
        told = dict(payload["trial"])
        shares = told.pop("shares")
        told["difference"] = float("inf") if told["difference"] is None else told["difference"]
        uses = tuple(_checked(Use(**use)) for use in told.pop("uses", ()))
        shares = None if shares is None else _checked(TimeShares(**shares))
        trial = _possible(_checked(Trial(**told, shares=shares, uses=uses)))
    except (KeyError, OverflowError, TypeError, ValueError) as error:
        raise StoreError(f"event {event.seq} of this study is damaged: {error}") from error
    return cell, trial


def _checked(made: _T) -> _T:
    """Return what was read if its values are of the types it declares; a store may be a file's.

    Raises
    ------
    ValueError
        If one is not.
    """
    for name, fits in _FIELDS[type(made)].items():
        value = getattr(made, name)
        if not any(fit(value) for fit in fits):
            raise ValueError(f"{name} is {value!r:.60}")
    return made


def _possible(trial: Trial) -> Trial:
    """Return a run whose figures there can be; raise a ValueError for others."""
    counts = (trial.workers, trial.size, *(use.workers for use in trial.uses))
    looks_s = [use.at_s for use in trial.uses]
    if not (
        min(counts) >= 1
        and 0 <= (trial.time_s or 0.0) < float("inf")
        and (trial.peak_memory_bytes or 0) >= 0
        and all(at_s >= 0 for at_s in looks_s)
        and looks_s == sorted(looks_s)
    ):
        raise ValueError("workers, items, times and memory must be positive, looks in order")
    return trial
