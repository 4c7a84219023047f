"""Where the store lies: reading the user's words is pure, opening loads the database library.

So does reading the URL of a server: what hides its password must read it as it is read then.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote

from parbench_lab.errors import StoreError

if TYPE_CHECKING:
    from sqlalchemy import URL

    from parbench_lab.core.ports import RunStore

ENVIRONMENT_VARIABLE = "PARBENCH_STORE"
DEFAULT_FILE = Path(".parbench") / "runs.db"
MEMORY = ":memory:"

_OF_THE_CONNECTION = frozenset(
    {"cached_statements", "check_same_thread", "detect_types", "isolation_level", "timeout"}
)
"""Options of a SQLite URL that other programs need: they change nothing in the file, and the store
waits, works in threads and begins its transactions as it must."""
_DATABASE_NEEDED = frozenset({"postgresql", "postgres", "mysql", "mariadb"})
"""Others may have a whole address in one word (``mssql+pyodbc://me@DSN``), or a default."""
_SAYS_WHICH = ("service", "dbname", "database", "db", "read_default_file", "read_default_group")
_WHOLE_ADDRESS = ("dsn", "conninfo", "odbc_connect")
"""Options of drivers that name the database where the URL's path does not; the latter hold
whatever the driver takes, a password too."""
_PASSWORD = re.compile(r"://[^:/]*:([^@]*)@")
_PASSWORD_WITHIN = re.compile(r"(?i)(?:pwd|password)\s*=\s*([^;]*)")


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
        url = _parsed(self.server)
        given = [url.password or "", *_PASSWORD.findall(self.server)[:1]]
        for name, value in _options(url):
            if "pass" in name.lower():
                given.append(value)
            if name in _WHOLE_ADDRESS:
                found = _PASSWORD_WITHIN.findall(value)
                words = (word for text in found for word in (text, text.partition(" ")[0]))
                given += [value, *(word.strip("{}'\" ") for word in words)]
        secrets = {word for text in given for word in (text, unquote(text)) if word}
        return tuple(sorted(secrets, key=len, reverse=True))  # who is part of another comes later

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
        SQLAlchemy's, ``postgresql+psycopg://team@host/parbench`` or, of a service file,
        ``postgresql+psycopg://?service=team``), ``":memory:"``, or None for
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
        If it is empty, a folder or cannot be looked for, no URL of a database, or one with
        options that no store can keep.

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
    address, _, query = text.partition("://")[2].partition("?")
    if address and not address.startswith("/"):
        raise StoreError(f"store {text!r}: a SQLite URL has three slashes, sqlite:///FILE")
    options = dict(parse_qsl(query, keep_blank_values=True))
    database = unquote(address.removeprefix("/"))
    if database.startswith("file:") and options.pop("uri", "") in ("true", "1"):
        database = database.removeprefix("file:")
    mode = options.pop("mode", "rwc")
    if mode not in ("ro", "rw", "rwc") or not options.keys() <= _OF_THE_CONNECTION:
        raise StoreError(
            f"store {text!r}: how the file is opened is the store's own: of the options that "
            "change it only ?mode=ro, rw and rwc are known"
        )
    if database in ("", MEMORY):
        return Place(path=None)
    path = _absolute(database, folder)
    if mode == "rw" and not path.exists():
        raise StoreError(f"store {text!r} is not there, and ?mode=rw makes none: leave it out")
    return Place(path=path, read_only=mode == "ro")


def _checked_server(text: str) -> str:
    """Return the URL of a server's database; messages name its beginning only."""
    scheme = text.partition("://")[0]
    try:
        url = _parsed(text)
    except ValueError:
        url = None
    needed = scheme.partition("+")[0] in _DATABASE_NEEDED
    if url is None or (needed and not _says_which(url)):
        raise StoreError(
            f"the store's URL {scheme[:20]}://... is malformed or names no database: give "
            "postgresql+psycopg://USER@HOST/DATABASE, an @ within a password as %40"
        )
    return text


def _says_which(url: URL) -> bool:
    named = {name for name, value in _options(url) if value}
    return bool(url.database) or not named.isdisjoint((*_SAYS_WHICH, *_WHOLE_ADDRESS))


def _parsed(server: str) -> URL:
    """Return the URL as it is read when it is opened: no other reading finds the same password.

    Raises
    ------
    ValueError
        If it is none.
    """
    # a quarter of a second: only those who name a server pay for it
    from sqlalchemy import exc, make_url  # noqa: PLC0415

    try:
        url = make_url(server)
    except exc.ArgumentError:
        raise ValueError("no URL of a database") from None
    if "@" in (url.host or ""):  # the end of a password: nobody is to see it, or to look it up
        raise ValueError("no name of a host")
    return url


def _options(url: URL) -> list[tuple[str, str]]:
    """Return names and values; who is given twice is there twice."""
    return [
        (name, value)
        for name, given in url.query.items()
        for value in ([given] if isinstance(given, str) else given)
    ]


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
    """Return a URL without its password, and of the options only those that say which it is."""
    url = _parsed(server)
    shown = type(url).create(
        url.drivername,
        username=url.username or None,
        host=url.host,
        port=url.port,
        database=url.database,
        query={name: value for name, value in url.query.items() if name in _SAYS_WHICH},
    )
    return shown.render_as_string()


def _absolute(text: str, folder: Path) -> Path:
    # absolute at once: the current folder may be another one when the file is made
    try:
        path = folder / Path(text).expanduser()
        is_folder = stat.S_ISDIR(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        is_folder = False
    except (OSError, RuntimeError, ValueError) as error:
        # a name too long or with a NUL, a folder of others, nobody's home
        said = getattr(error, "strerror", None) or error
        raise StoreError(f"store {text[:200]!r} cannot be looked for ({said})") from error
    if is_folder:
        raise StoreError(f"store {text!r} is a folder: give a file in it, {path / 'runs.db'}")
    return path
