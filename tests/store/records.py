"""Runs, events and measurements for the tests of the store."""

from __future__ import annotations

from parbench_lab.core.ports import EventRecord, MeasurementRow, RunHeader

STARTED_UTC = "2026-11-21T02:13:09+00:00"


def header(run_id: str, *, started_utc: str = STARTED_UTC, **document: object) -> RunHeader:
    return RunHeader(
        id=run_id, kind="race", name="sorting", started_utc=started_utc, document=document
    )


def event(seq: int, *, n_measurements: int = 0) -> EventRecord:
    measurements = tuple(measurement(seq, slot) for slot in range(n_measurements))
    return EventRecord(
        seq=seq,
        at_s=seq / 8,
        kind="TaskEnded",
        payload={"task": seq, "worker": "w0", "blocks": [[seq, 0.001]], "suspicion": None},
        measurements=measurements,
    )


def measurement(block: int, slot: int, **values: float) -> MeasurementRow:
    return MeasurementRow(
        block=block,
        slot=slot,
        epoch=0,
        candidate=f"candidate_{slot % 5}",
        copy=0,
        size=1000,
        worker="w0",
        outcome="ok",
        warm_up=False,
        checked=False,
        repeats=3,
        values=values
        or {
            "wall_time_s": 1.25e-3 * (slot + 1) / 3,
            "cpu_time_s": 1.2e-3,
            "peak_rss_growth_bytes": 4096.0 * slot,
            "peak_rss_bytes": 1e8 + slot,
        },
    )
