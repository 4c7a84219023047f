"""What the leaderboard says, in words: pure functions of the snapshot; shell and panel lay it out.

Everything foreign (names, reasons, messages) goes through `printable`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from parbench_lab.core.metric import DEVICE_METRICS, MEASURED_METRICS, SOURCES, Scale
from parbench_lab.core.standing import Scoreboard, Standing, VerdictKind
from parbench_lab.core.wording import (
    amount,
    change,
    duration,
    memory,
    odds,
    printable,
    span,
)
from parbench_lab.racing.settings import Settings

Tone = Literal["lead", "racing", "out", "fold"]

_OUT = (VerdictKind.ELIMINATED, VerdictKind.DROPPED)
_SETTLED = (VerdictKind.EQUAL, VerdictKind.FRONT, *_OUT)
_BAR_CELLS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaderboardRow:
    """One line of the leaderboard, every field already in words.

    `metrics` are the medians of the workload's own metrics; `reason` says why a candidate is out,
    or what to know about one that still races. A row of tone ``fold`` stands for many.
    """

    rank: str
    candidate: str
    verdict: str = ""
    ratio: str = ""
    throughput: str = ""
    time: str = ""
    evidence: str = ""
    blocks: str = ""
    memory: str = ""
    metrics: str = ""
    reason: str = ""
    tone: Tone = "racing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a race is.

    Parameters
    ----------
    settled, candidates
        How many have a verdict, of how many.
    fraction
        Within 0 to 1: the mean over the candidates of how much of the evidence is in.
    time_left_s
        Seconds to a decision, extrapolated; None where there is nothing to extrapolate.
    """

    settled: int
    candidates: int
    fraction: float
    time_left_s: float | None


def leaderboard_rows(
    scoreboard: Scoreboard, settings: Settings, *, max_rows: int | None = None
) -> tuple[LeaderboardRow, ...]:
    """Return the leaderboard in rank order.

    Parameters
    ----------
    scoreboard, settings
        The snapshot, and the knobs in force.
    max_rows
        More rows than this are folded into a last one ("... 180 more eliminated"); at least 2.
    """
    standings = scoreboard.standings
    if max_rows is None or len(standings) <= max_rows:
        return tuple(_row(standing, scoreboard.scale, settings) for standing in standings)
    shown = max(1, max_rows - 1)
    rows = [_row(standing, scoreboard.scale, settings) for standing in standings[:shown]]
    return (*rows, _fold(standings[shown:]))


def progress(scoreboard: Scoreboard, settings: Settings) -> Progress:
    """Return how far the race is from its decision."""
    standings = scoreboard.standings
    leading = scoreboard.leader
    contenders = [s for s in standings if s.candidate != leading]
    settled = sum(_is_settled(s) for s in contenders)
    shares = [1.0 if _is_settled(s) else _share(s.evidence, settings) for s in contenders]
    fraction = sum(shares) / len(shares) if shares else 0.0
    decided = scoreboard.phase == "watching" or (leading is not None and not contenders)
    return Progress(
        settled=settled + (leading is not None and settled == len(contenders)),
        candidates=len(standings),
        fraction=1.0 if decided else fraction,
        time_left_s=scoreboard.time_left_s,
    )


def progress_line(
    scoreboard: Scoreboard,
    settings: Settings,
    *,
    budget_s: float | None = None,
    began_s: float = 0.0,
) -> str:
    """Return how far the race is, in one line.

    Parameters
    ----------
    scoreboard, settings
        The snapshot, and the knobs in force.
    budget_s
        Seconds of this sitting; None: no limit.
    began_s
        Race time at which this sitting began: not 0 where a race was taken up again.
    """
    found = progress(scoreboard, settings)
    filled = round(found.fraction * _BAR_CELLS)
    elapsed = f"{max(0.0, scoreboard.elapsed_s - began_s):.1f} s"
    parts = [
        "█" * filled + "░" * (_BAR_CELLS - filled),
        f"{found.settled} of {found.candidates} settled",
        _outlook(scoreboard, found),
        elapsed if budget_s is None else f"{elapsed} of {budget_s:g} s",
    ]
    return parts[0] + " " + " · ".join(part for part in parts[1:] if part)


def trust_lines(scoreboard: Scoreboard) -> tuple[str, ...]:
    """Return the warnings about this machine, most important first; none where all is well."""
    return tuple(f"! {printable(warning)}" for warning in scoreboard.trust.warnings)


def source_lines(scoreboard: Scoreboard, settings: Settings) -> tuple[str, ...]:
    """Return where energy and device memory that the race is about were read, a line for each.

    Only of what was measured; that it was not is told when that is found out.
    """
    measured = {name for standing in scoreboard.standings for name in standing.values}
    wanted = settings.objectives or ()
    return tuple(
        f"{name}: {SOURCES[name]}"
        for name in DEVICE_METRICS
        if name in wanted and name in measured
    )


def _row(standing: Standing, scale: Scale, settings: Settings) -> LeaderboardRow:
    return LeaderboardRow(
        rank=str(standing.rank),
        candidate=printable(standing.candidate),
        verdict=standing.verdict.value,
        ratio=change(standing.ratio, scale),
        throughput=amount(standing.throughput),
        time=duration(standing.median_s),
        evidence=odds(standing.evidence),
        blocks=str(standing.blocks),
        memory=memory(standing.peak_rss_bytes),
        metrics=_metrics(standing, settings),
        reason=_reason(standing),
        tone=_tone(standing),
    )


def _metrics(standing: Standing, settings: Settings) -> str:
    wanted = settings.objectives or ()
    return ", ".join(
        f"{printable(name)} {value:.3g}"
        for name, value in standing.values.items()
        if name in wanted or name not in MEASURED_METRICS
    )


def _reason(standing: Standing) -> str:
    """Return what a user should know about it: why it is out, or a warning."""
    said = standing.reason if standing.verdict in _OUT else standing.warning
    return printable(said)


def _tone(standing: Standing) -> Tone:
    if standing.verdict in _OUT:
        return "out"
    return "lead" if standing.verdict in (VerdictKind.LEADER, VerdictKind.FRONT) else "racing"


def _fold(standings: Sequence[Standing]) -> LeaderboardRow:
    out = sum(standing.verdict in _OUT for standing in standings)
    racing = len(standings) - out
    said = [f"{n} more {what}" for n, what in ((racing, "racing"), (out, "eliminated")) if n]
    return LeaderboardRow(rank="…", candidate=", ".join(said), tone="fold")


def _is_settled(standing: Standing) -> bool:
    return standing.verdict in _SETTLED


def _share(evidence: float, settings: Settings) -> float:
    """Return how much of the wanted evidence is in, on its own (logarithmic) scale."""
    if not evidence > 1:
        return 0.0
    wanted = math.log(max(settings.elimination_threshold, 1.0 + 1e-9))
    return min(1.0, math.log(evidence) / wanted)


def _outlook(scoreboard: Scoreboard, found: Progress) -> str:
    if scoreboard.phase != "racing":
        return {"watching": "decided, watching the leader"}.get(scoreboard.phase, scoreboard.phase)
    if found.time_left_s is None:
        return ""
    return f"about {span(found.time_left_s)} to a decision"
