"""The benchmark database: measurements written a second, and a long history read.

``PARBENCH_ROWS`` is how many measurements the database for reading holds (10 million by default).
They are made by SQL (in minutes they would not be by the front door); the summaries of its 1000
runs are made as the store itself makes them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import os
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path

from parbench_lab.core.ports import RunStore
from parbench_lab.store import open_store
from tests.store.records import event, header

N_RUNS = 1000
N_CANDIDATES = 5
ROWS = int(float(os.environ.get("PARBENCH_ROWS", "1e7")))
MEASUREMENTS_PER_EVENT = 1000
TARGET_PER_S, TARGET_MS = 20_000, 100


def written(path: Path, *, batch: int, n: int = 100_000) -> str:
    """Return one line on writing batches of so many measurements, an event each."""
    sample = event(0, n_measurements=batch)
    batches = [[dataclasses.replace(sample, seq=seq)] for seq in range(n // batch)]
    with contextlib.closing(open_store(path)) as store:
        run_id = f"run-{batch}"
        store.create_run(header(run_id))
        begin_ns = time.perf_counter_ns()
        for records in batches:
            store.append(run_id, records)
        spent_s = (time.perf_counter_ns() - begin_ns) * 1e-9
        begin_ns = time.perf_counter_ns()
        store.finish_run(run_id, "finished", {})
        end_s = (time.perf_counter_ns() - begin_ns) * 1e-9
    return (
        f"batches of {batch:4}: {n / spent_s:9,.0f} measurements/s (target {TARGET_PER_S:,}); "
        f"end and summaries of {n:,}: {end_s:.2f} s"
    )


def filled(path: Path) -> float:
    """Make the database for reading; return how many seconds that took."""
    begin_ns = time.perf_counter_ns()
    per_run = ROWS // N_RUNS
    n_events = -(-per_run // MEASUREMENTS_PER_EVENT)
    with contextlib.closing(open_store(path)) as store:
        for number in range(N_RUNS):
            store.create_run(
                dataclasses.replace(
                    header(f"run-{number}", machine={"fingerprint": "f00"}),
                    started_utc=f"20{number // 300 + 20}-{number % 300 // 28 + 1:02}-"
                    f"{number % 28 + 1:02}T00:00:00+00:00",
                )
            )
        _measure(path, per_run, n_events)
        store.series(candidate="candidate_0", last=1)  # which catches up with all runs
    return (time.perf_counter_ns() - begin_ns) * 1e-9


def _measure(path: Path, per_run: int, n_events: int) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        numbers = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?)"
        connection.execute(
            f"{numbers} INSERT INTO event SELECT key, i, 0.0, 'TaskEnded', '{{}}' "
            "FROM run CROSS JOIN n ORDER BY key, i",
            (n_events,),
        )
        connection.execute(
            f"{numbers} INSERT INTO measurement SELECT key, i / ?, i % ?, i / ?, i % ?, 0, 0, "
            "1000, 1, 'candidate_' || (i % ?), 'w0', 'ok', '', 0, 0, "
            "0.001 * (1 + (i * 7919 + key * 104729) % 1000 / 1e5), NULL, NULL, 1e8, NULL, '' "
            "FROM run CROSS JOIN n ORDER BY key, i",
            (
                per_run, MEASUREMENTS_PER_EVENT, MEASUREMENTS_PER_EVENT, N_CANDIDATES,
                N_CANDIDATES, N_CANDIDATES,
            ),
        )  # fmt: skip
        connection.execute("COMMIT")


def asked(store: RunStore) -> float:
    """Return the milliseconds that a candidate's history takes, after a look that warms up."""
    spent_ms = []
    for _ in range(7):
        gc.collect()
        begin_ns = time.perf_counter_ns()
        points = store.series(workload="sorting", candidate="candidate_0")
        spent_ms.append((time.perf_counter_ns() - begin_ns) * 1e-6)
        assert len(points) == N_RUNS
    return statistics.median(spent_ms)


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        for batch in (50, 300, 1000):
            print(written(Path(folder) / "written.db", batch=batch))
        path = Path(folder) / "read.db"
        filled_s = filled(path)
        size_gib = path.stat().st_size / 2**30
        print(
            f"{ROWS:,} measurements of {N_RUNS} runs made in {filled_s:.0f} s, {size_gib:.2f} GiB"
        )
        with contextlib.closing(open_store(path)) as store:
            begin_ns = time.perf_counter_ns()
            store.series(workload="sorting", candidate="candidate_0")
            first_ms = (time.perf_counter_ns() - begin_ns) * 1e-6
            print(
                f"a candidate's history of {N_RUNS} runs: {asked(store):.0f} ms "
                f"(target {TARGET_MS}), {first_ms:.0f} ms on a fresh connection"
            )
            begin_ns = time.perf_counter_ns()
            store.series(candidate="candidate_0", last=30)
            print(f"the last 30 of it: {(time.perf_counter_ns() - begin_ns) * 1e-6:.0f} ms")
            begin_ns = time.perf_counter_ns()
            cells = store.matrix()
            spent_ms = (time.perf_counter_ns() - begin_ns) * 1e-6
            print(f"the matrix ({len(cells)} cells): {spent_ms:.0f} ms")


if __name__ == "__main__":
    main()
