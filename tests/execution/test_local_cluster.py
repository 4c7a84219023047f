"""The cluster of our own: what it leaves behind, where it listens, who may call it."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from parbench_lab.core.candidate import Candidate
from parbench_lab.core.ports import ExecutorFailed, TaskEnded
from parbench_lab.errors import ClusterError, UsageError
from parbench_lab.execution import cluster as cluster_module
from parbench_lab.execution.dask_executor import DaskExecutor
from parbench_lab.testing import check_executor
from tests.execution import misdeeds
from tests.execution.desk import Desk, named, outcomes

MEMORY_BYTES = 1 << 30


def new_executor(**options):
    return DaskExecutor(**{"n_workers": 1, "memory_limit_bytes": MEMORY_BYTES, **options})


@pytest.fixture(scope="module")
def desk():
    made = Desk(new_executor(n_workers=2), misdeeds.Summing())
    made.wait_for(lambda: len(made.workers()) == 2)
    yield made
    made.close()


def test_it_keeps_the_promises_of_its_port():
    check_executor(new_executor)


def test_nothing_listens_beyond_loopback(desk):
    tree = [psutil.Process(), *psutil.Process().children(recursive=True)]

    listening = [
        connection.laddr
        for process in tree
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    ]

    assert len(listening) >= 4  # scheduler, dashboard, two workers
    assert {address.ip for address in listening} <= {"127.0.0.1", "::1"}
    assert desk.executor.dashboard_link.startswith("http://127.0.0.1:")


def test_every_worker_tells_how_busy_it_is(desk):
    desk.executor.usage()
    busy = desk.executor.usage()

    assert [usage.worker for usage in busy] == sorted(desk.workers())
    assert all(usage.cpu_percent >= 0 for usage in busy)
    assert all(10e6 < usage.rss_bytes < 10e9 for usage in busy)
    assert all(usage.gpu_percent is None for usage in busy)


def test_queued_tasks_of_a_worker_run_in_the_order_of_submission(desk, tmp_path):
    # written down as they run: replies that come at the same time may overtake each other
    diary = tmp_path / "diary"

    def writes(case, diary=str(diary)):
        with open(diary, "a", encoding="utf-8") as file:  # noqa: PTH123
            file.write(f"{len(case)}\n")
        return sum(case)

    names = desk.publish(writes)
    worker = desk.worker()

    sizes = list(range(100, 120))
    desk.ended(*[desk.send(*names, worker=worker, size=size) for size in sizes])

    assert list(dict.fromkeys(map(int, diary.read_text().split()))) == sizes


def test_a_recall_stops_a_running_task_at_its_next_block(desk):
    # the candidate itself waits until the recall has been written
    flag = Path(desk.executor._folder) / "flag"

    def waits(case, flag=str(flag)):
        import os

        while not os.path.exists(flag):  # noqa: PTH110
            pass
        return sum(case)

    names = desk.publish(waits)
    running = desk.send(*names, blocks=3, check=False)
    queued = desk.send(*names, blocks=2)
    station = desk.executor._floor.stations[desk.worker()]

    while station.reader.marker().task != running or station.reader.marker().block < 0:
        pass
    desk.executor.recall(queued)
    flag.touch()
    first, second = desk.ended(running, queued)

    assert len(first.results) == 1
    assert len(first.unrun) == 2
    assert second.results == ()
    assert len(second.unrun) == 2


def test_a_task_for_a_worker_that_is_gone_is_reported_unrun(desk):
    names = desk.publish(misdeeds.good)

    (ended,) = desk.ended(desk.send(*names, worker="cpu-99", blocks=2))

    assert len(ended.unrun) == 2


def test_closures_bound_methods_and_functions_defined_a_moment_ago_are_shipped(desk):
    offset = 0

    class Adder:
        def __init__(self, plus):
            self.plus = plus

        def total(self, case):
            return sum(case) + self.plus

    namespace = {}
    exec("def typed_just_now(case):\n    return sum(case)", namespace)

    ended = desk.run(
        named("closure", lambda case: sum(case) + offset),
        named("method", Adder(0).total),
        named("typed", namespace["typed_just_now"]),
        Candidate(name="imported", function="tests.execution.misdeeds:good"),
    )

    assert {outcome for outcome, _ in outcomes(ended).values()} == {"ok"}


def test_a_candidate_that_cannot_be_shipped_is_refused_with_the_reason(desk):
    lock = threading.Lock()

    def holds(case):
        with lock:
            return sum(case)

    with pytest.raises(UsageError, match=r"candidate 'holds' cannot be sent .* do not close over"):
        desk.publish(holds)


def test_an_import_that_fails_on_the_worker_is_its_candidates_failure(desk):
    ended = desk.run(misdeeds.good, Candidate(name="absent", function="no_such_module:f"))

    assert outcomes(ended)["good"] == ("ok", "")
    assert outcomes(ended)["absent"][0] == "failed"
    assert "cannot import 'no_such_module'" in outcomes(ended)["absent"][1]


def test_two_executors_in_one_process_do_not_disturb_each_other(desk):
    other = Desk(new_executor(), misdeeds.Listing())
    try:
        theirs = other.publish(misdeeds.good)
        ours = desk.publish(misdeeds.good)
        sent = [(other.send(*theirs), desk.send(*ours)) for _ in range(5)]
        for at_others, at_ours in sent:
            assert outcomes(other.ended(at_others)[0]) == {"good": ("ok", "")}
            assert outcomes(desk.ended(at_ours)[0]) == {"good": ("ok", "")}
        crashed = other.run(misdeeds.exits)
        assert outcomes(crashed)["exits"][0] == "crashed"
    finally:
        other.close()

    assert outcomes(desk.run(misdeeds.good)) == {"good": ("ok", "")}


def test_missing_payloads_are_sent_again(desk):
    names = desk.publish(misdeeds.good, misdeeds.fine)
    worker = desk.worker()
    desk.ended(desk.send("good", worker=worker))
    station = desk.executor._floor.stations[worker]

    station.known.add(desk.executor._floor.candidates["fine"].digest)  # it has it not
    (ended,) = desk.ended(desk.send(*names, worker=worker))

    assert outcomes(ended) == {"good": ("ok", ""), "fine": ("ok", "")}


def test_close_ends_a_hung_candidate_too():
    desk = Desk(new_executor(), misdeeds.Summing())
    names = desk.publish(misdeeds.holds_the_lock)
    desk.send(*names, timeout_s=3600.0)
    station = desk.executor._floor.stations[desk.worker()]
    while station.reader.marker().block < 0:
        pass

    desk.close()

    assert not psutil.pid_exists(station.process.pid)


def test_a_make_case_that_raises_fails_the_executor_with_its_words():
    class Broken(misdeeds.Summing):
        def make_case(self, size, rng):
            raise KeyError("no such data")

    desk = Desk(new_executor(), Broken())
    try:
        names = desk.publish(misdeeds.good)
        (ended,) = desk.ended(desk.send(*names, blocks=2))

        assert len(ended.unrun) == 2
        assert "KeyError: 'no such data'" in desk.failure().reason
        assert "\n" not in desk.failure().reason
    finally:
        desk.close()


def test_a_make_case_that_crashes_ends_in_a_failure_and_not_in_a_circle():
    class Deadly(misdeeds.Summing):
        def make_case(self, size, rng):
            os._exit(5)

    desk = Desk(new_executor(), Deadly())
    try:
        names = desk.publish(misdeeds.good)
        while not desk.of(ExecutorFailed):
            count = len(desk.of(TaskEnded))
            desk.send(*names, worker="cpu-0")
            desk.wait_for(
                lambda count=count: (
                    desk.of(ExecutorFailed) or (len(desk.of(TaskEnded)) > count and desk.workers())
                )
            )

        assert not any(ended.results for ended in desk.of(TaskEnded))
        assert "make_case ends its worker" in desk.failure().reason
    finally:
        desk.close()


def test_workers_that_die_at_birth_are_an_error_with_their_last_words(monkeypatch, tmp_path):
    (tmp_path / "threadpoolctl.py").write_text("raise SystemError('a broken installation')")
    monkeypatch.syspath_prepend(tmp_path)
    executor = new_executor()

    with pytest.raises(ClusterError, match=r"ended again and again .* a broken installation"):
        executor.open(lambda report: None, misdeeds.Summing())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_workers": 0}, "from 1 to 4,096 but got 0"),
        ({"n_workers": 10**7}, "from 1 to 4,096"),
        ({"n_workers": "2"}, "from 1 to 4,096 but got '2'"),
        ({"n_workers": 2.0}, "from 1 to 4,096 but got 2.0"),
        ({"memory_limit_bytes": 1000}, r"must be at least \d+"),
    ],
    ids=str,
)
def test_numbers_out_of_range_are_refused(options, words):
    with pytest.raises(UsageError, match=words):
        DaskExecutor(**options)


def test_it_works_where_an_event_loop_is_running():
    async def cell():
        desk = Desk(new_executor(), misdeeds.Summing())
        ended = desk.run(misdeeds.good)
        desk.close()
        return outcomes(ended)

    assert asyncio.run(cell()) == {"good": ("ok", "")}


SCRIPT = """
import queue
from parbench_lab.core.block import Block, Case, Slot, Task
from parbench_lab.core.candidate import Candidate
from parbench_lab.execution.dask_executor import DaskExecutor

print("imported", flush=True)

class Adding:
    def make_case(self, size, rng):
        return list(range(size))
    def check(self, case, result):
        assert result == sum(case)

def mine(case):
    return sum(case)

reports, executor = queue.Queue(), DaskExecutor(n_workers=1)
executor.open(reports.put, Adding())
executor.publish(Candidate(name="mine", function=mine))
worker = reports.get().worker.name
block = Block(number=0, epoch=0, case=Case(workload="adding", size=9, seed=0),
              slots=(Slot(candidate="mine", timeout_s=9.0),))
executor.submit(Task(number=0, worker=worker, blocks=(block,)))
print(reports.get().results[0].measurements[0].outcome, flush=True)
"""


def children_of(process):
    return psutil.Process(process.pid).children(recursive=True)


def test_a_plain_script_needs_no_main_guard(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT + "executor.close()\n")

    ran = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=120, check=True
    )

    assert ran.stdout.split() == ["imported", "ok"]
    assert ran.stderr == ""


def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT + "input()\n")
    parent = subprocess.Popen(
        [sys.executable, str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with parent:
        assert [parent.stdout.readline().strip() for _ in range(2)] == ["imported", "ok"]
        workers = children_of(parent)
        assert workers

        parent.send_signal(signal.SIGKILL)

        gone, _ = psutil.wait_procs(workers, timeout=120)
        assert len(gone) == len(workers)


def test_workers_have_a_core_each_where_there_are_enough():
    plans = cluster_module.worker_plans(1, None)

    assert plans[0].name == "cpu-0"
    if hasattr(os, "sched_getaffinity"):
        assert set(plans[0].cores) <= os.sched_getaffinity(0)
    assert cluster_module.worker_plans(10_000, None)[0].cores == ()
