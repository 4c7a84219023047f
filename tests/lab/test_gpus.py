"""GPUs as a user of the lab asks for them: refused in one line, or raced on recorded devices."""

import pytest

import parbench_lab as pb
from parbench_lab.errors import UsageError
from parbench_lab.hardware.gpu import DOOR
from parbench_lab.store import open_store


class Summing:
    name = "summing"
    default_batch_size = 100

    def make_case(self, size, rng):
        return rng.random(size)

    def check(self, case, result):
        assert abs(result - case.sum()) < 1e-9


def on_gpu(case):
    return case.sum()


def anywhere(case):
    return float(sum(case))


NEEDY = pb.Candidate(name="needy", function=on_gpu, resources={"GPU": 1})
WHY = "no GPU can be used: no NVIDIA driver"


@pytest.fixture
def no_driver(monkeypatch):
    monkeypatch.setenv(DOOR, "parbench_lab.testing.recorded_gpus:no_driver")


def bench(candidates, **options):
    return pb.ParallelBenchmarking(candidates, Summing(), **{"store": ":memory:", **options})


def test_a_gpu_that_is_not_there_is_refused_before_anything_is_started(no_driver, tmp_path):
    store = open_store(tmp_path / "runs.db")

    with pytest.raises(UsageError, match=f"gpus=1: {WHY}"):
        bench([anywhere], gpus=1, store=store)

    assert list(store.runs()) == []
    store.close()


def test_a_candidate_that_needs_a_gpu_is_refused_where_there_is_none(no_driver):
    with pytest.raises(UsageError) as refused:
        bench([anywhere, NEEDY])

    assert str(refused.value).startswith(
        f"candidate 'needy' needs GPU=1, which no worker offers: {WHY}"
    )
    assert "\n" not in str(refused.value)


def test_a_gpu_beside_another_resource_is_refused_with_what_is_missing(no_driver):
    needy = pb.Candidate(name="needy", function=str, resources={"GPU": 1, "MEM": 2})

    with pytest.raises(UsageError) as refused:
        bench([anywhere, needy])

    told = str(refused.value)
    assert told.startswith(f"candidate 'needy' needs GPU=1 MEM=2, which no worker offers: {WHY}")
    assert told.endswith("; give cluster= with workers started with --resources 'GPU=1 MEM=2'")


def test_without_a_gpu_local_workers_are_not_said_to_offer_one(no_driver):
    needy = pb.Candidate(name="needy", function=str, resources={"TPU": 1})

    with pytest.raises(UsageError, match="local workers offer nothing beyond a CPU; give cluster"):
        bench([anywhere, needy])


def test_a_challenger_that_needs_a_gpu_is_refused_and_the_race_stays_as_it_was(no_driver):
    with bench([anywhere]) as made:
        with pytest.raises(UsageError, match="'needy' needs GPU=1"):
            made.add(NEEDY)

        assert [candidate.name for candidate in made.candidates] == ["anywhere"]


def test_without_gpus_asked_for_nobody_looks_for_one(no_driver):
    with pytest.raises(UsageError, match="no GPU can be used: gpus=0 was asked for"):
        bench([NEEDY], gpus=0)


def test_those_who_need_a_gpu_and_those_who_do_not_race_on_its_seats(monkeypatch):
    monkeypatch.setenv(DOOR, "parbench_lab.testing.recorded_gpus:two_gpus")

    with bench([anywhere, NEEDY], n_workers=1, gpus=1, max_concurrent=2) as made:
        result = made.run_continuous_optimization(max_measurements=400)
        with pytest.raises(UsageError, match="the race has ended"):
            made.add(NEEDY)

    board = result.scoreboard
    assert board.workers == ("cpu-0", "gpu-0", "gpu-0.1")
    assert set(board.measured_on) <= {"gpu-0", "gpu-0.1"}
    assert {standing.candidate for standing in board.standings} == {"anywhere", "needy"}
    assert not [line for line in result.log if "no worker offers" in line]


def test_without_gpus_all_cpu_workers_race_although_a_batch_system_shows_them_a_device(
    monkeypatch,
):
    monkeypatch.setenv(DOOR, "parbench_lab.testing.recorded_gpus:two_gpus")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")

    with bench([anywhere, on_gpu], n_workers=2, gpus=0, policy="never") as made:
        result = made.run_continuous_optimization(max_measurements=400)

    assert set(result.scoreboard.measured_on) == {"cpu-0", "cpu-1"}


@pytest.mark.parametrize("driver", ["waiting", "spinning"])
def test_nobody_is_failed_or_warned_for_a_driver_that_takes_its_time(monkeypatch, driver):
    monkeypatch.setenv(DOOR, f"tests.execution.slow_driver:{driver}")

    with bench([anywhere, NEEDY], n_workers=1, gpus=1, max_concurrent=2, policy="never") as made:
        result = made.run_continuous_optimization(max_measurements=200)

    board = result.scoreboard
    assert set(board.measured_on) <= {"gpu-0", "gpu-0.1"}
    assert [(s.failures, s.warning) for s in board.standings] == [(0, ""), (0, "")]
    assert result.status != "failed"
