"""What is given for a notebook's parameters: values of their types, never code."""

from __future__ import annotations

import difflib
import json
import keyword
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from parbench_lab.core.reading import whole_number
from parbench_lab.errors import UnknownNameError, UsageError
from parbench_lab.reports.parameters import ANY, DICT, LIST, SCALARS, Parameter

_WORDS = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    LIST: "a list (a,b or JSON)",
    DICT: "a JSON object",
}
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
_NONE = ("none", "null")
_DEPTH = 16
"""Of lists and objects inside each other: nobody means more."""


def split_given(text: str) -> tuple[str, str]:
    """Return name and value of ``NAME=VALUE``.

    Raises
    ------
    UsageError
        If there is no name or no ``=``.

    Examples
    --------
    >>> split_given("where=a=b")
    ('where', 'a=b')
    """
    name, sign, value = text.partition("=")
    if not sign or not name.strip():
        raise UsageError(f"a parameter is given as NAME=VALUE but got {text!r}")
    return name.strip(), value


def from_texts(
    known: Sequence[Parameter], given: Sequence[tuple[str, str]], *, notebook: str
) -> dict[str, Any]:
    r"""Return the values of parameters that were given as text, as the shell does.

    Parameters
    ----------
    known
        Of the notebook.
    given
        Pairs of name and text.
    notebook
        Its name, for errors.

    Raises
    ------
    UnknownNameError
        For a name that the notebook does not have; all it has are listed, with their types.
    UsageError
        For a text that is no value of its parameter's type, or a parameter given twice.

    Examples
    --------
    >>> from parbench_lab.reports.parameters import parameters_of
    >>> known = parameters_of("size = 10\nnames: list[str] = []")
    >>> from_texts(known, [("size", "1e3"), ("names", "a, b")], notebook="race")
    {'size': 1000, 'names': ['a', 'b']}
    """
    values: dict[str, Any] = {}
    for name, text in given:
        parameter = _found(known, name, notebook)
        if name in values:
            raise UsageError(f"parameter {name!r} is given twice; a list is given as {name}=a,b")
        values[name] = _from_text(parameter, text, known)
    return values


def checked(
    known: Sequence[Parameter], given: Mapping[str, Any], *, notebook: str
) -> dict[str, Any]:
    """Return values that fit the parameters' types.

    Parameters
    ----------
    known, notebook
        As in `from_texts`.
    given
        Python values: None, truth values, finite numbers, texts, and lists and dicts of them.

    Raises
    ------
    UnknownNameError, UsageError
        As `from_texts`.
    """
    values = {}
    for name, value in given.items():
        parameter = _found(known, name, notebook)
        try:
            plain = _plain(value)
        except UsageError as error:
            raise UsageError(f"parameter {name!r}: {error}; known are {listing(known)}") from error
        if not _fits(parameter, plain):
            raise _ill_typed(parameter, repr(value), known)
        values[name] = plain
    return values


def listing(known: Sequence[Parameter]) -> str:
    """Return the parameters with their types, one after the other."""
    # quoted: the shell would take a plain name for one of its own flags
    return ", ".join(f"{one.name!r} ({one.type_words})" for one in known) or "none"


def _found(known: Sequence[Parameter], name: str, notebook: str) -> Parameter:
    by_name = {one.name: one for one in known}
    if name in by_name and name.isidentifier() and not keyword.iskeyword(name):
        return by_name[name]
    close = difflib.get_close_matches(name, by_name, n=2)
    hint = f"did you mean {' or '.join(map(repr, close))}? " if close else ""
    raise UnknownNameError(
        f"notebook {notebook} has no parameter {name!r}; {hint}it has {listing(known)}"
    )


def _from_text(parameter: Parameter, text: str, known: Sequence[Parameter]) -> Any:
    if parameter.optional and text.strip().lower() in _NONE:
        return None
    try:
        value = _parsed(parameter.kind, parameter.item, text)
        if _fits(parameter, value):
            return value
    except (ValueError, OverflowError, RecursionError):
        pass
    raise _ill_typed(parameter, repr(text), known)


def _parsed(kind: str, item: str, text: str) -> Any:
    """Return the value that a text stands for.

    Raises
    ------
    ValueError
        If it stands for none of that kind.
    """
    if kind == LIST:
        return _list(item, text)
    readers: Mapping[str, Callable[[str], Any]] = {
        "str": str,
        "bool": _truth,
        "int": whole_number,
        "float": float,
        DICT: lambda written: _plain(json.loads(written)),
    }
    return readers.get(kind, _anything)(text)


def _truth(text: str) -> bool:
    word = text.strip().lower()
    if word not in (*_TRUE, *_FALSE):
        raise ValueError(text)
    return word in _TRUE


def _list(item: str, text: str) -> list[Any]:
    if text.strip().startswith("["):
        found = _plain(json.loads(text))
        return list(found)
    if not text.strip():
        return []
    return [_parsed(item, ANY, part.strip()) for part in text.split(",")]


def _anything(text: str) -> Any:
    """Return JSON as its value, everything else as the text that it is."""
    try:
        return _plain(json.loads(text))
    except (ValueError, UsageError, RecursionError):
        return text


def _fits(parameter: Parameter, value: Any) -> bool:
    if value is None:
        return parameter.optional
    if parameter.kind == LIST:
        return isinstance(value, list) and all(_is(parameter.item, each) for each in value)
    return _is(parameter.kind, value)


def _is(kind: str, value: Any) -> bool:
    if isinstance(value, float) and not math.isfinite(value):
        return False
    if kind == ANY:
        return True
    if kind == DICT:
        return isinstance(value, dict)
    if isinstance(value, bool):
        return kind == "bool"
    return isinstance(value, SCALARS[kind])


def _plain(value: Any, depth: int = _DEPTH) -> Any:
    """Return a value made of JSON's types only, so that it is written as a literal.

    Raises
    ------
    UsageError
        If it is anything else.
    """
    if depth < 0:
        raise UsageError("a parameter's lists and objects may be 16 deep at most")
    if value is None or type(value) in (bool, int, str):
        return value
    if type(value) is float and math.isfinite(value):
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(item, depth - 1) for item in value]
    if isinstance(value, dict) and all(type(key) is str for key in value):
        return {key: _plain(item, depth - 1) for key, item in value.items()}
    raise UsageError(
        f"a parameter may be a text, a finite number, a truth value, None, or lists and objects "
        f"of these but got {value!r}"
    )


def _ill_typed(parameter: Parameter, given: str, known: Sequence[Parameter]) -> UsageError:
    wanted = _WORDS.get(parameter.kind, "a value")
    if parameter.kind == LIST and parameter.item != ANY:
        wanted = f"a list of {parameter.item}, as {parameter.name}=a,b or JSON"
    return UsageError(
        f"parameter {parameter.name!r} must be {wanted} but got {given}; known are "
        f"{listing(known)}"
    )
