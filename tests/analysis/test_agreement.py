"""When two results are the same bit by bit, and how far apart they are if not."""

import math
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from parbench_lab.analysis.agreement import digest, largest_difference

SECONDS = np.array([1, 2], "m8[s]")
RECORDS = np.array([(1, 2.0)], [("a", "i4"), ("b", "f8")])
OTHER_RECORDS = np.array([(1, 4.0)], RECORDS.dtype)


def masked(values, mask):
    return np.ma.MaskedArray(values, mask)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(masked([1, 2], [0, 1]), masked([1, 2], [1, 0]), id="masks"),
        pytest.param(masked([1, 2], [0, 0]), np.array([1, 2]), id="a mask and none"),
        pytest.param(SECONDS, SECONDS.astype("m8[ms]"), id="units of durations"),
        pytest.param(SECONDS.view("M8[ns]"), SECONDS.view("m8[ns]"), id="instants in nanoseconds"),
        pytest.param(SECONDS, SECONDS.view("M8[s]"), id="durations and instants"),
        pytest.param(RECORDS, RECORDS.astype([("c", "i4"), ("b", "f8")]), id="names of fields"),
        pytest.param(RECORDS, RECORDS.astype([("a", "i8"), ("b", "f8")]), id="types of fields"),
        pytest.param(np.array(["a"]), np.array(["a"], object), id="text and objects"),
        pytest.param({"a", "b"}, {"a", "c"}, id="sets"),
        pytest.param({"a"}, frozenset({"a"}), id="a set and a frozen one"),
        pytest.param({1: "a"}, {2: "a"}, id="keys"),
        pytest.param({1}, {1.0}, id="types in sets"),
        pytest.param(pd.Series({"a": 1}), pd.Series({"b": 1}), id="indices of series"),
        pytest.param(pd.Series([1], name="a"), pd.Series([1], name="b"), id="names of series"),
        pytest.param(1, True, id="a number and a truth value"),
    ],
)
def test_unlike_results_have_unlike_digests_and_are_infinitely_apart(one, other):
    assert digest(one) != digest(other)
    assert largest_difference(one, other) == math.inf


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: masked([1.0, 2.0], [0, 1]), id="a masked array"),
        pytest.param(lambda: np.ma.masked, id="nothing but a mask"),
        pytest.param(lambda: masked(RECORDS, [(0, 1)]), id="masked records"),
        pytest.param(lambda: masked(SECONDS, [0, 1]), id="masked durations"),
        pytest.param(lambda: masked(np.array(["a", None]), [0, 1]), id="masked objects"),
        pytest.param(lambda: masked(np.array(["a", "b"]), [0, 1]), id="masked text"),
        pytest.param(lambda: np.array(["2026-01-01", "NaT"], "M8[D]"), id="days"),
        pytest.param(lambda: pd.Series({"a": 1.0}), id="a series"),
        pytest.param(lambda: {("a", 1), frozenset({"b"})}, id="a set of nestings"),
        pytest.param(lambda: 10**5000, id="a number of many digits"),
    ],
)
def test_results_that_are_made_twice_are_the_same(make):
    assert digest(make()) == digest(make())
    assert largest_difference(make(), make()) == 0.0


def test_what_a_mask_hides_is_no_part_of_a_result():
    assert digest(masked([1, 2], [0, 1])) == digest(masked([1, 3], [0, 1]))


def test_a_set_of_another_process_is_the_same():
    code = (
        "from parbench_lab.analysis.agreement import digest; "
        "print(digest({f'word {number}' for number in range(20)}))"
    )

    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True, check=True, text=True, timeout=60,
            env={"PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip

    assert told == {digest({f"word {number}" for number in range(20)}) + "\n"}


def test_a_series_is_the_same_however_it_lies_in_memory():
    table = np.arange(6.0).reshape(3, 2)
    series = pd.Series(table[:, 0])

    assert digest(series) == digest(pd.Series([0.0, 2.0, 4.0]))
    assert largest_difference(series, series * 2) == 0.5


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        pytest.param(1000, 1001, 1 / 1001, id="counts"),
        pytest.param(1, -1, 2.0, id="signs"),
        pytest.param(10**400, 2 * 10**400, 0.5, id="larger than any float"),
        pytest.param(10**400, 10**400 + 1, math.ulp(0.0), id="closer than any floats"),
        pytest.param(RECORDS, OTHER_RECORDS, 0.5, id="records"),
        pytest.param(
            masked([1.0, 7.0], [0, 1]), masked([2.0, 7.0], [0, 1]), 0.5, id="beside a mask"
        ),
    ],
)
def test_numbers_are_apart_by_their_share_of_the_larger(one, other, apart):
    assert largest_difference(one, other) == largest_difference(other, one) == apart
