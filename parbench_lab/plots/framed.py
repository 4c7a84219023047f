"""A Bokeh figure for a page that has no kernel and no network."""

from __future__ import annotations

import html
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Framed:
    """A figure as the rich display of a cell: BokehJS is in it, nothing is fetched.

    Parameters
    ----------
    root
        A Bokeh figure or layout.
    title
        Of the page.
    height_px
        Of the frame in a notebook.
    """

    root: Any
    title: str = "parbench_lab"
    height_px: int = 360

    def html(self) -> str:
        """Return a whole page of about 1.5 MB."""
        from bokeh.embed import file_html  # noqa: PLC0415 - slow to load
        from bokeh.resources import INLINE  # noqa: PLC0415 - slow to load

        return str(file_html(self.root, INLINE, title=self.title))

    def save(self, path: str | Path) -> Path:
        """Write the page into a file and return its path.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        return saved(self.html(), path)

    def _repr_html_(self) -> str:
        return frame(self.html(), title=self.title, height_px=self.height_px)


def framed(root: Any, *, title: str = "parbench_lab", height_px: int = 360) -> Framed:
    """Return a figure that a cell can show, a report can hold and a file can keep."""
    return Framed(root=root, title=title, height_px=height_px)


def frame(page: str, *, title: str, height_px: int) -> str:
    """Return a page in a frame of its own: no script or style of it meets the notebook's."""
    inner, name = html.escape(page, quote=True), html.escape(title, quote=True)
    return (
        f'<iframe title="{name}" srcdoc="{inner}" '
        f'style="width:100%;height:{height_px}px;border:0;background:#fff"></iframe>'
    )


def saved(page: str, path: str | Path) -> Path:
    """Write a page into a file and return its path."""
    target = Path(path)
    target.write_text(page, encoding="utf-8")
    return target
