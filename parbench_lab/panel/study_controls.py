"""Pending worker counts and repetitions, and how the curves are drawn, as widgets.

They decide nothing: what a user set is passed on, what is refused is told beside the control, and
the control returns to the plan in force.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as widgets

from parbench_lab.errors import ParbenchError, UsageError
from parbench_lab.panel.building import refused
from parbench_lab.scaling.plan import Plan

SETTLE_S = 1.0
"""A control that was touched so recently is its user's: it follows nothing."""

_WIDTH = "72px"


class StudyControls:
    """The controls of a study.

    Parameters
    ----------
    plan
        Called for the plan in force.
    change
        Called with ``workers=`` or ``repeats=``; what it raises is shown beside the control.
    on_change
        Called after something was changed by a user: the plan, or how curves are drawn.
    """

    def __init__(
        self, plan: Callable[[], Plan], change: Callable[..., None], on_change: Callable[[], None]
    ) -> None:
        self._change = change
        self._on_change = on_change
        self._lock = threading.RLock()
        self._following = False
        self._touched_s = float("-inf")
        self._plan = plan
        self.workers = widgets.Text(value=listed(plan().workers), continuous_update=False)
        self.repeats = widgets.IntText(value=plan().repeats, continuous_update=False)
        self.messages = {"workers": widgets.HTML(), "repeats": widgets.HTML()}
        self.log = _box("log-log axes", "workers, times and speedups on logarithmic axes")
        self.beyond = _box(
            "fit levels beyond the cores", "let the laws see levels with more workers than cores"
        )
        self.hide = _box(
            "hide the last level from the laws",
            "the lines then predict it: see how well before you trust what they say beyond it",
        )
        self._dress()

    def _dress(self) -> None:
        self.workers.tooltip = (
            "worker counts still to measure, such as 1, 2, 4; what was measured stays"
        )
        self.repeats.tooltip = "how often each worker count is measured"
        for name, control in (("workers", self.workers), ("repeats", self.repeats)):
            control.description = name
            control.style.description_width = _WIDTH
            control.layout.width = "auto"
            control.observe(lambda change, name=name: self._moved(name, change["new"]), "value")
        for box in (self.log, self.beyond, self.hide):
            box.observe(lambda _change: self._on_change(), "value")

    @property
    def widget(self) -> Any:
        """All controls, one below the other."""
        rows = [
            self.workers, self.messages["workers"], self.repeats, self.messages["repeats"],
            self.log, self.beyond, self.hide,
        ]  # fmt: skip
        return widgets.VBox(rows, layout=widgets.Layout(width="100%"))

    def follow(self, *, ended: bool) -> None:
        """Show the plan in force, except while a user is at it; nothing is pending once ended."""
        with self._lock:
            self.workers.disabled = self.repeats.disabled = ended
            if time.monotonic() - self._touched_s > SETTLE_S:
                self._return()

    def _moved(self, name: str, value: Any) -> None:
        with self._lock:
            if self._following:
                return
            self._touched_s = time.monotonic()
            try:
                wanted = worker_counts(value) if name == "workers" else value
                if wanted != getattr(self._plan(), name):
                    self._change(**{name: wanted})
            except ParbenchError as error:
                self.messages[name].value = refused(str(error))
                self._return()
                return
            self.messages[name].value = ""
            self._return()
        self._on_change()

    def _return(self) -> None:
        """Set the controls to the plan in force."""
        self._following = True
        try:
            plan = self._plan()
            self.workers.value = listed(plan.workers)
            self.repeats.value = plan.repeats
        finally:
            self._following = False


def worker_counts(text: str) -> tuple[int, ...]:
    """Return the worker counts of a text, ascending.

    Raises
    ------
    UsageError
        If something in it is no whole number.

    Examples
    --------
    >>> worker_counts("1, 4 2")
    (1, 2, 4)
    """
    words = text.replace(",", " ").split()
    try:
        return tuple(sorted(int(word) for word in words))
    except ValueError:
        raise UsageError(
            f"workers must be whole numbers such as 1, 2, 4 but got {text!r}"
        ) from None


def listed(counts: Sequence[int]) -> str:
    """Return worker counts as they are typed.

    Examples
    --------
    >>> listed((1, 2, 4))
    '1, 2, 4'
    """
    return ", ".join(map(str, counts))


def _box(label: str, tooltip: str) -> Any:
    return widgets.Checkbox(description=label, indent=False, tooltip=tooltip)
