"""First runs: on every worker, before anything counts. Pure.

A first run imports libraries and fills caches, and may hang. So a candidate practises once in
every worker process at every batch size, in a block of its own that is never judged and holds up
nobody's verdict; and its second run somewhere, warm, fixes how often its calls are repeated.
"""

from __future__ import annotations

from parbench_lab.core.measurement import Measurement
from parbench_lab.racing.dispatch import Plan, Wish
from parbench_lab.racing.ledger import Ledger
from parbench_lab.racing.race import Race, Worker

SLOW_S = 5.0
"""A first run that lasts so long needs no second one: nobody would repeat it."""

RUNS_PER_TASK = 4
"""Results come when a task ends, and who just changed the batch size waits for the first ones."""

PATIENCE_S = 1.0
"""How long those who have practised wait for the others."""


def due(race: Race, worker: Worker) -> list[Wish]:
    """Return the practice this worker should do next; more than a task's worth waits."""
    ledger = race.ledger
    wishes = []
    for name in race.racing_names():
        key = (ledger.serial, name)
        if key in worker.practising:
            continue
        first = key not in worker.practised
        second = not first and name not in ledger.settled and name not in ledger.settling
        if first or second:
            worker.practising.add(key)
            if second:
                ledger.settling.add(name)
            wishes.append(Wish(names=(name,), purpose="scout"))
        if len(wishes) == RUNS_PER_TASK:
            break
    return wishes


def at_work(race: Race, worker: Worker) -> bool:
    """Return whether somebody practises on this worker at the present size."""
    return any(serial == race.ledger.serial for serial, _ in worker.practising)


def others_are_late(race: Race) -> bool:
    """Return whether those who are ready should race without the others; asks to be woken."""
    ledger = race.ledger
    if all(name in ledger.settled for name in race.racing_names()):
        return True
    if ledger.patient_until_s is None:
        ledger.patient_until_s = race.at_s + PATIENCE_S
    race.wake_s = ledger.patient_until_s
    return race.at_s >= ledger.patient_until_s


def came_back(race: Race, plan: Plan, measurement: Measurement, worker_name: str) -> None:
    """Take the run of somebody who practised and came back sound."""
    # an epoch of the same size may have been opened meanwhile, which shares what is known
    ledger = race.ledger if race.ledger.serial == plan.ledger.serial else plan.ledger
    name = measurement.candidate
    worker = race.workers.get(worker_name)
    cold = worker is None or (ledger.serial, name) not in worker.practised
    if worker is not None:
        worker.practised.add((ledger.serial, name))
    slow = measurement.values.get("wall_time_s", 0.0) >= SLOW_S
    if cold and not slow:
        if name not in ledger.settled:
            ledger.practised(measurement)
    else:
        ledger.settle(name, measurement, race.settings.min_time_s)


def is_over(race: Race, ledger: Ledger, name: str, worker_name: str) -> None:
    """Note that a practice is no longer under way, however it ended."""
    worker = race.workers.get(worker_name)
    ledger.settling.discard(name)
    if worker is not None:
        worker.practising.discard((ledger.serial, name))
