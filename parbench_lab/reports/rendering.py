"""`render`: a notebook's name and parameters in, four files out."""

from __future__ import annotations

import contextlib
import datetime as dt
import importlib.metadata
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parbench_lab.core.json_text import json_text
from parbench_lab.core.wording import printable
from parbench_lab.errors import UsageError
from parbench_lab.reports.execution import CellProgress, Failure, OnCell, execute
from parbench_lab.reports.kept import collected
from parbench_lab.reports.origin import about_text, here
from parbench_lab.reports.page import page_html
from parbench_lab.reports.sources import Source, source_of
from parbench_lab.reports.values import checked

__all__ = ["CellProgress", "Failure", "Report", "render"]

FORMAT = "parbench report 1"
SUFFIXES = (".ipynb", ".html", ".json", ".txt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What `render` left.

    Parameters
    ----------
    notebook, page, document, text
        Paths of the executed notebook, the HTML, the JSON and the plain text.
    content
        What the JSON holds.
    failure
        Where the notebook ended early; None where it came to its end.
    """

    notebook: Path
    page: Path
    document: Path
    text: Path
    content: Mapping[str, Any]
    failure: Failure | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """All four files."""
        return self.notebook, self.page, self.document, self.text


def render(
    notebook: str | Path,
    parameters: Mapping[str, Any] | None = None,
    out: str | Path = "reports",
    *,
    folder: str | Path | None = None,
    kernel: str | None = None,
    on_cell: OnCell = lambda _progress: None,
) -> Report:
    """Execute a notebook with parameters and leave it as notebook, page, JSON and plain text.

    Parameters
    ----------
    notebook
        One of `shipped`, or the path of a notebook with a cell tagged ``parameters``.
    parameters
        Values by name; they are written into the notebook as literals, never as code.
    out
        Folder for the files, made where it is missing; files of an earlier report are replaced.
    folder
        Working directory; the current one for a shipped report, its own for a user's notebook.
    kernel
        Name of the kernel; the notebook's own by default, ``"python3"`` is this Python.
    on_cell
        Told when a code cell begins, and when it has been run.

    Raises
    ------
    UnknownNameError
        If there is no such notebook or no such parameter.
    UsageError
        If a value does not fit its parameter, or the folder cannot be written.
    """
    source = source_of(notebook)
    values = checked(source.parameters, parameters or {}, notebook=source.name)
    place = _folder(Path(out))
    files = [place / f"{source.name}{suffix}" for suffix in SUFFIXES]
    _refuse_overwriting(source, files[0])
    began = dt.datetime.now(dt.UTC)
    done, failure = execute(
        source,
        values,
        files[0],
        folder=Path(folder or source.folder),
        kernel=kernel or source.kernel,
        on_cell=on_cell,
    )
    results, texts = collected(done.cells)
    content = _content(source, values, results, failure, began)
    title = printable(source.title)
    _write(
        files[1],
        page_html(
            done,
            title=title,
            facts=_facts(content),
            failure=failure,
            folder=source.path.parent,
        ),
    )
    _write(files[2], json_text(content))
    _write(files[3], _text(title, content, texts or _printed(done.cells), failure))
    return Report(
        notebook=files[0],
        page=files[1],
        document=files[2],
        text=files[3],
        content=content,
        failure=failure,
    )


def _folder(out: Path) -> Path:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"folder {out}: cannot be made ({error.strerror})") from error
    if not os.access(out, os.W_OK):
        raise UsageError(f"folder {out}: cannot be written; give another one")
    return out.absolute()


def _refuse_overwriting(source: Source, target: Path) -> None:
    if target.exists() and target.samefile(source.path):
        raise UsageError(
            f"notebook {source.path.name}: would be overwritten by its report; give another folder"
        )


def _content(
    source: Source,
    values: Mapping[str, Any],
    results: Mapping[str, Any],
    failure: Failure | None,
    began: dt.datetime,
) -> dict[str, Any]:
    rendered = here()
    return {
        "format": FORMAT,
        "report": source.name,
        "title": source.title,
        "status": "finished" if failure is None else "failed",
        "failure": None
        if failure is None
        else {
            "cell": failure.number,
            "title": failure.title,
            "error": failure.error,
            "message": failure.message,
        },
        "parameters": dict(values),
        "defaults": _defaults(source, values),
        "rendered": {
            "began_utc": began.isoformat(timespec="seconds"),
            "seconds": round((dt.datetime.now(dt.UTC) - began).total_seconds(), 3),
            "machine": rendered["machine"],
            "version": rendered["version"],
            "versions": {**rendered["versions"], "papermill": _version("papermill")},
        },
        "results": dict(results),
    }


def _defaults(source: Source, values: Mapping[str, Any]) -> dict[str, str]:
    """Return the parameters that were not given: none where a stored run has its own."""
    if source.shipped and values.get("run"):
        return {}
    return {one.name: one.default for one in source.parameters if one.name not in values}


def _version(name: str) -> str:
    return importlib.metadata.version(name)


def _facts(content: Mapping[str, Any]) -> dict[str, str]:
    given = {name: repr(value) for name, value in content["parameters"].items()}
    chosen = {**{name: f"{code} (default)" for name, code in content["defaults"].items()}, **given}
    about_run = content["results"].get("about") if given.get("run") else None
    own = about_run.get("settings") if isinstance(about_run, Mapping) else None
    rendered = content["rendered"]
    lines = about_text({"machine": rendered["machine"], **_shown(rendered)}).splitlines()
    facts = {f"parameter {name}": words for name, words in chosen.items()}
    if isinstance(own, Mapping):
        facts |= {f"the run's {name}": repr(value) for name, value in own.items()}
    facts["rendered"] = f"{rendered['began_utc']}, in {rendered['seconds']:.1f} s"
    for line in lines:
        key, _, words = line.partition(" ")
        facts[f"rendered with {key}" if key == "versions" else f"rendered on {key}"] = words
    return {printable(name): printable(words) for name, words in facts.items()}


def _shown(rendered: Mapping[str, Any]) -> dict[str, Any]:
    return {"version": rendered["version"], "versions": rendered["versions"]}


def _text(
    title: str, content: Mapping[str, Any], texts: list[str], failure: Failure | None
) -> str:
    parts = [title, "=" * len(title)]
    if failure is not None:
        parts += ["", f"NOT COMPLETE, failed at {failure}"]
    for text in texts:
        parts += ["", text.rstrip()]
    parts += ["", *(f"{name}: {words}" for name, words in _facts(content).items()), ""]
    return "\n".join(parts)


def _printed(cells: Any) -> list[str]:
    """Return what cells printed, line by line safe for a terminal."""
    found = []
    for cell in cells:
        for output in cell.get("outputs", ()):
            if output.get("output_type") == "stream" and output.get("name") == "stdout":
                lines = str(output["text"]).splitlines()
                found.append("\n".join(_safe(line) for line in lines))
    return found


def _safe(line: str) -> str:
    # blanks stay: tables are aligned with them
    return "".join(letter if letter == " " else printable(letter) or " " for letter in line)


def _write(path: Path, text: str) -> None:
    """Write a file whole, or leave the old one.

    Raises
    ------
    UsageError
        If it cannot be written.
    """
    scratch = ""
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", errors="replace", dir=path.parent, delete=False
        ) as file:
            scratch = file.name
            file.write(text)
        Path(scratch).chmod(0o644)
        Path(scratch).replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            Path(scratch).unlink()
        raise UsageError(f"{path}: cannot be written ({error.strerror or error})") from error
