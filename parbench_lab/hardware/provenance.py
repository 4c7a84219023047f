"""Which state of the source was measured."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

GIT_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GitState:
    """A commit, and whether tracked files differ from it."""

    commit: str
    dirty: bool


def git_state(folder: Path) -> GitState | None:
    """Return the commit checked out around a folder, None where there is none to be had.

    None stands for: no git command, no repository, no commit yet, or no answer within 5 s.
    Nothing in the repository is written, and none of its hooks is run.
    """
    git = shutil.which("git")
    if git is None:
        return None
    command = [
        git, "-c", "core.fsmonitor=false", "-C", os.fspath(folder),
        "status", "--porcelain=v2", "--branch", "--untracked-files=no",
    ]  # fmt: skip
    try:
        done = subprocess.run(  # noqa: S603 - fixed words and a folder's name, no shell
            command,
            capture_output=True,
            check=True,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            timeout=GIT_TIMEOUT_S,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return parse_git_status(done.stdout)


def parse_git_status(text: str) -> GitState | None:
    r"""Return the state that ``git status --porcelain=v2 --branch`` shows, None without a commit.

    Examples
    --------
    >>> parse_git_status("# branch.oid 1a2b\n# branch.head main\n1 .M N... a.py\n")
    GitState(commit='1a2b', dirty=True)
    >>> parse_git_status("# branch.oid (initial)\n") is None
    True
    """
    lines = text.splitlines()
    commit = next((line.split()[-1] for line in lines if line.startswith("# branch.oid ")), "")
    if not commit or commit == "(initial)":
        return None
    return GitState(commit=commit, dirty=any(not line.startswith("#") for line in lines))
