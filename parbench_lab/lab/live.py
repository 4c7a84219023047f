"""What a live view asks of a race beyond its standings: challengers, and the past."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import ModuleType
from typing import Any

from parbench_lab.core.candidate import Candidate, as_candidate
from parbench_lab.core.ports import Workload
from parbench_lab.errors import UsageError
from parbench_lab.lab.parts import renamed
from parbench_lab.workloads.modules import meant_to_race


def available(
    workload: Workload, entered: Sequence[Candidate], notebook: ModuleType | None = None
) -> dict[str, Candidate]:
    """Return who could enter: label to candidate, the workload's own first.

    A function of the notebook that was written anew since it entered is there again, under the
    name it would race under. A mark that no candidate can have is left out, and a panel that asks
    again and again goes on: why it is stands in `unusable`.
    """
    functions = {id(candidate.function) for candidate in entered}
    names = {candidate.name for candidate in entered}
    own = [c for c in _allowed(getattr(workload, "candidates", ())) if c.name not in names]
    written = [c for c in _allowed(_meant(notebook)) if id(c.function) not in functions]
    found: dict[str, Candidate] = {}
    for candidate in [*own, *written]:
        with contextlib.suppress(UsageError):  # a name that has no room for a number
            label = renamed(candidate, names | found.keys())
            found[label.name] = label
    return found


def unusable(notebook: ModuleType | None = None) -> dict[str, str]:
    """Return the marked functions of the notebook that `available` leaves out: name to why."""
    found: dict[str, str] = {}
    for thing in _meant(notebook):
        try:
            as_candidate(thing)
        except UsageError as error:
            found[getattr(thing, "__name__", type(thing).__name__)] = str(error)
    return found


def _meant(notebook: ModuleType | None) -> list[Candidate | Callable[..., Any]]:
    return meant_to_race(sys.modules["__main__"] if notebook is None else notebook)


def _allowed(things: Iterable[Candidate | Callable[..., Any]]) -> Iterator[Candidate]:
    for thing in things:
        with contextlib.suppress(UsageError):
            yield as_candidate(thing)
