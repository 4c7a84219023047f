"""What reports keep of races, studies and comparisons."""

from __future__ import annotations

import math

import pytest

from parbench_lab import reports
from parbench_lab.analysis.curve import ScalingCurve
from parbench_lab.errors import StoreError, UsageError
from parbench_lab.lab.comparing import compare
from parbench_lab.lab.scaling_study import ScalingStudy
from tests.reports.recorded import EVIL, record_runs


def test_a_kept_result_is_shown_as_escaped_text_and_travels_beside_it():
    shown = reports.keep("names", [EVIL], EVIL)._repr_mimebundle_()

    assert shown["text/plain"] == EVIL
    assert "<img" not in shown["text/html"]
    assert shown["application/vnd.parbench.results+json"]["value"] == [EVIL]


def test_a_kept_number_that_is_not_finite_is_null():
    assert reports.keep("x", {"a": math.inf, "b": (1, math.nan)}).value == {
        "a": None,
        "b": [1, None],
    }


@pytest.mark.parametrize("value", [object(), {"a": {1, 2}}, b"bytes"])
def test_what_is_no_json_is_refused(value):
    with pytest.raises(UsageError, match="result 'x'"):
        reports.keep("x", value)


def test_curves_are_kept_with_words_and_targets():
    times = [[1.0, 1.02], [0.52, 0.53], [0.30, 0.31], [0.2, 0.21]]
    curve = ScalingCurve.from_times([1, 2, 4, 8], times, cores=4)

    kept = reports.scaling_results({"mine": curve}, ["2-4x on 4 cores"])

    assert kept.value[0]["targets"][0]["verdict"] == "met"
    assert len(kept.value[0]["levels"]) == 4
    assert "2-4x on 4 cores: 3.3" in kept.text
    assert "no law is fitted" in kept.text


def test_targets_of_a_weak_curve_are_kept_as_not_measured():
    curve = ScalingCurve.from_times([1, 2], [[1.0, 1.02], [1.1, 1.12]], mode="weak", cores=4)

    kept = reports.scaling_results({"mine": curve}, ["2x on 2 cores"])

    assert [one["verdict"] for one in kept.value[0]["targets"]] == ["not measured"]
    assert "2x on 2 cores: not measured: a weak curve" in kept.text


def test_previous_is_the_race_before_the_newest_on_the_same_machine(tmp_path):
    place = str(tmp_path / "runs.db")
    record_runs(place, 3)  # on two machines

    assert reports.run_before("previous", "run-bbbb-0001", place)[0] == "run-bbbb-0000"
    assert reports.run_before("previous", "latest", place) == ("run-bbbb-0001", "run-bbbb-0002")
    assert reports.run_before("run-aaaa-0000", "run-aaaa-0001", place)[0] == "run-aaaa-0000"
    with pytest.raises(StoreError, match="no race of sorting on this machine before"):
        reports.run_before("previous", "run-aaaa-0000", place)


def test_a_comparison_is_told_with_ratio_verdict_and_sentence(tmp_path):
    record_runs(tmp_path / "runs.db", 2, machines=("aaaa",), change_at=1, blocks=15)

    found = compare("run-aaaa-0000", "run-aaaa-0001", store=tmp_path / "runs.db")
    kept = reports.comparison_results(found)

    loop = next(line for line in kept.text.splitlines() if line.startswith("loop"))
    assert "slower" in loop
    assert kept.value["pairs"][0]["verdict"] == "slower"
    assert found.sentence in kept.text


def test_about_tells_machine_versions_commit_and_mode_of_a_run(tmp_path):
    record_runs(tmp_path / "runs.db", 1, machines=("aaaa",))

    kept = reports.about("run", tmp_path / "runs.db")

    assert kept.value["machine"]["cpu_model"] == "CPU aaaa"
    assert kept.value["git"]["commit"] == "0000abcdef"
    assert "machine   CPU aaaa, fingerprint aaaa" in kept.text


def test_about_a_run_tells_its_own_job_and_settings(tmp_path):
    record_runs(tmp_path / "runs.db", 1, machines=("aaaa",))
    options = {"workers": [1], "repeats": 1, "sizes": [500], "store": tmp_path / "runs.db"}
    with ScalingStudy("prime_count", seed=7, backend="serial", **options) as study:
        study.change(repeats=2)
        study.run()

    of_race = reports.about("run-aaaa-0000", tmp_path / "runs.db").value["settings"]
    of_study = reports.about("latest", tmp_path / "runs.db").value["settings"]

    assert of_race == {"workload": "sorting", "algorithms": ["loop", "windows"]}
    assert of_study == {
        "job": "prime_count", "workers": [1], "mode": "strong", "backend": "serial", "size": 500,
        "repeats": 2, "seed": 7,
    }  # fmt: skip


def test_a_conclusion_has_its_interval_and_claims_no_more():
    sure = ScalingCurve.from_times([1, 2, 4], [[1.0, 1.02], [0.52, 0.53], [0.30, 0.31]])
    unsure = ScalingCurve.from_times([1, 2], [[1.0, 1.9, 1.2], [0.9, 1.1, 1.3]])
    alone = ScalingCurve.from_times([1], [[1.0, 1.9]])

    told = [kept["conclusion"] for kept in reports.scaling_results(
        {"sure": sure, "unsure": unsure, "alone": alone}, []
    ).value]  # fmt: skip

    assert told[0].startswith("table, recorded: 3.31x [")
    assert told[0].endswith("] with 4 workers")
    assert told[1].endswith("[0.54, 2.69] with 2 workers, not measurably faster than 1 worker")
    assert told[2] == "table, recorded: 1.00x with 1 worker"


def test_entrants_are_found_by_name_among_the_workloads_own():
    found, job = reports.entrants("sorting", ["list_sort"])

    assert [candidate.name for candidate in found] == ["list_sort"]
    assert job.name == "sorting"
