"""Messages of a live figure: what happened to its sources as JSON, numbers in one binary part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import bokeh
import numpy as np

Operation = tuple[str, str, Mapping[str, Any], int | None]
"""What to do with a source: kind, its name, columns, rollover."""


def packed(
    about: Mapping[str, Any],
    operations: Sequence[Operation],
    attributes: Mapping[tuple[str, str], Any],
) -> tuple[dict[str, Any], list[bytes]]:
    """Return a message, its JSON part and its binary one.

    Parameters
    ----------
    about
        What else the page is told: kind, view, number, structure.
    operations
        In the order in which the page carries them out.
    attributes
        ``{(model, attribute): value}``.
    """
    described: list[Any] = []
    parts: list[bytes] = []
    for operation, name, columns, rollover in operations:
        told = [_column(column, values, parts) for column, values in columns.items()]
        described.append([operation, name, told, rollover])
    content = {
        **about,
        "operations": described,
        "attributes": [[*key, value] for key, value in attributes.items()],
    }
    return content, [b"".join(parts)]


def _column(name: str, values: Any, parts: list[bytes]) -> list[Any]:
    """Describe a column; numbers go into the parts of the shared buffer."""
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        return [name, "json", [str(value) for value in values]]
    parts.append(array.astype("<f8", copy=False).tobytes())
    return [name, "f8", int(array.size)]


def bokehjs() -> bytes:
    """Return BokehJS, the core of it, from the installed package."""
    return (Path(bokeh.__file__).parent / "server/static/js/bokeh.min.js").read_bytes()
