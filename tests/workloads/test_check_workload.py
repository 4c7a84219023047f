"""The shipped check finds each promise that a workload breaks."""

import itertools
import math

import numpy as np
import pytest

from parbench_lab.core.metric import Metric
from parbench_lab.errors import UsageError
from parbench_lab.testing.workload import check_workload, damaged

ERROR = Metric(name="abs_error", unit="1", floor=1e-15)


class Sum:
    """A workload without fault."""

    metrics = (ERROR,)
    objectives = ("wall_time_s", "abs_error")
    candidates = (sum, math.fsum)

    def make_case(self, size, rng):
        return rng.random(size).tolist()

    def check(self, case, result):
        error = abs(result - math.fsum(case))
        if not error <= 1e-9:
            raise ValueError("wrong sum")
        return {"abs_error": error}


def test_a_workload_without_fault_passes():
    check_workload(Sum)
    check_workload(Sum(), candidates=[np.sum], size=3, seed=8)


class Random(Sum):
    count = itertools.count()

    def make_case(self, size, rng):
        return [float(next(self.count))]


class KeepsTheGenerator(Sum):
    own = np.random.default_rng(0)

    def make_case(self, size, rng):
        return self.own.random(size).tolist()


class Strict(Sum):
    def check(self, case, result):
        raise ValueError("never right")


class Lenient(Sum):
    def check(self, case, result):
        return {"abs_error": 0.0}


class AcceptsNaN(Sum):
    def check(self, case, result):
        if abs(result - math.fsum(case)) > 1e-9:
            raise ValueError("wrong sum")
        return {"abs_error": 0.0}


class Undeclared(Sum):
    metrics = ()
    objectives = ("wall_time_s",)


class Silent(Sum):
    def check(self, case, result):
        super().check(case, result)


class NegativeError(Sum):
    metrics = (Metric(name="abs_error", unit="1"),)

    def check(self, case, result):
        super().check(case, result)
        return {"abs_error": -1.0}


class UnknownObjective(Sum):
    objectives = ("accuracy",)


class ChangesTheCase(Sum):
    def check(self, case, result):
        case.sort()
        return super().check(case, result)


class NotPicklable(Sum):
    def __reduce__(self):
        raise TypeError("holds a socket")


def destructive_sum(case):
    total = 0.0
    while case:
        total += case.pop()
    return total


class HasABadCandidate(Sum):
    candidates = (destructive_sum,)


@pytest.mark.parametrize(
    ("workload", "words"),
    [
        pytest.param(Random, "the same seed makes different cases", id="not from the seed"),
        pytest.param(KeepsTheGenerator, "the same seed makes different", id="its own generator"),
        pytest.param(Strict, "check refuses the result of 'sum'", id="refuses what is right"),
        pytest.param(Lenient, "check accepts a result of 'sum' that is None", id="accepts all"),
        pytest.param(AcceptsNaN, "accepts a result of 'sum' that is NaN", id="accepts NaN"),
        pytest.param(Undeclared, "check returns", id="metrics that are not declared"),
        pytest.param(Silent, "check returns", id="a declared metric is not returned"),
        pytest.param(NegativeError, "must be positive", id="no cost"),
        pytest.param(UnknownObjective, "'accuracy' is no metric", id="unknown objective"),
        pytest.param(ChangesTheCase, "check changes the case", id="check changes the case"),
        pytest.param(NotPicklable, "cannot be pickled", id="not picklable"),
        pytest.param(HasABadCandidate, "'destructive_sum' changes the case", id="candidate does"),
    ],
)
def test_a_broken_promise_is_named(workload, words):
    with pytest.raises(AssertionError, match=words):
        check_workload(workload())


def test_a_workload_without_candidates_asks_for_some():
    with pytest.raises(AssertionError, match="give candidates"):
        check_workload(type("Bare", (Sum,), {"candidates": ()}))


def test_what_is_no_workload_is_refused():
    with pytest.raises(UsageError):
        check_workload(3)


def test_a_check_may_ignore_the_order_when_told_so():
    def make_case(size, rng):
        return rng.integers(0, 10**6, size).tolist()

    def same_items(case, result):
        return sorted(case) == sorted(result)

    check_workload((make_case, same_items), candidates=[list], ordered=False)
    with pytest.raises(AssertionError, match="in reverse order"):
        check_workload((make_case, same_items), candidates=[list])


@pytest.mark.parametrize(
    "result",
    [
        pytest.param(np.arange(4.0), id="array"),
        pytest.param([1.0, 2.0], id="list"),
        pytest.param((3, 1), id="tuple"),
        pytest.param({"a": 1}, id="dict"),
        pytest.param(1.5, id="number"),
        pytest.param(7, id="whole number"),
        pytest.param("text", id="text"),
        pytest.param(np.eye(3), id="matrix"),
        pytest.param(object(), id="anything"),
    ],
)
def test_damage_never_leaves_a_result_right_or_changes_the_original(result):
    original = repr(result)

    versions = dict(damaged(result))

    assert all(repr(wrong) != original for wrong in versions.values())
    assert repr(result) == original


def test_items_that_are_all_the_same_are_not_reordered():
    assert not {"in reverse order", "shifted by one item"} & dict(damaged([5, 5, 5])).keys()
