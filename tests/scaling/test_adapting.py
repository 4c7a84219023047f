"""Adaptive workers: the decision by simulation, the map with a load that the test says."""

import contextlib
import itertools

import numpy as np
import pytest

from parbench_lab.errors import UsageError
from parbench_lab.execution.pools import open_pool
from parbench_lab.scaling.adapting import LOOKS_DOWN, LOOKS_UP, PERIOD_S, AdaptiveMap, Steering
from tests.scaling.pools import CountingPool


def workers_over(free_cores, *, most=8, workers=8):
    """Return how many workers are in use after each look."""
    looks = itertools.accumulate(
        free_cores, Steering.seen, initial=Steering(most=most, workers=workers)
    )
    return [steering.workers for steering in looks][1:]


def test_a_load_that_flickers_changes_nothing():
    rng = np.random.default_rng(0)

    used = workers_over(8.0 - np.abs(rng.normal(0.0, 0.25, 2000)))
    spikes = workers_over([8.0, 2.0] * 500)

    assert set(used) == {8}
    assert set(spikes) == {8}


def test_workers_give_way_within_two_looks_and_come_back_within_four():
    used = workers_over([8.0] * 5 + [3.0] * 10 + [8.0] * 10)

    assert used.index(3) == 5 + LOOKS_DOWN - 1
    assert used[15:].index(8) == LOOKS_UP - 1


def test_on_noise_around_any_level_the_workers_settle_near_what_is_free():
    rng = np.random.default_rng(1)
    for free in np.arange(0.5, 8.1, 0.25):
        used = workers_over(free + rng.normal(0.0, 0.15, 400))[20:]

        assert abs(np.mean(used) - max(1.0, free)) <= 0.75
        assert np.count_nonzero(np.diff(used)) <= 4


def test_there_is_always_one_worker_and_never_more_than_allowed():
    assert workers_over([-3.0] * 4, workers=4)[-1] == 1
    assert workers_over([99.0] * 8, most=4, workers=1)[-1] == 4
    with pytest.raises(UsageError, match="from 1 to 4"):
        Steering(most=4, workers=5)


@pytest.fixture
def pool():
    made = CountingPool([], "threads", 4)
    yield made
    made.close()


def test_between_parts_the_map_looks_at_the_load_and_tells_the_pool(pool):
    clock = itertools.count(0.0, PERIOD_S)
    adaptive = AdaptiveMap(pool, others_cores=lambda: 2.0, cores=4, clock_s=lambda: next(clock))
    adaptive.begin()

    assert list(adaptive(abs, range(20))) == list(range(20))
    assert pool.used == [2]
    first, change = adaptive.end()
    assert (first.before, first.workers, first.reason) == (4, 4, "")
    assert (change.before, change.workers) == (4, 2)
    assert change.reason == "others use 2.0 of 4 cores"
    assert change.at_s > 0.0


def test_what_had_come_late_is_told_as_by_the_pools_own_map():
    with contextlib.closing(open_pool("threads", 2)) as threads:
        results = AdaptiveMap(threads, others_cores=lambda: None, cores=4)(abs, range(-20, 0))

        first, late = next(results), results.late()

    assert first == 20
    assert late == {number: 20 - number for number in late}
    assert list(results) == []


def test_what_changed_between_two_runs_is_told_at_the_begin_of_the_second(pool):
    clock = itertools.count(0.0, PERIOD_S)
    load = [0.0]
    adaptive = AdaptiveMap(
        pool, others_cores=lambda: load[0], cores=4, clock_s=lambda: next(clock)
    )
    adaptive.begin()
    adaptive.end()
    load[0] = 3.0
    list(adaptive(abs, range(20)))  # a run that is not measured

    adaptive.begin()
    (first,) = adaptive.end()

    assert (first.before, first.workers) == (4, 1)
    assert first.reason == "others use 3.0 of 4 cores"


def test_changes_before_a_run_that_cancel_out_are_told_each(pool):
    clock = itertools.count(0.0, PERIOD_S)
    load = [2.0]
    adaptive = AdaptiveMap(
        pool, others_cores=lambda: load[0], cores=4, clock_s=lambda: next(clock)
    )
    list(adaptive(abs, range(LOOKS_DOWN)))  # a run that is not measured
    load[0] = 0.0
    list(adaptive(abs, range(LOOKS_UP)))

    adaptive.begin()
    uses = adaptive.end()

    assert pool.used == [2, 4]
    assert [(use.at_s, use.before, use.workers) for use in uses] == [(0.0, 4, 2), (0.0, 2, 4)]
    assert [use.reason for use in uses] == [
        "others use 2.0 of 4 cores",
        "others use 0.0 of 4 cores",
    ]


def test_where_the_load_is_not_known_all_workers_work(pool):
    clock = itertools.count(0.0, PERIOD_S)
    adaptive = AdaptiveMap(pool, others_cores=lambda: None, cores=4, clock_s=lambda: next(clock))
    adaptive.begin()

    list(adaptive(abs, range(20)))

    assert pool.used == []
    assert [use.workers for use in adaptive.end()] == [4]
