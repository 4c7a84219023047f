"""Numbers that a user gives, and what only looks like one."""

from __future__ import annotations

import numpy as np
import pytest

from parbench_lab.core.given import checked_count, checked_counts, checked_number
from parbench_lab.errors import UsageError

NO_WHOLES = [True, 2.0, "2", None, np.array([1, 2]), np.array(2), np.float64(2), np.bool_(1)]


def test_numbers_of_numpy_become_pythons_own():
    found = checked_count(np.int16(3), "n"), *checked_counts(np.array([4, 2]), "n", most=9)

    assert found == (3, 4, 2)
    assert {type(number) for number in found} == {int}


@pytest.mark.parametrize("given", NO_WHOLES, ids=repr)
def test_what_only_looks_like_a_whole_number_is_none(given):
    with pytest.raises(UsageError, match="n must be a whole number from 1 up but got"):
        checked_count(given, "n")
    with pytest.raises(UsageError, match="n must be whole numbers from 1 to 9 but got"):
        checked_counts([given], "n", most=9)


def test_an_array_without_axes_is_neither_a_whole_number_nor_several():
    with pytest.raises(UsageError, match="n must be whole numbers from 1 to 9 but got array"):
        checked_counts(np.array(2), "n", most=9)


@pytest.mark.parametrize("given", [True, "2", None, np.array([1.0])], ids=repr)
def test_what_only_looks_like_a_number_is_none(given):
    with pytest.raises(UsageError, match="n must be a number but got"):
        checked_number(given, "n")
