"""Workloads made of plain functions."""

import types

import cloudpickle
import numpy as np
import pytest

from parbench_lab.core.metric import Metric
from parbench_lab.core.ports import Workload
from parbench_lab.errors import UsageError
from parbench_lab.workloads.function_workload import FunctionWorkload, as_workload


def make_case(size, rng):
    return rng.normal(size=size)


def check(case, result):
    np.testing.assert_allclose(result, case + case)


class Doubling:
    def make_case(self, size, rng):
        return make_case(size, rng)

    def check(self, case, result):
        check(case, result)


class NeedsArguments(Doubling):
    def __init__(self, factor):
        self.factor = factor


def rng():
    return np.random.default_rng(0)


def test_a_pair_of_functions_is_a_workload():
    job = as_workload((make_case, check))
    case = job.make_case(5, rng())

    assert isinstance(job, Workload)
    job.check(case, 2 * case)
    with pytest.raises(AssertionError):
        job.check(case, 3 * case)


@pytest.mark.parametrize("thing", [Doubling, Doubling()], ids=["class", "instance"])
def test_a_class_is_instantiated_and_an_instance_is_taken_as_it_is(thing):
    assert type(as_workload(thing)) is Doubling


def test_a_module_with_both_functions_is_a_workload_of_its_name():
    module = types.ModuleType("package.doubling")
    module.make_case, module.check = make_case, check

    assert as_workload(module).name == "package.doubling"


@pytest.mark.parametrize(
    ("thing", "words"),
    [
        pytest.param(3, "it has no make_case", id="a number"),
        pytest.param((make_case,), "the pair", id="one function"),
        pytest.param((make_case, check, check), "the pair", id="three functions"),
        pytest.param((make_case, 3), "the pair", id="no function"),
        pytest.param(types.SimpleNamespace(make_case=make_case), "no check", id="no check"),
        pytest.param(dict, "no make_case", id="another class"),
        pytest.param(NeedsArguments, "give an instance", id="a class with arguments"),
    ],
)
def test_what_is_no_workload_is_refused_with_what_would_do(thing, words):
    with pytest.raises(UsageError, match=words):
        as_workload(thing)


def test_without_check_and_reference_it_says_to_give_one():
    with pytest.raises(UsageError, match=r"give check\(case, result\).* or reference\(case\)"):
        FunctionWorkload(make_case)


def test_a_check_that_cannot_be_called_is_refused():
    with pytest.raises(UsageError, match="check must be a function"):
        FunctionWorkload(make_case, check=True)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(lambda case: 2 * case[:-1], id="one short"),
        pytest.param(lambda case: 2 * case[::-1], id="another order"),
        pytest.param(lambda case: 2.000001 * case, id="a millionth off"),
        pytest.param(lambda case: np.full_like(case, np.nan), id="NaN"),
        pytest.param(lambda case: None, id="nothing"),
    ],
)
def test_results_are_compared_with_the_reference(wrong):
    job = FunctionWorkload(make_case, reference=lambda case: 2 * case)
    case = job.make_case(5, rng())

    job.check(case, (2 * case).tolist())

    with pytest.raises(ValueError, match=r"^expected .* but got "):
        job.check(case, wrong(case))


def test_with_a_check_and_a_reference_both_count():
    job = FunctionWorkload(make_case, lambda case, result: False, reference=lambda case: 2 * case)
    case = job.make_case(5, rng())

    with pytest.raises(ValueError, match="expected"):
        job.check(case, case)
    with pytest.raises(ValueError, match="check returned False"):
        job.check(case, 2 * case)


@pytest.mark.parametrize("truth", [True, np.True_, None])
def test_a_check_may_return_that_all_is_well(truth):
    assert FunctionWorkload(make_case, lambda case, result: truth).check(None, None) is None


@pytest.mark.parametrize("falsehood", [False, np.False_])
def test_a_check_that_returns_false_has_found_a_wrong_result(falsehood):
    with pytest.raises(ValueError, match="check returned False"):
        FunctionWorkload(make_case, lambda case, result: falsehood).check(None, None)


@pytest.mark.parametrize("returned", [0.5, "fine", np.array([True, True])])
def test_a_check_that_returns_something_else_is_told_what_it_may_return(returned):
    with pytest.raises(TypeError, match="check must raise on a wrong result"):
        FunctionWorkload(make_case, lambda case, result: returned).check(None, None)


def test_metrics_pass_through():
    metric = Metric(name="abs_error", unit="1", floor=1e-15)
    job = FunctionWorkload(make_case, lambda case, result: {"abs_error": 0.5}, metrics=[metric])

    assert job.check(None, None) == {"abs_error": 0.5}
    assert job.metrics == (metric,)


def test_functions_of_a_cell_travel_with_the_workload():
    factor = 2.0
    job = FunctionWorkload(
        lambda size, rng: rng.normal(size=size), reference=lambda case: factor * case
    )

    copy = cloudpickle.loads(cloudpickle.dumps(job))
    case = copy.make_case(3, rng())

    assert np.array_equal(case, job.make_case(3, rng()))
    copy.check(case, 2.0 * case)


def test_its_callables_become_candidates():
    job = FunctionWorkload(make_case, check, candidates=[np.negative, abs])

    assert [candidate.name for candidate in job.candidates] == ["negative", "abs"]
