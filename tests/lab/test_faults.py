"""Whole races on real worker processes in which one candidate misbehaves.

In each the race is decided, the right one wins, nobody else has a failure, and the culprit has
its outcome with words to act on.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from parbench_lab.core.measurement import Outcome
from tests.chaos.candidates import good, slower
from tests.lab import misdeeds
from tests.lab.courses import (
    BUDGET_S,
    assert_fair,
    assert_out,
    assert_tolerated,
    course,
    judged,
    out,
    outcome_of_race,
    outcome_once,
)
from tests.workers import own_workers

ROOT = Path(__file__).parents[2]
GIBIBYTE = 1 << 30
ENDLESS = """
import threading

import parbench_lab as pb
from tests.chaos.candidates import Summing, good, slower


def tell_when_racing(bench):
    bench._engine.wait_for(lambda state: state.blocks >= 20)
    print("racing", flush=True)


bench = pb.ParallelBenchmarking([good, slower], Summing(), store=":memory:", policy="never")
bench.start()
threading.Thread(target=tell_when_racing, args=(bench,)).start()
print(bench.run_continuous_optimization())
bench.close()
"""


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """What reaches this process's stdout and stderr while the mild race runs."""
    return tmp_path_factory.mktemp("printed") / "output"


@pytest.fixture(scope="module")
def mild(printed):
    """One race with all whose deeds end in the moment they are done."""
    with descriptors_into(printed):
        return mild_race()


@contextlib.contextmanager
def descriptors_into(path):
    """Let the file descriptors 1 and 2 write into a file."""
    kept = [os.dup(number) for number in (1, 2)]
    with path.open("wb") as file:
        for number in (1, 2):
            os.dup2(file.fileno(), number)
    try:
        yield
    finally:
        for number, before in zip((1, 2), kept, strict=True):
            os.dup2(before, number)
            os.close(before)


def mild_race():
    return outcome_of_race(
        good,
        slower,
        misdeeds.raises,
        misdeeds.is_wrong,
        misdeeds.changes_array,
        misdeeds.changes_array_below,
        misdeeds.returns_unpicklable,
        misdeeds.changes_environ,
        misdeeds.seeds_globally,
        misdeeds.changes_folder,
        misdeeds.wants_it_untouched,
        misdeeds.leaves_idle_threads,
        misdeeds.prints,
    )


def test_the_right_one_wins_among_many_that_misbehave(mild):
    assert_fair(mild, honest=("good", "slower", "wants_it_untouched"))


def test_who_raises_is_out_with_its_own_words_and_the_place(mild):
    assert_out(mild, "raises", Outcome.FAILED, "the table 'prices' is empty", "misdeeds.py:")
    assert mild.scoreboard.of("raises").failures == mild.settings.max_failures


def test_who_is_wrong_is_out_at_once_with_the_words_of_the_check(mild):
    assert_out(mild, "is_wrong", Outcome.WRONG, "wrong result", "the sum is")
    assert mild.scoreboard.of("is_wrong").failures == 1


@pytest.mark.parametrize("name", ["changes_array", "changes_array_below"])
def test_who_changes_an_array_it_was_given_is_out(mild, name):
    standing = mild.scoreboard.of(name)

    assert standing.verdict.value == "eliminated"
    assert standing.outcome in (Outcome.WRONG, Outcome.FAILED)
    assert "changes its input" in standing.reason or "changed its input" in standing.reason
    assert "copy" in standing.reason


def test_a_result_that_cannot_be_pickled_is_allowed(mild):
    assert_tolerated(mild, "returns_unpicklable")


def test_who_changes_the_environment_is_told_and_nobody_else_sees_it(mild):
    assert_tolerated(mild, "changes_environ", "os.environ['OMP_NUM_THREADS']", "put back")


def test_who_seeds_global_generators_is_told(mild):
    assert_tolerated(mild, "seeds_globally", "numpy.random's global state", "put back")


def test_who_changes_the_working_folder_is_told_and_nobody_else_sees_it(mild):
    assert_tolerated(mild, "changes_folder", "the working folder", "put back")


def test_who_leaves_idle_threads_is_told(mild):
    assert_tolerated(mild, "leaves_idle_threads", "thread", "join them")


def test_who_prints_a_gigabyte_prints_it_nowhere(mild, printed):
    assert_tolerated(mild, "prints")
    assert mild.scoreboard.of("prints").blocks * misdeeds.PRINTED_BYTES > 1_000_000_000
    assert printed.stat().st_size < 100_000


def test_who_is_wrong_only_from_its_20th_run_is_out_at_the_next_check():
    name = "wrong_from_its_20th_run"
    result = outcome_once(
        out(name), good, slower, misdeeds.wrong_from_its_20th_run, check_every=10, n_workers=1
    )

    assert_fair(result)
    assert_out(result, name, Outcome.WRONG, "the sum is", failures=1)


def test_who_is_wrong_in_1_of_100_cases_is_out_when_every_result_is_checked():
    name = "wrong_in_1_of_100_cases"
    result = outcome_once(out(name), good, slower, misdeeds.wrong_in_1_of_100_cases, n_workers=1)

    assert_fair(result)
    assert_out(result, name, Outcome.WRONG, "the sum is", failures=1)


def test_who_changes_a_list_it_was_given_is_out():
    result = outcome_of_race(
        misdeeds.list_sum,
        misdeeds.slower_list_sum,
        misdeeds.changes_list,
        workload=misdeeds.ListSumming(),
        n_workers=1,
    )

    assert_fair(result, winner="list_sum", honest=("list_sum", "slower_list_sum"))
    assert_out(result, "changes_list", Outcome.WRONG, "changed its input", "copy")


@pytest.mark.parametrize(
    ("bad", "timeout_s", "limit"),
    [
        pytest.param(misdeeds.sleeps, None, "", id="sleeping, default limit"),
        pytest.param(misdeeds.spins_in_python, 1.0, "1 s", id="spinning in Python"),
        pytest.param(misdeeds.spins_in_c, 1.0, "1 s", id="spinning in C, holding the GIL"),
    ],
)
def test_who_does_not_come_back_is_out_of_time(bad, timeout_s, limit):
    result = outcome_of_race(good, slower, bad, timeout_s=timeout_s)

    assert_fair(result)
    assert_out(result, bad.__name__, Outcome.TIMED_OUT, f"did not come back within {limit}")


@pytest.mark.parametrize(
    ("bad", "words"),
    [(misdeeds.exits, "exit code 3"), (misdeeds.segfaults, "segmentation fault")],
    ids=["os._exit", "segfault"],
)
def test_who_ends_its_process_has_crashed(bad, words):
    result = outcome_of_race(good, slower, bad)

    assert_fair(result)
    assert_out(result, bad.__name__, Outcome.CRASHED, words)


def test_who_eats_memory_past_the_limit_is_out_of_memory():
    result = outcome_of_race(
        good, slower, misdeeds.eats_memory, memory_limit_bytes=GIBIBYTE, timeout_s=60.0
    )

    assert_fair(result)
    assert_out(result, "eats_memory", Outcome.OUT_OF_MEMORY, "emory")


def test_who_leaks_10_megabytes_a_call_is_named_and_the_others_race_on():
    result = outcome_once(
        out("leaks"),
        misdeeds.unhurried,
        misdeeds.very_unhurried,
        misdeeds.leaks,
        memory_limit_bytes=GIBIBYTE // 2,
    )

    assert_fair(result, winner="unhurried", honest=("unhurried", "very_unhurried"))
    assert_out(result, "leaks", Outcome.OUT_OF_MEMORY, "keeps about 10", "MB per call")


def test_who_leaves_burning_threads_is_out_and_they_burn_nobody():
    result = outcome_of_race(good, slower, misdeeds.leaves_burning_threads)

    assert_fair(result)
    assert_out(result, "leaves_burning_threads", Outcome.FAILED, "thread", "join them")


def test_nobody_is_blamed_for_a_worker_killed_from_outside():
    with course(good, slower, policy="never") as bench:
        bench.start()
        assert bench.wait("first_rows", timeout_s=BUDGET_S)
        for _ in range(2):
            blocks = bench.scoreboard.blocks
            victim = own_workers()[0]
            os.kill(victim.pid, signal.SIGKILL)
            assert bench._engine.wait_for(lambda s, n=blocks: s.blocks > n + 20, BUDGET_S)
        result = judged(bench)

    assert_fair(result)
    assert any("SIGKILL" in line or "killed" in line for line in result.log), result.log


def test_ctrl_c_in_a_script_gives_the_result_so_far_and_leaves_no_process():
    with subprocess.Popen(
        [sys.executable, "-c", ENDLESS],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as script:
        assert script.stdout.readline() == "racing\n"
        workers = psutil.Process(script.pid).children(recursive=True)

        script.send_signal(signal.SIGINT)
        printed, errors = script.communicate(timeout=120)

    assert script.returncode == 0, errors
    assert "good" in printed
    assert "measurements" in printed
    assert errors == ""
    assert workers
    _, alive = psutil.wait_procs(workers, timeout=120)
    assert not alive
