"""``backend="auto"``: what is tried, at which size, and what is taken and said."""

from __future__ import annotations

import pytest

import parbench_lab as pb
from parbench_lab.errors import UsageError
from parbench_lab.lab.backends import choose_backend, serial_time_s
from parbench_lab.scaling.plan import Plan


class Unheard(BaseException):
    """Neither an exception nor Ctrl-C."""


def sums(case, *, map):
    return sum(map(sum, case))


def ranges(size, rng):
    return [range(size)] * 4


def job(run=sums, make_case=ranges):
    return pb.Scalable(name="sums", run=run, make_case=make_case, default_size=200)


def tried(choice):
    return [probe.backend for probe in choice.probes]


def test_all_four_are_tried_where_the_study_lasts_longer_than_dask_starts():
    plan = Plan(workers=(1, 2), sizes=(100_000,), repeats=1000)

    choice = choose_backend(job(), plan, own_sizes=True, cores=2)

    assert tried(choice) == ["serial", "threads", "processes", "dask"]
    assert [probe.n_workers for probe in choice.probes] == [1, 2, 2, 2]
    assert all(probe.time_s > 0 for probe in choice.probes)
    assert "dask" in choice.reason
    assert "serial" in choice.reason
    assert choice.backend != "serial"


def test_a_short_study_does_not_wait_for_dask_and_says_so():
    plan = Plan(workers=(1, 2), sizes=(10,), repeats=1)

    choice = choose_backend(job(), plan, own_sizes=True, cores=2)

    assert tried(choice) == ["serial", "threads", "processes"]
    assert choice.backend == "threads"
    assert choice.reason.startswith("threads: 10 items of sums took")
    assert "serial was faster" in choice.reason
    assert "sharing so little out brings nothing" in choice.reason
    assert "dask was not tried: its workers start in about 2 s" in choice.reason


def test_adaptive_workers_are_never_dasks():
    plan = Plan(workers=(2,), sizes=(100_000,), repeats=1000, adaptive=True)

    choice = choose_backend(job(), plan, own_sizes=True, cores=2)

    assert tried(choice) == ["serial", "threads", "processes"]
    assert choice.reason.endswith("; dask was not tried: its workers cannot be adaptive")


def test_one_worker_has_nothing_to_share_out_and_runs_on_the_simplest():
    plan = Plan(workers=(1,), sizes=(10,), repeats=1)

    choice = choose_backend(job(), plan, own_sizes=True, cores=2)

    assert choice.backend == "threads"
    assert "one worker has nothing to share out" in choice.reason


@pytest.mark.parametrize(
    ("own_sizes", "size"),
    [pytest.param(True, 30, id="the largest of one's own"), pytest.param(False, 50, id="else")],
)
def test_the_size_that_is_tried_is_the_users_or_a_quarter_of_the_jobs(own_sizes, size):
    asked = []
    plan = Plan(workers=(1, 2), sizes=(20, 30) if own_sizes else (200,), repeats=1)

    def make_case(size, rng):
        asked.append(size)
        return ranges(size, rng)

    choice = choose_backend(job(make_case=make_case), plan, own_sizes=own_sizes, cores=2)

    assert asked == [size]
    assert f"{size} items of sums" in choice.reason


@pytest.mark.parametrize(
    "failure", [ZeroDivisionError("no parts"), SystemExit(0), Unheard("of")], ids=repr
)
def test_a_job_that_fails_is_refused_before_anything_is_measured(failure):
    def broken(case, *, map):
        raise failure

    plan = Plan(workers=(1, 2), sizes=(10,))
    told = f"no backend can run 10 items of sums: {type(failure).__name__}: {failure}"

    with pytest.raises(UsageError, match=told):
        choose_backend(job(run=broken), plan, own_sizes=True, cores=2)


def test_a_case_that_cannot_be_made_is_refused_in_the_same_words():
    def broken(size, rng):
        raise OSError("no such file")

    with pytest.raises(UsageError, match="no backend can run 10 items of sums: OSError"):
        choose_backend(job(make_case=broken), Plan(workers=(1, 2), sizes=(10,)),
                       own_sizes=True, cores=2)  # fmt: skip
    with pytest.raises(UsageError, match="no backend can run 10 items of sums: OSError"):
        serial_time_s(job(make_case=broken), 10)


def test_every_run_of_a_job_that_drains_its_case_begins_with_a_full_one():
    left = []

    def drains(case, *, map):
        left.append(len(case))
        return sum(map(sum, [case.pop() for _ in range(len(case))]))

    plan = Plan(workers=(1, 2), sizes=(10,), repeats=1)

    choice = choose_backend(job(run=drains), plan, own_sizes=True, cores=2)

    assert tried(choice) == ["serial", "threads", "processes"]
    assert left == [4] * 7


def test_a_case_is_made_anew_outside_of_the_clock():
    clock, making_s = [0.0], 5.0

    def make_case(size, rng):
        clock[0] += making_s
        return ranges(size, rng)

    def drains(case, *, map):
        clock[0] += 0.5
        case.clear()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.perf_counter", lambda: clock[0])
        time_s = serial_time_s(job(run=drains, make_case=make_case), 10)
        choice = choose_backend(
            job(run=drains, make_case=make_case),
            Plan(workers=(2,), sizes=(10,), repeats=1, adaptive=True),
            own_sizes=True,
            cores=2,
        )

    assert time_s == 0.5
    assert [probe.time_s for probe in choice.probes] == [0.5] * 3


def test_a_study_says_why_it_runs_on_what_it_runs_on():
    options = {"workers": [1, 2], "sizes": [10], "repeats": 1, "store": ":memory:"}
    with pb.ScalingStudy(job(), backend="auto", **options) as study:
        curve = study.run()

    assert study.plan.backends == (curve.backend,)
    assert study.backend_reason.startswith(f"{curve.backend}: 10 items of sums took")
