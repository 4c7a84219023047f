"""What the engine costs: duty cycle, a second worker's worth, memory, snapshots, import time.

Duty cycle is the time inside candidates over workers times wall time. What is told first is that
of a race under way (from `WARM_S` on, when tasks have grown); the whole race has its start in it,
and loses the task that was under way at its end.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import time
import tracemalloc

import numpy as np

import parbench_lab as pb
from parbench_lab.hardware.cores import available_cores

SECONDS = 20.0
WARM_S = 5.0


class Spinning:
    """A workload whose candidates only spend time."""

    name = "spinning"

    def make_case(self, size, rng):
        return size

    def check(self, case, result):
        if result != case:
            raise ValueError("wrong")


def spinner(seconds, label):
    def spin(case):
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            pass
        return case

    return pb.Candidate(name=f"spin_{label}", function=spin)


def race(seconds, *, workers, **knobs):
    """Return the last scoreboard of five equal spinners that are never eliminated, and the duty
    cycle from `WARM_S` to the last full second.
    """
    candidates = [spinner(seconds, label) for label in "abcde"]
    bench = pb.ParallelBenchmarking(
        candidates,
        Spinning(),
        policy="never",
        store=":memory:",
        n_workers=workers,
        max_concurrent=workers,
        tolerance=0.0,
        **knobs,
    )

    def spent(state):
        return state.at_s, state.inside_s, state.worker_s

    with bench:
        bench.limit(SECONDS)
        bench.start()
        looks = []
        while not bench.wait("finished", timeout_s=1.0):
            looks.append(bench._engine.look(spent))
        warm = [look for look in looks if look[0] >= WARM_S]
        steady = (warm[-1][1] - warm[0][1]) / (warm[-1][2] - warm[0][2])
        return bench.scoreboard, steady


def engine_duty() -> None:
    quick = {"canary_every": 0, "check_every": 100, "interference_every_s": 0.0}
    workers = min(2, available_cores())
    for seconds, knobs, target, wanted in ((0.02, {}, 0.95, 1.8), (0.001, quick, 0.85, 1.5)):
        board, steady = race(seconds, workers=workers, **knobs)
        print(
            f"duty cycle, five candidates of {1000 * seconds:g} ms on {workers} workers: "
            f"{steady:.3f} (target {target}); {board.duty_cycle:.3f} over the whole {SECONDS:g} s"
        )
        one, _ = race(seconds, workers=1, **knobs)
        if workers == 2:
            gain = (board.blocks / board.elapsed_s) / (one.blocks / one.elapsed_s)
            print(f"  two workers do {gain:.2f} times the blocks/s of one (target {wanted})")


def bare_dask_duty() -> None:
    """The same 20 ms and 1 ms, five in a task of 100 ms, through nothing but Dask."""
    from distributed import Client, LocalCluster, as_completed

    def spin_task(seconds, n, _index):
        end = time.perf_counter() + seconds * n
        while time.perf_counter() < end:
            pass
        return seconds * n

    workers = min(2, available_cores())
    with (
        LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address=":0", host="127.0.0.1"
        ) as cluster,
        Client(cluster) as client,
    ):
        for seconds in (0.02, 0.001):
            count = round(0.1 / seconds)
            start = time.perf_counter()
            inside, sent = 0.0, 2 * workers
            running = as_completed(
                [client.submit(spin_task, seconds, count, i, pure=False) for i in range(sent)]
            )
            for future in running:
                inside += future.result()
                if time.perf_counter() - start < SECONDS:
                    running.add(client.submit(spin_task, seconds, count, sent, pure=False))
                    sent += 1
            duty = inside / workers / (time.perf_counter() - start)
            print(f"bare Dask, tasks of {count} x {1000 * seconds:g} ms: duty cycle {duty:.3f}")


def scripted_seconds(rng, case, block):
    return 0.01 * float(np.exp(rng.normal(0, 0.05)))


def simulated_memory() -> None:
    """The client's memory over 100 000 blocks of a simulated executor.

    What grows with time, and only up to a bound, is the thinned snapshots that plots are drawn
    from: they are let go of at the end, to see what remains.
    """
    import numpy.ma  # noqa: F401 - numpy loads it at some later moment, once

    from parbench_lab.testing import ScriptedExecutor

    names = ["a", "b", "c"]
    with pb.ParallelBenchmarking(
        [pb.Candidate(name=name, function=abs) for name in names],
        Spinning(),
        policy="never",
        store=":memory:",
        executor=ScriptedExecutor(dict.fromkeys(names, scripted_seconds)),
        tolerance=0.0,
    ) as bench:
        tracemalloc.start()
        bench.start()
        early_mb, few = traced_mb(bench, measurements=30_000)
        late_mb, many = traced_mb(bench, measurements=300_000)
        bench.stop()
        stopped_mb = tracemalloc.get_traced_memory()[0] / 1e6
        bench._engine._recorder._boards.clear()
        gc.collect()
        each_mb = (stopped_mb - tracemalloc.get_traced_memory()[0] / 1e6) / many
    tracemalloc.stop()
    print(
        f"client memory after 10 000 and 100 000 blocks: {early_mb:.1f} and {late_mb:.1f} MB; "
        f"without the {few} and {many} snapshots kept for plots (600 at most): "
        f"{early_mb - few * each_mb:.2f} and {late_mb - many * each_mb:.2f} MB"
    )


def traced_mb(bench: pb.ParallelBenchmarking, *, measurements: int) -> tuple[float, int]:
    """Return the megabytes in use once so much was measured, and how many snapshots are kept."""
    bench._engine.wait_for(lambda state: state.measurements >= measurements)
    with bench._engine._lock:  # the race stands still meanwhile
        gc.collect()
        return tracemalloc.get_traced_memory()[0] / 1e6, len(bench._engine.boards)


def snapshot_cost() -> None:
    """A scoreboard of 50 candidates, and a change of settings, in a simulated race."""
    from parbench_lab.racing.scoreboard import snapshot
    from tests.racing.simulation import Simulation, timed

    world = Simulation({f"c{i:02d}": timed(0.01 * (1 + i / 500)) for i in range(50)})
    costs_s = []
    for count in range(40, 90):
        world.run(until=world.judged(count))
        start = time.perf_counter()
        snapshot(world.state)
        costs_s.append(time.perf_counter() - start)
    print(f"scoreboard of 50 candidates: {1000 * float(np.median(costs_s)):.2f} ms (target 2)")


def block_cost() -> None:
    """All that the race does about a block of 200 candidates, until the next one is sent."""
    from tests.racing.simulation import Simulation, timed

    runs = {f"c{i:03d}": timed(0.001 * (1 + i / 2000)) for i in range(200)}
    world = Simulation(runs, challenge_every=0, policy="never")
    costs_s = []
    for count in range(20, 80):
        world.run(until=world.judged(count))
        start = time.perf_counter()
        world.run(until=world.judged(count + 1))
        costs_s.append(time.perf_counter() - start)
    print(f"a block of 200 candidates: {1000 * float(np.median(costs_s)):.1f} ms (target 20)")


def change_cost() -> None:
    """How long `change` keeps its caller while a real race runs."""
    candidates = [spinner(0.001, label) for label in "abcde"]
    with pb.ParallelBenchmarking(
        candidates, Spinning(), policy="never", store=":memory:", tolerance=0.0
    ) as bench:
        bench.start()
        bench.wait("first_rows", timeout_s=60)
        costs_s = []
        for index in range(50):
            start = time.perf_counter()
            bench.change(tolerance=0.001 * index, batch_size=1000 + index % 2)
            costs_s.append(time.perf_counter() - start)
            bench.wait("finished", timeout_s=0.05)
    print(f"a change keeps its caller {1000 * max(costs_s):.1f} ms at most (target 50)")


def import_time() -> None:
    code = (
        "import sys, time; t = time.perf_counter(); import parbench_lab; "
        "s = time.perf_counter() - t; "
        "names = ('dask', 'bokeh', 'ipywidgets', 'pandas', 'scipy'); "
        "print(s, *[name for name in names if name in sys.modules])"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        for _ in range(5)
    ]
    words = [run.stdout.split() for run in runs]
    best = min(float(w[0]) for w in words)
    print(f"import parbench_lab: {best:.3f} s (target 0.15), loads {words[0][1:]}")


def main() -> None:
    import_time()
    snapshot_cost()
    block_cost()
    change_cost()
    engine_duty()
    bare_dask_duty()
    simulated_memory()
