"""Candidates that misbehave, on real worker processes: each has its outcome, nobody else pays."""

import os
import signal
import threading

import psutil
import pytest

from parbench_lab.core.measurement import Outcome
from parbench_lab.core.ports import WorkerLeft
from parbench_lab.execution.dask_executor import DaskExecutor
from parbench_lab.execution.floor import Floor
from parbench_lab.execution.processes import WorkerProcess
from parbench_lab.execution.stations import DEATH_LIMIT_S, now_s
from tests.execution import misdeeds
from tests.execution.desk import Desk, outcomes

MEMORY_BYTES = 1 << 30


@pytest.fixture(scope="module")
def desk():
    made = Desk(DaskExecutor(n_workers=1, memory_limit_bytes=MEMORY_BYTES), misdeeds.Summing())
    yield made
    made.close()


@pytest.fixture(scope="module")
def lists():
    made = Desk(DaskExecutor(n_workers=1, memory_limit_bytes=MEMORY_BYTES), misdeeds.Listing())
    yield made
    made.close()


def assert_good_goes_on(desk):
    again = desk.run(misdeeds.good)
    while again.unrun:  # its worker was just being replaced
        again = desk.run(misdeeds.good)
    assert outcomes(again) == {"good": ("ok", "")}


@pytest.mark.parametrize(
    ("misdeed", "outcome", "words"),
    [
        (misdeeds.raises, "failed", "RuntimeError: a misdeed in two lines (misdeeds.py:"),
        (misdeeds.leaves, "failed", "SystemExit: I quit"),
        (misdeeds.is_wrong, "wrong", "ValueError: the sum is"),
        (misdeeds.takes_memory, "out_of_memory", "Unable to allocate"),
        (misdeeds.eats_memory, "out_of_memory", "MemoryError"),
        (misdeeds.changes_input, "failed", "changes its input in place"),
        (misdeeds.gives_unpicklable, "ok", ""),
        (misdeeds.prints_a_lot, "ok", ""),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_misdeed_that_the_process_survives_is_its_candidates_alone(
    desk, misdeed, outcome, words
):
    joined = len(desk.workers())

    ended = desk.run(misdeeds.good, misdeed, misdeeds.fine)

    found = outcomes(ended)
    assert found["good"] == ("ok", "")
    assert found["fine"] == ("ok", "")
    assert found[misdeed.__name__][0] == outcome
    assert words in found[misdeed.__name__][1]
    assert "\n" not in found[misdeed.__name__][1]
    assert len(desk.workers()) == joined


@pytest.mark.parametrize(
    ("misdeed", "outcome", "words"),
    [
        (misdeeds.sleeps, "timed_out", "did not come back within 0.5 s"),
        (misdeeds.spins, "timed_out", "did not come back within 0.5 s"),
        (misdeeds.holds_the_lock, "timed_out", "did not come back within 0.5 s"),
        (misdeeds.exits, "crashed", "ended its process with exit code 3"),
        (misdeeds.segfaults, "crashed", "segmentation fault (SIGSEGV) in"),
        (misdeeds.aborts, "crashed", "abort (SIGABRT) in aborts (misdeeds.py:"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_misdeed_that_costs_the_process_keeps_what_was_measured_before(
    desk, misdeed, outcome, words
):
    names = desk.publish(misdeeds.good, misdeed, misdeeds.fine)
    worker = desk.worker()
    process = desk.workers()[worker].process

    first = desk.send(*names, worker=worker, blocks=2, timeout_s=0.5)
    queued = desk.send("good", worker=worker)
    ended, waited = desk.ended(first, queued)

    found = outcomes(ended)
    assert found["good"] == ("ok", "")
    assert found[misdeed.__name__][0] == outcome
    assert words in found[misdeed.__name__][1]
    assert "fine" not in found
    assert ended.unrun == (ended.results[-1].number + 1,)
    assert waited.unrun
    assert not waited.results
    assert waited.suspicion is None
    assert_good_goes_on(desk)
    assert desk.workers()[worker].process != process


def test_who_ran_in_a_process_that_was_killed_is_not_out_of_time_when_that_is_noticed_late(
    desk, monkeypatch
):
    looked, sees, ends = threading.Event(), Floor.on_sighting, WorkerProcess.wait

    def sees_it_dead(floor, station, marker, clock_s):
        sees(floor, station, marker, clock_s)
        if station.look_at_s > now_s() + DEATH_LIMIT_S / 2:  # it has made up its mind
            looked.set()

    def tells_late(process):
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert looked.wait(60)
        return ends(process)

    monkeypatch.setattr(Floor, "on_sighting", sees_it_dead)
    monkeypatch.setattr(WorkerProcess, "wait", tells_late)
    (worker,) = desk.workers()
    desk.run(misdeeds.kills_itself, timeout_s=0.2)  # the next process is waited for so
    desk.wait_for(lambda: desk.workers().get(worker))
    looked.clear()

    ended = desk.run(misdeeds.kills_itself, timeout_s=0.2)

    assert ended.results == ()
    assert "SIGKILL" in ended.suspicion.reason
    assert_good_goes_on(desk)


def test_a_worker_killed_from_outside_is_a_suspicion_and_nobodys_outcome(desk):
    names = desk.publish(misdeeds.good, misdeeds.kills_itself)

    (ended,) = desk.ended(desk.send(*names))

    assert ended.suspicion.candidate == "kills_itself"
    assert "SIGKILL" in ended.suspicion.reason
    assert outcomes(ended) == {"good": ("ok", "")}
    assert_good_goes_on(desk)


def test_an_idle_worker_that_is_killed_comes_back(desk):
    desk.worker()
    process = next(
        child for child in psutil.Process().children() if "cpu-0" in " ".join(child.cmdline())
    )
    left = len(desk.of(WorkerLeft))

    os.kill(process.pid, signal.SIGKILL)

    desk.wait_for(lambda: len(desk.of(WorkerLeft)) > left)
    assert_good_goes_on(desk)


def test_changes_of_global_state_are_put_back_and_told(desk):
    ended = desk.run(misdeeds.changes_environment, misdeeds.tells_environment)

    found = outcomes(ended)
    assert found["changes_environment"][0] == "ok"
    for piece in ("os.environ['MISDEED']", "the working folder", "random", "numpy.random"):
        assert piece in found["changes_environment"][1]
    assert found["tells_environment"] == ("ok", "")


def test_a_thread_left_waiting_is_a_warning(desk):
    ended = desk.run(misdeeds.leaves_idle_thread, misdeeds.good)

    assert outcomes(ended)["leaves_idle_thread"] == (
        "ok",
        "left a thread waiting; join them before returning",
    )
    assert outcomes(ended)["good"] == ("ok", "")


def test_a_thread_left_busy_is_a_failure_and_its_process_is_replaced(desk):
    process = desk.workers()[desk.worker()].process

    ended = desk.run(misdeeds.leaves_busy_thread, misdeeds.good)

    assert outcomes(ended)["leaves_busy_thread"][0] == "failed"
    assert "use CPU" in outcomes(ended)["leaves_busy_thread"][1]
    assert "good" not in outcomes(ended)
    assert_good_goes_on(desk)
    assert desk.workers()[desk.worker()].process != process


def test_a_leak_is_named_before_the_memory_is_gone_and_the_innocent_is_not(desk):
    names = desk.publish(misdeeds.leaks, misdeeds.good)

    ended = desk.ended(desk.send(*names, blocks=60, check=False))[0]

    worst = [
        m for result in ended.results for m in result.measurements if m.outcome is not Outcome.OK
    ]
    assert [m.candidate for m in worst] == ["leaks"]
    assert worst[0].outcome is Outcome.OUT_OF_MEMORY
    assert "keeps about 40.0 MB per call" in worst[0].message
    assert ended.unrun
    assert_good_goes_on(desk)


def test_children_of_a_candidate_end_with_its_worker(desk):
    desk.run(misdeeds.forks)
    worker = psutil.Process(desk.executor._floor.stations[desk.worker()].newcomer.pid)
    children = worker.children(recursive=True)
    assert children

    desk.run(misdeeds.exits)

    assert_good_goes_on(desk)
    gone, _ = psutil.wait_procs([worker, *children], timeout=120)
    assert len(gone) == 1 + len(children)


def test_a_changed_list_is_a_wrong_result_and_hurts_nobody_else(lists):
    ended = lists.run(misdeeds.sorts_input, misdeeds.orders_input)

    assert outcomes(ended) == {
        "sorts_input": (
            "wrong",
            "changed its input in place; it must copy what it wants to change",
        ),
        "orders_input": ("ok", ""),
    }


def test_a_change_of_the_input_in_a_run_that_was_not_checked_is_found_out(lists):
    names = lists.publish(misdeeds.sorts_input_late, misdeeds.orders_input)

    (ended,) = lists.ended(
        lists.send(*names, blocks=12, check=False, size=100_000, seed=1, warmup=0)
    )

    wrong = [m for r in ended.results for m in r.measurements if m.outcome is not Outcome.OK]
    assert {m.candidate for m in wrong} == {"sorts_input_late"}
    assert {m.outcome for m in wrong} == {Outcome.WRONG}


def test_what_cannot_be_unpickled_is_its_candidates_failure(desk):
    class Poisoned:
        def __reduce__(self):
            return misdeeds.raises, ((),)

        def __call__(self, case):
            return sum(case)

    poisoned = Poisoned()
    poisoned.__name__ = "poisoned"

    ended = desk.run(misdeeds.good, poisoned)

    assert outcomes(ended)["good"] == ("ok", "")
    assert outcomes(ended)["poisoned"][0] == "failed"
    assert "a misdeed" in outcomes(ended)["poisoned"][1]
