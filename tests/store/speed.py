"""How fast measurements are written and read: ``python -m tests.store.speed``."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import tempfile
import time
from pathlib import Path

from parbench_lab.store import open_store
from tests.store.records import event, header

N_MEASUREMENTS = 30_000


def speed(location: Path | str, *, batch: int) -> str:
    """Return one line on writing in batches of so many measurements, and on reading them."""
    n_batches = N_MEASUREMENTS // batch
    sample = event(0, n_measurements=batch)
    batches = [[dataclasses.replace(sample, seq=seq)] for seq in range(n_batches)]
    with contextlib.closing(open_store(location)) as store:
        run_id = f"speed-{batch}"
        store.create_run(header(run_id))
        spent_s = []
        cpu_s = time.process_time()
        for records in batches:
            begin_ns = time.perf_counter_ns()
            store.append(run_id, records)
            spent_s.append((time.perf_counter_ns() - begin_ns) * 1e-9)
        cpu_s = time.process_time() - cpu_s
        begin_ns = time.perf_counter_ns()
        n_read = sum(len(record.measurements) for record in store.events(run_id))
        read_s = (time.perf_counter_ns() - begin_ns) * 1e-9
    n = n_batches * batch
    return (
        f"batches of {batch:4}: {n / sum(spent_s):7.0f} measurements/s written "
        f"({cpu_s / n * 1e6:4.1f} us of CPU each; batch {sum(spent_s) / n_batches * 1e3:.2f} ms, "
        f"worst {max(spent_s) * 1e3:.1f} ms), {n_read / read_s:7.0f}/s read"
    )


def main() -> None:
    """Write the figures for a file and for memory."""
    with tempfile.TemporaryDirectory() as folder:
        for place in (Path(folder) / "runs.db", ":memory:"):
            for batch in (1, 10, 50, 300, 1000):
                name = place if isinstance(place, str) else "file"
                sys.stdout.write(f"{name:8} {speed(place, batch=batch)}\n")


if __name__ == "__main__":
    main()
