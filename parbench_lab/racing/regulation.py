"""GPU utilisation in a race: when a sample counts, what bounds each GPU, what is told. Pure.

The blocks in flight on a GPU are those of its workers (its seats) that get tasks. How many do is
decided by `utilization`, for each GPU on its own, and only where every block runs on a GPU worker;
in a race without GPU workers nothing here does anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from parbench_lab.core.ports import GpuSampled, WorkerInfo
from parbench_lab.racing import allocation, events
from parbench_lab.racing.concurrency import Controller, Room, bounded, eased, steadied
from parbench_lab.racing.race import Device, Race
from parbench_lab.racing.utilization import decide

SILENCE_S = 10.0
"""A GPU that is not heard of for so long is not measured."""

EXCUSES = 3
"""So often a candidate may run out of memory alone beside idle processes that hold some."""

TOO_FEW = (
    "too few candidates are left: the race is decided and only watches its leader; add candidates "
    "to race on"
)
"""Why no GPU is kept at its target any more; before that there is always another block."""

NO_SHARE = "max_concurrent gives this GPU no block; raise it"
"""Why a GPU is not regulated: of more GPUs than `max_concurrent` some get no block."""


def joined(race: Race, worker: WorkerInfo) -> None:
    """Take note of a worker's GPU."""
    if worker.gpu and worker.gpu not in race.devices:
        race.devices[worker.gpu] = Device()


def listens_to(race: Race, gpu: str) -> bool:
    """Return whether samples of this GPU decide anything now."""
    return race.phase == "racing" and gpu in race.devices and _is_served(race, gpu)


def keep_within(race: Race) -> None:
    """Keep every GPU within `max_concurrent`, at once."""
    if race.devices and race.settings.max_concurrent is not None:
        for gpu, room in rooms(race).items():
            device = race.devices[gpu]
            after = bounded(device.controller, room)
            if room.share == 0:
                device.controller = after  # not told: 1 is what it begins with, and 0 in flight
            else:
                _set(race, gpu, after)


def sampled(race: Race, sample: GpuSampled) -> None:
    """Let a sample decide."""
    room = rooms(race).get(sample.gpu)
    if room is None or not listens_to(race, sample.gpu):
        return
    device = race.devices[sample.gpu]
    device.heard_s = race.at_s
    _decide(race, sample, device, room)


def ran_out(race: Race, worker: str, candidate: str, block: int) -> bool:
    """Return whether memory ran out because others share a GPU: then fewer blocks do from now on.

    Nobody is blamed for that; who runs out of memory alone on the device is. With a single block
    in flight the processes of idle seats may still hold what they took, and nobody can make them
    give it back: a candidate is excused `EXCUSES` times, or the race would try for ever.
    """
    gpu = race.seats().get(worker)
    if gpu is None:
        return False
    device = race.devices[gpu]
    if block < device.eased_block:
        return True
    if device.controller.blocks == 1:
        return _is_excused(race, device, worker, candidate)
    device.eased_block = race.dispatcher.next_block
    _set(race, gpu, eased(device.controller, f"{candidate} ran out of memory beside others"))
    return True


def beside_words(race: Race, worker: str) -> str:
    """Return, for who ran out of memory, which idle processes share its GPU; empty if none do."""
    idle = _holding_beside(race, worker)
    if not idle:
        return ""
    hold = "an idle process holds" if idle == 1 else f"{idle} idle processes hold"
    return f"{hold} memory of this GPU too (start with a lower max_concurrent)"


def _is_excused(race: Race, device: Device, worker: str, candidate: str) -> bool:
    beside = beside_words(race, worker)
    if not beside or device.excused[candidate] == EXCUSES:
        return False
    device.excused[candidate] += 1
    if device.excused[candidate] == 1:
        sentence = f"{candidate} ran out of memory in the only block in flight, but {beside}"
        race.facts.append(events.Noted(sentence=f"{sentence}; nobody is blamed yet"))
    return True


def _holding_beside(race: Race, worker: str) -> int:
    """Return how many other processes on a worker's GPU hold memory while they are idle."""
    seats = race.seats()
    return sum(
        name != worker and gpu == seats.get(worker) and _holds_memory(race, name)
        for name, gpu in seats.items()
    )


def watch(race: Race) -> None:
    """Note on which GPUs just the decided blocks are in flight, and which are silent."""
    if not race.devices:
        return
    seats = race.seats()
    blocks = {gpu: device.controller.blocks for gpu, device in race.devices.items()}
    active = frozenset(allocation.seats_at_work(seats, blocks, race.settings.max_concurrent))
    calm = race.phase == "racing" and not race.quiet and bool(seats)
    _note_rest(race, seats)
    for gpu, device in race.devices.items():
        mine = [name for name, own in seats.items() if own == gpu]
        # none of the decided blocks is in flight where max_concurrent leaves none to a GPU
        served = not active.isdisjoint(mine)
        steady = calm and all(_is_as_decided(race, name, name in active) for name in mine)
        device.controller = steadied(device.controller, race.at_s, steady=steady and served)
        if not calm or not served or device.heard_s is None:
            device.heard_s = race.at_s
        elif race.at_s - device.heard_s > SILENCE_S:
            _fell_silent(race, gpu, device)


def blocks_in_flight(race: Race, gpu: str) -> int:
    """Return how many blocks are in flight on a GPU; a decided race keeps one of its seats.

    None are where `max_concurrent` is less than the number of GPUs and leaves this one out.
    """
    if race.phase != "watching":
        return race.devices[gpu].controller.blocks if _is_served(race, gpu) else 0
    seats = race.seats()
    return sum(seats.get(name) == gpu for name in race.active_workers()[:1])


def rooms(race: Race) -> dict[str, Room]:
    """Return what bounds each GPU that gets blocks, by UUID."""
    seats = race.seats()
    most = race.settings.max_concurrent
    shared = allocation.seats_at_work(seats, {}, most)
    shares = Counter(seats[name] for name in shared)
    holding = Counter(gpu for name, gpu in seats.items() if _holds_memory(race, name))
    return {
        gpu: Room(
            seats=count,
            share=shares[gpu] if len(shared) < len(seats) else None,
            holding=holding[gpu],
        )
        for gpu, count in sorted(Counter(seats.values()).items())
    }


def _is_served(race: Race, gpu: str) -> bool:
    """Return whether any seat of a GPU gets blocks."""
    seats = race.seats()
    return any(seats.get(name) == gpu for name in race.active_workers())


def rest_reason(race: Race, gpu: str) -> str:
    """Return why a GPU is not regulated now, empty where it is."""
    if race.phase == "watching":
        return TOO_FEW
    if race.phase != "racing" or race.settings.max_concurrent is None:
        return ""  # then every GPU has its first seat at work
    return "" if _is_served(race, gpu) else NO_SHARE


def _is_as_decided(race: Race, name: str, active: bool) -> bool:  # noqa: FBT001 - one of two
    """Return whether a seat is at work on race blocks if it should be, and idle if not."""
    worker = race.workers[name]
    return bool(worker.tasks) == active and not worker.practising


def _holds_memory(race: Race, name: str) -> bool:
    worker = race.workers[name]
    return bool(worker.practised or worker.practising)


def _note_rest(race: Race, seats: Mapping[str, str]) -> None:
    """Tell once of each GPU that it is not kept busy, and why."""
    if race.phase not in ("racing", "watching"):
        return
    for gpu in sorted(set(seats.values())):
        device = race.devices[gpu]
        before, device.rests = device.rests, rest_reason(race, gpu)
        if device.rests and device.rests != before:
            race.facts.append(
                events.ConcurrencyHeld(
                    gpu=gpu,
                    blocks=blocks_in_flight(race, gpu),
                    utilization_percent=None,
                    target_percent=race.settings.target_gpu_utilization,
                    reason=device.rests,
                )
            )


def _fell_silent(race: Race, gpu: str, device: Device) -> None:
    reason = f"no sample came for {SILENCE_S:g} s"
    silent = GpuSampled(gpu=gpu, utilization_percent=None, reason=reason)
    _decide(race, silent, device, rooms(race)[gpu])


def _decide(race: Race, sample: GpuSampled, device: Device, room: Room) -> None:
    target = race.settings.target_gpu_utilization
    _set(
        race,
        sample.gpu,
        decide(device.controller, sample, race.at_s, target_percent=target, room=room),
    )


def _set(race: Race, gpu: str, after: Controller) -> None:
    """Carry out a decision, and tell of it what was not told before."""
    device = race.devices[gpu]
    before, device.controller = device.controller, after
    if after.blocks != before.blocks:
        kind: type[events.ConcurrencyChanged | events.ConcurrencyHeld] = events.ConcurrencyChanged
        percent = after.levels[before.blocks].percent if before.blocks in after.levels else None
    elif after.misses and after.why not in after.told:
        kind, percent = events.ConcurrencyHeld, after.percent
        device.controller = replace(after, told=after.told | {after.why})
    else:
        return
    race.facts.append(
        kind(
            gpu=gpu,
            blocks=after.blocks,
            utilization_percent=percent,
            target_percent=race.settings.target_gpu_utilization,
            reason=after.reason,
        )
    )
