"""The race as a state machine, in simulated worlds."""

from __future__ import annotations

import re

import numpy as np
import pytest

from parbench_lab.core.estimate import Estimate
from parbench_lab.core.measurement import BlockResult, Measurement, Outcome, Suspicion
from parbench_lab.core.metric import CPU_TIME_S, WALL_TIME_S, Metric
from parbench_lab.core.ports import ExecutorFailed, TaskEnded
from parbench_lab.core.standing import VerdictKind
from parbench_lab.racing import events, journal
from parbench_lab.racing.narration import conclusion
from parbench_lab.racing.result import winner_of
from parbench_lab.racing.scoreboard import snapshot
from parbench_lab.racing.settings import Settings
from tests.panel.races import scoreboard, standing
from tests.racing.simulation import Simulation, failing, timed


def race(seed=0, **knobs):
    candidates = {"slow": timed(0.013), "best": timed(0.010), "near": timed(0.0112)}
    return Simulation(candidates, seed=seed, **knobs)


def ending(world, status="decided"):
    board, settings = snapshot(world.state), world.state.settings
    return conclusion(board, status, "", (WALL_TIME_S,), settings=settings)


# ---------------------------------------------------------------- verdicts


def test_the_worse_are_eliminated_and_the_best_is_left():
    world = race()

    world.run(until=world.decided)

    board = snapshot(world.state)
    assert board.leader == "best"
    assert {f.candidate for f in world.of(events.Eliminated)} == {"slow", "near"}
    assert board.of("slow").shown_slower >= 0.02


def test_equal_candidates_end_as_equal_and_the_race_is_decided():
    world = Simulation({"a": timed(0.010, 0.01), "b": timed(0.010, 0.01)}, tolerance=0.05)

    world.run(until=world.decided)

    verdicts = {s.verdict for s in snapshot(world.state).standings}
    assert verdicts == {VerdictKind.LEADER, VerdictKind.EQUAL}
    assert not world.of(events.Eliminated)


def test_who_is_only_kept_by_min_survivors_is_no_equal_of_the_winner():
    world = Simulation({"a": timed(0.010), "b": timed(0.013)}, min_survivors=2)
    world.run(until=world.decided)

    said = ending(world)
    winner, front = winner_of(snapshot(world.state), n_objectives=1, decided=True)

    assert said.startswith("a wins: the next, b, takes 1.3")
    assert "; evidence at least 1," in said
    assert re.search(r"\. b is at least \d+ % slower than the best .* by min_survivors\.", said)
    assert (winner, front) == ("a", ("a", "b"))


def test_who_is_dominated_and_only_kept_is_not_on_the_front_but_the_leader_is():
    def told(name, rank, **known):
        return standing(name, rank, verdict=VerdictKind.FRONT, **known)

    board = scoreboard(
        [
            told("a", 1, reason="leads in both", shown_slower=0.5),
            told("b", 2, reason="best in memory"),
            told("c", 3, reason="a beats it in all", shown_slower=0.5),
        ]
    )

    said = conclusion(
        board, "decided", "", (WALL_TIME_S, CPU_TIME_S), settings=Settings(min_survivors=3)
    )

    on, _, off = said.partition(" Not on it: ")
    assert "a (leads in both); b (best in memory)." in on
    assert off.startswith("c (a beats it in all)")


def test_equals_of_the_winner_are_told_from_who_is_only_kept_by_min_survivors():
    runs = {"a": timed(0.010, 0.01), "twin": timed(0.010, 0.01), "slow": timed(0.013, 0.01)}
    world = Simulation(runs, min_survivors=3, tolerance=0.05)
    world.run(until=world.decided)

    said = ending(world)

    assert re.match(
        r"(a and twin|twin and a) are equal within the tolerance of 5 % "
        r"\(evidence at least 1,000 : 1\); the next, slow, takes 1\.[23]\d? times as long "
        r"\(1\.\d+ to 1\.\d+\); evidence at least",
        said,
    )
    assert re.search(r"\. slow is at least .* and is kept by min_survivors\.", said)


@pytest.mark.parametrize(
    ("objective", "tolerance", "within"),
    [
        pytest.param(WALL_TIME_S, 0.025, "2.5 %", id="a ratio"),
        pytest.param(
            Metric(name="drift_kelvin", unit="K", scale="interval"),
            0.5,
            "0.5 K",
            id="a difference",
        ),
        pytest.param(
            Metric(name="sharpe", unit="1", better="higher", scale="interval"),
            0.5,
            "0.5",
            id="a pure number",
        ),
    ],
)
def test_where_nobody_is_beaten_the_sentence_says_within_what_and_how_sure(
    objective, tolerance, within
):
    board = scoreboard(
        [standing("a", 1, verdict=VerdictKind.LEADER), standing("b", 2, verdict=VerdictKind.EQUAL)]
    )
    settings = Settings(tolerance=tolerance, elimination_threshold=200.0)

    said = conclusion(board, "decided", "", (objective,), settings=settings)

    equal = f"a and b are equal within the tolerance of {within} (evidence at least 200 : 1). It"
    assert said.startswith(equal)


def test_equals_are_told_by_how_much_the_next_is_behind_on_an_interval_scale_too():
    behind = Estimate(point=3.25, low=3.0, high=3.5, confidence=0.95, n=40)
    beaten = {"verdict": VerdictKind.ELIMINATED, "shown_slower": 1.0, "ratio": behind}
    board = scoreboard(
        [
            standing("a", 1, verdict=VerdictKind.LEADER),
            standing("b", 2, verdict=VerdictKind.EQUAL),
            standing("c", 3, evidence=1200.0, **beaten),
        ]
    )
    drift = Metric(name="drift_kelvin", unit="K", scale="interval")

    said = conclusion(board, "decided", "", (drift,), settings=Settings(tolerance=0.5))

    assert "; c is 3.25 K behind; evidence at least 1,200 : 1 against each of the beaten." in said


def test_the_snapshot_says_on_which_scale_its_standings_are_compared():
    score = Metric(name="score", unit="1", scale="interval")

    about_score = Simulation(
        {"a": timed(0.010)}, metrics={"score": score}, objectives=("score", "wall_time_s")
    )

    assert snapshot(about_score.state).scale == "interval"
    assert snapshot(race().state).scale == "ratio"


def test_who_is_shown_to_be_worse_may_not_be_as_good_even_where_nobody_is_eliminated():
    world = Simulation({"a": timed(0.010), "b": timed(0.013)}, policy="never")
    world.run(until=world.judged(100))

    said = ending(world, "stopped")

    assert said.startswith("a leads: the next, b, takes 1.")
    assert re.search(r"\. b is at least .* and still races\.", said)


def test_a_race_of_one_is_decided_for_it():
    world = Simulation({"only": timed(0.01)})

    world.run(until=world.decided)

    assert snapshot(world.state).leader == "only"


def test_the_journal_replays_to_the_same_verdicts():
    world = race(interference_every_s=0.5)
    world.run(until=world.decided)
    world.tell(events.SettingsChanged(changes={"batch_size": 2000}))
    world.run(until=world.decided)
    again = world.make()

    found = journal.replay(world.journal, again)

    assert found.mismatches == ()
    assert found.next_seq == len(world.journal)
    assert snapshot(again) == snapshot(world.state)


def test_a_replay_with_another_seed_is_noticed():
    world = race(seed=1)
    world.run(until=world.decided)

    found = journal.replay(world.journal, race(seed=2).make())

    assert found.mismatches


def test_every_order_of_a_block_is_about_as_likely():
    world = race(policy="never", canary_every=0)
    world.run(until=world.judged(3000))

    blocks = [b for t in world.sent for b in t.blocks if len(b.slots) == 3]
    orders = [tuple(slot.candidate for slot in block.slots) for block in blocks]
    counts = np.array([orders.count(order) for order in set(orders)])

    assert len(counts) == 6
    expected = len(orders) / 6
    assert ((counts - expected) ** 2 / expected).sum() < 20.5  # chi-square, 5 df, p = 0.001


# ---------------------------------------------------------------- faults


@pytest.mark.parametrize(
    "outcome", [Outcome.FAILED, Outcome.CRASHED, Outcome.OUT_OF_MEMORY, Outcome.TIMED_OUT]
)
def test_three_failures_put_a_candidate_out_and_hurt_nobody_else(outcome):
    world = Simulation(
        {"bad": failing(outcome), "good": timed(0.01), "slow": timed(0.02)}, timeout_s=1.0
    )

    world.run(until=world.decided)

    board = snapshot(world.state)
    assert board.leader == "good"
    assert board.of("bad").outcome is outcome
    assert board.of("bad").failures == 3
    assert board.of("slow").failures == board.of("good").failures == 0


def test_a_wrong_result_is_out_at_once():
    world = Simulation({"bad": failing(Outcome.WRONG, "off by one"), "good": timed(0.01)})

    world.run(until=world.decided)

    (out,) = world.of(events.Eliminated)
    assert (out.candidate, out.cause) == ("bad", "fault")
    assert "off by one" in out.reason


def test_when_the_leader_turns_out_wrong_those_it_had_beaten_line_up_again():
    runs = {"cheat": timed(0.001), "a": timed(0.010), "b": timed(0.020)}
    world = Simulation(runs)
    world.run(until=world.decided)
    assert snapshot(world.state).leader == "cheat"

    world.runs["cheat"] = failing(Outcome.WRONG)
    world.run(until=lambda: bool(world.state.epoch))
    world.run(until=world.decided)

    board = snapshot(world.state)
    assert board.leader == "a"
    assert board.of("b").shown_slower >= 0.02
    assert board.of("cheat").outcome is Outcome.WRONG


def test_a_race_in_which_nobody_works_fails_with_the_reason():
    world = Simulation({"a": failing(Outcome.WRONG, "nonsense"), "b": failing(Outcome.WRONG)})

    world.run(until=lambda: False)

    assert world.state.ended.status == "failed"
    assert "no candidate is left that works" in world.state.ended.reason


def test_a_first_run_that_takes_long_is_given_more_time_before_it_counts():
    world = Simulation({"a": failing(Outcome.TIMED_OUT, seconds=5.0), "b": timed(8.0, 0.001)})

    world.run(until=world.judged(3))

    assert world.state.roster["b"].failures == 0
    limits = {s.timeout_s for t in world.sent for b in t.blocks for s in b.slots}
    assert max(limits) > 5.0


def importing(seconds):
    """A candidate that needs so long to come back for the first time, and is quick then."""
    back = []

    def run(rng, slot, block):
        if not back and slot.timeout_s < seconds:
            return failing(Outcome.TIMED_OUT)(rng, slot, block)
        back.append(slot.timeout_s)
        return timed(0.002)(rng, slot, block)

    return run


@pytest.mark.parametrize(
    ("seconds", "knobs", "out"),
    [
        pytest.param(5.5, {}, "", id="more time is enough"),
        pytest.param(6.5, {}, "fault", id="it is not"),
        pytest.param(5.5, {"timeout_s": 2.0}, "fault", id="the limit is the user's"),
    ],
)
def test_who_never_came_back_gets_more_time_after_each_failure(seconds, knobs, out):
    world = Simulation({"quick": timed(0.001), "importing": importing(seconds)}, **knobs)
    world.run(until=world.judged(40))

    assert world.state.roster["importing"].out == out


def test_a_time_out_loses_its_duels_but_one_pause_does_not_eliminate_the_best():
    world = race()
    world.run(until=world.judged(20))
    fast = world.runs["best"]

    world.runs["best"] = failing(Outcome.TIMED_OUT)
    world.step()
    world.runs["best"] = fast
    world.run(until=world.decided)

    assert snapshot(world.state).leader == "best"


def test_a_broken_constraint_is_a_failure():
    world = race(constraints=("peak_rss_bytes <= 10",))

    world.run(until=lambda: False)

    assert world.state.ended.status == "failed"
    assert "peak_rss_bytes <= 10" in world.state.ended.reason


def test_the_same_suspect_twice_in_a_row_is_a_crash_and_others_are_not_blamed():
    world = race()
    world.run(until=world.judged(5))
    for _ in range(3):
        for _ in range(2):
            task = world.state.outstanding()[0]
            suspicion = Suspicion(block=task.blocks[0].number, candidate="slow", reason="signal 9")
            world.tell(TaskEnded(task=task.number, worker=task.worker, suspicion=suspicion))

    standing = snapshot(world.state).of("slow")

    assert standing.outcome is Outcome.CRASHED
    assert snapshot(world.state).of("best").failures == 0


def test_a_lost_worker_loses_nothing_that_was_sent_to_it():
    world = race()
    world.run(until=world.judged(5))

    world.leave("cpu-1")
    world.run(until=world.decided)

    assert snapshot(world.state).leader == "best"
    assert not [e for e in world.state.roster if e.failures]


def test_without_workers_the_race_waits_and_goes_on_when_one_arrives():
    world = race(n_workers=1)
    world.run(until=world.judged(5))
    world.leave("cpu-0")
    assert not world.state.outstanding()

    world.join("cpu-9")
    world.run(until=world.decided)

    assert snapshot(world.state).leader == "best"


def test_a_lost_connection_ends_the_race_with_what_was_measured():
    world = race()
    world.run(until=world.judged(5))

    world.tell(ExecutorFailed(reason="the scheduler is gone"))

    assert world.state.ended == events.Ended(status="failed", reason="the scheduler is gone")
    assert snapshot(world.state).measurements > 0


def test_a_race_that_lost_its_cluster_is_decided_on_another_one_and_replays():
    world = race()
    world.run(until=world.judged(5))
    world.tell(events.LimitsSet(until_s=world.now_s + 1e-9))
    world.tell(ExecutorFailed(reason="the scheduler is gone"))

    world.tell(events.TakenUp())
    assert (world.state.ended, world.state.phase) == (None, "racing")
    assert not world.state.workers
    world.join("cpu-9")
    world.run(until=world.decided)
    again = world.make()

    assert snapshot(world.state).leader == "best"
    assert journal.replay(world.journal, again).mismatches == ()
    assert snapshot(again) == snapshot(world.state)


def test_the_last_sentence_counts_the_workers_that_measured():
    world = race()
    world.run(until=world.judged(5))
    world.leave("cpu-0")
    world.run(until=world.decided)

    board = snapshot(world.state)

    assert board.workers == ("cpu-1",)
    assert board.measured_on == ("cpu-0", "cpu-1")
    assert "on 2 workers" in ending(world)


def test_a_race_that_ended_of_itself_is_not_taken_up():
    world = race()
    world.run(until=world.decided)
    world.tell(events.Stopped())

    world.tell(events.TakenUp())

    assert world.state.ended == events.Ended(status="stopped", reason="stopped by the user")
    assert not world.state.resumable


# ---------------------------------------------------------------- live change


def test_a_new_batch_size_opens_an_epoch_and_the_slow_line_up_again():
    crossing = {"scan": timed(0.010), "index": timed(0.020)}
    world = Simulation(crossing)
    world.run(until=world.decided)
    world.runs["scan"] = timed(0.040)

    world.tell(events.SettingsChanged(changes={"batch_size": 5000}))
    world.run(until=world.decided)

    assert world.state.epoch == 1
    assert snapshot(world.state).leader == "index"
    assert sorted(world.state.curve) == [1000, 5000]


def test_a_return_to_a_size_resumes_its_accounts():
    world = race()
    world.run(until=world.decided)
    judged = world.state.ledger.judged
    world.tell(events.SettingsChanged(changes={"batch_size": 2000}))
    world.run(until=world.judged(5))

    world.tell(events.SettingsChanged(changes={"batch_size": 1000}))

    assert world.state.ledger.judged >= judged
    assert world.of(events.EpochOpened)[-1].resumed


def test_a_faulty_candidate_stays_out_at_a_new_size():
    world = Simulation({"bad": failing(Outcome.WRONG), "a": timed(0.01), "b": timed(0.02)})
    world.run(until=world.decided)

    world.tell(events.SettingsChanged(changes={"batch_size": 50}))
    world.run(until=world.decided)

    late = [s for t in world.sent[-5:] for b in t.blocks for s in b.slots]
    assert "bad" not in {slot.candidate for slot in late}


def test_evidence_is_never_mixed_across_sizes():
    world = race(policy="never")
    world.run(until=world.judged(30))
    first = world.state.ledger

    world.tell(events.SettingsChanged(changes={"batch_size": 3000}))
    world.run(until=world.judged(30))

    assert world.state.ledger is not first
    assert world.state.ledger.record.judged <= world.state.ledger.race_blocks


def test_a_wider_tolerance_reopens_nothing_and_a_narrower_one_may():
    world = Simulation({"a": timed(0.010, 0.01), "b": timed(0.010, 0.01)}, tolerance=0.05)
    world.run(until=world.decided)

    world.tell(events.SettingsChanged(changes={"tolerance": 0.1}))
    assert world.state.phase == "watching"
    world.tell(events.SettingsChanged(changes={"tolerance": 0.0}))

    assert world.state.phase == "racing"
    assert world.of(events.Reopened)


def test_max_concurrent_limits_the_workers_that_execute():
    world = race(n_workers=4, max_concurrent=2)

    world.run(until=world.decided)

    assert {task.worker for task in world.sent} == {"cpu-0", "cpu-1"}


def test_a_worker_whose_turn_is_over_is_waited_for_before_the_next_begins():
    world = race(n_workers=0, max_concurrent=1, policy="never")
    world.join("cpu-1")
    world.join("cpu-0")
    at_work = []

    def watched():
        at_work.append(sum(bool(worker.tasks) for worker in world.state.workers.values()))
        return world.judged(50)()

    world.run(until=watched)

    assert max(at_work) == 1
    assert [task.worker for task in world.sent][:1] == ["cpu-1"]
    assert {task.worker for task in world.sent[2:]} == {"cpu-0"}


def test_a_pause_sends_nothing_and_what_was_recalled_is_sent_again():
    world = race()
    world.run(until=world.judged(5))
    world.tell(events.Paused())
    sent = len(world.sent)
    while world.state.outstanding():
        world.step()
    assert len(world.sent) == sent

    world.tell(events.Resumed())
    world.run(until=world.decided)

    assert snapshot(world.state).leader == "best"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        pytest.param(0.013, VerdictKind.ELIMINATED, id="slower"),
        pytest.param(0.005, VerdictKind.LEADER, id="faster"),
    ],
)
def test_a_challenger_that_enters_late_is_judged_like_the_others(seconds, expected):
    world = race()
    world.run(until=world.judged(50))
    world.runs["late"] = timed(seconds)

    world.tell(events.CandidateAdded(candidate="late"))
    world.run(until=lambda: "late" in world.state.ledger.settled)
    world.run(until=world.decided)

    assert snapshot(world.state).of("late").verdict is expected


def test_a_drop_by_hand_is_logged_as_outside_the_guarantee():
    world = race()
    world.run(until=world.judged(5))

    world.tell(events.CandidateDropped(candidate="best"))
    world.run(until=world.decided)

    board = snapshot(world.state)
    assert board.leader == "near"
    assert board.of("best").verdict is VerdictKind.DROPPED
    assert "outside the guarantee" in board.of("best").reason


def test_the_last_survivor_is_never_dropped():
    world = Simulation({"only": timed(0.01)})
    world.run(until=world.judged(3))

    world.tell(events.CandidateDropped(candidate="only"))

    assert world.of(events.VerdictRefused)
    assert world.state.roster["only"].fit


def test_who_is_brought_back_by_hand_races_again():
    world = race()
    world.run(until=world.decided)

    world.tell(events.CandidateBroughtBack(candidate="slow"))

    assert world.of(events.Returned)
    assert "slow" in world.state.racing_names()


# ---------------------------------------------------------------- after the decision


def told_of(world, kind):
    """Return whom the journal's facts of a kind name, and who was there before."""
    payloads = [record.payload for record in world.journal if record.kind == kind]
    return [(payload["candidate"], payload.get("before")) for payload in payloads]


def test_a_champion_made_10_percent_slower_loses_the_lead_and_the_better_one_comes_back():
    candidates = {"slow": timed(0.013), "best": timed(0.010), "near": timed(0.0105)}
    world = Simulation(candidates, watch_duty=1.0)
    world.run(until=world.decided)
    assert snapshot(world.state).leader == "best"

    world.runs["best"] = timed(0.010 * 1.10)
    world.run(until=lambda: any(f.candidate == "near" for f in world.of(events.Returned)))
    world.run(until=world.decided)

    assert snapshot(world.state).leader == "near"
    assert told_of(world, "Returned") == [("near", None)]
    assert told_of(world, "LeadChanged") == [("near", "best")]
    assert journal.replay(world.journal, world.make()).mismatches == ()


def test_a_champion_that_was_watched_for_long_beside_its_equal_loses_the_lead_as_soon():
    world = Simulation(
        {"best": timed(0.0100, 0.01), "near": timed(0.0101, 0.01), "slow": timed(0.013)},
        tolerance=0.05, watch_duty=1.0,
    )  # fmt: skip
    world.run(until=world.judged(1500))
    assert snapshot(world.state).leader == "best"
    judged = world.state.dispatcher.next_block

    world.runs["best"] = timed(0.010 * 1.10, 0.01)
    world.run(until=lambda: snapshot(world.state).leader == "near", most=5000)

    assert world.state.dispatcher.next_block < judged + 300
    world.run(until=world.decided)
    assert world.state.racing_names() == ["near"]
    assert told_of(world, "LeadChanged")[-1] == ("near", "best")
    assert journal.replay(world.journal, world.make()).mismatches == ()


@pytest.mark.parametrize("knobs", [{}, {"min_survivors": 3}])
def test_who_stays_as_they_are_are_watched_without_a_new_epoch(knobs):
    world = Simulation(
        {"best": timed(0.0100, 0.01), "near": timed(0.0101, 0.01), "slow": timed(0.013)},
        tolerance=0.05, watch_duty=1.0, **knobs,
    )  # fmt: skip
    world.run(until=world.judged(1500))

    assert world.decided()
    assert world.of(events.EpochOpened) == []


def test_an_eliminated_candidate_that_became_faster_comes_back():
    world = race(watch_duty=1.0)
    world.run(until=world.decided)

    world.runs["slow"] = timed(0.005)
    world.run(until=lambda: any(f.candidate == "slow" for f in world.of(events.Returned)))
    world.run(until=world.decided)

    assert snapshot(world.state).leader == "slow"
    assert told_of(world, "Returned") == [("slow", None)]
    assert told_of(world, "LeadChanged") == [("slow", "best")]


def test_an_epoch_with_the_same_leader_is_no_change_of_the_lead():
    world = race()
    world.run(until=world.decided)

    world.tell(events.SettingsChanged(changes={"batch_size": 2000}))
    world.run(until=world.decided)

    assert snapshot(world.state).leader == "best"
    assert told_of(world, "LeadChanged") == []


def test_who_was_beaten_keeps_the_ratio_of_its_elimination_while_the_leader_is_watched():
    world = race(watch_duty=1.0)
    world.run(until=world.decided)
    told = {s.candidate: s.ratio for s in snapshot(world.state).standings}

    for judged in range(990, 1030):  # of the 1000 blocks that are kept ever fewer have the beaten
        world.run(until=world.judged(judged))
        standings = snapshot(world.state).standings
        beaten = [s for s in standings if s.verdict is VerdictKind.ELIMINATED]
        assert len(beaten) == 2
        assert all(s.ratio == told[s.candidate] for s in beaten)


def test_a_decided_race_goes_on_at_low_duty():
    world = race(watch_duty=0.1)
    world.run(until=world.decided)
    start_s, sent = world.now_s, len(world.sent)

    world.run(until=lambda: world.now_s > start_s + 20)

    blocks = [b for t in world.sent[sent:] for b in t.blocks]
    busy_s = sum(0.0115 for b in blocks for _ in b.slots)
    assert 0.02 < busy_s / (world.now_s - start_s) < 0.2


# ---------------------------------------------------------------- allocation


def blocks_of_last_tasks(world, n=4):
    return [len(task.blocks) for task in world.sent[-n:]]


def test_tasks_grow_while_nobody_touches_the_race_and_are_short_again_after_a_change():
    runs = {"a": timed(0.005), "b": timed(0.005)}
    world = Simulation(runs, policy="never", canary_every=0, tolerance=0.0)

    world.run(until=lambda: world.now_s > 1)
    early = blocks_of_last_tasks(world)
    world.run(until=lambda: world.now_s > 12)
    late = blocks_of_last_tasks(world)
    world.tell(events.SettingsChanged(changes={"elimination_threshold": 50.0}))
    world.run(until=lambda: world.now_s > 13)
    touched = blocks_of_last_tasks(world)

    assert max(early) <= 12
    assert min(late) >= 36
    assert max(touched) <= 12


@pytest.mark.parametrize("allocation", ["all_survivors", "leaders_first"])
def test_after_an_elimination_the_survivors_run_as_often_as_the_freed_share_predicts(allocation):
    runs = {name: timed(0.01, 0.02) for name in ("a", "b", "c", "d")}
    world = Simulation(runs, allocation=allocation, policy="never", canary_every=0)

    def rate(blocks):
        start_s, judged = world.now_s, world.state.ledger.judged
        world.run(until=world.judged(judged + blocks))
        return blocks / (world.now_s - start_s)

    world.run(until=world.judged(40))
    before = rate(400)
    for name in ("c", "d"):
        world.tell(events.CandidateDropped(candidate=name))
    world.run(until=world.judged(world.state.ledger.judged + 20))
    after = rate(400)

    slots_before = 4 if allocation == "all_survivors" else 3  # 4 and 2 in turn
    assert after / before == pytest.approx(slots_before / 2, rel=0.15)


# ---------------------------------------------------------------- trust


def test_a_canary_that_is_told_apart_suspends_the_verdicts_until_resumed():
    def knows_the_coin(rng, slot, block):
        plan = world.state.dispatcher.plan(block.number)
        seconds = 0.010 if slot.copy == plan.counted_copy else 0.011
        return timed(seconds)(rng, slot, block)

    world = Simulation(
        {"a": timed(0.010), "b": timed(0.010)}, canary_every=1, tolerance=0.0, challenge_every=0
    )
    world.runs = {"a": knows_the_coin, "b": knows_the_coin}
    world.run(until=lambda: bool(world.of(events.VerdictsSuspended)), most=5000)
    assert snapshot(world.state).trust.suspended

    world.tell(events.Resumed())

    assert not snapshot(world.state).trust.suspended


def test_a_race_on_one_worker_has_no_company_to_compare_with():
    world = race(n_workers=2, max_concurrent=1, policy="never")

    world.run(until=world.judged(30))

    assert not world.state.ledger.company_on("").together


def test_interference_is_measured_with_all_other_workers_idle():
    world = race(n_workers=3, interference_every_s=1.0, policy="never")

    world.run(until=lambda: len(world.state.ledger.company_on("").alone) > 30)

    alone = [t for t in world.sent if t.blocks[0].purpose == "alone"]
    assert alone
    assert snapshot(world.state).trust.interference is not None


@pytest.mark.parametrize(
    ("slower", "told"),
    [pytest.param(1.05, False, id="by a twentieth"), pytest.param(1.25, True, id="by a quarter")],
)
def test_interference_above_a_tenth_is_told_with_what_to_lower(slower, told):
    def disturbed(rng, slot, block):
        return timed(0.01 * (1 if block.purpose == "alone" else slower))(rng, slot, block)

    knobs = {"interference_every_s": 0.5, "policy": "never", "tolerance": 0.0}
    world = Simulation({"a": disturbed, "b": disturbed}, **knobs)
    world.run(until=lambda: len(world.state.ledger.company_on("").alone) > 30)

    trust = snapshot(world.state).trust

    advice = [warning for warning in trust.warnings if "lower max_concurrent" in warning]
    assert trust.interference.point == pytest.approx(slower - 1, abs=0.03)
    assert bool(advice) is told
    assert all("% slower while all workers are busy than alone" in line for line in advice)


def spread_out(n, spread, slower=1.0):
    """Return log times whose median is `slower`, evenly spread."""
    return [float(np.log(slower)) + spread * (2 * k / (n - 1) - 1) for k in range(n)]


@pytest.mark.parametrize(
    ("slower", "n", "spread", "interval", "told"),
    [
        pytest.param(1.15, 20, 0.15, (8, 22), True, id="it is there, and probably high"),
        pytest.param(1.15, 10, 0.26, (-3, 37), False, id="it may be nothing"),
        pytest.param(1.09, 20, 0.02, (8, 10), False, id="it is there, and not high"),
    ],
)
def test_interference_is_told_where_it_is_probably_high_and_surely_there(
    slower, n, spread, interval, told
):
    world = Simulation({"a": timed(0.01), "b": timed(0.01)})
    company = world.state.ledger.company_on("")
    company.alone.extend(spread_out(n, spread))
    company.together.extend(spread_out(n, spread, slower))

    trust = snapshot(world.state).trust

    found = trust.interference
    assert found.point == pytest.approx(slower - 1, abs=0.001)
    assert (100 * found.low, 100 * found.high) == pytest.approx(interval, abs=1.0)
    assert any("lower max_concurrent" in warning for warning in trust.warnings) is told


def test_of_two_gpus_the_one_with_high_interference_is_told_though_less_is_sure_of_it():
    world = Simulation({"a": timed(0.01), "b": timed(0.01)})
    for gpu, slower, spread in (("GPU-a", 1.095, 0.002), ("GPU-b", 1.15, 0.16)):
        company = world.state.ledger.company_on(gpu)
        company.alone.extend(spread_out(20, spread))
        company.together.extend(spread_out(20, spread, slower))

    trust = snapshot(world.state).trust

    assert trust.interference.point == pytest.approx(0.15, abs=0.001)


@pytest.mark.parametrize(
    ("blocks", "told"), [pytest.param(1, False, id="apart"), pytest.param(40, True, id="alike")]
)
def test_neighbouring_blocks_that_are_alike_are_told_with_the_remedy(blocks, told):
    def moody(rng, slot, block):
        """Be ahead or behind for so many blocks."""
        luck = np.random.default_rng((ord(slot.candidate), block.number // blocks))
        return timed(0.01 * float(np.exp(luck.normal(0, 0.1))))(rng, slot, block)

    world = Simulation({"a": moody, "b": moody}, policy="never", tolerance=0.0)
    world.run(until=world.judged(400))

    trust = snapshot(world.state).trust

    assert (trust.variance_ratio > 1.5) is told
    assert any("epoch_blocks=10" in warning for warning in trust.warnings) is told


def test_a_slow_worker_is_named():
    def slow_on_one(rng, slot, block):
        return timed(0.01)(rng, slot, block)

    world = Simulation({"a": slow_on_one, "b": timed(0.0102)}, policy="never", n_workers=2)
    inner = world._start

    def start(task):
        factor = 1.3 if task.worker == "cpu-1" else 1.0
        world.runs = {"a": timed(0.01 * factor), "b": timed(0.0102 * factor)}
        inner(task)

    world._start = start
    world.run(until=world.judged(400))

    warnings = " ".join(snapshot(world.state).trust.warnings)
    assert "cpu-1" in warnings


# ---------------------------------------------------------------- limits


def test_a_time_budget_ends_the_race_as_undecided():
    world = Simulation({"a": timed(0.01), "b": timed(0.0102)})

    world.tell(events.LimitsSet(until_s=3.0))
    world.run(until=lambda: False)

    assert world.state.ended.status == "undecided"
    assert world.now_s == pytest.approx(3.0, abs=0.3)


def test_a_measurement_budget_ends_the_race():
    world = race(policy="never")

    world.tell(events.LimitsSet(until_measurements=100))
    world.run(until=lambda: False)

    assert 100 <= world.state.measurements < 200


def test_a_race_that_stops_when_decided_says_so():
    world = race()

    world.tell(events.LimitsSet(stop_when_decided=True))
    world.run(until=lambda: False)

    assert world.state.ended.status == "decided"


def test_after_the_end_nothing_more_happens():
    world = race()
    world.tell(events.Stopped())
    before = snapshot(world.state)

    world.tell(events.CandidateAdded(candidate="late"))

    assert snapshot(world.state) == before


# ---------------------------------------------------------------- several objectives


def test_several_objectives_give_a_front_with_reasons():
    error = Metric(name="abs_error", unit="1", floor=1e-16)

    def both(seconds, size):
        inner = timed(seconds)

        def run(rng, slot, block):
            found = inner(rng, slot, block)
            values = {**found.values, "abs_error": size * float(np.exp(rng.normal(0, 0.1)))}
            return Measurement(
                candidate=slot.candidate, copy=slot.copy, outcome=Outcome.OK, values=values
            )

        return run

    world = Simulation(
        {"fast": both(0.01, 1e-2), "exact": both(0.1, 1e-9), "poor": both(0.2, 1e-1)},
        metrics={"abs_error": error},
        objectives=("wall_time_s", "abs_error"),
        cap_factor=1000.0,
    )
    world.run(until=world.decided)

    board = snapshot(world.state)
    verdicts = {s.candidate: s.verdict for s in board.standings}
    assert verdicts == {
        "fast": VerdictKind.FRONT,
        "exact": VerdictKind.FRONT,
        "poor": VerdictKind.ELIMINATED,
    }
    assert all(standing.reason for standing in board.standings)


def test_two_hundred_candidates_race_and_the_best_is_found():
    runs = {f"c{i:03d}": timed(0.001 * (1 + i / 20)) for i in range(200)}
    world = Simulation(runs, challenge_every=0)

    world.run(until=world.judged(60))

    board = snapshot(world.state)
    assert len(board.standings) == 200
    assert len(world.of(events.Eliminated)) > 100
    assert board.of("c000").verdict is not VerdictKind.ELIMINATED


def test_a_result_without_measurements_is_no_evidence():
    world = race()
    world.run(until=world.judged(5))
    task = world.state.outstanding()[0]
    empty = tuple(
        BlockResult(number=b.number, worker=task.worker, measurements=()) for b in task.blocks
    )

    world.tell(TaskEnded(task=task.number, worker=task.worker, results=empty))
    world.run(until=world.decided)

    assert snapshot(world.state).leader == "best"
