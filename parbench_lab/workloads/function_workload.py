"""A workload made of plain functions, and what else may stand for a workload."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any, cast

import numpy as np

from parbench_lab.core.candidate import Candidate, as_candidate
from parbench_lab.core.metric import Metric
from parbench_lab.core.ports import Workload
from parbench_lab.errors import UsageError
from parbench_lab.workloads.agreement import agree

_ACCEPTED = (
    "give a name, an object or class with make_case(size, rng) and check(case, result), "
    "or the pair (make_case, check)"
)

UNNAMED = "workload"
"""What a workload made of functions is called where nobody gave it a name."""


class FunctionWorkload:
    """A workload made of functions, e.g. of a notebook cell.

    Parameters
    ----------
    make_case
        ``make_case(size, rng)`` returns a problem of `size` items.
    check
        ``check(case, result)`` raises on a wrong result; it may return further metrics. False is
        a wrong result too. May be left out where there is a `reference`.
    reference
        ``reference(case)`` returns the right result; results must agree with it
        (`workloads.agreement.agree`) within `rtol` and `atol`. With a `check` as well, both count.
    rtol, atol
        Relative and absolute tolerance of numbers against the reference, 1e-9 and 1e-12 by
        default: room for another order of additions in double precision.
    name
        Under which the runs are kept.
    candidates
        Callables or `Candidate` values that race when no others are named.
    metrics
        What `check` returns.
    objectives
        Metric names the race is about.
    default_batch_size
        Items in a case unless the race says otherwise.

    Raises
    ------
    UsageError
        If there is neither check nor reference, or one of the functions cannot be called.

    Examples
    --------
    >>> job = FunctionWorkload(lambda size, rng: list(range(size)), reference=sum)
    >>> case = job.make_case(4, np.random.default_rng(0))
    >>> job.check(case, 6.0)
    >>> job.check(case, 7)
    Traceback (most recent call last):
    ...
    ValueError: expected 6 but got 7
    """

    def __init__(
        self,
        make_case: Callable[[int, np.random.Generator], Any],
        check: Callable[[Any, Any], Mapping[str, float] | bool | None] | None = None,
        *,
        reference: Callable[[Any], Any] | None = None,
        rtol: float = 1e-9,
        atol: float = 1e-12,
        name: str = UNNAMED,
        candidates: Sequence[Candidate | Callable[..., Any]] = (),
        metrics: Sequence[Metric] = (),
        objectives: Sequence[str] = ("wall_time_s",),
        default_batch_size: int = 1000,
    ) -> None:
        if check is None and reference is None:
            raise UsageError(
                "a workload needs to know what is right: give check(case, result), which raises "
                "on a wrong result, or reference(case), which returns the right one"
            )
        parts = {"make_case": make_case, "check": check, "reference": reference}
        for part, function in parts.items():
            if function is not None and not callable(function):
                raise UsageError(f"{part} must be a function but is {function!r}")
        self._make_case = make_case
        self._check = check
        self._reference = reference
        self._rtol, self._atol = rtol, atol
        self.name = name
        self.candidates = tuple(as_candidate(thing) for thing in candidates)
        self.metrics = tuple(metrics)
        self.objectives = tuple(objectives)
        self.default_batch_size = default_batch_size

    def make_case(self, size: int, rng: np.random.Generator) -> Any:
        """Return a problem of `size` items."""
        return self._make_case(size, rng)

    def check(self, case: Any, result: Any) -> Mapping[str, float] | None:
        """Raise on a wrong result; return what the function returns where that is metrics.

        Raises
        ------
        Exception
            Whatever the function raises.
        ValueError
            If it returns False, or the result does not agree with the reference.
        TypeError
            If it returns something that is neither metrics nor a truth value.
        """
        if self._reference is not None:
            self._compare(result, self._reference(case))
        return None if self._check is None else _verdict(self._check(case, result))

    def __repr__(self) -> str:
        return f"FunctionWorkload(name={self.name!r})"

    def _compare(self, result: Any, expected: Any) -> None:
        if not agree(result, expected, rtol=self._rtol, atol=self._atol):
            raise ValueError(f"expected {_shortly(expected)} but got {_shortly(result)}")


def as_workload(thing: Any) -> Workload:
    """Return what `thing` stands for: a workload, its class, a pair of functions or a module.

    Raises
    ------
    UsageError
        If it is none of these, or the class needs arguments; the text says what would do.

    Examples
    --------
    >>> as_workload((lambda size, rng: size, lambda case, result: result == case))
    FunctionWorkload(name='workload')
    """
    if isinstance(thing, type):
        return _made(thing)
    if isinstance(thing, (tuple, list)):
        if len(thing) != 2 or not all(map(callable, thing)):
            raise UsageError(f"{thing!r} is not a workload: {_ACCEPTED}")
        return FunctionWorkload(*thing)
    if isinstance(thing, ModuleType) and hasattr(thing, "make_case"):
        return module_functions(thing)
    lacking = [verb for verb in ("make_case", "check") if not callable(getattr(thing, verb, None))]
    if lacking:
        raise UsageError(f"{thing!r} is not a workload, it has no {lacking[0]}: {_ACCEPTED}")
    return cast("Workload", thing)


def module_functions(module: ModuleType) -> FunctionWorkload:
    """Return a module's functions ``make_case`` and ``check`` (or ``reference``) as a workload.

    Raises
    ------
    UsageError
        If there is neither check nor reference.
    """
    return FunctionWorkload(
        module.make_case,
        getattr(module, "check", None),
        reference=getattr(module, "reference", None),
        name=module.__name__,
    )


def _made(cls: type) -> Workload:
    lacking = [verb for verb in ("make_case", "check") if not callable(getattr(cls, verb, None))]
    if lacking:
        raise UsageError(f"class {cls.__name__} is not a workload, it has no {lacking[0]}")
    try:
        inspect.signature(cls).bind()
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"workload class {cls.__name__} needs arguments ({error}): give an instance"
        ) from error
    return cast("Workload", cls())


def _verdict(returned: Any) -> Mapping[str, float] | None:
    if returned is None or isinstance(returned, Mapping):
        return returned
    if isinstance(returned, (bool, np.bool_)):
        if not returned:
            raise ValueError("check returned False")
        return None
    raise TypeError(
        "check must raise on a wrong result and return nothing, a truth value or metrics "
        f'like {{"abs_error": 1e-9}}, but returned {_shortly(returned)}'
    )


def _shortly(thing: Any) -> str:
    text = " ".join(repr(thing).split())
    return text if len(text) <= 100 else f"{text[:97]}..."
