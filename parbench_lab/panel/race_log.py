"""The log of a race as a widget of its own, so that it can stand below the controls."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import anywidget
import traitlets

from parbench_lab.panel.presenter import MOST_SENTENCES
from parbench_lab.racing.history import LogLine

ONE_DRAG_S = 2.0
"""Refusals of one setting that are nearer than this are of one move: the last one is told."""

_HERE = Path(str(resources.files("parbench_lab.panel")))


class RaceLog(anywidget.AnyWidget):  # type: ignore[misc] # not annotated
    """Sentences, newest first; it decides nothing."""

    _esm = _HERE / "race_log.js"
    _css = _HERE / "race_log.css"
    _lines = traitlets.List().tag(sync=True)

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()

    def show(self, lines: Sequence[str]) -> None:
        """Show these sentences; what is shown already costs nothing."""
        with self._lock:
            if list(lines) != self._lines:
                self._lines = list(lines)


class Refusals:
    """What the user of a panel was refused; the race itself knows nothing of it.

    Examples
    --------
    >>> refusals = Refusals()
    >>> refusals.note(1.0, "tolerance must be within 0 to 10 but got 20", "tolerance")
    >>> [line.sentence for line in refusals.among([LogLine(at_s=2.0, sentence="a leads")])]
    ['refused: tolerance must be within 0 to 10 but got 20', 'a leads']
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: deque[tuple[str, LogLine]] = deque(maxlen=MOST_SENTENCES)
        self._once: set[str] = set()

    def note(self, at_s: float, message: str, setting: str = "", *, once: bool = False) -> None:
        """Keep a refusal.

        Parameters
        ----------
        at_s
            Race time.
        message
            Why.
        setting
            What was to be set, "" for anything else; of a slider that is dragged the last is kept.
        once
            Whether a message that was kept before is passed over: who looks at the race finds it
            at every look.
        """
        line = LogLine(at_s=at_s, sentence=f"refused: {message}")
        with self._lock:
            if once and message in self._once:
                return
            if once:
                self._once.add(message)
            if setting and self._lines:
                name, last = self._lines[-1]
                if name == setting and at_s - last.at_s < ONE_DRAG_S:
                    self._lines.pop()
            self._lines.append((setting, line))

    def among(self, log: Sequence[LogLine]) -> list[LogLine]:
        """Return a race's log and the refusals, in the order of time."""
        with self._lock:
            told = [line for _, line in self._lines]
        return sorted([*log, *told], key=lambda line: line.at_s)
