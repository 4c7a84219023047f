"""Small notebooks for the tests of reports."""

from __future__ import annotations

import nbformat


def write_notebook(path, *cells, parameters='who: str = "me"  # greeted\ntimes = 2', tags=True):
    """Write a notebook: texts that begin with # and a blank are Markdown, the others code."""
    made = [nbformat.v4.new_markdown_cell("# A small report\n\nIt greets.")]
    first = nbformat.v4.new_code_cell(parameters)
    if tags:
        first.metadata["tags"] = ["parameters"]
    made.append(first)
    for text in cells:
        is_words = text.startswith("## ")
        make = nbformat.v4.new_markdown_cell if is_words else nbformat.v4.new_code_cell
        made.append(make(text))
    notebook = nbformat.v4.new_notebook(cells=made)
    notebook.metadata["language_info"] = {"name": "python"}
    nbformat.write(notebook, path)
    return path


def outputs(notebook):
    """Return what all cells printed or showed as text."""
    return "".join(
        output.get("text") or output.get("data", {}).get("text/plain", "")
        for cell in notebook.cells
        for output in cell.get("outputs", ())
    )
