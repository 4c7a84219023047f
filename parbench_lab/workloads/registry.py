"""From what a user writes (names, callables, modules) to a workload and its candidates."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from parbench_lab.core.candidate import Candidate, as_candidate, import_function
from parbench_lab.core.given import is_list
from parbench_lab.core.ports import Workload, workload_name
from parbench_lab.errors import UnknownNameError, UsageError
from parbench_lab.workloads.catalogue import (
    forget_workload,
    loadable_workloads,
    register_workload,
    workload_by_name,
    workload_names,
)
from parbench_lab.workloads.function_workload import as_workload
from parbench_lab.workloads.members import (
    candidates_elsewhere,
    how_to_get,
    missing_candidates,
)
from parbench_lab.workloads.modules import (
    import_file,
    import_named,
    is_file_name,
    module_candidates,
    module_workload,
    named_after,
)
from parbench_lab.workloads.naming import not_found

__all__ = [
    "candidates_of",
    "forget_workload",
    "register_workload",
    "resolve",
    "targets",
    "workload_by_name",
    "workload_names",
]

Algorithm = str | Callable[..., Any] | Candidate

_CANDIDATE_ADVICE = "or give a callable or 'package.module:function'"


def resolve(
    algorithms: Sequence[Algorithm] | None, workload: Any = None
) -> tuple[Workload, list[Candidate]]:
    """Return the workload and the candidates that a user means.

    Parameters
    ----------
    algorithms
        Names of the workload's candidates, callables ``fn(case)``, `Candidate` values or import
        strings ``"package.module:function"``, in any mixture; None for all the workload brings.
    workload
        A name or ``"package.module:object"``, an object with make_case and check or its class,
        the pair ``(make_case, check)``, or None for the one workload that has all the names.

    Raises
    ------
    UnknownNameError
        If a name is not known; the text lists the names there are, the most alike first.
    UsageError
        If nothing is given to race, two candidates have one name, several workloads have all the
        names, or only callables are given and no workload.

    Examples
    --------
    >>> job, candidates = resolve(["fft", "cumsum"])
    >>> job.name, [candidate.name for candidate in candidates]
    ('moving_average', ['fft', 'cumsum'])
    """
    wanted = listed_algorithms(algorithms)
    found = _workload_of(wanted) if workload is None else _given_workload(workload)
    own = {candidate.name: candidate for candidate in candidates_of(found)}
    if wanted is None:
        if not own:
            raise UsageError(_nothing_to_race(found))
        return found, list(own.values())
    own.update((candidate.name, candidate) for candidate in candidates_elsewhere(found))
    chosen = [_candidate(thing, found, own) for thing in wanted]
    _refuse_same_names(chosen)
    return found, chosen


def targets(name_or_module: str) -> tuple[Workload, list[Candidate]]:
    """Return what ``parbench race NAME`` races.

    Parameters
    ----------
    name_or_module
        The name of a workload, whose own candidates race; or a module (``package.module``) or a
        file (``bench.py``, ``./sorting.py``), of which every marked function races at the
        module's workload, in the order of definition. A workload's name goes before a module's.

    Raises
    ------
    UnknownNameError
        If there is neither; the text lists the workloads.
    UsageError
        If the module cannot be imported, or has no candidates, or not exactly one workload.

    Examples
    --------
    >>> job, candidates = targets("sorting")
    >>> job.name, candidates[0].name
    ('sorting', 'list_sort')
    """
    if is_file_name(name_or_module):
        module = import_file(Path(name_or_module))
    elif name_or_module in workload_names():
        return resolve(None, name_or_module)
    else:
        module = import_named(name_or_module.partition(":")[0])
    if ":" in name_or_module and not is_file_name(name_or_module):
        workload = _given_workload(name_or_module)
    else:
        workload = module_workload(module)
    found = module_candidates(module)
    if not found and not candidates_of(workload):
        raise UsageError(
            f"{module.__name__} has no candidates: mark functions with @parbench_lab.candidate"
        )
    return resolve(found or None, workload)


def candidates_of(workload: Workload) -> list[Candidate]:
    """Return the candidates that a workload brings, none where it brings none.

    Raises
    ------
    UsageError
        If one of them is no candidate, or two have one name.
    """
    found = [as_candidate(thing) for thing in getattr(workload, "candidates", ())]
    _refuse_same_names(found)
    return found


def listed_algorithms(algorithms: Sequence[Algorithm] | None) -> list[Algorithm] | None:
    """Return the candidates that a user lists, None for all.

    Raises
    ------
    UsageError
        If it is a single text, no list, or empty.
    """
    if algorithms is None:
        return None
    if isinstance(algorithms, str):
        raise UsageError(f"algorithms must be a list: give [{algorithms!r}]")
    if not is_list(algorithms):
        raise UsageError(f"algorithms must be a list but got {algorithms!r}")
    listed = list(algorithms)
    if not listed:
        raise UsageError(
            "algorithms is empty: name at least one candidate, or give None for all of a workload"
        )
    return listed


def _given_workload(workload: Any) -> Workload:
    if not isinstance(workload, str):
        return as_workload(workload)
    if ":" not in workload:
        return workload_by_name(workload)
    module_name, _, path = workload.partition(":")
    try:
        module = importlib.import_module(module_name)
        thing: Any = module
        for part in path.split("."):
            thing = getattr(thing, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise UnknownNameError(f"workload {workload!r}: {error}") from error
    return named_after(module, as_workload(thing))


def _workload_of(wanted: list[Algorithm] | None) -> Workload:
    """Return the one workload that has all the names."""
    names = [thing for thing in wanted or () if isinstance(thing, str) and ":" not in thing]
    if not names:
        lacking = (
            "algorithms=[...] or a workload" if wanted is None else "the candidates a workload"
        )
        raise UsageError(
            f"give {lacking}: workload=(make_case, check), an object with both, or one of "
            f"{', '.join(workload_names())}"
        )
    known = {
        name: (job, [c.name for c in (*candidates_of(job), *candidates_elsewhere(job))])
        for name, job in loadable_workloads()
    }
    fitting = [name for name, (_, has) in known.items() if set(names) <= set(has)]
    if not fitting:
        raise _unknown_everywhere(names, {name: has for name, (_, has) in known.items()})
    if len(fitting) > 1:
        raise UsageError(
            f"{_quoted(names)}: candidates of several workloads, {', '.join(fitting)}; "
            f"say which with workload={fitting[0]!r}"
        )
    return known[fitting[0]][0]


def _unknown_everywhere(names: list[str], known: Mapping[str, list[str]]) -> UnknownNameError:
    """Return the error for names that no workload has all of."""
    homes = {name: [job for job, has in known.items() if name in has] for name in names}
    for name in names:
        if not homes[name]:
            listing = "; ".join(f"{job}: {', '.join(has)}" for job, has in known.items() if has)
            everyone = [other for has in known.values() for other in has]
            return not_found("candidate", name, everyone, _CANDIDATE_ADVICE, listing=listing)
    places = "; ".join(f"{name!r} is in {', '.join(found)}" for name, found in homes.items())
    return UnknownNameError(f"no workload has all of {_quoted(names)}; {places}")


def _candidate(thing: Algorithm, workload: Workload, own: Mapping[str, Candidate]) -> Candidate:
    if not isinstance(thing, str):
        return as_candidate(thing)
    if thing in own:
        return own[thing]
    if ":" in thing:
        return as_candidate(import_function(thing))
    library = missing_candidates(workload).get(thing)
    if library is not None:
        raise UsageError(
            f"candidate {thing!r} of {workload_name(workload)} needs the library {library}, "
            f"which is not installed ({how_to_get(library)})"
        )
    raise not_found(f"candidate of {workload_name(workload)}", thing, own, _CANDIDATE_ADVICE)


def _refuse_same_names(candidates: Iterable[Candidate]) -> None:
    counts = Counter(candidate.name for candidate in candidates)
    name, count = max(counts.items(), key=lambda item: item[1], default=("", 1))
    if count > 1:
        raise UsageError(
            f"{count} candidates are called {name!r}: leave out all but one, or name them apart "
            'with @candidate(name="...") or Candidate(name="...", function=...)'
        )


def _nothing_to_race(workload: Workload) -> str:
    name = workload_name(workload)
    if type(workload).__module__.startswith("parbench_lab.workloads."):
        return (
            f"workload {name!r} brings no candidates here: give algorithms=[...], or install the "
            "libraries of its own with pip install 'parbench_lab[workloads]'"
        )
    return f"workload {name!r} brings no candidates: give algorithms=[...]"


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))
