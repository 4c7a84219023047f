"""All plots of a race on one page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parbench_lab.plots.evidence import evidence_data, evidence_figure
from parbench_lab.plots.ratio import ratio_data, ratio_figure
from parbench_lab.plots.sizes import sizes_data, sizes_figure
from parbench_lab.plots.throughput import ROLLOVER, throughput_data, throughput_figure
from parbench_lab.plots.usage import usage_data, usage_figure

if TYPE_CHECKING:
    from bokeh.models import Column

    from parbench_lab.racing.history import RaceHistory

_GRID = {
    "display": "grid",
    "grid-template-columns": "repeat(auto-fit, minmax(min(420px, 100%), 1fr))",
    "gap": "8px",
}


def race_figures(history: RaceHistory) -> Column:
    """Return every plot of a race: side by side on a wide page, stacked on a narrow one.

    Parameters
    ----------
    history
        From `ParallelBenchmarking.history` or `load_history`.
    """
    from bokeh.models import Column  # noqa: PLC0415 - slow to load

    names = history.candidates
    span_s = history.boards[-1].elapsed_s if history.boards else 0.0
    board = history.boards[-1] if history.boards else None
    figures = [
        throughput_figure(
            throughput_data(
                history.measurements,
                history.log,
                candidates=names,
                bin_s=max(0.1, span_s / ROLLOVER),
            ),
            candidates=names,
        ),
        evidence_figure(
            evidence_data(history.boards, candidates=names),
            elimination_threshold=history.elimination_threshold,
            candidates=names,
        ),
    ]
    if board is not None:
        figures.append(
            ratio_figure(
                ratio_data(board, candidates=names),
                tolerance=history.tolerance,
                objective=history.objectives[0],
            )
        )
    figures.append(sizes_figure(sizes_data(history.sizes, candidates=names), candidates=names))
    if history.usage:
        figures.append(usage_figure(usage_data(history.usage)))
    return Column(children=figures, styles=_GRID, sizing_mode="stretch_width", name="race")
