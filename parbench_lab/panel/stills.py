"""The still pictures beside a live panel: what a saved notebook shows without its kernel.

A page of JupyterLab that is loaded anew no longer knows which cell has which place (its kernel
connection keeps that in memory), and lets later pictures fall: the live panel is back, but the
picture stays as it was until the cell, or `display(bench)` in another one, is run again.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

EVERY_S = 30.0
"""So often a race that goes on is written into the notebook."""

SETTLED = ("watching", "paused", "ended")
"""A race that comes to one of these is written at once."""

SETTLED_FOR_S = 2.0
"""So long it has stayed there before its plots are made: they take the panel's thread a second,
and who pauses or sees a decision often moves a slider then. At the end they wait for nothing."""

MOST_CELLS = 16
"""A cell that is run again leaves its old place behind: so many are kept."""


class Place(Protocol):
    """Where a cell keeps its picture: what ``display(..., display_id=True)`` returns."""

    def update(self, obj: object, *, raw: bool) -> None:
        """Show something else there."""


class Stills:
    """The places of all cells that show one panel, and when to write into them.

    Parameters
    ----------
    clock_s
        Returns the time in seconds; it never goes back.
    """

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._places: deque[Place] = deque(maxlen=MOST_CELLS)
        self._phase = ""
        self._came_s = self._written_s = float("-inf")
        self._whole = self._asked = False

    def add(self, place: Place) -> None:
        """Keep one more place, which shows the table of the race as it is now."""
        with self._lock:
            self._places.append(place)
            self._phase = ""  # a race that has settled is written there too
            self._whole = False
            self._written_s = self._clock_s()

    @property
    def wanted(self) -> bool:
        """Whether a cell has a place for one, and not all of the last one yet."""
        with self._lock:
            return bool(self._places) and not (self._whole and self._phase == "ended")

    def due(self, phase: str, *, watched: bool) -> bool:
        """Return whether to write now.

        Parameters
        ----------
        phase
            Of the race.
        watched
            Whether somebody has the panel before him; a race that nobody sees is written when
            it settles, and not while it goes on.
        """
        with self._lock:
            came, self._phase = phase != self._phase, phase
            if came:
                self._came_s, self._asked = self._clock_s(), False
            if not self._places:
                return False
            if phase in SETTLED:
                return came
            late = self._clock_s() - self._written_s >= EVERY_S
            return phase == "racing" and watched and late

    def plots_due(self, phase: str) -> bool:
        """Return whether to write the plots now, too: once each time that a race settles.

        Parameters
        ----------
        phase
            Of the race; its table was written at this phase (`due`).
        """
        with self._lock:
            if self._asked or not self._places or phase != self._phase or phase not in SETTLED:
                return False
            settled_s = self._clock_s() - self._came_s
            self._asked = phase == "ended" or settled_s >= SETTLED_FOR_S
            return self._asked

    def write(self, markup: str, text: str, *, whole: bool = False) -> None:
        """Show this in every cell, as HTML and as plain text; `whole` says its plots are in it."""
        with self._lock:
            places = tuple(self._places)
            self._whole = whole
            self._written_s = self._clock_s()
        for place in places:
            place.update({"text/html": markup, "text/plain": text}, raw=True)
