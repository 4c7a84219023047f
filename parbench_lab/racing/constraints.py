"""Bounds on metrics, as a user writes them: ``peak_rss_bytes <= 2e9``. Pure."""

from __future__ import annotations

import functools
import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping

from parbench_lab.errors import SettingError

_FORM = re.compile(r"^\s*(?P<metric>[A-Za-z_]\w*)\s*(?P<sign><=|>=|<|>)\s*(?P<bound>\S+)\s*$")
_SIGNS: Mapping[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}


@functools.lru_cache(maxsize=256)
def parse_constraint(text: str) -> tuple[str, str, float]:
    """Return metric, sign and bound of a constraint.

    Raises
    ------
    SettingError
        If the text is not ``metric <= number`` (or ``<, >=, >``).
    """
    match = _FORM.match(text)
    rule = f"constraint {text!r} must read like 'peak_rss_bytes <= 2e9'"
    if match is None:
        raise SettingError(rule)
    try:
        bound = float(match["bound"])
    except ValueError as error:
        raise SettingError(rule) from error
    return match["metric"], match["sign"], bound


def refuse_unknown_metrics(constraints: Iterable[str], known: Iterable[str]) -> None:
    """Refuse constraints on metrics nobody measures, and bounds that bound nothing.

    Raises
    ------
    SettingError
        Naming the known metrics; or if a bound is not finite: ``nan`` would put everybody out.
    """
    names = sorted(known)
    for text in constraints:
        metric, _, bound = parse_constraint(text)
        if not math.isfinite(bound):
            raise SettingError(f"constraint {text!r} must have a finite bound")
        if metric not in names:
            raise SettingError(f"constraint {text!r}: unknown metric; known: {', '.join(names)}")


def broken_constraint(constraints: Iterable[str], values: Mapping[str, float]) -> str:
    """Return which constraint the values break, in words, or the empty string.

    A metric that was not measured breaks nothing.
    """
    for text in constraints:
        metric, sign, bound = parse_constraint(text)
        value = values.get(metric)
        if value is not None and not _SIGNS[sign](value, bound):
            return f"broke the constraint {text}: it was {value:.4g}"
    return ""
