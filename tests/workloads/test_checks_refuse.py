"""Each check refuses results that are only slightly wrong."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parbench_lab.workloads import (
    json_parsing,
    model_selection,
    moving_average,
    nearest_neighbours,
    numeric_integration,
    sorting,
    text_search,
)


def _with(result, place, value):
    changed = np.array(result)
    changed[place] = value
    return changed


def _average(case, result, factor):
    return _with(result, 3, result[3] * factor)


def _record(result, **changes):
    return [{**result[0], **changes}, *result[1:]]


def _neighbours(result, row, names):
    return _with(result, row, names)


MOVING_AVERAGE = {
    "one ulp times a million": lambda c, r: _average(c, r, 1 + 1e6 * np.finfo(float).eps),
    "NaN": lambda c, r: _with(r, -1, np.nan),
    "infinity": lambda c, r: _with(r, 0, np.inf),
    "single precision": lambda c, r: np.asarray(r, dtype=np.float32),
    "windows shifted by one": lambda c, r: np.append(r[1:], r[-1]),
    "windows one item short": lambda c, r: np.convolve(
        c.values, np.full(c.window - 1, 1 / (c.window - 1)), "valid"
    )[: len(r)],
    "padded to the length of the input": lambda c, r: np.pad(r, (c.window - 1, 0)),
    "a column": lambda c, r: np.asarray(r)[:, np.newaxis],
    "text": lambda c, r: [str(x) for x in r],
    "nothing": lambda c, r: None,
    "empty": lambda c, r: [],
}
NUMERIC_INTEGRATION = {
    "NaN": lambda c, r: _with(r, 5, np.nan),
    "one integral off by 0.02": lambda c, r: _with(r, 5, r[5] + 0.02),
    "two integrals swapped": lambda c, r: _with(r, [0, 1], [r[1], r[0]]),
    "a complex number": lambda c, r: np.asarray(r) + 0j,
    "one short": lambda c, r: r[:-1],
}
SORTING = {
    "two neighbours swapped": lambda c, r: _with(r, [0, -1], [r[-1], r[0]]),
    "a number replaced by its neighbour": lambda c, r: _with(r, 0, r[1]) if r[0] != r[1] else [],
    "repeats left out": lambda c, r: np.unique(r),
    "floating point": lambda c, r: np.asarray(r, dtype=float),
    "a number that is not in the case": lambda c, r: _with(r, -1, len(r)),
    "a negative number": lambda c, r: _with(r, 0, -1),
    "descending": lambda c, r: r[::-1],
    "truth values": lambda c, r: np.asarray(r, dtype=bool),
}
JSON_PARSING = {
    "a float one ulp off": lambda c, r: _record(r, balance=np.nextafter(r[0]["balance"], 9)),
    "a whole number as a float": lambda c, r: _record(r, id=0.0),
    "a truth value as a number": lambda c, r: _record(r, active=int(r[0]["active"])),
    "None as NaN": lambda c, r: _record(r, manager=float("nan")),
    "a list as a tuple": lambda c, r: _record(r, tags=tuple(r[0]["tags"])),
    "a key too many": lambda c, r: _record(r, more=1),
    "text that was decoded wrongly": lambda c, r: _record(r, name=r[0]["name"] + "\u00c3"),
    "nested float as numpy's": lambda c, r: _record(
        r, scores=[np.float64(x) for x in r[0]["scores"]]
    ),
    "a tuple of records": lambda c, r: tuple(r),
    "two records swapped": lambda c, r: [r[1], r[0], *r[2:]],
    "one short": lambda c, r: r[:-1],
}
NEAREST_NEIGHBOURS = {
    "nearest two swapped": lambda c, r: np.asarray(r)[:, [1, 0, 2, 3]],
    "the point itself": lambda c, r: _neighbours(r, 0, [0, *r[0][:-1]]),
    "a neighbour twice": lambda c, r: _neighbours(r, 0, [r[0][0], r[0][0], *r[0][2:]]),
    "the third one left out": lambda c, r: _neighbours(r, 9, [*r[9][:2], r[9][3], _fifth(c, 9)]),
    "an index that is too high": lambda c, r: _neighbours(r, 0, [*r[0][:3], len(c.points)]),
    "a negative index": lambda c, r: _neighbours(r, 0, [*r[0][:3], -1]),
    "indices as floating point": lambda c, r: np.asarray(r, dtype=float),
    "neighbours in rows": lambda c, r: np.asarray(r).T,
    "one neighbour short": lambda c, r: np.asarray(r)[:, :-1],
    "rows of other points": lambda c, r: np.roll(r, 1, axis=0),
}
TEXT_SEARCH = {
    "one too many": lambda c, r: _with(r, 0, r[0] + 1),
    "one too few": lambda c, r: _with(r, -1, r[-1] - 1),
    "counts in the order of the words": lambda c, r: [
        count for _, count in sorted(zip(c.patterns, r, strict=True))
    ],
    "floating point": lambda c, r: [float(count) for count in r],
    "only whether it occurs": lambda c, r: [count > 0 for count in r],
    "a dictionary": lambda c, r: dict(zip(c.patterns, r, strict=True)),
}
MODEL_SELECTION = {
    "digits in another order": lambda c, r: r[::-1],
    "always the same digit": lambda c, r: np.zeros_like(r),
    "a digit that is none": lambda c, r: _with(r, 0, 10),
    "probabilities": lambda c, r: np.eye(10)[r],
    "floating point": lambda c, r: r.astype(float),
    "the labels of the images it learnt from": lambda c, r: c.labels,
}


def _fifth(case, row):
    squares = ((case.points - case.points[row]) ** 2).sum(axis=1)
    return int(np.argsort(squares)[5])


FAMILIES = (
    (moving_average.MovingAverage, moving_average.cumsum, MOVING_AVERAGE),
    (numeric_integration.NumericIntegration, numeric_integration.fast_v1, NUMERIC_INTEGRATION),
    (sorting.Sorting, sorting.list_sort, SORTING),
    (json_parsing.JsonParsing, json_parsing.json_loads, JSON_PARSING),
    (nearest_neighbours.NearestNeighbours, nearest_neighbours.brute_force, NEAREST_NEIGHBOURS),
    (text_search.TextSearch, text_search.str_count, TEXT_SEARCH),
    (model_selection.ModelSelection, model_selection.naive_bayes, MODEL_SELECTION),
)
DAMAGES = [
    pytest.param(cls, right, damage, id=f"{cls.__name__}: {words}")
    for cls, right, damages in FAMILIES
    for words, damage in damages.items()
]


@pytest.mark.parametrize(("cls", "right", "damage"), DAMAGES)
def test_a_slightly_wrong_result_is_refused(cls, right, damage):
    job = cls()
    case = job.make_case(300, np.random.default_rng(11))
    result = right(case)

    job.check(case, result)

    with pytest.raises((ValueError, TypeError)):
        job.check(case, damage(case, result))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(size=st.integers(2, 200), seed=st.integers(0, 2**32), data=st.data())
def test_any_single_changed_number_spoils_a_sorted_list(size, seed, data):
    job = sorting.Sorting()
    case = job.make_case(size, np.random.default_rng(seed))
    result = sorting.list_sort(case)
    place = data.draw(st.integers(0, size - 1))
    result[place] += data.draw(st.sampled_from([-1, 1]))

    with pytest.raises(ValueError, match=r"ascending|holds"):
        job.check(case, result)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(size=st.integers(1, 300), seed=st.integers(0, 2**32), data=st.data())
def test_any_average_that_is_off_by_a_billionth_is_found(size, seed, data):
    job = moving_average.MovingAverage()
    case = job.make_case(size, np.random.default_rng(seed))
    result = moving_average.convolve(case)
    place = data.draw(st.integers(0, len(result) - 1))
    result[place] *= 1 + 1e-9

    with pytest.raises(ValueError, match=f"item {place} should be"):
        job.check(case, result)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(size=st.integers(6, 120), seed=st.integers(0, 2**32), data=st.data())
def test_any_neighbour_replaced_by_a_farther_point_is_found(size, seed, data):
    job = nearest_neighbours.NearestNeighbours()
    case = job.make_case(size, np.random.default_rng(seed))
    result = nearest_neighbours.brute_force(case)
    row = data.draw(st.integers(0, size - 1))
    result[row, -1] = int(np.argmax(((case.points - case.points[row]) ** 2).sum(axis=1)))

    with pytest.raises(ValueError, match=f"point {row}: "):
        job.check(case, result)


def test_the_message_of_a_wrong_average_says_what_it_should_be():
    job = moving_average.MovingAverage()
    case = job.make_case(100, np.random.default_rng(0))
    result = moving_average.cumsum(case)
    result[7] = 0.0

    with pytest.raises(ValueError, match=r"^item 7 should be 100\.\d+ but is 0\.0 \(off by "):
        job.check(case, result)
