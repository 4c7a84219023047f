"""The knobs as widgets, built from the settings' own metadata; they decide nothing.

A control passes on what a user set. What is refused is told beside it, and the control returns to
the value in force; what was changed elsewhere is followed.
"""

from __future__ import annotations

import html
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as widgets

from parbench_lab.core.wording import odds
from parbench_lab.errors import ParbenchError
from parbench_lab.panel.building import refused
from parbench_lab.racing.settings import Settings, knobs

SETTLE_S = 1.0
"""A control that was touched so recently is its user's: it follows nothing."""

STEP = 0.05
"""Of the logarithmic sliders, in powers of ten."""

# A slider over all that is allowed would have what is used in a few of its pixels: a threshold may
# be 1e12, a tolerance 9, a time limit a day. The sliders grow for a value beyond their ends; the
# box beside each of them takes every value.
MOST_THRESHOLD, MOST_TOLERANCE = 1e6, 0.5
TIMEOUTS_S = 0.01, 1000.0

_LABELS = {
    "batch_size": "batch size",
    "elimination_threshold": "threshold",
    "tolerance": "tolerance",
    "max_concurrent": "max concurrent",
    "timeout_s": "time limit (s)",
    "objectives": "objectives",
    "policy": "policy",
    "target_gpu_utilization": "GPU target",
}
_DESCRIPTION_WIDTH = "108px"
_ROW = {"width": "100%"}
_BOX = {"width": "80px", "flex": "0 0 auto"}


class Controls:
    """One control per live knob that a panel shows.

    Parameters
    ----------
    settings
        In force at the start.
    change
        Called with ``name=value``; what it raises is shown beside the control.
    metric_names, policy_names
        What may be chosen.
    default_objectives
        What the race is about while the settings name no objectives.
    n_workers
        Upper end of the slider of `max_concurrent`.
    gpu_reason
        Why there is no GPU target, "" where there is one.
    on_change
        Called with the name of a setting after it was changed by a user.
    on_refused
        Called with the message of a change that was refused, and the name of the setting.
    """

    def __init__(
        self,
        settings: Settings,
        change: Callable[..., Settings],
        *,
        metric_names: Sequence[str],
        policy_names: Sequence[str],
        n_workers: int,
        default_objectives: Sequence[str] = (),
        gpu_reason: str = "",
        on_change: Callable[[str], None] = lambda _name: None,
        on_refused: Callable[[str, str], None] = lambda _message, _name: None,
    ) -> None:
        self._change = change
        self._on_change = on_change
        self._on_refused = on_refused
        self._lock = threading.RLock()
        self._following = False
        self._touched_s: dict[str, float] = {}
        self._in_force = settings
        self._default_objectives = tuple(default_objectives)
        self.controls: dict[str, Any] = {
            "batch_size": _log_slider("batch_size", settings.batch_size),
            "elimination_threshold": _log_slider(
                "elimination_threshold", settings.elimination_threshold, high=MOST_THRESHOLD
            ),
            "tolerance": widgets.FloatSlider(
                value=settings.tolerance,
                min=_meta("tolerance", "min"),
                max=max(MOST_TOLERANCE, settings.tolerance),
                step=_meta("tolerance", "step"),
                readout_format=".1%",
            ),
            # no box: more than all there are is no other limit
            "max_concurrent": widgets.IntSlider(
                value=settings.max_concurrent or n_workers, min=1, max=max(1, n_workers)
            ),
            "timeout_s": _log_slider(
                "timeout_s", settings.timeout_s or 10.0, low=TIMEOUTS_S[0], high=TIMEOUTS_S[1]
            ),
            "objectives": widgets.SelectMultiple(
                options=list(metric_names), value=self._known(settings, metric_names), rows=3
            ),
            "policy": widgets.Dropdown(options=list(policy_names), value=settings.policy),
            "target_gpu_utilization": widgets.FloatSlider(
                value=settings.target_gpu_utilization,
                min=_meta("target_gpu_utilization", "min"),
                max=_meta("target_gpu_utilization", "max"),
                step=_meta("target_gpu_utilization", "step"),
                readout_format=".0f",
            ),
        }
        self.adaptive = widgets.Checkbox(
            value=settings.timeout_s is None,
            description="adaptive time limit",
            indent=False,
            tooltip=knobs()["cap_factor"]["help"],
        )
        # no bounds of their own: a page would change what was typed, where the race says why not
        self.boxes = {
            "batch_size": widgets.IntText(value=settings.batch_size, layout=_BOX),
            "elimination_threshold": widgets.FloatText(
                value=settings.elimination_threshold, layout=_BOX
            ),
            "tolerance": widgets.FloatText(value=settings.tolerance, layout=_BOX),
            "timeout_s": widgets.FloatText(value=settings.timeout_s or 10.0, layout=_BOX),
        }
        """Beside the sliders of steps: the value in force, and any value typed in, as it is."""
        self.controls["timeout_s"].disabled = self.boxes["timeout_s"].disabled = (
            self.adaptive.value
        )
        self.messages = {name: widgets.HTML() for name in self.controls}
        self._gpu_reason = ""
        self.tell_gpu(gpu_reason)
        self.odds = widgets.HTML(odds(settings.elimination_threshold))
        self.odds.add_class("parbench-in-words")
        self._dress()

    def _known(self, settings: Settings, metric_names: Sequence[str]) -> tuple[str, ...]:
        wanted = settings.objectives or self._default_objectives
        return tuple(name for name in metric_names if name in wanted)

    def _dress(self) -> None:
        """Label every control, and listen to it."""
        for name, control in self.controls.items():
            control.description = _LABELS[name]
            control.tooltip = knobs()[name]["help"]
            control.style.description_width = _DESCRIPTION_WIDTH
            control.layout.width = "auto"
            control.observe(
                lambda change, name=name: self._moved(name, change["old"], change["new"]), "value"
            )
        for name, box in self.boxes.items():
            # it shows the step beside the value in force; but of a fraction the percents
            self.controls[name].readout = name == "tolerance"
            self.controls[name].add_class("parbench-boxed")
            self.controls[name].layout.flex = "1 1 auto"
            box.tooltip = knobs()[name]["help"]
            box.add_class("parbench-exact")
            box.observe(lambda change, name=name: self._typed(name, change["new"]), "value")
        self.adaptive.observe(lambda change: self._set_adaptive(on=change["new"]), "value")

    @property
    def widget(self) -> Any:
        """All controls, one below the other."""
        rows: list[Any] = []
        for name, control in self.controls.items():
            if name == "timeout_s":
                rows.append(self.adaptive)
            if name in self.boxes:
                rows.append(widgets.HBox([control, self.boxes[name]], layout=_ROW))
            else:
                rows.append(control)
            if name == "elimination_threshold":
                rows.append(self.odds)
            rows.append(self.messages[name])
        return widgets.VBox(rows, layout=widgets.Layout(width="100%"))

    def offer(
        self, *, metric_names: Sequence[str], policy_names: Sequence[str], n_workers: int
    ) -> None:
        """Offer what may be chosen now: metrics, policies and workers come to a race."""
        choices = {"objectives": tuple(metric_names), "policy": tuple(policy_names)}
        with self._lock:
            for name, options in choices.items():
                if tuple(self.controls[name].options) != options:
                    self._offer(name, options)
            workers = self.controls["max_concurrent"]
            workers.max = max(workers.max, n_workers)

    def _offer(self, name: str, options: Sequence[str]) -> None:
        """Give a menu other options; what is chosen stays, for the widget forgets it."""
        self._following = True
        try:
            self.controls[name].options = options
        finally:
            self._following = False
        self._return(name)

    def follow(self, settings: Settings) -> None:
        """Show the settings in force, except where a user is at it."""
        with self._lock:
            self._in_force = settings
            now_s = time.monotonic()
            for name in self.controls:
                if now_s - self._touched_s.get(name, float("-inf")) > SETTLE_S:
                    self._return(name)

    def tell_gpu(self, reason: str) -> None:
        """Say why there is no GPU target; "": there is one."""
        with self._lock:
            if reason == self._gpu_reason:
                return
            self._gpu_reason = reason
            self.controls["target_gpu_utilization"].disabled = bool(reason)
            self.messages["target_gpu_utilization"].value = _soft(reason) if reason else ""

    # ------------------------------------------------------------ what a user does

    def _moved(self, name: str, was: Any, value: Any) -> None:
        with self._lock:
            if self._following:
                return
            control, in_force = self.controls[name], self._value(name)
            wanted = _setting(name, value)
            # every page rounds a value to the same step: from there to its other one is a move
            told = _is_echo(control, value, in_force) and not _is_echo(control, was, in_force)
            if wanted == in_force or told:
                return  # a page that only says what it shows
            self._touched_s[name] = time.monotonic()
            self._send(name, wanted)

    def _set_adaptive(self, *, on: bool) -> None:
        with self._lock:
            if self._following:
                return
            self.controls["timeout_s"].disabled = self.boxes["timeout_s"].disabled = on
            self._send("timeout_s", None if on else float(self.boxes["timeout_s"].value))

    def _typed(self, name: str, value: Any) -> None:
        """Take a value as it was typed, and move the slider to it."""
        with self._lock:
            if self._following or value == self._value(name):
                return
            self._touched_s[name] = time.monotonic()
            self._send(name, value)
            self._return(name)

    def _send(self, name: str, value: Any) -> None:
        try:
            self._in_force = self._change(**{name: value})
        except ParbenchError as error:
            self.messages[name].value = refused(str(error))
            self._return(name)
            self._on_refused(str(error), name)
            return
        self.messages[name].value = ""
        self._show_exactly(name)
        self._on_change(name)

    def _value(self, name: str) -> Any:
        """Return the value in force, as the control has it."""
        if name == "objectives":
            return self._known(self._in_force, self.controls[name].options)
        return getattr(self._in_force, name)

    def _return(self, name: str) -> None:
        """Set a control to the value in force."""
        control, value = self.controls[name], self._value(name)
        self._following = True
        try:
            if name == "timeout_s":
                self.adaptive.value = value is None
                control.disabled = self.boxes[name].disabled = value is None
            self._show_exactly(name)
            if name == "max_concurrent" and value is None:
                value = control.max  # all there are
            if value is None or control.value == value or _same(name, control.value, value):
                return
            if _is_echo(control, control.value, value):
                return  # a page would only answer with that step again, and so on for ever
            if hasattr(control, "base"):
                control.max = max(control.max, _exponent(value))
                control.min = min(control.min, _exponent(value))
            elif hasattr(control, "max"):
                control.max = max(control.max, value)
            control.value = value
        finally:
            self._following = False

    def _show_exactly(self, name: str) -> None:
        """Show the value in force in the box beside a slider, and in words where it has some."""
        value = self._value(name)
        if name == "elimination_threshold":
            self.odds.value = odds(value)
        if name not in self.boxes or value is None or self.boxes[name].value == value:
            return
        was, self._following = self._following, True
        try:
            self.boxes[name].value = value
        finally:
            self._following = was


def _meta(name: str, key: str) -> Any:
    return knobs()[name][key]


def _log_slider(
    name: str, value: float, *, low: float | None = None, high: float | None = None
) -> Any:
    """Return a slider over powers of ten, from end to end of what is allowed by default."""
    ends = (low or _meta(name, "min"), high or _meta(name, "max"))
    made = widgets.FloatLogSlider(
        value=value,
        base=10,
        min=_exponent(min(ends[0], value)),
        max=_exponent(max(ends[1], value)),
        step=STEP,
        readout_format=",.0f" if name == "batch_size" else ".3g",
    )
    made.add_class("parbench-powers-of-ten")  # the page reads its value aloud, not its exponent
    return made


def _is_echo(control: Any, shown: Any, in_force: Any) -> bool:
    """Return whether a slider only says the step beside which the value in force stands."""
    if in_force is None or not isinstance(shown, float):
        return False
    if hasattr(control, "base"):
        shown, in_force = _exponent(shown), _exponent(in_force)
    step, low, high = float(control.step), control.min, control.max
    nearest = low + round((shown - low) / step) * step  # a page counts its steps from the low end
    # a readout may be typed into: only the very step, or the end of the slider, is an echo
    if min(abs(shown - nearest), abs(shown - high)) > step / 1000:
        return False
    # which way half a step is rounded is the page's affair, and that of its floating point
    return bool(abs(shown - in_force) <= 0.51 * step)


def _exponent(value: float) -> float:
    return math.log10(value)


def _setting(name: str, value: Any) -> Any:
    """Return a control's value as the setting has it: round numbers, whole ones where due."""
    if name == "batch_size":
        return max(1, int(float(f"{value:.2g}")))
    if name in ("elimination_threshold", "timeout_s"):
        return float(f"{value:.2g}")
    if name in ("tolerance", "target_gpu_utilization"):
        return round(float(value), 4)
    if name == "objectives":
        return tuple(value) or None
    return value


def _same(name: str, shown: Any, value: Any) -> bool:
    """Return whether a slider that shows a fine value stands for this round one."""
    return name not in ("objectives", "policy") and bool(_setting(name, shown) == value)


def _soft(text: str) -> str:
    """Return the markup of a remark."""
    return f'<span class="parbench-remark">{html.escape(text)}</span>'


def help_words() -> Mapping[str, str]:
    """Return label to tooltip of every control: the words of ``--help``."""
    return {label: knobs()[name]["help"] for name, label in _LABELS.items()}
