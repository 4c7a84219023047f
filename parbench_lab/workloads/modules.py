"""A user's module as a race: its workload, and every function marked with ``@candidate``."""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from parbench_lab.core.candidate import Candidate, as_candidate, is_marked
from parbench_lab.core.ports import Workload
from parbench_lab.errors import UnknownNameError, UsageError
from parbench_lab.workloads.catalogue import workload_by_name, workload_names
from parbench_lab.workloads.function_workload import (
    UNNAMED,
    FunctionWorkload,
    as_workload,
    module_functions,
)
from parbench_lab.workloads.naming import not_found


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file that a race is made of: as it was named, and a digest of its content then."""

    given: str
    sha256: str


def is_file_name(name: str) -> bool:
    """Return whether `name` means a file and no module: ``bench.py``, ``./bench``."""
    return name.endswith((".py", ".ipynb")) or "/" in name or "\\" in name


def import_file(path: Path) -> ModuleType:
    """Import a Python file as the module of its name; its folder becomes importable too.

    Raises
    ------
    UnknownNameError
        If there is no such file.
    UsageError
        If it is no ``.py`` file, its name cannot be a module's or is taken by another module, or
        running it fails.
    """
    if not path.is_file():
        raise UnknownNameError(f"there is no file {str(path)!r}")
    if path.suffix != ".py" or not path.stem.isidentifier():
        raise UsageError(f"{str(path)!r} cannot be imported: give a file like 'my_module.py'")
    make_importable(path.resolve().parent)
    module = _run(lambda: importlib.import_module(path.stem), str(path))
    origin = getattr(module, "__file__", None)
    if origin is None or Path(origin).resolve() != path.resolve():
        raise UsageError(
            f"{str(path)!r} cannot be imported: the name {path.stem!r} belongs to "
            f"{origin or 'a module of Python itself'}; rename the file"
        )
    return module


def import_named(name: str) -> ModuleType:
    """Import a module by its dotted name, from the current folder too.

    Raises
    ------
    UnknownNameError
        If there is no such module; the text lists the workloads there are.
    UsageError
        If running it fails.
    """
    make_importable(Path.cwd())
    try:
        known = all(part.isidentifier() for part in name.split(".")) and (
            name in sys.modules or importlib.util.find_spec(name) is not None
        )
    except ModuleNotFoundError:
        known = False
    if not known:
        raise not_found("workload", name, workload_names(), "and there is no module of that name")
    return _run(lambda: importlib.import_module(name), name)


def module_workload(module: ModuleType) -> Workload:
    """Return the one workload of a module, under a name that tells it from other modules'.

    ``WORKLOAD`` says which: a name, or anything that stands for a workload. Without it: an object
    with make_case and check, a class of such objects, or functions ``make_case`` and ``check``
    (or ``reference``) of the module itself; classes imported from elsewhere only where there is
    nothing else.

    Raises
    ------
    UsageError
        If there is none, or several; the text lists them.
    """
    given = getattr(module, "WORKLOAD", None)
    if given is not None:
        if isinstance(given, str):
            return workload_by_name(given)
        return named_after(module, as_workload(given))
    found = _workloads_in(module)
    if not found:
        raise UsageError(
            f"{module.__name__} has no workload: define make_case(size, rng) and "
            'check(case, result), or set WORKLOAD = "name" to one of '
            f"{', '.join(workload_names())}"
        )
    if len(found) > 1:
        raise UsageError(
            f"{module.__name__} has several workloads, {', '.join(found)}: "
            f"say which with WORKLOAD = {next(iter(found))}"
        )
    (make,) = found.values()
    return named_after(module, make())


def named_after(module: ModuleType, workload: Workload) -> Workload:
    """Return a workload of a module; one without a name of its own gets ``module:Class``.

    Figures are kept under a workload's name: those of two files must not be one series, nor those
    of a file ``sorting.py`` one with the built-in workload's. No path is in the name, so that it
    is the same on every machine.
    """
    if isinstance(workload, FunctionWorkload):
        if workload.name in (UNNAMED, module.__name__):
            taken = module.__name__ in workload_names()
            workload.name = f"{module.__name__}:make_case" if taken else module.__name__
    elif not getattr(workload, "name", None):
        name = f"{module.__name__}:{type(workload).__name__}"
        try:
            object.__setattr__(workload, "name", name)  # a frozen dataclass takes it too
        except AttributeError:  # it has slots: then its class has the name
            type(workload).name = name  # type: ignore[attr-defined]
    return workload


def source_of(name: str) -> Source | None:
    """Return where a workload comes from that is no known name, None where that has no file.

    Parameters
    ----------
    name
        As for ``parbench race``: a file, a module, or ``module:Class``.
    """
    if not is_file_name(name) and name in workload_names():
        return None
    try:
        origin = name if is_file_name(name) else _origin(name.partition(":")[0])
        content = Path(origin).read_bytes()
    except (OSError, ImportError, ValueError):
        return None
    return Source(given=name, sha256=hashlib.sha256(content).hexdigest())


def _origin(module: str) -> str:
    make_importable(Path.cwd())
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ImportError(module)
    return spec.origin


def module_candidates(module: ModuleType) -> list[Candidate]:
    """Return the marked functions and the `Candidate` values of a module, in its order.

    Lists of `Candidate` values count as well, such as those of `candidates_from_grid`.

    Raises
    ------
    UsageError
        If a mark is none that a candidate can have.
    """
    return [as_candidate(thing) for thing in meant_to_race(module)]


def meant_to_race(module: ModuleType) -> list[Candidate | Callable[..., Any]]:
    """Return what `module_candidates` makes candidates of; quick, and safe from any thread."""
    things: dict[int, Candidate | Callable[..., Any]] = {}
    for thing in list(vars(module).values()):  # a cell that runs meanwhile binds further names
        if isinstance(thing, (list, tuple)):
            things |= {id(one): one for one in _leading(thing) if id(one) not in things}
        elif isinstance(thing, Candidate) or is_marked(thing):
            things.setdefault(id(thing), thing)
    return list(things.values())


def _leading(listed: Sequence[Any]) -> Iterator[Candidate]:
    """Return the candidates of a list of candidates and functions, up to anything else in it.

    A notebook may hold lists of millions of numbers, and a panel asks three times a second.
    """
    for one in listed:
        if isinstance(one, Candidate):
            yield one
        elif not callable(one):
            return


def _workloads_in(module: ModuleType) -> Mapping[str, Callable[[], Workload]]:
    """Return how to make each workload of a module, by the name it has there."""
    public = {name: thing for name, thing in vars(module).items() if not name.startswith("_")}
    objects = {
        name: thing
        for name, thing in public.items()
        if not isinstance(thing, (type, ModuleType)) and _has_verbs(thing)
    }
    classes = dict(_workload_classes(public))
    kinds = {type(thing) for thing in objects.values()}
    own = {
        name: cls
        for name, cls in classes.items()
        if cls.__module__ == module.__name__ and cls not in kinds
    }
    found: dict[str, Callable[[], Workload]] = {
        name: functools.partial(as_workload, thing) for name, thing in {**objects, **own}.items()
    }
    if callable(public.get("make_case")) and {"check", "reference"} & public.keys():
        found["(make_case, check)"] = functools.partial(module_functions, module)
    if not found:
        found = {name: functools.partial(as_workload, cls) for name, cls in classes.items()}
    return found


def _workload_classes(public: Mapping[str, Any]) -> Iterator[tuple[str, type]]:
    for name, thing in public.items():
        if not isinstance(thing, type) or thing is FunctionWorkload or inspect.isabstract(thing):
            continue
        if _has_verbs(thing) and not getattr(thing, "_is_protocol", False):
            yield name, thing


def _has_verbs(thing: Any) -> bool:
    # static: asking some objects for an attribute makes one
    return all(
        inspect.getattr_static(thing, verb, None) is not None for verb in ("make_case", "check")
    )


def make_importable(folder: Path) -> None:
    """Let modules of a folder be imported, after all others."""
    # at the end: a user's file must not hide an installed package that is imported later
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def _run(load: Callable[[], ModuleType], name: str) -> ModuleType:
    try:
        return load()
    except (Exception, SystemExit) as error:
        raise UsageError(f"{name} cannot be imported: {type(error).__name__}: {error}") from error
