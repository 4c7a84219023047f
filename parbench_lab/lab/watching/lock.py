"""One watch at a time: two would measure each other, or bet on one account.

A file with a process's number says whose. On a server, whose users have no folder in common, a
claim of the database says so too.
"""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import psutil

from parbench_lab.errors import UsageError
from parbench_lab.store.location import (
    DEFAULT_FILE,
    ENVIRONMENT_VARIABLE,
    make_folder,
    place_of,
)

NAME = "watch.lock"
_SAME_START_S = 2.0


@runtime_checkable
class Claims(Protocol):
    """A store in which a name can be held against others that use the same database."""

    def claimed(self, name: str) -> contextlib.AbstractContextManager[bool]:
        """Hold a name while the block runs; the block is told whether it was free."""


@contextlib.contextmanager
def claim(store: object, name: str, *, taken: str) -> Iterator[None]:
    """Hold a name in a store where others may use it too; a store without claims grants it.

    Parameters
    ----------
    store
        Anything.
    name
        Equal for those that must not run at once.
    taken
        What to tell the user where another one holds it.

    Raises
    ------
    UsageError
        If another one holds it.
    StoreError
        If the store cannot be reached.
    """
    if not isinstance(store, Claims):
        yield
        return
    with store.claimed(name) as free:
        if not free:
            raise UsageError(taken)
        yield


def lock_file(store: object, *, environment: Mapping[str, str], folder: Path) -> Path | None:
    """Return where the lock of a store lies: beside its file; None for one in memory.

    Parameters
    ----------
    store
        A location as for `open_store`; anything else is a store of the caller's own.
    environment, folder
        As for `place_of`.

    Examples
    --------
    >>> lock_file("/data/runs.db", environment={}, folder=Path("/home/me")).as_posix()
    '/data/watch.lock'
    >>> lock_file(":memory:", environment={}, folder=Path("/home/me")) is None
    True
    """
    if store is not None and not isinstance(store, (str, Path)):
        return None
    location = store or environment.get(ENVIRONMENT_VARIABLE)
    place = place_of(location, environment=environment, folder=folder)
    if place.in_memory:
        return None
    file = place.path if place.path is not None else folder / DEFAULT_FILE
    return file.resolve().parent / NAME  # of a store under another name, too


@contextlib.contextmanager
def only_one(path: Path | None) -> Iterator[None]:
    """Hold the lock; one that a killed process left is taken over.

    Raises
    ------
    UsageError
        If another watch that is alive holds it, or the file cannot be written.
    """
    if path is None:
        yield
        return
    mine = _acquired(path)
    try:
        yield
    finally:
        if _read(path) == mine:
            path.unlink(missing_ok=True)


def _acquired(path: Path) -> Mapping[str, Any]:
    """Make the lock file, whole at once: a link to a file that is there already fails."""
    mine = {"pid": os.getpid(), "started_s": psutil.Process().create_time(), "id": _new_id()}
    scratch = path.with_name(f"{NAME}.{mine['id']}")
    try:
        make_folder(path.parent)
        scratch.write_text(json.dumps(mine), encoding="utf-8")
        try:
            for _ in range(3):
                with contextlib.suppress(FileExistsError):
                    path.hardlink_to(scratch)
                    return mine
                _remove_stale(path)
        finally:
            scratch.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror or error})") from error
    raise UsageError(_refusal(path, _read(path)))


def _remove_stale(path: Path) -> None:
    """Remove the lock of a process that is gone.

    Raises
    ------
    UsageError
        If its process is alive.
    """
    held = _read(path)
    if _is_held(held):
        raise UsageError(_refusal(path, held))
    # moved away first: of two that find it stale, one moves it, and sees what it has moved
    aside = path.with_name(f"{NAME}.stale.{_new_id()}")
    with contextlib.suppress(FileNotFoundError):
        path.rename(aside)
        if _read(aside) != held and _is_held(_read(aside)):
            with contextlib.suppress(FileExistsError):
                path.hardlink_to(aside)
        aside.unlink(missing_ok=True)


def _is_held(held: Mapping[str, Any]) -> bool:
    """Return whether the process that wrote the lock is alive; its number may be another's now."""
    pid, started_s = held.get("pid"), held.get("started_s")
    if not isinstance(pid, int) or not isinstance(started_s, (int, float)):
        return False
    try:
        return abs(psutil.Process(pid).create_time() - started_s) < _SAME_START_S
    except psutil.Error:
        return False


def _refusal(path: Path, held: Mapping[str, Any]) -> str:
    return (
        f"another watch is running (process {held.get('pid', 'unknown')}, {path}): two at once "
        "would measure each other; wait for it, or give another store"
    )


def _read(path: Path) -> Mapping[str, Any]:
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return held if isinstance(held, dict) else {}


def _new_id() -> str:
    return uuid.uuid4().hex[:12]
