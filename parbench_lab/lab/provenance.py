"""What every run says of itself besides its own business: machine, source, version, mode."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from parbench_lab.analysis.comparison.machines import machine_differences
from parbench_lab.core.machine import UNKNOWN, Machine
from parbench_lab.core.series import Mode
from parbench_lab.core.wording import commit_words
from parbench_lab.errors import UsageError
from parbench_lab.hardware.provenance import git_state
from parbench_lab.racing.result import jsonable


def provenance(machine: Machine, *, mode: Mode | str | None = None) -> dict[str, Any]:
    """Return the part of a header's document that is alike in all kinds of run.

    Parameters
    ----------
    machine
        It runs on.
    mode
        What it stands for, see `checked_mode`; None: not said.
    """
    git = git_state(Path.cwd())
    return {
        "machine": jsonable(machine),
        "version": importlib.metadata.version("parbench_lab"),
        "git": None if git is None else {"commit": git.commit, "dirty": git.dirty},
        **({} if mode is None else {"mode": checked_mode(mode).value}),
    }


def other_commit(document: Mapping[str, Any]) -> str:
    """Return in words that a run goes on with other code than its header tells, "" where not."""
    git = git_state(Path.cwd())
    there = document.get("git") or {}
    if git is None or (there.get("commit"), there.get("dirty")) == (git.commit, git.dirty):
        return ""
    before = commit_words(str(there.get("commit") or ""), dirty=bool(there.get("dirty")))
    return f"resumed at commit {commit_words(git.commit, dirty=git.dirty)}; begun at {before}"


def checked_mode(mode: Mode | str) -> Mode:
    """Return the mode of that name.

    Raises
    ------
    UsageError
        If there is none.

    Examples
    --------
    >>> checked_mode("training")
    <Mode.TRAINING: 'training'>
    """
    try:
        return Mode(mode)
    except ValueError:
        known = ", ".join(one.value for one in Mode)
        raise UsageError(f"mode {mode!r}: not found; known names are {known}") from None


def refuse_other_machine(
    document: Mapping[str, Any], here: Machine, *, run: str, whole: str
) -> None:
    """Refuse to go on with a run on a machine whose figures are not those of its first one.

    A run that does not say where it began (of an early version, say, or on a cluster without
    workers) is taken for one of here.

    Parameters
    ----------
    document
        What the run's header says.
    here
        Where it would go on.
    run, whole
        What it is, with its id (``"race 20260102-abcd"``), and what its figures make together
        (``"race"``, ``"curve"``), as the message says it.

    Raises
    ------
    UsageError
        If this is another machine than the run was begun on, with what differs.
    """
    there = _machine(document.get("machine"))
    if UNKNOWN in (*here.cluster, *(there.cluster if there else ())):
        return  # of a cluster that did not say what it is: nobody knows that it is another one
    fingerprint = document.get("fingerprint") or (there.fingerprint if there else "")
    if not fingerprint or fingerprint == here.fingerprint:
        return
    if there is not None and there.is_alike(here):
        return
    differences = () if there is None else machine_differences(there, here)
    told = "; ".join(differences) or f"fingerprint: {fingerprint} and {here.fingerprint}"
    raise UsageError(
        f"{run} was begun on another machine ({told}): figures of two machines are not one "
        f"{whole}; go on with it there, or begin a new {run.partition(' ')[0]} here"
    )


def _machine(document: Any) -> Machine | None:
    """Return the machine that a header describes, None where it does not."""
    try:
        return Machine.from_json(document)
    except ValueError:
        return None
