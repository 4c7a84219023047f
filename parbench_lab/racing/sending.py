"""Who gets which blocks next. Pure."""

from __future__ import annotations

from collections import deque
from typing import Literal

from parbench_lab.core.metric import MEASURED_METRICS
from parbench_lab.racing import allocation, events, practice
from parbench_lab.racing.dispatch import Plan, Wish
from parbench_lab.racing.race import Challenge, Race

QUEUED_TASKS = 2
MOST_TASKS = 6
"""Of a worker, with those that were recalled and are still on their way back."""
ALONE_AFTER_BLOCKS = 20
CHALLENGE_SHARE = 0.1
JOINING_S = 2.0
"""Workers of a cluster that starts join one after the other."""


def fill(race: Race) -> None:
    """Give every worker that may execute its next task, and one more to wait."""
    active = race.active_workers()
    if active:
        race.missing_since_s, race.missing_noted = None, False
    elif race.had_workers and not race.missing_noted:
        _note_missing(race)
    if race.phase == "paused" or not active or _hold_for_quiet(race, active):
        return
    if race.phase == "watching":
        _fill_watch(race, active[0])
        return
    for depth in range(1, QUEUED_TASKS + 1):
        for name in active:
            if _has_room(race, name, depth) and _may_begin(race, name):
                _send_next(race, name)


def _may_begin(race: Race, name: str) -> bool:
    """Return whether a worker is at work, or may be while those whose turn is over still are."""
    most = race.settings.max_concurrent
    if most is None or race.workers[name].tasks:
        return True
    return sum(bool(worker.tasks) for worker in race.workers.values()) < most


def _has_room(race: Race, name: str, depth: int) -> bool:
    """Return whether a worker has fewer tasks than that; recalled ones do not hold up new ones."""
    tasks = race.workers[name].tasks
    return len(tasks) < MOST_TASKS and sum(task > race.recalled for task in tasks) < depth


def _note_missing(race: Race) -> None:
    """Say that nobody can run what is in the race, once those who join had time to come."""
    if race.phase == "paused" and not race.workers:  # it does not go on when one joins
        race.missing_since_s = None
        return
    if race.missing_since_s is None:
        race.missing_since_s = race.at_s
    race.wake_s = race.missing_since_s + JOINING_S
    if race.at_s < race.wake_s:
        return
    race.missing_noted = True
    needs = {r for e in race.roster if e.fit for r in e.resources}
    sentence = f"no worker offers what the candidates need ({', '.join(sorted(needs))})"
    if not race.workers:
        sentence = "no worker is left: the race goes on when one joins"
    race.facts.append(events.Noted(sentence=sentence))


def _fill_watch(race: Race, worker: str) -> None:
    """Keep one worker busy for a share of the time."""
    if race.in_flight() or race.at_s < race.next_watch_s:
        return
    _send_next(race, worker)
    busy_s = max(race.task_time_s(), race.block_s() or 0.0)
    race.next_watch_s = race.at_s + busy_s / race.settings.watch_duty


def _hold_for_quiet(race: Race, active: list[str]) -> bool:
    """Measure interference: drain every worker, then race on one alone; each GPU has its turn."""
    if race.quiet == "" and _alone_is_due(race, active):
        race.quiet = "draining"
    if race.quiet == "draining" and not race.in_flight():
        race.next_alone_s = race.at_s + race.settings.interference_every_s
        plans = _race_plans(race, purpose="alone")
        race.quiet = "alone" if plans else ""
        if plans:
            _send(race, _least_heard_alone(race, active), plans)
    return race.quiet != ""


def _least_heard_alone(race: Race, active: list[str]) -> str:
    """Return the first of the workers on whose GPU the fewest blocks ran alone so far."""
    return min(active, key=lambda name: len(race.ledger.company_on(race.gpu_of(name)).alone))


def _alone_is_due(race: Race, active: list[str]) -> bool:
    every = race.settings.interference_every_s
    if every <= 0 or race.phase != "racing" or len(active) < 2:
        return False
    if race.ledger.judged < ALONE_AFTER_BLOCKS or race.block_s() is None:
        return False
    return race.next_alone_s is None or race.at_s >= race.next_alone_s


def _send_next(race: Race, name: str) -> None:
    worker = race.workers[name]
    plans = [_plan(race, wish) for wish in practice.due(race, worker)]
    if not plans and practice.at_work(race, worker):
        return  # a race block behind a slow first run would hold up everybody's verdicts
    plans = plans or race.dispatcher.take_resends(race.task_blocks()) or _race_plans(race)
    if plans:
        _send(race, name, plans)


def _send(race: Race, worker: str, plans: list[Plan]) -> None:
    task = race.dispatcher.task(worker, plans, race.settings)
    race.workers[worker].tasks.add(task.number)
    race.facts.append(events.TaskSent(task=task))
    race.commands.append(events.Send(task=task))


def _race_plans(race: Race, *, purpose: Literal["race", "alone"] = "race") -> list[Plan]:
    ranked = race.ranked()
    if not ranked or not practice.others_are_late(race):
        return []
    race.ledger.line_up(race.settings.min_time_s)
    return [_race_plan(race, ranked, purpose) for _ in range(race.task_blocks())]


def _race_plan(race: Race, ranked: list[str], purpose: Literal["race", "alone"]) -> Plan:
    ledger, settings = race.ledger, race.settings
    names = allocation.members(settings.allocation, ranked, ledger.race_blocks)
    leader = ledger.record.leader
    every = settings.canary_every
    canary = every > 0 and ledger.race_blocks % every == every - 1 and leader in names
    challenger = _next_challenger(race) if purpose == "race" else None
    ledger.race_blocks += 1
    return _plan(
        race,
        Wish(
            names=tuple(names),
            purpose="challenge" if challenger else purpose,
            canary=leader if canary else None,
            challenger=challenger,
        ),
    )


def _next_challenger(race: Race) -> str | None:
    """Return who is retested in this block, starting a retest where one is due."""
    every = race.settings.challenge_every
    if not every or race.suspended:
        return None
    watching = race.phase == "watching"
    count = race.ledger.race_blocks
    if count % (2 if watching else every):
        return None
    if not watching and race.challenge_s > CHALLENGE_SHARE * race.inside_s:
        return None
    if race.challenge is None:
        race.challenge = _new_challenge(race)
    return race.challenge.name if race.challenge else None


def _new_challenge(race: Race) -> Challenge | None:
    record = race.ledger.record
    beaten = [n for n in race.roster.fit() if race.beaten(n) and n in race.ledger.settled]
    if not beaten or record.leader is None:
        return None
    waiting = [n for n in race.challenged if n in beaten]
    fresh = [n for n in beaten if n not in waiting]
    name = fresh[0] if fresh else waiting[0]
    race.challenged = deque([*[n for n in waiting if n != name], name])
    return Challenge(name=name, record=race.fresh_record((*record.survivors, name)))


def _plan(race: Race, wish: Wish) -> Plan:
    own = any(name not in MEASURED_METRICS for name in race.objectives())
    return race.dispatcher.new_plan(
        wish,
        epoch=race.epoch,
        ledger=race.ledger,
        settings=race.settings,
        always_check=own or bool(race.settings.constraints),
    )
