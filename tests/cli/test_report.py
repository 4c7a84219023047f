"""`parbench report`: parameters in, files out, exit codes; one kernel runs here."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from parbench_lab.cli import parbench
from parbench_lab.core.ports import RunSummary
from tests.cli.doubles import ListStore, Visitors
from tests.reports.notebooks import write_notebook


def summary(run_id, kind):
    return RunSummary(
        id=run_id,
        kind=kind,
        name="x",
        started_utc="2026-01-02T03:04:05+00:00",
        status="finished",
        result=None,
    )


@pytest.fixture
def visitors():
    return Visitors(store=ListStore([summary("r1", "race"), summary("s1", "study")]))


def test_a_report_that_fails_leaves_its_files_and_exits_with_1(shell, tmp_path):
    write_notebook(tmp_path / "mine.ipynb", "## Check", "assert who == 'you', times")

    done = shell("report", "mine.ipynb", "-p", "times=7", "-o", "out", "--output", "all.json")

    assert done.exit_code == 1
    assert "[2/2 cells] Check ..." in done.stderr
    assert done.stderr.splitlines()[-1].endswith("cell 2 (Check): AssertionError: 7")
    assert [line.rpartition("/")[2] for line in done.stdout.splitlines()] == [
        "mine.ipynb",
        "mine.html",
        "mine.json",
        "mine.txt",
    ]
    assert json.loads((tmp_path / "all.json").read_text())["parameters"] == {"times": 7}


def test_the_parameters_of_a_notebook_are_listed_with_types_and_help(shell):
    listed = shell("report", "race", "--list")
    documents = json.loads(shell("report", "race", "--list", "--json").stdout)

    assert listed.exit_code == 0
    assert "  batch_size: int = 0  # items in a case; 0: the workload's own" in listed.stdout
    assert documents[0] == {
        "name": "workload",
        "type": "str",
        "default": "'moving_average'",
        "help": "a name, a module or a FILE.py",
    }


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("race", "-p", "batchsize=3"), "did you mean 'batch_size'? it has 'workload' (str)"),
        (("race", "-p", "batch_size=many"), "must be a whole number but got 'many'; known are"),
        (("race", "-p", "batch_size"), "NAME=VALUE"),
        (("race", "-p", "seed=1", "-p", "seed=2"), "given twice"),
        (("nothing",), "there are compare, history, quantize, race, scaling"),
        (("history", "--from", "r1"), "has no parameter 'run'"),
        (("race", "--from", "r1", "-p", "run=r1"), "given twice"),
        (("race", "--from", "s1"), "is no race but a study"),
        (("race", "s1"), "is no race but a study"),
        (("race", "r1", "--from", "r1"), "given twice"),
        (("race", "-p", "seconds=-1", "--dry-run"), "'seconds' must be positive and finite but"),
        (("race", "-p", "seconds=0"), "'seconds' must be positive and finite but got 0"),
        (("race", "-p", "batch_size=-1", "--dry-run"), "'batch_size' must be 0 or more"),
        (("race", "-p", "measurements=-1", "--dry-run"), "'measurements' must be 0 or more"),
        (("race", "-p", "tolerance=-1", "--dry-run"), "parameter 'tolerance' must be"),
        (("race", "-p", "elimination_threshold=0.5", "--dry-run"), "'elimination_threshold' must"),
        (
            ("race", "-p", "elimination_threshold=5", "--dry-run"),
            "'elimination_threshold' must be at least 20 but got 5\n",
        ),
        (
            ("race", "-p", "elimination_threshold=0", "--dry-run"),
            "'elimination_threshold' must",
        ),
        (("race", "-p", "seed=-1", "--dry-run"), "parameter 'seed' must be 0 or more"),
        (("race", "--from", "r1", "-p", "batch_size=500"), "'batch_size' has no use where a st"),
        (("race", "-p", "run=r1", "-p", "seconds=5"), "'seconds' has no use where a stored run"),
        (("scaling", "-p", "targets=fast", "--dry-run"), "a target is written as '4-8x on 8"),
        (("scaling", "-p", "targets=8-4x on 8 cores"), "a target needs 0 < low <= high"),
        (("scaling", "--from", "s1", "-p", "repeats=5"), "'repeats' has no use where a stored"),
        (("race", "--output", "no/such/folder.json"), "there is no folder"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(shell, words, said, tmp_path):
    done = shell("report", *words)

    assert done.exit_code == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize(
    ("words", "takes"),
    [
        (("race", "-p", "seconds=7"), "at most 7.0 s of race"),
        (("history",), "nothing is measured"),
        (("scaling",), "not known before it runs"),
        (("race", "-p", "batch_size=0", "-p", "tolerance=0"), "at most 20.0 s of race"),
        (("race", "--from", "r1", "-p", "store=x.db"), "nothing is measured"),
        (("scaling", "--from", "s1", "-p", "targets=2x on 4 cores"), "nothing is measured"),
    ],
    ids=str,
)
def test_a_dry_run_says_what_would_be_executed_and_executes_nothing(shell, tmp_path, words, takes):
    done = shell("report", *words, "--dry-run", "--json")

    lines = json.loads(done.stdout)["plan"]
    assert done.exit_code == 0
    assert lines[0].startswith(f"notebook   {words[0]}: ")
    assert takes in lines[-1]
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_is_not_there_is_told_before_anything_is_started(shell, tmp_path):
    done = shell("report", "race", "--from", "zzz")

    assert done.exit_code == 2
    assert "no run 'zzz'" in done.stderr
    assert not (tmp_path / "reports").exists()


def test_help_shows_examples_and_exit_codes():
    done = CliRunner().invoke(parbench, ["report", "--help"])

    assert "parbench report race -p workload=sorting" in done.stdout
    assert "Exit codes: 0 done, 1 a cell failed" in done.stdout
