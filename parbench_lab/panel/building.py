"""Small pieces of which panels are built."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets


def verb_button(label: str, icon: str, style: str, tooltip: str, act: Callable[[], object]) -> Any:
    """Return a button; what it is for stands in its attribute `act`."""
    made = widgets.Button(
        description=label, icon=icon, button_style=style, tooltip=tooltip,
        layout=widgets.Layout(width="auto", flex="0 1 auto", padding="0 8px"),
    )  # fmt: skip
    made.act = act
    return made


def refused(text: str) -> str:
    """Return the markup of what was refused; it is read aloud."""
    return f'<span class="parbench-refused" role="alert">{html.escape(text)}</span>'


def hear_beside_cells(widget: Any) -> None:
    """Let what a page says to a widget, and to all it holds, come in while a cell runs.

    JupyterLab sends it to a shell of its own for that. ipykernel from 7.4 on takes it to the
    shell that last spoke instead, and so behind the cell: a thread counts as the main shell.
    """
    for child in getattr(widget, "children", ()):
        hear_beside_cells(child)
    if hasattr(widget.comm, "_reply_subshell_for"):
        widget.comm._reply_subshell_for = _where_it_was_sent  # noqa: SLF001 - there is no other way


def _where_it_was_sent(_data: object, shell: str | None) -> str | None:
    return shell


def close_tree(widget: Any) -> None:
    """Close a widget and all it holds, and nobody else's."""
    for child in getattr(widget, "children", ()):
        close_tree(child)
    widget.close()
    for part in (getattr(widget, "style", None), widget.layout):
        if part is not None:  # models of their own, which nobody else would close
            part.close()
