"""The promises of `RunStore`, checked on any implementation."""

from __future__ import annotations

import contextlib
import functools
import math
import threading
from collections.abc import Callable, Iterator

from parbench_lab.core.ports import INTERRUPTED, EventRecord, MeasurementRow, RunHeader, RunStore
from parbench_lab.core.runs import ROOFLINE
from parbench_lab.errors import StoreError
from parbench_lab.testing.histories import check_histories

N_THREADS = 4
N_BATCHES = 10


def check_store(make_store: Callable[[], RunStore], *, persistent: bool = True) -> None:
    """Check the promises of `RunStore`; returns nothing where all of them hold.

    Parameters
    ----------
    make_store
        Opens a store, at one and the same place each time where it is persistent; the place is
        empty before the first time.
    persistent
        Whether what was written is there again after `close`.

    Raises
    ------
    AssertionError
        With the promise that is broken.

    Examples
    --------
    >>> from parbench_lab.store import open_store
    >>> check_store(lambda: open_store(":memory:"), persistent=False)
    """
    with contextlib.closing(make_store()) as store:
        _check_empty(store)
        _check_round_trip(store)
        _check_refusals(store)
        _check_end(store)
        _check_names(store)
        _check_threads(store)
        before = store.runs()
    store.close()
    _refused(store.runs, "a closed store answers")
    if persistent:
        with contextlib.closing(make_store()) as store:
            _expect(store.runs() == before, "runs are there again after a store was closed")
            _expect(tuple(store.events("check-1")) == _sample_events(), "and so are their events")
    with contextlib.closing(make_store()) as store:
        check_histories(store, _expect)


def _check_empty(store: RunStore) -> None:
    store.check_writable()
    _expect(tuple(store.runs()) == (), "a place where nothing was written has no runs")
    _refused(lambda: store.header("latest"), "the header of no run is returned")
    _refused(lambda: store.append("nobody", _sample_events()), "events of no run are taken")


def _check_round_trip(store: RunStore) -> None:
    header = _header(1)
    store.create_run(header)
    _expect(store.header(header.id) == header, "a header comes back as it was")
    _expect(tuple(store.events(header.id)) == (), "a new run has no events")
    store.append(header.id, _sample_events()[:1])
    store.append(header.id, ())
    store.append(header.id, _sample_events()[1:])
    _expect(tuple(store.events(header.id)) == _sample_events(), "events come back as they were")
    _expect(store.summary(header.id).status == "running", "a run that has not ended is running")


def _check_refusals(store: RunStore) -> None:
    before = tuple(store.events("check-1"))
    n = len(before)
    good = EventRecord(seq=n, at_s=9.0, kind="Ticked", payload={})
    for what, bad in (
        ("a gap in the numbers", EventRecord(seq=n + 2, at_s=9.0, kind="Ticked", payload={})),
        ("a number twice", EventRecord(seq=n, at_s=9.0, kind="Ticked", payload={})),
        (
            "a payload with NaN",
            EventRecord(seq=n + 1, at_s=9.0, kind="x", payload={"x": math.nan}),
        ),
        ("a time that is infinite", EventRecord(seq=n + 1, at_s=math.inf, kind="x", payload={})),
    ):
        _refused(functools.partial(store.append, "check-1", [good, bad]), f"{what} is taken")
    _refused(lambda: store.create_run(_header(1)), "an id is taken twice")
    _expect(tuple(store.events("check-1")) == before, "what is refused leaves nothing behind")


def _check_end(store: RunStore) -> None:
    store.create_run(_header(2))
    store.finish_run("check-2", "finished", {"winner": "a", "sentence": "a won"})
    summary = store.summary("check-2")
    _expect(summary.status == "finished", "a run that has ended has its status")
    _expect(summary.result == {"winner": "a", "sentence": "a won"}, "and its result")
    _refused(lambda: store.append("check-2", _sample_events()), "a run that has ended goes on")
    _refused(lambda: store.finish_run("check-2", "failed", {}), "a run ends twice")
    store.create_run(_header(4))
    store.finish_run("check-4", INTERRUPTED, {"sentence": "the cluster was lost"})
    _expect(store.summary("check-4").status == INTERRUPTED, "an interrupted run says so")
    store.append("check-4", _sample_events())
    _expect(store.summary("check-4").status == "running", "an interrupted run may go on")
    _expect(store.summary("check-4").result is None, "and has no result then")
    store.finish_run("check-4", "finished", {"winner": "a"})
    _expect(store.summary("check-4").status == "finished", "and ends once more")


def _check_names(store: RunStore) -> None:
    store.create_run(_header(30, kind="scaling"))
    ids = ["check-1", "check-2", "check-4", "check-30"]
    _expect([run.id for run in store.runs()] == ids, "oldest first")
    _expect([run.id for run in store.runs(kind="scaling")] == ["check-30"], "runs of one kind")
    _expect(store.header("check-3").id == "check-30", "the beginning of an id is enough")
    store.create_run(_header(31, kind=ROOFLINE))
    _expect(store.summary("latest").id == "check-30", "latest is the newest run but for roofs")
    store.finish_run("check-31", "finished", {})
    ids.append("check-31")
    _expect([run.id for run in store.runs()] == ids, "roofs are runs, too")
    _refused(lambda: store.header("check"), "an ambiguous beginning is taken")
    _refused(lambda: store.events("elsewhere"), "an unknown id has events")


def _check_threads(store: RunStore) -> None:
    """Write runs from several threads at once, while another one reads."""
    errors: list[BaseException] = []

    def write(number: int) -> None:
        try:
            store.create_run(_header(number))
            for seq in range(N_BATCHES):
                store.append(f"check-{number}", [_tick(seq)])
                store.runs()
        except BaseException as error:  # noqa: BLE001 - carried over to the checking thread
            errors.append(error)

    threads = [threading.Thread(target=write, args=(100 + i,)) for i in range(N_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    _expect(not errors, f"several threads may write at once ({errors[:1]})")
    for number in range(100, 100 + N_THREADS):
        found = [event.seq for event in store.events(f"check-{number}")]
        _expect(found == list(range(N_BATCHES)), "no event of a thread is lost")


def _header(number: int, kind: str = "race") -> RunHeader:
    return RunHeader(
        id=f"check-{number}",
        kind=kind,
        name="moving_average",
        started_utc=f"2026-01-01T00:{number // 60:02}:{number % 60:02}+00:00",
        document={"seed": 7, "machine": {"fingerprint": "f00", "cpu_model": "Ω"}, "empty": {}},
    )


def _tick(seq: int) -> EventRecord:
    return EventRecord(seq=seq, at_s=seq / 7, kind="Ticked", payload={})


def _sample_events() -> tuple[EventRecord, ...]:
    return tuple(
        EventRecord(
            seq=seq,
            at_s=seq * 0.1,
            kind="TaskEnded",
            payload={"blocks": [[seq, 1e-9]], "suspicion": None, "worker": "arbeiter-ß"},
            measurements=tuple(_sample_measurements(seq)),
        )
        for seq in range(3)
    )


def _sample_measurements(block: int) -> Iterator[MeasurementRow]:
    """Yield as many measurements as the block's number: none for the first."""
    for slot in range(block):
        yield MeasurementRow(
            block=block,
            slot=slot,
            epoch=1,
            candidate=f"naïve {slot}",
            copy=slot % 2,
            size=1000,
            worker="arbeiter-ß",
            outcome="failed" if slot else "ok",
            warm_up=slot == 0,
            checked=slot == 1,
            repeats=3,
            values={} if slot else {"wall_time_s": 0.1 + 0.2, "abs_error": 1e-300},
            digest="d1ce",
            message="not even text: \ud800\0" if slot else "",
        )


def _expect(holds: bool, promise: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not holds:
        raise AssertionError(f"the store breaks a promise: {promise}")


def _refused(action: Callable[[], object], broken: str) -> None:
    try:
        action()
    except StoreError as error:
        _expect("\n" not in str(error), "every message is one line")
        return
    raise AssertionError(f"the store breaks a promise: {broken}")
