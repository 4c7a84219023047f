"""The parameters of a notebook: read without running it, and given as values, never as code.

The cell tagged ``parameters`` is parsed, not executed: each ``name = value  # help`` or
``name: type = value`` at its top level declares one.
"""

from __future__ import annotations

import ast
import difflib
import io
import json
import keyword
import math
import tokenize
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from parbench_lab.core.wording import printable
from parbench_lab.errors import UnknownNameError, UsageError

TAG = "parameters"
ANY, LIST, DICT = "any", "list", "dict"
_SCALARS: Mapping[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (float, int),
    "bool": (bool,),
}
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of a notebook.

    Parameters
    ----------
    name
        Of the variable.
    kind
        ``"str"``, ``"int"``, ``"float"``, ``"bool"``, ``"list"``, ``"dict"`` or ``"any"``.
    item
        Kind of a list's items; ``"any"`` for all others.
    optional
        Whether None is a value of it.
    default
        Its source in the cell, on one line.
    help
        The comment beside it.
    """

    name: str
    kind: str = ANY
    item: str = ANY
    optional: bool = False
    default: str = ""
    help: str = ""

    @property
    def type_words(self) -> str:
        """The type as a listing shows it.

        Examples
        --------
        >>> Parameter(name="algorithms", kind="list", item="str").type_words
        'list[str]'
        """
        said = f"{LIST}[{self.item}]" if self.kind == LIST and self.item != ANY else self.kind
        return f"{said} | None" if self.optional and self.kind != ANY else said

    def __str__(self) -> str:
        declared = printable(f"{self.name}: {self.type_words} = {self.default}")
        return f"{declared}  # {printable(self.help)}" if self.help else declared


# ---------------------------------------------------------------- what there is


def parameters_of(source: str) -> tuple[Parameter, ...]:
    r"""Return the parameters that a cell declares, in its order.

    Parameters
    ----------
    source
        Of the cell; it is not executed.

    Raises
    ------
    UsageError
        If it is not Python.

    Examples
    --------
    >>> for found in parameters_of('seconds = 20.0  # of race time\nnames: list[str] = []'):
    ...     print(found)
    seconds: float = 20.0  # of race time
    names: list[str] = []
    """
    try:
        tree = ast.parse(source)
        comments = _comments(source)
    except (SyntaxError, ValueError, tokenize.TokenError, RecursionError) as error:
        raise UsageError(f"the cell tagged {TAG!r} is not Python: {error}") from error
    found: dict[str, Parameter] = {}
    for node in tree.body:
        for name, annotation, value in _assigned(node):
            kind, item, optional = _kind(annotation, value)
            found[name] = Parameter(
                name=name,
                kind=kind,
                item=item,
                optional=optional,
                default="" if value is None else ast.unparse(value),
                help=comments.get(node.end_lineno or node.lineno, ""),
            )
    return tuple(found.values())


def _comments(source: str) -> dict[int, str]:
    """Return line to the comment on it."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {
        token.start[0]: token.string.lstrip("# ").rstrip()
        for token in tokens
        if token.type == tokenize.COMMENT
    }


def _assigned(node: ast.stmt) -> list[tuple[str, ast.expr | None, ast.expr | None]]:
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [(node.target.id, node.annotation, node.value)]
    if isinstance(node, ast.Assign):
        names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        return [(name, None, node.value) for name in names]
    return []


def _kind(annotation: ast.expr | None, value: ast.expr | None) -> tuple[str, str, bool]:
    """Return kind, kind of items, and whether None is allowed."""
    if annotation is not None:
        return _annotated(ast.unparse(annotation).strip("'\""))
    try:
        default = ast.literal_eval(value) if value is not None else None
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return ANY, ANY, True  # an expression: nobody knows its type before it is run
    return _kind_of(default)


def _kind_of(default: Any) -> tuple[str, str, bool]:
    if default is None:
        return ANY, ANY, True
    if isinstance(default, (list, tuple)):
        kinds = {_scalar(item) for item in default}
        return LIST, kinds.pop() if len(kinds) == 1 else ANY, False
    if isinstance(default, dict):
        return DICT, ANY, False
    kind = _scalar(default)
    return kind, ANY, kind == ANY


def _scalar(value: Any) -> str:
    return type(value).__name__ if type(value).__name__ in _SCALARS else ANY


def _annotated(words: str) -> tuple[str, str, bool]:
    parts = [part.strip() for part in words.replace("Optional[", "None|").split("|")]
    named = [part for part in parts if part != "None"]
    optional = len(named) < len(parts)
    if len(named) != 1:
        return ANY, ANY, True
    base, _, rest = named[0].rstrip("] ").partition("[")
    base = base.strip()
    if base in _SCALARS:
        return base, ANY, optional
    if base in (LIST, "tuple", "Sequence"):
        item = rest.partition(",")[0].strip()
        return LIST, item if item in _SCALARS else ANY, optional
    return (DICT, ANY, optional) if base in (DICT, "Mapping") else (ANY, ANY, True)


# ---------------------------------------------------------------- what is given


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
        plain = _plain(value)
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
        "int": _whole,
        "float": float,
        DICT: lambda written: _plain(json.loads(written)),
    }
    return readers.get(kind, _anything)(text)


def _truth(text: str) -> bool:
    word = text.strip().lower()
    if word not in (*_TRUE, *_FALSE):
        raise ValueError(text)
    return word in _TRUE


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        number = float(text)
        if not number.is_integer():
            raise
        return int(number)


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
    return isinstance(value, _SCALARS[kind])


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
