"""The leaderboard: rows are data, then a table.

`leaderboard_rows` and the lines around it are pure functions of the snapshot; only
`leaderboard_table` and `screen` know rich. Everything foreign (names, reasons, messages) goes
through `printable`, and reaches rich as `Text`, where no markup is parsed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from parbench_lab.cli.usage import HostUsage
from parbench_lab.cli.wording import (
    NOTHING,
    amount,
    count,
    duration,
    memory,
    odds,
    percent,
    printable,
    ratio,
    span,
)
from parbench_lab.core.metric import MEASURED_METRICS
from parbench_lab.core.standing import Scoreboard, Standing, VerdictKind
from parbench_lab.racing.settings import Settings

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

Tone = Literal["lead", "racing", "out", "fold"]

_OUT = (VerdictKind.ELIMINATED, VerdictKind.DROPPED)
_SETTLED = (VerdictKind.EQUAL, VerdictKind.FRONT, *_OUT)
_STYLES = {"lead": "bold green", "racing": "", "out": "dim", "fold": "dim"}
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
        return tuple(_row(standing, settings) for standing in standings)
    shown = max(1, max_rows - 1)
    rows = [_row(standing, settings) for standing in standings[:shown]]
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
    scoreboard: Scoreboard, settings: Settings, *, budget_s: float | None = None
) -> str:
    """Return how far the race is, in one line."""
    found = progress(scoreboard, settings)
    filled = round(found.fraction * _BAR_CELLS)
    elapsed = f"{scoreboard.elapsed_s:.1f} s"
    parts = [
        "█" * filled + "░" * (_BAR_CELLS - filled),
        f"{found.settled} of {found.candidates} settled",
        _outlook(scoreboard, found),
        elapsed if budget_s is None else f"{elapsed} of {budget_s:g} s",
    ]
    return parts[0] + " " + " · ".join(part for part in parts[1:] if part)


def machine_line(scoreboard: Scoreboard, usage: HostUsage | None) -> str:
    """Return what the machine does, in one line."""
    parts = [
        f"{amount(scoreboard.blocks_per_s)} blocks/s",
        count(len(scoreboard.workers), "worker"),
        f"duty cycle {percent(scoreboard.duty_cycle)}",
    ]
    if usage is not None:
        used, total = memory(usage.memory_used_bytes), memory(usage.memory_total_bytes)
        parts += [f"CPU {usage.cpu_percent:.0f} %", f"memory {used} of {total}"]
    return " · ".join(parts)


def trust_lines(scoreboard: Scoreboard) -> tuple[str, ...]:
    """Return the warnings about this machine, most important first; none where all is well."""
    return tuple(f"! {printable(warning)}" for warning in scoreboard.trust.warnings)


def reason_lines(rows: Sequence[LeaderboardRow], *, width_cells: int) -> tuple[str, ...]:
    """Return a line for every reason or warning that the table of this width cannot hold whole."""
    room = _reason_cells(_columns(rows, width_cells), rows, width_cells)
    return tuple(f"{row.candidate}: {row.reason}" for row in rows if len(row.reason) > room)


def fold_line(rows: Sequence[LeaderboardRow]) -> str:
    """Return how many rows are not shown, the empty string where all are."""
    return next((f"{row.rank} {row.candidate}" for row in rows if row.tone == "fold"), "")


def _row(standing: Standing, settings: Settings) -> LeaderboardRow:
    return LeaderboardRow(
        rank=str(standing.rank),
        candidate=printable(standing.candidate),
        verdict=standing.verdict.value,
        ratio=ratio(standing.ratio),
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


# ---------------------------------------------------------------- rich


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    field: str
    title: str
    right: bool = False


_ALWAYS = (
    _Column(field="rank", title="#", right=True),
    _Column(field="candidate", title="candidate"),
    _Column(field="verdict", title="verdict"),
    _Column(field="ratio", title="ratio (interval)"),
    _Column(field="throughput", title="items/s", right=True),
    _Column(field="evidence", title="evidence", right=True),
    _Column(field="blocks", title="blocks", right=True),
)
_IF_ROOM = (
    _Column(field="time", title="time", right=True),
    _Column(field="metrics", title="metrics"),
    _Column(field="memory", title="peak memory", right=True),
)
_NAME_CELLS = 24
_NAME_CELLS_AT_LEAST = 8
_REASON_CELLS = 28


def leaderboard_table(rows: Sequence[LeaderboardRow], *, width_cells: int) -> Table:
    """Return the rows as a rich table that fits a terminal of this width.

    A fold is no row of it: `fold_line` says it below. Up to 80 cells only what a decision needs
    is shown; time, further metrics, memory and the reasons join as there is room.
    """
    from rich.table import Table  # noqa: PLC0415 - slow to import
    from rich.text import Text  # noqa: PLC0415

    columns = _columns(rows, width_cells)
    reason_cells = _reason_cells(columns, rows, width_cells)
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for column in columns:
        is_name = column.field == "candidate"
        table.add_column(
            Text(column.title),
            justify="right" if column.right else "left",
            no_wrap=True,
            overflow="ellipsis",
            min_width=None if is_name else _cells(column, rows),
            max_width=_name_cells(columns, rows, width_cells) if is_name else None,
        )
    if reason_cells:
        table.add_column(Text("reason"), no_wrap=True, overflow="ellipsis", max_width=reason_cells)
    for row in (row for row in rows if row.tone != "fold"):
        cells = [Text(getattr(row, column.field)) for column in columns]
        table.add_row(
            *cells, *([Text(row.reason)] if reason_cells else []), style=_STYLES[row.tone]
        )
    return table


def _reason_cells(
    columns: Sequence[_Column], rows: Sequence[LeaderboardRow], width_cells: int
) -> int:
    """Return the room for reasons, 0 where a column of them is not worth while."""
    room = width_cells - _used_cells(columns, rows)
    return room if room >= _REASON_CELLS and any(row.reason for row in rows) else 0


def _used_cells(columns: Sequence[_Column], rows: Sequence[LeaderboardRow]) -> int:
    return sum(min(_cells(column, rows), _NAME_CELLS) + 1 for column in columns)


def _name_cells(
    columns: Sequence[_Column], rows: Sequence[LeaderboardRow], width_cells: int
) -> int:
    """Return the room for names: what the numbers leave, but never nothing."""
    numbers = sum(_cells(c, rows) + 1 for c in columns if c.field != "candidate")
    has_reasons = _reason_cells(columns, rows, width_cells) > 0
    room = _NAME_CELLS if has_reasons else width_cells - numbers - 1
    return max(_NAME_CELLS_AT_LEAST, room)


def _columns(rows: Sequence[LeaderboardRow], width_cells: int) -> list[_Column]:
    columns = list(_ALWAYS)
    used = _used_cells(columns, rows)
    for column in _IF_ROOM:
        needed = _cells(column, rows) + 1
        has_content = any(getattr(row, column.field) not in ("", NOTHING) for row in rows)
        if has_content and used + needed <= width_cells:
            columns.append(column)
            used += needed
    return columns


def _cells(column: _Column, rows: Sequence[LeaderboardRow]) -> int:
    texts = [getattr(row, column.field) for row in rows if row.tone != "fold"]
    return max([len(column.title), *(len(text) for text in texts)])


def screen(
    scoreboard: Scoreboard,
    settings: Settings,
    *,
    width_cells: int,
    height_lines: int,
    title: str = "",
    log: Sequence[str] = (),
    usage: HostUsage | None = None,
    budget_s: float | None = None,
) -> Group:
    """Return the whole live view; it never needs more than `height_lines` lines.

    The table comes first: the log and the reasons get the lines it leaves.
    """
    from rich.console import Group  # noqa: PLC0415 - slow to import
    from rich.text import Text  # noqa: PLC0415

    def line(text: str, style: str = "") -> Text:
        return Text(text, style=style, no_wrap=True, overflow="ellipsis")

    warnings = trust_lines(scoreboard)[:3]
    head = [line(printable(title), "bold")] if title else []
    foot = [
        line(progress_line(scoreboard, settings, budget_s=budget_s)),
        line(machine_line(scoreboard, usage), "dim"),
        *(line(warning, "yellow") for warning in warnings),
    ]
    spoken = [printable(sentence) for sentence in log[-4:]] if height_lines >= 16 else []
    # 1 for the table's header, 1 that the cursor stands on
    room = max(3, height_lines - len(head) - len(foot) - len(spoken) - 2)
    rows = leaderboard_rows(scoreboard, settings, max_rows=room)
    table = leaderboard_table(rows, width_cells=width_cells)
    reasons = reason_lines(rows, width_cells=width_cells)
    folded = fold_line(rows)
    below = [folded] if folded else [*reasons[: room - len(rows)]]
    return Group(
        *head,
        table,
        *(line(text, "dim") for text in below),
        *foot,
        *(line(sentence, "dim") for sentence in spoken),
    )
