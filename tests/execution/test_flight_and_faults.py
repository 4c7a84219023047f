"""What is read from a recorder, what an end means, and when a worker is stopped."""

import dataclasses
import itertools
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parbench_lab.core.block import Block, Case, Slot, Task
from parbench_lab.core.measurement import BlockResult, Measurement, Outcome
from parbench_lab.core.ports import WorkerInfo
from parbench_lab.execution.connection import Newcomer
from parbench_lab.execution.deadlines import (
    CASE_LIMIT_S,
    CHECK_LIMIT_S,
    GRACE_S,
    START_EXTRA_S,
    watch,
)
from parbench_lab.execution.faults import CLOSED_BY_CLUSTER, Cause, autopsy, explain_exit
from parbench_lab.execution.flight import (
    AREAS,
    FILE_BYTES,
    Activity,
    FlightReader,
    FlightRecorder,
    Marker,
    create_flight_file,
    parse_flight,
)
from parbench_lab.execution.program import TaskReport
from parbench_lab.execution.remote import ready_cpu_s
from parbench_lab.execution.shipping import Payload
from parbench_lab.execution.stations import SECOND_LOOK_S, STARVED_CPU_S, STARVED_LIMIT_S, Station
from parbench_lab.execution.wire import (
    Order,
    Reply,
    dump_order,
    dump_reply,
    load_order,
    load_reply,
)
from tests.execution.blocks import block, task

CRASH = Cause(outcome=Outcome.CRASHED, reason="segmentation fault")


@pytest.fixture
def recorder(tmp_path):
    path = tmp_path / "flight"
    create_flight_file(path)
    writer, reader = FlightRecorder(path), FlightReader(path)
    yield writer, reader
    writer.close()
    reader.close()


def ok(name, **options):
    return Measurement(candidate=name, outcome=Outcome.OK, values={"wall_time_s": 0.25}, **options)


def test_a_recorder_keeps_what_was_measured_and_who_runs(recorder):
    writer, reader = recorder

    writer.begin_task(7)
    writer.making(3)
    writer.made(3, 0.5)
    writer.measured(3, ok("a"))
    writer.running(3, 1)

    log = reader.read()
    assert (log.marker.task, log.marker.block, log.marker.slot) == (7, 3, 1)
    assert log.marker.activity is Activity.RUNNING
    assert log.tasks[7].results("w") == (
        BlockResult(number=3, worker="w", measurements=(ok("a"),), made_case_s=0.5),
    )


def test_a_later_line_about_a_slot_corrects_the_earlier_one(recorder):
    writer, reader = recorder
    worse = Measurement(candidate="a", outcome=Outcome.OUT_OF_MEMORY, message="keeps too much")

    writer.begin_task(0)
    writer.measured(0, ok("a"))
    writer.measured(0, worse)

    assert reader.read().tasks[0].measurements == {0: (worse,)}


def test_the_last_tasks_are_kept_and_older_ones_make_room(recorder):
    writer, reader = recorder

    for number in range(AREAS + 2):
        writer.area = number % AREAS
        writer.begin_task(number)
        writer.measured(number, ok("a"))

    assert sorted(reader.read().tasks) == list(range(2, AREAS + 2))


def test_more_than_there_is_room_for_is_left_out_and_harms_nothing(recorder):
    writer, reader = recorder
    long = ok("a", message="x" * 100_000)

    writer.begin_task(0)
    for number in range(5):
        writer.measured(number, long)

    assert list(reader.read().tasks[0].measurements) == [0, 1]


def test_a_recall_reaches_the_other_side_and_never_goes_back(recorder):
    writer, reader = recorder

    reader.recall(5)
    reader.recall(3)

    assert [writer.recalled(number) for number in (4, 5, 6)] == [True, True, False]


@given(st.binary(min_size=0, max_size=300), st.integers(0, 6000))
def test_a_recorder_that_a_candidate_wrote_over_is_read_without_an_error(noise, at):
    data = bytearray(FILE_BYTES)
    data[at : at + len(noise)] = noise

    parse_flight(bytes(data))


@pytest.mark.parametrize(
    ("returncode", "outcome", "words"),
    [
        (-11, Outcome.CRASHED, "segmentation fault (SIGSEGV)"),
        (-6, Outcome.CRASHED, "abort (SIGABRT)"),
        (3, Outcome.CRASHED, "exit code 3"),
        (0, Outcome.CRASHED, "exit code 0"),
        (-9, None, "SIGKILL"),
        (-15, None, "SIGTERM"),
        (-63, None, "signal 63"),
        (CLOSED_BY_CLUSTER, None, "the cluster closed the worker"),
        (None, None, "is gone"),
    ],
)
def test_an_exit_is_the_candidates_doing_only_where_it_must_be(returncode, outcome, words):
    cause = explain_exit(returncode)

    assert cause.outcome is outcome
    assert words in cause.reason


def test_a_crash_tells_its_place_as_far_as_it_is_known():
    trace = 'Fatal Python error: Segmentation fault\n\n  File "/a/b.py", line 3 in f\n'

    assert explain_exit(-11, trace).reason.endswith(" in f (b.py:3)")


def test_an_autopsy_charges_who_ran_keeps_the_rest_and_blames_nobody_who_waited(recorder):
    writer, reader = recorder
    done, cut, waiting = (
        task(0, block(0, "a", "b")),
        task(1, block(1, "a", "b"), block(2, "a", "b"), block(3, "a", "b")),
        task(2, block(4, "a", "b")),
    )
    writer.begin_task(0)
    writer.measured(0, ok("a"))
    writer.measured(0, ok("b"))
    writer.area = 1
    writer.begin_task(1)
    writer.measured(1, ok("a"))
    writer.measured(1, ok("b"))
    writer.measured(2, ok("a"))
    writer.running(2, 1)

    first, second, third = autopsy("w", (done, cut, waiting), reader.read(), CRASH)

    assert [m.outcome for m in first.results[0].measurements] == [Outcome.OK, Outcome.OK]
    assert first.unrun == ()
    assert [r.number for r in second.results] == [1, 2]
    assert second.results[1].measurements == (
        ok("a"),
        Measurement(candidate="b", outcome=Outcome.CRASHED, message="segmentation fault"),
    )
    assert second.unrun == (3,)
    assert (third.results, third.unrun) == ((), (4,))


def test_an_end_that_nobody_can_explain_is_a_suspicion_without_an_outcome(recorder):
    writer, reader = recorder
    held = task(1, block(1, "a", "b"))
    writer.begin_task(1)
    writer.running(1, 0)

    (ended,) = autopsy("w", (held,), reader.read(), Cause(reason="killed by SIGKILL"))

    assert (ended.suspicion.candidate, ended.suspicion.block) == ("a", 1)
    assert ended.results == ()
    assert ended.unrun == (1,)


def test_an_end_while_nobody_ran_is_nobodys(recorder):
    writer, reader = recorder
    writer.begin_task(1)
    writer.making(1)

    (ended,) = autopsy("w", (task(1, block(1, "a")),), reader.read(), CRASH)

    assert ended.suspicion is None
    assert ended.unrun == (1,)


def look(marker, *tasks, now_s, held_since_s=0.0, stall_limit_s=120.0):
    return watch(
        marker, tasks, now_s=now_s, held_since_s=held_since_s, stall_limit_s=stall_limit_s
    )


def doing(activity, since_s, slot=0):
    return Marker(task=0, block=0, slot=slot, activity=activity, since_ns=int(since_s * 1e9))


HELD = task(0, block(0, "a", timeout_s=2.0))


@pytest.mark.parametrize(
    ("activity", "limit_s"),
    [
        (Activity.RUNNING, 2.0),
        (Activity.CHECKING, CHECK_LIMIT_S),
        (Activity.STARTING, 2.0 + START_EXTRA_S),
    ],
)
def test_a_slot_is_stopped_at_its_limit_and_not_before(activity, limit_s):
    end_s = 100.0 + limit_s + GRACE_S

    before = look(doing(activity, 100.0), HELD, now_s=end_s - 0.001)
    after = look(doing(activity, 100.0), HELD, now_s=end_s + 0.001)

    assert before.cause is None
    assert before.look_at_s == pytest.approx(end_s)
    assert after.cause.outcome is Outcome.TIMED_OUT


def test_a_shorter_limit_that_waits_behind_a_long_one_is_looked_for_in_time():
    patient = task(0, block(0, "a", timeout_s=100.0))
    hasty = task(1, block(1, "a", timeout_s=0.2))

    found = look(doing(Activity.RUNNING, 100.0), patient, hasty, now_s=100.0)

    assert found.look_at_s == pytest.approx(100.2)


def a_station(*, local=True, **seen):
    newcomer = Newcomer(
        address="w", name="w", resources={}, nanny=False, pid=0, host="h", python=(3, 11),
        sees_token=False, started=0,
    )  # fmt: skip
    return Station(
        info=WorkerInfo(name="w", process="w", local=local), newcomer=newcomer, flight="", **seen
    )


@pytest.mark.parametrize(
    ("about", "watched"),
    [
        pytest.param({"memory_limit_bytes": 10**9}, 10**9, id="alone on its worker"),
        pytest.param({"memory_limit_bytes": 10**9, "threads": 2}, None, id="beside others"),
        pytest.param({"memory_limit_bytes": 10**9, "pid": os.getpid()}, None, id="in our process"),
        pytest.param({}, None, id="no limit"),
    ],
)
def test_the_memory_of_a_given_worker_is_watched_where_nobody_elses_task_can_take_it(
    about, watched
):
    station = a_station()
    station.newcomer = dataclasses.replace(station.newcomer, **about)
    payload = Payload(digest="d", data=b"")

    order = station.order("session", HELD, payload, {"a": payload}, None)

    assert (order.memory_limit_bytes, order.ours) == (watched, False)


def test_a_task_with_a_shorter_limit_brings_the_next_look_forward():
    station = a_station()

    station.take(task(0, block(0, "a", timeout_s=100.0)), 10.0)
    station.take(task(1, block(1, "a", timeout_s=0.2)), 11.0)

    assert station.look_at_s == pytest.approx(11.2)


def stopped_at_s(cpu_s, *, local=True):
    """Return when a worker is stopped that is over a limit of 2 s from second 102 on."""
    told = iter(cpu_s)
    station, now_s = a_station(local=local, ready_cpu_s=lambda _pid: next(told)), 102.1
    station.take(HELD, 100.0)
    while now_s < 102.1 + 2 * STARVED_LIMIT_S:
        found = station.watch(doing(Activity.RUNNING, 100.0), now_s, now_s)
        if found.cause is not None:
            assert found.cause.outcome is Outcome.TIMED_OUT
            return now_s
        assert found.look_at_s > now_s
        now_s = found.look_at_s
    pytest.fail("never stopped")


@pytest.mark.parametrize(
    ("cpu_s", "looks"),
    [
        pytest.param([None, None], 2, id="waits for something"),
        pytest.param([5.0, 5.01 + STARVED_CPU_S], 2, id="computes"),
        pytest.param(
            [5.0, 5.0, 5.01, 5.02, 5.01 + STARVED_CPU_S], 5, id="has no core first, then computes"
        ),
        pytest.param([5, 5, 5, None], 4, id="has no core for a while, then waits"),
    ],
)
def test_who_is_kept_from_the_cores_is_not_out_of_time_yet(cpu_s, looks):
    found_s = stopped_at_s(cpu_s)

    assert found_s == pytest.approx(102.1 + (looks - 1) * SECOND_LOOK_S)


def test_who_never_gets_a_core_is_borne_so_long_and_no_longer():
    found_s = stopped_at_s(itertools.repeat(5))

    assert found_s == pytest.approx(102.1 + STARVED_LIMIT_S, abs=2 * SECOND_LOOK_S)


def test_a_look_in_time_is_not_the_first_of_the_two_that_find_somebody_late():
    station, marker = a_station(ready_cpu_s=lambda _pid: None), doing(Activity.RUNNING, 100.0)
    station.take(HELD, 100.0)

    causes = [station.watch(marker, now_s, now_s).cause for now_s in (101.0, 102.1, 102.12)]

    assert [cause is not None for cause in causes] == [False, False, True]


def test_of_a_worker_on_another_machine_nobody_asks_this_one():
    assert stopped_at_s([], local=False) == pytest.approx(102.1 + SECOND_LOOK_S)


ENDLESS = "[0 for _ in iter(int, 1)]"
THREADS_THAT_END = """
import threading
while True:
    thread = threading.Thread(target=lambda: sum(range(10**6)))
    thread.start()
    thread.join()
"""


@contextmanager
def running(code):
    """Run some Python in a process that is killed afterwards."""
    with subprocess.Popen([sys.executable, "-c", code], stdin=PIPE, stdout=PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")


@needs_proc
def test_who_waits_is_not_ready():
    with running("import sys; print(flush=True); sys.stdin.read()") as process:
        process.stdout.readline()
        while ready_cpu_s(process.pid) is not None:
            pass  # on its way to read
        assert ready_cpu_s(process.pid) is None


@needs_proc
@pytest.mark.parametrize("code", [ENDLESS, THREADS_THAT_END])
def test_who_computes_is_ready_and_has_cpu_time_also_of_threads_that_ended(code):
    with running(code) as process:
        most_s = 0.0
        while most_s < 0.3:
            now_s = ready_cpu_s(process.pid)
            assert now_s is None or now_s >= most_s
            most_s = now_s or most_s


@needs_proc
def test_who_has_ended_is_not_ready():
    with running("pass") as process:
        process.wait()

    assert ready_cpu_s(process.pid) is None


def test_priming_doubles_the_limit():
    primed = task(0, block(0, "a", timeout_s=2.0), prime=True)

    assert look(doing(Activity.RUNNING, 100.0), primed, now_s=103.0).cause is None


def test_a_worker_that_rests_is_looked_at_again_before_anything_can_overrun():
    found = look(Marker(), HELD, now_s=10.0, held_since_s=10.0)

    assert found.cause is None
    assert found.look_at_s == pytest.approx(12.0)


def test_a_worker_that_does_nothing_for_long_is_stopped_and_nobody_blamed():
    found = look(Marker(), HELD, now_s=500.0, held_since_s=10.0)

    assert found.cause.outcome is None
    assert "did nothing" in found.cause.reason


def test_a_case_that_is_never_made_is_the_workloads_fault():
    found = look(doing(Activity.MAKING, 0.0, slot=-1), HELD, now_s=CASE_LIMIT_S + 1)

    assert "make_case" in found.broken


def test_a_torn_marker_stops_nobody():
    found = look(doing(Activity.RUNNING, 0.0, slot=99), HELD, now_s=1000.0)

    assert found.cause is None


names = st.text(min_size=1, max_size=5)
slots = st.builds(
    Slot,
    candidate=names,
    copy=st.integers(0, 1),
    repeats=st.integers(1, 9),
    check=st.booleans(),
    timeout_s=st.floats(0.01, 1e5),
)
blocks = st.builds(
    Block,
    number=st.integers(0, 99),
    epoch=st.integers(0, 9),
    case=st.builds(Case, workload=names, size=st.integers(1, 99), seed=st.integers(0, 2**32)),
    slots=st.lists(slots, min_size=1, max_size=3).map(tuple),
    purpose=st.sampled_from(["race", "challenge", "alone", "scout"]),
)
tasks = st.builds(
    Task,
    number=st.integers(0, 99),
    worker=names,
    blocks=st.lists(blocks, min_size=1, max_size=3).map(tuple),
    warmup=st.integers(0, 3),
    prime=st.booleans(),
)
measurements = st.builds(
    Measurement,
    candidate=names,
    outcome=st.sampled_from(Outcome),
    values=st.dictionaries(names, st.floats(allow_nan=False), max_size=3),
    copy=st.integers(0, 1),
    repeats=st.integers(1, 9),
    warm_up=st.booleans(),
    checked=st.booleans(),
    digest=names,
    message=names,
)
results = st.builds(
    BlockResult,
    number=st.integers(0, 99),
    worker=names,
    measurements=st.lists(measurements, max_size=3).map(tuple),
    made_case_s=st.floats(0, 10),
)


@given(tasks)
def test_orders_arrive_as_they_were_sent(sent):
    order = Order(
        session="s", task=sent, workload="d", candidates={"a": "e"}, payloads={"e": b"x"}, area=2
    )

    assert load_order(dump_order(order)) == order


@given(st.lists(results, max_size=3).map(tuple))
def test_replies_arrive_as_they_were_sent(found):
    reply = Reply(report=TaskReport(results=found, unrun=(1, 2), retire="r"), missing=("m",))

    assert load_reply(dump_reply(reply)) == reply
