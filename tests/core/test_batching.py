"""Maps in batches keep the promises of a map."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parbench_lab.core.batching import batched
from parbench_lab.errors import UsageError


@given(st.lists(st.integers()), st.integers(1, 50))
def test_results_are_those_of_a_plain_map_whatever_the_batch(items, size):
    assert list(batched(map, size)(abs, items)) == list(map(abs, items))


def test_a_worker_gets_so_many_items_at_once():
    seen = []

    def counting(function, rows):
        for row in rows:
            seen.append(len(row))
            yield function(row)

    list(batched(counting, 4)(abs, range(10)))

    assert seen == [4, 4, 2]


@pytest.mark.parametrize("bad", [0, 2, 4], ids=["first of all", "within a batch", "first of one"])
def test_an_item_that_raises_does_so_where_its_result_would_have_come(bad):
    def fails(number):
        if number == bad:
            raise RuntimeError("bad")
        return number

    results = batched(map, 4)(fails, range(8))
    came = [next(results) for _ in range(bad)]

    assert came == list(range(bad))
    with pytest.raises(RuntimeError, match="bad"):
        next(results)


@pytest.mark.parametrize("size", [0, -1, 1.5, True])
def test_a_batch_of_no_size_is_refused(size):
    with pytest.raises(UsageError, match="at least 1"):
        batched(map, size)
