"""A history report over 1000 stored runs. The target is under 20 s, from the call to four files.

Beside it: the parts (reading the record with its change points, the columns of the figures), and
a report over a hundredth of the runs, which is what starting a kernel and loading libraries take.
"""

from __future__ import annotations

import resource
import tempfile
import time
from pathlib import Path

from parbench_lab.lab.record import load_record
from parbench_lab.plots import history_data
from parbench_lab.reports import render
from tests.reports.recorded import record_runs

CANDIDATES = tuple(f"candidate_{n}" for n in range(5))
RUNS = 1000


def seconds(function):
    start = time.perf_counter()
    found = function()
    return time.perf_counter() - start, found


def cpu_s():
    """Return CPU seconds of this process and of the kernels that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def recorded(folder: Path, n_runs: int) -> Path:
    place = folder / f"{n_runs}.db"
    record_runs(
        place, n_runs // 2, candidates=CANDIDATES, change_at=n_runs // 4, blocks=6
    )  # on two machines: half as many days
    return place


def report(folder: Path, n_runs: int) -> None:
    place = recorded(folder, n_runs)
    before_s = cpu_s()
    taken_s, made = seconds(lambda: render("history", {"store": str(place)}, folder / str(n_runs)))
    busy_s = cpu_s() - before_s
    size_mb = made.page.stat().st_size / 1e6
    ended = "failed" if made.failure else "finished"
    print(
        f"{n_runs} runs of {len(CANDIDATES)} candidates: report in {taken_s:.1f} s "
        f"({busy_s:.1f} s of CPU), page {size_mb:.1f} MB, {ended}"
    )
    read_s, record = seconds(lambda: load_record("", place))
    drawn_s, _ = seconds(lambda: history_data(record.points, record.marks))
    print(f"  of it: the record {read_s:.2f} s, the columns of its figures {drawn_s:.2f} s")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        report(Path(folder), RUNS // 100)
        report(Path(folder), RUNS)


if __name__ == "__main__":
    main()
