"""Who is in a block, on which workers, how many blocks and repeats."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parbench_lab.racing import allocation


def test_all_survivors_are_in_every_block():
    assert allocation.members("all_survivors", ["a", "b", "c"], 0) == ["a", "b", "c"]


def test_leaders_first_runs_the_better_half_always_and_the_rest_every_second_time():
    ranked = ["a", "b", "c", "d"]

    assert allocation.members("leaders_first", ranked, 0) == ["a", "b"]
    assert allocation.members("leaders_first", ranked, 1) == ranked


@given(st.lists(st.text(min_size=1), unique=True, min_size=1), st.integers(0, 10))
def test_the_leader_is_in_every_block(ranked, index):
    for how in ("all_survivors", "leaders_first"):
        assert allocation.members(how, ranked, index)[0] == ranked[0]


@pytest.mark.parametrize(
    ("block_s", "expected"),
    [
        pytest.param(None, 1, id="unknown"),
        pytest.param(0.02, 5, id="five fill the time"),
        pytest.param(3.0, 1, id="longer than the time"),
        pytest.param(1e-6, allocation.MAX_BLOCKS_PER_TASK, id="never more than the limit"),
    ],
)
def test_a_task_carries_as_many_blocks_as_fill_its_time(block_s, expected):
    assert allocation.blocks_per_task(0.1, block_s) == expected


@given(st.floats(1e-3, 60), st.floats(0, 1e6), st.floats(0, 1e6))
def test_tasks_grow_with_calm_and_never_beyond_four_times_the_first(first_s, calm_s, later_s):
    now_s = allocation.task_time_s(first_s, calm_s)

    assert allocation.task_time_s(first_s, 0.0) == first_s <= now_s <= 4 * first_s
    assert allocation.task_time_s(first_s, calm_s + later_s) >= now_s


@given(st.floats(1e-6, 10), st.floats(1e-4, 1))
def test_repeats_fill_the_minimal_time_and_at_most_twice_that(typical_s, min_time_s):
    n = allocation.repeats(min_time_s, typical_s)

    assert n >= 1
    if typical_s < min_time_s:
        assert n * typical_s >= min_time_s * 0.999
        assert n * typical_s <= 2.001 * min_time_s


def test_only_workers_that_offer_everything_needed_are_used():
    offers = {"cpu-0": {}, "gpu-0": {"GPU": 1}, "gpu-1": {"GPU": 1, "BIG": 1}}

    usable = allocation.usable_workers(offers, [{"GPU": 1}, {}, {"BIG": 1}], None)

    assert usable == ["gpu-1"]


def test_max_concurrent_takes_the_first_workers_by_name():
    assert allocation.usable_workers({"b": {}, "a": {}, "c": {}}, [{}], 2) == ["a", "b"]
