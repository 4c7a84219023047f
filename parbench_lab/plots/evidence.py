"""Evidence over blocks: the odds against each candidate, and the threshold it is out at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from parbench_lab.core.standing import Scoreboard

if TYPE_CHECKING:
    from bokeh.plotting import figure

Series = dict[str, list[Any]]

MOST_ODDS = 1e12
"""Odds are drawn up to here: beyond it nobody doubts."""

ROLLOVER = 1000


def evidence_data(
    boards: Iterable[Scoreboard], *, candidates: Sequence[str] = ()
) -> dict[str, Series]:
    """Return candidate to columns ``blocks, odds, at_s``; one row per snapshot.

    `blocks` counts the whole race's blocks, `odds` (x : 1) lie within 1 and `MOST_ODDS`. A new
    epoch starts afresh: a row without a number parts the lines.
    """
    series: dict[str, Series] = {name: _empty() for name in candidates}
    epoch = None
    for board in boards:
        for standing in board.standings:
            columns = series.setdefault(standing.candidate, _empty())
            if epoch is not None and board.epoch != epoch and columns["blocks"]:
                _append(columns, float("nan"), float("nan"), board.elapsed_s)
            odds = min(max(standing.evidence, 1.0), MOST_ODDS)
            _append(columns, float(board.blocks), odds, board.elapsed_s)
        epoch = board.epoch
    return series


def _empty() -> Series:
    return {"blocks": [], "odds": [], "at_s": []}


def _append(columns: Series, blocks: float, odds: float, at_s: float) -> None:
    columns["blocks"].append(blocks)
    columns["odds"].append(odds)
    columns["at_s"].append(at_s)


def evidence_figure(
    data: dict[str, Series],
    *,
    elimination_threshold: float | None = None,
    candidates: Sequence[str] = (),
) -> figure:
    """Return the figure: sources ``evidence:of <candidate>``, line ``evidence:threshold``.

    Parameters
    ----------
    data
        From `evidence_data`.
    elimination_threshold
        Odds (x : 1) at which a candidate is out; None draws no line.
    candidates
        Names in the order in which they entered, which gives the colours; those of the data by
        default, sorted: so every plot of a race agrees.
    """
    from bokeh.models import ColumnDataSource, Span  # noqa: PLC0415 - slow to load

    from parbench_lab.plots import theme  # noqa: PLC0415 - loads bokeh

    names = list(candidates) or sorted(data)
    made = theme.new_figure(
        "Evidence against each candidate",
        "blocks of the race",
        "odds (x : 1)",
        y_axis_type="log",
        name="evidence",
    )
    legend, lines = [], []
    for index, name in enumerate(names):
        columns = {**data.get(name, _empty())}
        source = ColumnDataSource(columns, name=theme.source_of("evidence", name))
        line = made.step(
            "blocks",
            "odds",
            source=source,
            width=2,
            mode="after",
            color=theme.colour_of(index),
            dash=theme.dash_of(index),
            muted_alpha=0.12,
        )
        line.name = theme.as_glyph_name(name)
        legend.append((theme.as_label(name), [line]))
        lines.append(line)
    if elimination_threshold is not None:
        made.add_layout(
            Span(
                location=elimination_threshold,
                dimension="width",
                line_dash="dashed",
                line_width=2,
                name="evidence:threshold",
                level="overlay",  # moved without drawing anything else anew
            )
        )
    theme.add_legend(made, legend)
    theme.add_hover(
        made,
        lines,
        {
            "candidate": "$name",
            "blocks": "@blocks{0,0}",
            "odds": "@odds{0,0.0 a} : 1",
            "time": "@at_s{0.0} s",
        },
    )
    return made
