"""What a report measures: candidates by name, at a workload by name or in a file."""

from __future__ import annotations

from collections.abc import Sequence

from parbench_lab.core.candidate import Candidate
from parbench_lab.core.ports import Workload
from parbench_lab.workloads.registry import candidates_of, resolve, targets


def entrants(workload: str, algorithms: Sequence[str] = ()) -> tuple[list[Candidate], Workload]:
    """Return candidates and their workload, as `ParallelBenchmarking` takes them.

    Parameters
    ----------
    workload
        As ``parbench race`` takes it: a name, a module, a file; "": the one workload that has
        all the algorithms.
    algorithms
        Names or ``"package.module:function"``; none for all that there are.

    Raises
    ------
    UnknownNameError, UsageError
        If one is not found.

    Examples
    --------
    >>> found, job = entrants("sorting", ["list_sort"])
    >>> [candidate.name for candidate in found], job.name
    (['list_sort'], 'sorting')
    """
    if not workload:
        job, found = resolve(list(algorithms) or None, None)
        return list(found), job
    job, found = targets(workload)
    if not algorithms:
        return list(found), job
    own = {candidate.name: candidate for candidate in (*candidates_of(job), *found)}
    _, chosen = resolve([own.get(name, name) for name in algorithms], job)
    return list(chosen), job
