"""A race as a page that needs no kernel, no widgets and no network."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bokeh.embed import file_html
from bokeh.resources import INLINE

from parbench_lab.panel.packed_page import packed_frame
from parbench_lab.plots.framed import frame, saved
from parbench_lab.plots.together import race_figures
from parbench_lab.racing.history import RaceHistory

_WORDS = "padding:2px 10px 2px 0;text-align:left;border-bottom:1px solid #8884"
_CELL = f"{_WORDS};white-space:nowrap"
_KEYS = ("rank", "candidate", "ratio", "throughput", "memory", "evidence", "blocks", "verdict")
_TITLES = {"rank": "", "throughput": "items/s", "memory": "peak memory"}
FRAME_PX = 1450
PLOTS_PX = 900
# through Bokeh's own template: BokehJS has a "<body>" among its words, so a search would find that
_PAGE = """\
{% block contents %}
<style>
body { font: 14px system-ui, sans-serif; color: #222; background: #fff; margin: 12px; }
table { margin: 8px 0; }
</style>
{{ still | safe }}
{{ super() }}
{% endblock %}
"""


def page_html(root: Any, still: str, *, title: str) -> str:
    """Return a whole page: some markup, and Bokeh figures below it; nothing is fetched."""
    page = file_html(
        root, INLINE, title=title, template=_PAGE, template_variables={"still": still}
    )
    return str(page)


def still_html(state: Mapping[str, Any], *, below: str = "") -> str:
    """Return what the board shows as a few kilobytes of markup, every text escaped.

    Parameters
    ----------
    state
        From `presenter.board_state`.
    below
        Markup that stands below the table.
    """
    titles = {**_TITLES, "ratio": state["ratio_head"]}
    heads = "".join(
        f'<th style="{_CELL}">{html.escape(titles.get(key, key))}</th>' for key in _KEYS
    )
    rows = "".join(_row(row) for row in state["rows"])
    notes = "<br>".join(html.escape(line) for line in state["trust"])
    title = f"{html.escape(state['title'])}: {html.escape(state['phase_words'])}"
    run = html.escape(state["run"])
    return (
        f'<div class="parbench-still"><strong>{title}</strong> <small>{run}</small>'
        f"<div>{html.escape(state['progress']['words'])}</div>"
        f'<table style="border-collapse:collapse"><tr>{heads}</tr>{rows}</table>'
        f"<small>{notes}</small>{below}</div>"
    )


def _row(row: Mapping[str, Any]) -> str:
    out = row["tone"] == "out"
    cells = "".join(
        f'<td style="{_CELL}">{html.escape(str(row[key] or ""))}</td>' for key in _KEYS
    )
    reason = f'<td style="{_WORDS}"><small>{html.escape(row["reason"])}</small></td>'
    return f'<tr style="{"opacity:.65" if out else ""}">{cells}{reason}</tr>'


@dataclass(frozen=True, slots=True, kw_only=True)
class RacePage:
    """The plots and the table of a race; the rich display of a notebook's last cell.

    Parameters
    ----------
    history
        What the plots show.
    state
        What the table shows (`presenter.board_state`).
    """

    history: RaceHistory
    state: Mapping[str, Any]

    def html(self) -> str:
        """Return a whole page of about 1.5 MB: BokehJS is in it, nothing is fetched."""
        return page_html(
            race_figures(self.history),
            still_html(self.state),
            title=f"race {self.state['run']}",
        )

    def still(self) -> str:
        """Return the table, and below it the live plots in a frame: about 0.5 MB of markup."""
        plots = str(file_html(race_figures(self.history), INLINE, title="plots of a race"))
        below = packed_frame(plots, title="plots of a race", height_px=PLOTS_PX)
        return still_html(self.state, below=below)

    def save(self, path: str | Path) -> Path:
        """Write the page into a file and return its path.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        return saved(self.html(), path)

    def __repr__(self) -> str:
        """Return one sentence: what a notebook keeps beside the page itself."""
        state = self.state
        run = f", run {state['run']}" if state["run"] else ""
        return f"Plots and table of the race {state['title']!r} ({state['phase_words']}{run})"

    def _repr_html_(self) -> str:
        return frame(self.html(), title="plots and table of a race", height_px=FRAME_PX)
