"""The calibration: fixed kernels under names of their version, each checked."""

from dataclasses import replace

import numpy as np
import pytest

from parbench_lab.core.series import Mode
from parbench_lab.testing.workload import check_workload
from parbench_lab.workloads.calibration import VERSION, Calibration, Kernel
from parbench_lab.workloads.registry import candidates_of, workload_by_name

JOB = Calibration()
CASE = JOB.make_case(500, np.random.default_rng(1))


def results():
    return {c.name: c.resolve()(CASE) for c in candidates_of(JOB)}


def test_it_keeps_the_promises_of_a_workload():
    check_workload(workload_by_name("calibration"))


def test_every_kernel_is_named_after_its_version():
    assert (JOB.name, JOB.mode) == ("calibration", Mode.MICRO)
    assert all(c.name.endswith(f"_v{VERSION}") for c in candidates_of(JOB))
    assert {c.import_string.partition(":")[2] for c in candidates_of(JOB)} == set(results())


def test_every_kernel_is_right_and_tells_its_work():
    work = {name: JOB.check(CASE, result) for name, result in results().items()}

    assert work["triad_v1"] == {"flop_count": 10_000.0, "moved_bytes": 200_000.0}
    assert work["python_loop_v1"]["flop_count"] == 1000.0
    assert all(one["moved_bytes"] > 0 for one in work.values())


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_the_kernels_work_at_any_size(size):
    case = JOB.make_case(size, np.random.default_rng(size))

    for candidate in candidates_of(JOB):
        JOB.check(case, candidate.resolve()(case))


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("python_loop_v1", lambda value: value + 1e-6),
        ("matmul_v1", lambda value: value[:, ::-1]),
        ("triad_v1", lambda value: value + 1e-9),
        ("sort_v1", lambda value: value[::-1]),
        ("sort_v1", lambda value: np.sort(np.concatenate([value[1:], value[:1] + 0.5]))),
        ("hash_count_v1", lambda value: {**value, -1: 1}),
    ],
)
def test_a_wrong_result_is_refused(name, spoil):
    result = results()[name]

    with pytest.raises(ValueError, match=r"\w"):
        JOB.check(CASE, replace(result, value=spoil(result.value)))


@pytest.mark.parametrize("result", [None, 3.0, Kernel(name="sort_v0", value=None)], ids=str)
def test_what_is_no_result_of_a_kernel_is_refused(result):
    with pytest.raises(ValueError, match="expected the result of one of python_loop_v1"):
        JOB.check(CASE, result)
