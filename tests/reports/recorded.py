"""Runs in a store, without anything being measured."""

from __future__ import annotations

import datetime as dt

import numpy as np

from parbench_lab.core.runs import EventRecord, MeasurementRow, RunHeader
from parbench_lab.store import open_store

FIRST_DAY = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
EVIL = '<img src=x onerror="window.pwned=1">'


def machine(name):
    return {"cpu_model": f"CPU {name}", "fingerprint": name}


def record_runs(
    place,
    n_runs,
    *,
    candidates=("loop", "windows"),
    machines=("aaaa", "bbbb"),
    change_at=None,
    blocks=7,
    workload="sorting",
):
    """Write a run a day and machine; the first candidate is a quarter slower from `change_at`."""
    rng = np.random.default_rng(0)
    store = open_store(place)
    for day in range(n_runs):
        for name in machines:
            run_id = f"run-{name}-{day:04d}"
            store.create_run(header(run_id, day, name, candidates, workload=workload))
            rows = [
                row(candidate, slot, block, level_s(slot, day, change_at) * rng.lognormal(0, 0.02))
                for block in range(blocks)
                for slot, candidate in enumerate(candidates)
            ]
            record = EventRecord(
                seq=0, at_s=1.0, kind="TaskEnded", payload={}, measurements=tuple(rows)
            )
            store.append(run_id, [record])
            store.finish_run(run_id, "finished", {"winner": candidates[0]})
    store.close()


def level_s(slot, day, change_at):
    changed = slot == 0 and change_at is not None and day >= change_at
    return 1e-3 * (slot + 1) * (1.25 if changed else 1.0)


def header(run_id, day, name, candidates, *, workload="sorting", kind="race"):
    return RunHeader(
        id=run_id,
        kind=kind,
        name=workload,
        started_utc=(FIRST_DAY + dt.timedelta(days=day)).isoformat(),
        document={
            "mode": "batch",
            "machine": machine(name),
            "git": {"commit": f"{day:04d}abcdef", "dirty": False},
            "candidates": [{"name": candidate} for candidate in candidates],
        },
    )


def row(candidate, slot, block, seconds):
    return MeasurementRow(
        block=block,
        slot=slot,
        epoch=0,
        candidate=candidate,
        copy=0,
        size=1000,
        worker="w",
        outcome="ok",
        warm_up=False,
        checked=False,
        repeats=1,
        values={"wall_time_s": float(seconds)},
    )


REGRESSION = "loop (wall_time_s): regression, 1.20 times the baseline's cost"


def record_alarm(place, day, verdict="regression", *, level_s=1.2e-3, sentence=REGRESSION):
    """Write a watch's night with a verdict on the first candidate."""
    store = open_store(place)
    run_id = f"watch-{day:04d}"
    store.create_run(header(run_id, day, "aaaa", ("loop",), kind="watch"))
    rows = tuple(row("loop", 0, block, level_s) for block in range(7))
    store.append(
        run_id,
        [EventRecord(seq=0, at_s=1.0, kind="WatchRound", payload={}, measurements=rows)],
    )
    told = {
        "candidate": "loop",
        "metric": "wall_time_s",
        "verdict": verdict,
        "sentence": sentence,
    }
    store.finish_run(run_id, "finished", {"series": [told], "watch": {"size": 1000}})
    store.close()
