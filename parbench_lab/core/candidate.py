"""A candidate: a named implementation, its parameters and what it needs."""

from __future__ import annotations

import difflib
import functools
import importlib
import itertools
import math
import operator
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast, overload

from parbench_lab.core.given import is_list, is_number, is_whole
from parbench_lab.errors import UnknownNameError, UsageError

DEEPEST_PARAMETERS = 48
_MARK = "__parbench_candidate__"
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_IMPORT_STRING = re.compile(r"^[A-Za-z_][\w.]*:[A-Za-z_][\w.]*$")

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A named implementation of a workload's job.

    Parameters
    ----------
    name
        Unique within a race; 1 to 200 printable characters.
    function
        A callable ``fn(case, **parameters)``, or ``"package.module:function"``.
    parameters
        Keyword arguments for every call.
    resources
        Dask resources a worker must offer, e.g. ``{"GPU": 1}``: names and finite numbers above 0,
        kept as Python's own.

    Raises
    ------
    UsageError
        If the name is empty or unprintable, the function is neither callable nor importable
        by its form, the parameters are nested deeper than `DEEPEST_PARAMETERS` levels, or the
        resources are none.
    """

    name: str
    function: Callable[..., Any] | str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    resources: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip() or len(self.name) > 200:
            raise UsageError(
                f"a candidate needs a name of 1 to 200 characters but got {self.name!r}"
            )
        if not self.name.isprintable():
            raise UsageError(f"candidate {self.name!r}: the name must be printable")
        if isinstance(self.function, str):
            if not _IMPORT_STRING.match(self.function):
                raise UsageError(
                    f"candidate {self.name!r}: {self.function!r} is not 'package.module:function'"
                )
        elif not callable(self.function):
            raise UsageError(f"candidate {self.name!r}: {self.function!r} is not callable")
        # a store would refuse them in the middle of a race
        if _is_deeper(self.parameters, DEEPEST_PARAMETERS):
            raise UsageError(
                f"candidate {self.name!r}: parameters are nested deeper than "
                f"{DEEPEST_PARAMETERS} levels; give flatter ones"
            )
        resources = _plain_resources(self.resources)
        if resources is None:
            raise UsageError(
                f"candidate {self.name!r}: resources must be names with finite numbers above 0, "
                f"such as {{'GPU': 1}}, but got {self.resources!r}"
            )
        object.__setattr__(self, "resources", resources)

    @property
    def import_string(self) -> str | None:
        """The ``"package.module:function"`` this candidate can be found under again, if any."""
        if isinstance(self.function, str):
            return self.function
        module = getattr(self.function, "__module__", None)
        qualname = getattr(self.function, "__qualname__", "")
        if not module or module == "__main__" or not _IMPORT_STRING.match(f"{module}:{qualname}"):
            return None
        try:
            found = import_function(f"{module}:{qualname}")
        except UnknownNameError:
            return None
        return f"{module}:{qualname}" if found is self.function else None

    def resolve(self) -> Callable[[Any], Any]:
        """Return the callable of one argument, importing it where it is a string.

        Raises
        ------
        UnknownNameError
            If the module or the function cannot be imported.
        """
        function = (
            import_function(self.function) if isinstance(self.function, str) else self.function
        )
        return functools.partial(function, **self.parameters) if self.parameters else function


def _is_deeper(value: Any, levels: int) -> bool:
    """Return whether mappings and lists are nested deeper; one that holds itself is."""
    if isinstance(value, Mapping):
        value = tuple(value.values())
    elif not isinstance(value, (list, tuple)):
        return False
    return any(levels == 0 or _is_deeper(inner, levels - 1) for inner in value)


def _plain_resources(given: object) -> dict[str, float] | None:
    """Return names with Python's own numbers, which a store can keep; None where it is no such."""
    if not isinstance(given, Mapping):
        return None
    plain: dict[str, float] = {}
    for name, amount in given.items():
        if not isinstance(name, str) or not name.strip() or not is_number(amount):
            return None
        try:
            as_float = float(amount)
        except OverflowError:  # beyond every float
            return None
        if not 0 < as_float < math.inf:
            return None
        plain[name] = operator.index(amount) if is_whole(amount) else as_float
    return plain


def import_function(path: str) -> Callable[..., Any]:
    """Import ``"package.module:function"``.

    Raises
    ------
    UnknownNameError
        If the module or the attribute is not there, or is not callable.
    """
    module_name, _, qualname = path.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except ImportError as error:
        raise UnknownNameError(
            f"candidate {path!r}: cannot import {module_name!r} ({error})"
        ) from error
    for part in qualname.split("."):
        try:
            found = getattr(found, part)
        except AttributeError as error:
            close = difflib.get_close_matches(part, dir(found), n=1)
            guess = f"; did you mean {close[0]!r}?" if close else ""
            raise UnknownNameError(
                f"candidate {path!r}: {module_name!r} has no {qualname!r}{guess}"
            ) from error
    if not callable(found):
        raise UnknownNameError(f"candidate {path!r} is not callable")
    return cast("Callable[..., Any]", found)


@overload
def candidate(function: F, /) -> F: ...
@overload
def candidate(
    *, name: str | None = ..., resources: Mapping[str, float] | None = ..., **parameters: Any
) -> Callable[[F], F]: ...
def candidate(
    function: F | None = None,
    /,
    *,
    name: str | None = None,
    resources: Mapping[str, float] | None = None,
    **parameters: Any,
) -> F | Callable[[F], F]:
    """Mark a function as a candidate; the function itself is returned unchanged.

    Examples
    --------
    >>> @candidate
    ... def doubled(case):
    ...     return [2 * x for x in case]
    >>> doubled([1, 2])
    [2, 4]
    >>> as_candidate(doubled).name
    'doubled'
    """

    def mark(marked: F) -> F:
        needs = {} if resources is None else resources
        if isinstance(needs, Mapping):  # anything else is refused where this becomes a `Candidate`
            needs = dict(needs)
        options = {"name": name, "resources": needs, "parameters": parameters}
        setattr(marked, _MARK, options)
        return marked

    return mark if function is None else mark(function)


def candidate_document(candidate: Candidate) -> dict[str, Any]:
    """Return a candidate as the JSON values that a run keeps of it.

    Numbers of numpy and the like are Python's own there, and what is no JSON (a function, a class,
    an infinity) is its ``repr``. ``import_string`` is None, too, where the parameters would come
    back as others than they were: under the candidate's name other code would race.

    Examples
    --------
    >>> candidate_document(Candidate(name="a", function="os:getcwd", parameters={"n": 2}))
    {'name': 'a', 'import_string': 'os:getcwd', 'parameters': {'n': 2}, 'resources': {}}
    >>> candidate_document(Candidate(name="a", function="os:getcwd", parameters={"n": (2,)}))
    {'name': 'a', 'import_string': None, 'parameters': {'n': [2]}, 'resources': {}}
    """
    parameters = dict(candidate.parameters)
    return {
        "name": candidate.name,
        "import_string": candidate.import_string if _survives_json(parameters) else None,
        "parameters": _json_of(parameters),
        "resources": dict(candidate.resources),
    }


def changed_parameters(candidate: Candidate, kept: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of parameters that are others than a run keeps of the candidate, sorted.

    What is no JSON is passed over: a run has its ``repr``, in which an address or the order of a
    set is another one in every process.

    Parameters
    ----------
    candidate
        As it is given now.
    kept
        ``parameters`` of its `candidate_document`, as they come back from a store.

    Examples
    --------
    >>> smooth = Candidate(name="a", function="os:getcwd", parameters={"n": 2, "by": min})
    >>> changed_parameters(smooth, {"n": 3, "by": "<built-in function max>", "at": 0})
    ('at', 'n')
    """
    given = {str(name): value for name, value in candidate.parameters.items()}
    one_sided = given.keys() ^ kept.keys()
    other = {name for name in given.keys() & kept.keys() if not _is_kept(given[name], kept[name])}
    return tuple(sorted(one_sided | other))


def _is_kept(value: Any, kept: Any) -> bool:
    """Return whether `kept` may be what JSON keeps of a value."""
    if isinstance(value, Mapping):
        inner = {str(key): one for key, one in value.items()}
        same = isinstance(kept, Mapping) and inner.keys() == kept.keys()
        return same and all(_is_kept(one, kept[key]) for key, one in inner.items())
    if isinstance(value, (list, tuple)):
        same = isinstance(kept, (list, tuple)) and len(value) == len(kept)
        return same and all(map(_is_kept, value, kept))
    told = _json_of(value)
    if isinstance(told, str) and not isinstance(value, str):  # its `repr`
        return isinstance(kept, str)
    return bool(told == kept)


def _json_of(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _json_of(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json_of(inner) for inner in value]
    if _is_scalar_array(value):
        value = value.item()
    if isinstance(value, str):
        return str.__str__(value)  # of an enumeration's member the text, as JSON has it
    if is_whole(value):
        return operator.index(value)
    if value is None or isinstance(value, bool) or _is_finite_float(value):
        return value
    return repr(value)


def _survives_json(value: Any) -> bool:
    """Return whether JSON gives a value back that no function could tell from it.

    Equal is not enough: a tuple is a key where a list is none, and a number of numpy decides the
    precision of an array's result where the same number of Python does not.
    """
    if type(value) is dict:
        return all(type(key) is str and _survives_json(inner) for key, inner in value.items())
    if type(value) is list:
        return all(map(_survives_json, value))
    return type(value) in (str, int, bool, type(None)) or _is_finite_float(value)


def _is_scalar_array(value: Any) -> bool:
    """Return whether it is one number of numpy, or of what speaks its protocol."""
    return getattr(value, "shape", None) == () and hasattr(value, "item")


def _is_finite_float(value: Any) -> bool:
    return type(value) is float and math.isfinite(value)


def is_marked(thing: object) -> bool:
    """Return whether `thing` is a function marked with `candidate`."""
    return callable(thing) and isinstance(getattr(thing, _MARK, None), dict)


def as_candidate(thing: Candidate | Callable[..., Any]) -> Candidate:
    """Return `thing` as a `Candidate`, named after the function where it has no name of its own.

    Raises
    ------
    UsageError
        If `thing` is not callable.
    """
    if isinstance(thing, Candidate):
        return thing
    if not callable(thing):
        raise UsageError(
            f"{thing!r} is not a candidate: give a name, a callable or 'module:function'"
        )
    options = getattr(thing, _MARK, None) or {}
    return Candidate(
        name=options.get("name") or _callable_name(thing),
        function=thing,
        parameters=options.get("parameters", {}),
        resources=options.get("resources", {}),
    )


def candidates_from_grid(
    function: Callable[..., Any], grid: Mapping[str, Iterable[Any]], *, name: str | None = None
) -> list[Candidate]:
    """Return one candidate for every combination of the grid's values.

    Parameters
    ----------
    function
        ``fn(case, **parameters)``.
    grid
        Values for each parameter; the last one varies fastest. In a candidate's name a function or
        a class has its own (two of one name their module, too, or their place in the list), so
        that it is the same in every run.
    name
        Stem of the names; the function's name by default.

    Raises
    ------
    UsageError
        If the grid is empty, or one of its parameters has no list of values.

    Examples
    --------
    >>> def smooth(case, window, order): ...
    >>> [c.name for c in candidates_from_grid(smooth, {"window": [10, 50], "order": [1]})]
    ['smooth(window=10, order=1)', 'smooth(window=50, order=1)']
    >>> [c.name for c in candidates_from_grid(smooth, {"order": [sorted, reversed]})]
    ['smooth(order=sorted)', 'smooth(order=reversed)']
    """
    if not isinstance(grid, Mapping):
        raise UsageError(f"the grid must map parameters to lists of values but got {grid!r}")
    for key, choices in grid.items():
        if not is_list(choices):
            raise UsageError(f"the grid's parameter {key!r} must be a list but got {choices!r}")
    values: dict[str, Sequence[Any]] = {key: list(choices) for key, choices in grid.items()}
    if not values:
        raise UsageError("the grid is empty: give at least one parameter with its values")
    for key, choices in values.items():
        if not choices:
            raise UsageError(f"the grid's parameter {key!r} has no values")
    stem = name or as_candidate(function).name
    labels = {key: _labels(choices) for key, choices in values.items()}
    found = []
    for places in itertools.product(*(range(len(choices)) for choices in values.values())):
        chosen = dict(zip(values, places, strict=True))
        label = ", ".join(f"{key}={labels[key][place]}" for key, place in chosen.items())
        parameters = {key: values[key][place] for key, place in chosen.items()}
        found.append(Candidate(name=f"{stem}({label})", function=function, parameters=parameters))
    return found


def _labels(values: Sequence[Any]) -> list[str]:
    """Return how a person tells values apart, the same in every run; one that is not, by place."""
    labels = [_label(value) for value in values]
    if len(set(labels)) < len(labels):
        labels = [_label(value, whole=True) for value in values]
    counts = Counter(labels)
    return [
        f"{label} {place}" if counts[label] > 1 else label
        for place, label in enumerate(labels, start=1)
    ]


def _label(value: Any, *, whole: bool = False) -> str:
    """Return a value's label; `whole`: a function with its module, a number with its type."""
    if callable(value):
        name = _callable_name(value)
        module = getattr(value, "__module__", None)
        return f"{module}.{name}" if whole and module else name
    if _is_scalar_array(value) and not whole:
        value = value.item()
    return _ADDRESS.sub("", repr(value))


def _callable_name(thing: Callable[..., Any]) -> str:
    if isinstance(thing, functools.partial):
        return _callable_name(thing.func)
    owner = getattr(thing, "__self__", None)
    name = getattr(thing, "__name__", None) or type(thing).__name__
    return (
        f"{type(owner).__name__}.{name}"
        if owner is not None and not _is_module(owner)
        else str(name)
    )


def _is_module(thing: object) -> bool:
    return type(thing).__name__ == "module"
