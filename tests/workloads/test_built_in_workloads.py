"""Promises of every built-in workload, and the facts its description states."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parbench_lab.errors import UsageError
from parbench_lab.testing.workload import check_workload
from parbench_lab.workloads import nearest_neighbours, numeric_integration
from parbench_lab.workloads.members import missing_candidates
from parbench_lab.workloads.moving_average import MovingAverage
from parbench_lab.workloads.nearest_neighbours import NearestNeighbours
from parbench_lab.workloads.numeric_integration import NumericIntegration
from parbench_lab.workloads.registry import (
    candidates_of,
    resolve,
    workload_by_name,
    workload_names,
)
from parbench_lab.workloads.text_search import TextSearch

BUILT_IN = (
    "moving_average",
    "numeric_integration",
    "sorting",
    "json_parsing",
    "nearest_neighbours",
    "text_search",
    "model_selection",
)
QUICK = tuple(name for name in BUILT_IN if name != "model_selection")


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_built_in_workload_keeps_the_promises_of_a_workload(name):
    check_workload(workload_by_name(name))


@pytest.mark.parametrize("name", QUICK)
@settings(max_examples=25, deadline=None, derandomize=True)
@given(size=st.integers(1, 400), seed=st.integers(0, 2**63))
def test_every_candidate_is_right_at_any_size(name, size, seed):
    job = workload_by_name(name)
    case = job.make_case(size, np.random.default_rng(seed))

    for candidate in candidates_of(job):
        job.check(case, candidate.resolve()(case))


@pytest.mark.parametrize("size", [2, 99, 100, 1437, 1500])
def test_the_models_learn_from_any_number_of_images(size):
    job = workload_by_name("model_selection")
    case = job.make_case(size, np.random.default_rng(size))
    models = {candidate.name: candidate.resolve() for candidate in candidates_of(job)}

    scores = [job.check(case, models[name](case)) for name in ("naive_bayes", "decision_tree")]

    assert len(case.labels) == size
    assert all(0 <= score["validation_score"] <= 1 for score in scores)


def test_no_image_to_read_is_among_those_to_learn_from():
    case = workload_by_name("model_selection").make_case(1437, np.random.default_rng(4))

    learnt = {row.tobytes() for row in case.pixels}

    assert not any(row.tobytes() in learnt for row in case.validation_pixels)


def test_the_candidates_of_all_workloads_have_different_names():
    names = [c.name for job in BUILT_IN for c in candidates_of(workload_by_name(job))]

    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_candidate_can_be_found_again_by_its_import_string(name):
    for candidate in candidates_of(workload_by_name(name)):
        assert candidate.import_string == f"parbench_lab.workloads.{name}:{candidate.name}"


def test_the_moving_averages_are_at_least_six():
    assert len(candidates_of(MovingAverage())) >= 6


@pytest.mark.parametrize("size", [100, 1000])
@pytest.mark.parametrize("seed", range(10))
def test_the_three_integrators_differ_in_error_by_orders_of_magnitude(size, seed):
    job = NumericIntegration()
    case = job.make_case(size, np.random.default_rng(seed))

    fast = job.check(case, numeric_integration.fast_v1(case))["abs_error"]
    hybrid = job.check(case, numeric_integration.hybrid_v3(case))["abs_error"]
    exact = job.check(case, numeric_integration.accurate_v2(case))["abs_error"]

    assert fast > 10 * hybrid
    assert hybrid > 1000 * exact


def test_an_error_of_zero_has_a_cost():
    assert numeric_integration.ABS_ERROR.cost(0.0) == pytest.approx(np.log(1e-15))


def test_the_number_of_patterns_grows_with_the_text():
    def n_patterns(size):
        return len(TextSearch().make_case(size, np.random.default_rng(0)).patterns)

    assert [n_patterns(size) for size in (1, 100, 1000, 10_000, 20_000)] == [4, 4, 40, 400, 400]


def test_some_patterns_occur_and_some_do_not():
    job = workload_by_name("text_search")
    case = job.make_case(1000, np.random.default_rng(0))

    counts = next(iter(candidates_of(job))).resolve()(case)

    assert min(counts) == 0
    assert sum(count > 0 for count in counts) > len(counts) / 4


def test_large_clouds_are_checked_at_points_drawn_with_the_case():
    job = NearestNeighbours()
    case = job.make_case(4000, np.random.default_rng(0))
    found = nearest_neighbours.scipy_kd_tree(case)

    job.check(case, found)
    wrong = np.array(found)
    wrong[case.check_rows[7], -1] = _farthest(case, case.check_rows[7])

    assert len(case.check_rows) == 1000
    with pytest.raises(ValueError, match=r"is nearer than \d+ but is not named"):
        job.check(case, wrong)


def _farthest(case, row):
    return int(np.argmax(((case.points - case.points[row]) ** 2).sum(axis=1)))


def test_a_candidate_whose_library_is_missing_is_refused_with_its_name(monkeypatch):
    monkeypatch.setitem(sys.modules, "ahocorasick", None)

    with pytest.raises(UsageError, match=r"aho_corasick.*needs the library ahocorasick"):
        resolve(["aho_corasick"], "text_search")

    assert missing_candidates(workload_by_name("text_search")) == {"aho_corasick": "ahocorasick"}


def test_a_candidate_whose_library_is_missing_is_left_out(monkeypatch):
    for library in ("orjson", "sklearn", "ahocorasick"):
        monkeypatch.setitem(sys.modules, library, None)

    def names(job):
        return {candidate.name for candidate in candidates_of(workload_by_name(job))}

    assert "orjson_loads" not in names("json_parsing")
    assert "json_loads" in names("json_parsing")
    assert "sklearn_ball_tree" not in names("nearest_neighbours")
    assert "aho_corasick" not in names("text_search")
    assert not names("model_selection")


def test_looking_all_workloads_up_loads_no_heavy_library():
    program = (
        "import sys\n"
        "from parbench_lab.workloads.registry import candidates_of, workload_by_name\n"
        f"for name in {BUILT_IN}: candidates_of(workload_by_name(name))\n"
        "heavy = ('pandas', 'scipy', 'sklearn', 'dask', 'msgspec', 'orjson', 'ahocorasick')\n"
        "print([name for name in heavy if name in sys.modules])\n"
    )

    finished = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )

    assert finished.stdout.strip() == "[]"


def test_the_built_in_names_come_first():
    assert workload_names()[: len(BUILT_IN)] == BUILT_IN
