"""The configuration: what wins, what is refused, where files lie."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from parbench_lab.cli import parbench
from parbench_lab.errors import UsageError
from parbench_lab.lab.configuration import checked, file_layers, merged, read_layer


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_flags_win_over_the_file_which_wins_over_the_project(shell, visitors, tmp_path):
    write(
        tmp_path / "pyproject.toml",
        "[tool.parbench]\ntolerance = 0.1\nseed = 1\nworkers = 1\nbatch-size = 11\n",
    )
    write(tmp_path / "race.toml", "tolerance = 0.2\nseed = 2\nworkers = 2\n")

    shell("race", "--config", "race.toml", "--tolerance", "0.3", "--seed", "3")

    (_, options) = visitors.new[0]
    assert options["tolerance"] == 0.3
    assert options["seed"] == 3
    assert options["n_workers"] == 2
    assert options["batch_size"] == 11
    sources = options["configuration"]["sources"]
    assert sources["tolerance"] == "flag"
    assert sources["workers"] == "race.toml"
    assert sources["batch_size"].endswith("pyproject.toml")


def test_the_environment_wins_over_files_and_loses_to_flags(shell, visitors, tmp_path):
    write(tmp_path / "pyproject.toml", "[tool.parbench]\nstore = 'project.db'\n")

    shell("runs", env={"PARBENCH_STORE": "environment.db"})
    shell("runs", "--store", "flag.db", env={"PARBENCH_STORE": "environment.db"})
    shell("runs")

    assert visitors.stores == ["environment.db", "flag.db", str(tmp_path / "project.db")]


def test_the_nearest_project_upward_counts_and_no_other(tmp_path):
    write(tmp_path / "pyproject.toml", "[tool.parbench]\nseed = 1\n")
    write(tmp_path / "inner" / "pyproject.toml", "[tool.parbench]\nseed = 2\n")
    deep = tmp_path / "inner" / "a" / "b"
    deep.mkdir(parents=True)

    (layer,) = file_layers(deep, None)

    assert layer.values == {"seed": 2}


def test_a_project_without_our_table_gives_nothing(tmp_path):
    write(tmp_path / "pyproject.toml", "[tool.other]\nseed = 'x'\n")

    (layer,) = file_layers(tmp_path, None)

    assert layer.values == {}


def test_json_is_read_too(tmp_path):
    path = write(tmp_path / "c.json", json.dumps({"algorithms": ["a", "b"], "objectives": ["x"]}))

    assert read_layer(path).values == {"algorithms": ["a", "b"], "objectives": ["x"]}


def test_files_in_a_file_are_relative_to_its_folder(tmp_path):
    path = write(tmp_path / "c.toml", "store = 'runs.db'\nworkload = 'mine.py'\n")

    values = read_layer(path).values

    assert values == {"store": str(tmp_path / "runs.db"), "workload": str(tmp_path / "mine.py")}


@pytest.mark.parametrize("store", [":memory:", "sqlite:///x.db", "postgresql://db/runs"])
def test_a_store_that_is_no_file_stays_as_it_is(tmp_path, store):
    path = write(tmp_path / "c.toml", f"store = '{store}'\n")

    assert read_layer(path).values == {"store": store}


@pytest.mark.parametrize(
    ("document", "said"),
    [
        pytest.param({"tolerence": 0.1}, "did you mean tolerance", id="a typo"),
        pytest.param({"zzz": 1}, "known ones: workload", id="nothing like it"),
        pytest.param({"batch-size": 1, "batch_size": 2}, "given twice", id="twice"),
        pytest.param({"tolerance": -1}, "within 0 to 9 but got -1", id="out of range"),
        pytest.param({"tolerance": "0.1"}, "must be a number", id="a text for a setting"),
        pytest.param({"seconds": "20"}, "must be a number", id="a text for a budget"),
        pytest.param({"seconds": True}, "must be a number", id="a bool for a budget"),
        pytest.param({"seconds": float("inf")}, "seconds must be .* finite but got inf", id="inf"),
        pytest.param({"seconds": float("nan")}, "seconds must be .* finite but got nan", id="nan"),
        pytest.param({"measurements": -3}, "measurements must be .* but got -3", id="negative"),
        pytest.param({"workers": 2.0}, "must be a whole number", id="no whole number"),
        pytest.param({"algorithms": "fast"}, "must be a list of texts", id="no list"),
        pytest.param({"algorithms": [1]}, "must be a list of texts", id="no texts in a list"),
        pytest.param({"forever": 1}, "must be true or false", id="no bool"),
        pytest.param([1], "must be a table", id="no table"),
    ],
)
def test_nonsense_is_refused_with_its_file(document, said):
    with pytest.raises(UsageError, match=f"race.toml: .*{said}"):
        checked(document, source="race.toml")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("c.toml", "seed = = 1", id="broken TOML"),
        pytest.param("c.json", "{'seed': 1}", id="broken JSON"),
        pytest.param("c.json", "[1, 2]", id="a JSON list"),
        pytest.param("pyproject.toml", "tool = 3", id="a project without tables"),
    ],
)
def test_a_broken_file_is_one_line_with_exit_code_2(shell, tmp_path, name, text):
    write(tmp_path / name, text)

    result = shell("runs", "--config", name)

    assert result.exit_code == 2
    assert name in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", sorted(parbench.commands))
def test_every_command_refuses_an_unknown_key(shell, tmp_path, command):
    write(tmp_path / "race.toml", "sede = 1\n")

    result = shell(command, "--config", "race.toml")

    assert result.exit_code == 2
    assert "did you mean seed" in result.stderr


def test_an_unknown_key_of_the_project_is_refused_by_a_command_that_needs_none(shell, tmp_path):
    write(tmp_path / "pyproject.toml", "[tool.parbench]\nsede = 1\n")

    result = shell("scale", "--list")

    assert result.exit_code == 2
    assert "pyproject.toml: unknown key 'sede'; did you mean seed" in result.stderr


def test_a_missing_file_is_refused(shell):
    result = shell("race", "--config", "absent.toml")

    assert result.exit_code == 2
    assert "absent.toml: cannot read" in result.stderr


def test_merging_nothing_gives_nothing():
    assert merged([]).as_json() == {"values": {}, "sources": {}}
