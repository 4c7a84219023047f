"""A race in plain sentences: the log of facts, and the one that ends it. Pure."""

from __future__ import annotations

from parbench_lab.core.measurement import Outcome
from parbench_lab.core.metric import Metric
from parbench_lab.core.ports import (
    ExecutorFailed,
    GpuSampled,
    TaskEnded,
    WorkerJoined,
    WorkerLeft,
)
from parbench_lab.core.standing import GpuLoad, Scoreboard, Standing, VerdictKind
from parbench_lab.core.wording import odds
from parbench_lab.racing import events
from parbench_lab.racing.settings import Settings


def sentence(event: events.Input | events.Fact) -> str | None:  # noqa: C901, PLR0911, PLR0912 - one line a kind
    """Return what a person would be told, None where the event is not worth a line."""
    match event:
        case events.Eliminated(cause="evidence"):
            return f"{event.candidate} is eliminated: {event.reason}"
        case events.Eliminated():
            return f"{event.candidate} is out: {event.reason}"
        case events.VerdictRefused():
            return f"{event.candidate} stays: {event.why} ({event.reason})"
        case events.EpochOpened():
            how = "goes on" if event.resumed else "starts afresh"
            return f"batch size {event.batch_size}: evidence {how} ({event.why})"
        case events.Returned():
            return f"{event.candidate} is back: {event.reason}"
        case events.LeadChanged():
            return f"{event.candidate} takes the lead from {event.before}"
        case events.Decided():
            return f"decided: {event.leader} leads and {event.reason}"
        case events.Reopened():
            return f"open again: {event.reason}"
        case events.VerdictsSuspended():
            return event.reason
        case events.ConcurrencyChanged():
            return _concurrency_changed(event)
        case events.ConcurrencyHeld():
            return target_missed(event)
        case events.Noted():
            return event.sentence
        case events.Ended():
            return f"the race ends ({event.status}): {event.reason}"
        case events.SettingsChanged():
            return "changed " + ", ".join(f"{k} to {v}" for k, v in event.changes.items())
        case events.CandidateAdded():
            return f"{event.candidate} enters"
        case events.NotePinned():
            return f"note: {event.text}"
        case events.Paused():
            return "paused"
        case events.Resumed():
            return "goes on"
        case events.TakenUp():
            return "taken up again on new workers"
        case WorkerJoined():
            return f"worker {event.worker.name} is ready"
        case (
            WorkerLeft()
            | TaskEnded()
            | GpuSampled()
            | ExecutorFailed()
            | events.TaskSent()
            | events.LimitsSet()
            | events.Stopped()
            | events.Ticked()
            | events.CandidateDropped()
            | events.CandidateBroughtBack()
        ):
            return None


def _concurrency_changed(event: events.ConcurrencyChanged) -> str:
    blocks = _count(event.blocks, "block")
    return f"{_short(event.gpu)}: {blocks} in flight from now on{_busy(event)}: {event.reason}"


def target_missed(told: events.ConcurrencyHeld | GpuLoad) -> str:
    """Return why a GPU's utilisation misses its target and no other number of blocks is tried."""
    blocks = _count(told.blocks, "block")
    return f"{_short(told.gpu)} stays at {blocks} in flight{_busy(told)}: {told.reason}"


def _busy(told: events.ConcurrencyChanged | events.ConcurrencyHeld | GpuLoad) -> str:
    if told.utilization_percent is None:
        return ""
    return f" ({told.utilization_percent:.0f} % busy, target {told.target_percent:g} %)"


def _short(uuid: str) -> str:
    """Return ``GPU-4f7d0c3e`` for a whole UUID of that beginning."""
    return "-".join(uuid.split("-")[:2])


def conclusion(
    scoreboard: Scoreboard,
    status: str,
    reason: str,
    objectives: tuple[Metric, ...],
    *,
    settings: Settings,
) -> str:
    """Return the sentence that names the winner, by how much, how sure, and what it cost."""
    cost = (
        f"{scoreboard.measurements} measurements in {scoreboard.elapsed_s:.1f} s on "
        f"{_count(len(scoreboard.measured_on or scoreboard.workers), 'worker')}"
    )
    leader = scoreboard.leader
    if status == "failed" or leader is None:
        return f"No winner: {reason} ({cost})."
    if len(objectives) > 1:
        return f"{_front(scoreboard, leader, objectives, settings)} It took {cost}."
    said = _single(scoreboard, leader, objectives[0], settings, decided=status == "decided")
    return f"{said} It took {cost}."


def _single(
    scoreboard: Scoreboard, leader: str, objective: Metric, settings: Settings, *, decided: bool
) -> str:
    survivors = [s for s in scoreboard.standings if _survives(s)]
    kept = _kept(scoreboard, leader, settings)
    others = [s for s in survivors if s.candidate != leader and s not in kept]
    beaten = [s for s in scoreboard.standings if _beaten(s)] + kept
    names, sure = ", ".join(s.candidate for s in others), _sure(beaten)
    if others and (decided or all(s.verdict is VerdictKind.EQUAL for s in others)):
        equal = f"{leader} and {names} are equal within {_tolerance(objective, settings)}"
        said = f"{equal}{_next('; ', beaten, objective)}{sure}."
    elif others:
        said = f"Undecided: {leader} leads, and {names} may be as good{sure}."
    elif not beaten:
        said = f"{leader} is the only one left that works."
    else:
        verb = "wins" if decided or not kept else "leads"
        said = f"{leader} {verb}{_next(': ', beaten, objective)}{sure}."
    why = "is kept by min_survivors" if len(survivors) <= settings.min_survivors else "still races"
    return " ".join([said, *(f"{s.candidate} is {s.reason} and {why}." for s in kept)])


def _is_worse(standing: Standing, tolerance: float) -> bool:
    """Return whether evidence has reached it: whoever is in the race all the same is no equal."""
    return standing.shown_slower is not None and standing.shown_slower >= tolerance


def _tolerance(objective: Metric, settings: Settings) -> str:
    """Return what counts as equal, and the odds at which it does."""
    ratios = f"{100 * settings.tolerance:g} %"
    differences = f"{settings.tolerance:g}{objective.unit_suffix}"
    margin = differences if objective.scale == "interval" else ratios
    return f"the tolerance of {margin} (evidence at least {odds(settings.elimination_threshold)})"


def _next(joined: str, beaten: list[Standing], objective: Metric) -> str:
    """Return by how much the first of the beaten is behind; empty where that is not known."""
    ratios = {s.candidate: s.ratio for s in beaten if s.ratio is not None}
    if not ratios:
        return ""
    runner_up, ratio = min(ratios.items(), key=lambda known: known[1].point)
    if objective.scale == "interval":
        return f"{joined}{runner_up} is {ratio.point:.3g}{objective.unit_suffix} behind"
    timed = objective.name == "wall_time_s"
    what = "takes {} times as long" if timed else f"has {{}} times the {objective.name}"
    return (
        f"{joined}the next, {runner_up}, {what.format(f'{ratio.point:.3g}')} "
        f"({ratio.low:.3g} to {ratio.high:.3g})"
    )


def _sure(beaten: list[Standing]) -> str:
    reached = [s.evidence for s in beaten if s.shown_slower is not None and s.evidence > 1]
    return (
        f"; evidence at least {odds(min(reached))} against each of the beaten" if reached else ""
    )


def _kept(scoreboard: Scoreboard, leader: str, settings: Settings) -> list[Standing]:
    """Return who races on though evidence has reached it; the leader never."""
    others = [s for s in scoreboard.standings if _survives(s) and s.candidate != leader]
    return [s for s in others if _is_worse(s, settings.tolerance)]


def _front(
    scoreboard: Scoreboard, leader: str, objectives: tuple[Metric, ...], settings: Settings
) -> str:
    names = ", ".join(metric.name for metric in objectives)
    kept = _kept(scoreboard, leader, settings)
    survivors = [s for s in scoreboard.standings if _survives(s) and s not in kept]
    settled = [s for s in survivors if s.verdict is not VerdictKind.UNDECIDED]
    head = "Pareto front" if len(settled) == len(survivors) else "Pareto front so far"
    on = "; ".join(f"{s.candidate} ({s.reason})" for s in survivors)
    off = "; ".join(
        f"{s.candidate} ({s.reason})"
        for s in scoreboard.standings
        if s.verdict is VerdictKind.ELIMINATED or s in kept
    )
    return f"{head} in {names}: {on}." + (f" Not on it: {off}." if off else "")


def _beaten(standing: Standing) -> bool:
    """Return whether evidence put it out; a fault says nothing about speed."""
    sound = standing.outcome in (None, Outcome.OK)
    return sound and standing.verdict is VerdictKind.ELIMINATED


def _survives(standing: Standing) -> bool:
    return standing.verdict not in (VerdictKind.ELIMINATED, VerdictKind.DROPPED)


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
