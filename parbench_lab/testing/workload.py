"""Does a workload keep its promises? For workloads of users and packages, and for our own."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import cloudpickle
import numpy as np

from parbench_lab.core.candidate import Candidate, as_candidate
from parbench_lab.core.metric import MEASURED_METRICS
from parbench_lab.core.ports import Workload, workload_metrics, workload_name
from parbench_lab.workloads.agreement import agree
from parbench_lab.workloads.function_workload import as_workload
from parbench_lab.workloads.registry import candidates_of


def check_workload(
    workload: Any,
    *,
    candidates: Sequence[Candidate | Callable[..., Any]] | None = None,
    size: int = 200,
    seed: int = 0,
    ordered: bool = True,
) -> None:
    """Check that a workload keeps the promises of `core.ports.Workload`.

    The same seed makes the same case, in a pickled copy too; candidates do not change the case;
    the check accepts their results, twice, returns declared metrics, changes nothing and refuses
    damaged results: nothing at all, an item missing, NaN, another order.

    Parameters
    ----------
    workload
        A workload, its class, or the pair ``(make_case, check)``.
    candidates
        Implementations that are right; the workload's own by default.
    size, seed
        Of the case, 200 items by default.
    ordered
        Whether the order of the items of a result matters. False leaves out the damage that only
        changes the order.

    Raises
    ------
    AssertionError
        Naming the promise that is broken, the candidate and what happened.
    UsageError
        If it is no workload at all.

    Examples
    --------
    >>> def make_case(size, rng):
    ...     return rng.random(size).tolist()
    >>> def careless(case, result):
    ...     assert len(result) == len(case)
    >>> check_workload((make_case, careless), candidates=[sorted])
    Traceback (most recent call last):
    ...
    AssertionError: workload: check accepts a result of 'sorted' in reverse order
    """
    job = as_workload(workload)
    racing = candidates_of(job) if candidates is None else [as_candidate(c) for c in candidates]
    _require(bool(racing), job, "brings no candidates: give candidates=[...] that are right")

    def make(maker: Workload = job) -> Any:
        return maker.make_case(size, np.random.default_rng(seed))

    _check_cases(job, make)
    _check_objectives(job)
    for candidate in racing:
        _check_candidate(job, candidate, make, ordered=ordered)


def damaged(result: Any, *, ordered: bool = True) -> Iterator[tuple[str, Any]]:
    """Yield wrong versions of a right result, each with words for the damage.

    Parameters
    ----------
    result
        An array, a list or tuple, a dict, a number or a text; anything else gets only None.
    ordered
        Whether to change the order of items, too.

    Examples
    --------
    >>> dict(damaged([1, 2]))["without its last item"]
    [1]
    """
    yield "that is None", None
    if isinstance(result, (list, tuple)) or (isinstance(result, np.ndarray) and result.ndim):
        yield from _damaged_items(result, ordered=ordered)
    elif isinstance(result, Mapping) and result:
        first = next(iter(result))
        yield "without a key", {key: value for key, value in result.items() if key != first}
    elif isinstance(result, (float, np.floating)):
        yield "that is NaN", math.nan
    elif isinstance(result, (int, np.integer)):
        yield "that is one too high", result + 1
    elif isinstance(result, (str, bytes)) and result:
        yield "without its last character", result[:-1]


def _damaged_items(result: Any, *, ordered: bool) -> Iterator[tuple[str, Any]]:
    if not len(result):
        return
    yield "without its last item", result[:-1]
    if ordered:
        for words, other in (
            ("in reverse order", result[::-1]),
            ("shifted by one item", _shifted(result)),
        ):
            if not agree(other, result):
                yield words, other
    if isinstance(result, np.ndarray) and result.dtype.kind == "f":
        holed = result.copy()
        holed.flat[0] = math.nan
        yield "with NaN in its first place", holed
    elif isinstance(result[0], float):
        yield "with NaN in its first place", type(result)([math.nan, *result[1:]])


def _shifted(result: Any) -> Any:
    if isinstance(result, np.ndarray):
        return np.roll(result, 1, axis=0)
    return result[-1:] + result[:-1]


def _check_cases(job: Workload, make: Callable[..., Any]) -> None:
    _require(_same(make(), make()), job, "the same seed makes different cases")
    try:
        copy = cloudpickle.loads(cloudpickle.dumps(job))
    except Exception as error:
        raise AssertionError(
            f"{workload_name(job)}: cannot be pickled ({type(error).__name__}: {error})"
        ) from error
    _require(_same(make(copy), make()), job, "a pickled copy makes other cases")


def _check_objectives(job: Workload) -> None:
    known = {metric.name for metric in workload_metrics(job)} | set(MEASURED_METRICS)
    for objective in getattr(job, "objectives", ()):
        _require(
            objective in known,
            job,
            f"the objective {objective!r} is no metric; known ones are {', '.join(sorted(known))}",
        )


def _check_candidate(
    job: Workload, candidate: Candidate, make: Callable[..., Any], *, ordered: bool
) -> None:
    function, name = candidate.resolve(), candidate.name
    case, untouched = make(), make()
    result = function(case)
    _require(_same(case, untouched), job, f"{name!r} changes the case")
    _check_accepted(job, name, case, result)
    _require(_same(case, untouched), job, "check changes the case")
    _check_accepted(job, f"{name} (second call)", case, function(case))
    for words, wrong in damaged(result, ordered=ordered):
        _require(_refuses(job, case, wrong), job, f"check accepts a result of {name!r} {words}")


def _check_accepted(job: Workload, name: str, case: Any, result: Any) -> None:
    try:
        returned = job.check(case, result)
    except Exception as error:
        raise AssertionError(
            f"{workload_name(job)}: check refuses the result of {name!r} "
            f"({type(error).__name__}: {error})"
        ) from error
    values = returned or {}
    declared = {metric.name: metric for metric in workload_metrics(job)}
    _require(
        isinstance(values, Mapping) and set(values) == set(declared),
        job,
        f"check returns {values!r} for {name!r} but metrics declares {list(declared)}",
    )
    for metric_name, metric in declared.items():
        try:
            metric.cost(float(values[metric_name]))
        except ValueError as error:
            raise AssertionError(f"{workload_name(job)}: {name!r}: {error}") from error


def _refuses(job: Workload, case: Any, result: Any) -> bool:
    try:
        job.check(case, result)
    except Exception:  # noqa: BLE001 - a check may raise anything, that is its contract
        return True
    return False


def _same(left: Any, right: Any) -> bool:
    """Return whether two cases are alike; objects that cannot say so, by their pickles."""
    return agree(left, right) or bool(cloudpickle.dumps(left) == cloudpickle.dumps(right))


def _require(kept: bool, job: Workload, words: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not kept:
        raise AssertionError(f"{workload_name(job)}: {words}")
