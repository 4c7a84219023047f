"""`parbench history`: the record of a workload in a terminal and as JSON."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from parbench_lab.cli import parbench
from parbench_lab.core.runs import EventRecord
from parbench_lab.store import open_store
from tests.reports.recorded import EVIL, header, record_runs, row


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    path = tmp_path_factory.mktemp("history") / "runs.db"
    record_runs(path, 16, candidates=("loop", "windows"), machines=("aaaa",), change_at=8)
    return path


@pytest.fixture
def history(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*words):
        return CliRunner().invoke(parbench, ["history", *words, "--store", str(place)])

    return run


def test_a_table_has_a_trend_an_interval_a_commit_and_the_changes(history):
    done = history("sorting")

    loop = next(line for line in done.stdout.splitlines() if " loop " in line)
    assert done.exit_code == 0
    assert {"▁", "█"} & set(loop)
    assert "0015abcdef" in loop
    assert "[" in loop
    assert loop.endswith("?+")
    assert "worse from 0008abcdef (2026-03-09) on" in done.stdout


def test_one_candidate_as_json_has_its_points_and_goes_into_a_file(history, tmp_path):
    done = history("sorting/loop", "--last", "4", "--json", "--output", "found.json")

    (series,) = json.loads(done.stdout)["series"]
    assert len(series["points"]) == 4
    assert json.loads((tmp_path / "found.json").read_text()) == json.loads(done.stdout)


def test_an_unknown_name_is_one_line_and_exit_code_2(history):
    done = history("sortin")

    assert done.exit_code == 2
    assert done.stderr.splitlines() == [
        "parbench: no wall_time_s of 'sortin' in the store; workloads with figures: sorting"
    ]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        pytest.param(
            ("--metric", "typo"), "no typo in the store; metrics with figures: wall_time_s",
            id="metric",
        ),
        pytest.param(
            ("--machine", "dead"),
            "no wall_time_s on a machine dead... in the store; machines with figures: aaaa",
            id="machine",
        ),
    ],
)  # fmt: skip
def test_what_nothing_is_of_is_refused_without_a_name_too(history, words, told):
    done = history(*words)

    assert done.exit_code == 2
    assert done.stderr.splitlines() == [f"parbench: {told}"]


def test_a_run_that_came_back_to_its_size_is_one_run(tmp_path):
    place = tmp_path / "runs.db"
    with contextlib.closing(open_store(place)) as store:
        for day in range(3):
            run_id = f"run-{day}"
            store.create_run(header(run_id, day, "aaaa", ["loop"]))
            rows = [replace(row("loop", 0, epoch, 1e-3), epoch=epoch) for epoch in range(2)]
            ended = EventRecord(seq=0, at_s=1.0, kind="TaskEnded", payload={}, measurements=rows)
            store.append(run_id, [ended])

    def runs(*words):
        done = CliRunner().invoke(parbench, ["history", *words, "--json", "--store", str(place)])
        (series,) = json.loads(done.stdout)["series"]
        return [point["run"] for point in series["points"]]

    said = CliRunner().invoke(parbench, ["history", "--store", str(place)]).stdout
    (line,) = [line for line in said.splitlines() if " loop " in line]

    assert runs() == ["run-0", "run-0", "run-1", "run-1", "run-2", "run-2"]
    assert runs("--last", "2") == ["run-1", "run-1", "run-2", "run-2"]
    assert line.split()[5] == "3"


def test_names_that_would_steer_a_terminal_are_written_out(tmp_path):
    record_runs(
        tmp_path / "runs.db", 1, candidates=(f"\x1b[31m{EVIL}\n",), machines=("aaaa",), blocks=6
    )

    done = CliRunner().invoke(parbench, ["history", "--store", str(tmp_path / "runs.db")])

    assert "\x1b" not in done.stdout
    assert f"?[31m{EVIL}" in done.stdout
