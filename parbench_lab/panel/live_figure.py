"""A live view of Bokeh figures: the kernel's data sources are the truth, browsers only look.

Rule 1: one way, kernel to browser. A view asks for a snapshot whenever it does not know better (it
is new, was hidden, missed a message), so a reload, a second view or a front end of another kind
need nothing special. Rule 2: one thread sends; whoever changes data only queues. Rule 3: without a
view on screen nothing is queued and nothing is sent.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import anywidget
import bokeh
import pandas as pd  # noqa: F401 - Bokeh wants it in our thread, where it may be half loaded
import traitlets
from bokeh.document import Document
from bokeh.embed import json_item
from bokeh.models import ColumnDataSource

from parbench_lab.panel.leash import Leash
from parbench_lab.panel.live_message import Operation, bokehjs, packed
from parbench_lab.panel.live_queue import Queue, View, group_of

UNACKNOWLEDGED = 1
"""Messages on the way at most, and one more for what a user waits for: a page that still draws
gets nothing else to draw."""

BUSY_SHARE = 0.1
"""Of its time a page may be busy with drawing what it is sent, so that it stays smooth."""

HURRIED_S = 0.1
"""So long after the last message goes what a user waits for, however quickly a slider moves."""

ALONE_S = 0.25
"""So long the other plots wait when what a user waited for is drawn."""

Columns = Mapping[str, Sequence[Any]]
_log = logging.getLogger(__name__)


class LiveFigure(anywidget.AnyWidget):  # type: ignore[misc] # not annotated
    """A Bokeh layout that streams into every front end that shows it.

    Parameters
    ----------
    root
        A Bokeh figure or layout. Every data source that changes has a ``name``, as has every
        model of which an attribute is `set`. Names such as ``"evidence:fft"`` say which plot a
        source belongs to: a tick brings one plot's data, so that no drawing takes long.
    max_hz, longest_tick_s
        Messages a second at most; fewer where a page is slow to draw them (`BUSY_SHARE`), but
        every plot has its turn once in `longest_tick_s`.
    themes
        ``{"light": {type: {attribute: value}}, "dark": ...}``: applied by the page as its own
        theme says; types are Bokeh's, or the ends of their names (``"Axis"``).
    patience_s
        A view that acknowledges nothing for so long gets the next message all the same.
    silent_s
        A view that says nothing at all for so long (it would every 4 s) is gone.

    Notes
    -----
    `stream`, `replace`, `set`, `rebuild` and `flush_soon` may be called from any thread. `close`
    ends the one thread of this object.
    """

    _esm = Path(str(resources.files("parbench_lab.panel") / "live_figure.js"))
    _version = traitlets.Unicode(bokeh.__version__).tag(sync=True)
    _themes = traitlets.Dict().tag(sync=True)
    _leashes = traitlets.List().tag(sync=True)

    def __init__(
        self,
        root: Any,
        *,
        max_hz: float = 10.0,
        themes: Mapping[str, Mapping[str, Mapping[str, Any]]] | None = None,
        longest_tick_s: float = 3.0,
        patience_s: float = 5.0,
        silent_s: float = 15.0,
    ) -> None:
        self._lock = threading.RLock()
        self._wake = threading.Condition(self._lock)
        self._least_s = 1.0 / max_hz
        self._longest_s = longest_tick_s
        self._patience_s = patience_s
        self._silent_s = silent_s
        self._views: dict[str, View] = {}
        self._wanted: dict[str, int] = {}
        self._pings = set[str]()
        self._wants_code = False
        self._queue = Queue()
        self._settings: dict[tuple[str, str], Any] = {}
        self._seq = 0
        self._sent_s = self._ticked_s = -1.0
        self._urgent = False
        self._hurried: tuple[str, ...] | None = ()
        self._held_until_s = -1.0
        self._turns: dict[str, int] = {}
        self._structure = 0
        self._rebuilt = False
        self._stopping = False
        self.sent_messages = 0
        """Messages with data sent so far."""
        self._show(root)
        super().__init__(_themes=_plain(themes or {}))
        self.on_msg(self._on_message)
        self._thread = threading.Thread(target=self._run, name="parbench-figure", daemon=True)
        self._thread.start()

    # ------------------------------------------------------------ for any thread

    @property
    def visible(self) -> bool:
        """Whether some front end shows it now."""
        with self._lock:
            self._forget_silent()
            return bool(self._views)

    def stream(self, source: str, columns: Columns, rollover: int | None = None) -> None:
        """Append rows to a data source; of a source with `rollover` the newest so many stay.

        Raises
        ------
        KeyError
            If there is no source of this name.
        ValueError
            If the columns are not those of the source.
        """
        with self._lock:
            new = {name: list(values) for name, values in columns.items()}
            self._sources[source].stream(new, rollover)
            if not self._views or source in self._queue.replaced:
                return
            waiting = self._queue.streams.setdefault(source, ({name: [] for name in new}, None))[0]
            for name, values in new.items():
                waiting[name].extend(values)
                if rollover is not None:
                    del waiting[name][:-rollover]
            self._queue.streams[source] = (waiting, rollover)
            self._wake.notify_all()

    def replace(self, source: str, columns: Columns) -> None:
        """Give a data source new rows instead of those it had.

        Raises
        ------
        KeyError
            If there is no source of this name.
        """
        with self._lock:
            self._sources[source].data = {name: list(values) for name, values in columns.items()}
            if self._views:
                self._queue.streams.pop(source, None)
                self._queue.replaced.add(source)
                self._wake.notify_all()

    def set(self, model: str, attribute: str, value: Any) -> None:
        """Set an attribute of a named model; setting what it is already costs nothing.

        Raises
        ------
        KeyError
            If there is no model of this name.
        """
        with self._lock:
            found = self._document.get_model_by_name(model)
            if found is None:
                raise KeyError(model)
            if getattr(found, attribute) == value:
                return
            setattr(found, attribute, value)
            self._settings[model, attribute] = value
            if self._views:
                self._queue.attributes[model, attribute] = value
                self._wake.notify_all()

    def leash(self, *leashes: Leash) -> None:
        """Let these lines, and no others, go with sliders, from the next drawing on."""
        self._leashes = [leash.as_json() for leash in leashes]

    def rebuild(self, root: Any) -> None:
        """Show another figure or layout from now on, in every view."""
        with self._lock:
            self._show(root)
            self._rebuilt = bool(self._views)
            self._wake.notify_all()

    def flush_soon(self, sources: tuple[str, ...] | None = None) -> None:
        """Send what a user waits for now and not at the next tick, ten times a second at most.

        Parameters
        ----------
        sources
            Beginnings of the names of sources whose data go, and of models of which something was
            set; None for all, and without any only what was set. The less a page has to draw
            first, the sooner it shows what was waited for.
        """
        with self._lock:
            if sources is None or self._hurried is None:
                self._hurried = None
            else:
                self._hurried += sources
            self._urgent = True
            self._wake.notify_all()

    def hold(self, for_s: float = ALONE_S) -> None:
        """Send for so long only what is flushed: a page that draws nothing shows that at once.

        Parameters
        ----------
        for_s
            From now on, in seconds; 0 ends it.
        """
        with self._lock:
            self._held_until_s = time.monotonic() + for_s
            self._wake.notify_all()

    def static(self) -> Any:
        """Return an independent copy of the figure with the data of now, for a report."""
        with self._lock:
            copy = Document.from_json(self._document.to_json())
        root = copy.roots[0]
        copy.clear()
        return root

    def close(self) -> None:
        """End the thread and the views; idempotent."""
        with self._lock:
            self._stopping = True
            self._wake.notify_all()
        if self._thread is not threading.current_thread():
            self._thread.join()
        super().close()

    # ------------------------------------------------------------ what views say

    def _on_message(self, _widget: Any, message: Mapping[str, Any], _buffers: Any) -> None:
        """Take a view's word; the thread answers."""
        view, kind = str(message.get("view", "")), message.get("kind")
        with self._lock:
            now_s = time.monotonic()
            if kind == "need-bokehjs":
                self._wants_code = True
            elif kind == "hello":
                self._wanted[view] = int(message.get("structure", -1))
            elif kind == "bye":
                self._views.pop(view, None)
                self._wanted.pop(view, None)
            elif kind == "ping":
                self._pings.add(view)
            if view in self._views:
                known = self._views[view]
                known.heard_s = now_s
                if kind == "ack":
                    busy_s = float(message.get("busy_ms", 0.0)) / 1000
                    known.drew(int(message.get("seq", 0)), busy_s)
            self._wake.notify_all()

    # ------------------------------------------------------------ the one thread that sends

    def _run(self) -> None:
        while True:
            with self._lock:
                while not self._has_work():
                    self._wake.wait(self._pause_s())  # each word may change how long
                if self._stopping:
                    return
                messages = self._messages_or_none()
            for content, buffers in messages:
                try:
                    self.send(content, buffers)
                except Exception:  # noqa: BLE001 - the kernel may be ending; the race goes on
                    _log.exception("a live figure could not be sent to its views")

    def _messages_or_none(self) -> list[tuple[dict[str, Any], list[bytes]]]:
        """Return what is to be sent; a figure that cannot be packed now is asked for again."""
        try:
            return self._messages()
        except Exception:  # noqa: BLE001 - whoever changes a model meanwhile must not end the view
            _log.exception("a live figure could not be made ready for its views")
            self._wanted.clear()
            self._views.clear()  # their next ping is answered with "lost", and they ask
            return []

    def _has_work(self) -> bool:
        asked = self._wanted or self._pings or self._wants_code
        return self._stopping or bool(asked) or self._may_send()

    def _may_send(self) -> bool:
        if self._rebuilt:
            return True
        self._forget_silent()
        if not self._queue or not self._views:
            return False
        now_s = time.monotonic()
        behind = self._seq - min(view.acknowledged for view in self._views.values())
        allowed = UNACKNOWLEDGED + self._urgent
        ready = behind < allowed or now_s - self._sent_s >= self._patience_s
        return ready and now_s >= self._next_s()

    def _next_s(self) -> float:
        """Return when the next message may go; what is waited for does not wait for its tick."""
        if self._urgent:
            return self._sent_s + min(self._least_s, HURRIED_S)
        return max(self._sent_s + self._least_s, self._next_tick_s())

    def _next_tick_s(self) -> float:
        """Return when the next message goes by itself: later where a page is slow to draw."""
        busy_s = max((view.busy_s for view in self._views.values()), default=0.0)
        longest_s = self._longest_s / max(1, len(self._queue.groups))
        tick_s = max(self._least_s, min(busy_s / BUSY_SHARE, longest_s))
        return max(self._ticked_s + tick_s, self._held_until_s)

    def _forget_silent(self) -> None:
        """Drop views whose page was closed without a word."""
        oldest_s = time.monotonic() - self._silent_s
        for view in [v for v, known in self._views.items() if known.heard_s < oldest_s]:
            del self._views[view]

    def _pause_s(self) -> float | None:
        """Return how long to wait without a word: until the next may go, or for ever."""
        if not self._queue or not self._views:
            return None
        now_s = time.monotonic()
        until_s = self._next_s() - now_s
        return max(0.0, until_s if until_s > 0 else self._sent_s + self._patience_s - now_s)

    def _messages(self) -> list[tuple[dict[str, Any], list[bytes]]]:
        found: list[tuple[dict[str, Any], list[bytes]]] = []
        if self._wants_code:
            self._wants_code = False
            found.append(({"kind": "bokehjs"}, [bokehjs()]))
        if self._rebuilt:
            self._rebuilt = False
            self._queue = Queue()
            found.append((self._figure(None), []))
        if self._wanted or self._may_send():
            found += self._data()  # others must have it before a snapshot holds it
        for view, structure in self._wanted.items():
            self._views[view] = View(self._seq, time.monotonic())
            same = structure == self._structure
            found.append(self._all(view) if same else (self._figure(view), []))
        self._wanted.clear()
        for view in self._pings:
            kind = "pong" if view in self._views else "lost"
            found.append(({"kind": kind, "view": view}, []))
        self._pings.clear()
        return found

    def _data(self) -> list[tuple[dict[str, Any], list[bytes]]]:
        """Return what is queued as a message, if anything is."""
        now_s = time.monotonic()
        by_itself = bool(self._wanted) or now_s >= self._next_tick_s()
        queue = self._queue.take(self._going(), self._setting())
        self._urgent, self._hurried = False, ()
        if not queue or not self._views:
            return []
        self._seq += 1
        self._turns |= dict.fromkeys(queue.groups, self._seq)
        self._sent_s = now_s
        if by_itself:
            self._ticked_s = now_s
        self.sent_messages += 1
        operations: list[Operation] = [
            ("replace", name, dict(self._sources[name].data), None)
            for name in sorted(queue.replaced)
        ]
        operations += [
            ("stream", name, columns, rollover)
            for name, (columns, rollover) in queue.streams.items()
        ]
        return [packed(self._about("data"), operations, queue.attributes)]

    def _going(self) -> Callable[[str], bool]:
        """Return which sources go now: what somebody waits for, or the plot whose turn it is."""
        hurried = self._hurried
        if self._wanted or hurried is None:
            # whoever is new gets a snapshot next: nothing may wait then
            return lambda _source: True
        if self._urgent:
            return lambda source: source.startswith(hurried)
        turn = min(self._queue.groups, key=lambda name: self._turns.get(name, -1), default=None)
        return lambda source: group_of(source) == turn

    def _setting(self) -> Callable[[str], bool]:
        """Return whose attributes go now: everybody's, unless somebody waits for one plot."""
        hurried = self._hurried
        if self._wanted or not self._urgent or not hurried:
            return lambda _model: True
        return lambda model: model.startswith(hurried)

    def _all(self, view: str) -> tuple[dict[str, Any], list[bytes]]:
        """Return all data for a view that has the figure but missed messages."""
        operations: list[Operation] = [
            ("replace", name, dict(source.data), None) for name, source in self._sources.items()
        ]
        return packed(self._about("all", view), operations, self._settings)

    def _figure(self, view: str | None) -> dict[str, Any]:
        item = json_item(self._document.roots[0])
        return {**self._about("figure", view), "item": json.dumps(item)}

    def _about(self, kind: str, view: str | None = None) -> dict[str, Any]:
        return {"kind": kind, "view": view, "seq": self._seq, "structure": self._structure}

    def _show(self, root: Any) -> None:
        self._document = Document()
        self._document.add_root(root)  # one owner for life, or json_item makes another each time
        self._sources = {
            source.name: source
            for source in root.select({"type": ColumnDataSource})
            if source.name is not None
        }
        self._settings.clear()
        self._structure += 1


def _plain(themes: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[str, Any]:
    return {
        name: {kind: dict(attributes) for kind, attributes in theme.items()}
        for name, theme in themes.items()
    }
