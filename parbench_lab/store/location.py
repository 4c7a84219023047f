"""Where the store lies: reading the user's words is pure, opening loads the database library."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from parbench_lab.errors import StoreError

if TYPE_CHECKING:
    from parbench_lab.core.ports import RunStore

ENVIRONMENT_VARIABLE = "PARBENCH_STORE"
DEFAULT_FILE = Path(".parbench") / "runs.db"
MEMORY = ":memory:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One SQLite database.

    Parameters
    ----------
    path
        Absolute path of its file; None for one in memory, gone when it is closed.
    read_only
        Whether writing is refused from the start (``?mode=ro`` in the URL).
    """

    path: Path | None
    read_only: bool = False

    def __str__(self) -> str:
        return MEMORY if self.path is None else str(self.path)


def open_store(location: str | Path | None = None) -> RunStore:
    """Return the store at a place; nothing is written before the first run is.

    Parameters
    ----------
    location
        A file, a URL (``sqlite:///runs.db``, with ``?mode=ro`` for reading only), ``":memory:"``,
        or None for what the environment variable ``PARBENCH_STORE`` says and, where that is not
        set, ``.parbench/runs.db`` in the current folder.

    Raises
    ------
    StoreError
        If the location makes no sense; whether the file is good turns out when it is used.

    Examples
    --------
    >>> store = open_store(":memory:")
    >>> store.runs()
    ()
    >>> store.close()
    """
    place = place_of(location, environment=os.environ, folder=Path.cwd())
    # SQLAlchemy takes a quarter of a second: only those who open a store pay for it
    from parbench_lab.store.history import SqlRunStore  # noqa: PLC0415

    return SqlRunStore(place)


def place_of(
    location: str | Path | None, *, environment: Mapping[str, str], folder: Path
) -> Place:
    """Return the place that a location means.

    Parameters
    ----------
    location
        As for `open_store`.
    environment
        Environment variables.
    folder
        What relative paths start from.

    Raises
    ------
    StoreError
        If it is empty, a folder, or a URL of a database that is not supported.

    Examples
    --------
    >>> place_of(None, environment={}, folder=Path("/home/me")).path.as_posix()
    '/home/me/.parbench/runs.db'
    """
    if location is None:
        location = environment.get(ENVIRONMENT_VARIABLE) or DEFAULT_FILE
    text = os.fspath(location)
    if not text.strip():
        raise StoreError("the store's location is empty: give a file or a sqlite:/// URL")
    if text == MEMORY:
        return Place(path=None)
    if "://" in text and not isinstance(location, Path):
        return _place_of_url(text, folder)
    return Place(path=_absolute(text, folder))


def _place_of_url(text: str, folder: Path) -> Place:
    parts = urlsplit(text)
    if parts.scheme.partition("+")[0] != "sqlite":
        # never the whole URL: it may hold a password
        raise StoreError(
            f"a store at a {parts.scheme!r} URL is not supported yet: give a file or sqlite:///FILE"
        )
    if parts.netloc:
        raise StoreError(f"store {text!r}: a SQLite URL has three slashes, sqlite:///FILE")
    options = dict(parse_qsl(parts.query))
    if options not in ({}, {"mode": "ro"}):
        raise StoreError(f"store {text!r}: of the options only ?mode=ro is known")
    database = unquote(parts.path.removeprefix("/"))
    if database in ("", MEMORY):
        return Place(path=None)
    return Place(path=_absolute(database, folder), read_only=bool(options))


def _absolute(text: str, folder: Path) -> Path:
    # absolute at once: the current folder may be another one when the file is made
    path = folder / Path(text).expanduser()
    if path.is_dir():
        raise StoreError(f"store {text!r} is a folder: give a file in it, {path / 'runs.db'}")
    return path
