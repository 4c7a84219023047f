"""A storm: races with bad candidates, killed workers, moving knobs, and what must still hold."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import numpy as np
import psutil

import parbench_lab as pb
from parbench_lab.racing.journal import replay
from parbench_lab.store import open_store
from tests.chaos.candidates import MISDEEDS, Sometimes, Summing, good, slower, slowest
from tests.workers import own_workers

RACE_S = 10.0
HONEST = ("good", "slower", "slowest")


def run_chaos(*, seconds: float, seed: int) -> Iterator[str]:
    """Run races until about `seconds` are spent; yield a line for each.

    Raises
    ------
    AssertionError
        If an invariant does not hold; the message names the race's own seed.
    """
    rng = np.random.default_rng(seed)
    end = time.monotonic() + seconds
    first = True
    before: tuple[int, int, int] | None = None
    while first or time.monotonic() < end:
        race_seed = int(rng.integers(2**31))
        yield one_race(race_seed)
        if first:
            before = resources()  # after the first race: imports and pools are there
            first = False
    assert before is not None
    after = resources()
    assert after <= before, f"seed {seed}: threads, processes, files grew {before} -> {after}"


def resources() -> tuple[int, int, int]:
    """Return the numbers of threads, child processes and open files."""
    process = psutil.Process()
    return threading.active_count(), len(process.children(recursive=True)), process.num_fds()


def one_race(seed: int) -> str:
    """Race honest and bad candidates through a storm; return a line about it."""
    rng = np.random.default_rng(seed)
    bad = list(rng.choice(sorted(MISDEEDS), size=3, replace=False))
    candidates = [pb.Candidate(name=f.__name__, function=f) for f in (good, slower, slowest)]
    candidates += [bad_candidate(name, rng) for name in bad]
    store = open_store(":memory:")
    with pb.ParallelBenchmarking(
        candidates,
        Summing(),
        store=store,
        seed=seed,
        check_every=1,
        timeout_s=1.0,
        memory_limit_bytes=1 << 30,
        n_workers=2,
    ) as bench:
        bench.start()
        done = make_weather(bench, rng)
        bench.resume()
        bench.change(max_concurrent=2, tolerance=0.02, elimination_threshold=1000.0)
        assert bench.wait("decided", timeout_s=120), f"seed {seed}: hangs ({bench.scoreboard})"
        result = bench.stop()
    check_result(result, seed)
    check_replay(store, result, bench, seed)
    store.close()
    return f"seed {seed}: {', '.join(bad)}; {done}; {result.sentence}"


def bad_candidate(name: str, rng: np.random.Generator) -> pb.Candidate:
    chance = float(rng.choice([0.02, 0.2, 1.0]))
    misdeed = Sometimes(MISDEEDS[name], chance, int(rng.integers(2**31)))
    return pb.Candidate(name=f"bad_{name}", function=misdeed)


def make_weather(bench: pb.ParallelBenchmarking, rng: np.random.Generator) -> str:
    """Do random things to a running race for a while; return what was done."""
    kinds = ("kill", "batch", "tolerance", "threshold", "concurrent", "pause", "add", "drop")
    done: dict[str, int] = {}
    end = time.monotonic() + RACE_S
    while time.monotonic() < end:
        bench.wait("finished", timeout_s=float(rng.uniform(0.1, 1.5)))
        kind = str(rng.choice(kinds))
        done[kind] = done.get(kind, 0) + 1
        do(bench, kind, rng)
    return " ".join(f"{kind}={count}" for kind, count in sorted(done.items()))


def do(bench: pb.ParallelBenchmarking, kind: str, rng: np.random.Generator) -> None:
    match kind:
        case "kill":
            kill_a_worker(rng)
        case "batch":
            bench.change(batch_size=int(rng.choice([100, 1000, 10_000])))
        case "tolerance":
            bench.change(tolerance=float(rng.choice([0.0, 0.01, 0.05, 0.2])))
        case "threshold":
            bench.change(elimination_threshold=float(rng.choice([20.0, 1000.0, 1e6])))
        case "concurrent":
            bench.change(max_concurrent=int(rng.integers(1, 3)))
        case "pause":
            bench.pause()
            bench.wait("finished", timeout_s=0.2)
            bench.resume()
        case "add":
            bench.add(pb.Candidate(name="slowest", function=slowest))
        case "drop":
            bench.drop("slowest")


def kill_a_worker(rng: np.random.Generator) -> None:
    workers = own_workers()
    if workers:
        victim = workers[int(rng.integers(len(workers)))]
        try:
            os.kill(victim.pid, signal.SIGKILL)
        except ProcessLookupError:
            return


def check_result(result: pb.RaceResult, seed: int) -> None:
    """No candidate pays for another's fault, and the right one wins."""
    for standing in result.scoreboard.standings:
        if standing.candidate.split(" #")[0] in HONEST:
            assert standing.failures == 0, f"seed {seed}: {standing}"
    assert result.scoreboard.leader == "good" or result.scoreboard.leader.startswith("bad_"), (
        f"seed {seed}: {result.sentence}"
    )
    good_one = result.scoreboard.of("good")
    assert good_one.verdict.value in ("leader", "equal", "undecided"), f"seed {seed}: {good_one}"


def check_replay(store, result, bench, seed: int) -> None:
    """The journal gives the same verdicts again."""
    again = bench.fresh_state()
    found = replay(store.events(result.run_id), again)
    assert not found.mismatches, f"seed {seed}: {found.mismatches[:3]}"
