"""Builds with an interpreter of their own: virtual environments, and environments that are there.

A new virtual environment sees the packages of this one behind its own, so that only what the
build needs in another version is installed, and nothing at all where there is no network and
nothing is missing.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from parbench_lab.errors import UsageError
from parbench_lab.execution.builds.build import Build

PIP_TIMEOUT_S = 1800.0
REQUIREMENT = re.compile(r"^[A-Za-z0-9][\w.-]*(\[[\w,-]+\])?\s*(==|~=|!=|<=|>=|<|>)\s*\S")
_ONE_VERSION = re.compile(r"^[^=~!<>,;]+={2,3}\s*[^\s*,;]+$")
_PTH = "zz_parbench_parent.pth"


def is_requirement(text: str) -> bool:
    """Return whether a text names an installed version.

    Examples
    --------
    >>> is_requirement("mypackage==1.2"), is_requirement("v1.2")
    (True, False)
    """
    return REQUIREMENT.match(text) is not None


def is_one_version(requirement: str) -> bool:
    """Return whether a requirement means the same version for ever.

    Examples
    --------
    >>> is_one_version("mypackage==1.2"), is_one_version("mypackage~=1.2")
    (True, False)
    """
    return _ONE_VERSION.match(requirement.strip()) is not None


def is_interpreter(text: str) -> bool:
    """Return whether a text is the path of a program that may be a python."""
    path = Path(text)
    return path.is_file() and os.access(path, os.X_OK) and path.name.startswith("python")


def new_environment(folder: Path) -> str:
    """Make a virtual environment that sees this one's packages behind its own.

    Returns
    -------
    str
        Path of its interpreter.

    Raises
    ------
    UsageError
        If it cannot be made.
    """
    try:
        venv.create(folder, symlinks=os.name != "nt", with_pip=not _has_pip())
        (_inside(folder, "purelib") / _PTH).write_text(
            "".join(f"{line}\n" for line in shared_path()), "utf-8"
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise UsageError(f"{folder}: cannot make a virtual environment ({error})") from error
    return str(_inside(folder, "scripts") / "python")


def install(interpreter: str, *words: str, what: str) -> None:
    """Run ``pip install`` for an environment.

    Parameters
    ----------
    words
        Options and requirements.
    what
        Names it in errors.

    Raises
    ------
    UsageError
        If pip fails; the text has its last error.
    """
    tool = (
        [sys.executable, "-m", "pip", "--python", interpreter]
        if _has_pip()
        else [interpreter, "-m", "pip"]
    )
    command = [*tool, "--disable-pip-version-check", "install", "--quiet", *words]
    try:
        subprocess.run(  # noqa: S603 - our own interpreter's pip, no shell
            command,
            capture_output=True,
            check=True,
            encoding="utf-8",
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=PIP_TIMEOUT_S,
        )
    except subprocess.CalledProcessError as error:
        raise UsageError(f"{what} cannot be installed: {last_error(error.stderr)}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(f"{what} cannot be installed: {error}") from error


def install_tree(interpreter: str, tree: Path, *, what: str) -> None:
    """Install a source tree; without a network, with the build tools that are here.

    Raises
    ------
    UsageError
        If both ways fail.
    """
    try:
        install(interpreter, str(tree), what=what)
    except UsageError as error:
        try:
            install(interpreter, "--no-build-isolation", str(tree), what=what)
        except UsageError:
            raise UsageError(f"{error}; --build source runs it from its tree") from error


def install_version(interpreter: str, requirement: str) -> None:
    """Install a version of a package, whatever version this environment has.

    Raises
    ------
    UsageError
        If it cannot be had.
    """
    words = ("--force-reinstall", "--no-deps", "--", requirement)
    install(interpreter, *words, what=requirement)
    install(interpreter, "--", requirement, what=requirement)


def environment_build(interpreter: str, *, label: str, revision: str, folder: Path) -> Build:
    """Return the build that an environment is; `folder` is where its processes run.

    An environment of the same Python gets this one's packages behind its own; another one must
    have parbench_lab itself.
    """
    return Build(
        label=label,
        revision=revision,
        interpreter=interpreter,
        folder=folder,
        after=shared_path() if _version(interpreter) == _version(sys.executable) else (),
    )


def shared_path() -> tuple[str, ...]:
    """Return the folders that hold this environment's packages and parbench_lab."""
    packages = [sysconfig.get_path(kind) for kind in ("purelib", "platlib")]
    own = str(Path(__file__).resolve().parents[3])  # the folder that parbench_lab is in
    return tuple(dict.fromkeys([*packages, own]))


def last_error(text: str) -> str:
    r"""Return the line of pip's output that says what went wrong.

    Examples
    --------
    >>> last_error("ERROR: No matching distribution found for a==9\n[notice] new pip\n")
    'No matching distribution found for a==9'
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = [line for line in lines if line.startswith("ERROR:")] or lines or ["no reason given"]
    return told[-1].removeprefix("ERROR:").strip()[:300]


def _version(interpreter: str) -> str:
    ask = "import sys; print(sys.implementation.cache_tag)"
    try:
        done = subprocess.run(  # noqa: S603 - the interpreter the user names, a constant
            [interpreter, "-I", "-c", ask],
            capture_output=True,
            check=True,
            encoding="utf-8",
            stdin=subprocess.DEVNULL,
            timeout=60,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise UsageError(f"{interpreter} is no python that runs: {error}") from error
    return done.stdout.strip()


def _has_pip() -> bool:
    return importlib.util.find_spec("pip") is not None


def _inside(folder: Path, kind: str) -> Path:
    """Return where a virtual environment has its packages, or its programs."""
    places = {"base": str(folder), "platbase": str(folder), "installed_base": str(folder)}
    return Path(sysconfig.get_path(kind, scheme="venv", vars=places))
