"""The diagram of the components: the layers of the import contract, and who imports whom."""

from __future__ import annotations

import ast
import itertools
import re
import textwrap
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import graphviz
import grimp

from tests.reference.drawing import box, new_graph

ROOT = Path(__file__).parents[2]
LETTERS_OF_A_LINE = 22


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One room of the house: what it is in a sentence, and what it imports."""

    name: str
    layer: int
    what: str
    imports: tuple[str, ...]


def components(package: str = "parbench_lab") -> tuple[Component, ...]:
    """Return the components, upper layers first, as they are imported now."""
    graph = grimp.build_graph(package)
    children = {child.removeprefix(f"{package}.") for child in graph.find_children(package)}
    for child in children:
        graph.squash_module(f"{package}.{child}")
    found = []
    for layer, names in enumerate(layers()):
        for name in sorted(children.intersection(names)):
            used = graph.find_modules_directly_imported_by(f"{package}.{name}")
            rooms = sorted(children.intersection(one.rpartition(".")[2] for one in used) - {name})
            found.append(
                Component(
                    name=name, layer=layer, what=first_words(package, name), imports=tuple(rooms)
                )
            )
    return tuple(found)


def layers() -> Sequence[Sequence[str]]:
    """Return the names of each layer of the import contract, uppermost first."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (contract,) = (one for one in contracts["contracts"] if one["type"] == "layers")
    lines = [re.findall(r"\w+", line) for line in contract["layers"]]
    return [[name for name in line if name != "__main__"] for line in lines]


def first_words(package: str, name: str) -> str:
    """Return the first line of a module's docstring, without importing it."""
    here = ROOT / package / name
    file = here / "__init__.py" if here.is_dir() else here.with_suffix(".py")
    return (ast.get_docstring(ast.parse(file.read_text())) or "").partition("\n")[0]


def needed_arrows(imports: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    """Return the imports that do not follow from others (the transitive reduction).

    >>> needed_arrows({"a": ["b", "c"], "b": ["c"], "c": []})
    [('a', 'b'), ('b', 'c')]
    """
    reached: dict[str, set[str]] = {}

    def reach(name: str) -> set[str]:
        if name not in reached:
            reached[name] = set(imports[name]).union(*(reach(one) for one in imports[name]))
        return reached[name]

    return [
        (name, one)
        for name, direct in imports.items()
        for one in direct
        if not any(one in reach(other) for other in direct if other != one)
    ]


def components_diagram(rooms: Sequence[Component]) -> graphviz.Digraph:
    """Return the diagram: a row for every layer, an arrow to what is imported."""
    graph = new_graph("components", "the components and what they import", ranksep="0.4")
    graph.attr(nodesep="0.15")
    heads = []
    for _, group in itertools.groupby(rooms, key=lambda room: room.layer):
        row = list(group)
        heads.append(row[0].name)
        with graph.subgraph() as line:
            line.attr(rank="same")
            for room in row:
                line.node(room.name, label=_label(room), URL=f"#{room.name}", tooltip=room.what)
    for upper, lower in itertools.pairwise(heads):
        graph.edge(upper, lower, style="invis")
    for upper, lower in needed_arrows({room.name: room.imports for room in rooms}):
        graph.edge(upper, lower)
    return graph


def _label(room: Component) -> str:
    words = "<br/>".join(escape(line) for line in textwrap.wrap(room.what, LETTERS_OF_A_LINE))
    return box(room.name, [f'<tr><td colspan="2">{words}</td></tr>'], padding_pt=5)
