"""What git knows of a repository, asked without running its hooks or writing anything."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from parbench_lab.errors import UsageError

TIMEOUT_S = 120.0
_QUIET = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
_OF_A_HOOK = ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE", "GIT_PREFIX")
SHORT = 10


def git(folder: Path, *words: str) -> str:
    """Return what a git command prints, without the last line break.

    Raises
    ------
    UsageError
        If there is no git, or the command fails; the text has git's last line.
    """
    command = shutil.which("git")
    if command is None:
        raise UsageError("git is not installed: give --baseline PACKAGE==VERSION or a python")
    environment = {key: v for key, v in os.environ.items() if key not in _OF_A_HOOK}
    try:
        done = subprocess.run(  # noqa: S603 - words of ours, no shell
            [command, *_QUIET, "-C", os.fspath(folder), *words],
            capture_output=True,
            check=True,
            encoding="utf-8",
            errors="replace",
            env={**environment, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            timeout=TIMEOUT_S,
        )
    except subprocess.CalledProcessError as error:
        said = (error.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise UsageError(f"git {words[0]}: {said}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(f"git {words[0]} does not answer: {error}") from error
    return done.stdout.rstrip("\n")


def repository(folder: Path) -> Path | None:
    """Return the top folder of the working tree around a folder, None where there is none."""
    try:
        return Path(git(folder, "rev-parse", "--show-toplevel"))
    except UsageError:
        return None


def commit_of(root: Path, ref: str) -> str:
    """Return the commit that a name means.

    Raises
    ------
    UsageError
        If there is none; a shallow clone is the usual reason in CI.
    """
    try:
        return git(
            root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}"
        )
    except UsageError as error:
        raise UsageError(
            f"{ref!r} is no commit, tag or branch of {root} (in CI, fetch the whole history), "
            "nor PACKAGE==VERSION, module:function or a python"
        ) from error


def subject_of(root: Path, commit: str) -> str:
    """Return the first line of a commit's message."""
    return git(root, "log", "-1", "--format=%s", commit)


def is_dirty(root: Path) -> bool:
    """Return whether tracked files differ from the commit that is checked out."""
    return bool(git(root, "status", "--porcelain", "--untracked-files=no"))


def default_baseline(root: Path) -> tuple[str, str]:
    """Return the commit to compare with when none is named, and why it is that one.

    Raises
    ------
    UsageError
        If the working tree is what the default branch has already.
    """
    head = commit_of(root, "HEAD")
    branch = _default_branch(root)
    base = git(root, "merge-base", "HEAD", branch) if branch else head
    if base != head:
        return base, f"where this branch left {branch}"
    if is_dirty(root):
        return head, "the last commit, before your changes"
    raise UsageError(
        f"nothing here differs from {branch or 'the last commit'}: say what to compare with, "
        "--baseline HEAD~1 or --baseline v1.2"
    )


def commits_between(root: Path, good: str, bad: str) -> tuple[str, ...]:
    """Return the commits after `good` up to `bad`, oldest first; of a merge only its first side.

    Raises
    ------
    UsageError
        If `good` is no ancestor of `bad`.
    """
    base = git(root, "merge-base", good, bad)
    if base != good or good == bad:
        raise UsageError(
            f"good ({good[:SHORT]}) must be an ancestor of bad ({bad[:SHORT]}) and not bad itself"
        )
    listed = git(root, "rev-list", "--first-parent", "--reverse", f"{good}..{bad}")
    return tuple(listed.split())


def _default_branch(root: Path) -> str | None:
    try:
        return git(root, "symbolic-ref", "--quiet", "--short", "refs/remotes/origin/HEAD")
    except UsageError:
        pass
    for name in ("origin/main", "origin/master", "main", "master"):
        try:
            git(root, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        except UsageError:
            continue
        return name
    return None
