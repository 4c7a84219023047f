"""Where the store lies: reading the user's words is pure, opening loads the database library."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
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
    """One database: a SQLite file, one in memory, or one on a server.

    Parameters
    ----------
    path
        Absolute path of the SQLite file; None for any other.
    read_only
        Whether writing is refused from the start (``?mode=ro`` in the URL).
    server
        SQLAlchemy's URL of a database on a server, with its password; it is never shown. Empty
        for SQLite: without a path, in memory, gone when it is closed.
    """

    path: Path | None
    read_only: bool = False
    server: str = field(default="", repr=False)

    @property
    def in_memory(self) -> bool:
        """Whether it is gone when it is closed."""
        return self.path is None and not self.server

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be in any message: passwords, as they stand in the URL and decoded."""
        parts = urlsplit(self.server)
        given = [value for key, value in parse_qsl(parts.query) if "pass" in key.lower()]
        given += [parts.password] if parts.password else []
        return tuple({word for text in given for word in (text, unquote(text)) if word})

    def __str__(self) -> str:
        if self.server:
            return _shown(self.server)
        return MEMORY if self.path is None else str(self.path)


def open_store(location: str | Path | None = None) -> RunStore:
    """Return the store at a place; nothing is written before the first run is.

    Parameters
    ----------
    location
        A file, a URL (``sqlite:///runs.db``, with ``?mode=ro`` for reading only; or any other of
        SQLAlchemy's, ``postgresql+psycopg://team@host/parbench``), ``":memory:"``, or None for
        what the environment variable ``PARBENCH_STORE`` says and, where that is not set,
        ``.parbench/runs.db`` in the current folder.

    Raises
    ------
    StoreError
        If the location makes no sense, or the driver of its database is not installed; whether
        the database is good turns out when it is used.

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


def make_folder(folder: Path) -> None:
    """Make a folder for a store's files; in ``.parbench`` git is told to leave them alone."""
    new = not folder.is_dir()
    folder.mkdir(parents=True, exist_ok=True)
    if new and folder.name == DEFAULT_FILE.parent.name:
        (folder / ".gitignore").write_text("*\n", encoding="utf-8")


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
        If it is empty, a folder, or no URL of a database.

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
    scheme = text.partition("://")[0]
    if scheme.partition("+")[0] != "sqlite":
        return Place(path=None, server=_checked_server(text))
    parts = urlsplit(text)
    if parts.netloc:
        raise StoreError(f"store {text!r}: a SQLite URL has three slashes, sqlite:///FILE")
    options = dict(parse_qsl(parts.query))
    if options not in ({}, {"mode": "ro"}):
        raise StoreError(f"store {text!r}: of the options only ?mode=ro is known")
    database = unquote(parts.path.removeprefix("/"))
    if database in ("", MEMORY):
        return Place(path=None)
    return Place(path=_absolute(database, folder), read_only=bool(options))


def _checked_server(text: str) -> str:
    """Return the URL of a server's database; messages name its beginning only."""
    scheme = text.partition("://")[0]
    try:
        parts = urlsplit(text)
        well_formed = bool(parts.path.strip("/")) and (parts.port is None or parts.port > 0)
    except ValueError:
        well_formed = False
    if not well_formed or not scheme.replace("+", "").replace("_", "").isalnum():
        raise StoreError(
            f"the store's URL {scheme[:20]}://... is malformed or names no database: give "
            "postgresql+psycopg://USER@HOST/DATABASE"
        )
    return text


def without_password(location: str) -> str:
    """Return a location as it may be shown: a URL of a server without password and options.

    Examples
    --------
    >>> without_password("postgresql+psycopg://me:secret@host/runs?sslmode=require")
    'postgresql+psycopg://me@host/runs'
    >>> without_password("runs.db")
    'runs.db'
    """
    scheme = location.partition("://")[0]
    if scheme == location or scheme.partition("+")[0] == "sqlite":
        return location
    try:
        return _shown(location)
    except ValueError:  # no port number, say: whatever it is, it is not shown
        return f"{scheme}://..."


def _shown(server: str) -> str:
    """Return a URL without its password and its options."""
    parts = urlsplit(server)
    user = f"{parts.username}@" if parts.username else ""
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{user}{parts.hostname or ''}{port}{parts.path}"


def _absolute(text: str, folder: Path) -> Path:
    # absolute at once: the current folder may be another one when the file is made
    path = folder / Path(text).expanduser()
    if path.is_dir():
        raise StoreError(f"store {text!r} is a folder: give a file in it, {path / 'runs.db'}")
    return path
