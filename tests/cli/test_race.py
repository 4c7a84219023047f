"""`parbench race`: what it puts together, what it says, and how it ends."""

from __future__ import annotations

import json
import sys

import pytest

from parbench_lab.core.ports import RunSummary
from parbench_lab.racing.settings import knobs
from tests.cli.doubles import LOG, ListStore, ScriptedBench


def test_no_argument_races_moving_averages_for_20_seconds_or_until_decided(shell, visitors):
    result = shell("race")

    ((algorithms, workload), options) = visitors.new[0]
    assert result.exit_code == 0
    assert (algorithms, workload) == (None, "moving_average")
    assert options["seed"] == 0
    assert ("limit", (20.0, None, True)) in visitors.bench.calls


def test_the_last_line_is_the_sentence_of_the_result(shell):
    result = shell("race")

    assert result.stdout.splitlines()[0].startswith("starting ")
    assert result.stdout.splitlines()[-1] == "quick wins (decided)."


def test_the_run_and_its_dashboard_are_named_at_the_start(shell, visitors):
    visitors.bench.dashboard_link = "http://127.0.0.1:8787/status"

    second = shell("race").stdout.splitlines()[1]

    assert second == "run 20260102-abcd, Dask dashboard http://127.0.0.1:8787/status"


def test_a_pipe_gets_a_line_for_every_sentence_and_no_escapes(shell):
    result = shell("race")

    for sentence in LOG:
        assert result.stdout.count(sentence) == 1
    assert "\x1b" not in result.stdout


def test_what_is_wrong_is_said_before_anything_is_started(shell):
    result = shell("race", "nothing", "-a", "quik")

    assert result.exit_code == 2
    assert result.stdout == ""


def test_the_race_is_closed_whatever_happens(shell, visitors):
    visitors.bench.breaks = True

    result = shell("race")

    assert result.exit_code == 1
    assert result.stderr == ("parbench: the scheduler's connection was lost; start a new race\n")
    assert visitors.bench.calls[-1] == ("close", None)


def test_a_failed_race_exits_with_1(shell, visitors):
    visitors.bench = ScriptedBench(status="failed")

    assert shell("race").exit_code == 1


def test_a_race_that_lost_its_cluster_says_how_it_goes_on(shell, visitors):
    visitors.bench = ScriptedBench(status="failed", resumable=True)

    assert "parbench race --resume 20260102-abcd goes on with it" in shell("race").stdout


@pytest.mark.parametrize("name", knobs())
def test_every_knob_has_a_flag_with_its_own_help_words(shell, name):
    text = " ".join(shell("race", "--help").stdout.split())

    assert "--" + name.replace("_", "-") in text
    assert knobs()[name]["help"][1:].split(";")[0] in text


def test_flags_reach_the_race_as_settings(shell, visitors):
    shell(
        "race", "--batch-size", "1e4", "--tolerance", "0.05", "--prime", "--timeout-s", "3",
        "--objectives", "wall_time_s", "--objectives", "peak_rss_bytes",
        "--allocation", "leaders_first",
    )  # fmt: skip

    settings = visitors.bench.settings
    assert settings.batch_size == 10_000
    assert settings.tolerance == 0.05
    assert settings.prime is True
    assert settings.timeout_s == 3.0
    assert settings.objectives == ("wall_time_s", "peak_rss_bytes")
    assert settings.allocation == "leaders_first"


def test_only_what_was_given_is_passed_on_so_that_the_workload_keeps_its_defaults(shell, visitors):
    shell("race", "--tolerance", "0.05")

    (_, options) = visitors.new[0]
    assert {name for name in options if name in knobs()} == {"tolerance"}


def test_forever_has_no_budget_unless_one_is_given(shell, visitors):
    shell("race", "--forever")
    shell("race", "--forever", "--seconds", "60", "--measurements", "5000")

    limits = [values for call, values in visitors.bench.calls if call == "limit"]
    assert limits == [(None, None, False), (60.0, 5000, False)]


def test_algorithms_of_a_target_are_chosen_by_name(shell, visitors):
    shell("race", "nothing", "-a", "slow", "-a", "mymodule:other")

    ((algorithms, workload), _) = visitors.new[0]
    assert [getattr(a, "name", a) for a in algorithms] == ["slow", "mymodule:other"]
    assert workload.name == "nothing"


def test_names_alone_leave_the_workload_to_be_found(shell, visitors):
    shell("race", "-a", "fast_v1", "-a", "hybrid_v3")

    assert visitors.new[0][0] == (["fast_v1", "hybrid_v3"], None)


def test_the_effective_configuration_is_stored_with_its_sources_and_commit(shell, visitors):
    shell("race", "--seed", "5")

    stored = visitors.new[0][1]["configuration"]
    assert stored["values"]["seed"] == 5
    assert stored["sources"] == {"seconds": "default", "seed": "flag", "forever": "default"}
    assert stored["git"] == {"commit": "1a2b", "dirty": True}
    json.dumps(stored)


def test_json_is_all_of_stdout_and_people_read_stderr(shell):
    result = shell("race", "--json")

    document = json.loads(result.stdout)
    assert document["winner"] == "quick"
    assert document["scoreboard"]["standings"][1]["verdict"] == "eliminated"
    assert "starting" in result.stderr
    assert result.stderr.splitlines()[-1] == "quick wins (decided)."


def test_quiet_prints_the_sentence_only(shell):
    assert shell("race", "--quiet").stdout == "quick wins (decided).\n"


def test_quiet_json_leaves_stderr_empty(shell):
    result = shell("race", "--quiet", "--json")

    assert result.stderr == ""
    assert json.loads(result.stdout)["status"] == "decided"


def test_output_writes_the_result_whole(shell, tmp_path):
    shell("race", "--output", "result.json")

    assert json.loads((tmp_path / "result.json").read_text())["id"] == "20260102-abcd"
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


def test_an_output_folder_that_is_missing_is_refused_before_the_race(shell, visitors):
    result = shell("race", "--output", "nowhere/result.json")

    assert result.exit_code == 2
    assert "make it first" in result.stderr
    assert not visitors.new


def test_dry_run_says_what_would_run_and_about_how_long_and_starts_nothing(shell, visitors):
    result = shell("race", "--dry-run")

    assert "moving_average" in result.stdout
    assert "at most 20 s, ends when decided" in result.stdout
    assert ("start", None) not in visitors.bench.calls


@pytest.mark.parametrize(
    "words",
    [
        ("--seconds", "nan"),
        ("--seconds", "inf"),
        ("--seconds", "0"),
        ("--measurements", "0"),
        ("--measurements", "-3"),
    ],
    ids=" ".join,
)
def test_a_budget_that_no_race_can_have_is_refused_also_where_nothing_would_run(
    shell, visitors, words
):
    flag, value = words
    result = shell("race", "--dry-run", *words)

    assert result.exit_code == 2
    assert f"{flag} must be positive and finite but got {value}" in result.stderr
    assert not visitors.new


def test_dry_run_as_json_carries_the_configuration(shell):
    document = json.loads(shell("race", "--dry-run", "--json", "--seed", "3").stdout)

    assert document["configuration"]["values"]["seed"] == 3
    assert any("at most" in line for line in document["plan"])


def stored(status="running", *, finished=False):
    return RunSummary(
        id="20260102-abcd",
        kind="race",
        name="nothing",
        started_utc="2026-01-02T03:04:05+00:00",
        status=status,
        result={"reason": "nobody is undecided"} if finished else None,
    )


def test_a_race_that_ended_is_refused_before_anything_is_put_together(shell, visitors):
    visitors.store = ListStore([stored("decided", finished=True)])

    result = shell("race", "--resume", "latest")

    assert result.exit_code == 2
    assert "has ended (nobody is undecided); parbench show 20260102-abcd" in result.stderr
    assert not visitors.resumed


def test_a_resumed_race_keeps_its_settings_but_takes_flags(shell, visitors, tmp_path):
    visitors.store = ListStore([stored()])
    (tmp_path / "pyproject.toml").write_text(
        "[tool.parbench]\ntolerance = 0.5\nworkers = 3\nworkload = 'nothing'\n"
    )

    result = shell("race", "--resume", "2026", "--batch-size", "500")

    assert result.exit_code == 0
    (run_id, options) = visitors.resumed[0]
    assert run_id == "20260102-abcd"
    assert options == {"store": None, "cluster": None, "n_workers": 3}
    assert ("change", {"batch_size": 500}) in visitors.bench.calls


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(["--seed", "1"], "keeps its seed", id="another seed"),
        pytest.param(["--epoch-blocks", "10"], "is fixed", id="a setting that is fixed"),
    ],
)
def test_resuming_refuses_what_cannot_change(shell, visitors, words, said):
    result = shell("race", "--resume", "latest", *words)

    assert result.exit_code == 2
    assert said in result.stderr
    assert not visitors.resumed


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(["race", "--bach-size", "3"], "--batch-size", id="a misspelt flag"),
        pytest.param(["race", "--batch-size", "many"], "not a whole number", id="a text"),
        pytest.param(["race", "--tolerance", "10"], "within 0 to 9", id="out of range"),
        pytest.param(["race", "--tolerance", "nan"], "within 0 to 9", id="not a number"),
        pytest.param(["race", "--max-concurrent", "0"], "--max-concurrent must", id="in flags"),
        pytest.param(["race", "--batch-size", "1.5"], "not a whole number", id="not whole"),
        pytest.param(["race", "sortin"], "did you mean", id="an unknown workload"),
        pytest.param(["race", "nothing", "-a", "quik"], "quick", id="an unknown candidate"),
        pytest.param(["rase"], "--help", id="an unknown command"),
        pytest.param(["show", "a", "b"], "--help", id="one argument too many"),
    ],
)
def test_wrong_use_is_one_line_on_stderr_that_says_what_to_do(shell, words, said):
    result = shell(*words)

    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.splitlines()[-1].startswith("parbench: ")
    assert said in result.stderr.splitlines()[-1]


@pytest.mark.parametrize("place", [["--debug", "race"], ["race", "--debug"]], ids=" ".join)
def test_debug_gives_the_traceback(shell, visitors, place):
    visitors.bench.breaks = True

    result = shell(*place)

    assert type(result.exception).__name__ == "RaceError"
    assert result.exc_info[2] is not None


@pytest.mark.parametrize("command", ["race", "runs", "show", "doctor", "workloads"])
def test_every_help_shows_an_example(shell, command):
    text = shell(command, "--help").stdout

    assert "Example:" in text
    assert f"  parbench {command}" in text or command == "workloads"
    for flag in ("--json", "--output", "--config", "--debug"):
        assert flag in text


def test_functions_of_files_in_the_current_folder_can_be_imported(shell, tmp_path):
    shell("race", "sorting", "-a", "mymodule:mine")

    assert sys.path[-1] == str(tmp_path)
