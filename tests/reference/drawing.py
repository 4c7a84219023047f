"""What both diagrams share: how a graph looks, and the SVG that stands in a page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import graphviz

INK, FRAME, HEAD, ARROW = "#1f2933", "#7b8794", "#e3ecf5", "#486581"
# the widths of boxes are taken from the first font here that the machine has; DejaVu is a wide
# one, so that text still fits where a page falls back on another
FONT = "DejaVu Sans,Verdana,sans-serif"


def new_graph(name: str, title: str, **attributes: str) -> graphviz.Digraph:
    """Return an empty directed graph that a screen reader names by its title."""
    graph = graphviz.Digraph(name)
    graph.attr(bgcolor="transparent", fontname=FONT, tooltip=title, **attributes)
    graph.attr("node", shape="plain", fontname=FONT, fontsize="10", fontcolor=INK)
    graph.attr("edge", color=ARROW, arrowsize="0.7", fontname=FONT)
    return graph


def box(head: str, rows: Sequence[str], *, padding_pt: int) -> str:
    """Return the label of a box: its head, then rows (already HTML-like cells)."""
    return (
        f'<<table border="0" cellborder="1" cellspacing="0" '
        f'cellpadding="{padding_pt}" color="{FRAME}">'
        f'<tr><td colspan="2" bgcolor="{HEAD}"><b>{escape(head)}</b></td></tr>'
        f"{''.join(rows)}</table>>"
    )


def svg(graph: graphviz.Digraph) -> str:
    """Return the drawing as an ``<svg>`` element: no prolog, no comment, nothing to fetch."""
    drawn = str(graph.pipe(format="svg", encoding="utf-8"))
    return drawn[drawn.index("<svg") :].strip()
