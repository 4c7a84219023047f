"""A study as a page that needs no kernel, no widgets and no network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from parbench_lab.panel.static_page import page_html
from parbench_lab.panel.study_board import StudyState, still_html
from parbench_lab.plots.framed import frame, saved
from parbench_lab.plots.scaling import scaling_figures

FRAME_PX = 1250


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyPage:
    """The plots and the table of a study; the rich display of a notebook's last cell.

    Parameters
    ----------
    state
        What is shown.
    log
        Logarithmic axes.
    """

    state: StudyState
    log: bool = False

    def html(self) -> str:
        """Return a whole page of about 1.5 MB: BokehJS is in it, nothing is fetched."""
        return page_html(
            scaling_figures(self.state.data, log=self.log),
            still_html(self.state),
            title=f"study {self.state.run_id}",
        )

    def save(self, path: str | Path) -> Path:
        """Write the page into a file and return its path.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        return saved(self.html(), path)

    def __repr__(self) -> str:
        """Return one sentence: what a notebook keeps beside the page itself."""
        return f"Plots and table of the scaling study {self.state.run_id or '(not started)'}"

    def _repr_html_(self) -> str:
        return frame(self.html(), title="plots and table of a study", height_px=FRAME_PX)
