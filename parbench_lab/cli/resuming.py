"""Where the code of an interrupted race came from, and whether it is still the code that raced."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from parbench_lab.core.ports import INTERRUPTED, RunHeader, RunSummary
from parbench_lab.core.runs import STUDY, refuse_taken_in
from parbench_lab.core.wording import printable
from parbench_lab.errors import UsageError


class Source(Protocol):
    """A file as it was named, with a digest of what was in it."""

    @property
    def given(self) -> str:
        """The file, or the module."""

    @property
    def sha256(self) -> str:
        """Of its content, in hexadecimal digits."""


Look = Callable[[str], Source | None]
"""Finds the file of a name, None where there is none (or the name is a built-in workload's)."""


def source_document(name: str | None, look: Look) -> dict[str, Any]:
    """Return what a run keeps of where its workload came from; nothing for a built-in one."""
    found = None if name is None else look(name)
    return {} if found is None else {"source": {"given": found.given, "sha256": found.sha256}}


def source_to_resume(header: RunHeader, look: Look) -> str | None:
    """Return the file or module that a stored race is taken up from; None for a built-in workload.

    Raises
    ------
    UsageError
        If its file is gone, or another one now; with the command that works. If the race itself
        came from a file of runs: what that names is not even looked for.
    """
    refuse_taken_in(header)
    configuration = header.document.get("configuration", {})
    kept: Mapping[str, str] = configuration.get("source", {})
    again = f"--resume {header.id}"
    if not kept and header.document.get("workload") is not None:
        return None
    # a run of an earlier version kept the name, and no digest
    given = kept.get("given") or configuration.get("values", {}).get("workload")
    if given is None:
        raise UsageError(
            f"run {header.id}: its workload {printable(header.name)!r} was of no file; name the "
            f"file that has it: parbench race FILE.py {again}"
        )
    now, shown = look(given), printable(given)
    if now is None:
        raise UsageError(
            f"run {header.id}: {shown} is not there (any more); put it back, or name it where it "
            f"is now: parbench race FILE.py {again}"
        )
    if kept and now.sha256 != kept["sha256"]:
        raise UsageError(
            f"run {header.id}: {shown} has changed since it began, so that its evidence is of "
            f"other code; race anew: parbench race {shown}; or go on all the same: "
            f"parbench race {shown} {again}"
        )
    return str(given)


def refuse_other_kinds_and_ended(summary: RunSummary) -> None:
    """Refuse a run that is no race, or ended of itself, before anything is loaded for it.

    Raises
    ------
    UsageError
        With what it is.
    """
    if summary.kind == STUDY:
        raise UsageError(
            f"run {summary.id} is a scaling study: parbench scale --resume {summary.id}"
        )
    if summary.kind != "race":
        raise UsageError(
            f"run {summary.id} is no race but a {summary.kind}: name a race of parbench runs"
        )
    if summary.status not in ("running", INTERRUPTED):
        reason = (summary.result or {}).get("reason") or summary.status
        raise UsageError(
            f"run {summary.id} has ended ({printable(str(reason))}); parbench show {summary.id}"
        )
