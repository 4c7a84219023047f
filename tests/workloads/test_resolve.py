"""What a user writes becomes a workload and candidates, or one line that says what to do."""

import textwrap
import warnings

import pytest

from parbench_lab.core.candidate import Candidate, candidate, candidates_from_grid
from parbench_lab.core.ports import workload_name
from parbench_lab.errors import UnknownNameError, UsageError
from parbench_lab.workloads import sorting
from parbench_lab.workloads.registry import (
    forget_workload,
    register_workload,
    resolve,
    workload_by_name,
    workload_names,
)


class Doubling:
    candidates = ()

    def make_case(self, size, rng):
        return list(range(size))

    def check(self, case, result):
        if result != [2 * x for x in case]:
            raise ValueError("not doubled")


@candidate
def doubled(case):
    return [2 * x for x in case]


@candidate(name="added", resources={"GPU": 1})
def plus(case):
    return [x + x for x in case]


def names(candidates):
    return [found.name for found in candidates]


def test_the_founding_names_are_candidates_of_numeric_integration():
    job, candidates = resolve(["fast_v1", "accurate_v2", "hybrid_v3"])

    assert job.name == "numeric_integration"
    assert job.objectives == ("wall_time_s", "abs_error")
    assert names(candidates) == ["fast_v1", "accurate_v2", "hybrid_v3"]


@pytest.mark.parametrize("name", workload_names())
def test_without_algorithms_all_candidates_of_a_workload_race(name):
    job, candidates = resolve(None, name)

    assert job.name == name
    assert names(candidates) == names(job.candidates)


def test_names_callables_candidates_and_import_strings_mix_in_their_order():
    job, candidates = resolve(
        [
            sorting.merge_sort,
            "list_sort",
            "parbench_lab.workloads.sorting:heap_sort",
            Candidate(name="mine", function=sorted),
            plus,
        ],
        "sorting",
    )

    assert job.name == "sorting"
    assert names(candidates) == ["merge_sort", "list_sort", "heap_sort", "mine", "added"]
    assert candidates[2].import_string == "parbench_lab.workloads.sorting:heap_sort"
    assert candidates[-1].resources == {"GPU": 1}


def test_names_decide_the_workload_that_callables_race_at():
    job, candidates = resolve(["cumsum", doubled])

    assert job.name == "moving_average"
    assert names(candidates) == ["cumsum", "doubled"]


def test_closures_bound_methods_and_grids_race():
    def power(case, exponent):
        return [x**exponent for x in case]

    _, candidates = resolve(
        [Doubling().check, *candidates_from_grid(power, {"exponent": [1, 2]})], Doubling
    )

    assert names(candidates) == ["Doubling.check", "power(exponent=1)", "power(exponent=2)"]


@pytest.mark.parametrize(
    "workload",
    [
        pytest.param(Doubling, id="class"),
        pytest.param(Doubling(), id="instance"),
        pytest.param((Doubling().make_case, Doubling().check), id="pair of functions"),
        pytest.param(f"{__name__}:Doubling", id="import string"),
    ],
)
def test_a_workload_may_be_given_in_many_forms(workload):
    job, candidates = resolve([doubled], workload)

    job.check([1, 2], candidates[0].resolve()([1, 2]))


REFUSED = [
    pytest.param(["cumsm"], None, r"'cumsm': not found; did you mean 'cumsum'\?", id="misspelt"),
    pytest.param(["zzz"], None, r"known names are moving_average: .*sorting:", id="unknown"),
    pytest.param(["cumsm"], "moving_average", "did you mean 'cumsum'", id="of a workload"),
    pytest.param(["list_sort"], "text_search", "known names are str_find", id="of another one"),
    pytest.param(None, "sort", "did you mean 'sorting'|known names are", id="workload"),
    pytest.param(
        ["cumsum", "list_sort"], None, "'cumsum' is in moving_average; 'list_sort' is in sorting",
        id="of two workloads",
    ),
    pytest.param(["os.path:nope"], "sorting", "'os.path' has no 'nope'", id="import string"),
    pytest.param(["no.module:f"], "sorting", "cannot import 'no.module'", id="no such module"),
    pytest.param(None, "os:nope", "has no attribute 'nope'", id="workload's import string"),
]  # fmt: skip


@pytest.mark.parametrize(("algorithms", "workload", "words"), REFUSED)
def test_an_unknown_name_lists_the_possibilities(algorithms, workload, words):
    with pytest.raises(UnknownNameError, match=words) as caught:
        resolve(algorithms, workload)

    assert "\n" not in str(caught.value)


MISUSED = [
    pytest.param(None, None, "give algorithms=.* or a workload: .*moving_average", id="nothing"),
    pytest.param([doubled], None, "give the candidates a workload: .*sorting", id="no workload"),
    pytest.param(["os.path:join"], None, "give the candidates a workload", id="import string"),
    pytest.param("cumsum", None, r"must be a list: give \['cumsum'\]", id="a text"),
    pytest.param(7, "sorting", "must be a list but got 7", id="a number"),
    pytest.param([], "sorting", "algorithms is empty", id="an empty list"),
    pytest.param([7], "sorting", "7 is not a candidate", id="not callable"),
    pytest.param(["list_sort", "list_sort"], None, "2 candidates are called 'list_sort'", id="2x"),
    pytest.param(
        [lambda case: 1, lambda case: 2], "sorting", r"called '<lambda>'.*@candidate\(name=",
        id="lambdas",
    ),
    pytest.param(["list_sort", sorting.list_sort], None, "called 'list_sort'", id="name and self"),
    pytest.param(None, Doubling, "'Doubling' brings no candidates: give algorithms", id="none"),
    pytest.param([doubled], 7, "7 is not a workload", id="no workload at all"),
]  # fmt: skip


@pytest.mark.parametrize(("algorithms", "workload", "words"), MISUSED)
def test_wrong_use_says_what_to_give(algorithms, workload, words):
    with pytest.raises(UsageError, match=words) as caught:
        resolve(algorithms, workload)

    assert "\n" not in str(caught.value)


@pytest.fixture
def clean_registry():
    """Forget what a test has registered."""
    before = set(workload_names())
    yield
    for name in set(workload_names()) - before:
        forget_workload(name)


@pytest.mark.usefixtures("clean_registry")
def test_names_that_several_workloads_have_are_ambiguous():
    register_workload(_with_names("quick_one"), name="first_of_two")
    register_workload(_with_names("quick_one", "slow_one"), name="second_of_two")

    with pytest.raises(UsageError, match="first_of_two, second_of_two; say which with workload="):
        resolve(["quick_one"])
    assert names(resolve(["quick_one", "slow_one"])[1]) == ["quick_one", "slow_one"]


def _with_names(*given):
    class Named(Doubling):
        candidates = tuple(Candidate(name=name, function=doubled) for name in given)

    return Named()


@pytest.mark.usefixtures("clean_registry")
def test_registering_again_replaces():
    first = register_workload(_with_names("a_cell"), name="of_a_cell")
    second = register_workload(_with_names("a_cell"), name="of_a_cell")

    assert workload_by_name("of_a_cell") is second
    assert first is not second
    assert workload_names().count("of_a_cell") == 1


def test_a_registered_class_is_known_by_its_own_name_until_it_is_forgotten():
    register_workload(type("Tripling", (Doubling,), {}))

    assert workload_name(workload_by_name("Tripling")) == "Tripling"
    forget_workload("Tripling")
    forget_workload("Tripling")
    assert "Tripling" not in workload_names()


@pytest.mark.usefixtures("clean_registry")
def test_a_registered_workload_hides_a_built_in_one_and_gives_it_back():
    register_workload(Doubling, name="sorting")

    assert isinstance(workload_by_name("sorting"), Doubling)
    forget_workload("sorting")
    assert isinstance(workload_by_name("sorting"), sorting.Sorting)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package with one workload that works and one that does not."""
    (tmp_path / "plugged_workloads.py").write_text(
        textwrap.dedent(
            """
            class Plugged:
                from parbench_lab.core.candidate import Candidate
                candidates = (Candidate(name="plugged_sort", function=sorted),)

                def make_case(self, size, rng):
                    return rng.random(size)

                def check(self, case, result):
                    return None
            """
        )
    )
    metadata = tmp_path / "plugged-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[parbench_lab.workloads]\n"
        "plugged = plugged_workloads:Plugged\n"
        "broken = plugged_workloads:Missing\n"
        "sorting = plugged_workloads:Plugged\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.usefixtures("package")
def test_installed_packages_bring_workloads():
    assert {"plugged", "broken"} <= set(workload_names())
    assert names(resolve(None, "plugged")[1]) == ["plugged_sort"]


@pytest.mark.usefixtures("package")
def test_a_package_does_not_hide_a_built_in_workload():
    assert isinstance(workload_by_name("sorting"), sorting.Sorting)
    assert workload_names().count("sorting") == 1


@pytest.mark.usefixtures("package")
def test_a_broken_package_is_a_warning_where_nobody_asked_for_it():
    with pytest.warns(UserWarning, match="workload 'broken' of the package 'plugged' cannot be"):
        job, _ = resolve(["plugged_sort"])

    assert type(job).__name__ == "Plugged"


@pytest.mark.usefixtures("package")
def test_a_broken_package_that_is_asked_for_is_an_error_of_one_line():
    with pytest.raises(UsageError, match="repair or uninstall the package"):
        resolve(None, "broken")


@pytest.mark.usefixtures("package")
def test_naming_a_built_in_workload_loads_no_package():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        resolve(["cumsum"], "moving_average")
