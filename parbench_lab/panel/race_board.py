"""The board: a widget that shows what the presenter says and passes on what is clicked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import anywidget
import traitlets

WATCHED_S = 8.0
"""A page that shows the board says so every 3 s."""

_HERE = Path(str(resources.files("parbench_lab.panel")))


class RaceBoard(anywidget.AnyWidget):  # type: ignore[misc] # not annotated
    """Leaderboard, progress, trust, log and take-away buttons.

    Parameters
    ----------
    on_word
        Called with what a page says: ``kind`` is ``drop``, ``bring-back``, ``take`` or ``look``;
        in whatever thread the front end's messages arrive.
    help_words
        Label of a control to its tooltip.
    """

    _esm = _HERE / "race_board.js"
    _css = _HERE / "race_board.css"
    _state = traitlets.Dict().tag(sync=True)
    _help = traitlets.Dict().tag(sync=True)

    def __init__(
        self, on_word: Callable[[Mapping[str, Any]], None], *, help_words: Mapping[str, str]
    ) -> None:
        super().__init__(_help=dict(help_words))
        self._on_word = on_word
        self._lock = threading.Lock()
        self._looked_s = float("-inf")
        self.on_msg(self._on_message)

    @property
    def watched(self) -> bool:
        """Whether some page shows the board now."""
        return time.monotonic() - self._looked_s < WATCHED_S

    def show(self, state: Mapping[str, Any]) -> None:
        """Show a state; what is shown already costs nothing."""
        with self._lock:
            if dict(state) != self._state:
                self._state = dict(state)

    def give(self, view: str, *, name: str, text: str, kind: str) -> None:
        """Let a page save a text as a file of this name and MIME type."""
        self.send({"kind": "file", "view": view, "name": name, "text": text, "type": kind})

    def say(self, view: str, text: str) -> None:
        """Say something beside the take-away buttons of a page."""
        self.send({"kind": "said", "view": view, "text": text})

    def _on_message(self, _widget: Any, message: Mapping[str, Any], _buffers: Any) -> None:
        self._looked_s = time.monotonic()
        self._on_word(message)
