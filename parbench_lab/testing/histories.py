"""The promises of `RunStore` about figures: series, usage, curves, pruning and carrying."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from parbench_lab.core.estimate import Estimate
from parbench_lab.core.ports import EventRecord, MeasurementRow, RunHeader, RunStore
from parbench_lab.core.runs import WATCH, CurveRow, FitRow, RunRecord, UsageRow
from parbench_lab.core.series import SeriesPoint
from parbench_lab.errors import StoreError

_DAY = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
_RUNS = 4
_TIMES_S = (0.3, 0.1, 0.2, 0.5, 0.4, 0.6, 0.7)


def check_histories(store: RunStore, expect: Callable[[bool, str], None]) -> None:
    """Check on a store that may have other runs already.

    Parameters
    ----------
    store
        To be checked.
    expect
        Raises an `AssertionError` with the promise where that does not hold.

    Raises
    ------
    AssertionError
        By `expect`.
    """
    for number in range(_RUNS):
        _measure(store, number)
    _check_series(store, expect)
    _check_filters(store, expect)
    _check_matrix(store, expect)
    _check_unfinished(store, expect)
    _check_usage(store, expect)
    _check_curves(store, expect)
    _check_carrying(store, expect)
    _check_pruning(store, expect)
    _check_watches(store, expect)


def _measure(store: RunStore, number: int, *, ended: bool = True, kind: str = "race") -> str:
    run_id = f"history-{number}"
    machine = "here" if number % 2 == 0 else "there"
    store.create_run(
        RunHeader(
            id=run_id,
            kind=kind,
            name="histories",
            # later ones in the text of an earlier hour: only the instant counts
            started_utc=(_DAY + dt.timedelta(days=number))
            .astimezone(dt.timezone(dt.timedelta(hours=-number)))
            .isoformat(),
            document={
                "mode": "micro",
                "machine": {"fingerprint": machine, "cpu_model": machine},
                "git": {"commit": f"{number}abc", "dirty": number == 1},
                "candidates": [{"name": "quick"}, {"name": "never measured"}],
            },
        )
    )
    rows = tuple(_row(slot, time_s, number) for slot, time_s in enumerate(_TIMES_S))
    spoiled = (_row(7, 99.0, number, warm_up=True), _row(8, 99.0, number, outcome="wrong"))
    store.append(
        run_id,
        [
            EventRecord(
                seq=0, at_s=1.0, kind="TaskEnded", payload={}, measurements=(*rows, *spoiled)
            )
        ],
    )
    if ended:
        store.finish_run(run_id, "finished", {"winner": "quick"})
    return run_id


def _row(
    slot: int, time_s: float, number: int, *, warm_up: bool = False, outcome: str = "ok"
) -> MeasurementRow:
    return MeasurementRow(
        block=slot,
        slot=0,
        epoch=0,
        candidate="quick",
        copy=0,
        size=100,
        worker="w0",
        outcome=outcome,
        warm_up=warm_up,
        checked=False,
        repeats=1,
        values={"wall_time_s": time_s + number, "peak_rss_bytes": 1e6, "abs_error": 1e-9},
    )


def _points(store: RunStore, **wanted: Any) -> list[SeriesPoint]:
    return store.series(workload="histories", **wanted)


def _ids(found: Sequence[SeriesPoint]) -> list[str]:
    return [point.run_id for point in found]


def _check_series(store: RunStore, expect: Callable[[bool, str], None]) -> None:
    points = _points(store)
    expect(_ids(points) == [f"history-{i}" for i in range(_RUNS)], "series are oldest first")
    first, second = points[0], points[1]
    expect(first.median.point == 0.4, "a point is the median of what was judged")
    expect((first.median.low, first.median.high) == (0.1, 0.7), "with its interval")
    expect(first.median.n == len(_TIMES_S), "and the number of measurements")
    expect(first.peak_rss_bytes == 1e6 and first.p95 is None, "peak memory goes with it")
    expect(first.throughput == 100 / first.median.point, "and items per second")
    expect(first.key.machine == "here", "unlike machines never share a series")
    expect(first.key != second.key, "unlike machines never share a series")
    expect(first.started == _DAY, "a point knows when its run began")
    expect((second.commit, second.dirty) == ("1abc", True), "and its commit")
    errors = _points(store, metric="abs_error")
    expect(len(errors) == _RUNS and errors[0].throughput is None, "every metric has its series")


def _check_filters(store: RunStore, expect: Callable[[bool, str], None]) -> None:
    expect(_ids(_points(store, machine="there")) == ["history-1", "history-3"], "of a machine")
    expect(_ids(_points(store, commit="2a")) == ["history-2"], "of a commit's beginning")
    expect(_points(store, mode="batch") == [], "of a mode")
    expect(_points(store, candidate="never measured") == [], "of a candidate")
    expect(store.series(workload="histories", size=7) == [], "of a size")
    newest = store.series(workload="histories", last=1)
    expect(_ids(newest) == ["history-2", "history-3"], "the last of each series")
    before = store.series(workload="histories", last=1, skip=1)
    expect(_ids(before) == ["history-0", "history-1"], "and the page before")
    runs = store.runs(workload="histories", machine="here", mode="micro", last=1)
    expect([run.id for run in runs] == ["history-2"], "runs have the same filters")
    expect((runs[0].commit, runs[0].machine) == ("2abc", "here"), "and tell where they are from")
    pages = [store.runs(workload="histories", last=3, skip=skip) for skip in (0, 3)]
    expect([len(page) for page in pages] == [3, 1], "runs come in pages")


def _check_matrix(store: RunStore, expect: Callable[[bool, str], None]) -> None:
    cells = [cell for cell in store.matrix() if cell.workload == "histories"]
    expect(len(cells) == _RUNS, "the matrix has a cell for each commit and machine")
    expect({cell.candidate for cell in cells} == {"quick"}, "only of what has figures")
    expect(cells[0].runs == 1 and cells[0].newest == _DAY, "with the runs counted")


def _check_unfinished(store: RunStore, expect: Callable[[bool, str], None]) -> None:
    run_id = _measure(store, _RUNS, ended=False)
    expect(_ids(_points(store))[-1] == run_id, "a run that never ended is in the series")
    more = EventRecord(
        seq=1, at_s=2.0, kind="TaskEnded", payload={}, measurements=(_row(9, 0.0, 0),)
    )
    store.append(run_id, [more])
    expect(_points(store)[-1].median.n == len(_TIMES_S) + 1, "as far as it has come")
    store.finish_run(run_id, "stopped", {})


def _check_usage(store: RunStore, expect: Callable[[bool, str], None]) -> None:
    rows = tuple(
        UsageRow(at_s=float(i), source="w0", values={"cpu_percent": 99.5, "disk_bytes_per_s": 1e6})
        for i in range(3)
    )
    store.append_usage("history-0", rows[:1])
    store.append_usage("history-0", rows[1:])
    expect(tuple(store.usage("history-0")) == rows, "usage comes back as it was")
    expect(tuple(store.usage("history-1")) == (), "and is not that of another run")


def _check_curves(store: RunStore, expect: Callable[[bool, str], None]) -> None:
    estimate = Estimate(point=2.0, low=1.5, high=2.5, confidence=0.95, n=5)
    curve = {"backend": "threads", "scaling": "strong", "series_size": 1000}
    curves = [
        CurveRow(**curve, workers=2, size=1000, metric=metric, estimate=estimate)  # type: ignore[arg-type]
        for metric in ("time_s", "speedup")
    ]
    fits = [FitRow(**curve, law="usl", parameter="alpha", estimate=estimate)]  # type: ignore[arg-type]
    store.keep_curves("history-0", curves[:1])
    store.keep_curves("history-0", curves, fits)
    found = store.curves("history-0")
    expect((list(found[0]), list(found[1])) == (curves, fits), "curves are replaced as a whole")


def _check_carrying(store: RunStore, expect: Callable[[bool, str], None]) -> None:
    record = store.record("history-0")
    expect(store.take_in([record]).known == ("history-0",), "a run that is there is passed over")
    before = store.runs()
    other = _changed(record, "another")
    for bad in (_changed(record, "history-0", status="failed"), _changed(record, "two words")):
        expect(_is_refused(store, [other, bad]), "what contradicts a run or has no id is refused")
    expect(store.runs() == before, "what is refused leaves nothing behind")
    expect(store.take_in([other]).added == ("another",), "a run from elsewhere is taken in")
    expect(store.record("another") == other, "and is the same here")
    expect(store.header("another").taken_in, "but for that it came from elsewhere")
    expect(not store.header("history-0").taken_in, "which a run that was there did not")
    expect("another" in _ids(_points(store)), "with its series")


def _changed(record: RunRecord, run_id: str, **fields: str) -> RunRecord:
    return replace(record, header=replace(record.header, id=run_id), **fields)  # type: ignore[arg-type]


def _is_refused(store: RunStore, records: Sequence[RunRecord]) -> bool:
    try:
        store.take_in(records)
    except StoreError:
        return True
    return False


def _check_pruning(store: RunStore, expect: Callable[[bool, str], None]) -> None:
    ids = [run.id for run in store.runs()]
    store.pin("history-1")
    expect(store.summary("history-1").pinned, "a run can be pinned")
    would = [run.id for run in store.prune(keep=1, dry_run=True)]
    expect([run.id for run in store.runs()] == ids, "a dry run removes nothing")
    gone = [run.id for run in store.prune(keep=1)]
    expect(gone == would, "and tells what would go")
    left = [run.id for run in store.runs(workload="histories")]
    expect(left == ["history-1", "history-3", "history-4"], "the newest of each series stay")
    expect("history-0" not in _ids(_points(store)), "a removed run takes its figures along")
    old = [run.id for run in store.prune(before=_DAY + dt.timedelta(days=4))]
    expect("history-3" in old and "history-1" not in old, "age counts, and pins hold")
    store.pin("history-1", pinned=False)
    expect(not store.summary("history-1").pinned, "a pin can be taken off")
    unended = _measure(store, _RUNS + 1, ended=False)
    would = [run.id for run in store.prune(before=_DAY + dt.timedelta(days=99), dry_run=True)]
    expect("history-1" in would and unended not in would, "a run that has not ended has no age")


def _check_watches(store: RunStore, expect: Callable[[bool, str], None]) -> None:
    cells = store.matrix()
    night = _measure(store, _RUNS + 2, kind=WATCH)
    expect(night not in _ids(_points(store)), "a watch's night is no point of a series")
    expect(store.matrix() == cells, "and in no cell of the matrix")
    expect(_ids(_points(store, kind=WATCH)) == [night], "unless it is asked for")
