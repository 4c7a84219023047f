"""Which scalable jobs there are, found by name; and functions of the user's own made into one.

Nothing is imported before it is asked for.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from parbench_lab.core.candidate import import_function
from parbench_lab.core.scalable import Scalable, takes_map
from parbench_lab.errors import UsageError
from parbench_lab.workloads.naming import not_found

_ML = "parbench_lab.workloads.ml.scalables"
_BUILT_IN = {
    "portfolio_backtest": "parbench_lab.workloads.portfolio_backtest:scalable",
    "prime_count": "parbench_lab.workloads.prime_count:scalable",
    "quantization": "parbench_lab.workloads.quantization.workload:scalable",
}


def scalable_names() -> tuple[str, ...]:
    """Return the names of the built-in jobs; those of machine learning are ``ml:<operation>``."""
    from parbench_lab.workloads.ml.scalables import ml_scalables  # noqa: PLC0415 - many libraries

    return (*_BUILT_IN, *(f"ml:{name}" for name in ml_scalables()))


def scalable_by_name(name: str, **options: Any) -> Scalable:
    """Return a built-in job.

    Parameters
    ----------
    name
        Of the job.
    **options
        What the job lets be chosen (``window_days=365`` of the portfolio backtest).

    Raises
    ------
    UnknownNameError
        If there is none of this name; the text lists what there is, the most alike first.
    UsageError
        If the job has no such option.
    """
    if name in _BUILT_IN:
        module, _, maker = _BUILT_IN[name].partition(":")
        make: Callable[..., Scalable] = getattr(importlib.import_module(module), maker)
        _refuse_foreign(name, make, options)
        return make(**options)
    if options:
        raise UsageError(f"{name} has no option {', '.join(map(repr, options))}")
    if name.startswith("ml:"):
        found = importlib.import_module(_ML).ml_scalables().get(name.removeprefix("ml:"))
        if isinstance(found, Scalable):
            return found
    raise not_found("scalable job", name, scalable_names(), "or give 'package.module:function'")


def _refuse_foreign(name: str, make: Callable[..., Scalable], options: Mapping[str, Any]) -> None:
    known = inspect.signature(make).parameters
    foreign = [option for option in options if option not in known]
    if foreign:
        has = f"it has {', '.join(known)}" if known else "it has none"
        raise UsageError(f"{name} has no option {', '.join(map(repr, foreign))}; {has}")


def as_scalable(
    thing: str | Scalable | Callable[..., Any],
    *,
    make_case: Callable[..., Any] | None = None,
    name: str = "",
    tolerance: float | None = None,
    options: Mapping[str, Any] | None = None,
) -> Scalable:
    """Return the job that a user means.

    Parameters
    ----------
    thing
        A built-in job's name, ``"package.module:function"``, a `Scalable`, a function without
        arguments that returns one, or a function ``fn(case, *, map)`` with `make_case`.
    make_case
        ``make_case(size, rng)``, as in `Scalable`.
    name
        Of the job; the function's own by default.
    tolerance
        As in `Scalable`; what the job says itself by default.
    options
        What a built-in job lets be chosen.

    Raises
    ------
    UnknownNameError
        If a name is not known.
    UsageError
        If it is none of these, or does not take a map.
    """
    if isinstance(thing, str) and ":" in thing and not thing.startswith("ml:"):
        thing = import_function(thing)
    if isinstance(thing, str):
        thing = scalable_by_name(thing, **(options or {}))
    elif options:
        raise UsageError(
            f"options {', '.join(options)} are for built-in jobs; bind yours yourself"
        )
    if callable(thing) and not takes_map(thing):
        thing = _made(thing)
    try:
        return _scalable(thing, make_case, name, tolerance)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _made(maker: Callable[..., Any]) -> Any:
    """Return what a function without arguments makes, the function itself where it needs some."""
    try:
        inspect.signature(maker).bind()
    except (TypeError, ValueError):
        return maker
    return maker()


def _scalable(
    thing: Any, make_case: Callable[..., Any] | None, name: str, tolerance: float | None
) -> Scalable:
    if isinstance(thing, Scalable):
        kept = thing.tolerance if tolerance is None else tolerance
        return Scalable(
            name=name or thing.name,
            run=thing.run,
            make_case=make_case or thing.make_case,
            default_size=thing.default_size,
            unit=thing.unit,
            tolerance=kept,
            cut=thing.cut,
        )
    if not callable(thing) or not takes_map(thing):
        given = getattr(thing, "__name__", type(thing).__name__)
        raise UsageError(
            f"cannot scale {given}: give a job's name, a Scalable, or a function "
            "fn(case, *, map) with make_case=make_case(size, rng)"
        )
    own = name or getattr(thing, "__name__", "job")
    if make_case is None:
        raise UsageError(
            f"{own!r}: give make_case=, a function make_case(size, rng) that makes its problem"
        )
    return Scalable(name=own, run=thing, make_case=make_case, tolerance=tolerance or 0.0)
