"""The diagrams say what the tables and the import graph say."""

from __future__ import annotations

import shutil
import xml.etree.ElementTree as ET

import pytest
import sqlalchemy as sa

from parbench_lab.store.schema import METADATA
from tests.reference.components import components, components_diagram, layers, needed_arrows
from tests.reference.drawing import svg
from tests.reference.schema import schema_diagram

needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz's dot is missing")


def test_every_column_and_every_foreign_key_is_in_the_diagram_of_the_schema():
    source = schema_diagram(METADATA).source

    for table in METADATA.tables.values():
        assert all(f'port="{column.name}"' in source for column in table.columns)
        for key in table.foreign_key_constraints:
            assert f"-> {key.referred_table.name}:" in source.split(f"\t{table.name}:", 1)[1]
    keys = [key for table in METADATA.tables.values() for key in table.foreign_key_constraints]
    assert source.count(" -> ") == len(keys)


def test_a_column_that_may_be_missing_has_a_question_mark_and_a_key_is_bold():
    metadata = sa.MetaData()
    sa.Table(
        "thing",
        metadata,
        sa.Column("key", sa.Integer, primary_key=True),
        sa.Column("note", sa.Text),
    )

    source = schema_diagram(metadata).source

    assert "<b>key</b>" in source
    assert ">text?<" in source


def test_the_components_are_those_of_the_layers_and_import_no_upper_one():
    rooms = components()

    layer = {room.name: room.layer for room in rooms}
    assert set(layer) <= {name for line in layers() for name in line}
    assert {"cli", "lab", "racing", "core", "errors"} <= set(layer)
    assert all(layer[one] > room.layer for room in rooms for one in room.imports)
    assert all(room.what for room in rooms)


def test_an_arrow_that_follows_from_others_is_left_out():
    arrows = needed_arrows({"a": ["b", "c", "d"], "b": ["c"], "c": ["d"], "d": []})

    assert arrows == [("a", "b"), ("b", "c"), ("c", "d")]


@needs_dot
def test_the_drawings_are_svg_that_fetches_nothing():
    for graph in (schema_diagram(METADATA), components_diagram(components())):
        drawing = svg(graph)

        assert ET.fromstring(drawing).tag.endswith("svg")
        assert "<image" not in drawing
        assert "@import" not in drawing
