"""A user's module races: ``parbench race mymodule`` and ``parbench race mymodule.py``."""

import itertools
import sys
import textwrap
from pathlib import Path

import pytest

from parbench_lab.errors import UnknownNameError, UsageError
from parbench_lab.workloads.modules import source_of
from parbench_lab.workloads.registry import targets

FUNCTIONS = """
def make_case(size, rng):
    return rng.random(size)

def check(case, result):
    assert len(result) == len(case)
"""
CLASS = """
class Doubling:
    def make_case(self, size, rng):
        return rng.random(size)

    def check(self, case, result):
        assert len(result) == len(case)
"""
CANDIDATES = """
from parbench_lab import Candidate, candidate, candidates_from_grid

@candidate
def slow(case):
    return [2 * x for x in case]

@candidate(name="quick")
def with_numpy(case):
    return 2 * case

def not_marked(case):
    return case
"""
_numbers = itertools.count()


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a module under a name of its own into the current folder; return the name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])

    def write_module(*sources, name=None):
        name = name or f"users_module_{next(_numbers)}"
        (tmp_path / f"{name}.py").write_text("\n".join(map(textwrap.dedent, sources)))
        return name

    return write_module


def names(found):
    return [candidate.name for candidate in found[1]]


def job_name(found):
    return getattr(found[0], "name", type(found[0]).__name__)


@pytest.mark.parametrize("form", ["{}", "{}.py", "./{}.py"])
def test_marked_functions_of_a_module_or_file_race_in_order_of_definition(write, form):
    name = write(FUNCTIONS, CANDIDATES)

    found = targets(form.format(name))

    assert names(found) == ["slow", "quick"]
    assert job_name(found) == name
    assert found[1][0].import_string == f"{name}:slow"


def test_a_file_elsewhere_may_import_its_neighbours(write, tmp_path, monkeypatch):
    neighbour = write(CANDIDATES)
    name = write(f"from {neighbour} import *", FUNCTIONS)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    assert names(targets(str(tmp_path / f"{name}.py"))) == ["slow", "quick"]


@pytest.mark.parametrize(
    ("source", "job"),
    [
        pytest.param(CLASS, "{}:Doubling", id="a class"),
        pytest.param(CLASS + "job = Doubling()", "{}:Doubling", id="an instance and its class"),
        pytest.param(CLASS + "    name = 'mine'", "mine", id="a class with a name of its own"),
        pytest.param(CLASS + "    __slots__ = ()", "{}:Doubling", id="a class with slots"),
        pytest.param('WORKLOAD = "sorting"', "sorting", id="a name"),
        pytest.param(CLASS + FUNCTIONS + "WORKLOAD = Doubling", "{}:Doubling", id="one of two"),
        pytest.param(CLASS + 'WORKLOAD = "sorting"', "sorting", id="a name beside a class"),
        pytest.param(FUNCTIONS + "WORKLOAD = (make_case, check)", None, id="a pair of functions"),
        pytest.param(
            "from parbench_lab.workloads.sorting import Sorting", "sorting", id="imported class"
        ),
        pytest.param(
            "from parbench_lab.core.ports import Workload\n" + CLASS.replace("g:", "g(Workload):"),
            "{}:Doubling",
            id="a class beside the protocol",
        ),
        pytest.param(
            "from parbench_lab.workloads.sorting import Sorting\nclass Mine(Sorting): pass\n",
            "sorting",
            id="a class of its own goes before an imported one",
        ),
        pytest.param(
            "def make_case(size, rng): return size\ndef reference(case): return case",
            None,
            id="a reference instead of a check",
        ),
    ],
)
def test_the_workload_of_a_module_is_found(write, source, job):
    name = write(source, CANDIDATES)

    found = targets(name)

    assert job_name(found) == (job or "{}").format(name)
    assert names(found) == ["slow", "quick"]


def test_candidate_values_and_grids_of_a_module_race_too(write):
    name = write(
        FUNCTIONS,
        CANDIDATES,
        """
        grid = candidates_from_grid(not_marked, {"n": [1, 2]})
        last = Candidate(name="last", function=not_marked)
        again = slow
        """,
    )

    assert names(targets(name)) == [
        "slow", "quick", "not_marked(n=1)", "not_marked(n=2)", "last",
    ]  # fmt: skip


def test_without_marked_functions_the_workloads_own_candidates_race(write):
    name = write("from parbench_lab.workloads.sorting import Sorting")

    assert names(targets(name))[:2] == ["list_sort", "heap_sort"]


def test_the_name_of_a_workload_goes_before_a_module(write):
    write(FUNCTIONS, CANDIDATES, name="sorting")

    assert names(targets("sorting"))[0] == "list_sort"
    assert names(targets("sorting.py"))[0] == "slow"
    assert job_name(targets("sorting.py")) == "sorting:make_case"


def test_classes_of_one_name_in_two_files_are_two_workloads(write):
    first, second = write(CLASS, CANDIDATES), write(CLASS, CANDIDATES)

    assert job_name(targets(f"{first}.py")) != job_name(targets(f"{second}.py"))


def test_one_of_several_workloads_of_a_module_is_raced_by_its_full_name(write):
    name = write(CLASS, CLASS.replace("Doubling", "Tripling"), CANDIDATES)

    found = targets(f"{name}:Tripling")

    assert job_name(found) == f"{name}:Tripling"
    assert names(found) == ["slow", "quick"]


def test_a_source_is_a_digest_of_the_file_under_the_name_that_was_given(write):
    name = write(FUNCTIONS, CANDIDATES)

    found = source_of(f"./{name}.py")
    Path(f"{name}.py").write_text("changed")

    assert found.given == f"./{name}.py"
    assert source_of(name).sha256 != found.sha256
    assert source_of("sorting") is None
    assert source_of("gone.py") is None


@pytest.mark.parametrize(
    ("source", "words"),
    [
        pytest.param(CANDIDATES, "has no workload: define make_case", id="no workload"),
        pytest.param(FUNCTIONS, "has no candidates: mark functions with @", id="no candidates"),
        pytest.param(
            CLASS + CLASS.replace("Doubling", "Tripling") + CANDIDATES,
            "has several workloads, Doubling, Tripling: say which with WORKLOAD = Doubling",
            id="two workloads",
        ),
        pytest.param(
            'WORKLOAD = "sortng"' + CANDIDATES, "did you mean 'sorting'", id="a misspelt workload"
        ),
        pytest.param("def broken(:", "cannot be imported: SyntaxError", id="no Python"),
        pytest.param("1 / 0", "cannot be imported: ZeroDivisionError", id="an exception"),
        pytest.param("import sys; sys.exit(3)", "cannot be imported: SystemExit", id="an exit"),
        pytest.param(
            "import no_such_module_at_all", "No module named 'no_such_module_at_all'",
            id="a missing import",
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", ["{}", "{}.py"])
def test_a_module_that_cannot_race_says_why_in_one_line(write, form, source, words):
    name = write(source)

    with pytest.raises(UsageError, match=words) as caught:
        targets(form.format(name))

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["no_such_thing", "no.such.thing", "no_such.py", "./folder/none.py", "a b", "..x"]
)
def test_a_name_that_is_nothing_lists_what_there_is(write, name):
    with pytest.raises(UnknownNameError, match=r"not found|there is no file"):
        targets(name)


def test_a_misspelt_workload_is_guessed(write):
    with pytest.raises(UnknownNameError, match="did you mean 'moving_average'"):
        targets("moving_avarage")


@pytest.mark.parametrize("name", ["notes.txt", "race.ipynb", "my-race.py"])
def test_a_file_that_is_no_module_says_what_to_give(write, name):
    Path(name).write_text(CANDIDATES)

    with pytest.raises(UsageError, match="give a file like"):
        targets(f"./{name}")


def test_a_file_with_the_name_of_another_module_asks_to_be_renamed(write):
    write(FUNCTIONS, CANDIDATES, name="json")

    with pytest.raises(UsageError, match=r"the name 'json' belongs to .*rename the file"):
        targets("json.py")
