"""Races on GPU workers: who runs where, blocks alone and together on one device, throttling."""

import dataclasses

from parbench_lab.core.measurement import Measurement, Outcome
from parbench_lab.core.ports import TaskEnded, WorkerInfo, WorkerJoined, WorkerLeft
from parbench_lab.racing import events, journal
from parbench_lab.racing.scoreboard import snapshot
from tests.racing.simulation import Simulation, timed


class SharedGpus(Simulation):
    """Two seats on each GPU; a block in company takes longer, by a factor for each GPU."""

    def __init__(self, factors, *, needs_gpu=("a", "b"), n_workers=0, **knobs):
        self.factors = factors
        self.needs_gpu = needs_gpu
        super().__init__(
            {"a": timed(0.01), "b": timed(0.0102)},
            n_workers=n_workers,
            **{"policy": "never", **knobs},
        )
        for index, uuid in enumerate(factors):
            self.sit(f"gpu-{index}", uuid)
            self.sit(f"gpu-{index}.1", uuid)

    def tell(self, event):
        if isinstance(event, events.CandidateAdded) and event.candidate in self.needs_gpu:
            event = dataclasses.replace(event, resources={"GPU": 1.0})
        super().tell(event)

    def sit(self, name, uuid):
        self.busy_until[name] = self.now_s
        info = WorkerInfo(name=name, process=name, local=True, resources={"GPU": 1.0}, gpu=uuid)
        self.tell(WorkerJoined(worker=info))

    def _start(self, task):
        gpu = self.state.workers[task.worker].info.gpu
        alone = task.blocks[0].purpose == "alone"
        factor = 1.0 if alone else self.factors.get(gpu, 1.0)
        self.runs = {"a": timed(0.01 * factor), "b": timed(0.0102 * factor)}
        super()._start(task)

    def alone(self, gpu):
        return len(self.state.ledger.company_on(gpu).alone)


def hold_all_seats(world):
    """Let the controller of utilisation give blocks to every seat: here it is not the matter."""
    for device in world.state.devices.values():
        device.controller = dataclasses.replace(device.controller, blocks=2)


# ---------------------------------------------------------------- who runs where


def test_where_one_candidate_needs_a_gpu_every_block_runs_on_a_gpu_worker():
    world = SharedGpus({"GPU-a": 1.0}, needs_gpu=("a",), n_workers=2)

    world.run(until=world.judged(60))

    assert {task.worker for task in world.sent} <= {"gpu-0", "gpu-0.1"}
    assert {slot.candidate for task in world.sent for b in task.blocks for slot in b.slots} == {
        "a",
        "b",
    }


def test_where_nobody_needs_a_gpu_all_workers_run():
    world = SharedGpus({"GPU-a": 1.0}, needs_gpu=(), n_workers=2)

    world.run(until=world.judged(60))

    assert {task.worker for task in world.sent} == {"cpu-0", "cpu-1", "gpu-0", "gpu-0.1"}


def test_a_gpu_that_workers_only_see_does_not_hold_a_race_on_one_of_them():
    world = SharedGpus({}, needs_gpu=(), target_gpu_utilization=90.0)
    for name in ("cpu-0", "cpu-1"):
        world.busy_until[name] = world.now_s
        info = WorkerInfo(name=name, process=name, local=True, gpu="GPU-a")
        world.tell(WorkerJoined(worker=info))

    world.run(until=world.judged(60))

    assert {task.worker for task in world.sent} == {"cpu-0", "cpu-1"}
    assert not world.state.listens_to("GPU-a")


def test_that_nobody_offers_a_gpu_is_said_once_and_not_while_workers_still_join():
    world = SharedGpus({}, n_workers=2)
    said = [fact.sentence for fact in world.of(events.Noted)]

    while world.now_s < 5 and world.state.next_tick_s() is not None:
        world.step()

    assert said == []
    assert [fact.sentence for fact in world.of(events.Noted)] == [
        "no worker offers what the candidates need (GPU)"
    ]
    assert world.now_s == 2.0


def test_a_candidate_first_seen_on_a_seat_practises_there():
    world = SharedGpus({"GPU-a": 1.0})
    hold_all_seats(world)

    world.run(until=world.judged(60))

    first = {}
    for task in world.sent:
        for block in task.blocks:
            for slot in block.slots:
                first.setdefault((task.worker, slot.candidate), block.purpose)
    assert first == {(seat, name): "scout" for seat in ("gpu-0", "gpu-0.1") for name in ("a", "b")}


# ---------------------------------------------------------------- interference


def interfering(factors):
    world = SharedGpus(factors, interference_every_s=0.5)
    hold_all_seats(world)
    world.run(until=lambda: all(world.alone(gpu) > 30 for gpu in factors))
    return world


def test_interference_on_a_shared_gpu_is_that_of_its_seats_and_is_told_so():
    world = interfering({"GPU-a": 1.5})

    trust = snapshot(world.state).trust

    assert 0.4 < trust.interference.point < 0.6
    assert (
        "slower while its other seats are busy than alone on the GPU of gpu-0: lower "
        "target_gpu_utilization or max_concurrent" in " ".join(trust.warnings)
    )


def test_interference_is_measured_on_each_gpu_and_the_worst_is_named():
    world = interfering({"GPU-a": 1.0, "GPU-b": 1.5})

    trust = snapshot(world.state).trust

    assert trust.interference.low > 0.3
    assert "alone on the GPU of gpu-1" in " ".join(trust.warnings)


def test_a_block_on_another_gpu_is_no_company_where_the_seats_of_this_one_are_idle():
    world = SharedGpus({"GPU-a": 1.5, "GPU-b": 1.5}, interference_every_s=0.5)

    world.run(until=lambda: all(world.alone(gpu) > 30 for gpu in ("GPU-a", "GPU-b")))

    trust = snapshot(world.state).trust
    assert len(world.state.active_workers()) == 2
    assert trust.interference is None
    assert not [words for words in trust.warnings if "its other seats are busy" in words]
    again = world.make()
    assert journal.replay(world.journal, again).mismatches == ()
    assert snapshot(again).trust == trust


def test_where_every_gpu_has_one_seat_the_company_is_all_other_workers():
    world = SharedGpus({"GPU-a": 1.5, "GPU-b": 1.5}, interference_every_s=0.5)
    for name in ("gpu-0.1", "gpu-1.1"):
        world.tell(WorkerLeft(worker=name, reason="closed"))

    world.run(until=lambda: all(world.alone(gpu) > 30 for gpu in ("GPU-a", "GPU-b")))

    trust = snapshot(world.state).trust
    assert 0.4 < trust.interference.point < 0.6
    assert "all workers are busy than alone" in " ".join(trust.warnings)


def test_all_other_workers_are_idle_while_a_block_runs_alone():
    world = SharedGpus({"GPU-a": 1.5, "GPU-b": 1.5}, interference_every_s=0.5)
    hold_all_seats(world)
    busy = []
    inner = world._start

    def start(task):
        if task.blocks[0].purpose == "alone":
            busy.append(world.state.in_flight())
        inner(task)

    world._start = start
    world.run(until=lambda: len(busy) > 5)

    assert set(busy) == {1}


# ---------------------------------------------------------------- throttling


def throttle(world, reasons):
    """Mark the blocks of the next tasks as throttled."""
    inner = world.tell

    def tell(event):
        if isinstance(event, TaskEnded):
            marked = tuple(dataclasses.replace(r, throttled=reasons) for r in event.results)
            event = dataclasses.replace(event, results=marked)
        inner(event)

    world.tell = tell


def test_throttled_blocks_are_counted_beside_the_ranking_and_survive_the_journal():
    world = SharedGpus({"GPU-a": 1.0})
    world.run(until=world.judged(20))
    cool = world.state.blocks

    throttle(world, ("thermal",))
    world.run(until=world.judged(40))

    trust = snapshot(world.state).trust
    hot = world.state.blocks - cool
    assert trust.throttled_blocks == hot > 0
    assert (
        f"{hot} of {world.state.blocks} blocks ran while the GPU was throttled (thermal): their "
        "times are those of a slower clock"
    ) in trust.warnings
    again = world.make()
    assert journal.replay(world.journal, again).mismatches == ()
    assert snapshot(again).trust.throttled_blocks == hot


def test_a_journal_without_throttled_blocks_says_nothing_of_them():
    world = SharedGpus({"GPU-a": 1.0})

    world.run(until=world.judged(20))

    ended = [record.payload for record in world.journal if record.kind == "TaskEnded"]
    assert ended
    assert not any("throttled" in payload for payload in ended)


# ---------------------------------------------------------------- what cannot be measured


def test_an_objective_that_is_not_measured_here_is_said_once():
    def run(rng, slot, block):
        return Measurement(
            candidate=slot.candidate, outcome=Outcome.OK, values={"wall_time_s": 0.01}
        )

    world = Simulation({"a": run, "b": run}, objectives=("gpu_energy_j",))

    for _ in range(60):
        world.step()

    said = [fact.sentence for fact in world.of(events.Noted)]
    assert len(said) == 1
    assert "was not measured, so nobody can be judged by it" in said[0]
    assert said[0].startswith(("gpu_energy_j of a ", "gpu_energy_j of b "))  # who is drawn first
    assert "runs of 1 s or more" in said[0]
