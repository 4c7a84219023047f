from __future__ import annotations

import os
import subprocess
import sys

import psutil
import pytest

from parbench_lab.hardware.cgroup import (
    memory_room_bytes,
    parse_cfs_quota,
    parse_cgroup_paths,
    parse_cpu_max,
    parse_memory_limit,
    quota_cores,
)
from parbench_lab.hardware.cores import (
    affinity_cores,
    available_cores,
    available_physical_cores,
    cores_within,
    usable_cores,
)
from parbench_lab.hardware.topology import parse_core_places

# of a desktop with 4 cores of 2 threads each, as Linux numbers them: all first threads first
FOUR_CORES = "\n".join(
    f"processor\t: {cpu}\nmodel name\t: Intel(R) Core(TM) i7-4770K CPU @ 3.50GHz\n"
    f"physical id\t: 0\nsiblings\t: 8\ncore id\t\t: {cpu % 4}\ncpu cores\t: 4\n"
    for cpu in range(8)
)


def files(root, **contents):
    for path, text in contents.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


@pytest.mark.parametrize(
    ("text", "cores"),
    [
        pytest.param("max 100000\n", None, id="no limit"),
        pytest.param("50000 100000\n", 0.5, id="half a core"),
        pytest.param("400000\n", 4.0, id="default period"),
        pytest.param("", None, id="empty"),
        pytest.param("x y", None, id="garbage"),
        pytest.param("100 0", None, id="no period"),
    ],
)
def test_the_quota_of_version_2_is_read(text, cores):
    assert parse_cpu_max(text) == cores


def test_the_quota_of_version_1_is_read():
    assert parse_cfs_quota("150000\n", "100000\n") == 1.5
    assert parse_cfs_quota("-1\n", "100000\n") is None


def test_memory_limits_that_are_none_are_none():
    assert parse_memory_limit("max\n") is None
    assert parse_memory_limit("9223372036854771712\n") is None
    assert parse_memory_limit("1048576\n") == 2**20


def test_paths_of_both_versions_are_told_apart():
    text = "12:cpu,cpuacct:/docker/abc\n1:name=systemd:/a:b\n0::/user.slice\nnonsense\n"

    assert parse_cgroup_paths(text) == {
        "cpu": "/docker/abc",
        "cpuacct": "/docker/abc",
        "name=systemd": "/a:b",
        "": "/user.slice",
    }


def test_the_tightest_limit_of_all_groups_above_counts(tmp_path):
    files(
        tmp_path,
        **{
            "proc/self/cgroup": "0::/team/job\n",
            "sys/fs/cgroup/cpu.max": "max 100000",
            "sys/fs/cgroup/team/cpu.max": "150000 100000",
            "sys/fs/cgroup/team/job/cpu.max": "400000 100000",
        },
    )

    assert quota_cores(tmp_path) == 1.5


def test_a_container_that_sees_its_own_group_as_the_root_is_limited(tmp_path):
    files(
        tmp_path,
        **{
            "proc/self/cgroup": "4:cpu,cpuacct:/docker/not-visible-here\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "200000\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        },
    )

    assert quota_cores(tmp_path) == 2.0


def test_a_path_out_of_the_namespace_is_not_followed(tmp_path):
    files(
        tmp_path,
        **{"proc/self/cgroup": "0::/../../x\n", "sys/fs/cgroup/cpu.max": "100000 100000"},
    )

    assert quota_cores(tmp_path) == 1.0


def test_the_room_below_the_memory_limit_is_what_is_left(tmp_path):
    files(
        tmp_path,
        **{
            "proc/self/cgroup": "0::/job\n5:memory:/job\n",
            "sys/fs/cgroup/job/memory.max": "1000\n",
            "sys/fs/cgroup/job/memory.current": "400\n",
            "sys/fs/cgroup/memory/job/memory.limit_in_bytes": "9223372036854771712\n",
            "sys/fs/cgroup/memory/job/memory.usage_in_bytes": "400\n",
        },
    )

    assert memory_room_bytes(tmp_path) == 600


def test_no_control_groups_are_no_limit(tmp_path):
    assert quota_cores(tmp_path) is None
    assert memory_room_bytes(tmp_path) is None


@pytest.mark.parametrize(
    ("affinity", "quota", "cores"),
    [(8, None, 8), (8, 2.0, 2), (8, 1.9, 1), (8, 0.2, 1), (2, 16.0, 2)],
)
def test_workers_fit_into_affinity_and_quota(affinity, quota, cores):
    assert usable_cores(affinity=affinity, quota=quota) == cores


def test_affinity_is_obeyed():
    one = min(os.sched_getaffinity(0))
    code = (
        f"import os; os.sched_setaffinity(0, {{{one}}}); "
        "from parbench_lab.hardware.cores import available_cores; print(available_cores())"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True, timeout=60
    )

    assert done.stdout == "1\n"
    assert 1 <= available_cores() <= affinity_cores()


@pytest.mark.parametrize(
    ("cpus", "quota", "cores"),
    [
        pytest.param(range(8), None, 4, id="the whole machine"),
        pytest.param({0, 4}, None, 1, id="two threads of one core"),
        pytest.param({0, 1, 4}, None, 2, id="one core and a half"),
        pytest.param(range(8), 6.0, 4, id="a quota above the cores"),
        pytest.param(range(8), 2.5, 2, id="a quota below the cores"),
    ],
)
def test_two_threads_of_a_core_are_one_core_of_four(cpus, quota, cores):
    within = cores_within(parse_core_places(FOUR_CORES), cpus)

    assert within is not None
    assert usable_cores(affinity=within, quota=quota) == cores


def test_a_logical_core_without_a_place_leaves_the_cores_unknown():
    assert cores_within(parse_core_places(FOUR_CORES), {7, 8}) is None
    assert cores_within({}, {0}) is None


def test_this_process_has_one_core_where_all_its_processors_share_one(tmp_path):
    cpus = sorted(os.sched_getaffinity(0))
    blocks = [f"processor : {cpu}\nphysical id : 0\ncore id : 3\n" for cpu in cpus]
    files(tmp_path, **{"proc/cpuinfo": "\n".join(blocks)})

    assert available_physical_cores(tmp_path) == 1


def test_boards_whose_cpuinfo_tells_no_cores_tell_them_by_their_siblings(tmp_path):
    cpus = sorted(os.sched_getaffinity(0))
    folder = "sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
    files(
        tmp_path,
        **{"proc/cpuinfo": "processor\t: 0\nBogoMIPS\t: 108.00\n"},
        **{folder.format(cpu): f"{cpu}\n" for cpu in cpus},
    )

    assert available_physical_cores(tmp_path) == len(cpus)


def test_without_a_topology_the_logical_cores_count(tmp_path):
    assert available_physical_cores(tmp_path) == affinity_cores()


@pytest.mark.parametrize(("told", "cores"), [(4, 4), (None, 8)], ids=["told", "not told"])
def test_where_no_affinity_is_told_the_machines_physical_cores_count(
    monkeypatch, tmp_path, told, cores
):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(psutil, "cpu_count", lambda *, logical: 8 if logical else told)

    assert available_physical_cores(tmp_path) == cores
