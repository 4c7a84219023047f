"""When two results say the same."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parbench_lab.workloads.agreement import agree, as_vector, require_close

NAN = float("nan")
INF = float("inf")


@dataclass(frozen=True)
class Point:
    x: float
    y: float


@pytest.mark.parametrize(
    ("left", "right"),
    [
        pytest.param(1, 1.0, id="a whole and a real number"),
        pytest.param(NAN, NAN, id="NaN and NaN"),
        pytest.param(INF, INF, id="infinities"),
        pytest.param([1, 2], (1, 2), id="a list and a tuple"),
        pytest.param([1.0, NAN], np.array([1.0, NAN]), id="a list and an array with NaN"),
        pytest.param(np.array([1, 2]), np.array([1.0, 2.0]), id="arrays of different types"),
        pytest.param(np.float64(2), 2.0, id="numpy's number and Python's"),
        pytest.param({"a": [1, {"b": 2}]}, {"a": [1, {"b": 2}]}, id="nested"),
        pytest.param({"a": 1, "b": 2}, {"b": 2, "a": 1}, id="keys in another order"),
        pytest.param(Point(1, NAN), Point(1, NAN), id="dataclasses"),
        pytest.param({1, 2}, {2, 1}, id="sets"),
        pytest.param("text", "text", id="texts"),
        pytest.param(np.array(["a"]), np.array(["a"]), id="arrays of text"),
        pytest.param(np.array([None, 1.0]), np.array([None, 1.0]), id="arrays of objects"),
        pytest.param(1 + 2j, 1 + 2j, id="complex numbers"),
        pytest.param(None, None, id="nothing"),
    ],
)
def test_results_that_agree(left, right):
    assert agree(left, right)
    assert agree(right, left)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        pytest.param(1, 2, id="numbers"),
        pytest.param(1.0, NAN, id="a number and NaN"),
        pytest.param(INF, -INF, id="infinities of different signs"),
        pytest.param(INF, 1e308, id="infinity and a large number"),
        pytest.param(1, True, id="a number and a truth value"),
        pytest.param([1, 0], [True, False], id="numbers and truth values"),
        pytest.param(1, "1", id="a number and a text"),
        pytest.param([1, 2], [2, 1], id="another order"),
        pytest.param([1, 2], [1], id="another length"),
        pytest.param([1, 2], None, id="nothing"),
        pytest.param([], 0, id="empty and zero"),
        pytest.param("ab", ["a", "b"], id="a text and a list of letters"),
        pytest.param({"a": 1}, {"b": 1}, id="other keys"),
        pytest.param({"a": 1}, [("a", 1)], id="a dict and a list"),
        pytest.param(Point(1, 2), Point(1, 3), id="dataclasses"),
        pytest.param(Point(1, 2), (1, 2), id="a dataclass and a tuple"),
        pytest.param(np.ones(2), np.ones((2, 1)), id="another shape"),
        pytest.param(np.ones(2), [[1], [1, 1]], id="a ragged list"),
        pytest.param(np.array([1, 0]), np.array([True, False]), id="arrays of truth values"),
        pytest.param(np.array([2**53]), np.array([2**53 + 1]), id="large whole numbers"),
    ],
)
def test_results_that_do_not_agree(left, right):
    assert not agree(left, right)
    assert not agree(right, left)


@given(st.floats(-1e6, 1e6), st.floats(1e-12, 1e-3))
def test_the_tolerance_is_relative_and_sharp(value, rtol):
    step = rtol * abs(value)

    assert agree(value + 0.9 * step, value, rtol=rtol, atol=1e-9)
    assert not agree(value + 1.1 * step + 2e-9, value, rtol=rtol, atol=1e-9)


@pytest.mark.parametrize(
    ("result", "words"),
    [
        pytest.param([1.0, 2.0, 3.0], "shape", id="too long"),
        pytest.param([[1.0, 2.0]], "shape", id="two dimensions"),
        pytest.param([1, 2], "floating point", id="whole numbers"),
        pytest.param(["1", "2"], "floating point", id="texts"),
        pytest.param([[1.0], [1.0, 2.0]], "expected numbers", id="ragged"),
        pytest.param(None, "shape", id="nothing"),
    ],
)
def test_a_vector_of_another_shape_or_type_is_refused(result, words):
    with pytest.raises(ValueError, match=words):
        as_vector(result, 2, "f")


def test_nan_is_never_close():
    with pytest.raises(ValueError, match="item 1"):
        require_close(np.array([1.0, NAN]), np.array([1.0, 2.0]), atol=1e9)


def test_empty_vectors_are_close():
    require_close(np.empty(0), np.empty(0), atol=0.0)
