"""The founding class on real worker processes: names, callables, live control, several at once."""

from __future__ import annotations

import contextlib
import dataclasses
import threading

import numpy as np
import pytest

import parbench_lab as pb
from parbench_lab.core.measurement import Outcome
from parbench_lab.core.standing import VerdictKind
from parbench_lab.errors import RaceError, SettingError, StoreError, UnknownNameError, UsageError
from parbench_lab.hardware.cores import available_cores
from parbench_lab.racing.journal import replay
from parbench_lab.store import open_store
from parbench_lab.testing import ScriptedExecutor
from tests.chaos.candidates import Summing, good, slower, slowest, spend
from tests.lab.policies import Tidy
from tests.panel.races import scripted_race


def race(*algorithms, **options):
    given = {"workload": Summing(), "store": ":memory:", "timeout_s": 2.0, **options}
    return pb.ParallelBenchmarking(list(algorithms), **given)


def test_the_founding_call_works_as_written(tmp_path):
    bench = pb.ParallelBenchmarking(
        algorithms=["fast_v1", "accurate_v2", "hybrid_v3"],
        batch_size=1000,
        max_concurrent=4,
        elimination_threshold=10000,
        target_gpu_utilization=95,
        store=tmp_path / "runs.db",
    )
    with bench:
        result = bench.run_continuous_optimization(max_seconds=60)

    assert result.status in ("decided", "undecided")
    assert result.front
    assert set(result.front) <= {"fast_v1", "accurate_v2", "hybrid_v3"}
    assert bench.objectives == ("wall_time_s", "abs_error")
    for standing in result.scoreboard.standings:
        assert standing.reason, standing
        assert standing.median_s > 0, standing
        assert standing.values["abs_error"] >= 0, standing
    for name in result.front:
        assert "no survivor beats it in both" in result.scoreboard.of(name).reason
    assert "not measured" in result.not_measured["gpu_utilization"]


def test_the_faster_wins_and_the_result_tells_by_how_much_and_how_sure():
    with race(slower, good, slowest) as bench:
        result = bench.run_continuous_optimization(max_seconds=60)

    assert result.winner == "good"
    assert result.status == "decided"
    slow = result.scoreboard.of("slowest")
    assert slow.verdict is VerdictKind.ELIMINATED
    assert slow.ratio.low > 1
    assert "good wins" in result.sentence
    assert "measurements" in result.sentence


def test_ranking_has_the_promised_columns():
    with race(good, slower) as bench:
        result = bench.run_continuous_optimization(max_seconds=60)

    columns = "rank candidate verdict ratio ratio_low ratio_high evidence shown_slower blocks"
    columns += " median_s throughput peak_rss_bytes outcome reason"
    assert " ".join(result.ranking().columns) == columns


def test_closures_lambdas_and_bound_methods_race():
    scale = 2.0

    class Holder:
        def total(self, case):
            spend(0.004)
            return case.sum()

    def closure(case):
        spend(0.001 * scale)
        return case.sum()

    shortest = pb.Candidate(name="lambda", function=lambda case: int(case.sum()))
    with race(closure, shortest, Holder().total) as bench:
        result = bench.run_continuous_optimization(max_seconds=60)

    assert result.winner == "lambda"
    assert {c.outcome for c in result.scoreboard.standings} == {Outcome.OK}


def test_a_race_is_steered_while_it_runs():
    with race(good, slower, policy="never") as bench:
        bench.start()
        assert bench.wait("first_rows", timeout_s=120)
        bench.change(batch_size=5000)
        bench.add(slowest)
        bench.pause()
        bench.resume()
        assert bench._engine.wait_for(lambda s: "slowest" in s.ledger.settled, 60)
        bench.drop("slower")
        assert bench._engine.wait_for(lambda s: not s.roster["slower"].fit, 60)
        bench.change(policy="evidence", tolerance=0.1)
        assert bench.wait("decided", timeout_s=120)
        result = bench.stop()

    assert result.scoreboard.batch_size == 5000
    assert result.winner == "good"
    assert result.scoreboard.of("slower").verdict is VerdictKind.DROPPED


def test_a_decision_without_a_challenger_that_was_just_added_is_none():
    with race(good, slower) as bench:
        bench.start()
        assert bench.wait("decided", timeout_s=120)
        bench.add(slowest)
        assert bench.wait("decided", timeout_s=120)
        standing = bench.scoreboard.of("slowest")

    assert standing.blocks > 0
    assert standing.verdict is VerdictKind.ELIMINATED


def scaled(case, **_parameters):
    return case.sum()


@pytest.mark.parametrize(
    "grid",
    [
        pytest.param({"k": np.arange(1, 3)}, id="numbers of numpy"),
        pytest.param({"dtype": [np.float32, np.float64]}, id="types"),
        pytest.param({"sort": [np.sort, sorted], "top": [float("inf")]}, id="functions"),
        pytest.param({"model": [threading.Lock(), object()]}, id="objects"),
    ],
)
def test_a_grid_of_any_values_races_and_its_run_is_kept(grid, tmp_path):
    candidates = pb.candidates_from_grid(scaled, grid)
    late = pb.Candidate(name="late", function=scaled, parameters=candidates[0].parameters)
    timings = {c.name: lambda _rng, _case, _block: 0.01 for c in (*candidates, late)}
    with race(
        *candidates, executor=ScriptedExecutor(timings), policy="never", store=tmp_path / "runs.db"
    ) as bench:
        bench.start()
        bench.add(late)
        assert bench._engine.wait_for(lambda state: "late" in state.ledger.settled, 60)
        bench.stop()

    with contextlib.closing(open_store(tmp_path / "runs.db")) as store:
        kept = store.header(bench.run_id).document["candidates"]
        events = list(store.events(bench.run_id))
    entered = [dict(event.payload) for event in events if event.kind == "CandidateAdded"]
    assert [found["name"] for found in kept] == [found.name for found in candidates]
    assert kept[0]["parameters"] == entered[0]["parameters"] == entered[-1]["parameters"]


def test_what_is_fixed_for_a_race_is_refused_also_before_it_starts():
    with race(good, slower) as bench:
        before = bench.settings

        with pytest.raises(SettingError, match=r"epoch_blocks is fixed .* make a new one with it"):
            bench.change(epoch_blocks=10, batch_size=500)

        assert bench.settings == before


@pytest.mark.parametrize(
    "changes", [{"batch_size": -1}, {"tolerance": float("nan")}, {"batchsize": 3}]
)
def test_nonsense_is_refused_and_changes_nothing(changes):
    with race(good, slower) as bench:
        before = bench.settings

        with pytest.raises(SettingError):
            bench.change(**changes)

        assert bench.settings == before


def test_unknown_objectives_and_policies_list_the_known():
    with race(good, slower) as bench:
        with pytest.raises(UnknownNameError, match="wall_time_s"):
            bench.change(objectives=["speed"])
        with pytest.raises(UnknownNameError, match="evidence"):
            bench.change(policy="guess")


@pytest.mark.parametrize("name", ["objectives", "constraints"])
def test_a_text_instead_of_a_list_is_refused_with_the_rule(name):
    with race(good, slower) as bench:
        before = bench.settings

        with pytest.raises(SettingError, match=rf"{name} must be a list of .*\['time'\]"):
            bench.change(**{name: "time"})

        assert bench.settings == before


def test_a_policy_of_ones_own_judges_from_the_start():
    with scripted_race(policy=Tidy()) as bench:
        result = bench.run_continuous_optimization(max_measurements=2000)

    assert bench.settings.policy == "tidy"
    assert result.scoreboard.of("slow").reason == Tidy.reason


def test_a_policy_of_ones_own_judges_from_the_change_on():
    store = open_store(":memory:")
    with scripted_race(policy="never", watch_duty=1.0, store=store) as bench:
        bench.start()
        assert bench.wait("first_rows", timeout_s=120)
        changed = bench.change(policy=Tidy())
        assert bench._engine.wait_for(lambda state: state.beaten("slow"), 60)
        result = bench.stop()

    kept = [event.payload for event in store.events(bench.run_id)]
    assert changed.policy == "tidy"
    assert result.scoreboard.of("slow").reason == Tidy.reason
    assert any(payload.get("changes") == {"policy": "tidy"} for payload in kept)
    assert "tidy" in bench.policy_names
    store.close()


@dataclasses.dataclass(frozen=True)
class Broken(Tidy):
    error: type[BaseException] = LookupError

    def judge(self, record, *, elimination_threshold, tolerance):
        raise self.error("nothing kept")


@pytest.mark.parametrize("error", [LookupError, SystemExit])
def test_a_policy_that_raises_is_told_to_whoever_waits_and_to_whoever_acts_after_it(error):
    with scripted_race(policy=Broken(error=error)) as bench:
        with pytest.raises(RaceError, match=f"'tidy' raised {error.__name__}: nothing kept"):
            bench.run_continuous_optimization(max_measurements=2000)

        with pytest.raises(RaceError, match="'tidy' raised"):
            bench.pause()


def test_a_schedule_that_outlives_its_race_gives_the_result():
    with scripted_race(policy="never") as bench:

        def end():
            assert bench._engine.wait_for(lambda state: state.measurements > 0, 120)
            bench.stop(wait=False)

        ends = threading.Thread(target=end)
        ends.start()
        result = bench.play([(1e6, {"batch_size": 7}), (2e6, {"tolerance": 0.5})])
        ends.join()

    assert result.status == "stopped"
    assert (result.settings.batch_size, result.settings.tolerance) != (7, 0.5)


@pytest.mark.parametrize(
    "schedule",
    [
        3, np.array(3), [3], [("4", {})], [(-1.0, {})], [(float("inf"), {})], [(1e10, {})],
        [(1.0, 2)], [(1.0, {2: 3})], [(1.0,)], ["ab"],
    ],
    ids=repr,
)  # fmt: skip
def test_a_schedule_is_pairs_of_times_and_changes(schedule):
    with race(good) as bench, pytest.raises(UsageError, match="a schedule has pairs"):
        bench.play(schedule)


def test_settings_are_settings():
    with pytest.raises(UsageError, match="settings must be Settings but got"):
        pb.ParallelBenchmarking([good], Summing(), settings={"tolerance": 0.1})


def test_a_budget_of_numpy_is_journalled_as_a_number():
    store = open_store(":memory:")
    with scripted_race(store=store) as bench:
        bench.run_continuous_optimization(np.float32(1e6), np.int64(50))

    (limits,) = (e.payload for e in store.events(bench.run_id) if e.kind == "LimitsSet")
    assert limits["until_measurements"] == 50
    assert isinstance(limits["until_s"], float)
    store.close()


def test_another_policy_of_the_same_name_takes_its_place():
    with scripted_race(policy=Tidy(patience=10**9), watch_duty=1.0) as bench:
        bench.start()
        assert bench.wait("first_rows", timeout_s=120)
        bench.change(policy=Tidy())

        assert bench._engine.wait_for(lambda state: state.beaten("slow"), 60)


@pytest.mark.parametrize("policy", [3, Tidy, ["never"]], ids=["a number", "a class", "a list"])
def test_what_is_no_policy_is_refused_and_changes_nothing(policy):
    with pytest.raises(SettingError, match="policy must be the name"):
        scripted_race(policy=policy)

    with scripted_race() as bench:
        with pytest.raises(SettingError, match="policy must be the name"):
            bench.change(policy=policy)
        with pytest.raises(SettingError, match="batch_size"):
            bench.change(policy=Tidy(), batch_size=-1)

        assert "tidy" not in bench.policy_names
        assert bench.settings.policy == "evidence"


@pytest.mark.parametrize("limit", [None, 1, 4096])
def test_the_local_cluster_has_a_worker_for_every_core_whatever_may_execute_now(limit):
    with race(good, slower, max_concurrent=limit) as bench:
        assert bench._executor._house.n_workers == available_cores()
        assert bench.most_workers == max(available_cores(), limit or 1)


def test_workers_that_were_asked_for_are_as_many_as_asked_for():
    with race(good, slower, max_concurrent=1, n_workers=3) as bench:
        assert bench._executor._house.n_workers == bench.most_workers == 3


def test_a_higher_max_concurrent_brings_the_next_worker_to_work():
    with scripted_race(max_concurrent=1, policy="never") as bench:
        bench.start()
        assert bench._engine.wait_for(lambda state: state.blocks >= 20, 60)
        before = bench.scoreboard.measured_on
        bench.change(max_concurrent=2)

        assert bench._engine.wait_for(lambda state: len(state.measured_on) == 2, 60)

    assert before == ("cpu-0",)


def test_the_same_function_added_again_gets_a_number():
    with race(good, slower) as bench:
        assert bench.add(good) == "good #2"


def test_a_wrong_candidate_is_out_with_the_words_of_the_check():
    def off(case):
        return case.sum() + 1

    with race(good, off) as bench:
        result = bench.run_continuous_optimization(max_seconds=60)

    assert result.winner == "good"
    assert result.scoreboard.of("off").outcome is Outcome.WRONG
    assert "the sum is" in result.scoreboard.of("off").reason


def test_two_races_at_once_in_one_process_do_not_disturb_each_other():
    results = {}

    def run(name, fast):
        with race(fast, slowest, n_workers=1) as bench:
            results[name] = bench.run_continuous_optimization(max_seconds=60)

    threads = [
        threading.Thread(target=run, args=("a", good)),
        threading.Thread(target=run, args=("b", slower)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert results["a"].winner == "good"
    assert results["b"].winner == "slower"


def test_the_journal_of_a_real_race_replays_to_the_same_verdicts():
    store = open_store(":memory:")
    with race(good, slower, slowest, store=store) as bench:
        result = bench.run_continuous_optimization(max_seconds=60)
        again = bench.fresh_state()

    found = replay(store.events(result.run_id), again)

    assert found.mismatches == ()
    assert again.ended.status == result.status
    store.close()


def test_a_race_without_a_cluster_at_the_address_fails_in_one_line():
    bench = race(good, slower, cluster="tcp://127.0.0.1:1")
    with bench, pytest.raises(pb.errors.ClusterError) as caught:
        bench.start()

    assert "127.0.0.1:1" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_store_that_cannot_be_written_is_told_before_any_worker_starts(tmp_path):
    with contextlib.closing(open_store(tmp_path / "runs.db")) as store:
        store.check_writable()
    executor = ScriptedExecutor({"good": lambda rng, case, block: 0.01})

    with pb.ParallelBenchmarking(
        [good], Summing(), store=f"sqlite:///{tmp_path}/runs.db?mode=ro", executor=executor
    ) as bench:
        with pytest.raises(StoreError, match="reading only"):
            bench.start()

        assert executor.usage() == ()
        assert bench.run_id == ""


def test_a_closed_race_cannot_be_started_again():
    bench = race(good, slower)
    bench.close()
    bench.close()

    with pytest.raises(UsageError, match="closed"):
        bench.start()


@pytest.mark.parametrize("budget", [0, -1.0, "3", float("nan"), float("inf"), 10**400])
def test_a_budget_must_be_positive_and_finite(budget):
    with race(good) as bench, pytest.raises(UsageError, match="seconds"):
        bench.run_continuous_optimization(max_seconds=budget)


@pytest.mark.parametrize("budget", [0, 0.5, -1, "3", float("inf"), True], ids=repr)
def test_a_number_of_measurements_is_whole_and_positive(budget):
    with race(good) as bench, pytest.raises(UsageError, match="max_measurements must be a whole"):
        bench.limit(max_measurements=budget)


def test_a_check_that_gives_numbers_that_are_none_ends_nothing():
    class Odd(Summing):
        def check(self, case, result):
            return {"odd": float("nan")}

    with race(good, slower, workload=Odd()) as bench:
        result = bench.run_continuous_optimization(max_seconds=60)

    assert result.winner == "good"


def test_a_case_that_cannot_be_made_fails_the_race_with_the_reason():
    class Broken(Summing):
        def make_case(self, size, rng):
            raise RuntimeError("no data today")

    with race(good, slower, workload=Broken()) as bench:
        result = bench.run_continuous_optimization(max_seconds=60)

    assert result.status == "failed"
    assert "no data today" in result.reason


def test_arrays_of_a_case_are_the_same_for_the_same_seed():
    rng = [np.random.default_rng(3) for _ in range(2)]

    first, again = (Summing().make_case(10, generator) for generator in rng)

    assert (first == again).all()
