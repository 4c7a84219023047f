"""Who watches a race: a live view in a terminal, plain lines in a pipe, or nobody."""

from __future__ import annotations

import math
import shutil
import textwrap
import time
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, Protocol

import click

from parbench_lab.cli.doors import Bench, Result
from parbench_lab.cli.drawing import reason_lines, screen_lines, segments, table_lines
from parbench_lab.cli.flags import as_flags
from parbench_lab.cli.interrupts import Interrupts
from parbench_lab.cli.usage import host_usage
from parbench_lab.core.standing import Scoreboard
from parbench_lab.core.wording import count, printable
from parbench_lab.monitoring.wording import workers_line
from parbench_lab.racing.leaderboard import (
    LeaderboardRow,
    leaderboard_rows,
    progress_line,
    source_lines,
    trust_lines,
)
from parbench_lab.racing.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

REFRESH_S = 0.25
DRAWING_SHARE = 0.04
WARMING_UP_S = 0.5
PROGRESS_EVERY_S = 5.0
PIPE_WIDTH_CELLS = 120
STOP_REASON = "stopped by the user"
_OF_THE_LEAD = " takes the lead from "


class Spectator(Protocol):
    """Looks at a race that runs."""

    def look(self, bench: Bench, *, stopping: bool) -> float:
        """Show the race as it stands; return in how many seconds to look again at the latest."""

    def leave(self, bench: Bench) -> None:
        """Show what is new since the last look, and put the terminal back."""


class Blindfolded:
    """Shows nothing."""

    def look(self, bench: Bench, *, stopping: bool) -> float:  # noqa: ARG002 - nothing to see
        """Return the usual time between looks."""
        return REFRESH_S

    def leave(self, bench: Bench) -> None:
        """Do nothing."""


class LineReader:
    """Prints a line for every verdict and change, and every few seconds how far the race is.

    Two that swap the lead every second are no news: who leads is told with the progress.
    """

    def __init__(self, file: IO[str], *, budget_s: float | None, began_s: float = 0.0) -> None:
        self._file = file
        self._budget_s = budget_s
        self._began_s = began_s
        self._read: tuple[str, ...] = ()
        self._lead = ""
        self._warming_up_s = began_s + WARMING_UP_S
        self._next_progress_s = began_s + PROGRESS_EVERY_S

    def look(self, bench: Bench, *, stopping: bool) -> float:
        """Print what is new."""
        scoreboard = bench.scoreboard
        self._print_news(bench, scoreboard)
        if not scoreboard.blocks and scoreboard.elapsed_s >= self._warming_up_s:
            self._warming_up_s = math.inf
            self._print(scoreboard, "warming up: each candidate runs once on every worker ...")
        if not stopping and scoreboard.elapsed_s >= self._next_progress_s:
            self._next_progress_s = scoreboard.elapsed_s + PROGRESS_EVERY_S
            if self._lead:
                self._print(scoreboard, self._lead)
                self._lead = ""
            how_far = progress_line(
                scoreboard, bench.settings, budget_s=self._budget_s, began_s=self._began_s
            )
            self._print(scoreboard, f"{how_far} · {count(scoreboard.blocks, 'block')}")
        return REFRESH_S

    def leave(self, bench: Bench) -> None:
        """Print the last news."""
        self._print_news(bench, bench.scoreboard)

    def _print_news(self, bench: Bench, scoreboard: Scoreboard) -> None:
        log = bench.log
        for sentence in news(self._read, log):
            if _OF_THE_LEAD in sentence:
                self._lead = sentence
            else:
                self._print(scoreboard, sentence)
        self._read = log

    def _print(self, scoreboard: Scoreboard, text: str) -> None:
        click.echo(f"[{scoreboard.elapsed_s:6.1f} s] {printable(text)}", file=self._file)


class LiveView:
    """Draws the leaderboard in place, at most 4 times a second and with 4 % of a core.

    The cores belong to the race: when a drawing is dear (many candidates, a slow terminal) the
    next one waits longer.
    """

    def __init__(
        self, console: Console, *, title: str, budget_s: float | None, began_s: float = 0.0
    ) -> None:
        from rich.live import Live  # noqa: PLC0415 - only in a terminal

        self._console = console
        self._title = title
        self._budget_s = budget_s
        self._began_s = began_s
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._live.start()
        host_usage()

    def look(self, bench: Bench, *, stopping: bool) -> float:
        """Draw the race as it stands."""
        began_ns = time.thread_time_ns()
        title = f"{self._title}  stopping ... (Ctrl-C again: abort)" if stopping else self._title
        size = self._console.size
        lines = screen_lines(
            bench.scoreboard,
            bench.settings,
            width_cells=size.width,
            height_lines=size.height,
            title=title,
            log=bench.log[-4:],
            usage=host_usage(),
            workers=workers_line(bench.usage(), bench.no_gpu),
            budget_s=self._budget_s,
            began_s=self._began_s,
        )
        self._live.update(segments(lines), refresh=True)
        drawing_s = 1e-9 * (time.thread_time_ns() - began_ns)
        return max(REFRESH_S, drawing_s / DRAWING_SHARE)

    def leave(self, bench: Bench) -> None:  # noqa: ARG002 - the final table is printed apart
        """Clear the view."""
        self._live.stop()


def watch(bench: Bench, watcher: Spectator, asked: Interrupts) -> Result:
    """Look at a race until it ends by itself or is asked to; return its result."""
    pause_s, look_at_s = 0.0, 0.0
    try:
        while not bench.wait("finished", timeout_s=pause_s):
            if asked.asked:
                watcher.look(bench, stopping=True)
                return bench.stop(STOP_REASON)
            pause_s = REFRESH_S
            if time.perf_counter() >= look_at_s:
                look_at_s = time.perf_counter() + watcher.look(bench, stopping=False)
    finally:
        watcher.leave(bench)
    return bench.result()


def spectator(
    file: IO[str],
    *,
    title: str,
    budget_s: float | None,
    began_s: float = 0.0,
    quiet: bool = False,
) -> Spectator:
    """Return who watches on `file`: a live view in a terminal, a line reader elsewhere.

    `budget_s` counts from race time `began_s` on, where a race was taken up again.
    """
    if quiet:
        return Blindfolded()
    console = console_on(file)
    if file.isatty() and not console.is_dumb_terminal:
        return LiveView(console, title=title, budget_s=budget_s, began_s=began_s)
    return LineReader(file, budget_s=budget_s, began_s=began_s)


def console_on(file: IO[str]) -> Console:
    """Return a console that writes colours to terminals only, and not where NO_COLOR is set."""
    from rich.console import Console  # noqa: PLC0415 - slow to import

    if file.isatty():
        return Console(file=file, highlight=False)
    return Console(
        file=file, highlight=False, force_terminal=False, no_color=True, width=PIPE_WIDTH_CELLS
    )


def print_table(file: IO[str], scoreboard: Scoreboard, settings: Settings) -> None:
    """Print the whole leaderboard, why candidates are out, what to distrust, what was read."""
    console = console_on(file)
    rows = draw_table(console, scoreboard, settings)
    warnings = (as_flags(line) for line in trust_lines(scoreboard))
    sources = source_lines(scoreboard, settings)
    reasons = reason_lines(rows, width_cells=console.width, scale=scoreboard.scale)
    for line in (*reasons, *warnings, *sources):
        click.echo(line, file=file)


def print_sentence(file: IO[str], sentence: str) -> None:
    """Print a sentence, broken between words where a terminal is too narrow."""
    text = printable(sentence)
    if file.isatty():
        text = textwrap.fill(text, shutil.get_terminal_size().columns)
    click.echo(text, file=file)


def draw_table(
    console: Console, scoreboard: Scoreboard, settings: Settings
) -> tuple[LeaderboardRow, ...]:
    """Draw the leaderboard alone; return its rows."""
    rows = leaderboard_rows(scoreboard, settings)
    lines = table_lines(rows, width_cells=console.width, scale=scoreboard.scale)
    console.print(segments(lines))
    return tuple(rows)


def news(read: Sequence[str], log: Sequence[str]) -> tuple[str, ...]:
    """Return the sentences of `log` that are not in `read` yet.

    Both are the latest sentences of one log at two moments; a long log forgets its oldest ones.

    Examples
    --------
    >>> news(["a", "b"], ["a", "b", "c"]), news(["a", "b", "c"], ["c", "d"])
    (('c',), ('d',))
    """
    for forgotten in range(len(read) + 1):
        known = len(read) - forgotten
        if tuple(read[forgotten:]) == tuple(log[:known]):
            return tuple(log[known:])
    return tuple(log)
