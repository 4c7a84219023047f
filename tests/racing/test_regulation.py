"""GPU utilisation in real races on model GPUs: decisions, bounds, losses, journal, words."""

from __future__ import annotations

import itertools

import pytest

from parbench_lab.core.measurement import Outcome
from parbench_lab.core.ports import GpuSampled
from parbench_lab.racing import events, journal, regulation
from parbench_lab.racing.narration import sentence
from parbench_lab.racing.scoreboard import snapshot
from parbench_lab.testing import Fault, ModelGpu
from tests.racing.gpu_model import linear, steps
from tests.racing.gpu_race import TIMINGS, GpuRace, seconds
from tests.racing.simulation import Simulation, timed


def gpu(percent=None, *, uuid="GPU-0", **options):
    given = {"noise_points": 1.5, "seats": 6, **options}
    return ModelGpu(uuid=uuid, percent=linear(20) if percent is None else percent, **given)


def is_settled(world, since):
    """Whether the number of blocks has not changed since a number of facts."""
    return not [f for _, f in world.facts[since:] if isinstance(f, events.ConcurrencyChanged)]


# ---------------------------------------------------------------- holding a target


def test_a_race_holds_its_target_and_follows_a_change_of_it():
    world = GpuRace(gpu(), target_gpu_utilization=80.0)

    world.run(30)
    at_80, facts = world.blocks(), len(world.facts)
    world.run(20)
    quiet = is_settled(world, facts)
    world.tell(events.SettingsChanged(changes={"target_gpu_utilization": 40.0}))
    world.run(30)

    assert (at_80, quiet, world.blocks()) == (4, True, 2)


def test_a_higher_target_is_reached_by_one_block_after_another():
    world = GpuRace(gpu(linear(16)), target_gpu_utilization=80.0)
    world.run(30)

    world.tell(events.SettingsChanged(changes={"target_gpu_utilization": 95.0}))
    world.run(20)

    assert world.blocks() == 6
    changed = [fact.blocks for fact in world.of(events.ConcurrencyChanged)]
    assert changed == [2, 3, 4, 5, 6]


def test_the_journal_replays_to_the_same_decisions():
    world = GpuRace(gpu(), target_gpu_utilization=80.0)
    world.run(25)
    world.tell(events.SettingsChanged(changes={"target_gpu_utilization": 95.0}))
    world.run(25)
    again = world.make()

    found = journal.replay(world.journal, again)

    assert found.mismatches == ()
    assert again.devices["GPU-0"].controller == world.state.devices["GPU-0"].controller
    assert snapshot(again) == snapshot(world.state)


def test_every_decision_is_a_fact_with_its_reason_and_a_line_of_the_log():
    world = GpuRace(gpu(noise_points=0.0), target_gpu_utilization=60.0)

    world.run(15)

    first, second = world.of(events.ConcurrencyChanged)
    assert (first.blocks, second.blocks) == (2, 3)
    assert sentence(first) == (
        "GPU-0: 2 blocks in flight from now on (20 % busy, target 60 %): more fit"
    )


def test_a_new_batch_size_is_learnt_anew_from_the_number_in_flight():
    world = GpuRace(gpu(), target_gpu_utilization=80.0)
    world.run(25)

    world.tell(events.SettingsChanged(changes={"batch_size": 5000}))

    controller = world.state.devices["GPU-0"].controller
    assert (controller.blocks, controller.levels) == (4, {})


def test_first_runs_on_a_new_seat_are_no_measurement():
    world = GpuRace(gpu(), target_gpu_utilization=80.0)
    world.run(25)

    world.executor.leave("gpu-0.1", "killed")
    world.executor.join("gpu-0.1")
    while world._inbox:
        world.tell(world._inbox.popleft())

    assert world.state.workers["gpu-0.1"].practising
    assert world.state.devices["GPU-0"].controller.steady_since_s is None


# ---------------------------------------------------------------- bounds


def test_max_concurrent_bounds_all_gpus_together_and_is_shared_fairly():
    devices = [gpu(linear(10), uuid=f"GPU-{i}", seats=4) for i in range(2)]
    world = GpuRace(*devices, max_concurrent=5)

    world.run(40)

    assert world.most_at_once == 5
    assert (world.blocks("GPU-0"), world.blocks("GPU-1")) == (3, 2)
    assert "max_concurrent allows no more than 2" in world.of(events.ConcurrencyHeld)[0].reason


def test_a_lower_max_concurrent_holds_at_once():
    world = GpuRace(gpu(linear(10)), target_gpu_utilization=95.0)
    world.run(30)
    before = world.blocks()

    world.tell(events.SettingsChanged(changes={"max_concurrent": 2}))

    assert (before, world.blocks()) == (6, 2)
    assert len(world.state.active_workers()) == 2
    assert world.of(events.ConcurrencyChanged)[-1].reason == "max_concurrent allows 2 on this GPU"


def test_a_gpu_that_max_concurrent_leaves_out_has_no_block_and_is_said_to_have_none():
    devices = [gpu(linear(80), uuid=f"GPU-{i}", seats=4, noise_points=0.0) for i in range(2)]
    world = GpuRace(*devices, max_concurrent=1, target_gpu_utilization=80.0)

    world.run(30)

    told = [sentence(f) for f in world.of(events.ConcurrencyHeld) if f.gpu == "GPU-1"]
    assert told == [f"GPU-1 stays at 0 blocks in flight: {regulation.NO_SHARE}"]
    trust = snapshot(world.state).trust
    assert [w for w in trust.warnings if "GPU-1" in w] == told
    assert [load.blocks for load in snapshot(world.state).gpus] == [1, 0]
    assert not [r for r in world.journal if r.kind == "GpuSampled" and "GPU-1" in str(r.payload)]


def test_what_a_gpu_was_without_a_block_is_no_reason_to_send_it_two():
    devices = [gpu(linear(80), uuid=f"GPU-{i}", seats=4, noise_points=0.0) for i in range(2)]
    world = GpuRace(*devices, max_concurrent=1, target_gpu_utilization=80.0)
    world.run(30)

    world.tell(events.SettingsChanged(changes={"max_concurrent": 8}))
    world.run(30)

    assert [f.blocks for f in world.of(events.ConcurrencyChanged) if f.gpu == "GPU-1"] == []
    assert [(load.blocks, load.reason) for load in snapshot(world.state).gpus] == [
        (1, ""),
        (1, ""),
    ]
    again = world.make()
    assert journal.replay(world.journal, again).mismatches == ()


def test_a_gpu_that_loses_its_blocks_to_max_concurrent_is_not_said_to_keep_one():
    devices = [gpu(linear(10), uuid=f"GPU-{i}", seats=4) for i in range(2)]
    world = GpuRace(*devices, target_gpu_utilization=80.0)
    world.run(20)
    changes = len(world.of(events.ConcurrencyChanged))

    world.tell(events.SettingsChanged(changes={"max_concurrent": 1}))

    after = world.of(events.ConcurrencyChanged)[changes:]
    assert [(fact.gpu, fact.blocks) for fact in after] == [("GPU-0", 1)]
    assert world.of(events.ConcurrencyHeld)[-1].reason == regulation.NO_SHARE
    assert snapshot(world.state).gpus[1].utilization_percent is None


def test_memory_bounds_the_blocks_and_the_scoreboard_says_so():
    world = GpuRace(gpu(linear(10), seat_bytes=20e9), target_gpu_utilization=80.0)

    world.run(30)

    assert world.blocks() == 3
    (load,) = snapshot(world.state).gpus
    assert (load.blocks, load.seats, round(load.utilization_percent)) == (3, 6, 30)
    (warning,) = [w for w in snapshot(world.state).trust.warnings if "GPU" in w]
    assert warning.endswith("another block does not fit: 60 of 80 GB used by 3")


def out_of_memory_beyond(blocks, world_of):
    """A candidate that runs out of memory where more blocks are in flight."""

    def run(rng, case, block):
        if world_of[0].blocks() > blocks:
            return Fault(outcome=Outcome.OUT_OF_MEMORY, seconds=0.1)
        return 0.2

    return run


def test_memory_that_runs_out_because_blocks_share_it_is_nobodys_fault():
    worlds = []
    timings = {**TIMINGS, "greedy": out_of_memory_beyond(2, worlds)}
    worlds.append(GpuRace(gpu(linear(10)), timings=timings, target_gpu_utilization=80.0))
    (world,) = worlds

    world.run(40)

    assert world.blocks() == 2
    assert world.state.roster["greedy"].failures == 0
    eased = [f for f in world.of(events.ConcurrencyChanged) if "ran out" in f.reason]
    assert [f.reason for f in eased] == ["greedy ran out of memory beside others"]


def test_who_runs_out_of_memory_alone_on_the_gpu_is_to_blame():
    timings = {**TIMINGS, "greedy": lambda *_: Fault(outcome=Outcome.OUT_OF_MEMORY)}
    world = GpuRace(gpu(linear(10)), timings=timings)

    world.run(15)

    assert world.state.roster["greedy"].out == "fault"


def only_block_beside_an_idle_process_that_holds_memory(*outcomes):
    """A race that fell from two blocks to one; then `late` is put in, and runs out of memory.

    Of further outcomes `later` comes after it.
    """
    entering = dict(zip(("late", "later"), outcomes, strict=False))
    timings = {
        **TIMINGS,
        **{name: lambda *_, left=left: next(left) for name, left in entering.items()},
    }
    world = GpuRace(gpu(linear(50), noise_points=0.0), timings=timings, target_gpu_utilization=95)
    for name in entering:
        world.tell(events.CandidateDropped(candidate=name))
    world.run(20)
    world.tell(events.SettingsChanged(changes={"target_gpu_utilization": 50.0}))
    world.run(20)
    assert world.blocks() == 1
    for name in entering:
        world.tell(events.CandidateBroughtBack(candidate=name))
        world.run(20)
    return world


def out_of_memory(times):
    greedy = itertools.repeat(Fault(outcome=Outcome.OUT_OF_MEMORY, message="8 GB"))
    return itertools.chain(itertools.islice(greedy, times), itertools.repeat(0.2))


def test_nobody_is_blamed_for_the_memory_that_processes_of_idle_seats_hold():
    world = only_block_beside_an_idle_process_that_holds_memory(out_of_memory(2))

    late = world.state.roster["late"]
    assert (late.failures, late.out) == (0, "")
    said = [f.sentence for f in world.of(events.Noted) if "late ran out" in f.sentence]
    (told,) = said
    assert told == (
        "late ran out of memory in the only block in flight, but an idle process holds memory of "
        "this GPU too (start with a lower max_concurrent); nobody is blamed yet"
    )
    assert journal.replay(world.journal, world.make()).mismatches == ()


def test_who_runs_out_again_and_again_is_out_and_told_who_else_held_memory():
    world = only_block_beside_an_idle_process_that_holds_memory(out_of_memory(10**6))

    late = world.state.roster["late"]
    assert (late.out, late.failures) == ("fault", 3)
    assert "8 GB; an idle process holds memory of this GPU too" in late.reason
    assert world.state.devices["GPU-0"].excused["late"] == regulation.EXCUSES


def test_each_candidate_is_told_of_once_the_first_time_it_is_excused():
    world = only_block_beside_an_idle_process_that_holds_memory(out_of_memory(2), out_of_memory(2))

    said = [f.sentence for f in world.of(events.Noted) if "nobody is blamed" in f.sentence]
    assert sorted(sentence.partition(" ran out")[0] for sentence in said) == ["late", "later"]
    assert world.state.devices["GPU-0"].excused == {"late": 2, "later": 2}


def test_where_memory_is_not_measured_a_further_block_is_not_said_to_fit():
    told = GpuRace(gpu(noise_points=0.0), target_gpu_utilization=60.0)
    untold = GpuRace(gpu(noise_points=0.0, memory_bytes=None), target_gpu_utilization=60.0)

    reasons = []
    for world in (told, untold):
        world.run(15)
        reasons.append({fact.reason for fact in world.of(events.ConcurrencyChanged)})

    assert reasons == [
        {"more fit"},
        {"whether more fit is tried: how full the GPU's memory is, is not measured"},
    ]


def test_a_decided_race_says_that_too_few_candidates_are_left_and_a_new_one_ends_that():
    timings = {"fast": seconds(0.1), "slow": seconds(0.4), "late": seconds(0.1)}
    world = GpuRace(
        gpu(), gpu(uuid="GPU-1", seats=1), timings=timings, policy="evidence",
        target_gpu_utilization=60.0,
    )  # fmt: skip
    world.tell(events.CandidateDropped(candidate="late"))

    world.run(60)
    told, watched = world.of(events.ConcurrencyHeld)[-2:], snapshot(world.state)
    world.tell(events.CandidateBroughtBack(candidate="late"))
    again = snapshot(world.state)

    assert [(fact.gpu, fact.blocks) for fact in told] == [("GPU-0", 1), ("GPU-1", 0)]
    assert {fact.reason for fact in told} == {regulation.TOO_FEW}
    assert [load.blocks for load in watched.gpus] == [1, 0]
    assert sentence(told[0]) in watched.trust.warnings
    assert (watched.phase, again.phase) == ("watching", "racing")
    assert regulation.TOO_FEW not in {load.reason for load in again.gpus}


def test_where_no_candidate_computes_on_the_gpu_the_race_says_so():
    world = GpuRace(gpu(steps(0.0), noise_points=0.0), target_gpu_utilization=95.0)

    world.run(60)

    assert snapshot(world.state).gpus[0].reason.startswith("no candidate keeps this GPU busy")


def test_where_all_seats_are_used_the_race_says_so():
    world = GpuRace(gpu(linear(10), seats=2), target_gpu_utilization=80.0)

    world.run(30)

    (held,) = world.of(events.ConcurrencyHeld)
    assert held.reason.startswith("all 2 seats of the GPU are used; start with a higher")


def test_where_the_cpu_feeds_too_slowly_the_race_says_so():
    world = GpuRace(gpu(steps(40, 41, 41)), target_gpu_utilization=95.0)

    world.run(60)

    told = [f for f in world.of(events.ConcurrencyChanged) if "feeds it" in f.reason]
    assert told
    assert not world.of(events.ConcurrencyHeld)
    assert world.blocks() == told[-1].blocks == 1


# ---------------------------------------------------------------- not measured


def test_a_gpu_lost_in_the_middle_is_held_and_said_and_the_race_goes_on():
    world = GpuRace(gpu(lost_at_s=20.0), target_gpu_utilization=80.0)
    world.run(30)
    before = world.state.blocks

    world.run(10)

    assert world.blocks() == 4
    assert world.state.blocks > before
    (held,) = world.of(events.ConcurrencyHeld)
    assert sentence(held) == (
        "GPU-0 stays at 4 blocks in flight: utilisation is not measured: GPU is lost"
    )
    assert snapshot(world.state).gpus[0].utilization_percent is None


def test_a_gpu_that_nobody_samples_is_not_measured():
    world = GpuRace(gpu(), silent=True)

    world.run(15)

    assert world.blocks() == 1
    (held,) = world.of(events.ConcurrencyHeld)
    assert held.reason == "utilisation is not measured: no sample came for 10 s"


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_figure_that_is_no_number_is_not_measured(bad):
    sample = GpuSampled(gpu="GPU-0", utilization_percent=bad, memory_used_bytes=1e9)

    kept = journal.storable(sample)

    assert (kept.utilization_percent, kept.memory_used_bytes) == (None, 1e9)


def test_a_seat_that_stays_away_is_one_block_fewer():
    world = GpuRace(gpu(linear(10), seats=3), target_gpu_utilization=80.0)
    world.run(20)

    world.executor.leave("gpu-0.2", "killed")
    world.run(10)

    assert world.blocks() == 2
    assert world.of(events.ConcurrencyChanged)[-1].reason == "2 seats left"


# ---------------------------------------------------------------- races without


def test_a_race_without_gpu_workers_knows_nothing_of_all_this():
    world = Simulation({"a": timed(0.01), "b": timed(0.02)})

    world.run(until=world.decided)

    kinds = {record.kind for record in world.journal}
    assert not kinds & {"GpuSampled", "ConcurrencyChanged", "ConcurrencyHeld"}
    assert not world.state.devices
    assert snapshot(world.state).gpus == ()


def test_candidates_that_need_no_gpu_run_everywhere_and_no_sample_is_kept():
    world = GpuRace(gpu(seats=2), n_workers=2, needs_gpu=False)

    world.run(15)

    assert set(world.state.active_workers()) == {"cpu-0", "cpu-1", "gpu-0", "gpu-0.1"}
    assert not [r for r in world.journal if r.kind == "GpuSampled"]


def test_a_paused_race_keeps_no_samples():
    world = GpuRace(gpu())
    world.run(5)

    world.tell(events.Paused())

    assert not world.state.listens_to("GPU-0")
