"""Finished blocks into evidence, evidence into verdicts. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from parbench_lab.analysis.record import EpochRecord
from parbench_lab.core.measurement import BlockResult, Measurement, Outcome
from parbench_lab.core.runs import BECAME_SLOWER
from parbench_lab.core.standing import Verdict
from parbench_lab.core.wording import odds, printable
from parbench_lab.elimination.policy import EliminationPolicy
from parbench_lab.errors import RaceError
from parbench_lab.racing import events
from parbench_lab.racing.dispatch import Plan
from parbench_lab.racing.ledger import Ledger
from parbench_lab.racing.race import Race, Vigil

MIN_DECIDED_BLOCKS = 5
MIN_LEAD_BLOCKS = 10
CHALLENGE_BLOCKS = VIGIL_BLOCKS = 500
"""So many blocks a retest lasts, and the survivors of a decision are watched on one account."""


def judge_all(race: Race) -> None:
    """Judge every block whose turn has come, then let the policy propose."""
    leader = race.ledger.record.leader
    waiting: dict[int, tuple[Ledger, list[dict[str, tuple[float, ...]]]]] = {}
    for plan, result in race.dispatcher.judgeable():
        costs = _judge(race, plan, result, leader)
        waiting.setdefault(id(plan.ledger), (plan.ledger, []))[1].append(costs)
    for ledger, blocks in waiting.values():
        ledger.record.judge(*blocks)
    if waiting and race.ended is None:
        _verdicts(race)


def _judge(
    race: Race, plan: Plan, result: BlockResult, leader: str | None
) -> dict[str, tuple[float, ...]]:
    """Take a block into account everywhere but in its ledger's record; return its costs."""
    ledger = plan.ledger
    costs: dict[str, tuple[float, ...]] = {}
    other: tuple[float, ...] | None = None
    copies = Counter(slot.candidate for slot in plan.block.slots)
    for measurement in result.measurements:
        cost = _judged_cost(race, ledger, measurement)
        if cost is None:
            continue
        if copies[measurement.candidate] > 1 and measurement.copy != plan.counted_copy:
            other = cost
        else:
            costs[measurement.candidate] = cost
    _judge_canary(race, plan, costs, other)
    ledger.judged += 1
    race.rate.append((race.at_s, 1))
    if leader in costs:
        _note_company(race, plan, result.worker, costs[leader][0])
    challenge = race.challenge
    if challenge is not None and plan.challenger == challenge.name:
        challenge.record.judge(costs)
        challenge.blocks += 1
    if race.phase == "watching" and ledger is race.ledger and len(ledger.record.survivors) > 1:
        if race.vigil is None:
            race.vigil = Vigil(record=race.fresh_record(ledger.record.survivors))
        race.vigil.record.judge(costs)
        race.vigil.blocks += 1
    return costs


def _note_company(race: Race, plan: Plan, worker: str, cost: float) -> None:
    """Keep a cost of the leader, with whether others were at work meanwhile.

    On a GPU of several seats the others are its seats: who is busy elsewhere is no company there.
    """
    seats = race.seats()
    gpu = seats.get(worker, "")
    company = plan.ledger.company_on(gpu)
    if plan.block.purpose == "alone":
        company.alone.append(cost)
    elif race.settings.max_concurrent == 1:
        return  # one block in flight has no company
    elif not gpu or len(_beside(seats, gpu, race.active_workers())) > 1:
        company.together.append(cost)


def _beside(seats: Mapping[str, str], gpu: str, active: Sequence[str]) -> Sequence[str]:
    """Return those of the active workers whose work is felt on a GPU, its own seats included."""
    if sum(own == gpu for own in seats.values()) < 2:
        return active
    return [name for name in active if seats[name] == gpu]


def _judged_cost(race: Race, ledger: Ledger, measurement: Measurement) -> tuple[float, ...] | None:
    if measurement.warm_up or not race.roster[measurement.candidate].fit:
        return None
    if measurement.outcome is Outcome.TIMED_OUT:
        return (float("inf"),) * len(ledger.objectives)
    if measurement.outcome is not Outcome.OK:
        return None
    return ledger.costs(measurement)


def _judge_canary(
    race: Race, plan: Plan, costs: Mapping[str, tuple[float, ...]], other: tuple[float, ...] | None
) -> None:
    twice = [s.candidate for s in plan.block.slots if s.copy == 1]
    if other is None or not twice or twice[0] not in costs:
        return
    canary = plan.ledger.canary
    canary.update(costs[twice[0]][0], other[0])
    if plan.ledger is not race.ledger or race.suspended:
        return
    if canary.evidence >= race.settings.elimination_threshold:
        race.suspended = (
            f"the canary told identical code apart ({odds(canary.evidence)} over "
            f"{canary.blocks} blocks): verdicts are suspended until you resume"
        )
        race.facts.append(events.VerdictsSuspended(reason=race.suspended))


def _verdicts(race: Race) -> None:
    record = race.ledger.record
    _note_lead(race, record)
    if race.suspended:
        return
    for verdict in _proposals(race, record):
        _dispose(race, verdict)
    _judge_challenge(race)
    if race.phase == "racing" and is_decided(race):
        _decide(race)
    elif race.phase == "watching":
        _judge_vigil(race)
    if race.phase == "watching":
        reopen_if_undecided(race, "the evidence no longer decides")


def _proposals(race: Race, record: EpochRecord) -> tuple[Verdict, ...]:
    """Return what the policy proposes; it may be anybody's code, so its word is checked.

    Raises
    ------
    RaceError
        Naming the policy and what it did.
    """
    policy = race.policy
    try:
        proposed: object = policy.judge(
            record,
            elimination_threshold=race.settings.elimination_threshold,
            tolerance=race.settings.tolerance,
        )
        found = tuple(proposed) if isinstance(proposed, Iterable) else (proposed,)
    except (Exception, SystemExit) as error:  # as for a candidate's call: it is a user's code
        raise _misjudged(policy, f"raised {type(error).__name__}: {error}") from error
    for verdict in found:
        if not isinstance(verdict, Verdict):
            raise _misjudged(policy, f"proposed {verdict!r}, which is no Verdict")
    return found


def _misjudged(policy: EliminationPolicy, what: str) -> RaceError:
    return RaceError(
        f"the race cannot go on: the elimination policy {policy.name!r} {printable(what)}; try "
        "it with parbench_lab.testing.check_elimination_policy"
    )


def _dispose(race: Race, verdict: Verdict) -> None:
    """The policy proposes, the engine disposes."""
    record = race.ledger.record
    if verdict.candidate not in record.survivors:
        return
    least = race.settings.min_survivors
    if len(record.survivors) <= least:
        left = len(record.survivors)
        race.refuse(verdict.candidate, verdict.reason, f"only {left} left (min_survivors={least})")
        return
    race.put_out(race.roster[verdict.candidate], "evidence", verdict.reason, verdict.evidence)


def _note_lead(race: Race, record: EpochRecord) -> None:
    leader = record.leader
    if leader is None or leader == race.noted_leader or race.ledger.judged < MIN_LEAD_BLOCKS:
        return
    before = race.noted_leader or race.led_before  # a lead is also lost over an epoch
    if before not in (None, leader):
        race.facts.append(events.LeadChanged(candidate=leader, before=before))
    race.noted_leader = leader


def is_decided(race: Race) -> bool:
    """Return whether nobody is undecided any more."""
    ledger = race.ledger
    unready = [n for n in race.racing_names() if n not in ledger.settled]
    if unready or race.suspended or ledger.judged < MIN_DECIDED_BLOCKS:
        return False
    knobs = _knobs(race)
    spared = len(ledger.record.survivors) > race.settings.min_survivors and (
        ledger.record.eliminable(**knobs)  # a policy that lets the worse race on decides nothing
    )
    return not spared and ledger.record.decided(**knobs)


def _decide(race: Race) -> None:
    leader = race.ledger.record.leader
    if leader is None:
        return
    survivors = race.ledger.record.survivors
    reason = "one is left" if len(survivors) == 1 else "all who still race are settled"
    race.phase = "watching"
    race.next_watch_s = race.at_s
    race.facts.append(
        events.Decided(leader=leader, reason=reason, block=race.dispatcher.next_block)
    )


def _judge_challenge(race: Race) -> None:
    challenge = race.challenge
    if challenge is None:
        return
    name, record = challenge.name, challenge.record
    threshold, tolerance = race.settings.elimination_threshold, race.settings.tolerance
    at_most = record.at_most_slower(name, threshold)
    shown = record.shown_slower(name, threshold)
    if at_most is not None and at_most <= tolerance:
        _comeback(race, name, f"retested: at most {100 * at_most:g} % slower than every survivor")
    elif (shown is not None and shown >= tolerance) or challenge.blocks >= CHALLENGE_BLOCKS:
        race.challenge = None


def _judge_vigil(race: Race) -> None:
    """Begin anew where a survivor has become worse than the tolerance since the decision."""
    vigil = race.vigil
    if vigil is None:
        return
    knobs = _knobs(race)
    kept = race.ledger.record.eliminable(**knobs)  # by min_survivors: known to be worse
    worse = [name for name in vigil.record.eliminable(**knobs) if name not in kept]
    if worse:
        out = [name for name in race.ledger.record.names if race.beaten(name)]
        race.open_epoch(f"{', '.join(worse)} {BECAME_SLOWER}", fresh=True, out=out)
    elif vigil.blocks >= VIGIL_BLOCKS:
        race.vigil = None


def _knobs(race: Race) -> dict[str, float]:
    return {
        "elimination_threshold": race.settings.elimination_threshold,
        "tolerance": race.settings.tolerance,
    }


def _comeback(race: Race, name: str, reason: str) -> None:
    out = [n for n in race.ledger.record.names if race.beaten(n) and n != name]
    race.roster[name].reason = ""
    race.facts.append(events.Returned(candidate=name, reason=reason))
    race.open_epoch(f"{name} came back", fresh=True, out=out)


def reopen_if_undecided(race: Race, reason: str) -> None:
    """Race on where a decision no longer stands."""
    if not is_decided(race):
        race.reopen(reason)
