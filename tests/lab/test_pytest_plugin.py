"""The fixture ``parbench``, as a project's own tests use it, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from parbench_lab.store import open_store

TESTS = """
def quick(case):
    return sum(case)

def slow(case):
    for _ in range(20):
        total = sum(case)
    return total

def test_the_quick_one_wins(parbench):
    result = parbench.race("sums", {"slow": slow, "quick": quick}, case=[1] * 3000, seconds=20)
    assert result.winner == "quick"

def test_one_is_recorded(parbench):
    result = parbench.record("sums", quick, case=lambda size, rng: [1] * size, size=3000)
    assert result.scoreboard.of("quick").median_s > 0

def test_a_wrong_one_fails(parbench):
    parbench.race("sums", {"quick": quick, "wrong": len}, case=[2, 2])
"""


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    (folder / "test_sums.py").write_text(TESTS)
    (folder / "pytest.ini").write_text("[pytest]\n")
    store = folder / "kept.db"
    words = ["-n", "2", "-p", "no:cacheprovider", "--parbench-store", str(store)]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words, "--junit-xml", "tests.xml"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done, store, (folder / "tests.xml").read_text()


def test_a_test_races_and_records_its_functions_in_parallel_processes(outcome):
    done, _, _ = outcome

    assert "2 passed" in done.stdout
    assert "1 failed" in done.stdout


def test_a_wrong_result_fails_the_test_with_its_reason(outcome):
    done, _, _ = outcome

    assert "AssertionError: wrong: wrong result: ValueError: expected 4 but got 2" in done.stdout


def test_all_runs_are_in_one_store_and_in_one_series(outcome):
    _, place, _ = outcome

    store = open_store(place)
    points = store.series(workload="sums", candidate="quick", size=3000)

    assert len(store.runs()) == 3
    assert len(points) == 1
    configurations = [store.header(run.id).document["configuration"] for run in store.runs()]
    assert {"test": "test_sums.py::test_one_is_recorded"} in configurations


def test_the_id_of_a_run_is_in_the_junit_file(outcome):
    _, _, xml = outcome

    assert xml.count('name="parbench_run"') == 3


def test_runs_are_kept_where_the_project_keeps_its_own(tmp_path):
    below = tmp_path / "tests"
    below.mkdir()
    (below / "test_sums.py").write_text(
        "def test_it(parbench):\n    parbench.record('sums', sum, case=[1] * 3000)\n"
    )
    (tmp_path / "pyproject.toml").write_text(
        "[tool.pytest.ini_options]\n[tool.parbench]\nstore = 'bench/kept.db'\n"
    )
    environment = {
        k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "PARBENCH_STORE"))
    }

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"],
        cwd=below,  # what the file says is relative to the file
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert "1 passed" in done.stdout
    store = open_store(tmp_path / "bench" / "kept.db")
    assert len(store.runs()) == 1
    store.close()
    assert not list(tmp_path.rglob(".parbench"))
