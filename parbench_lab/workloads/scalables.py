"""Which scalable jobs there are, found by name; and functions of the user's own made into one.

Nothing is imported before it is asked for.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
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
        known = option_names(name)
        foreign = [option for option in options if option not in known]
        if foreign:
            has = f"it has {', '.join(known)}" if known else "it has none"
            raise UsageError(f"{name} has no option {', '.join(map(repr, foreign))}; {has}")
        return _maker(name)(**options)
    if options:
        raise UsageError(f"{name} has no option {', '.join(map(repr, options))}")
    if name.startswith("ml:"):
        found = importlib.import_module(_ML).ml_scalables().get(name.removeprefix("ml:"))
        if isinstance(found, Scalable):
            return found
    raise not_found("scalable job", name, scalable_names(), "or give 'package.module:function'")


def option_names(name: str) -> tuple[str, ...]:
    """Return the options that a job has, none where it is not built in."""
    return tuple(inspect.signature(_maker(name)).parameters) if name in _BUILT_IN else ()


def _maker(name: str) -> Callable[..., Scalable]:
    module, _, maker = _BUILT_IN[name].partition(":")
    make: Callable[..., Scalable] = getattr(importlib.import_module(module), maker)
    return make


def as_scalable(
    thing: str | Scalable | Callable[..., Any],
    *,
    make_case: str | Callable[..., Any] | None = None,
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
        ``make_case(size, rng)``, as in `Scalable`, or its ``"package.module:function"``. A
        function's own is its attribute ``make_case``; that of ``"package.module:function"`` may
        also be the function ``make_case`` of that module.
    name
        Of the job; by default its import string, else the function's own.
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
    if not isinstance(options or {}, Mapping):
        raise UsageError(f"options must be a mapping of names to values but got {options!r}")
    make = import_function(make_case) if isinstance(make_case, str) else make_case
    if isinstance(thing, str) and ":" in thing and not thing.startswith("ml:"):
        path, thing = thing, import_function(thing)
        if takes_map(thing):  # named so that jobs of two files are two jobs
            name = name or path
            make = make or getattr(thing, "make_case", None) or _beside(path)
    if isinstance(thing, str):
        thing = scalable_by_name(thing, **(options or {}))
    elif options:
        raise UsageError(
            f"options {', '.join(options)} are for built-in jobs; bind yours yourself"
        )
    if callable(thing) and not takes_map(thing):
        thing = _made(thing)
    try:
        return _scalable(thing, make, name, tolerance)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _beside(path: str) -> Callable[..., Any] | None:
    """Return the function ``make_case`` of the module that an import string names, if any."""
    return getattr(importlib.import_module(path.partition(":")[0]), "make_case", None)


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
        return replace(
            thing,
            name=name or thing.name,
            make_case=make_case or thing.make_case,
            tolerance=thing.tolerance if tolerance is None else tolerance,
        )
    if not callable(thing) or not takes_map(thing):
        given = getattr(thing, "__name__", type(thing).__name__)
        raise UsageError(
            f"cannot scale {given}: give a job's name, a Scalable, or a function "
            "fn(case, *, map) with a function make_case(size, rng)"
        )
    own = name or getattr(thing, "__name__", type(thing).__name__)
    make = make_case or getattr(thing, "make_case", None)
    if make is None:
        raise UsageError(
            f"{own!r} has no make_case(size, rng) that makes its problem: define that function in "
            "the job's module, or as its attribute make_case, or give --make-case module:function "
            "(in Python make_case=)"
        )
    return Scalable(name=own, run=thing, make_case=make, tolerance=tolerance or 0.0)
