"""Data cut into rows and put together again."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from parbench_lab.errors import UsageError
from parbench_lab.workloads.ml.chunks import (
    as_table,
    chunk_size_for,
    cut,
    join,
    require_row_results,
    require_same_rows,
    take,
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(n=st.integers(1, 300), size=st.none() | st.integers(1, 400))
def test_chunks_hold_every_row_once_and_in_order(n, size):
    chunks = list(cut(np.arange(n), size))

    assert np.concatenate([chunk.rows for chunk in chunks]).tolist() == list(range(n))
    assert [chunk.start for chunk in chunks] == np.cumsum(
        [0] + [chunk.n_rows for chunk in chunks[:-1]]
    ).tolist()
    assert [chunk.index for chunk in chunks] == list(range(len(chunks)))


@pytest.mark.parametrize(
    "data",
    [
        np.arange(12.0).reshape(6, 2),
        np.asfortranarray(np.arange(12.0).reshape(6, 2)),
        pd.DataFrame({"a": np.arange(6), "b": list("uvwxyz")}),
        sparse.random(6, 3, density=0.5, format="coo", random_state=0),
    ],
    ids=["array", "array by columns", "table of two types", "sparse"],
)
def test_rows_cut_and_joined_are_the_data(data):
    table = as_table(data)

    whole = join([chunk.rows for chunk in cut(table, 4)])

    if isinstance(data, pd.DataFrame):
        pd.testing.assert_frame_equal(whole, data)
    elif hasattr(data, "tocsr"):
        assert (whole != data).nnz == 0
    else:
        assert np.array_equal(whole, data)


def test_an_array_is_cut_into_contiguous_rows_that_cannot_be_changed():
    data = np.asfortranarray(np.ones((6, 2)))

    rows = next(cut(data, 3)).rows

    assert rows.flags.c_contiguous
    with pytest.raises(ValueError, match="read-only"):
        rows[0, 0] = 2.0
    assert data.flags.writeable


def test_rows_are_taken_by_number_from_arrays_tables_and_lists():
    which = np.array([2, 0])

    assert take(np.array([5, 6, 7]), which).tolist() == [7, 5]
    assert take(pd.Series([5, 6, 7]), which).tolist() == [7, 5]
    assert take(["a", "b", "c"], which) == ["c", "a"]


def test_texts_stay_a_list():
    assert as_table(["a longer text", "b"]) == ["a longer text", "b"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param([], "data is empty", id="no items"),
        pytest.param(np.zeros((0, 3)), "data is empty", id="no rows"),
        pytest.param(pd.DataFrame(), "data is empty", id="empty table"),
        pytest.param([[]], "its rows have no columns", id="an empty row"),
        pytest.param(pd.DataFrame(index=range(3)), "no columns", id="only an index"),
        pytest.param(np.float64(3.0), "must have rows but is one value", id="a number"),
        pytest.param(iter([1, 2]), "is a list_iterator", id="an iterator"),
        pytest.param(None, "is a NoneType", id="nothing"),
        pytest.param([[1, 2], [3]], "rows of one length", id="ragged"),
    ],
)
def test_what_has_no_rows_is_refused(data, words):
    with pytest.raises(UsageError, match=words):
        as_table(data)


def test_a_target_too_few_is_refused_with_both_numbers():
    with pytest.raises(UsageError, match="has 2 for 3 rows"):
        require_same_rows(np.zeros(3), [1, 2])


@pytest.mark.parametrize("size", [0, -1, 2.5, "10", True, float("nan")])
def test_a_chunk_size_that_is_no_count_is_refused(size):
    with pytest.raises(UsageError, match="chunk_size must be a whole number"):
        chunk_size_for(10, size)


@pytest.mark.parametrize(
    ("result", "words"),
    [(np.zeros(3), "returned 3 for 4"), (7.0, "returned one value for 4")],
)
def test_another_number_of_results_than_rows_is_refused(result, words):
    with pytest.raises(UsageError, match=f"model must return one result per row but {words}"):
        require_row_results(result, 4, whose="model")


def test_results_of_different_widths_are_refused_in_one_line():
    with pytest.raises(UsageError, match=r"shapes per row \(2,\), \(3,\)"):
        join([np.zeros((4, 2)), np.zeros((4, 3))])
