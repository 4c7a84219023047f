"""The control panel of a race: controls, board and plots, and the one thread that keeps them live.

Rule 1: the panel decides nothing. It calls the verbs of `RaceControl` and shows what its snapshot
says. Rule 2: callbacks arrive in threads of the front end's choice and return at once; what takes
seconds (starting, adding) is done by the panel's thread. Rule 3: closing it leaves the race alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import ipywidgets as widgets

from parbench_lab.core.standing import Scoreboard
from parbench_lab.errors import ParbenchError
from parbench_lab.panel.building import close_tree, hear_beside_cells, refused, verb_button
from parbench_lab.panel.controls import Controls, help_words
from parbench_lab.panel.curves import LINES, Curves
from parbench_lab.panel.heartbeat import Act, Heartbeat, survive
from parbench_lab.panel.presenter import board_state, code_of, table_as_csv
from parbench_lab.panel.race_board import RaceBoard
from parbench_lab.panel.race_log import RaceLog, Refusals
from parbench_lab.panel.static_page import RacePage, still_html
from parbench_lab.panel.stills import SETTLED, Stills
from parbench_lab.racing.control import RaceControl

FAST_S = 0.1
CALM_S = 0.5
MEASURING = ("racing", "watching")
UNSEEN_S = 1.0
EAGER_S = 0.03
EAGER_FOR_S = 1.8
"""So long a page that waits for a first measurement at a new batch size is shown little else."""
BOARD_EVERY = 3
"""Every so-manieth fast tick redraws a board that is watched: three times a second can be read.

One that nobody sees is redrawn when the race comes to another phase, and when it is seen again.
"""


class RacePanel:
    """A race with its controls, leaderboard and streaming plots, as one widget.

    Parameters
    ----------
    control
        The race.
    headless
        For runs without a front end (papermill): no thread, no widgets; it shows as a still table.

    Examples
    --------
    In a notebook: ``bench.panel()``.
    """

    def __init__(self, control: RaceControl, *, headless: bool = False) -> None:
        self._control = control
        self._headless = headless
        self._awaited_until_s = 0.0
        self._starting = False
        self._ticks = 0
        self._phase = "new"
        self._shown_phase = ""
        self.stills = Stills()
        self._refusals = Refusals()
        self._heart: Heartbeat | None = None
        if headless:
            return
        self.curves = Curves(control)
        self.board = RaceBoard(self._on_word, help_words=help_words())
        self.log = RaceLog()
        self.message = widgets.HTML()
        self._make_controls()
        shown = self.controls.controls
        self.curves.go_with(shown["elimination_threshold"], shown["tolerance"])
        self.widget = self._lay_out()
        hear_beside_cells(self.widget)
        self._tick()
        self._heart = Heartbeat(self._beat, self._pace_s)
        self._heart.start()

    # ------------------------------------------------------------ the parts

    def _make_controls(self) -> None:
        control = self._control
        self.controls = Controls(
            control.settings,
            control.change,
            default_objectives=control.objectives,
            **self._choices(),
            gpu_reason=control.not_measured.get("gpu_utilization", ""),
            on_change=self._on_change,
            on_refused=self._note_refusal,
        )
        self.buttons = {
            "start": verb_button("start", "play", "success", "begin the race", self._start),
            "pause": verb_button("pause", "pause", "", "send no further blocks", control.pause),
            "resume": verb_button("resume", "forward", "", "go on after a pause", control.resume),
            "stop": verb_button("stop", "stop", "danger", "end the race", self._stop),
        }
        for button in self.buttons.values():
            button.on_click(self._clicked)
        self.challenger = widgets.Dropdown(
            options=list(control.available()), layout=widgets.Layout(flex="1 1 auto", width="auto")
        )
        self.challenger.tooltip = (
            "candidates of the workload and @candidate functions of this notebook"
        )
        self.add = verb_button("add", "plus", "", "let the chosen challenger enter", self._add)
        self.add.on_click(self._clicked)
        self.note = widgets.Text(
            placeholder="a note for the run", layout=widgets.Layout(flex="1 1 auto", width="auto")
        )
        self.note.tooltip = "kept with the run, in its journal"
        self.pin = verb_button("pin", "thumb-tack", "", "pin the note to the run", self._pin)
        self.pin.on_click(self._clicked)

    def _choices(self) -> dict[str, Any]:
        """Return what may be chosen now."""
        control = self._control
        return {
            "metric_names": control.metric_names,
            "policy_names": control.policy_names,
            "n_workers": control.most_workers,
        }

    def _lay_out(self) -> Any:
        row = widgets.Layout(width="100%")
        left = widgets.VBox(
            [
                widgets.HBox(list(self.buttons.values()), layout=row),
                self.message,
                self.controls.widget,
                widgets.HBox([self.challenger, self.add], layout=row),
                widgets.HBox([self.note, self.pin], layout=row),
            ]
        )
        places = {"controls": left, "board": self.board, "log": self.log}
        for place, widget in {**places, "plots": self.curves.figure}.items():
            widget.add_class(f"parbench-at-{place}")
        main = widgets.Box([*places.values(), self.curves.figure])
        main.add_class("parbench-main")
        root = widgets.VBox([main])
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
            self._note_refusal(str(error))
        else:
            self.message.value = ""
            self.refresh()

    def _note_refusal(self, message: str, setting: str = "") -> None:
        """Put what was refused into this panel's log."""
        self._refusals.note(self._control.scoreboard.elapsed_s, message, setting)
        self.refresh()

    def _start(self) -> None:
        self._starting = True
        self._later(self._do_start)

    def _do_start(self) -> None:
        try:
            self._control.start()
        finally:
            self._starting = False

    def _stop(self) -> None:
        self._control.stop(wait=False)

    def _add(self) -> None:
        label = self.challenger.value
        self._later(lambda: self._enter(label))

    def _enter(self, label: str | None) -> None:
        chosen = self._control.available().get(label) if label is not None else None
        if chosen is not None:  # else it has entered meanwhile: the button was clicked twice
            self._control.add(chosen)

    def _pin(self) -> None:
        self._control.note(self.note.value)
        self.note.value = ""

    def _on_change(self, name: str) -> None:
        """Show a user's own change now, not at the next tick."""
        if name in ("elimination_threshold", "tolerance"):
            self.curves.lines()
            self.curves.figure.flush_soon(LINES)
            self.curves.figure.hold()  # who drags sees the line go, not ten other drawings
            return  # and the board at its next turn
        if name == "batch_size":
            self._awaited_until_s = time.monotonic() + EAGER_FOR_S
            self.curves.figure.hold(EAGER_FOR_S)
        self.refresh()

    def _on_word(self, message: Mapping[str, Any]) -> None:
        """Take what the board's page says."""
        kind, name = message.get("kind"), str(message.get("candidate", ""))
        if kind == "drop":
            self._try(lambda: self._control.drop(name))
        elif kind == "bring-back":
            self._try(lambda: self._control.bring_back(name))
        elif kind == "take":
            view, what = str(message.get("view", "")), str(message.get("what", ""))
            self._later(lambda: self._give(view, what))
        elif kind == "look":
            self.refresh()

    def _give(self, view: str, what: str) -> None:
        run = self._control.run_id or "race"
        if what == "csv":
            text = table_as_csv(self._control.scoreboard)
            self.board.give(view, name=f"{run}.csv", text=text, kind="text/csv")
        elif what == "picture":
            text = self.page().html()
            self.board.give(view, name=f"{run}.html", text=text, kind="text/html")
        elif what == "code":
            leader = self._control.scoreboard.leader
            if leader is None:
                self.board.say(view, "nobody leads yet")
                return
            (found,) = (c for c in self._control.candidates if c.name == leader)
            self.board.give(
                view, name=f"{_file_name(leader)}.py", text=code_of(found), kind="text/x-python"
            )

    # ------------------------------------------------------------ the thread

    def refresh(self) -> None:
        """Look at the race now."""
        heart = self._heart
        if heart is not None:
            heart.soon()

    def _later(self, job: Act) -> None:
        heart = self._heart
        if heart is not None:
            heart.do(lambda: self._try(job))

    def _beat(self, jobs: Sequence[Act], *, urgent: bool) -> Iterator[Act]:
        """Yield what is to be done now: what a user asked for, then a look at the race."""
        if jobs:
            yield lambda: self._show_board(self._control.scoreboard)
        yield from jobs
        yield lambda: self._tick(everything=urgent or bool(jobs))

    def _is_watched(self) -> bool:
        return self.board.watched or self.curves.figure.visible

    def _pace_s(self) -> float:
        if not self._is_watched():
            return UNSEEN_S
        if self._phase not in MEASURING:
            return CALM_S
        return FAST_S if self._awaited() is None else EAGER_S

    def _awaited(self) -> int | None:
        """Return the batch size whose first measurement a user waits for, if one can come now."""
        if self._phase not in MEASURING or time.monotonic() >= self._awaited_until_s:
            return None
        return self._control.settings.batch_size

    def _tick(self, *, everything: bool = True) -> None:
        board = self._control.scoreboard
        self._phase = board.phase if self._control.started else "new"
        self._ticks += 1
        awaited = self._awaited()
        watched = self._is_watched()
        self.curves.tick(board, watched=watched, awaited=awaited)
        if awaited is not None and self.curves.shown_size == awaited:
            self._awaited_until_s = 0.0
        everything = everything or self._phase != self._shown_phase
        if awaited is None and (everything or (watched and self._ticks % BOARD_EVERY == 0)):
            self._show_board(board)
            self._shown_phase = self._phase
        if awaited is None and self._control.started and self.stills.plots_due(self._phase):
            self._write_whole()

    def _show_board(self, board: Scoreboard) -> None:
        started, phase = self._control.started, board.phase
        challengers = self._control.challengers()
        for name, why in challengers.unusable.items():
            words = f"{name} cannot be a challenger: {why}"
            self._refusals.note(board.elapsed_s, words, once=True)
        state = self._state(board)
        self.log.show(state.pop("log"))
        self.board.show(state)
        settings = self._control.settings  # before what can be chosen, which holds it then
        self.controls.offer(**self._choices())
        self.controls.follow(settings)
        self.controls.tell_gpu(self._control.not_measured.get("gpu_utilization", ""))
        running = started and phase != "ended"
        self.buttons["start"].disabled = started or self._starting
        self.buttons["pause"].disabled = not running or phase == "paused"
        self.buttons["resume"].disabled = not running or not (
            phase == "paused" or board.trust.suspended
        )
        self.buttons["stop"].disabled = not running
        over = started and phase == "ended"
        self.add.disabled = self.pin.disabled = over
        if self._control.failure and not self.message.value:
            self.message.value = refused(self._control.failure)
        labels = list(challengers.available)
        if list(self.challenger.options) != labels:
            chosen = self.challenger.value
            self.challenger.options = labels
            if chosen in labels:
                self.challenger.value = chosen
        if started and self.stills.due(phase, watched=self._is_watched()):
            self.stills.write(still_html(state), repr(self))

    def _state(self, board: Scoreboard) -> dict[str, Any]:
        control = self._control
        return board_state(
            board,
            control.settings,
            self._refusals.among(control.log_lines),
            candidates=[candidate.name for candidate in control.candidates],
            started=control.started,
            starting=self._starting,
            failure=control.failure,
            objective=control.objective,
            workload=control.workload_name,
            run_id=control.run_id,
            dashboard_link=control.dashboard_link,
        )

    # ------------------------------------------------------------ showing and closing

    @property
    def closed(self) -> bool:
        """Whether it has no thread and no widgets, or never had."""
        return self._heart is None

    def page(self) -> RacePage:
        """Return plots and table as they are now, for a report: no widgets, no network."""
        control = self._control
        return RacePage(history=control.history(), state=self._state(control.scoreboard))

    def close(self) -> None:
        """End the thread and the widgets; the race goes on. Idempotent."""
        heart, self._heart = self._heart, None
        if heart is None:
            return
        heart.close()
        if self.stills.wanted:
            survive(self._write_last)
        self.curves.figure.close()
        close_tree(self.widget)

    def _write_whole(self) -> None:
        self.stills.write(self.page().still(), repr(self), whole=True)

    def _write_last(self) -> None:
        """Show what stays: plots, too, where the race has come to something."""
        state = self._state(self._control.scoreboard)
        if self._control.started and state["phase"] in SETTLED:
            self._write_whole()
        else:
            self.stills.write(still_html(state), repr(self))

    def _ipython_display_(self) -> None:
        """Show the panel, and beside it a still picture for whoever opens the notebook later."""
        from IPython.display import display  # noqa: PLC0415 - in a notebook only

        markup = still_html(self._state(self._control.scoreboard))
        if self._headless:
            display({"text/html": markup, "text/plain": repr(self)}, raw=True)
            return
        view = self.widget._repr_mimebundle_()  # IPython's own name for what a cell shows
        display({**view, "text/plain": repr(self)}, raw=True)
        place = display({"text/html": markup}, raw=True, display_id=True)
        if place is not None:  # outside a notebook there is none
            self.stills.add(place)
            self.refresh()  # a settled race that nobody watches is not looked at again by itself

    def __repr__(self) -> str:
        run = self._control.run_id or "not started"
        return f"RacePanel({self._control.workload_name!r}, run {run})"


def _file_name(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in name)
