"""Annotations that read as they are written.

pdoc shows what an annotation means, which for numpy's aliases is a union of ten private names.
"""

from __future__ import annotations

from dataclasses import dataclass
from inspect import Parameter, Signature
from typing import Any

import pdoc.doc

UNREADABLE = "numpy."


@dataclass(frozen=True, slots=True)
class Written:
    """An annotation as its source has it."""

    text: str

    def __repr__(self) -> str:
        return self.text


def shorten_annotations(space: pdoc.doc.Namespace[Any]) -> None:
    """Let the functions of a module or class show numpy's annotations as their source has them."""
    for member in space.own_members:
        if isinstance(member, pdoc.doc.Class):
            shorten_annotations(member)
        elif isinstance(member, pdoc.doc.Function):
            member.signature = readable(
                member.signature, getattr(member.obj, "__annotations__", {})
            )


def readable(signature: Signature, written: dict[str, object]) -> Signature:
    """Return a signature whose unreadable annotations are those of the source."""

    def source(name: str, meant: object) -> object:
        text = written.get(name)
        return Written(text) if isinstance(text, str) and UNREADABLE in repr(meant) else meant

    parameters: list[Parameter] = [
        one.replace(annotation=source(one.name, one.annotation))
        for one in signature.parameters.values()
    ]
    returned = source("return", signature.return_annotation)
    return signature.replace(parameters=parameters, return_annotation=returned)
