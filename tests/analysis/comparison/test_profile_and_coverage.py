"""Profiles never mix what is unlike; the matrix says what is missing and who can measure it."""

from dataclasses import replace

import pytest

from parbench_lab.analysis.comparison.coverage import matrix
from parbench_lab.analysis.comparison.profile import profile_rows
from parbench_lab.core.machine import FOREIGN
from parbench_lab.core.series import Coverage, Mode
from parbench_lab.errors import UsageError
from tests.analysis.comparison.figures import DAY, HERE, point

MODES = {"sorting": Mode.BATCH, "training": Mode.TRAINING}


def cell(workload, machine, mode=Mode.BATCH, candidate="a"):
    return Coverage(
        workload=workload, candidate=candidate, machine=machine, mode=mode, runs=2, newest=DAY
    )


def test_machines_modes_and_sizes_have_rows_of_their_own():
    points = [
        point("quick", 1e-3),
        point("quick", 2e-3, machine="there"),
        point("quick", 3e-3, size=10),
        point("quick", 4e-3, mode=Mode.TRAINING),
        point("quick", 5.0, metric="peak_rss_bytes"),
    ]

    rows = profile_rows(points)

    assert [(r.mode.value, r.machine, r.size, r.p50.point) for r in rows] == [
        ("batch", "here", 10, 3e-3),
        ("batch", "here", 1000, 1e-3),
        ("batch", "there", 1000, 2e-3),
        ("training", "here", 1000, 4e-3),
    ]


def test_the_interval_is_over_runs_and_of_one_run_its_own():
    several = profile_rows([point("quick", 1e-3 * (10 + day), day=day) for day in range(7)])
    alone = profile_rows([point("quick", 1e-3)])

    assert several[0].runs == 7
    assert (several[0].p50.low, several[0].p50.high) == (
        pytest.approx(0.010),
        pytest.approx(0.016),
    )
    assert alone[0].p50.low == pytest.approx(0.98e-3)


def test_of_one_run_that_came_back_to_a_size_the_longest_stretch_is_shown():
    short, long = point("quick", 1e-3), point("quick", 1.1e-3)
    short = replace(short, median=replace(short.median, n=3))

    (row,) = profile_rows([short, long])

    assert row.runs == 1
    assert row.p50 == long.median


def test_quantiles_and_memory_are_medians_over_the_runs_that_have_them():
    points = [
        point("quick", 1e-3, day=0, p95=2e-3, peak_rss_bytes=100.0),
        point("quick", 1e-3, day=1, p95=4e-3),
        point("quick", 1e-3, day=2),
    ]

    (row,) = profile_rows(points)

    assert (row.p95, row.p99, row.peak_rss_bytes) == (pytest.approx(3e-3), None, 100.0)
    assert row.throughput.point == pytest.approx(1e6)


def test_commits_part_the_rows_where_that_is_asked():
    points = [point("quick", 1e-3 * (1 + day), day=day, commit=f"c{day}") for day in range(3)]

    assert [row.commit for row in profile_rows(points, ("commit",))] == ["c0", "c1", "c2"]
    with pytest.raises(UsageError, match="cannot group by 'hour'"):
        profile_rows(points, ("hour",))


def test_a_tree_with_changes_is_not_the_commit_it_is_of():
    points = [
        point("quick", 1e-3, day=day, commit="c0", dirty=dirty)
        for day, dirty in enumerate([True, False, True])
    ]

    parted = profile_rows(points, ("commit",))
    together = profile_rows(points)

    assert [(row.commit, row.dirty, row.runs) for row in parted] == [
        ("c0", False, 1),
        ("c0", True, 2),
    ]
    assert [(row.commit, row.dirty, row.runs) for row in together] == [("", False, 3)]


def test_the_matrix_counts_what_can_be_raced_on_every_machine_that_was_seen():
    found = matrix(
        [cell("sorting", "here"), cell("sorting", "there"), cell("training", "there")],
        MODES,
        here="here",
    )

    places = {(c.workload, c.machine, c.mode.value): c.runs for c in found.cells}
    assert places == {
        ("sorting", "here", "batch"): 2,
        ("sorting", "there", "batch"): 2,
        ("training", "here", "training"): 0,
        ("training", "there", "batch"): 2,
        ("training", "there", "training"): 0,
        ("training", "here", "batch"): 0,
    }
    assert found.share == pytest.approx(3 / 6)
    assert {c.machine for c in found.missing_here} == {"here"}


def test_figures_from_elsewhere_are_shown_and_not_wanted():
    found = matrix([cell("their_benchmark", "their machine")], MODES, here="here")

    (foreign,) = [c for c in found.cells if not c.wanted]
    assert (foreign.workload, foreign.runs) == ("their_benchmark", 2)
    assert found.share == 0.0
    assert found.machines == ("here", "their machine")


def test_a_machine_that_nobody_detected_is_shown_and_nothing_is_wanted_of_it():
    unknown = [f"{FOREIGN}{number}" for number in range(3)]

    found = matrix(
        [cell("sorting", "here"), *(cell("sorting", machine) for machine in unknown)],
        {"sorting": Mode.BATCH, "prime_count": Mode.BATCH},
        here="here",
    )

    assert found.machines == ("here", *unknown)
    assert {c.machine: c.runs for c in found.cells if not c.wanted} == dict.fromkeys(unknown, 2)
    assert (found.share, found.missing) == (0.5, found.missing_here)


def test_the_libraries_of_single_workloads_part_no_machines():
    base = {"numpy": "2.4.6"}
    one, other = (replace(HERE, libraries=base | more) for more in ({}, {"scikit-learn": "1.9.1"}))

    found = matrix(
        [cell("sorting", one.fingerprint), cell("training", other.fingerprint, Mode.TRAINING)],
        MODES,
        here=one.host.fingerprint,
        hosts={machine.fingerprint: machine for machine in (one, other)},
    )

    assert (found.share, found.machines) == (1.0, (one.fingerprint,))


def test_another_machine_is_told_by_what_it_differs_in():
    other = replace(HERE, libraries={"numpy": "2.4.7"})
    machines = {machine.fingerprint: machine for machine in (HERE, other)}

    found = matrix(
        [cell("sorting", other.fingerprint), cell("sorting", "foreign")],
        MODES,
        here=HERE.fingerprint,
        hosts=machines,
    )

    told = {found.words(machine) for machine in found.machines}
    assert told == {
        "Abacus 3, here",
        "Abacus 3, as here but for numpy 2.4.7 (here: not there)",
        "not described by its runs",
    }
