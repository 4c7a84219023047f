"""What `print` shows of a result: a table that fits, and the sentence."""

from __future__ import annotations

import pytest

from parbench_lab.core.estimate import Estimate
from parbench_lab.core.standing import Scoreboard, Standing, VerdictKind
from parbench_lab.racing.result import RaceResult
from parbench_lab.racing.result_table import WIDTH, short
from parbench_lab.racing.settings import Settings


def result_of(*names):
    verdicts = [VerdictKind.LEADER, *[VerdictKind.ELIMINATED] * (len(names) - 1)]
    ratio = Estimate(point=1234.5, low=1000.1, high=2345.6, confidence=0.95, n=40)
    standings = tuple(
        Standing(
            candidate=name, rank=rank, verdict=verdict, ratio=ratio, evidence=1.2e7,
            reason="at least 50 % slower than the best (evidence 1.2e+07 : 1) " * 3,
            throughput=1.5e6, median_s=0.0123, blocks=40,
        )
        for rank, (name, verdict) in enumerate(zip(names, verdicts, strict=True), start=1)
    )  # fmt: skip
    board = Scoreboard(
        epoch=0, batch_size=100, standings=standings, phase="ended", blocks=40,
        measurements=120, elapsed_s=4.0, blocks_per_s=10.0, workers=("cpu-0",),
    )  # fmt: skip
    return RaceResult(
        run_id="20260102-030405-abcdefg", workload="windows", status="decided", reason="",
        winner=names[0], front=names[:1], sentence="quick wins. " * 20, scoreboard=board,
        settings=Settings(),
    )  # fmt: skip


@pytest.mark.parametrize("length", [5, 40, 300], ids=["short", "long", "endless"])
def test_a_result_is_printed_as_a_table_that_fits_100_columns(length):
    result = result_of("a" * length + "_blas", "a" * length + "_tree")

    lines = str(result).splitlines()

    assert max(map(len, lines)) <= WIDTH
    assert lines[0] == "windows: decided (run 20260102-030405-abcdefg)"
    assert lines[1].split() == ["candidate", "verdict", "ratio", "time", "items/s", "evidence"]
    assert "_blas" in lines[2]
    assert "leader" in lines[2]
    assert [line for line in lines if "_tree" in line and "eliminated" in line]
    assert lines[-1].startswith("quick wins.")


def test_the_display_of_a_cell_is_what_print_shows():
    result = result_of("quick", "slow")

    assert repr(result) == str(result)


def test_what_could_steer_a_terminal_is_not_printed():
    assert "\x1b" not in str(result_of("red \x1b[31m", "slow"))


@pytest.mark.parametrize("width", [3, 8, 15, 40])
def test_a_short_name_keeps_both_ends(width):
    name = "brute_force_with_blas"

    found = short(name, width)

    assert len(found) == min(width, len(name))
    assert found[0] == name[0]
    assert found[-1] == name[-1]
