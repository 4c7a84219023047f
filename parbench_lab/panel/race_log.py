"""The log of a race as a widget of its own, so that it can stand below the controls."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import anywidget
import traitlets

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
