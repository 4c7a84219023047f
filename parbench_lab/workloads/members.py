"""A built-in workload's candidates: module-level functions whose library is installed."""

from __future__ import annotations

import functools
import importlib.util
import os
from collections.abc import Callable, Mapping
from typing import Any

from parbench_lab.core.candidate import Candidate, as_candidate
from parbench_lab.hardware.gpu import DOOR, VISIBLE, find_gpus

NOT_IN_THE_EXTRA: Mapping[str, str] = {
    "torch": "pip install torch",
    "cupy": "pip install cupy-cuda12x, or the one for your driver",
}
"""Libraries too large for the extra ``workloads``, and how to get them."""


def is_installed(library: str) -> bool:
    """Return whether a top-level package can be imported; nothing is imported to find out.

    Examples
    --------
    >>> is_installed("json"), is_installed("no_such_library")
    (True, False)
    """
    return importlib.util.find_spec(library) is not None


def how_to_get(library: str) -> str:
    """Return what to do about an optional library that is not installed.

    Examples
    --------
    >>> how_to_get("orjson")
    "it is in the extra: pip install 'parbench_lab[workloads]'"
    >>> how_to_get("torch")
    'pip install torch'
    """
    of_the_extra = "it is in the extra: pip install 'parbench_lab[workloads]'"
    return NOT_IN_THE_EXTRA.get(library, of_the_extra)


class Members(tuple[Candidate, ...]):  # noqa: SLOT001 - slots of a tuple cannot hold anything
    """Candidates that can run here.

    `missing` has those whose library is not installed: name to library; `needs` what those use
    that can run. `elsewhere` are those that need a GPU where this machine has none: they race
    where they are named, on a cluster that has one.
    """

    missing: Mapping[str, str]
    needs: Mapping[str, tuple[str, ...]]
    elsewhere: tuple[Candidate, ...]


def members(
    *functions: Callable[[Any], Any],
    needs: Mapping[Callable[[Any], Any], str | tuple[str, ...]] | None = None,
) -> Members:
    """Return functions as candidates under their own names, in order.

    Parameters
    ----------
    functions
        Module-level functions ``fn(case)``, marked with `core.candidate.candidate` where they
        need a GPU.
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
    installed = [as_candidate(function) for function in functions if function not in lacking]
    elsewhere = tuple(candidate for candidate in installed if not _can_run_here(candidate))
    found = Members(candidate for candidate in installed if candidate not in elsewhere)
    found.missing = {function.__name__: library for function, library in lacking.items()}
    found.needs = {
        function.__name__: _all_of(wanted)
        for function, wanted in (needs or {}).items()
        if function not in lacking
    }
    found.elsewhere = elsewhere
    return found


def _missing(libraries: str | tuple[str, ...]) -> tuple[str, ...]:
    """Return those of some libraries that are not installed."""
    return tuple(library for library in _all_of(libraries) if not is_installed(library))


def _all_of(libraries: str | tuple[str, ...]) -> tuple[str, ...]:
    return (libraries,) if isinstance(libraries, str) else libraries


def missing_candidates(workload: Any) -> Mapping[str, str]:
    """Return the candidates that a workload would bring: name to the library that is missing."""
    missing: Mapping[str, str] = getattr(getattr(workload, "candidates", ()), "missing", {})
    return missing


def candidates_elsewhere(workload: Any) -> tuple[Candidate, ...]:
    """Return the candidates that a workload would bring if this machine had a GPU."""
    found: tuple[Candidate, ...] = getattr(getattr(workload, "candidates", ()), "elsewhere", ())
    return found


def _can_run_here(candidate: Candidate) -> bool:
    if not candidate.resources.get("GPU"):
        return True
    return _sees_gpu(os.environ.get(VISIBLE), os.environ.get(DOOR))


@functools.lru_cache(maxsize=8)
def _sees_gpu(visible: str | None, door: str | None) -> bool:  # noqa: ARG001 - the door is read where it is used
    """Return whether this process may use a GPU; asked once, for it takes some 50 ms."""
    return bool(find_gpus(visible=visible).gpus)
