"""What a docstring must not leave out or make up; whatever is found is warned of."""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Iterator
from typing import Any

import pdoc.doc

PARAMETERS = re.compile(
    r"^Parameters\n-+\n(.*?)(?=^\S[^\n]*\n-{3,}$|\Z)", re.DOTALL | re.MULTILINE
)


def check_docstrings(module: pdoc.doc.Module) -> None:
    """Warn of every public class or function of a module that is badly described."""
    for member in _described(module):
        if not member.docstring:
            warnings.warn(f"{member.fullname} has no docstring", stacklevel=2)
        for name in unknown_parameters(member.docstring, member.obj):
            warnings.warn(
                f"{member.fullname}: its docstring has a parameter {name!r} that it does not take",
                stacklevel=2,
            )


def unknown_parameters(docstring: str, of: object) -> list[str]:
    """Return the parameters that a numpy docstring describes and `of` does not take.

    >>> text = "Sum.\\n\\nParameters\\n----------\\nstart, end\\n    The bounds."
    >>> unknown_parameters(text, lambda start: start)
    ['end']
    """
    section = PARAMETERS.search(docstring)
    if section is None:
        return []
    heads = re.findall(r"^([*\w][^:\n]*)", section[1], flags=re.MULTILINE)
    names = [name.strip(" *") for head in heads for name in head.split(",")]
    known = inspect.signature(of).parameters  # type: ignore[arg-type]  # classes and functions
    return [name for name in names if name not in known]


def _described(space: pdoc.doc.Namespace[Any]) -> Iterator[pdoc.doc.Class | pdoc.doc.Function]:
    """Yield the public classes and functions of ours, and the methods of those classes."""
    for member in space.own_members:
        ours = member.taken_from[0].startswith("parbench_lab")
        if member.name.startswith("_") or not ours:
            continue
        if isinstance(member, pdoc.doc.Function):
            yield member
        elif isinstance(member, pdoc.doc.Class):
            yield member
            yield from _described(member)
