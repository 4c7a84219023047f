"""The parameters of a notebook, read without running it.

The cell tagged ``parameters`` is parsed, not executed: each ``name = value  # help`` or
``name: type = value`` at its top level declares one.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from parbench_lab.core.wording import printable
from parbench_lab.errors import UsageError

TAG = "parameters"
ANY, LIST, DICT = "any", "list", "dict"
SCALARS: Mapping[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (float, int),
    "bool": (bool,),
}


_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow)


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
        source = _plain(source)
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


def _plain(source: str) -> str:
    """Return a cell without IPython's magics and commands of a shell: they declare nothing."""
    try:
        ast.parse(source)
    except SyntaxError:
        lines = source.split("\n")
        return "\n".join("" if line.lstrip()[:1] in ("%", "!") else line for line in lines)
    return source


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
        kind = _of_arithmetic(value)  # of another expression nobody knows it before it is run
        return kind, ANY, kind == ANY
    return _kind_of(default)


def _of_arithmetic(node: ast.expr | None) -> str:
    """Return the kind of ``10**6`` or ``60 * 60.0``, without computing it; else ``"any"``."""
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return _scalar(number)
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            return _of_arithmetic(operand)
        case ast.BinOp(left=left, op=operator, right=right) if isinstance(operator, _OPERATORS):
            kinds = {_of_arithmetic(left), _of_arithmetic(right)}
            if not kinds <= {"int", "float"}:
                return ANY
            below = isinstance(operator, ast.Pow) and not isinstance(right, ast.Constant)
            return "float" if below or isinstance(operator, ast.Div) else min(kinds)
    return ANY


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
    return type(value).__name__ if type(value).__name__ in SCALARS else ANY


def _annotated(words: str) -> tuple[str, str, bool]:
    parts = [part.strip() for part in words.replace("Optional[", "None|").split("|")]
    named = [part for part in parts if part != "None"]
    optional = len(named) < len(parts)
    if {*named} == {"int", "float"}:
        named = ["float"]
    if len(named) != 1:
        return ANY, ANY, True
    base, _, rest = named[0].rstrip("] ").partition("[")
    base = base.strip()
    if base in SCALARS:
        return base, ANY, optional
    if base in (LIST, "tuple", "Sequence"):
        item = rest.partition(",")[0].strip()
        return LIST, item if item in SCALARS else ANY, optional
    return (DICT, ANY, optional) if base in (DICT, "Mapping") else (ANY, ANY, True)
