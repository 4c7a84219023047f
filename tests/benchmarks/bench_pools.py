"""What pools cost: starts, round trips, an uneven set, a shared input, memory; side by side."""

from __future__ import annotations

import heapq
import time
from pathlib import Path

import numpy as np

from parbench_lab.execution.pools import BACKENDS, open_pool, probe_backends
from parbench_lab.hardware.cores import available_cores

WORKERS = min(2, available_cores())
TINY = 1000
ROUNDS = 3


def nothing(number):
    return number


def spun(seconds):
    """Use the processor for so long, whatever else runs; return nothing."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def proportional_bytes(pid):
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def timed(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def mapped_s(pool, function, items):
    return timed(lambda: list(pool.map(function, items)))


def starts_and_round_trips() -> None:
    print(
        f"{'backend':>10} {'open':>8} {'part':>9} {'close':>8}   ({WORKERS} workers, {TINY} parts)"
    )
    for backend in BACKENDS:
        start = time.perf_counter()
        pool = open_pool(backend, 1 if backend == "serial" else WORKERS)
        opened = time.perf_counter() - start
        took = min(mapped_s(pool, nothing, range(TINY)) for _ in range(ROUNDS))
        closed = timed(pool.close)
        print(f"{backend:>10} {opened:7.3f}s {took / TINY * 1e6:7.0f}us {closed:7.3f}s")


def uneven_set() -> None:
    """Tenfold uneven parts; ideal is the sum of what the parts really took over the workers.

    Beside it what the best order without foresight would have lost with these parts: whoever is
    free takes the next.
    """
    rng = np.random.default_rng(1)
    shapes = {
        "random": rng.uniform(0.01, 0.1, 40 * WORKERS),
        "one in ten": np.where(np.arange(40 * WORKERS) % 10 == 9, 0.1, 0.01),
    }
    for backend in ("processes", "dask"):
        pool = open_pool(backend, WORKERS)
        list(pool.map(spun, [0.001] * 4))
        for shape, seconds in shapes.items():
            losses, lasted, unavoidable = [], [], []
            for _ in range(ROUNDS):
                pool.take_spans()
                lasted.append(mapped_s(pool, spun, seconds))
                spans = sorted(pool.take_spans(), key=lambda span: span.start_ns)
                took = [(span.end_ns - span.start_ns) / 1e9 for span in spans]
                ideal = sum(took) / WORKERS
                losses.append(lasted[-1] / ideal - 1)
                unavoidable.append(greedy(took) / ideal - 1)
            print(
                f"{backend}, {shape}: {np.median(lasted):.3f} s, "
                f"{100 * np.median(losses):.1f} % over ideal balance (target 15 %; "
                f"{100 * np.median(unavoidable):.1f} % without any cost of a pool)"
            )
        pool.close()


def greedy(durations):
    free = [0.0] * WORKERS
    for duration in durations:
        heapq.heapreplace(free, free[0] + duration)
    return max(free)


def shared_input() -> None:
    large = np.ones(25_000_000)
    print(f"a shared input of {large.nbytes / 1e6:.0f} MB, 4 processes")
    pool = open_pool("processes", 4)
    list(pool.map(nothing, range(16)))
    pids = pool.process_ids()[1:]  # not this process
    base = sum(map(proportional_bytes, pids))
    first, second = (
        mapped_s(pool, lambda k: float(large[k::16].sum()), range(16)) for _ in range(2)
    )
    held = sum(map(proportional_bytes, pids)) - base
    pool.close()
    print(f"  first map {first:.3f} s, second {second:.3f} s")
    print(f"  workers hold {held / large.nbytes:.2f} times the input together (target 1.25)")


def probes() -> None:
    lists = list(range(20_000))
    array = np.random.default_rng(0).random(400_000)
    jobs = {
        "Python loop": lambda k: sum(x * k for x in lists),
        "numpy sort": lambda k: float(np.sort(array + k).sum()),
        "nothing": nothing,
    }
    for name, job in jobs.items():
        start = time.perf_counter()
        choice = probe_backends(job, range(4), n_workers=WORKERS)
        print(f"{name} ({time.perf_counter() - start:.2f} s): {choice.reason}")


def main() -> None:
    starts_and_round_trips()
    uneven_set()
    shared_input()
    probes()
