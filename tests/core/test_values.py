"""Values hold, refuse nonsense at once, and know their direction."""

from __future__ import annotations

import contextlib
import functools
import json
import math
from fractions import Fraction
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parbench_lab.core.block import Block, Case
from parbench_lab.core.candidate import (
    DEEPEST_PARAMETERS,
    Candidate,
    as_candidate,
    candidate,
    candidate_document,
    candidates_from_grid,
    changed_parameters,
    import_function,
    is_marked,
)
from parbench_lab.core.estimate import Estimate
from parbench_lab.core.metric import WALL_TIME_S, Metric
from parbench_lab.errors import UnknownNameError, UsageError

positive = st.floats(1e-9, 1e9)


def sort(case, key):
    """A namesake of numpy's."""


@given(positive, positive)
def test_on_a_ratio_scale_costs_compare_by_ratios(a, b):
    difference = WALL_TIME_S.cost(a) - WALL_TIME_S.cost(b)

    assert WALL_TIME_S.ratio(difference) == pytest.approx(a / b, rel=1e-6)


@given(positive, positive)
def test_where_higher_is_better_the_order_of_costs_is_turned(a, b):
    rate = Metric(name="rate_hz", unit="Hz", better="higher")

    assert (rate.cost(a) < rate.cost(b)) == (math.log(a) > math.log(b))


def test_an_interval_scale_compares_differences_and_takes_negative_values():
    sharpe = Metric(name="sharpe", unit="1", better="higher", scale="interval")

    assert sharpe.cost(-0.5) - sharpe.cost(0.5) == 1.0
    assert sharpe.margin(0.1) == 0.1
    assert sharpe.ratio(0.25) == 0.25


def test_a_floor_makes_an_error_of_zero_comparable():
    error = Metric(name="abs_error", unit="1", floor=1e-12)

    assert error.cost(0.0) == error.cost(1e-13) == math.log(1e-12)


@pytest.mark.parametrize("value", [float("nan"), 0.0, -1.0])
def test_a_ratio_without_a_floor_refuses_what_has_no_logarithm(value):
    with pytest.raises(ValueError, match="wall_time_s"):
        WALL_TIME_S.cost(value)


@pytest.mark.parametrize("options", [{"name": ""}, {"name": "x", "floor": 0.0}])
def test_a_metric_without_sense_is_refused(options):
    with pytest.raises(ValueError, match=r"name|floor"):
        Metric(unit="s", **options)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"point": 1, "low": 2, "high": 3, "confidence": 0.9}, id="outside"),
        pytest.param({"point": math.nan, "low": 0, "high": 1, "confidence": 0.9}, id="no number"),
        pytest.param({"point": 1, "low": 0, "high": 2, "confidence": 1.0}, id="certainty"),
    ],
)
def test_an_estimate_holds_its_point_or_is_refused(options):
    with pytest.raises(ValueError, match=r"not within|confidence"):
        Estimate(n=3, **options)


def test_an_empty_block_is_refused():
    with pytest.raises(ValueError, match="no slots"):
        Block(number=0, epoch=0, case=Case(workload="w", size=1, seed=0), slots=())


@pytest.mark.parametrize(
    ("name", "function"),
    [
        pytest.param("", abs, id="no name"),
        pytest.param("  ", abs, id="a blank name"),
        pytest.param("a\x1b[31m", abs, id="an escape sequence"),
        pytest.param("x" * 201, abs, id="too long"),
        pytest.param("a", "no import string", id="no import string"),
        pytest.param("a", 3, id="not callable"),
    ],
)
def test_a_candidate_without_sense_is_refused(name, function):
    with pytest.raises(UsageError):
        Candidate(name=name, function=function)


@pytest.mark.parametrize(
    "resources",
    [
        pytest.param({"GPU": "one"}, id="a word"),
        pytest.param("GPU", id="a name alone"),
        pytest.param(["GPU"], id="a list"),
        pytest.param({"GPU": 0}, id="nothing of it"),
        pytest.param({"GPU": -1}, id="less than nothing"),
        pytest.param({"GPU": True}, id="a bool"),
        pytest.param({"GPU": math.nan}, id="nan"),
        pytest.param({"GPU": math.inf}, id="infinite"),
        pytest.param({"GPU": None}, id="none"),
        pytest.param({"GPU": 10**400}, id="beyond every float"),
        pytest.param({"GPU": Fraction(1, 10**400)}, id="too little for a float"),
        pytest.param({" ": 1}, id="an empty name"),
        pytest.param({1: 1}, id="a number for a name"),
        pytest.param(0, id="a number"),
    ],
)
def test_resources_that_are_none_are_refused_in_one_line(resources):
    marked = candidate(resources=resources)(lambda case: case)

    for make in (
        lambda: Candidate(name="mine", function=sorted, resources=resources),
        lambda: as_candidate(marked),
    ):
        with pytest.raises(UsageError, match=r"resources must be .* above 0.* but got") as refused:
            make()
        assert repr(resources) in str(refused.value)
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "resources", [{}, {"GPU": 1}, {"GPU": 0.5, "MEM": np.int64(3)}, MappingProxyType({"GPU": 1})]
)
def test_resources_are_names_with_numbers(resources):
    assert Candidate(name="mine", function=sorted, resources=resources).resources == resources


def test_resources_are_kept_as_pythons_own_numbers_which_a_store_can_keep():
    given_ones = {"GPU": np.int64(1), "MEM": Fraction(1, 2), "DISK": np.float32(0.25), "NET": 1.0}

    kept = Candidate(name="mine", function=sorted, resources=given_ones).resources

    assert repr(kept) == "{'GPU': 1, 'MEM': 0.5, 'DISK': 0.25, 'NET': 1.0}"
    assert json.loads(json.dumps(kept)) == kept


def test_a_marked_function_stays_a_function_and_keeps_its_options():
    @candidate(name="mine", resources={"GPU": 1}, window=3)
    def smooth(case, window):
        return case[:window]

    found = as_candidate(smooth)

    assert is_marked(smooth)
    assert smooth([1, 2, 3, 4], 2) == [1, 2]
    assert (found.name, found.resources) == ("mine", {"GPU": 1})
    assert found.resolve()([1, 2, 3, 4]) == [1, 2, 3]


def test_names_come_from_functions_methods_and_partials():
    class Sorter:
        def sort(self, case):
            return sorted(case)

    assert as_candidate(Sorter().sort).name == "Sorter.sort"
    assert as_candidate(functools.partial(sorted, reverse=True)).name == "sorted"
    assert as_candidate(sorted).name == "sorted"


def test_a_grid_makes_a_named_candidate_of_every_combination():
    found = candidates_from_grid(sorted, {"reverse": [True, False]})

    assert [c.name for c in found] == ["sorted(reverse=True)", "sorted(reverse=False)"]
    assert found[0].resolve()([1, 3, 2]) == [3, 2, 1]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        pytest.param([sorted, np.float32, None], ["sorted", "float32", "None"], id="names"),
        pytest.param(np.array([1, 2]), ["1", "2"], id="numbers of numpy"),
        pytest.param(["a", 1.5], ["'a'", "1.5"], id="plain values"),
    ],
)
def test_the_names_of_a_grid_are_the_same_in_every_run(values, told):
    found = candidates_from_grid(sorted, {"key": values})

    assert [c.name for c in found] == [f"sorted(key={one})" for one in told]
    assert [c.parameters["key"] for c in found] == list(values)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([lambda x: x, lambda x: -x], [f"{__name__}.<lambda> 1", f"{__name__}.<lambda> 2"]),
        ([np.sort, sort], ["numpy.sort", f"{__name__}.sort"]),
        ([functools.partial(sort), [sort]], ["sort", "[<function sort>]"]),
        ([np.float32(0.5), 0.5], ["np.float32(0.5)", "0.5"]),
        ([2, 2], ["2 1", "2 2"]),
    ],
    ids=["two of a kind", "two modules", "within others", "numbers", "the same twice"],
)
def test_values_that_look_alike_are_told_apart_and_alike_in_every_run(values, told):
    names = [c.name for c in candidates_from_grid(sorted, {"key": values})]

    assert names == [f"sorted(key={one})" for one in told]


@pytest.mark.parametrize(
    ("grid", "why"),
    [
        ({}, "empty"),
        ({"window": []}, "no values"),
        (3, "the grid must map parameters to lists of values but got 3"),
        ({"window": 1}, "'window' must be a list but got 1"),
        ({"window": "xyz"}, "'window' must be a list but got 'xyz'"),
    ],
)
def test_a_grid_without_lists_of_values_is_refused(grid, why):
    with pytest.raises(UsageError, match=why):
        candidates_from_grid(sorted, grid)


def test_an_import_string_is_found_or_says_what_is_missing():
    assert import_function("math:sqrt") is math.sqrt
    with pytest.raises(UnknownNameError, match="cannot import"):
        import_function("nowhere.at_all:f")
    with pytest.raises(UnknownNameError, match="has no"):
        import_function("math:nothing")
    with pytest.raises(UnknownNameError, match="did you mean 'sqrt'"):
        import_function("math:sqr")
    with pytest.raises(UnknownNameError, match="not callable"):
        import_function("math:pi")


@pytest.mark.parametrize("levels", [DEEPEST_PARAMETERS, DEEPEST_PARAMETERS + 1])
def test_parameters_that_no_run_could_keep_are_refused_at_the_door(levels):
    value = functools.reduce(lambda inner, _: [inner], range(levels - 1), 1)
    is_refused = levels > DEEPEST_PARAMETERS

    with (
        pytest.raises(UsageError, match="'a': parameters are nested deeper than 48 levels")
        if is_refused
        else contextlib.nullcontext()
    ):
        Candidate(name="a", function=as_candidate, parameters={"value": value})


def test_parameters_that_hold_themselves_are_refused_at_the_door():
    value = []
    value.append(value)

    with pytest.raises(UsageError, match="nested deeper"):
        Candidate(name="a", function=as_candidate, parameters={"value": value})


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        pytest.param(np.int64(3), 3, id="a whole number of numpy"),
        pytest.param(np.float64(0.5), 0.5, id="a float of numpy"),
        pytest.param(np.bool_(True), True, id="a truth of numpy"),
        pytest.param([np.str_("a"), (1,)], ["a", [1]], id="nested"),
        pytest.param(float("-inf"), "-inf", id="an infinity"),
        pytest.param(np.float32, "<class 'numpy.float32'>", id="a class"),
        pytest.param(Fraction(1, 3), "Fraction(1, 3)", id="any object"),
    ],
)
def test_a_run_keeps_of_parameters_what_json_can_tell(value, kept):
    given = Candidate(name="a", function=as_candidate, parameters={"value": value})

    document = candidate_document(given)

    assert document["parameters"] == {"value": kept}
    assert type(document["parameters"]["value"]) is type(kept)
    assert document["import_string"] is None
    assert given.import_string is not None


@pytest.mark.parametrize(
    "value",
    [2, "two", None, 0.5, np.float32(0.1), (1, [2]), {1: "one"}, float("inf"), np.float32, len],
    ids=str,
)
def test_parameters_that_are_as_a_run_keeps_them_are_not_said_to_have_changed(value):
    given = Candidate(name="a", function=as_candidate, parameters={"value": value})

    kept = json.loads(json.dumps(candidate_document(given)["parameters"]))

    assert changed_parameters(given, kept) == ()
    assert changed_parameters(given, {"value": {"another": 1}}) == ("value",)


def test_what_a_repr_tells_of_a_parameter_is_no_change():
    given = Candidate(name="a", function=as_candidate, parameters={"key": lambda case: case})
    before = Candidate(name="a", function=as_candidate, parameters={"key": lambda case: case})

    assert changed_parameters(given, candidate_document(before)["parameters"]) == ()


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        pytest.param(2, 3, id="a number"),
        pytest.param((1, 2), [1, 2, 3], id="a longer list"),
        pytest.param({"a": [1]}, {"a": [2]}, id="nested"),
        pytest.param(len, 3, id="a function where a number was"),
    ],
)
def test_a_parameter_that_changed_is_named(value, kept):
    given = Candidate(name="a", function=as_candidate, parameters={"same": 1, "value": value})

    assert changed_parameters(given, {"same": 1, "value": kept}) == ("value",)


def test_only_what_can_be_imported_again_has_an_import_string():
    assert Candidate(name="a", function=as_candidate).import_string is not None
    assert Candidate(name="a", function=lambda case: case).import_string is None
