"""SQLite files that were cut off: noticed when they are opened, before anything is written there.

SQLite reads zeros where a file ends too early, tells so only of pages that it comes across, and
throws the log of an empty file away. Here nothing but sizes and the log is looked at: who opens
and closes the file itself takes away the locks that other connections of this process have.
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

_LOG_HEADER_BYTES = 32
_FRAME_HEADER_BYTES = 24
_LOCK_BYTE = 2**30
"""The page that holds it is never written."""


def beside(path: Path, end: str) -> Path:
    """Return the file that SQLite keeps beside a database: beside the file, not a link to it."""
    path = path.resolve()
    return path.with_name(f"{path.name}{end}")


def damaged(words: str) -> sqlite3.DatabaseError:
    """Return the error that SQLite itself raises of a damaged file."""
    error = sqlite3.DatabaseError(words)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def refuse_cut_off(path: Path, *, timeout_s: float) -> None:
    """Refuse a file whose log does not have what it lacks; nothing is there, nothing is done.

    To be asked before it is opened for writing: who closes such a file writes the log into it.

    Parameters
    ----------
    path
        Of the file.
    timeout_s
        How long to wait for a lock.

    Raises
    ------
    sqlite3.Error
        If it is cut off, or cannot be read.
    """
    # the log first: there is one only after the file has its first page
    if not _size_bytes(beside(path, "-wal")) or not path.exists():
        return
    if not _size_bytes(path):
        raise damaged("it is empty, and the log beside it is not")
    reading = f"{path.as_uri()}?mode=ro"
    with contextlib.closing(
        sqlite3.connect(reading, uri=True, timeout=timeout_s, isolation_level=None)
    ) as connection:
        _refuse_pages_missing(connection, path)


def size_without_log(path: Path) -> int:
    """Return the size of a file that must be whole pages, 0 where there is none, in bytes.

    Where a log lies beside it, SQLite writes what is missing from there.
    """
    logs = any(beside(path, end).exists() for end in ("-wal", "-journal"))
    return 0 if logs else _size_bytes(path)


def refuse_part_of_page(connection: sqlite3.Connection, size_bytes: int) -> None:
    """Refuse a file of a size that no file has: SQLite would read zeros there, and write on.

    Raises
    ------
    sqlite3.Error
        If `size_without_log`, asked before the connection was made, is not whole pages.
    """
    (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    if size_bytes % page_bytes:
        raise damaged("it ends within a page")


def _refuse_pages_missing(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("BEGIN")  # while it is read, nobody takes away what its log has
    (n_pages,) = connection.execute("PRAGMA page_count").fetchone()
    (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    whole_pages = _size_bytes(path) // page_bytes
    if whole_pages >= n_pages:
        return
    logged = _logged_pages(beside(path, "-wal"), page_bytes) | {_LOCK_BYTE // page_bytes + 1}
    missing = {*range(whole_pages + 1, n_pages + 1)} - logged
    # what is missing may be of no use to anybody, only SQLite can tell: it has to read it all
    if missing and connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
        raise damaged("it ends early, and the log beside it does not have the rest")


def _logged_pages(log: Path, page_bytes: int) -> set[int]:
    """Return the numbers of the pages in a log (https://sqlite.org/fileformat2.html, section 4).

    What is left of an older log behind the end is not of it: its salt is another one.
    """
    pages: set[int] = set()
    with contextlib.suppress(FileNotFoundError), log.open("rb", buffering=0) as file:
        salt = file.read(_LOG_HEADER_BYTES)[16:24]
        while len(frame := file.read(_FRAME_HEADER_BYTES)) == _FRAME_HEADER_BYTES:
            if frame[8:16] != salt:
                break
            pages.add(int.from_bytes(frame[:4], "big"))
            file.seek(page_bytes, 1)
    return pages


def _size_bytes(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except FileNotFoundError:  # who closes the store last takes its log away
        return 0
