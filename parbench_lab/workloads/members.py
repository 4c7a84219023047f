"""A built-in workload's candidates: module-level functions whose library is installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from typing import Any

from parbench_lab.core.candidate import Candidate


def is_installed(library: str) -> bool:
    """Return whether a top-level package can be imported; nothing is imported to find out.

    Examples
    --------
    >>> is_installed("json"), is_installed("no_such_library")
    (True, False)
    """
    return importlib.util.find_spec(library) is not None


class Members(tuple[Candidate, ...]):  # noqa: SLOT001 - slots of a tuple cannot hold anything
    """Candidates whose library is installed; `missing` has the others: name to library."""

    missing: Mapping[str, str]


def members(
    *functions: Callable[[Any], Any],
    needs: Mapping[Callable[[Any], Any], str | tuple[str, ...]] | None = None,
) -> Members:
    """Return functions as candidates under their own names, in order.

    Parameters
    ----------
    functions
        Module-level functions ``fn(case)``.
    needs
        The optional library that a function imports when it is called, or several; where one is
        not installed the function is left out.

    Examples
    --------
    >>> import math
    >>> found = members(math.sqrt, math.exp, needs={math.exp: "no_such_library"})
    >>> [candidate.name for candidate in found], found.missing
    (['sqrt'], {'exp': 'no_such_library'})
    """
    lacking = {f: library for f, wanted in (needs or {}).items() for library in _missing(wanted)}
    found = Members(
        Candidate(name=function.__name__, function=function)
        for function in functions
        if function not in lacking
    )
    found.missing = {function.__name__: library for function, library in lacking.items()}
    return found


def _missing(libraries: str | tuple[str, ...]) -> tuple[str, ...]:
    """Return those of some libraries that are not installed."""
    wanted = (libraries,) if isinstance(libraries, str) else libraries
    return tuple(library for library in wanted if not is_installed(library))


def missing_candidates(workload: Any) -> Mapping[str, str]:
    """Return the candidates that a workload would bring: name to the library that is missing."""
    missing: Mapping[str, str] = getattr(getattr(workload, "candidates", ()), "missing", {})
    return missing
