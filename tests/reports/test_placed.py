"""Two compared runs over batch sizes and machines: figures of these runs and of no other."""

import contextlib

import pytest

from parbench_lab import plots, reports
from parbench_lab.errors import StoreError
from parbench_lab.lab.comparing import compare
from parbench_lab.store import open_store
from tests.analysis.comparison.figures import HERE, THERE
from tests.lab.test_comparing import stored, stored_in_stages


@pytest.fixture
def place(tmp_path):
    """Three runs: two here, the later at three batch sizes, and one on another machine."""
    path = tmp_path / "runs.db"
    with contextlib.closing(open_store(path)) as store:
        stored(store, "first", {"quick": 1e-3, "slow": 3e-3})
        stored_in_stages(store, "sizes", "quick", [(10, 1e-5), (1000, 2e-3), (10, 1e-5)], day=2)
        stored(store, "there", {"quick": 5e-4, "slow": 3e-3}, THERE, day=3)
    return path


def placed(place, *runs):
    return compare(*runs, store=place), *(reports.run_points(run, place) for run in runs)


def test_the_points_are_of_the_asked_run_alone(place):
    points = reports.run_points("fir", place)

    assert {point.run_id for point in points} == {"first"}
    assert {point.key.candidate for point in points} == {"quick", "slow"}
    with pytest.raises(StoreError):
        reports.run_points("nowhere", place)


def test_on_one_machine_the_heatmap_is_of_the_new_run_over_batch_sizes(place):
    heat = reports.comparison_heatmap(*placed(place, "first", "sizes"))

    assert (heat.across, heat.rows, heat.columns) == ("size", ("quick",), ("10", "1000"))


def test_of_two_machines_the_heatmap_shows_each_candidate_on_either(place):
    heat = reports.comparison_heatmap(*placed(place, "first", "there"))

    ratios = {
        (row, column): ratio
        for row, column, ratio in zip(
            *(heat.fields[name] for name in ("row", "column", "ratio")), strict=True
        )
    }
    assert heat.across == "machine"
    assert set(heat.columns) == {HERE.fingerprint, THERE.fingerprint}
    assert ratios["sorting/quick at 1000", HERE.fingerprint] == pytest.approx(2, rel=0.02)
    assert ratios["sorting/quick at 1000", THERE.fingerprint] == 1


def test_either_run_has_a_profile_and_a_candidate_one_place_among_the_colours(place):
    data = reports.comparison_profiles(*placed(place, "first", "sizes"))

    assert [list(one.series) for one in data] == [["quick", "slow"]] * 2
    assert [one.series["quick"]["size"] for one in data] == [[1000], [10, 1000]]
    assert data[1].title == "new run sizes on Abacus 3"
    before, after = plots.profile_figures(data).children
    assert before.y_range is after.y_range


def test_quantiles_and_throughput_of_both_runs_are_in_the_text_and_in_the_document(place):
    _, *points = placed(place, "first", "sizes")

    kept = reports.profile_results(*points)

    assert [row["size"] for row in kept.value["new"]] == [10, 1000]
    lines = [line.split() for line in kept.text.splitlines()]
    assert [line[:3] for line in lines if "quick" in line] == [
        ["baseline", "quick", "1,000"],
        ["new", "quick", "10"],
        ["new", "quick", "1,000"],
    ]


def test_a_run_without_stored_times_says_so():
    assert reports.profile_results([], []).text == "no times are stored of these runs"
