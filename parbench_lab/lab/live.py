"""What a live view asks of a race beyond its standings: challengers, and the past."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Sequence
from types import ModuleType
from typing import Any

from parbench_lab.core.candidate import Candidate, as_candidate
from parbench_lab.core.ports import Workload
from parbench_lab.errors import UsageError
from parbench_lab.lab.parts import renamed
from parbench_lab.racing.control import Challengers
from parbench_lab.workloads.modules import meant_to_race


def challengers(
    workload: Workload, entered: Sequence[Candidate], notebook: ModuleType | None = None
) -> Challengers:
    """Return who could enter, the workload's own first, and whose mark keeps them out.

    A function of the notebook that was written anew since it entered is there again, under the
    name it would race under. A mark that no candidate can have does not raise: a panel asks again
    and again, and goes on.
    """
    functions = {id(candidate.function) for candidate in entered}
    names = {candidate.name for candidate in entered}
    brought, _ = _made_of(getattr(workload, "candidates", ()))
    marked, unusable = _made_of(_meant(notebook))
    own = [candidate for candidate in brought if candidate.name not in names]
    written = [candidate for candidate in marked if id(candidate.function) not in functions]
    found: dict[str, Candidate] = {}
    for candidate in [*own, *written]:
        with contextlib.suppress(UsageError):  # a name that has no room for a number
            label = renamed(candidate, names | found.keys())
            found[label.name] = label
    return Challengers(available=found, unusable=unusable)


def _meant(notebook: ModuleType | None) -> list[Candidate | Callable[..., Any]]:
    return meant_to_race(sys.modules["__main__"] if notebook is None else notebook)


def _made_of(
    things: Iterable[Candidate | Callable[..., Any]],
) -> tuple[list[Candidate], dict[str, str]]:
    """Return the candidates that things make, and of the others name to why they make none."""
    made: list[Candidate] = []
    refused: dict[str, str] = {}
    for thing in things:
        try:
            made.append(as_candidate(thing))
        except UsageError as error:
            refused[getattr(thing, "__name__", type(thing).__name__)] = str(error)
    return made, refused
