"""A line of a plot that goes with a slider in the page itself, before the kernel has heard of it.

What a slider asks for is shown at once, pale; the kernel's word, that it is in force, makes it
full. So who drags sees where the line will be, and never takes a wish for the race's own setting.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Leash:
    """What holds a line to a slider.

    Parameters
    ----------
    line
        Name of a Bokeh ``Span``; the kernel sets its location.
    slider
        A widget with a ``value``.
    step
        Of the slider, in powers of ten if `log`: so far the line may be from what is in force
        and be shown as that, as settings are rounded.
    log
        Whether the slider is logarithmic.
    offset
        What is added to the slider's value, in the units of the line's axis.
    """

    line: str
    slider: Any
    step: float
    log: bool = False
    offset: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Return it for the page."""
        return {
            "line": self.line,
            "slider": self.slider.model_id,
            "step": self.step,
            "log": self.log,
            "offset": self.offset,
        }
