"""`parbench compare`, `profile`, `matrix` and `fill`, over a store and a scripted race."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from parbench_lab.core.series import Mode
from parbench_lab.store import open_store
from tests.analysis.comparison.figures import HERE, ROOFS, THERE
from tests.cli.doubles import ScriptedBench, board, measured
from tests.lab.test_comparing import KERNELS, stored

HURTFUL = "<b>|`x`\x1b[31m"


class _Shared:
    """A store that several commands open; only the test closes it."""

    def __init__(self, inner):
        self.inner = inner

    def close(self):
        pass

    def __getattr__(self, name):
        return getattr(self.inner, name)


@pytest.fixture
def store(visitors):
    with contextlib.closing(open_store(":memory:")) as opened:
        visitors.store = _Shared(opened)
        yield opened


@pytest.fixture
def two_runs(store):
    stored(store, "first-run", {"quick": 1e-3, "merge": 2e-3})
    stored(store, "second-run", {"quick": 1e-3, "merge": 3e-3}, day=2)


def test_a_comparison_is_a_table_with_notes_and_opportunities(shell, two_runs):
    result = shell("compare", "first", "latest")

    assert result.exit_code == 0
    assert "1 equal, 1 slower of 2 pairs" in result.stdout
    assert "1.5" in result.stdout
    assert "parbench watch" in result.stdout
    assert "find what made merge slower since the baseline: 33 % less time" in result.stdout


def test_the_document_has_everything_the_table_has_not_room_for(shell, two_runs):
    result = shell("compare", "first", "second", "--json", "--output", "c.json")

    document = json.loads(result.stdout)
    merge = next(pair for pair in document["pairs"] if pair["candidate"] == "merge")
    assert (merge["verdict"], merge["worse"]) == ("slower", True)
    assert merge["judgement"]["ratio"]["confidence"] == 0.95
    assert merge["judgement"]["q"] < 1e-6
    assert merge["bottleneck"]["limit"] == "not shown"
    assert document["same_machine"] is True


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((), 0),
        (("--check",), 1),
        (("--check", "--tolerance", "0.6"), 0),
        (("--tolerance", "-1"), 2),
        (("--metric", "speed"), 2),
    ],
    ids=["said", "checked", "tolerated", "no tolerance", "no metric"],
)
def test_the_exit_code_tells_only_what_was_asked(shell, two_runs, words, code):
    assert shell("compare", "first", "second", *words).exit_code == code


def test_the_tables_for_continuous_integration_hold_no_markup_of_names(shell, store):
    stored(store, "first", {HURTFUL: 1e-3})
    stored(store, "second", {HURTFUL: 2e-3}, day=2)

    result = shell("compare", "first", "second", "--markdown", "c.md", "--junit", "c.xml")

    assert result.exit_code == 0
    assert "\x1b" not in result.stdout
    assert "\\|" in Path("c.md").read_text()
    assert "<failure" in Path("c.xml").read_text()


def test_two_machines_show_a_column_less_the_calibration(shell, store):
    stored(store, "first", {"quick": 1e-3})
    stored(store, "second", {"quick": 5e-4}, THERE, day=2)
    for day, machine, factor in ((3, HERE, 1.0), (4, THERE, 0.5)):
        times = {name: factor * seconds for name, seconds in KERNELS.items()}
        stored(store, f"c-{day}", times, machine, name="calibration", mode="micro", day=day)

    result = shell("compare", "first", "second")

    assert "relative" in result.stdout
    assert "the machines differ in cpu_model: Abacus 3 and Abacus 4" in result.stdout


# ---------------------------------------------------------------- profile


def test_a_profile_shows_quantiles_throughput_and_runs(shell, two_runs):
    result = shell("profile", "sorting")
    document = json.loads(shell("profile", "sorting", "--candidate", "quick", "--json").stdout)

    assert result.exit_code == 0
    assert "p95" in result.stdout
    assert "1.00 M" in result.stdout
    (row,) = document
    assert (row["runs"], row["mode"], row["machine"]) == (2, "batch", HERE.fingerprint)
    assert row["p99"] is not None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nothing",), "there are sorting; parbench race nothing makes some"),
        (("sorting", "--size", "5"), "ask for less"),
    ],
    ids=["unknown", "too much"],
)
def test_a_profile_of_nothing_is_refused_with_what_there_is(shell, two_runs, words, said):
    result = shell("profile", *words)

    assert result.exit_code == 2
    assert said in result.stderr


# ---------------------------------------------------------------- matrix and fill


@pytest.fixture
def reach(visitors):
    visitors.modes = {"sorting": Mode.BATCH, "nothing": Mode.BATCH}


def test_the_matrix_shows_percent_and_what_is_missing(shell, two_runs, reach):
    result = shell("matrix")
    document = json.loads(shell("matrix", "--json").stdout)

    assert "covered: 50 % (target 90 %, not reached)" in result.stdout
    assert "parbench fill" in result.stdout
    assert [cell["workload"] for cell in document["missing"]] == ["nothing"]


def test_another_machine_of_the_matrix_is_named_with_its_difference(shell, store, reach):
    newer = replace(HERE, libraries={"numpy": "2.4.7"})
    stored(store, "elsewhere", {"quick": 1e-3}, newer)

    result = shell("matrix")
    document = json.loads(shell("matrix", "--json").stdout)

    words = "Abacus 3, as here but for numpy 2.4.7 (here: not there)"
    assert f"{newer.fingerprint}: {words}" in result.stdout
    assert document["machines"][newer.fingerprint] == words


def test_a_run_with_a_library_of_its_workload_is_of_this_machine(shell, store, reach):
    stored(store, "with-library", {"quick": 1e-3}, replace(HERE, libraries={"orjson": "3.11"}))

    document = json.loads(shell("matrix", "--json").stdout)

    assert [cell["workload"] for cell in document["missing"]] == ["nothing"]
    assert list(document["machines"]) == [HERE.fingerprint]


def test_fill_says_what_it_would_do(shell, visitors, two_runs, reach):
    result = shell("fill", "--dry-run")

    assert result.exit_code == 0
    assert "missing here: nothing (batch)" in result.stdout
    assert not visitors.new


def test_fill_races_what_is_missing_for_a_short_time(shell, visitors, two_runs, reach):
    result = shell("fill", "--seconds", "2", "--json")

    document = json.loads(result.stdout)
    ((_, workload), options) = visitors.new[0]
    assert (workload, options["mode"]) == ("nothing", "batch")
    assert ("limit", (2.0, None, False)) in visitors.bench.calls
    assert document["results"][0]["error"] == ""
    assert result.exit_code == 0


def test_a_race_that_measures_nothing_is_an_error_of_its_own(shell, visitors, store, reach):
    empty = board(measured("quick", 1, "leader"), measurements=0)
    visitors.bench = ScriptedBench(boards=[empty], status="undecided")

    result = shell("fill")

    assert result.exit_code == 1
    assert result.stdout.count("give more --seconds") == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--seconds", "0"), "must be positive"),
        (("--workload", "sortin"), "known are nothing, sorting"),
    ],
    ids=["no time", "unknown"],
)
def test_fill_refuses_what_it_cannot_do(shell, store, reach, words, said):
    result = shell("fill", *words)

    assert result.exit_code == 2
    assert said in result.stderr


# ---------------------------------------------------------------- roofs


def test_the_doctor_keeps_the_roofs_in_the_store(shell, visitors, store):
    visitors.bench = ScriptedBench(boards=[board(measured("copy 1", 1, "leader"))])

    result = shell("doctor", "--json")

    (run,) = store.runs(kind="roofline")
    document = json.loads(result.stdout)
    assert run.machine == HERE.fingerprint
    assert document["roofline"]["cores"] == ROOFS.cores
    assert "from memory" in shell("doctor").stdout


def test_a_doctor_whose_store_cannot_be_written_says_so_and_goes_on(shell, visitors):
    result = shell("doctor")

    assert "the roofs are not kept" in result.stdout
    assert "identical code" in result.stdout
