"""A race that was killed goes on from its journal, whatever the block."""

from __future__ import annotations

import contextlib
import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest

import parbench_lab as pb
from parbench_lab.core.machine import Machine
from parbench_lab.core.ports import ExecutorFailed
from parbench_lab.errors import RaceError, SettingError, StoreError, UsageError
from parbench_lab.racing.journal import replay
from parbench_lab.store import open_store
from parbench_lab.testing import ScriptedExecutor
from tests.chaos.candidates import Summing, good, slower
from tests.execution.builds.repos import Repo
from tests.lab import commands
from tests.lab.courses import BUDGET_S, assert_fair, course, judged
from tests.lab.policies import Tidy


def scaled(case, value):
    return case.sum()


ROOT = Path(__file__).parents[2]
SCRIPT = """
import sys
import parbench_lab as pb
from tests.chaos.candidates import Summing

names = ["tests.chaos.candidates:good", "tests.chaos.candidates:slower"]
bench = pb.ParallelBenchmarking(names, Summing(), store=sys.argv[1], policy="never", seed=5)
bench.start()
bench._engine.wait_for(lambda state: state.blocks >= int(sys.argv[2]))
print(bench.run_id, flush=True)
bench.wait("finished")
"""

OWN_POLICY = """
import sys
import parbench_lab as pb
from tests.chaos.candidates import Summing
from tests.lab.policies import Tidy

names = ["tests.chaos.candidates:good", "tests.chaos.candidates:slower"]
bench = pb.ParallelBenchmarking(names, Summing(), store=sys.argv[1], policy="never", seed=5)
bench.start()
bench._engine.wait_for(lambda state: state.blocks >= 7)
bench.change(policy=Tidy())
bench._engine.wait_for(lambda state: state.beaten("slower"))
print(bench.run_id, flush=True)
bench.wait("finished")
"""


def killed_race(path, told, script=SCRIPT):
    """Start a race in a process of its own and kill it dead after so many blocks."""
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path), str(told)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        run_id = process.stdout.readline().strip()
        workers = psutil.Process(process.pid).children(recursive=True)
        process.kill()
    return run_id, workers


@pytest.mark.parametrize("blocks", [0, 1, 7, 60])
def test_a_race_killed_at_any_block_is_resumed_and_decided(tmp_path, blocks):
    run_id, workers = killed_race(tmp_path / "runs.db", blocks)
    _, alive = psutil.wait_procs(workers, timeout=120)
    assert not alive

    with pb.ParallelBenchmarking.resume_run(
        run_id, store=tmp_path / "runs.db", workload=Summing()
    ) as bench:
        bench.change(policy="evidence")
        result = bench.run_continuous_optimization(max_seconds=60)
        again = bench.fresh_state()

    assert result.run_id == run_id
    assert result.winner == "good"
    store = open_store(tmp_path / "runs.db")
    records = list(store.events(run_id))
    assert [record.seq for record in records] == list(range(len(records)))
    assert replay(records, again).mismatches == ()
    store.close()


def test_a_killed_race_with_a_policy_of_ones_own_is_resumed_with_it_given_again(tmp_path):
    run_id, workers = killed_race(tmp_path / "runs.db", "", OWN_POLICY)
    _, alive = psutil.wait_procs(workers, timeout=120)
    assert not alive
    stored = {"store": tmp_path / "runs.db", "workload": Summing()}

    with pytest.raises(UsageError, match=rf"'tidy'.*resume_run\('{run_id}', policy="):
        pb.ParallelBenchmarking.resume_run(run_id, **stored)
    with pytest.raises(SettingError, match=r"takes instances .* but got 'tidy'"):
        pb.ParallelBenchmarking.resume_run(run_id, policy="tidy", **stored)
    with pb.ParallelBenchmarking.resume_run(run_id, policy=Tidy(), **stored) as bench:
        before = bench.scoreboard.of("slower")
        bench.start()
        assert bench._engine.wait_for(lambda state: bool(state.workers), BUDGET_S)
        result = bench.stop()

    assert before.reason == Tidy.reason
    assert (bench.settings.policy, result.winner) == ("tidy", "good")
    assert result.scoreboard.of("slower").reason == Tidy.reason


def test_a_policy_of_ones_own_from_the_start_is_given_again_and_no_other_in_its_place(tmp_path):
    names = ["tests.chaos.candidates:good", "tests.chaos.candidates:slower"]
    timings = dict.fromkeys(("good", "slower"), lambda _rng, _case, _block: 0.01)
    stored = {"store": tmp_path / "runs.db", "workload": Summing()}
    with pb.ParallelBenchmarking(
        names, policy=Tidy(), executor=ScriptedExecutor(timings), watch_duty=1.0, **stored
    ) as bench:
        bench.start()
        assert bench._engine.wait_for(lambda state: state.beaten("slower"), BUDGET_S)
        bench._engine.post(ExecutorFailed(reason="the scheduler is gone"))
        assert bench.wait("finished", timeout_s=BUDGET_S)

    again = {**stored, "executor": ScriptedExecutor(timings)}
    with pytest.raises(UsageError, match=r"'tidy'.*give the instance again"):
        pb.ParallelBenchmarking.resume_run(bench.run_id, **again)
    with pytest.raises(RaceError, match="policy of your own that is another one now"):
        pb.ParallelBenchmarking.resume_run(bench.run_id, policy=Tidy(patience=10**9), **again)
    with pb.ParallelBenchmarking.resume_run(bench.run_id, policy=[Tidy()], **again) as resumed:
        assert resumed.scoreboard.of("slower").reason == Tidy.reason


@pytest.mark.parametrize("enters", ["at the start", "while it runs"])
@pytest.mark.parametrize(
    ("value", "can_be_kept"),
    [
        pytest.param(2, True, id="a number"),
        pytest.param([1.5, {"a": None}], True, id="a list"),
        pytest.param((1, 2), False, id="a tuple, that comes back as a list"),
        pytest.param(np.float32(0.5), False, id="a number of numpy"),
        pytest.param(float("inf"), False, id="an infinity"),
        pytest.param(np.float32, False, id="a class"),
        pytest.param({1: "one"}, False, id="keys that are no text"),
    ],
)
def test_who_would_come_back_with_other_parameters_is_given_again(
    tmp_path, value, can_be_kept, enters
):
    held = pb.Candidate(name="held", function=scaled, parameters={"value": value})
    timings = dict.fromkeys(("good", "held"), lambda _rng, _case, _block: 0.01)
    stored = {"store": tmp_path / "runs.db", "workload": Summing()}
    first = [good, held] if enters == "at the start" else [good]
    with pb.ParallelBenchmarking(
        first, policy="never", executor=ScriptedExecutor(timings), **stored
    ) as bench:
        bench.start()
        if held not in first:
            bench.add(held)
        assert bench._engine.wait_for(lambda state: "held" in state.ledger.settled, BUDGET_S)
        bench._engine.post(ExecutorFailed(reason="the scheduler is gone"))
        assert bench.wait("finished", timeout_s=BUDGET_S)

    again = {**stored, "executor": ScriptedExecutor(timings)}
    refused = pytest.raises(UsageError, match=r"'held' cannot be imported again .* give it again")
    with contextlib.nullcontext() if can_be_kept else refused:
        pb.ParallelBenchmarking.resume_run(bench.run_id, **again).close()
    with pb.ParallelBenchmarking.resume_run(
        bench.run_id, algorithms=[good, held], **again
    ) as resumed:
        assert resumed.candidates[-1] is held


@pytest.mark.parametrize(
    ("given", "told"),
    [
        pytest.param({"value": 3}, r"value=3 but ran with value=2", id="another value"),
        pytest.param({}, r"no value but ran with value=2", id="none"),
        pytest.param({"value": 2, "more": 1}, r"more=1 but ran with no more", id="one more"),
    ],
)
def test_who_is_given_with_other_parameters_than_it_ran_with_is_refused(tmp_path, given, told):
    held = pb.Candidate(name="held", function=scaled, parameters={"value": 2})
    timings = dict.fromkeys(("good", "held"), lambda _rng, _case, _block: 0.01)
    stored = {"store": tmp_path / "runs.db", "workload": Summing()}
    with pb.ParallelBenchmarking(
        [good, held], policy="never", executor=ScriptedExecutor(timings), **stored
    ) as bench:
        bench.start()
        bench._engine.post(ExecutorFailed(reason="the scheduler is gone"))
        assert bench.wait("finished", timeout_s=BUDGET_S)

    other = pb.Candidate(name="held", function=scaled, parameters=given)
    with pytest.raises(UsageError, match=rf"'held' is given with {told}: give it as it was"):
        pb.ParallelBenchmarking.resume_run(bench.run_id, algorithms=[good, other], **stored)


@pytest.mark.parametrize(
    ("setting", "advice"),
    [
        pytest.param({"tolerance": 0.5}, r"change\(\) it then", id="one that may change"),
        pytest.param({"epoch_blocks": 9}, "start a new one", id="one that is fixed"),
    ],
)
def test_a_resumed_race_keeps_its_settings_and_says_what_may_be_done(tmp_path, setting, advice):
    with pytest.raises(UsageError, match=advice):
        pb.ParallelBenchmarking.resume_run("any", store=tmp_path / "runs.db", **setting)


def test_a_race_that_ended_is_not_resumed(tmp_path):
    with pb.ParallelBenchmarking([good, slower], Summing(), store=tmp_path / "runs.db") as bench:
        run_id = bench.run_continuous_optimization(max_seconds=60).run_id

    with pytest.raises(UsageError, match="ended"):
        pb.ParallelBenchmarking.resume_run(run_id, store=tmp_path / "runs.db", workload=Summing())


def test_a_race_whose_scheduler_died_is_resumed_on_another_cluster(tmp_path):
    store = tmp_path / "runs.db"
    names = ["tests.chaos.candidates:good", "tests.chaos.candidates:slower"]
    with contextlib.ExitStack() as stack:
        scheduler = stack.enter_context(commands.scheduler(tmp_path))
        stack.enter_context(commands.worker(scheduler.address, tmp_path, name="only"))
        bench = stack.enter_context(
            course(*names, cluster=scheduler.address, policy="never", store=store, n_workers=None)
        )
        bench.start()
        assert bench._engine.wait_for(lambda state: state.blocks > 30, BUDGET_S)
        scheduler.process.kill()
        assert bench.wait("finished", timeout_s=BUDGET_S)
        lost = bench.result()

    with pb.ParallelBenchmarking.resume_run(lost.run_id, store=store, workload=Summing()) as bench:
        result = judged(bench)
        records = list(bench._store.events(lost.run_id))
        again = bench.fresh_state()

    assert (lost.status, lost.resumable) == ("failed", True)
    assert_fair(result)
    assert result.scoreboard.measurements > lost.scoreboard.measurements
    assert set(result.scoreboard.workers) != {"only"}
    assert replay(records, again).mismatches == ()


def test_an_unknown_run_is_one_line(tmp_path):
    with pytest.raises(StoreError):
        pb.ParallelBenchmarking.resume_run("nothing", store=tmp_path / "runs.db")


def test_a_race_interrupted_before_anybody_entered_still_has_its_candidates(tmp_path):
    with pb.ParallelBenchmarking([good, slower], Summing(), store=tmp_path / "runs.db") as bench:
        bench._engine.start = refuses_to_start
        with pytest.raises(KeyboardInterrupt):
            bench.start()

    with pb.ParallelBenchmarking.resume_run(
        store=tmp_path / "runs.db", workload=Summing()
    ) as again:
        result = again.run_continuous_optimization(max_seconds=60)

    assert result.winner == "good"


@pytest.mark.parametrize("kept", [False, True])
def test_a_start_that_was_interrupted_names_its_run_only_where_that_was_kept(tmp_path, kept):
    def is_interrupted(*_args, opened):
        if kept:
            opened()
        raise KeyboardInterrupt

    with pb.ParallelBenchmarking([good, slower], Summing(), store=tmp_path / "runs.db") as bench:
        bench._engine.start = is_interrupted
        with pytest.raises(KeyboardInterrupt):
            bench.start()

        assert bool(bench.run_id) is kept


def refuses_to_start(run_id, workload, candidates, *, opened):
    """End like a process that was killed just after the run's header was stored."""
    opened()
    raise KeyboardInterrupt


TIMINGS = dict.fromkeys(("good", "slower"), lambda _rng, _case, _block: 0.01)


def begun_elsewhere(path, **differences):
    """Race here until the cluster is lost; store it as if this had been another machine."""
    names = ["tests.chaos.candidates:good", "tests.chaos.candidates:slower"]
    executor = ScriptedExecutor(TIMINGS)
    with pb.ParallelBenchmarking(
        names, Summing(), policy="never", store=path, executor=executor
    ) as bench:
        bench.start()
        assert bench._engine.wait_for(lambda state: state.blocks >= 3, BUDGET_S)
        bench._engine.post(ExecutorFailed(reason="the scheduler is gone"))
        assert bench.wait("finished", timeout_s=BUDGET_S)
    with contextlib.closing(open_store(path)) as store:
        header = store.header(bench.run_id)
        there = dataclasses.replace(Machine.from_json(header.document["machine"]), **differences)
        document = {**header.document, "machine": there.as_json()}
        store.create_run(dataclasses.replace(header, id="elsewhere", document=document))
        store.append("elsewhere", list(store.events(header.id)))


def test_a_race_of_another_machine_does_not_go_on_here(tmp_path):
    begun_elsewhere(tmp_path / "runs.db", cpu_model="Abacus 3")
    executor = ScriptedExecutor(TIMINGS)

    with pytest.raises(UsageError) as refused:
        pb.ParallelBenchmarking.resume_run(
            "elsewhere", workload=Summing(), store=tmp_path / "runs.db", executor=executor
        )

    told = str(refused.value)
    assert told.startswith("race elsewhere was begun on another machine (cpu_model: Abacus 3 and ")
    assert told.endswith("not one race; go on with it there, or begin a new race here")
    assert "\n" not in told


@pytest.mark.parametrize(
    "differences",
    [
        pytest.param({}, id="the same, booted again"),
        pytest.param({"libraries": {"unheard-of": "1.0"}}, id="a library that is not used here"),
        pytest.param({"kernel": "1", "cluster": ("unknown",)}, id="nobody knows what it was"),
    ],
)
def test_a_race_goes_on_where_the_machine_is_the_same(tmp_path, differences):
    begun_elsewhere(tmp_path / "runs.db", **differences)

    with pb.ParallelBenchmarking.resume_run(
        "elsewhere",
        workload=Summing(),
        store=tmp_path / "runs.db",
        executor=ScriptedExecutor(TIMINGS),
    ) as bench:
        bench.start()

        assert bench._engine.wait_for(lambda state: bool(state.workers), BUDGET_S)


def lost_cluster(store, *candidates, before=lambda _bench: None):
    """Race until the cluster is lost, and return the run's id."""
    with pb.ParallelBenchmarking(
        list(candidates),
        Summing(),
        policy="never",
        store=store,
        executor=ScriptedExecutor(TIMINGS),
    ) as bench:
        bench.start()
        assert bench._engine.wait_for(lambda state: state.blocks >= 3, BUDGET_S)
        before(bench)
        bench._engine.post(ExecutorFailed(reason="the scheduler is gone"))
        assert bench.wait("finished", timeout_s=BUDGET_S)
    return bench.run_id


def taken_up(run_id, store):
    return pb.ParallelBenchmarking.resume_run(
        run_id,
        store=store,
        workload=Summing(),
        algorithms=[good, slower],
        executor=ScriptedExecutor(TIMINGS),
    )


def test_a_race_that_was_paused_goes_on_when_it_is_taken_up(tmp_path):
    def paused(bench):
        bench.pause()
        assert bench._engine.wait_for(lambda state: state.phase == "paused", BUDGET_S)

    run_id = lost_cluster(tmp_path / "runs.db", good, slower, before=paused)

    with taken_up(run_id, tmp_path / "runs.db") as bench:
        blocks = bench.scoreboard.blocks
        bench.start()
        assert bench._engine.wait_for(lambda state: state.blocks > blocks + 3, BUDGET_S)


def test_text_that_json_reads_back_otherwise_breaks_no_race_and_no_replay(tmp_path):
    def noted(bench):
        bench.note("halves: \ud83d\ude00, one: \udcff")

    run_id = lost_cluster(tmp_path / "runs.db", good, slower, before=noted)

    with taken_up(run_id, tmp_path / "runs.db") as bench:
        bench.start()
        assert bench._engine.wait_for(lambda state: state.blocks >= 6, BUDGET_S)
        bench.stop()
    with contextlib.closing(open_store(tmp_path / "runs.db")) as store:
        texts = [e.payload["text"] for e in store.events(run_id) if e.kind == "NotePinned"]
    assert texts[0] == "halves: \U0001f600, one: \udcff"


def test_a_race_that_goes_on_with_other_code_says_so(tmp_path, monkeypatch):
    run_id = lost_cluster(tmp_path / "runs.db", good, slower)
    repo = Repo(tmp_path / "later")
    commit = repo.commit("another one", bench__py="pass")
    monkeypatch.chdir(repo.folder)

    with taken_up(run_id, tmp_path / "runs.db") as bench:
        bench.start()
        assert bench._engine.wait_for(lambda state: state.blocks >= 6, BUDGET_S)
        bench.stop()

    with contextlib.closing(open_store(tmp_path / "runs.db")) as store:
        (text,) = [e.payload["text"] for e in store.events(run_id) if e.kind == "NotePinned"]
    assert text.startswith(f"resumed at commit {commit[:10]}; begun at ")
