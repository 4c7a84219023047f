"""A build as a value: which interpreter imports what from where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FILE_SUFFIX = ".py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """One state of the code, ready to run.

    Parameters
    ----------
    label
        As a person calls it: ``"v1.2 (1a2b3c4)"``.
    revision
        What it is for ever: a commit or ``"package==1.2"``; ``""`` for what may change under its
        name, like a working tree, its functions, an environment or ``"package>=1.2"``.
    interpreter
        Path of its Python.
    folder
        Where its processes run, and where relative files are looked for first.
    before, after
        Import path in front of the interpreter's own, and behind it.
    stand_in
        ``"module:function"`` that runs in place of every candidate; ``""`` for none.
    """

    label: str
    interpreter: str
    folder: Path
    revision: str = ""
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    stand_in: str = ""

    def located(self, target: str, here: Path) -> str:
        """Return a target as this build's processes find it.

        A file is the build's own where it has one of that name, else the one at `here`; anything
        else (a workload's or a module's name) stays.
        """
        if not target.endswith(FILE_SUFFIX):
            return target
        given = Path(target)
        absolute = (here / given).resolve()
        if given.is_absolute():
            return str(absolute)
        own = self.folder / given
        return str(own) if own.is_file() else str(absolute)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the processes of both builds are to find and run.

    Parameters
    ----------
    target
        Name of a workload or a module, or a file; ``""`` where the payload has it all.
    registry
        Module with ``targets(name)`` and ``resolve(algorithms, workload)`` that turns the target
        into a workload and its candidates.
    algorithms
        Names of the candidates; empty for all.
    payload
        A pickled pair of a workload and its candidates, instead of the target.
    stand_in
        A pickled function that runs in the baseline in place of every candidate.
    """

    target: str = ""
    registry: str = ""
    algorithms: Sequence[str] = ()
    payload: bytes = b""
    stand_in: bytes = b""
