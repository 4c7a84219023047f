"""A setting changed while blocks are on their way: what is queued, running, and sent next."""

from __future__ import annotations

import heapq

import pytest

from parbench_lab.core.measurement import Outcome
from parbench_lab.core.metric import WALL_TIME_S
from parbench_lab.core.ports import TaskEnded
from parbench_lab.core.standing import VerdictKind
from parbench_lab.racing import events, journal
from parbench_lab.racing.narration import conclusion
from parbench_lab.racing.scoreboard import snapshot
from tests.racing.simulation import Simulation, failing, timed


def race(**knobs):
    """Return a race of equals, block after block of a second, that nothing decides."""
    runs = {"a": timed(0.5), "b": timed(0.5)}
    given = {"policy": "never", "tolerance": 0.0, "canary_every": 0, **knobs}
    return Simulation(runs, **given)


def changed(world, **changes):
    """Change settings; the tasks that run end later, those that only wait come back unrun."""
    at_work = {min(worker.tasks) for worker in world.state.workers.values()}
    world.tell(events.SettingsChanged(changes=changes))
    for end in list(world._ends):
        ended = end[2]
        if ended.task <= world.recalled and ended.task not in at_work:
            world._ends.remove(end)
            heapq.heapify(world._ends)
            unrun = tuple(result.number for result in ended.results)
            world.tell(TaskEnded(task=ended.task, worker=ended.worker, unrun=unrun))


def test_fewer_workers_go_on_as_soon_as_the_running_blocks_end():
    world = race(n_workers=4)
    world.run(until=world.judged(40))

    changed(world, max_concurrent=1)

    others = [w.tasks for name, w in world.state.workers.items() if name != "cpu-0"]
    assert [len(tasks) for tasks in others] == [1, 1, 1]


def test_a_time_limit_holds_for_every_block_that_had_not_begun():
    world = race()
    world.run(until=world.judged(40))
    newest = world.state.dispatcher.last_task

    changed(world, timeout_s=1.5)
    world.run(until=world.judged(60))

    later = [block for task in world.sent if task.number > newest for block in task.blocks]
    again = {b.number for t in world.sent if t.number <= newest for b in t.blocks}
    assert len([block for block in later if block.number in again]) == 2  # one of each worker
    assert {slot.timeout_s for block in later for slot in block.slots} == {1.5}
    found = journal.replay(world.journal, replayed := world.make())
    assert found.mismatches == ()
    assert snapshot(replayed) == snapshot(world.state)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"batch_size": 3000}, id="another size"),
        pytest.param({"objectives": ("peak_rss_bytes",)}, id="other objectives"),
    ],
)
def test_what_is_running_counts_in_its_own_epoch_and_what_waits_is_given_up(changes):
    world = race()
    world.run(until=world.judged(40))
    old, newest = world.state.ledger, world.state.dispatcher.last_task
    judged, known = old.judged, old.record.judged
    running = sum(len(w.tasks) > 0 for w in world.state.workers.values())

    changed(world, **changes)
    world.run(until=lambda: not any(t.number <= newest for t in world.state.outstanding()))

    assert old.judged == judged + running
    assert old.record.judged == known + running
    assert world.state.ledger.record.judged == 0
    later = [block for task in world.sent if task.number > newest for block in task.blocks]
    assert {block.epoch for block in later} == {1}


def test_other_objectives_judge_from_the_next_block_on():
    world = Simulation({"a": timed(0.010), "b": timed(0.013)})
    world.run(until=world.decided)

    world.tell(events.SettingsChanged(changes={"objectives": ("peak_rss_bytes",)}))
    world.run(until=world.decided)

    assert [metric.name for metric in world.state.ledger.objectives] == ["peak_rss_bytes"]
    verdicts = {standing.verdict for standing in snapshot(world.state).standings}
    assert verdicts == {VerdictKind.LEADER, VerdictKind.EQUAL}


def test_a_lower_threshold_judges_by_the_evidence_that_is_there():
    runs = {"a": timed(0.010), "b": timed(0.011)}
    world = Simulation(runs, elimination_threshold=1e9)
    world.run(until=world.judged(1))
    world.run(until=lambda: world.state.ledger.record.evidence("b", 0.02) > 1e4)
    judged = world.state.ledger.judged

    world.tell(events.SettingsChanged(changes={"elimination_threshold": 1e3}))
    world.run(until=world.judged(judged + 1))

    assert [fact.candidate for fact in world.of(events.Eliminated)] == ["b"]


def test_a_ratio_on_the_tolerance_is_never_decided_and_the_sentence_says_so():
    world = Simulation({"a": timed(0.0100, 0.01), "b": timed(0.0102, 0.01)})
    world.tell(events.LimitsSet(until_s=10.0, until_measurements=None, stop_when_decided=True))

    world.run(until=lambda: world.state.ended is not None)

    board, ended = snapshot(world.state), world.state.ended
    said = conclusion(
        board, ended.status, ended.reason, (WALL_TIME_S,), settings=world.state.settings
    )
    assert ended.status == "undecided"
    assert said.startswith("Undecided: a leads, and b may be as good. It took ")
    assert "measurements in 10.0 s on 2 workers." in said


def left_and_come_back(runs, there):
    """Race at 1000, do something at 100, and come back to 1000."""
    world = Simulation(runs, tolerance=0.0)
    world.run(until=world.judged(30))
    world.tell(events.SettingsChanged(changes={"batch_size": 100}))
    world.run(until=world.judged(10))
    there(world)
    world.tell(events.SettingsChanged(changes={"batch_size": 1000}))
    assert world.of(events.EpochOpened)[-1].resumed
    return world


def fails(world):
    world.runs["near"] = failing(Outcome.WRONG)
    world.run(until=lambda: not world.state.roster["near"].fit)


def is_dropped(world):
    world.tell(events.CandidateDropped(candidate="near"))


@pytest.mark.parametrize("there", [fails, is_dropped])
def test_who_is_out_since_another_size_is_out_at_this_one_too_and_keeps_nothing_open(there):
    runs = {"good": timed(0.002), "near": timed(0.00201), "slow": timed(0.01)}

    world = left_and_come_back(runs, there)
    world.run(until=world.decided, most=5000)

    assert world.state.ledger.record.survivors == ("good",)
    assert snapshot(world.state).of("good").at_most_slower is None
    assert journal.replay(world.journal, world.make()).mismatches == ()


def test_who_was_dropped_at_one_size_and_brought_back_at_another_races_at_both():
    world = Simulation({"good": timed(0.002), "near": timed(0.00201), "slow": timed(0.01)})
    world.run(until=lambda: world.state.beaten("slow"))
    is_dropped(world)
    world.tell(events.SettingsChanged(changes={"batch_size": 100}))
    world.tell(events.CandidateBroughtBack(candidate="near"))
    world.run(until=world.judged(10))
    world.tell(events.SettingsChanged(changes={"batch_size": 1000}))

    assert set(world.state.ledger.record.survivors) == {"good", "near"}  # slow was beaten here
    assert journal.replay(world.journal, world.make()).mismatches == ()


def test_who_was_beaten_brought_back_and_dropped_by_hand_is_brought_back_everywhere():
    world = Simulation({"good": timed(0.002), "near": timed(0.00201), "slow": timed(0.01)})
    world.run(until=lambda: world.state.beaten("slow"))
    world.tell(events.CandidateBroughtBack(candidate="slow"))
    world.tell(events.CandidateDropped(candidate="slow"))
    world.tell(events.SettingsChanged(changes={"batch_size": 100}))
    world.tell(events.CandidateBroughtBack(candidate="slow"))
    world.tell(events.SettingsChanged(changes={"batch_size": 1000}))

    assert "slow" in world.state.ledger.record.survivors


@pytest.mark.parametrize(
    "out",
    [
        pytest.param({"good"}, id="the only one left"),
        pytest.param({"good", "near"}, id="all who were left"),
    ],
)
def test_back_at_a_size_whose_winners_were_dropped_those_they_had_beaten_line_up_again(out):
    world = Simulation({"good": timed(0.002), "near": timed(0.00202), "slow": timed(0.01)})
    if "near" not in out:
        world.runs["near"] = timed(0.01)
    world.run(until=world.decided)
    world.tell(events.SettingsChanged(changes={"batch_size": 100}))
    world.run(until=world.judged(1))
    for name in sorted(out):
        world.tell(events.CandidateDropped(candidate=name))
    world.tell(events.SettingsChanged(changes={"batch_size": 1000}))
    world.run(until=world.decided, most=5000)

    assert "slow" in world.state.ledger.record.survivors
    assert not world.of(events.EpochOpened)[-1].resumed
    assert journal.replay(world.journal, world.make()).mismatches == ()


def test_back_at_a_size_whose_leader_was_found_wrong_those_it_had_beaten_line_up_again():
    runs = {"cheat": timed(0.001), "best": timed(0.002), "good": timed(0.00101)}
    world = Simulation(runs, tolerance=0.0)
    world.run(until=lambda: world.state.beaten("best") and not world.state.beaten("good"))
    world.tell(events.SettingsChanged(changes={"batch_size": 100}))
    world.runs["cheat"] = failing(Outcome.WRONG)
    world.runs["good"] = timed(0.01)
    world.run(until=lambda: not world.state.roster["cheat"].fit)
    world.tell(events.SettingsChanged(changes={"batch_size": 1000}))
    world.run(until=world.decided, most=5000)

    assert snapshot(world.state).leader == "best"
    assert journal.replay(world.journal, world.make()).mismatches == ()


def all_leave(world):
    """Let all workers leave, and nothing but time pass; return how long until nothing comes."""
    left_at_s = world.now_s
    for name in list(world.state.workers):
        world.leave(name)
    while world.state.next_tick_s() is not None and world.now_s < left_at_s + 30:
        world.step()
    return world.now_s - left_at_s


def test_that_no_worker_is_left_is_said_once_each_time_and_one_that_comes_races_on():
    said, world = "no worker is left: the race goes on when one joins", race()
    for times in (1, 2):
        judged = world.state.ledger.judged
        world.run(until=world.judged(judged + 20))
        assert all_leave(world) == pytest.approx(2.0)
        assert [fact.sentence for fact in world.of(events.Noted)].count(said) == times
        world.join(f"late {times}")

    world.tell(events.Paused())
    all_leave(world)
    assert [fact.sentence for fact in world.of(events.Noted)].count(said) == 2
    assert journal.replay(world.journal, world.make()).mismatches == ()
