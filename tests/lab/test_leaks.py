"""The same race again and again: nothing grows.

The suite runs `RACES_ON_ONE_CLUSTER` races on one given cluster; ``PARBENCH_RACES=200 pytest
tests/lab/test_leaks.py`` runs 200.
"""

from __future__ import annotations

import contextlib
import gc
import os
from dataclasses import dataclass

import psutil
import pytest
from distributed import Client, LocalCluster

import parbench_lab as pb
from tests.chaos.candidates import Summing, spend

RACES_ON_ONE_CLUSTER = int(os.environ.get("PARBENCH_RACES", "25"))
SETTLED_AFTER = 8
"""Races after which imports, pools and the sessions that workers keep are all there."""


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


def resources():
    gc.collect()
    own = psutil.Process()
    processes = [own, *own.children(recursive=True)]
    connections = [c for p in processes for c in p.net_connections(kind="inet")]
    return Resources(
        processes=len(processes),
        threads=sum(process.num_threads() for process in processes),
        descriptors=sum(process.num_fds() for process in processes),
        ports=sum(c.status == psutil.CONN_LISTEN for c in connections),
    )


def tiny_race(cluster=None):
    """Run a race of about 20 measurements."""
    with pb.ParallelBenchmarking(
        [first, second, third], Summing(), store=":memory:", cluster=cluster, n_workers=None
    ) as bench:
        result = bench.run_continuous_optimization(max_seconds=60, max_measurements=20)
    assert result.status in ("decided", "undecided"), result.reason


def most_of(samples):
    """Return the most of each resource that was ever seen."""
    return Resources(
        processes=max(s.processes for s in samples),
        threads=max(s.threads for s in samples),
        descriptors=max(s.descriptors for s in samples),
        ports=max(s.ports for s in samples),
    )


@pytest.fixture(params=["a cluster object", "a client"])
def cluster(request):
    options = {"threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    with contextlib.ExitStack() as stack:
        found = stack.enter_context(LocalCluster(n_workers=2, **options))
        if request.param == "a client":
            found = stack.enter_context(Client(found, set_as_default=False))
        yield found


@pytest.mark.timeout(60 + 3 * RACES_ON_ONE_CLUSTER)
def test_many_races_on_one_cluster_leak_nothing(cluster):
    samples = []
    for _ in range(RACES_ON_ONE_CLUSTER):
        tiny_race(cluster)
        samples.append(resources())

    settled = most_of(samples[:SETTLED_AFTER])
    assert not samples[-1].exceeds(settled), samples[:: max(1, len(samples) // 10)]


def test_five_races_with_their_own_clusters_leak_nothing():
    samples = []
    for _ in range(5):
        tiny_race()
        samples.append(resources())

    assert not samples[-1].exceeds(most_of(samples[:2])), samples
    assert psutil.Process().children(recursive=True) == []
