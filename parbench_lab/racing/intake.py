"""What comes back from workers: results, faults, losses. Pure."""

from __future__ import annotations

from collections.abc import Collection

from parbench_lab.core.block import Task
from parbench_lab.core.measurement import BlockResult, Measurement, Outcome
from parbench_lab.core.metric import DEVICE_METRICS, SOURCES
from parbench_lab.core.ports import TaskEnded, WorkerLeft
from parbench_lab.racing import events, judging, practice, regulation
from parbench_lab.racing.constraints import broken_constraint
from parbench_lab.racing.dispatch import Plan
from parbench_lab.racing.race import Race
from parbench_lab.racing.roster import Entrant

LONGEST_FIRST_LIMIT_S = 600.0


def worker_left(race: Race, event: WorkerLeft) -> None:
    """Take a worker out; what it held is sent again."""
    worker = race.workers.pop(event.worker, None)
    if worker is None:
        return
    for number in sorted(worker.tasks):
        _close_task(race, race.dispatcher.tasks.pop(number), came_back=())
    race.facts.append(events.Noted(sentence=f"worker {event.worker} left: {event.reason}"))


def task_ended(race: Race, event: TaskEnded) -> None:
    """Take a task's results, then judge whatever can be judged."""
    task = race.dispatcher.tasks.pop(event.task, None)
    if task is None:
        return
    if event.worker in race.workers:
        race.workers[event.worker].tasks.discard(event.task)
    for result in event.results:
        _receive(race, result)
    if event.suspicion is not None:
        _suspect(race, event.suspicion.candidate, event.suspicion.reason)
    _close_task(race, task, came_back=[result.number for result in event.results])
    judging.judge_all(race)


def _close_task(race: Race, task: Task, *, came_back: Collection[int]) -> None:
    """Send again what was not run."""
    for block in task.blocks:
        if block.number not in came_back:
            _give_back(race, block.number, task.worker)
    if task.blocks[0].purpose == "alone":
        race.quiet = ""


def _give_back(race: Race, number: int, worker: str) -> None:
    scout = race.dispatcher.give_back(number, wanted=race.ledger, settings=race.settings)
    if scout is not None:
        practice.is_over(race, scout.ledger, scout.block.slots[0].candidate, worker)


def _suspect(race: Race, name: str, reason: str) -> None:
    if race.roster.blame(name):
        _fail(race, race.roster[name], Outcome.CRASHED, f"its worker died again: {reason}")
    else:
        sentence = f"a worker died while {name} ran ({reason}); nobody is blamed yet"
        race.facts.append(events.Noted(sentence=sentence))


def _receive(race: Race, result: BlockResult) -> None:
    plan = race.dispatcher.plan(result.number)
    if plan is None:
        return
    plan.ledger.made_case(result.made_case_s)
    race.blocks += 1
    race.measured_on.add(result.worker)
    if result.throttled:
        race.throttled_blocks += 1
        race.throttle_reasons.update(dict.fromkeys(result.throttled))
    for measurement in result.measurements:
        _receive_one(race, plan, measurement, result.worker)
    race.dispatcher.arrive(result)


def _receive_one(race: Race, plan: Plan, measurement: Measurement, worker: str) -> None:
    race.measurements += 1
    seconds = measurement.values.get("wall_time_s", 0.0) * measurement.repeats
    race.inside_s += seconds
    name = measurement.candidate
    race.roster.credit(measurement)
    scout = plan.block.purpose == "scout"
    if scout:
        practice.is_over(race, plan.ledger, name, worker)
    if name == plan.challenger and race.challenge is not None:
        race.challenge_s += seconds
    if measurement.outcome is not Outcome.OK:
        _fault(race, plan, measurement, worker)
        return
    broken = broken_constraint(race.settings.constraints, measurement.values)
    if broken:
        _fail(race, race.roster[name], Outcome.FAILED, broken)
        return
    if scout:
        if race.roster[name].fit:
            practice.came_back(race, plan, measurement, worker)
        return
    if measurement.warm_up:
        return
    plan.ledger.sample(measurement)
    cost = plan.ledger.costs(measurement)
    if cost is not None:
        race.residuals.update(worker, name, cost[0])
    else:
        _note_unmeasured(race, plan, measurement)


def _note_unmeasured(race: Race, plan: Plan, measurement: Measurement) -> None:
    """Say, once a metric, that the race is about something that cannot be measured here."""
    for metric in plan.ledger.objectives:
        name = metric.name
        if name in DEVICE_METRICS and name not in {*measurement.values, *race.unmeasured_noted}:
            race.unmeasured_noted.add(name)
            sentence = (
                f"{name} of {measurement.candidate} was not measured, so nobody can be judged by "
                f"it; it is read from {SOURCES[name]}"
            )
            race.facts.append(events.Noted(sentence=sentence))


def _fault(race: Race, plan: Plan, measurement: Measurement, worker: str) -> None:
    entrant = race.roster[measurement.candidate]
    message = measurement.message
    if measurement.outcome is Outcome.OUT_OF_MEMORY:
        if regulation.ran_out(race, worker, entrant.name, plan.block.number):
            return
        message = "; ".join(filter(None, (message, regulation.beside_words(race, worker))))
    if measurement.outcome is Outcome.TIMED_OUT and _was_hasty(race, plan, entrant):
        return
    _fail(race, entrant, measurement.outcome, message)


def _was_hasty(race: Race, plan: Plan, entrant: Entrant) -> bool:
    """Return whether a first run met a limit that was only a guess.

    Before anybody came back the guess doubles. After that the limit is no guess, unless what is
    known by now allows twice as much.
    """
    if plan.block.purpose != "scout" or race.settings.timeout_s is not None:
        return False
    given_s = plan.block.slots[0].timeout_s
    fit = race.roster.fit()
    now_s = plan.ledger.time_limit_s(fit, race.settings)
    if any(plan.ledger.typical_s(name) is not None for name in fit):
        hasty = now_s >= 2 * given_s
    else:
        hasty = now_s >= given_s and given_s < LONGEST_FIRST_LIMIT_S
        if hasty and now_s == given_s:
            plan.ledger.first_limit_s = 2 * given_s
    if not hasty:
        return False
    sentence = f"{entrant.name} did not come back within {given_s:g} s; tried again with more"
    race.facts.append(events.Noted(sentence=sentence))
    return True


def _fail(race: Race, entrant: Entrant, outcome: Outcome, message: str) -> None:
    """Count a failure; a wrong result or one too many puts the candidate out."""
    if not entrant.fit:
        return
    entrant.outcome, entrant.reason = outcome, message
    entrant.failures += 1
    limit = race.settings.max_failures
    if outcome is Outcome.WRONG:
        _fault_out(race, entrant, f"wrong result: {message}")
    elif entrant.failures >= limit:
        times = f"{entrant.failures} failures" if limit > 1 else "a failure"
        _fault_out(race, entrant, f"{times}, the last: {outcome.value}: {message}")


def _fault_out(race: Race, entrant: Entrant, reason: str) -> None:
    others = [name for name in race.roster.fit() if name != entrant.name]
    if not others:
        race.refuse(entrant.name, reason, "the last survivor is never dropped")
        race.end("failed", f"no candidate is left that works: {entrant.name}: {reason}")
        return
    led = entrant.name in (race.noted_leader, race.ledger.record.leader)
    beaten = [name for name in others if race.beaten(name)]
    race.put_out(entrant, "fault", reason)
    if led and beaten:
        race.open_epoch(f"{entrant.name} is out; those it had beaten line up again", fresh=True)
