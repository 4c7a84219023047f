"""An executed notebook as one page that needs no kernel and no network.

nbconvert makes the markup of the cells; the page around it is ours, because every full template
of nbconvert's asks a server for a script.
"""

from __future__ import annotations

import copy
import html
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from parbench_lab.reports.execution import ERROR_MARKER_TAG, Failure
from parbench_lab.reports.sources import missing_extra

_HERE = Path(__file__).parent
NOTHING_FROM_AFAR = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline' 'unsafe-eval'; "
    "img-src data: blob:; font-src data:; media-src data:; worker-src blob:; frame-src data: blob:"
)
"""What the page tells the browser: whatever a cell's output asks a server for, is not asked."""

_JQUERY = re.compile(r"(<script type=\"text/javascript\">\s*var element = )\$\('#([\w-]+)'\)")
"""How the template begins every script of a cell: jQuery is in its full pages only."""

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>
{style}
</style>
</head>
<body>
<header>{banner}</header>
<input type="checkbox" id="code"><label class="code" for="code"> show the code</label>
<main>
{body}
</main>
<footer>
{foot}
</footer>
<script>
{script}
</script>
</body>
</html>
"""


def page_html(
    notebook: Any,
    *,
    title: str,
    facts: Mapping[str, str],
    failure: Failure | None = None,
    folder: Path | None = None,
) -> str:
    """Return a whole page of an executed notebook.

    Parameters
    ----------
    notebook
        As nbformat reads it.
    title
        Of the page; escaped here.
    facts
        What stands below: name to words, escaped here.
    failure
        Where it ended early; the page says so at its top, with a link to the cell.
    folder
        What pictures in the text are relative to.

    Raises
    ------
    UsageError
        If nbconvert is not installed.
    """
    failed = "" if failure is None else failure.cell_id
    return _PAGE.format(
        policy=html.escape(NOTHING_FROM_AFAR),
        title=html.escape(title),
        style=(_HERE / "page.css").read_text(encoding="utf-8") + _code_style(),
        banner="" if failure is None else _banner(failure),
        body=_body(notebook, failed, folder),
        foot=_table(facts),
        script=(_HERE / "page.js").read_text(encoding="utf-8"),
    )


def _banner(failure: Failure) -> str:
    words = html.escape(str(failure))
    link = html.escape(f"#cell-id={failure.cell_id}", quote=True)
    where = f'<a href="{link}">{words}</a>' if failure.cell_id else words
    return (
        f'<p class="banner"><strong>This report is not complete.</strong> It failed at {where}. '
        "What was measured before it is below.</p>"
    )


def _table(facts: Mapping[str, str]) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{html.escape(words)}</td></tr>"
        for name, words in facts.items()
    )
    return f"<table>{rows}</table>"


def _body(notebook: Any, failed: str, folder: Path | None) -> str:
    try:
        from nbconvert import HTMLExporter  # noqa: PLC0415 - slow to load
    except ImportError as error:
        raise missing_extra(error) from error
    shown = copy.deepcopy(notebook)
    shown.cells = [
        cell for cell in shown.cells if ERROR_MARKER_TAG not in cell.metadata.get("tags", [])
    ]
    for cell in shown.cells:
        # tags become classes of the markup
        cell.metadata["tags"] = ["failed"] if cell.get("id") == failed else []
    exporter = HTMLExporter(template_name="basic", embed_images=True)
    where = {"metadata": {"path": str(folder)}} if folder is not None else {}
    body, _ = exporter.from_notebook_node(shown, resources=where)
    return _JQUERY.sub(r"\1document.getElementById('\2')", str(body)).replace(
        "celltag_failed", "failed"
    )


def _code_style() -> str:
    from pygments.formatters import HtmlFormatter  # noqa: PLC0415 - comes with nbconvert

    return str(HtmlFormatter(style="default", nobackground=True).get_style_defs(".highlight"))
