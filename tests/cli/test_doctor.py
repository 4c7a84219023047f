"""`parbench doctor`: the machine's condition, and what a race of identical code says."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from parbench_lab.cli.doctor import identical_advice, identical_race, roof_lines
from parbench_lab.cli.identical import IdenticalCode, copies, sort
from parbench_lab.core.candidate import as_candidate
from parbench_lab.core.standing import Trust
from tests.analysis.comparison.figures import ROOFS
from tests.cli.doubles import ScriptedBench, board, measured


def identical(*verdicts, **fields):
    standings = [
        measured(f"copy {n}", n, verdict, 1.0 + n / 1000) for n, verdict in enumerate(verdicts, 1)
    ]
    return board(*standings, **fields)


TRUSTED = identical("leader", "equal", "equal", "undecided")
DISTRUSTED = identical("leader", "equal", "equal", "eliminated")


def test_identical_code_that_stays_together_passes(shell, visitors):
    visitors.bench = ScriptedBench(boards=[TRUSTED], status="undecided")

    result = shell("doctor")

    assert result.exit_code == 0
    assert "0 of 4 copies eliminated" in result.stdout
    assert result.stdout.splitlines()[-1].startswith("this machine can race")


def test_the_help_says_all_that_a_quick_check_leaves_out(shell):
    assert "Leave out the roofs and the race of identical code" in shell("doctor", "--help").stdout


def test_a_level_so_small_that_the_calls_take_the_time_is_told_as_such():
    level = ROOFS.bandwidths[0]
    small = dataclasses.replace(
        level, level="L1d", working_set_bytes=2**14, one_core_bytes_per_s=24e9
    )
    large = dataclasses.replace(
        level, level="L2", working_set_bytes=2**19, one_core_bytes_per_s=110e9
    )
    roofs = dataclasses.replace(ROOFS, bandwidths=(small, large), array_call_overhead_s=0.5e-6)

    told = {line[:12].strip(): line for line in roof_lines(roofs)}

    assert told["from L1d"].endswith("(16.4 kB, mostly numpy's calls)")
    assert told["from L2"].endswith("(524 kB)")


def test_a_false_elimination_fails_the_check_and_says_what_to_do(shell, visitors):
    visitors.bench = ScriptedBench(boards=[DISTRUSTED], status="undecided")

    result = shell("doctor", "--json")

    document = json.loads(result.stdout)
    assert result.exit_code == 1
    assert document["passed"] is False
    assert document["identical_code"]["false_eliminations"] == 1
    assert "raise --tolerance" in identical_advice(identical_race(DISTRUSTED, "undecided"))[0]


SUSPENSION = "the canary told identical code apart (1200 : 1): verdicts are suspended"


@pytest.mark.parametrize(
    "trust",
    [
        Trust(canary_evidence=1200.0, suspended=SUSPENSION, warnings=(SUSPENSION,)),
        pytest.param(Trust(canary_evidence=1000.0), id="exactly on the threshold"),
    ],
)
def test_a_canary_that_tells_identical_code_apart_fails_the_check_though_nobody_is_out(
    shell, visitors, trust
):
    distrusted = identical("leader", "equal", "equal", "undecided", trust=trust)
    visitors.bench = ScriptedBench(boards=[distrusted], status="undecided")

    result = shell("doctor")

    assert result.exit_code == 1
    assert "! the canary told identical code apart" in result.stdout
    assert "raise --tolerance, start races with --epoch-blocks 10" in result.stdout
    assert "suspended" not in result.stdout
    assert result.stdout.splitlines()[-1] == "do not trust this machine yet"


def test_a_canary_just_below_the_threshold_passes():
    assert identical_race(
        identical("leader", "equal", trust=Trust(canary_evidence=999.0)), "undecided"
    ).passed


def test_a_copy_that_failed_is_a_fault_and_no_false_elimination():
    broken = board(
        measured("copy 1", 1, "leader"),
        measured("copy 2", 2, "eliminated", failures=3, reason="ModuleNotFoundError"),
    )

    found = identical_race(broken, "undecided")

    assert found.false_eliminations == 0
    assert found.faults == ("copy 2: ModuleNotFoundError",)
    assert not found.passed


def test_a_race_without_measurements_does_not_pass():
    assert not identical_race(identical("undecided", blocks=0), "stopped").passed


def test_warnings_of_the_race_are_passed_on():
    warned = identical("leader", "equal", trust=Trust(warnings=("lower max_concurrent",)))

    assert identical_advice(identical_race(warned, "undecided")) == ("lower max_concurrent",)


def test_quick_leaves_the_race_out(shell, visitors):
    result = shell("doctor", "--quick", "--json", "--output", "doctor.json")

    document = json.loads(result.stdout)
    assert result.exit_code == 0
    assert document["identical_code"] is None
    assert document["condition"]["available_cores"] >= 1
    assert not visitors.new


def test_the_race_leaves_no_trace_in_the_store(shell, visitors):
    shell("doctor", "--seconds", "2", "--workers", "1")

    (_, options) = visitors.new[0]
    assert options["store"] == ":memory:"
    assert options["n_workers"] == 1
    assert ("limit", (2.0, None, False)) in visitors.bench.calls


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf"])
def test_a_race_of_no_length_or_without_an_end_is_refused(shell, seconds):
    result = shell("doctor", "--seconds", seconds)

    assert result.exit_code == 2
    assert "must be positive" in result.stderr


def test_the_copies_are_one_function_under_several_names():
    found = copies()

    assert len({candidate.name for candidate in found}) == len(found)
    assert {as_candidate(candidate).resolve() for candidate in found} == {sort}


def test_the_check_takes_a_sorted_result_and_nothing_else():
    job = IdenticalCode()
    case = job.make_case(100, np.random.default_rng(1))

    job.check(case, sort(case))
    for wrong in (case, sort(case)[1:], sort(case)[::-1]):
        with pytest.raises(ValueError, match="not in order"):
            job.check(case, wrong)
