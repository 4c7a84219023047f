"""Where results go: the terminal, JSON on stdout, a file that is either whole or absent."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import click

from parbench_lab.core.json_text import json_text
from parbench_lab.core.wording import printable
from parbench_lab.errors import UsageError

_LABEL = 11


def checked_output(path: Path | None, *, flag: str = "--output") -> Path | None:
    """Return the path of an output file, refused before the work is done.

    Raises
    ------
    UsageError
        If its folder is missing or cannot be written.
    """
    if path is None:
        return None
    folder = path.absolute().parent
    if not folder.is_dir():
        raise UsageError(f"{flag} {path}: there is no folder {folder}; make it first")
    if not os.access(folder, os.W_OK):
        raise UsageError(f"{flag} {path}: cannot write to {folder}")
    return path


def checked_folder(folder: Path, *, flag: str) -> Path:
    """Return a folder that is made when there is something to write, refused before the work.

    Raises
    ------
    UsageError
        If it cannot be made or written: a file is in its place, or its parent is closed.
    """
    wanted = folder.absolute()
    there = next(place for place in (wanted, *wanted.parents) if os.path.lexists(place))
    if not there.is_dir():
        raise UsageError(f"{flag} {folder}: {there} is no folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise UsageError(f"{flag} {folder}: cannot write to {there}")
    return folder


def deliver(document: Any, *, as_json: bool, output: Path | None) -> None:
    """Print a JSON document where it was asked for, and write it where a file was given."""
    text = json_text(document)
    if output is not None:
        write_atomically(output, text)
    if as_json:
        click.echo(text, nl=False)


def tell_plan(lines: Sequence[str], *, as_json: bool, output: Path | None, **further: Any) -> None:
    """Say what ``--dry-run`` found, line by line, or as JSON under ``plan``.

    Parameters
    ----------
    lines
        As `plan_line` makes them; the last one is ``takes``: about how long, or why that is not
        known.
    as_json, output
        As for `deliver`.
    **further
        What else the JSON holds.
    """
    deliver({"plan": list(lines), **further}, as_json=as_json, output=output)
    if not as_json:
        for line in lines:  # labels are ours: their blanks are kept
            click.echo(line[:_LABEL] + printable(line[_LABEL:]))


def plan_line(label: str, words: str) -> str:
    """Return a line of a plan.

    Examples
    --------
    >>> plan_line("takes", "about 7 s")
    'takes      about 7 s'
    """
    return f"{label:<{_LABEL - 1}} {words}"


def write_atomically(path: Path, text: str) -> None:
    """Write a file whole: readers see the old one or the new one, never a part.

    Raises
    ------
    UsageError
        If it cannot be written; an old file is left as it was.
    """
    with written_atomically(path) as file:
        file.write(text)


@contextlib.contextmanager
def written_atomically(path: Path) -> Iterator[IO[str]]:
    """Open a file that takes its place when it is whole; see `write_atomically`."""
    scratch = ""
    try:
        with tempfile.NamedTemporaryFile(
            "w",
            encoding="utf-8",
            dir=path.absolute().parent,
            prefix=f".{path.name}.",
            delete=False,
        ) as file:
            scratch = file.name
            yield file
            file.flush()
            os.fsync(file.fileno())
        # a temporary file is private; the result gets the mode any new file would have
        Path(scratch).chmod(0o666 & ~_umask())
        Path(scratch).replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            Path(scratch).unlink()
        if isinstance(error, OSError):
            raise UsageError(f"{path}: cannot write ({error.strerror or error})") from error
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
