"""How much worse than the leader each candidate is, with its interval and the tolerance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from parbench_lab.core.metric import WALL_TIME_S, Metric
from parbench_lab.core.standing import Scoreboard, VerdictKind

if TYPE_CHECKING:
    from bokeh.plotting import figure

Series = dict[str, list[Any]]
_OUT = (VerdictKind.ELIMINATED, VerdictKind.DROPPED)


def ratio_data(scoreboard: Scoreboard, *, candidates: Sequence[str] = ()) -> Series:
    """Return columns ``candidate, ratio, low, high, verdict, blocks, color, alpha`` in rank order.

    Those who were not compared with the leader yet are left out. `low` and `high` are the ends
    of the ratio's interval. Colours follow `candidates`, the names in order of entry, or
    without them the sorted names: so every plot of a race agrees.
    """
    from parbench_lab.plots import theme  # noqa: PLC0415 - loads bokeh

    names = list(candidates) or sorted(s.candidate for s in scoreboard.standings)
    places = {name: index for index, name in enumerate(names)}
    data: Series = {
        key: []
        for key in ("candidate", "ratio", "low", "high", "verdict", "blocks", "color", "alpha")
    }
    for standing in scoreboard.standings:
        if standing.ratio is None:
            continue
        row = {
            "candidate": standing.candidate,
            "ratio": standing.ratio.point,
            "low": standing.ratio.low,
            "high": standing.ratio.high,
            "verdict": standing.verdict.value,
            "blocks": standing.ratio.n,
            "color": theme.colour_of(places.get(standing.candidate, 0)),
            "alpha": 0.55 if standing.verdict in _OUT else 1.0,
        }
        for key, value in row.items():
            data[key].append(value)
    return data


def ratio_figure(
    data: Series, *, tolerance: float | None = None, objective: Metric = WALL_TIME_S
) -> figure:
    """Return the figure: source ``ratio:points``, range ``ratio:range``, line ``ratio:tolerance``.

    Parameters
    ----------
    data
        From `ratio_data`.
    tolerance
        Worse by up to this fraction counts as equal; None draws no line.
    objective
        What is compared; on an interval scale the axis shows differences in its unit.
    """
    from bokeh.models import ColumnDataSource, FactorRange, Span  # noqa: PLC0415 - slow to load

    from parbench_lab.plots import theme  # noqa: PLC0415 - loads bokeh

    ratios = objective.scale == "ratio"
    made = theme.new_figure(
        "Ratio to the leader" if ratios else "Difference to the leader",
        f"{objective.name} over the leader's"
        if ratios
        else f"{objective.name}: cost less the leader's{theme.change_unit(objective)}",
        "",
        x_axis_type="log" if ratios else "linear",
        y_range=FactorRange(factors=data["candidate"][::-1], name="ratio:range"),
        name="ratio",
    )
    if ratios:
        theme.loose_ticks(made.xaxis, 6)
    source = ColumnDataSource({**data}, name="ratio:points")
    made.segment(
        "low",
        "candidate",
        "high",
        "candidate",
        source=source,
        color="color",
        alpha="alpha",
        width=2,
    )
    points = made.scatter(
        "ratio", "candidate", source=source, size=9, color="color", alpha="alpha"
    )
    if tolerance is not None:
        at = 1.0 + tolerance if ratios else tolerance
        made.add_layout(
            Span(
                location=at,
                dimension="height",
                line_dash="dashed",
                line_width=1.5,
                name="ratio:tolerance",
                level="overlay",  # moved without drawing anything else anew
            )
        )
    theme.add_hover(
        made,
        [points],
        {
            "candidate": "@candidate",
            **theme.hover_of_ratio(objective),
            "verdict": "@verdict",
            "paired blocks": "@blocks{0,0}",
        },
        printf=() if ratios else theme.OF_A_RATIO,
    )
    return made
