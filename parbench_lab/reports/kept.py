"""Results that a notebook keeps: shown as a text table, and collected when it has run.

They travel in the outputs of the notebook itself, under a MIME type of their own, so that the
executed notebook holds all that its JSON and its text are made of.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from parbench_lab.errors import UsageError
from parbench_lab.racing.result import jsonable

MIME = "application/vnd.parbench.results+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A result with its name; the last line of a cell shows and keeps it.

    Parameters
    ----------
    name
        Key in the report's JSON.
    value
        JSON values.
    text
        As it is shown, and as it stands in the text report; "" for nothing.
    """

    name: str
    value: Any
    text: str = ""

    def _repr_mimebundle_(self, **_options: Any) -> dict[str, Any]:
        return {
            MIME: {"name": self.name, "value": self.value, "text": self.text},
            "text/plain": self.text or f"kept as {self.name!r}",
            **({"text/html": _as_html(self.text)} if self.text else {}),
        }

    def __str__(self) -> str:
        return self.text


def _as_html(text: str) -> str:
    """Return a text as markup: tables keep their lines, sentences are wrapped."""
    parts = []
    for block in text.strip("\n").split("\n\n"):
        is_table = any(line and set(line) <= {"-", " "} for line in block.splitlines())
        wrap = "pre;overflow-x:auto" if is_table else "pre-wrap;overflow-wrap:anywhere"
        parts.append(f'<pre style="white-space:{wrap}">{html.escape(block)}</pre>')
    return "".join(parts)


def keep(name: str, value: Any, text: str = "") -> Kept:
    """Return a result that the report's JSON and text will hold.

    Parameters
    ----------
    name
        Key in the JSON; a name that comes again is overwritten.
    value
        Anything made of dataclasses, mappings, sequences, numbers and texts; what is not a finite
        number is null.
    text
        For people: shown in the notebook, and put into the text report.

    Raises
    ------
    UsageError
        If there is no name, or the value is not made of these.

    Examples
    --------
    >>> print(keep("answer", {"n": 42}, "the answer is 42"))
    the answer is 42
    """
    if not name or not isinstance(name, str):
        raise UsageError(f"a result is kept under a name but got {name!r}")
    return Kept(name=name, value=_plain(jsonable(value), name), text=text)


def _plain(value: Any, name: str) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        return {key: _plain(inner, name) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner, name) for inner in value]
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:  # a number of numpy's
        return _plain(jsonable(value.item()), name)
    raise UsageError(f"result {name!r}: cannot keep a {type(value).__name__}; give JSON values")


def collected(cells: Any) -> tuple[dict[str, Any], list[str]]:
    """Return what the cells of an executed notebook kept: values by name, and texts in order.

    Examples
    --------
    >>> shown = keep("answer", 42, "42")._repr_mimebundle_()
    >>> collected([{"outputs": [{"data": shown}]}])
    ({'answer': 42}, ['42'])
    """
    values: dict[str, Any] = {}
    texts: list[str] = []
    for cell in cells:
        for output in cell.get("outputs", ()):
            found = output.get("data", {}).get(MIME)
            if isinstance(found, Mapping) and isinstance(found.get("name"), str):
                values[found["name"]] = found.get("value")
                texts += [str(found["text"])] if found.get("text") else []
    return values, texts
