"""Feeds the live figure from a study: new columns, or new figures where these do not fit."""

from __future__ import annotations

from parbench_lab.panel.live_figure import LiveFigure
from parbench_lab.plots.scaling import ScalingData, scaling_figures
from parbench_lab.plots.scaling_drawing import law_source, point_source
from parbench_lab.plots.theme import themes


class StudyCurves:
    """The plots of a study; `show` is called from one thread at a time.

    Parameters
    ----------
    data
        What they show at first.
    """

    def __init__(self, data: ScalingData) -> None:
        self._drawn = (data.shape, False)
        self.figure = LiveFigure(scaling_figures(data), themes=themes())

    def show(self, data: ScalingData, *, log: bool = False) -> None:
        """Show other data, on logarithmic axes or not."""
        if self._drawn != (data.shape, log):
            self._drawn = (data.shape, log)
            self.figure.rebuild(scaling_figures(data, log=log))
            return
        for label, columns in data.points.items():
            self.figure.replace(point_source(label), columns)
        for label, lines in data.laws.items():
            for law, columns in lines.items():
                self.figure.replace(law_source(label, law), columns)
        self.figure.replace("scaling:ideal", data.ideal)
