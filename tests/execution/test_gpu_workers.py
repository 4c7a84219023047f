"""GPU workers of the local cluster, on recorded devices: one cluster, one GPU with two seats."""

import os
import resource
import signal
import sys

import numpy as np
import pytest

from parbench_lab.core.candidate import Candidate
from parbench_lab.core.ports import GpuSampled
from parbench_lab.errors import UsageError
from parbench_lab.execution import plans, remote
from parbench_lab.execution.cluster import HouseCluster
from parbench_lab.execution.dask_executor import DaskExecutor
from parbench_lab.hardware.gpu import DOOR, Gpu, GpuInventory, find_gpus
from parbench_lab.testing import recorded_gpus
from tests.execution import misdeeds, played
from tests.execution.desk import Desk, outcomes

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs affinity")
TWO_GPUS = "parbench_lab.testing.recorded_gpus:two_gpus"
FIRST = "GPU-11111111-recorded"


def gpu(uuid, *cores):
    return Gpu(index=0, uuid=uuid, name="A GPU", memory_bytes=8e9, cores=cores)


def inventory(*gpus, reason=""):
    return GpuInventory(gpus=gpus, reason=reason)


# ---------------------------------------------------------------- planned, nothing started


@linux
def test_gpu_workers_stand_beside_cpu_workers_and_see_their_own_device_only():
    house = HouseCluster(
        n_workers=1, gpus="auto", gpu_seats=2, inventory=inventory(gpu("GPU-a"), gpu("MIG-b"))
    )

    planned = {plan.name: plan for plan in house.plans}

    assert list(planned) == ["cpu-0", "gpu-0", "gpu-1", "gpu-0.1", "gpu-1.1"]
    assert planned["cpu-0"].env == {"CUDA_VISIBLE_DEVICES": ""}
    assert planned["gpu-1.1"].env == {"CUDA_VISIBLE_DEVICES": "MIG-b"}
    assert planned["gpu-1.1"].resources == {"GPU": 1.0}
    assert all(plan.cores for plan in planned.values())


def test_mig_instances_are_gpus_of_their_own():
    house = HouseCluster(
        n_workers=1, gpus="auto", gpu_seats=1, inventory=find_gpus(recorded_gpus.mig_gpu())
    )

    assert [plan.gpu for plan in house.plans if plan.gpu] == [
        "GPU-11111111-recorded",
        "MIG-1-recorded",
        "MIG-2-recorded",
    ]


def test_without_a_gpu_auto_is_what_there_was_before():
    nothing = inventory(reason="no NVIDIA driver")

    house = HouseCluster(gpus="auto", inventory=nothing)

    assert house.plans == plans.worker_plans(house.n_workers, None)
    assert not any(plan.env for plan in house.plans)


def test_zero_gpus_looks_for_none():
    house = HouseCluster(n_workers=1, gpus=0)

    assert house.inventory == GpuInventory(reason="gpus=0 was asked for")
    assert len(house.plans) == 1


@pytest.mark.parametrize(
    ("gpus", "there", "words"),
    [
        pytest.param(
            1,
            inventory(reason="no NVIDIA driver"),
            "gpus=1: no GPU can be used: no NVIDIA driver; leave gpus out",
            id="none",
        ),
        pytest.param(
            2,
            inventory(gpu("GPU-a")),
            "gpus=2: only 1 can be used (A GPU); give at most 1",
            id="too few",
        ),
        pytest.param(
            -1, inventory(), "gpus must be 'auto' or a whole number from 0 up but got -1", id="-1"
        ),
        pytest.param(
            "all", inventory(), "gpus must be 'auto' or a whole number from 0 up", id="a word"
        ),
        pytest.param(True, inventory(), "gpus must be 'auto' or a whole number", id="a bool"),
    ],
)
def test_gpus_that_are_not_there_are_refused_in_one_line(gpus, there, words):
    with pytest.raises(UsageError) as refused:
        HouseCluster(gpus=gpus, inventory=there)

    assert str(refused.value).startswith(words)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("gpus", [1, 0])
def test_a_number_of_gpus_is_refused_for_a_cluster_that_is_given(gpus):
    with pytest.raises(UsageError, match=f"gpus={gpus} is for the local cluster"):
        DaskExecutor("tcp://127.0.0.1:1", gpus=gpus)


@pytest.mark.parametrize("given", [{}, {"gpus": "auto"}], ids=str)
def test_a_cluster_that_is_given_is_taken_where_no_number_of_gpus_is(given):
    DaskExecutor("tcp://127.0.0.1:1", **given).close()


def test_a_number_of_numpy_s_is_as_good_as_python_s():
    house = HouseCluster(n_workers=1, gpus=np.int64(1), inventory=inventory(gpu("GPU-a")))

    assert [plan.gpu for plan in house.plans if plan.gpu][:1] == ["GPU-a"]


def test_fewer_gpus_than_asked_for_are_refused_with_what_ails_the_others():
    lost = "GPU 1 cannot be used: GPU is lost"
    there = GpuInventory(gpus=(gpu("GPU-a"),), troubles=(lost,))

    with pytest.raises(UsageError, match=f"only 1 can be used .*; give at most 1; {lost}$"):
        HouseCluster(gpus=2, inventory=there)


@pytest.mark.parametrize(
    ("near", "seats", "ours", "expected"),
    [
        pytest.param([(0, 1)], 1, range(2), ((1,),), id="one of two cores"),
        pytest.param([()], 2, range(8), ((6, 7),), id="not told what is near"),
        pytest.param([(9,)], 2, range(8), ((6, 7),), id="what is near is not ours"),
        pytest.param([(0, 1)], 4, (0,), ((0,),), id="a single core"),
        pytest.param([(), ()], 4, range(4), ((3,), (2,)), id="more seats than half of the cores"),
        pytest.param([], 4, range(4), (), id="no gpu"),
        pytest.param([(0,)], 4, (), ((),), id="a system without affinity"),
    ],
)
def test_cores_of_gpus_are_near_and_ours_and_leave_half_to_others(near, seats, ours, expected):
    assert plans.cores_of_gpus(near, seats=seats, ours=ours) == expected


# ---------------------------------------------------------------- whose GPU a worker has


@pytest.mark.parametrize(
    ("visible", "offered", "expected"),
    [
        pytest.param(None, False, "", id="neither given nor offered"),
        pytest.param(None, True, FIRST, id="offered"),
        pytest.param("1", False, "GPU-22222222-recorded", id="an index"),
        pytest.param("GPU-2222", True, "GPU-22222222-recorded", id="a beginning"),
        pytest.param("", True, "", id="hidden"),
        pytest.param("-1", True, "", id="hidden by a number"),
    ],
)
def test_a_workers_gpu_is_the_first_that_it_sees(monkeypatch, visible, offered, expected):
    monkeypatch.setenv(DOOR, TWO_GPUS)

    assert remote.first_gpu(visible, offered=offered) == expected


def test_without_nvml_a_uuid_is_still_a_name(monkeypatch):
    monkeypatch.setenv(DOOR, "parbench_lab.testing.recorded_gpus:no_driver")

    assert remote.first_gpu("GPU-a,GPU-b", offered=True) == "GPU-a"
    assert remote.first_gpu("0", offered=True) == ""


# ---------------------------------------------------------------- a cluster


@pytest.fixture(scope="module")
def desk():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(DOOR, TWO_GPUS)
        patch.syspath_prepend(played.CUDA)
        executor = DaskExecutor(n_workers=1, memory_limit_bytes=1 << 30, gpus=1, gpu_seats=2)
        made = Desk(executor, misdeeds.Summing())
        made.wait_for(lambda: len(made.workers()) == 3)
    yield made
    made.close()


def needs_gpu(function, amount=1):
    return Candidate(name=function.__name__, function=function, resources={"GPU": amount})


def told(desk, worker, question):
    """Ask a candidate of one worker; it answers through its message."""

    def answers(case):
        raise LookupError(question())

    desk.executor.publish(Candidate(name="answers", function=answers))
    ended = desk.ended(desk.send("answers", worker=worker))[0]
    return outcomes(ended)["answers"][1]


def test_seats_offer_a_gpu_and_tell_whose_they_are(desk):
    workers = desk.workers()

    assert sorted(workers) == ["cpu-0", "gpu-0", "gpu-0.1"]
    assert {name: info.gpu for name, info in workers.items()} == {
        "cpu-0": "",
        "gpu-0": FIRST,
        "gpu-0.1": FIRST,
    }
    assert workers["gpu-0.1"].resources == {"GPU": 1.0}


def test_a_candidate_sees_the_device_of_its_worker(desk):
    def visible():
        import os

        return repr(os.environ.get("CUDA_VISIBLE_DEVICES"))

    assert repr(FIRST) in told(desk, "gpu-0.1", visible)
    assert "''" in told(desk, "cpu-0", visible)


@linux
def test_gpu_workers_stay_near_their_device_and_have_no_limit_of_data(desk):
    def where():
        import os
        import resource

        return f"{sorted(os.sched_getaffinity(0))} {resource.getrlimit(resource.RLIMIT_DATA)[0]}"

    (plan,) = [p for p in desk.executor._house.plans if p.name == "gpu-0"]

    found = told(desk, "gpu-0", where)

    assert f"{list(plan.cores)} {resource.RLIM_INFINITY}" in found
    assert str(1 << 30) in told(desk, "cpu-0", where)


def test_a_candidate_that_nobody_can_run_is_refused_when_it_enters(desk):
    with pytest.raises(UsageError, match="needs GPU=2, which no worker offers: local workers off"):
        desk.executor.publish(needs_gpu(misdeeds.good, 2))

    desk.executor.publish(needs_gpu(misdeeds.good))


def test_a_kernel_is_in_the_time_and_its_compilation_in_the_warm_up_of_every_seat(desk):
    def launches(case):
        import cupy  # the played one: 5 ms, and 30 ms more for the first in a process

        cupy.launch(0.005)
        return sum(case)

    names = desk.publish(launches)

    for seat in ("gpu-0", "gpu-0.1"):
        ended = desk.ended(desk.send(*names, worker=seat, blocks=9, warmup=1, memory=True))[0]
        runs = [result.measurements[0] for result in ended.results]

        assert [run.warm_up for run in runs] == [True, *[False] * 8]
        assert runs[0].values["wall_time_s"] >= 0.035
        later_s = [run.values["wall_time_s"] for run in runs[1:]]
        assert 0.005 <= min(later_s) < 0.035  # some last longer where others take the core
        assert runs[1].values["peak_gpu_bytes"] == 4096


def test_the_same_workers_are_known_to_an_executor_that_is_given_the_cluster(desk):
    address = desk.executor._house.scheduler.scheduler_address
    other = Desk(DaskExecutor(address), misdeeds.Summing())
    try:
        other.wait_for(lambda: len(other.workers()) == 3)
        gpus = sorted(info.gpu for info in other.workers().values())
        other.executor.publish(needs_gpu(misdeeds.good))
        with pytest.raises(UsageError, match=r"the cluster has 3 workers; start one with --res"):
            other.executor.publish(
                Candidate(name="tensor", function=misdeeds.good, resources={"TPU": 1})
            )
    finally:
        other.close()

    assert gpus == ["", FIRST, FIRST]


def test_samples_of_its_seats_are_reported_as_one_device_once_a_second(desk):
    sampled = desk.wait_for(lambda: len(desk.of(GpuSampled)) >= 3 and desk.of(GpuSampled))

    assert {report.gpu for report in sampled} == {FIRST}
    assert all(report.span_s >= 1.0 for report in sampled)
    assert any(0 < (report.utilization_percent or 0) <= 100 for report in sampled)
    assert any(report.memory_bytes for report in sampled)


def test_a_gpu_worker_that_dies_comes_back_on_its_device(desk):
    before = desk.workers()["gpu-0.1"]
    station = desk.executor._floor.stations["gpu-0.1"]

    os.kill(station.newcomer.pid, signal.SIGKILL)
    desk.wait_for(
        lambda: desk.workers().get("gpu-0.1", before).process != before.process, limit_s=30
    )

    assert desk.workers()["gpu-0.1"].gpu == FIRST
