"""What every run says of itself besides its own business: machine, source, version, mode."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

from parbench_lab.core.machine import Machine
from parbench_lab.core.series import Mode
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
