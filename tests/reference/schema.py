"""The diagram of the benchmark database, drawn from the tables themselves."""

from __future__ import annotations

from html import escape
from typing import Any

import graphviz
import sqlalchemy as sa

from tests.reference.drawing import box, new_graph


def schema_diagram(metadata: sa.MetaData) -> graphviz.Digraph:
    """Return the diagram: a box for every table, an arrow from every foreign key.

    Keys are bold; a column that may be null ends in a question mark.
    """
    graph = new_graph("schema", "the tables of the database", rankdir="RL", ranksep="0.4")
    graph.attr(nodesep="0.15")
    for table in metadata.sorted_tables:
        rows = [_row(column) for column in table.columns]
        graph.node(table.name, label=box(table.name, rows, padding_pt=4))
    for table in metadata.sorted_tables:
        for key in table.foreign_key_constraints:
            # a key of several columns is one arrow, from its last: the one that is not shared
            pair = key.elements[-1]
            head = f"{pair.column.table.name}:{pair.column.name}_right:e"
            graph.edge(f"{table.name}:{pair.parent.name}:w", head)
    return graph


def _row(column: sa.Column[Any]) -> str:
    name, kind = escape(column.name), escape(str(column.type).lower())
    name = f"<b>{name}</b>" if column.primary_key else name
    port = escape(column.name)
    return (
        f'<tr><td align="left" port="{port}">{name}</td>'
        f'<td align="left" port="{port}_right">{kind}{"?" if column.nullable else ""}</td></tr>'
    )
