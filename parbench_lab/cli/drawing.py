"""Where the leaderboard's words stand: lines that fit a terminal, then segments of rich.

Lines are cut here, so that rich neither measures nor wraps nor parses markup: a drawing costs a
tenth of a rich table's, and the cores belong to the race.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from parbench_lab.cli.cells import cells, fitted
from parbench_lab.cli.flags import as_flags
from parbench_lab.cli.usage import HostUsage, machine_line
from parbench_lab.core.metric import Scale
from parbench_lab.core.standing import Scoreboard
from parbench_lab.core.wording import COMPARED, NOTHING, printable
from parbench_lab.racing.leaderboard import (
    LeaderboardRow,
    leaderboard_rows,
    progress_line,
    trust_lines,
)
from parbench_lab.racing.settings import Settings

if TYPE_CHECKING:
    from rich.segment import Segments

Tone = Literal["head", "lead", "racing", "out", "fold", "warning", "aside"]

_STYLES: dict[Tone, str] = {
    "head": "bold",
    "lead": "bold green",
    "racing": "",
    "out": "dim",
    "fold": "dim",
    "warning": "yellow",
    "aside": "dim",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a view, at most as wide as the terminal."""

    text: str
    tone: Tone = "racing"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    field: str
    title: str
    right: bool = False
    most_cells: int = 40


_RANK = _Column(field="rank", title="#", right=True)
_NAME = _Column(field="candidate", title="candidate", most_cells=24)
_RATIO = _Column(field="ratio", title="")  # that depends on the scale
_ALWAYS = (
    _RANK,
    _NAME,
    _Column(field="verdict", title="verdict"),
    _RATIO,
    _Column(field="throughput", title="items/s", right=True),
    _Column(field="evidence", title="evidence", right=True),
    _Column(field="blocks", title="blocks", right=True),
)
_IF_ROOM = (
    _Column(field="time", title="time", right=True),
    _Column(field="metrics", title="metrics"),
    _Column(field="memory", title="peak memory", right=True),
)
_REASON = _Column(field="reason", title="reason")
_NAME_CELLS_AT_LEAST = 8
_REASON_CELLS_AT_LEAST = 60

_Layout = list[tuple[_Column, int]]


def table_lines(
    rows: Sequence[LeaderboardRow], *, width_cells: int, scale: Scale
) -> tuple[Line, ...]:
    """Return the rows as a table with a head.

    Up to 80 cells only what a decision needs is shown; time, further metrics, memory and the
    reasons join as there is room. A fold is a line of its own. `scale` is the scoreboard's.
    """
    layout = _layout(rows, width_cells, scale)
    head = [fitted(column.title, room, right=column.right) for column, room in layout]
    lines = [Line(text=fitted(" ".join(head), width_cells).rstrip(), tone="head")]
    for row in rows:
        if row.tone == "fold":
            text = f"{row.rank} {row.candidate}"
        else:
            text = " ".join(
                fitted(getattr(row, column.field), room, right=column.right)
                for column, room in layout
            )
        lines.append(Line(text=fitted(text, width_cells).rstrip(), tone=row.tone))
    return tuple(lines)


def reason_lines(
    rows: Sequence[LeaderboardRow], *, width_cells: int, scale: Scale
) -> tuple[str, ...]:
    """Return a line for every reason or warning that the table of this width cannot hold whole."""
    room = next((n for column, n in _layout(rows, width_cells, scale) if column is _REASON), 0)
    return tuple(f"{row.candidate}: {row.reason}" for row in rows if cells(row.reason) > room)


def screen_lines(
    scoreboard: Scoreboard,
    settings: Settings,
    *,
    width_cells: int,
    height_lines: int,
    title: str = "",
    log: Sequence[str] = (),
    usage: HostUsage | None = None,
    workers: str = "",
    budget_s: float | None = None,
    began_s: float = 0.0,
) -> tuple[Line, ...]:
    """Return the whole live view, fewer lines than `height_lines` (but at least the leaders).

    The table comes first: the reasons get the lines it leaves, the log has four of its own.
    """
    head = [Line(text=printable(title), tone="head")] if title else []
    foot = [
        Line(text=progress_line(scoreboard, settings, budget_s=budget_s, began_s=began_s)),
        Line(text=machine_line(scoreboard, usage), tone="aside"),
        *([Line(text=workers, tone="aside")] if workers else []),
        *(Line(text=as_flags(warning), tone="warning") for warning in trust_lines(scoreboard)[:3]),
    ]
    if height_lines >= 16:
        foot += [Line(text=printable(sentence), tone="aside") for sentence in log[-4:]]
    # one line for the table's head, one for the cursor to stand on
    room = max(3, height_lines - len(head) - len(foot) - 2)
    rows = leaderboard_rows(scoreboard, settings, max_rows=room)
    scale = scoreboard.scale
    table = table_lines(rows, width_cells=width_cells, scale=scale)
    reasons = reason_lines(rows, width_cells=width_cells, scale=scale)[: max(0, room - len(rows))]
    lines = [*head, *table, *(Line(text=reason, tone="aside") for reason in reasons), *foot]
    return tuple(
        Line(text=fitted(line.text, width_cells).rstrip(), tone=line.tone) for line in lines
    )


def segments(lines: Sequence[Line]) -> Segments:
    """Return the lines as something a rich console prints as it stands."""
    from rich.segment import Segment, Segments  # noqa: PLC0415 - only a terminal needs it
    from rich.style import Style  # noqa: PLC0415

    styles = {tone: Style.parse(words) for tone, words in _STYLES.items()}
    found = []
    for line in lines:
        found += [Segment(line.text, styles[line.tone]), Segment.line()]
    return Segments(found)


def _layout(rows: Sequence[LeaderboardRow], width_cells: int, scale: Scale) -> _Layout:
    """Return the columns that fit, with their widths; names get what the numbers leave."""
    ratio = replace(_RATIO, title=f"{COMPARED[scale]} (interval)")
    always = [ratio if column is _RATIO else column for column in _ALWAYS]
    wanted = [(column, _cells(column, rows)) for column in always]
    used = sum(room + 1 for _, room in wanted)
    for column in _IF_ROOM:
        needed = _cells(column, rows) + 1
        has_content = any(getattr(row, column.field) not in ("", NOTHING) for row in rows)
        if has_content and used + needed <= width_cells:
            wanted.append((column, needed - 1))
            used += needed
    left = width_cells - used
    longest = max((cells(row.reason) for row in rows), default=0)
    if longest and left >= min(longest, _REASON_CELLS_AT_LEAST):
        return [*wanted, (_REASON, left)]
    return [(c, _name_cells(rows, room, left)) if c is _NAME else (c, room) for c, room in wanted]


def _name_cells(rows: Sequence[LeaderboardRow], room: int, left: int) -> int:
    longest = max((cells(row.candidate) for row in rows if row.tone != "fold"), default=0)
    # 1: the gap after the last column is not needed
    return max(_NAME_CELLS_AT_LEAST, min(max(longest, room), room + left + 1))


def _cells(column: _Column, rows: Sequence[LeaderboardRow]) -> int:
    widest = max(
        (cells(getattr(row, column.field)) for row in rows if row.tone != "fold"), default=0
    )
    return max(len(column.title), min(widest, column.most_cells))
