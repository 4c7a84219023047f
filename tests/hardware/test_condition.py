from __future__ import annotations

import dataclasses
import itertools

import pytest

from parbench_lab.hardware.condition import (
    Condition,
    advice,
    machine_condition,
    timer_resolution,
)

CALM = Condition(
    logical_cores=8,
    physical_cores=4,
    affinity_cores=8,
    quota_cores=None,
    available_cores=8,
    smt=False,
    governor="performance",
    turbo=False,
    load_1min=0.1,
    timer_step_ns=40.0,
    timer_call_ns=50.0,
    blas_threads=8,
    memory_available_bytes=8 * 2**30,
    container=False,
)


def test_a_calm_machine_needs_no_advice():
    assert advice(CALM) == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(
            {"quota_cores": 1.5, "available_cores": 2},
            "allows 1.5 of 8 cores and stops what exceeds it: keep max_concurrent at 2",
            id="quota",
        ),
        pytest.param({"available_cores": 1}, "only one core is available", id="one core"),
        pytest.param({"load_1min": 3.0}, "keeps about 3.0 of 8 cores busy", id="load"),
        pytest.param({"smt": True}, "keep max_concurrent at 4, or switch SMT off", id="smt"),
        pytest.param({"governor": "powersave"}, "cpupower frequency-set -g perf", id="governor"),
        pytest.param({"turbo": True}, "switch it off for scaling curves", id="turbo"),
        pytest.param({"timer_step_ns": 15_625_000.0}, "min_time_s to at least 15.625", id="timer"),
        pytest.param({"timer_step_ns": 0.0}, "the timer did not move", id="no timer"),
        pytest.param({"blas_threads": 64}, "start 64 threads on 8 available", id="blas"),
        pytest.param({"memory_available_bytes": 2**29}, "only 537 MB of memory", id="memory"),
    ],
)
def test_each_trouble_has_one_sentence_that_says_what_to_change(change, words):
    blas = {"blas_threads": min(CALM.blas_threads, change.get("available_cores", 64))}

    sentences = advice(dataclasses.replace(CALM, **(blas | change)))

    assert len(sentences) == 1
    assert words in sentences[0]


def test_what_is_not_readable_is_not_judged():
    unknown = dataclasses.replace(
        CALM, physical_cores=None, smt=None, governor=None, turbo=None, load_1min=None,
        blas_threads=None,
    )  # fmt: skip

    assert advice(unknown) == ()


def test_smt_does_not_matter_while_physical_cores_suffice():
    assert advice(dataclasses.replace(CALM, smt=True, available_cores=4, blas_threads=4)) == ()


def test_the_step_of_a_coarse_clock_is_found():
    readings = itertools.count()

    step_ns, call_ns = timer_resolution(lambda: next(readings) // 10 * 1000)

    assert (step_ns, call_ns) == (1000.0, 100.0)


def test_a_clock_that_stands_still_has_no_step():
    assert timer_resolution(lambda: 7) == (0.0, 0.0)


def test_this_machine_has_a_condition_that_makes_sense():
    condition = machine_condition()

    assert 1 <= condition.available_cores <= condition.affinity_cores <= condition.logical_cores
    assert 0 < condition.timer_step_ns < 1e8
    assert 0 < condition.timer_call_ns < 1e6
    assert condition.memory_available_bytes > 0
    assert all(isinstance(sentence, str) for sentence in advice(condition))


def test_frequencies_and_container_marks_are_read_where_they_are(tmp_path):
    cpu = tmp_path / "sys/devices/system/cpu"
    for number, governor in enumerate(("performance", "powersave", "performance")):
        (cpu / f"cpu{number}/cpufreq").mkdir(parents=True)
        (cpu / f"cpu{number}/cpufreq/scaling_governor").write_text(f"{governor}\n")
    (cpu / "intel_pstate").mkdir()
    (cpu / "intel_pstate/no_turbo").write_text("0\n")
    (cpu / "smt").mkdir()
    (cpu / "smt/active").write_text("1\n")
    (tmp_path / "proc/1").mkdir(parents=True)
    (tmp_path / "proc/1/cgroup").write_text("0::/kubepods/besteffort/pod1\n")

    condition = machine_condition(tmp_path)

    assert condition.governor == "performance, powersave"
    assert condition.turbo is True
    assert condition.smt is True
    assert condition.container is True


def test_nothing_readable_is_none_and_never_fine(tmp_path):
    condition = machine_condition(tmp_path)

    assert (condition.governor, condition.turbo, condition.smt) == (None, None, None)
    assert condition.quota_cores is None
    assert condition.container is False


def test_boost_is_turbo_on_other_processors(tmp_path):
    folder = tmp_path / "sys/devices/system/cpu/cpufreq"
    folder.mkdir(parents=True)
    (folder / "boost").write_text("0\n")

    assert machine_condition(tmp_path).turbo is False
