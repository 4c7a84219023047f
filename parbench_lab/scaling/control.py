"""What a panel may ask of a scaling study and tell it; `ScalingStudy` keeps these promises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from parbench_lab.analysis.curve import ScalingCurve
from parbench_lab.core.scalable import Scalable
from parbench_lab.scaling.plan import Cell, Plan, Series
from parbench_lab.scaling.study import Phase


class StudyControl(Protocol):
    """A study as seen from a panel.

    Promises: every verb may be called from any thread and waits for no run; every answer is of
    this moment; what is refused is a `ParbenchError` and leaves the study as it was.
    """

    @property
    def scalable(self) -> Scalable:
        """The job that is measured."""

    @property
    def cores(self) -> int:
        """Cores that are ours; more workers are marked."""

    @property
    def backend_reason(self) -> str:
        """Why an automatic choice took this backend; "" where it was given."""

    @property
    def batch_reason(self) -> str:
        """Which batch sizes are one and the same, so that one is measured; "" where none are."""

    @property
    def run_id(self) -> str:
        """Under which the store keeps it; "" before it starts."""

    @property
    def plan(self) -> Plan:
        """What is to be measured, as of now."""

    @property
    def phase(self) -> Phase:
        """Where it is."""

    @property
    def now(self) -> Cell | None:
        """The run that is being made."""

    @property
    def progress(self) -> tuple[int, int]:
        """How many runs of the plan are done, of how many."""

    @property
    def curves(self) -> Mapping[Series, ScalingCurve]:
        """A curve for each backend and size."""

    def start(self) -> object:
        """Measure in the background."""

    def pause(self) -> None:
        """Begin no further run until `resume`."""

    def resume(self) -> None:
        """Go on."""

    def stop(self) -> None:
        """End after the run that is being made."""

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it has ended; raises what ended it."""

    def change(self, *, workers: Sequence[int] | None = None, repeats: int | None = None) -> None:
        """Set pending levels and repetitions."""
