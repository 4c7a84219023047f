"""From what a user calls the baseline to a build that is ready to run, and away again."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parbench_lab.core.wording import listed
from parbench_lab.errors import UsageError
from parbench_lab.execution.builds import environments, git, trees
from parbench_lab.execution.builds.build import Build
from parbench_lab.execution.shipping import ship

HOW = ("auto", "venv", "source")
_IMPORT_STRING = re.compile(r"^[A-Za-z_][\w.]*:[A-Za-z_][\w.]*$")

Baseline = str | Callable[..., Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """A baseline that is ready.

    `stand_in` is a pickled function that runs in place of every candidate; `note` says what a
    reader should know of how it was made.
    """

    build: Build
    stand_in: bytes = b""
    note: str = ""


def refuse_no_baseline(baseline: object) -> None:
    """Refuse what can be no `Baseline` at all; whether it is there, `pinned` finds out.

    Raises
    ------
    UsageError
        If it is no text, no callable and not None.
    """
    if not (baseline is None or isinstance(baseline, str) or callable(baseline)):
        raise UsageError(
            "baseline must be a git ref, 'package==1.2', 'module:function', the path of a python, "
            f"a callable or None but got {baseline!r}"
        )


def refuse_idle(baseline: Baseline, *, python: str | None, how: str) -> None:
    """Refuse ways to run a git ref that this baseline has no use for.

    Parameters
    ----------
    baseline, python, how
        As for `pinned`.

    Raises
    ------
    UsageError
        If `how` is unknown, one is given beside a baseline that is no git ref, or a virtual
        environment of its own beside the interpreter.
    """
    if how not in HOW:
        raise UsageError(f"build must be one of {', '.join(HOW)} but got {how!r}")
    given = [f"python {python!r}"] if python is not None else []
    given += [f"build {how!r}"] if how != "auto" else []
    if given and not _is_ref(baseline):
        raise UsageError(
            f"{' and '.join(given)} would do nothing: it says how a git ref runs, and the "
            f"baseline is {baseline!r}; leave it out"
        )
    if python is not None and how == "venv":
        raise UsageError(
            f"build 'venv' would do nothing beside python {python!r}, which is an environment of "
            "its own: leave one out"
        )


def _is_ref(baseline: Baseline) -> bool:
    if not isinstance(baseline, str):
        return baseline is None
    return not (
        _IMPORT_STRING.match(baseline)
        or environments.is_requirement(baseline)
        or _interpreter(baseline)
    )


@contextlib.contextmanager
def pinned(
    baseline: Baseline, *, here: Path, python: str | None = None, how: str = "auto"
) -> Iterator[Pinned]:
    """Make the baseline's build, and leave nothing of it.

    Parameters
    ----------
    baseline
        A git ref, ``"package==1.2"``, a python (or the folder of its environment), a callable or
        ``"module:function"``; None for the commit this branch left the default branch at, or the
        last commit where there are changes.
    here
        The folder the user is in.
    python
        The interpreter that runs a git ref's tree.
    how
        Whether a git ref is installed into a virtual environment of its own (``"venv"``), run
        from its source tree (``"source"``), or installed where it can be (``"auto"``).

    Raises
    ------
    UsageError
        If it cannot be found or made, the text says what could be given; or as of `refuse_idle`.
    """
    refuse_idle(baseline, python=python, how=how)
    if callable(baseline):
        yield _of_callable(baseline, here)
        return
    if baseline is not None and _IMPORT_STRING.match(baseline):
        build = dataclasses.replace(trees.working_tree(here), label=baseline, stand_in=baseline)
        yield Pinned(build=build)  # without a revision: the function is the working tree's
        return
    with contextlib.ExitStack() as stack:
        if baseline is not None and environments.is_requirement(baseline):
            yield _installed(baseline, here, stack)
        elif baseline is not None and (interpreter := _interpreter(baseline)):
            # without a revision: what is installed there may be another version tomorrow
            build = environments.environment_build(
                interpreter, label=interpreter, revision="", folder=here
            )
            yield Pinned(build=build)
        else:
            yield _of_commit(baseline, here, python=python, how=how, stack=stack)


def new_build(here: Path) -> Build:
    """Return the working tree as a build, named after its commit where there is one."""
    build = trees.working_tree(here)
    root = git.repository(here)
    if root is None:
        return build
    with contextlib.suppress(UsageError):  # no commit yet
        commit = git.commit_of(root, "HEAD")[: git.SHORT]
        changed = " with changes" if git.is_dirty(root) else ""
        return dataclasses.replace(build, label=f"the working tree ({commit}{changed})")
    return build


def copies_note(here: Path) -> str:
    """Return a note where what is called the working tree is not what is imported; else ""."""
    root = git.repository(here)
    copies = () if root is None else trees.installed_copies(here, root=root)
    if not copies:
        return ""
    verb = "is" if len(copies) == 1 else "are"
    return (
        f"{listed(copies)} {verb} imported from an installed copy, not from the working tree: "
        "what was changed in the tree is not measured; install it with pip install -e"
    )


def ref_build(
    ref: str, commit: str, *, root: Path, here: Path, stack: contextlib.ExitStack
) -> Build:
    """Return a commit's source tree, run by this interpreter; the stack's end removes it."""
    tree = stack.enter_context(trees.worktree(root, commit))
    return trees.source_tree(_label(ref, commit), commit, tree=tree, root=root, folder=here)


def repository_of(here: Path) -> Path:
    """Return the top of the repository around a folder.

    Raises
    ------
    UsageError
        If there is none.
    """
    root = git.repository(here)
    if root is None:
        raise UsageError(
            f"{here} is in no git repository: say what to compare with, as "
            "baseline='package==1.2', 'module:function' or the path of a python"
        )
    return root


def _of_callable(function: Callable[..., Any], here: Path) -> Pinned:
    name = getattr(function, "__name__", type(function).__name__)
    payload = ship(function, what=f"baseline {name!r}", same_files=True)
    # what a function does may change under its name: its evidence is not carried over
    return Pinned(
        build=dataclasses.replace(trees.working_tree(here), label=name), stand_in=payload.data
    )


def _installed(requirement: str, here: Path, stack: contextlib.ExitStack) -> Pinned:
    interpreter = environments.new_environment(stack.enter_context(trees.owned_folder()) / "venv")
    environments.install_version(interpreter, requirement)
    revision = requirement if environments.is_one_version(requirement) else ""
    build = Build(label=requirement, revision=revision, interpreter=interpreter, folder=here)
    return Pinned(build=build, note=_REUSED)


def _of_commit(
    ref: str | None, here: Path, *, python: str | None, how: str, stack: contextlib.ExitStack
) -> Pinned:
    root = repository_of(here)
    note = ""
    if ref is None:
        commit, why = git.default_baseline(root)
        label = f"{commit[: git.SHORT]} ({why})"
    else:
        commit = git.commit_of(root, ref)
        label = _label(ref, commit)
    tree = stack.enter_context(trees.worktree(root, commit))
    build = trees.source_tree(label, commit, tree=tree, root=root, folder=here)
    project = trees.project_in(tree, root=root, folder=here)
    if python is not None:
        environment = environments.environment_build(
            python, label=label, revision=commit, folder=build.folder
        )
        build = dataclasses.replace(environment, before=trees.own_path(project, tree))
    elif how == "venv" or (how == "auto" and trees.is_installable(project)):
        folder = stack.enter_context(trees.owned_folder())
        interpreter = environments.new_environment(folder / "venv")
        environments.install_tree(interpreter, project, what=label)
        build = dataclasses.replace(build, interpreter=interpreter, before=())
        note = _REUSED
    elif how == "auto":
        note = _TODAYS
    return Pinned(build=build, note=note)


_REUSED = (
    "the baseline's virtual environment has its own package, and sees the other packages of this "
    "environment where their versions will do"
)

_TODAYS = (
    "the baseline runs from its source tree, with this environment's packages of today: the "
    "folder you are in is of no project in it that can be installed (no [project], "
    "[build-system] or setup.py)"
)


def _label(ref: str, commit: str) -> str:
    short = commit[: git.SHORT]
    return short if commit.startswith(ref) else f"{ref} ({short})"


def _interpreter(text: str) -> str:
    """Return the python that a path means, "" where it means none."""
    folder = Path(text).expanduser()
    for path in (folder, folder / "bin" / "python", folder / "Scripts" / "python.exe"):
        if environments.is_interpreter(str(path)):
            # made absolute without following links: that is what makes it a virtual environment's
            return os.path.abspath(path)  # noqa: PTH100
    return ""
