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


def members(
    *functions: Callable[[Any], Any], needs: Mapping[Callable[[Any], Any], str] | None = None
) -> tuple[Candidate, ...]:
    """Return functions as candidates under their own names, in order.

    Parameters
    ----------
    functions
        Module-level functions ``fn(case)``.
    needs
        The optional library that a function imports when it is called; where that library is
        not installed the function is left out.

    Examples
    --------
    >>> import math
    >>> [c.name for c in members(math.sqrt, math.exp, needs={math.exp: "no_such_library"})]
    ['sqrt']
    """
    needs = needs or {}
    return tuple(
        Candidate(name=function.__name__, function=function)
        for function in functions
        if function not in needs or is_installed(needs[function])
    )
