"""The executors without processes: in this thread's process, and only pretending."""

import time

import pytest

from parbench_lab.core.candidate import Candidate
from parbench_lab.core.measurement import Outcome
from parbench_lab.core.ports import ExecutorFailed, TaskEnded, WorkerJoined, WorkerLeft
from parbench_lab.errors import UsageError
from parbench_lab.execution.inline import InlineExecutor
from parbench_lab.testing import Fault, ScriptedExecutor, check_executor
from tests.execution import misdeeds
from tests.execution.blocks import block, task
from tests.execution.desk import Desk, outcomes


def steadily(rng, case, number):
    return 0.01


def opened(timings, **options):
    executor = ScriptedExecutor(timings, **options)
    reports = []
    executor.open(reports.append, None)
    return executor, reports


def ended(reports):
    return [report for report in reports if isinstance(report, TaskEnded)]


def test_the_inline_executor_keeps_the_promises_of_its_port():
    check_executor(InlineExecutor)


@pytest.mark.parametrize("auto", [True, False])
def test_the_scripted_executor_keeps_the_promises_of_its_port(auto):
    class SelfAdvancing(ScriptedExecutor):
        def submit(self, task):
            super().submit(task)
            self.advance()

    kind = ScriptedExecutor if auto else SelfAdvancing
    check_executor(lambda: kind({"steady": steadily, "other": steadily}, auto=auto))


def test_inline_misdeeds_are_outcomes_too():
    desk = Desk(InlineExecutor(), misdeeds.Summing())

    ended_task = desk.run(misdeeds.good, misdeeds.raises, misdeeds.is_wrong)
    desk.close()

    found = {name: outcome for name, (outcome, _) in outcomes(ended_task).items()}
    assert found == {"good": "ok", "raises": "failed", "is_wrong": "wrong"}


@pytest.mark.parametrize("make", [InlineExecutor, lambda: ScriptedExecutor({})])
def test_a_candidate_that_was_not_published_is_refused(make):
    executor = make()
    executor.open(lambda report: None, misdeeds.Summing())

    with pytest.raises(UsageError):
        executor.submit(task(0, block(0, "stranger"), worker="cpu-0"))

    executor.close()


def test_virtual_time_orders_the_ends_over_the_workers():
    executor, reports = opened(
        lambda name, rng, case, number: 3.0 if name == "slow" else 1.0, auto=False
    )

    executor.submit(task(0, block(0, "slow"), worker="cpu-0"))
    executor.submit(task(1, block(1, "quick"), worker="cpu-1"))
    executor.submit(task(2, block(2, "quick"), worker="cpu-1"))
    while executor.advance():
        pass

    assert [report.task for report in ended(reports)] == [1, 2, 0]
    assert executor.now_s == 3.0


def test_the_same_seed_gives_the_same_measurements():
    def noisily(rng, case, number):
        return float(rng.exponential())

    runs = []
    for _ in range(2):
        executor, reports = opened({"a": noisily}, seed=7)
        for number in range(5):
            executor.submit(task(number, block(number, "a"), worker="cpu-0"))
        runs.append([r for r in reports if isinstance(r, TaskEnded)])

    assert runs[0] == runs[1]


@pytest.mark.parametrize("outcome", [Outcome.WRONG, Outcome.FAILED, Outcome.OUT_OF_MEMORY])
def test_a_scripted_fault_is_a_measurement(outcome):
    executor, reports = opened(
        {"a": lambda *_: Fault(outcome=outcome, message="so"), "b": steadily}
    )

    executor.submit(task(0, block(0, "a", "b"), worker="cpu-0"))

    found = outcomes(ended(reports)[0])
    assert found == {"a": (outcome.value, "so"), "b": ("ok", "")}


@pytest.mark.parametrize("outcome", [Outcome.CRASHED, Outcome.TIMED_OUT, None])
def test_a_scripted_death_takes_the_worker_along_and_what_waited_comes_back(outcome):
    executor, reports = opened(
        {"a": steadily, "bad": lambda *_: Fault(outcome=outcome)}, auto=False
    )

    executor.submit(task(0, block(0, "a", "bad", "a"), block(1, "a"), worker="cpu-0"))
    executor.submit(task(1, block(2, "a"), worker="cpu-0"))
    executor.advance()

    first, second = ended(reports)
    assert (first.suspicion is None) == (outcome is not None)
    assert first.results[0].measurements[0].outcome is Outcome.OK
    assert first.unrun == (1,)
    assert second.unrun == (2,)
    assert isinstance(reports[-2], WorkerLeft)
    assert isinstance(reports[-1], WorkerJoined)


def test_workers_leave_and_the_executor_fails_on_demand():
    executor, reports = opened({"a": steadily}, n_workers=1)

    executor.leave("cpu-0")
    executor.submit(task(0, block(0, "a"), worker="cpu-0"))
    executor.fail("the network is down")

    assert reports[1:] == [
        WorkerLeft(worker="cpu-0", reason="scripted"),
        TaskEnded(task=0, worker="cpu-0", unrun=(0,)),
        ExecutorFailed(reason="the network is down"),
    ]


def test_pretending_is_cheap():
    executor, reports = opened(dict.fromkeys("abc", steadily), n_workers=1)
    blocks = tuple(block(number, *"abc") for number in range(50))

    start_ns = time.perf_counter_ns()
    for number in range(20):
        executor.submit(task(number, *blocks, worker="cpu-0"))
    per_block_us = (time.perf_counter_ns() - start_ns) / 1000 / 1000

    assert len(ended(reports)) == 20
    assert per_block_us < 2000  # tens of microseconds; the bound is for a machine in trouble


def test_the_check_finds_an_executor_that_reports_twice():
    class Stammering(ScriptedExecutor):
        def open(self, sink, workload):
            def twice(report):
                sink(report)
                if isinstance(report, TaskEnded):
                    sink(report)

            super().open(twice, workload)

    with pytest.raises(AssertionError, match="every task is reported ended once"):
        check_executor(lambda: Stammering({"steady": steadily, "other": steadily}))


def test_publishing_outside_the_script_is_refused():
    executor, _ = opened({"a": steadily})

    with pytest.raises(UsageError, match="'b' is not in the script"):
        executor.publish(Candidate(name="b", function=abs))
