"""Where results go: the terminal, JSON on stdout, a file that is either whole or absent."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import click

from parbench_lab.errors import UsageError


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


def deliver(document: Any, *, as_json: bool, output: Path | None) -> None:
    """Print a JSON document where it was asked for, and write it where a file was given."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if output is not None:
        write_atomically(output, text)
    if as_json:
        click.echo(text, nl=False)


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
