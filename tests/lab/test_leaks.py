"""The same race again and again: nothing grows.

The suite runs `RACES_ON_ONE_CLUSTER` races on one given cluster; ``PARBENCH_RACES=200 pytest
tests/lab/test_leaks.py`` runs 200.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import os
import subprocess
import threading
from dataclasses import dataclass

import psutil
import pytest
from distributed import Client, LocalCluster

import parbench_lab as pb
from parbench_lab.execution.processes import WorkerPlan, WorkerProcess
from tests.chaos.candidates import Summing, spend
from tests.workers import own_workers

RACES_ON_ONE_CLUSTER = int(os.environ.get("PARBENCH_RACES", "10"))
N_WORKERS = 2
MOST_POOLED = 4
"""Connections the scheduler keeps to a worker; two were seen in 220 races."""
SETTLED_AFTER = 3
"""Races after which imports, pools and the sessions that workers keep are all there; so few that
one descriptor a race is more than what may come on top by the last of ten."""
SPARE_DESCRIPTORS = 2 * N_WORKERS
"""A worker's own pool may keep a second connection to the scheduler; it too has two ends."""
LOOKED_AT = 3
"""Last races, of which the one that holds the least is compared with the first ones."""


def first(case):
    spend(0.0005)
    return case.sum()


def second(case):
    spend(0.0008)
    return case.sum()


def third(case):
    spend(0.001)
    return case.sum()


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What this process and its children hold."""

    processes: int
    threads: int
    descriptors: int
    ports: int

    def exceeds(self, other):
        """Return whether any of them is more than in the other."""
        return (
            self.processes > other.processes
            or self.threads > other.threads
            or self.descriptors > other.descriptors
            or self.ports > other.ports
        )


def resources(scheduler=None):
    """Return what is held, less what the pool of a scheduler in this process keeps open.

    Whenever Dask's scheduler asks a worker two things at the same time it opens a second
    connection, and keeps it for the next time: two descriptors, one at each end.
    """
    gc.collect()
    own = psutil.Process()
    processes = [own, *own.children(recursive=True)]
    pooled = 0 if scheduler is None else scheduler.rpc.open
    connections = [c for p in processes for c in p.net_connections(kind="inet")]
    return Resources(
        processes=len(processes),
        threads=sum(process.num_threads() for process in processes),
        descriptors=sum(process.num_fds() for process in processes) - 2 * pooled,
        ports=sum(c.status == psutil.CONN_LISTEN for c in connections),
    )


def tiny_race(cluster=None):
    """Run a race of about 20 measurements."""
    with pb.ParallelBenchmarking(
        [first, second, third], Summing(), store=":memory:", cluster=cluster, n_workers=None
    ) as bench:
        result = bench.run_continuous_optimization(max_seconds=60, max_measurements=20)
    assert result.status in ("decided", "undecided"), result.reason


def each(choose, samples):
    """Return the most or the least of each resource that was seen."""
    names = [field.name for field in dataclasses.fields(Resources)]
    return Resources(**{name: choose(getattr(s, name) for s in samples) for name in names})


def assert_settled(samples, *, settled_after, spare=0):
    """Assert that the last samples hold no more than the first ones; none is both.

    A leak never goes down again, so the least of the last few is looked at; `spare` descriptors
    may come on top.
    """
    settled_after = min(settled_after, len(samples) - LOOKED_AT)
    assert settled_after > 0, f"{len(samples)} races are too few"
    before = each(max, samples[:settled_after])
    after = each(min, samples[-LOOKED_AT:])
    allowed = dataclasses.replace(before, descriptors=before.descriptors + spare)
    assert not after.exceeds(allowed), (before, after, len(samples))


def grown(**steps):
    """Return what ten races would hold, each so much more than the last."""
    start = {"processes": 3, "threads": 20, "descriptors": 50, "ports": 4}
    return [
        Resources(**{name: held + steps.get(name, 0) * race for name, held in start.items()})
        for race in range(10)
    ]


def test_what_stays_the_same_is_no_leak():
    assert_settled(grown(), settled_after=SETTLED_AFTER)


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Resources)])
def test_one_more_of_anything_a_race_is_a_leak(name):
    with pytest.raises(AssertionError):
        assert_settled(grown(**{name: 1}), settled_after=SETTLED_AFTER)


def test_a_leak_of_one_descriptor_a_race_is_seen_beyond_what_may_come_on_top():
    with pytest.raises(AssertionError):
        assert_settled(grown(descriptors=1), settled_after=SETTLED_AFTER, spare=SPARE_DESCRIPTORS)


@pytest.fixture(params=["a cluster object", "a client"])
def cluster(request):
    """Yield a cluster with `N_WORKERS` workers, and its scheduler."""
    options = {"threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    with contextlib.ExitStack() as stack:
        found = stack.enter_context(LocalCluster(n_workers=N_WORKERS, **options))
        scheduler = found.scheduler
        if request.param == "a client":
            found = stack.enter_context(Client(found, set_as_default=False))
        yield found, scheduler


@pytest.mark.timeout(240 + 6 * RACES_ON_ONE_CLUSTER)
def test_many_races_on_one_cluster_leak_nothing(cluster):
    found, scheduler = cluster
    samples = []
    for _ in range(RACES_ON_ONE_CLUSTER):
        tiny_race(found)
        samples.append(resources(scheduler))

    assert_settled(samples, settled_after=SETTLED_AFTER, spare=SPARE_DESCRIPTORS)
    assert scheduler.rpc.open <= MOST_POOLED * N_WORKERS


def test_five_races_with_their_own_clusters_leak_nothing():
    samples = []
    for _ in range(5):
        tiny_race()
        samples.append(resources())

    assert_settled(samples, settled_after=2)
    assert own_workers() == []


def test_a_process_that_is_killed_while_it_ends_is_still_waited_for(tmp_path):
    codes = []
    for number in range(50):
        process = WorkerProcess(WorkerPlan(name=f"w{number}"), 0, tmp_path)
        process._popen = subprocess.Popen(
            ["sleep", "60"], stdin=subprocess.PIPE, start_new_session=True
        )
        waiter = threading.Thread(target=lambda p=process: codes.append(p.wait()))
        waiter.start()
        for _ in range(3):
            process.kill()
        waiter.join()
        assert process._popen.stdin.closed

    assert codes == [-9] * 50
