"""`parbench export`, `import` and `prune` on real stores, as a user types them."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from parbench_lab.cli import parbench
from parbench_lab.store import open_store
from tests.store.foreign_files import FILES
from tests.store.records import event, header


@pytest.fixture
def shell(tmp_path, monkeypatch):
    """Run a command line in a folder with a store of three runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PARBENCH_STORE", raising=False)
    with contextlib.closing(open_store()) as store:
        for day in (1, 2, 3):
            run_id = f"run-{day}"
            store.create_run(header(run_id, started_utc=f"2026-01-0{day}T00:00:00+00:00"))
            store.append(run_id, [event(0, n_measurements=5)])
            store.finish_run(run_id, "decided", {"winner": "candidate_0"})

    def run(*words, code=0):
        result = CliRunner().invoke(parbench, list(words))
        assert result.exit_code == code, result.output
        return result

    return run


def ids(shell, *options):
    return [run["id"] for run in json.loads(shell("runs", "--json", *options).stdout)]


def test_all_runs_go_to_another_store_and_come_back_byte_by_byte(shell, tmp_path):
    shell("export", "--output", "a.json")
    said = shell("import", "a.json", "--store", "other.db").stdout
    shell("export", "--output", "b.json", "--store", "other.db")

    assert said == "a.json: 3 runs of parbench taken in (15 measurements in the file)\n"
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert ids(shell, "--store", "other.db") == ["run-1", "run-2", "run-3"]


def test_named_runs_are_exported_by_their_beginnings_each_once(shell):
    printed = shell("export", "latest", "run-1", "run-3", "--json").stdout

    assert [run["header"]["id"] for run in json.loads(printed)["runs"]] == ["run-3", "run-1"]


def test_a_second_import_of_the_same_file_adds_nothing_and_says_so(shell):
    shell("export", "--output", "a.json")

    document = json.loads(shell("import", "a.json", "--json").stdout)
    said = shell("import", "a.json").stdout

    assert (document[0]["added"], document[0]["known"]) == ([], ["run-1", "run-2", "run-3"])
    assert "3 runs passed over, all of it is here already" in said


def test_a_run_that_is_here_and_differs_is_refused_with_code_1(shell, tmp_path):
    shell("export", "run-1", "--output", "a.json")
    file = tmp_path / "a.json"
    file.write_text(file.read_text().replace('"decided"', '"stopped"'))

    said = shell("import", "a.json", code=1).stderr

    assert said.startswith("parbench: run run-1 is here already and is not the same")


def test_a_run_that_was_exported_before_its_end_is_taken_in_again_as_it_became(shell):
    with contextlib.closing(open_store()) as store:
        store.create_run(header("slow"))
        store.append("slow", [event(0, n_measurements=5)])
        shell("export", "--output", "early.json")
        store.append("slow", [event(1, n_measurements=5)])
        store.finish_run("slow", "decided", {"winner": "candidate_0"})
    shell("export", "--output", "late.json")
    other = ("--store", "other.db")

    shell("import", "early.json", *other)
    said = shell("import", "late.json", *other).stdout
    back = shell("import", "early.json", *other).stdout
    shell("export", "--output", "again.json", *other)

    assert "1 run of parbench taken in" in said
    assert "3 runs passed over" in said
    assert "4 runs passed over" in back
    assert Path("again.json").read_bytes() == Path("late.json").read_bytes()


@pytest.mark.parametrize("tool", FILES)
def test_files_of_other_tools_are_recognised_by_their_content(shell, tmp_path, tool):
    (tmp_path / "x.json").write_text(json.dumps(FILES[tool]))

    said = shell("import", "x.json", "--mode", "batch", "--machine", "laptop").stdout
    again = shell("import", "x.json", "--mode", "batch", "--machine", "laptop").stdout

    assert f"of {tool} taken in" in said
    assert "0 runs of" in again
    assert "passed over" in again
    with contextlib.closing(open_store()) as store:
        imported = store.runs(kind="imported", mode="batch")
        assert imported != ()
        assert {run.machine for run in imported} == {store.runs(kind="imported")[0].machine}


def test_a_file_that_does_not_tell_its_machine_is_said_to_be_alone(shell, tmp_path):
    (tmp_path / "x.json").write_text(json.dumps(FILES["hyperfine"]))

    said = shell("import", "x.json", "--name", "startup").stdout

    assert "name the machine with --machine NAME" in said
    with contextlib.closing(open_store()) as store:
        assert store.summary("hyperfine").name == "startup"


def test_a_name_given_after_an_import_without_one_is_taken_and_again_it_is_known(shell, tmp_path):
    (tmp_path / "x.json").write_text(json.dumps(FILES["hyperfine"]))
    lines = [
        shell("import", "x.json", *words).stdout
        for words in ((), ("--name", "startup"), ("--name", "startup"), (), ("--name", "x"))
    ]

    assert [" 1 run of hyperfine" in line for line in lines] == [True, True, False, False, False]
    with contextlib.closing(open_store()) as store:
        assert [run.name for run in store.runs(kind="imported")] == ["x", "startup"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        pytest.param(("import", "none.json"), 2, "cannot read (No such file", id="no file"),
        pytest.param(("import", "."), 2, "cannot read (Is a directory", id="folder"),
        pytest.param(("import", "bad.json"), 1, "bad.json: is no JSON", id="no JSON"),
        pytest.param(("import", "bad.json", "--max-bytes", "3"), 2, "more than 3 bytes", id="big"),
        pytest.param(("export",), 2, "say where to with --output FILE", id="nowhere"),
        pytest.param(("export", "zebra", "--json"), 2, "no run 'zebra'", id="no run"),
        pytest.param(("prune",), 2, "give one of --keep", id="nothing said"),
        pytest.param(("prune", "--keep", "1", "--older-than", "1d"), 2, "one of", id="two"),
        pytest.param(("prune", "--older-than", "soon"), 2, "an age like 12h, 90d", id="age"),
        pytest.param(("prune", "--older-than", "0d"), 2, "is no age", id="older than now"),
        pytest.param(("prune", "--keep", "0"), 2, "--keep", id="keep none"),
        pytest.param(("prune", "--pin", "zebra"), 2, "no run 'zebra'", id="pin nothing"),
    ],
)
def test_what_goes_wrong_is_one_line_and_a_code(shell, tmp_path, words, code, said):
    (tmp_path / "bad.json").write_text("dear diary")

    result = shell(*words, code=code)

    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert ids(shell) == ["run-1", "run-2", "run-3"]


def test_a_file_that_cannot_be_read_is_told_and_those_after_it_are_taken_in(shell, tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(FILES["hyperfine"]))
    (tmp_path / "machine.json").write_text('{"machine": "laptop", "version": 1}')
    (tmp_path / "z.json").write_text(json.dumps(FILES["pyperf"]))
    files = ("a.json", "machine.json", "z.json")

    first = shell("import", *files, code=1)
    again = shell("import", *files, "--json", code=1)

    error, total = first.stderr.splitlines()
    assert error.startswith("parbench: machine.json: ")
    assert total == "2 of 3 files imported"
    assert [line.split(":")[0] for line in first.stdout.splitlines()] == ["a.json", "z.json"]
    documents = json.loads(again.stdout)
    assert [bool(one["known"]) for one in documents] == [True, False, True]
    assert [bool(one["error"]) for one in documents] == [False, True, False]


def test_the_error_of_one_file_of_several_names_it(shell, tmp_path):
    shell("export", "run-1", "--output", "a.json")
    file = tmp_path / "a.json"
    file.write_text(file.read_text().replace('"decided"', '"stopped"'))
    shell("export", "run-2", "--output", "b.json")

    said = shell("import", "a.json", "b.json", code=1).stderr

    assert said.startswith("parbench: a.json: run run-1 is here already and is not the same")


def test_prune_keeps_the_newest_and_the_pinned_and_tells_what_went(shell):
    assert shell("prune", "--pin", "run-1").stdout == "run run-1 is pinned\n"
    would = shell("prune", "--keep", "1", "--dry-run").stdout
    assert ids(shell) == ["run-1", "run-2", "run-3"]

    said = shell("prune", "--keep", "1").stdout

    assert would.splitlines()[-1] == "1 run would be removed"
    assert said == "run-2 2026-01-02T00:00:00 race sorting\n1 run removed\n"
    assert ids(shell) == ["run-1", "run-3"]


def test_prune_by_age_gives_what_went_as_json(shell):
    shell("prune", "--pin", "run-1")
    shell("prune", "--unpin", "run-1")

    gone = json.loads(shell("prune", "--older-than", "1h", "--json").stdout)

    assert [run["id"] for run in gone] == ["run-1", "run-2", "run-3"]
    assert shell("prune", "--keep", "1").stdout == "nothing to remove\n"


def test_the_help_says_that_by_age_the_last_of_a_series_goes_too(shell):
    told = " ".join(shell("prune", "--help").stdout.split())

    assert "longer ago than that from now" in told
    assert "even the last of a series" in told


def test_a_password_in_the_stores_url_does_not_get_into_a_runs_configuration():
    from parbench_lab.lab.configuration import Layer, merged

    layer = Layer(source="flag", values={"store": "postgresql://me:s3cret@host/runs"})

    assert "s3cret" not in json.dumps(merged([layer]).as_json())
