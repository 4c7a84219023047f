"""What can be seen of a scaling study, by a person or by a panel; nothing here changes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from parbench_lab.analysis.curve import ScalingCurve
from parbench_lab.errors import UsageError
from parbench_lab.scaling.plan import Cell, Plan, Series
from parbench_lab.scaling.study import Phase, Study

if TYPE_CHECKING:
    from parbench_lab.panel.study_panel import StudyPanel


class StudyView:
    """The looking half of `ScalingStudy`; every answer is of this moment, from any thread."""

    _study: Study
    _run_id: str

    def __init__(self) -> None:
        self._panel: StudyPanel | None = None
        self._closed = False

    @property
    def run_id(self) -> str:
        """Under which the store keeps this study; "" before it starts."""
        return self._run_id

    @property
    def plan(self) -> Plan:
        """What is to be measured, as of now."""
        return self._study.plan

    @property
    def phase(self) -> Phase:
        """``"new"``, ``"measuring"``, ``"paused"`` or ``"ended"``."""
        return self._study.phase

    @property
    def now(self) -> Cell | None:
        """The run that is being made."""
        return self._study.now

    @property
    def progress(self) -> tuple[int, int]:
        """How many runs are done, of how many."""
        return self._study.progress

    @property
    def curves(self) -> Mapping[Series, ScalingCurve]:
        """A curve for each backend and size, of what was measured so far."""
        return self._study.curves

    @property
    def curve(self) -> ScalingCurve:
        """The curve of a study that has one.

        Raises
        ------
        UsageError
            If it has several; look at `curves` then.
        """
        found = list(self.curves.values())
        if len(found) != 1:
            raise UsageError(f"this study has {len(found)} curves: take them from .curves")
        return found[0]

    def _between_runs(self) -> None:
        if self._panel is not None:
            self._panel.between_runs()

    def _close_panel(self) -> None:
        self._closed = True
        if self._panel is not None:
            self._panel.close()
