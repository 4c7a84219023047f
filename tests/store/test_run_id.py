from __future__ import annotations

import datetime as dt
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parbench_lab.errors import StoreError
from parbench_lab.store.run_id import new_run_id, pick, refuse_bad_id

IDS = ["20261120-101010-aaaaaaa", "20261121-101010-aaaaaaa", "20261121-101010-bbbbbbb"]
INSTANTS = st.datetimes(
    min_value=dt.datetime(1970, 1, 1),  # noqa: DTZ001 - hypothesis wants naive bounds
    max_value=dt.datetime(2999, 1, 1),  # noqa: DTZ001
    timezones=st.timezones(),
)


@given(a=INSTANTS, b=INSTANTS)
def test_ids_sort_as_the_runs_began(a, b):
    earlier, later = sorted([a, b])

    assert new_run_id(earlier, b"\0\0\0\0")[:15] <= new_run_id(later, b"\0\0\0\0")[:15]


def test_ten_thousand_ids_of_one_second_differ():
    rng = random.Random(1)
    now = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)

    ids = {new_run_id(now, rng.randbytes(4)) for _ in range(10_000)}

    assert len(ids) == 10_000
    assert {len(run_id) for run_id in ids} == {23}


def test_new_ids_are_good_ids():
    refuse_bad_id(new_run_id(dt.datetime(2026, 11, 21, tzinfo=dt.UTC), b"\xff" * 4))


@pytest.mark.parametrize("bad", ["", "latest", "two words", "a\nb", "naïve", "x" * 65])
def test_what_is_no_id_is_refused(bad):
    with pytest.raises(StoreError, match="1 to 64 printable"):
        refuse_bad_id(bad)


def test_a_naive_instant_makes_no_id():
    with pytest.raises(ValueError, match="aware"):
        new_run_id(dt.datetime(2026, 11, 21), b"race")  # noqa: DTZ001 - that is the point


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        pytest.param("latest", IDS[2], id="latest"),
        pytest.param(IDS[1], IDS[1], id="the whole id"),
        pytest.param("20261120", IDS[0], id="an unambiguous beginning"),
        pytest.param(IDS[2][:-6], IDS[2], id="all but the end"),
    ],
)
def test_a_run_is_found_by_its_beginning(wanted, found):
    assert pick(wanted, IDS, place="runs.db") == found


def test_a_whole_id_wins_over_being_the_beginning_of_another():
    assert pick("run-1", ["run-1", "run-10"], place="runs.db") == "run-1"


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        pytest.param("20261121", "ambiguous: it may be 20261121-101010-a", id="ambiguous"),
        pytest.param(
            "20261120-101010-aaaaaax", "close ones are 20261120-101010-aaaaaaa", id="typo"
        ),
        pytest.param(
            "zebra", "the newest are 20261121-101010-bbbbbbb, 20261121", id="nothing like"
        ),
        pytest.param("", "the newest are", id="empty"),
    ],
)
def test_a_run_that_is_not_found_lists_what_may_be_meant(wanted, words):
    with pytest.raises(StoreError, match=words):
        pick(wanted, IDS, place="runs.db")


def test_a_long_list_of_ambiguous_runs_is_cut_short():
    with pytest.raises(StoreError, match="and 95 more"):
        pick("run", [f"run-{i:03}" for i in range(100)], place="runs.db")


def test_an_empty_store_says_so():
    with pytest.raises(StoreError, match=r"no runs in runs\.db yet"):
        pick("latest", [], place="runs.db")
