"""The control panel of a scaling study: controls, table and plots, kept live.

Rule 1: the panel decides nothing. It calls the verbs of `StudyControl` and shows its snapshot.
Rule 2: callbacks arrive in threads of the front end's choice and return at once. Rule 3: the
picture is drawn between two runs, in the thread that measures: while the clock runs there are only
looks at what runs now, or measuring would be slowed by being watched. Rule 4: closing it leaves
the study alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib import resources
from typing import Any

import ipywidgets as widgets

from parbench_lab.errors import ParbenchError
from parbench_lab.panel.building import close_tree, hear_beside_cells, refused, verb_button
from parbench_lab.panel.heartbeat import Act, Heartbeat, survive
from parbench_lab.panel.live_figure import ALONE_S
from parbench_lab.panel.study_board import StudyState, body_html, head_html, look_at, still_html
from parbench_lab.panel.study_controls import StudyControls
from parbench_lab.panel.study_curves import StudyCurves
from parbench_lab.panel.study_page import StudyPage
from parbench_lab.scaling.control import StudyControl
from parbench_lab.scaling.study import Phase

FAST_S = 0.1
CALM_S = 0.5
UNSEEN_S = 1.0
LEAST_S, MOST_S = 0.3, 1.0
"""Between two pictures: ten times what one takes, within these."""
OWED_S = 2.0
"""A picture that was put off is drawn after so long, even during a run."""


class StudyPanel:
    """A study with its controls, table of levels and streaming curves, as one widget.

    Parameters
    ----------
    control
        The study. It calls `between_runs` after each run, in the thread that measures.
    headless
        For runs without a front end (papermill): no thread, no widgets; it shows as a still table.

    Examples
    --------
    In a notebook: ``study.panel()``.
    """

    def __init__(self, control: StudyControl, *, headless: bool = False) -> None:
        self._control = control
        self._headless = headless
        self._drawing = threading.RLock()
        self._starting = False
        self._ending = self._failure = ""
        self._owed_s: float | None = None
        self._next_s = float("-inf")
        self._still: Any = None
        self._still_of: tuple[str, int] = ("", 0)
        self._heart: Heartbeat | None = None
        if headless:
            return
        self._state = look_at(control)
        self.curves = StudyCurves(self._state.data)
        self.head, self.body, self.message = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self.controls = StudyControls(lambda: control.plan, control.change, self.refresh)
        self.buttons = self._make_buttons()
        self.widget = self._lay_out()
        hear_beside_cells(self.widget)
        self._tick(urgent=True)
        self._heart = Heartbeat(self._beat, self._pace_s)
        self._heart.start()

    # ------------------------------------------------------------ the parts

    def _make_buttons(self) -> dict[str, Any]:
        made = {
            "start": verb_button("start", "play", "success", "begin to measure", self._start),
            "pause": verb_button("pause", "pause", "", "begin no further run", self._pause),
            "resume": verb_button("resume", "forward", "", "go on after a pause", self._resume),
            "stop": verb_button("stop", "stop", "danger", "end after this run", self._stop),
        }
        for button in made.values():
            button.on_click(self._clicked)
        return made

    def _lay_out(self) -> Any:
        row = widgets.Layout(width="100%")
        buttons = widgets.HBox(list(self.buttons.values()), layout=row)
        left = widgets.VBox([buttons, self.message, self.controls.widget])
        board = widgets.VBox([self.head, self.body])
        board.add_class("parbench-board")
        main = widgets.Box([left, widgets.VBox([board, self.curves.figure])])
        main.add_class("parbench-main")
        style = widgets.HTML(f"<style>{_css()}</style>", layout=widgets.Layout(display="none"))
        root = widgets.VBox([style, main])
        root.add_class("parbench-panel")
        return root

    # ------------------------------------------------------------ what a user does

    def _clicked(self, button: Any) -> None:
        self._try(button.act)

    def _try(self, act: Act) -> None:
        """Do something a user asked for; what is refused is told below the buttons."""
        try:
            act()
        except ParbenchError as error:
            self.message.value = refused(str(error))
        else:
            self.message.value = ""
        self.refresh()

    def _start(self) -> None:
        """Let the panel's thread start it: the store may take a while to answer."""
        self._starting = True
        heart = self._heart
        if heart is not None:
            heart.do(self._do_start)

    def _do_start(self) -> None:
        try:
            self._try(self._control.start)
        finally:
            self._starting = False

    def _pause(self) -> None:
        self._control.pause()

    def _resume(self) -> None:
        self._control.resume()

    def _stop(self) -> None:
        self._ending = "stopping"
        self._control.stop()

    # ------------------------------------------------------------ the two threads

    def between_runs(self) -> None:
        """Draw what a run brought, now that no clock runs; called by the thread that measures.

        Pictures take a tenth of the time at most; what is put off is drawn later.
        """
        heart = self._heart
        if heart is None or heart.closing:
            return
        began_s = time.monotonic()
        if began_s < self._next_s:
            self._owed_s = self._owed_s or began_s
            return
        survive(self._draw)
        took_s = time.monotonic() - began_s
        least_s = LEAST_S if self.curves.figure.visible else UNSEEN_S
        self._next_s = began_s + max(least_s, min(10.0 * took_s, MOST_S))

    def refresh(self) -> None:
        """Look at the study now."""
        heart = self._heart
        if heart is not None:
            heart.soon()

    def _beat(self, jobs: Sequence[Act], *, urgent: bool) -> Iterator[Act]:
        yield from jobs
        yield lambda: self._tick(urgent=urgent or bool(jobs))

    def _pace_s(self) -> float:
        if not self.curves.figure.visible:
            return UNSEEN_S
        return FAST_S if self._control.phase == "measuring" else CALM_S

    def _tick(self, *, urgent: bool) -> None:
        """Tell what runs now; draw where a user waits for it or no clock runs."""
        phase = self._control.phase
        quiet = phase != "measuring" and self._control.now is None
        if urgent and self._control.plan != self._state.plan:
            self._answer(phase)
            self._draw(hurry=False)
        elif urgent or (quiet and self._is_stale(phase)) or self._is_overdue():
            self._draw()
        else:
            self._show_head(self._state, phase)

    def _is_stale(self, phase: Phase) -> bool:
        shown = (self._state.phase, self._state.plan, self._state.done)
        return shown != (phase, self._control.plan, self._control.progress[0])

    def _is_overdue(self) -> bool:
        return self._owed_s is not None and time.monotonic() - self._owed_s > OWED_S

    # ------------------------------------------------------------ the picture

    def _answer(self, phase: Phase) -> None:
        """Tell the new plan before anything else is looked at or drawn."""
        self._next_s = time.monotonic() + ALONE_S
        self.curves.figure.hold()
        done, planned = self._control.progress
        plan = self._control.plan
        self._show_head(replace(self._state, plan=plan, done=done, planned=planned), phase)

    def _draw(self, *, hurry: bool = True) -> None:
        """Look, and show all of it; the plots at their next tick where there is no hurry."""
        with self._drawing:
            self._owed_s = None
            self._state = state = self._look()
            self.curves.show(state.data, log=self.controls.log.value)
            if hurry:
                self.curves.figure.flush_soon()
            self.body.value = body_html(state)
            self._show_head(state, state.phase)
            self._update_still(state.phase)

    def _look(self) -> StudyState:
        if self._control.phase == "ended" and not self._failure:
            try:
                self._control.wait(0.0)
            except ParbenchError as error:
                self._failure = str(error)
        if self._headless:
            return look_at(self._control, failure=self._failure)
        return look_at(
            self._control,
            hidden=int(self.controls.hide.value),
            oversubscribed="include" if self.controls.beyond.value else "exclude",
            failure=self._failure,
        )

    def _show_head(self, state: StudyState, phase: Phase) -> None:
        now = self._control.now
        ending = ""
        if now is not None:
            ending = self._ending or ("pausing" if phase == "paused" else "")
        told = replace(state, phase=phase, run_id=self._control.run_id)
        self.head.value = head_html(told, now=now, ending=ending)
        self.buttons["start"].disabled = phase != "new" or self._starting
        self.buttons["pause"].disabled = phase != "measuring"
        self.buttons["resume"].disabled = phase != "paused"
        self.buttons["stop"].disabled = phase not in ("measuring", "paused")
        self.controls.follow(ended=phase == "ended")

    # ------------------------------------------------------------ showing and closing

    @property
    def closed(self) -> bool:
        """Whether it has no thread and no widgets, or never had."""
        return self._heart is None

    def page(self) -> StudyPage:
        """Return plots and table as they are now, for a report: no widgets, no network."""
        log = not self._headless and self.controls.log.value
        return StudyPage(state=self._look(), log=log)

    def close(self) -> None:
        """End the thread and the widgets; the study goes on. Idempotent."""
        heart, self._heart = self._heart, None
        if heart is None:
            return
        heart.close()
        with self._drawing:  # a picture between two runs may be on its way
            self._state = self._look()
            self._update_still("closed")
        self.curves.figure.close()
        close_tree(self.widget)

    def _update_still(self, phase: str) -> None:
        """Keep the still picture, where there is one, as the study is when it rests."""
        known = (phase, self._state.done)
        if self._still is None or known == self._still_of or phase in ("new", "measuring"):
            return
        self._still_of = known
        markup = still_html(self._state)
        self._still.update({"text/html": markup, "text/plain": repr(self)}, raw=True)

    def _ipython_display_(self) -> None:
        """Show the panel, and beside it a still picture for whoever opens the notebook later."""
        from IPython.display import display  # noqa: PLC0415 - in a notebook only

        markup = still_html(self._look())
        if self.closed:
            display({"text/html": markup, "text/plain": repr(self)}, raw=True)
            return
        display(self.widget)
        self._still = display({"text/html": markup}, raw=True, display_id=True)

    def __repr__(self) -> str:
        run = self._control.run_id or "not started"
        return f"StudyPanel({self._control.scalable.name!r}, run {run})"


def _css() -> str:
    here = resources.files("parbench_lab.panel")
    sheets = ("race_board.css", "study_panel.css")
    return "".join((here / sheet).read_text(encoding="utf-8") for sheet in sheets)
