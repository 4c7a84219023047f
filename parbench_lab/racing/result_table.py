"""The standings as a page of text: what `print` shows of a result."""

from __future__ import annotations

import textwrap

from parbench_lab.core.standing import Scoreboard
from parbench_lab.core.wording import COMPARED, printable
from parbench_lab.racing.leaderboard import LeaderboardRow, leaderboard_rows
from parbench_lab.racing.settings import Settings

WIDTH = 100
"""Characters in a line at most."""

MOST_ROWS = 60
LEAST_NAME = 12
_GAP = "  "
_NAME = 1
_NUMBERS_FROM = 3


def wrapped(text: str) -> list[str]:
    """Return a text in lines of at most 100 characters, safe to print."""
    return textwrap.wrap(printable(text), WIDTH)


def table_lines(scoreboard: Scoreboard, settings: Settings) -> list[str]:
    """Return the standings in lines of at most 100 characters, with each reason below its row.

    Parameters
    ----------
    scoreboard, settings
        The snapshot, and the knobs in force; beyond 60 rows the rest is one line.
    """
    rows = leaderboard_rows(scoreboard, settings, max_rows=MOST_ROWS)
    compared = COMPARED[scoreboard.scale]
    heads = ("", "candidate", "verdict", compared, "time", "items/s", "evidence")
    cells = [heads, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(heads))]
    others = sum(widths) - widths[_NAME] + len(_GAP) * (len(widths) - 1)
    widths[_NAME] = min(widths[_NAME], max(LEAST_NAME, WIDTH - others))
    lines = [_line(heads, widths)]
    indent = " " * widths[0] + _GAP
    for row in rows:
        lines.append(_line(_cells(row), widths))
        lines += textwrap.wrap(
            row.reason, WIDTH, initial_indent=indent, subsequent_indent=indent
        )  # an empty reason has no line
    return lines


def _cells(row: LeaderboardRow) -> tuple[str, ...]:
    return (
        row.rank, row.candidate, row.verdict, row.ratio, row.time, row.throughput, row.evidence,
    )  # fmt: skip


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    placed = [
        text.rjust(width) if column >= _NUMBERS_FROM else short(text, width).ljust(width)
        for column, (text, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return _GAP.join(placed).rstrip()


def short(text: str, width: int) -> str:
    """Return a name of at most so many characters: its middle goes, both ends tell it apart.

    Examples
    --------
    >>> short("brute_force_with_blas", 15), short("kd_tree", 15)
    ('brute_f…th_blas', 'kd_tree')
    """
    if len(text) <= width:
        return text
    kept = width - 1
    front = kept - kept // 2
    return f"{text[:front]}…{text[len(text) - kept // 2 :]}"
