"""The grid of configurations and the walk-forward windows."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parbench_lab.errors import UsageError
from parbench_lab.workloads.portfolio.strategies import (
    GRID_SIZE,
    WEIGHTINGS,
    grid,
    grid_configuration,
    refuse_same_ids,
)
from parbench_lab.workloads.portfolio.windows import TRAINING_BLOCKS, Windows
from tests.workloads.portfolio.markets import configuration


@pytest.mark.parametrize(
    ("name", "count"), [("quick", 100), ("default", 1000), ("full", 10_000), ("large", 50_000)]
)
def test_the_named_sizes(name, count):
    ids = [chosen.id for chosen in grid(name)]

    assert len(set(ids)) == count
    assert ids == sorted(ids)


def test_a_smaller_choice_is_part_of_a_larger_one():
    small, large = ({chosen.id for chosen in grid(count)} for count in (100, 1000))

    assert small < large


def test_even_the_quick_choice_has_every_value_of_every_parameter():
    chosen = grid("quick")

    assert {c.weighting for c in chosen} == set(WEIGHTINGS)
    assert len({c.rebalance for c in chosen}) == 10
    assert len({c.lookback for c in chosen}) == 20
    assert len({c.entry for c in chosen}) == 10
    assert len({round(c.entry - c.exit, 2) for c in chosen}) == 10


@given(place=st.integers(0, GRID_SIZE - 1))
def test_a_place_of_the_grid_is_an_id(place):
    assert grid_configuration(place).id == place
    assert grid_configuration(place) == grid_configuration(place)


def test_no_two_places_of_a_stretch_of_the_grid_are_the_same():
    stretch = [grid_configuration(place) for place in range(29_700, 31_000)]

    values = {(c.rebalance, c.lookback, c.weighting, c.entry, c.exit) for c in stretch}

    assert len(values) == len(stretch)


@pytest.mark.parametrize("count", [0, -1, GRID_SIZE + 1, 2.5, True, "huge", None])
def test_a_number_of_configurations_that_is_none_is_refused(count):
    with pytest.raises(UsageError, match="configurations"):
        grid(count)


@pytest.mark.parametrize("place", [-1, GRID_SIZE])
def test_a_place_outside_the_grid_is_refused(place):
    with pytest.raises(UsageError, match="places 0 to 59999"):
        grid_configuration(place)


@pytest.mark.parametrize(
    "change",
    [
        {"number": -1},
        {"lookback": 1},
        {"lookback": 2.0},
        {"rebalance": 0},
        {"rebalance": True},
        {"weighting": "all"},
        {"entry": float("nan")},
        {"exit": float("-inf")},
        {"entry": 0.0, "exit": 0.5},
    ],
)
def test_a_configuration_refuses_nonsense(change):
    with pytest.raises(UsageError):
        configuration(**change)


def test_two_configurations_of_one_id_are_refused():
    with pytest.raises(UsageError, match="two configurations have the id 3"):
        refuse_same_ids([configuration(3), configuration(4), configuration(3)])

    with pytest.raises(UsageError, match="no configurations"):
        refuse_same_ids([])


@given(steps=st.integers(1, 5000), count=st.integers(1, 12))
def test_windows_follow_each_other_and_end_with_the_prices(steps, count):
    if steps < 2 * (count + TRAINING_BLOCKS):
        with pytest.raises(UsageError, match=f"but there are {steps + 1}"):
            Windows(steps=steps, test_windows=count)
        return

    windows = Windows(steps=steps, test_windows=count)
    tests = [windows.test(n) for n in range(count)]

    assert tests[-1].stop == steps
    assert all(a.stop == b.start for a, b in itertools.pairwise(tests))
    assert all(windows.training(n).stop == tests[n].start for n in range(count))
    assert all(windows.training(n).steps == 3 * tests[n].steps for n in range(count))
    assert windows.training(0).start >= 0
    assert (windows.all_tests.start, windows.all_tests.stop) == (tests[0].start, steps)
    assert len(windows.spans) == 2 * count + 1


@pytest.mark.parametrize("count", [0, -1, 2.0, True, None])
def test_a_number_of_test_windows_that_is_none_is_refused(count):
    with pytest.raises(UsageError, match="test_windows"):
        Windows(steps=1000, test_windows=count)
