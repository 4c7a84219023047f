"""Builds that are source trees: the one being worked on, and worktrees of commits."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from parbench_lab.errors import UsageError
from parbench_lab.execution.builds import installed
from parbench_lab.execution.builds.build import Build
from parbench_lab.execution.builds.git import SHORT, git

_HERE = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
_OWNED = re.compile(rf"^parbench-{_HERE}-(?P<pid>\d+)-")
"""Process numbers mean something on one host only: a temporary folder may be shared by several."""


def import_path() -> tuple[str, ...]:
    """Return this process's import path, the current folder by its name."""
    return tuple(str(Path(entry).resolve()) if entry else str(Path.cwd()) for entry in sys.path)


def working_tree(folder: Path) -> Build:
    """Return the code as this process would import it."""
    return Build(
        label="the working tree",
        interpreter=sys.executable,
        folder=folder,
        before=import_path(),
    )


def source_tree(label: str, revision: str, *, tree: Path, root: Path, folder: Path) -> Build:
    """Return a tree beside the repository, run by this interpreter without being installed.

    Parameters
    ----------
    tree
        Where the commit was checked out.
    root
        The repository's own tree: what is imported from there comes from `tree` instead.
    folder
        The folder inside the repository that the user is in.
    """
    project = project_in(tree, root=root, folder=folder)
    # what is installed to be edited may be found by a hook, which no entry of a path tells of
    edited = (
        folder_in(tree, root=root, folder=place) for place in installed.editable_folders(root)
    )
    own = own_path(project, *edited, tree)
    moved = (moved_entry(Path(entry), root=root, tree=tree) for entry in import_path())
    return Build(
        label=label,
        revision=revision,
        interpreter=sys.executable,
        folder=folder_in(tree, root=root, folder=folder),
        before=(*own, *moved),
    )


def own_path(*tops: Path) -> tuple[str, ...]:
    """Return where code may lie below folders, in their order: in ``src``, then in the folder."""
    places = (place for top in dict.fromkeys(tops) for place in (top / "src", top))
    return tuple(str(place) for place in places if place.is_dir())


def project_in(tree: Path, *, root: Path, folder: Path) -> Path:
    """Return the user's project inside a tree: one repository may hold several.

    It is the nearest folder that pip can install, from where the user is upward; where there is
    none, the tree's top.

    Parameters
    ----------
    tree, root, folder
        As for `folder_in`.
    """
    inside = folder_in(tree, root=root, folder=folder)
    upward = (inside, *inside.parents)
    within = upward[: upward.index(tree) + 1]
    return next((place for place in within if is_installable(place)), tree)


def installed_copies(folder: Path, *, root: Path) -> tuple[str, ...]:
    """Return modules of a repository's projects that are imported from an installed copy.

    What is changed in the tree is not in them: they were installed, and not to be edited. They
    are of the project around a folder, or were installed from a folder of the repository.

    Parameters
    ----------
    folder, root
        Inside the repository, and the repository's top.
    """
    table = _table(project_in(root, root=root, folder=folder) / "pyproject.toml").get("project")
    name = table.get("name") if isinstance(table, dict) else None
    return installed.copies(root, name=name if isinstance(name, str) else "")


def folder_in(tree: Path, *, root: Path, folder: Path) -> Path:
    """Return the folder of a tree that stands for one of the repository, or the tree's top."""
    inside = tree / folder.resolve().relative_to(root.resolve())
    return inside if inside.is_dir() else tree


def moved_entry(entry: Path, *, root: Path, tree: Path) -> str:
    """Return an entry of an import path inside the repository as one inside the tree.

    What the tree does not have (a virtual environment in the repository) stays.
    """
    if not entry.is_relative_to(root.resolve()):
        return str(entry)
    moved = tree / entry.relative_to(root.resolve())
    return str(moved) if moved.is_dir() else str(entry)


def is_installable(tree: Path) -> bool:
    """Return whether pip can install a tree: it has a build system or the project's table."""
    if (tree / "setup.py").is_file():
        return True
    return bool({"project", "build-system"} & _table(tree / "pyproject.toml").keys())


def _table(file: Path) -> dict[str, Any]:
    """Return what a TOML file holds; nothing where it cannot be read."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


@contextlib.contextmanager
def worktree(root: Path, commit: str) -> Iterator[Path]:
    """Check a commit out into a temporary folder, and leave nothing of it.

    Worktrees that a killed process of ours left behind are removed first.

    Raises
    ------
    UsageError
        If git refuses.
    """
    sweep(root)
    with owned_folder() as owner:
        tree = owner / commit[:SHORT]
        try:
            git(root, "worktree", "add", "--quiet", "--detach", str(tree), commit)
            yield tree
        finally:
            remove_worktree(root, tree)


@contextlib.contextmanager
def owned_folder() -> Iterator[Path]:
    """Make a temporary folder whose name says whose it is, and remove it.

    Folders of processes of ours that were killed are removed first.
    """
    for left in Path(tempfile.gettempdir()).glob("parbench-*"):
        if _is_left_behind(left):
            shutil.rmtree(left, ignore_errors=True)
    prefix = f"parbench-{_HERE}-{os.getpid()}-"
    folder = Path(tempfile.mkdtemp(prefix=prefix)).resolve()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep(root: Path) -> None:
    """Remove the worktrees of processes of ours that are gone."""
    for line in git(root, "worktree", "list", "--porcelain").splitlines():
        kind, _, name = line.partition(" ")
        if kind != "worktree":
            continue
        tree = Path(name)
        if _is_left_behind(tree.parent):
            remove_worktree(root, tree)
            shutil.rmtree(tree.parent, ignore_errors=True)


def remove_worktree(root: Path, tree: Path) -> None:
    """Forget a worktree and remove its folder."""
    shutil.rmtree(tree, ignore_errors=True)
    with contextlib.suppress(UsageError):
        git(root, "worktree", "prune")


def _is_left_behind(folder: Path) -> bool:
    """Return whether a folder is of a process of ours that is gone."""
    owner = _OWNED.match(folder.name)
    return owner is not None and not _is_alive(int(owner["pid"]))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
